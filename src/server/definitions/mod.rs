//! Doing what CREATE, DROP, ALTER, COMMENT and TRUNCATE say: one state of the scratch schemas → the next.

mod alter;
mod drop;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema as ArrowSchema};
use datafusion::sql::sqlparser::ast::{self, Ident, ObjectName, VisitMut, VisitorMut};

use super::backend::Notice;
use super::columns::{self, NewColumn};
use super::define::{CreateTable, Define, index_columns, local_names};
use super::error::PgError;
use super::names::identifier;
use super::plan::{Planned, Planner};
use super::relation_names::{Found, Names, no_relation};
use super::run::without_parameters;
use super::scratch::Scratch;
use super::scratch::part::PartWriter;
use super::scratch::space::{ColumnNotes, Key, Object, State, TEMP, Table, View, unique};
use super::write::{Checks, check_keys, put_rows};
use crate::access::acl::Acl;
use crate::access::roles::Privilege;

/// Objects that a client may have in one schema, so that none fills the memory with names.
const MAX_OBJECTS: usize = 10_000;

/// What a statement made of the state that it saw.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) state: State,
    pub(crate) tag: String,
    pub(crate) notices: Vec<Notice>,
    /// The rows of RETURNING.
    pub(crate) returned: Option<Arc<Table>>,
}

/// One statement at work.
pub(crate) struct Definer {
    pub(crate) planner: Planner,
    pub(crate) scratch: Arc<Scratch>,
    pub(crate) user: String,
}

impl Definer {
    /// Does what the statement says, to a copy of the state.
    pub(crate) async fn define(&self, define: Define) -> Result<Outcome, PgError> {
        let mut outcome = Outcome {
            state: self.planner.scratch.state.clone(),
            tag: define.tag().to_owned(),
            notices: Vec::new(),
            returned: None,
        };
        match define {
            Define::Table(table) => self.create_table(*table, &mut outcome).await?,
            Define::View { view, security_invoker } => self.create_view(*view, security_invoker, &mut outcome).await?,
            Define::Schema { name, owner, if_not_exists } => self.create_schema(name, owner, if_not_exists, &mut outcome)?,
            Define::Index { table, columns, unique, name, if_not_exists } => {
                self.create_index(&table, columns, unique, name, if_not_exists, &mut outcome).await?;
            }
            Define::Drop { kind, if_exists, names, cascade } => self.drop(kind, if_exists, &names, cascade, &mut outcome)?,
            Define::Alter { kind, if_exists, name, action } => self.alter(kind, if_exists, &name, action, &mut outcome)?,
            Define::Truncate { tables } => self.truncate(&tables, &mut outcome)?,
            Define::Comment { object, text } => self.comment(object, text, &mut outcome)?,
            Define::Rights(change) => self.change_rights(&change, &mut outcome)?,
            Define::Reassign { from, to } => self.reassign(&from, &to, &mut outcome)?,
            Define::DropOwned { roles, cascade } => self.drop_owned(&roles, cascade, &mut outcome)?,
        }
        Ok(outcome)
    }

    pub(crate) fn names(&self) -> Names<'_> {
        self.planner.names()
    }

    /// The relation that is to be changed, which has to be the role's own.
    fn own(&self, name: &ObjectName) -> Result<(String, String, Object), PgError> {
        let (schema, name, object) = self.found(name)?;
        self.planner.guard.check_owner(object.kind(), &schema, &name)?;
        Ok((schema, name, object))
    }

    /// A relation that clients made.
    fn found(&self, name: &ObjectName) -> Result<(String, String, Object), PgError> {
        match self.names().find(name)? {
            Some(Found::Scratch { schema, name, object }) => Ok((schema, name, object)),
            Some(Found::Engine { name, kind }) => Err(not_owner(kind, &name)),
            None => Err(no_relation(name)),
        }
    }

    fn own_table(&self, name: &ObjectName) -> Result<(String, String, Arc<Table>), PgError> {
        match self.own(name)? {
            (schema, name, Object::Table(table)) => Ok((schema, name, table)),
            (_, name, Object::View(_)) => Err(PgError::new("42809", format!("\"{name}\" is not a table"))),
        }
    }

    /// Puts an object where there is none.
    fn insert(&self, schema: &str, name: &str, object: Object, state: &mut State) -> Result<(), PgError> {
        if state.space(schema).schemas.get(schema).is_some_and(|schema| schema.objects.len() >= MAX_OBJECTS) {
            return Err(PgError::new("53400", format!("more than {MAX_OBJECTS} tables and views in one schema")));
        }
        state.space_mut(schema).change(schema, |schema| {
            if schema.owner.is_empty() {
                schema.owner.clone_from(&self.user);
            }
            schema.objects.insert(name.to_owned(), object);
        });
        Ok(())
    }

    async fn create_table(&self, table: CreateTable, outcome: &mut Outcome) -> Result<(), PgError> {
        let (schema, name) = self.names().place(&table.name, table.temporary)?;
        if outcome.state.get(&schema, &name).is_some() {
            let message = format!("relation \"{name}\" already exists");
            if table.if_not_exists {
                outcome.notices.push(Notice::new("42P07", format!("{message}, skipping")));
                return Ok(());
            }
            return Err(PgError::new("42P07", message));
        }
        let object = match &table.query {
            Some(query) => {
                let (made, rows) = self.table_of_query(&table, query).await?;
                if table.with_data {
                    outcome.tag = format!("SELECT {rows}");
                }
                made
            }
            None => self.empty_table(&table, &name).await?,
        };
        self.insert(&schema, &name, Object::Table(Arc::new(object)), &mut outcome.state)
    }

    /// CREATE TABLE AS. Returns the table and the number of its rows.
    async fn table_of_query(&self, table: &CreateTable, query: &ast::Query) -> Result<(Table, usize), PgError> {
        if !table.constraints.is_empty() || !table.columns.is_empty() {
            return Err(
                PgError::new("42601", "syntax error at or near \"AS\"").with_hint("CREATE TABLE AS takes names of columns only.")
            );
        }
        let planned = self.plan_query(query).await?;
        let given = &table.names;
        if given.len() > planned.names.len() {
            return Err(PgError::new("42601", "too many column names were specified"));
        }
        let names: Vec<String> = given.iter().chain(planned.names.iter().skip(given.len())).cloned().collect();
        let columns = columns::of_query(&planned.schema, &names)?;
        let mut made = self.table(columns, Vec::new(), table);
        if !table.with_data {
            return Ok((made, 0));
        }
        let state = &self.planner.state;
        let mut writer = PartWriter::new(Arc::clone(&made.schema), self.scratch.files(), &state.runtime_env().memory_pool);
        put_rows(&self.planner, &planned.plan, &mut writer, &Checks::of("", &made)).await?;
        let rows = writer.rows();
        if let Some(part) = writer.finish().map_err(|error| super::error::sqlstate(&error))? {
            made = made.with_more(part, 0);
        }
        Ok((made, rows))
    }

    async fn empty_table(&self, table: &CreateTable, name: &str) -> Result<Table, PgError> {
        let mut columns = Vec::new();
        if let Some(like) = &table.like {
            let (schema, name, object) = self.found(like)?;
            self.planner.guard.check_read(&schema, &name)?;
            columns.extend(columns::like(object.schema()));
        }
        let (declared, mut keys) = columns::declared(&self.planner, name, &table.columns).await?;
        columns.extend(declared);
        keys.extend(constraints(name, &table.constraints)?);
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(column.field.name().clone())) {
            return Err(PgError::new("42701", format!("column \"{}\" specified more than once", twice.field.name())));
        }
        if keys.iter().filter(|key| key.primary).count() > 1 {
            return Err(PgError::new("42P16", format!("multiple primary keys for table \"{name}\" are not allowed")));
        }
        for key in &keys {
            for wanted in &key.columns {
                let Some(column) = columns.iter_mut().find(|column| column.field.name() == wanted) else {
                    return Err(PgError::new("42703", format!("column \"{wanted}\" named in key does not exist")));
                };
                if key.primary {
                    column.field = column.field.clone().with_nullable(false);
                }
            }
        }
        Ok(self.table(columns, keys, table))
    }

    fn table(&self, columns: Vec<NewColumn>, keys: Vec<Key>, table: &CreateTable) -> Table {
        let (fields, notes): (Vec<Field>, Vec<ColumnNotes>) =
            columns.into_iter().map(|column| (column.field, column.notes)).unzip();
        Table {
            id: unique(),
            owner: self.user.clone(),
            acl: Acl::default(),
            comment: None,
            schema: Arc::new(ArrowSchema::new(fields)),
            columns: Arc::new(notes),
            keys: Arc::new(keys),
            on_commit: table.on_commit,
            parts: Vec::new(),
        }
    }

    async fn plan_query(&self, query: &ast::Query) -> Result<Arc<Planned>, PgError> {
        let statement = ast::Statement::Query(Box::new(query.clone()));
        let planned = self.planner.plan(statement, &[]).await?;
        without_parameters(Arc::new(planned))
    }

    async fn create_view(&self, view: ast::CreateView, security_invoker: bool, outcome: &mut Outcome) -> Result<(), PgError> {
        let planned = self.plan_query(&view.query).await?;
        let mut query = view.query.as_ref().clone();
        let mut qualifier = Qualifier { names: self.names(), hidden: local_names(&query), reads: Vec::new() };
        let _ = VisitMut::visit(&mut query, &mut qualifier);
        let reads = qualifier.reads;
        let reads_temporary = reads.iter().any(|(schema, _)| schema == TEMP);
        let in_temp = view.name.0.first().and_then(|part| part.as_ident()).is_some_and(|part| identifier(part) == TEMP);
        let (schema, name) = if reads_temporary && !view.temporary && !in_temp {
            let (_, name) = self.names().parts(&view.name)?;
            outcome.notices.push(Notice::new("00000", format!("view \"{name}\" will be a temporary view")));
            (TEMP.to_owned(), name)
        } else {
            self.names().place(&view.name, view.temporary || in_temp)?
        };
        let given: Vec<String> = view.columns.iter().map(|column| identifier(&column.name)).collect();
        if given.len() > planned.names.len() {
            return Err(PgError::new("42601", "CREATE VIEW specifies more column names than columns"));
        }
        let names: Vec<String> = given.iter().chain(planned.names.iter().skip(given.len())).cloned().collect();
        let fields: Vec<Field> = columns::of_view(&planned.schema, &names)?;
        let mut made = View {
            owner: self.user.clone(),
            acl: Acl::default(),
            security_invoker,
            comment: None,
            column_comments: vec![None; fields.len()],
            schema: Arc::new(ArrowSchema::new(fields)),
            query: query.to_string(),
            names,
            reads,
        };
        match outcome.state.get(&schema, &name) {
            None => {}
            Some(_) if !view.or_replace => {
                return Err(PgError::new("42P07", format!("relation \"{name}\" already exists")));
            }
            Some(Object::Table(_)) => return Err(PgError::new("42809", format!("\"{name}\" is not a view"))),
            Some(Object::View(before)) => {
                self.planner.guard.check_owner("view", &schema, &name)?;
                replaceable(before, &made)?;
                let itself = (schema.clone(), name.clone());
                if made.reads.contains(&itself)
                    || outcome.state.readers(&schema, &name).iter().any(|reader| made.reads.contains(reader))
                {
                    return Err(PgError::new("42P17", format!("infinite recursion detected in rules for relation \"{name}\"")));
                }
                // Who made it first goes on lending it their rights.
                (made.owner, made.acl) = (before.owner.clone(), before.acl.clone());
                made.comment.clone_from(&before.comment);
                for (slot, comment) in made.column_comments.iter_mut().zip(&before.column_comments) {
                    slot.clone_from(comment);
                }
            }
        }
        self.insert(&schema, &name, Object::View(Arc::new(made)), &mut outcome.state)
    }

    fn create_schema(
        &self,
        name: Option<String>,
        owner: Option<String>,
        if_not_exists: bool,
        outcome: &mut Outcome,
    ) -> Result<(), PgError> {
        let owner = owner.map_or_else(|| Ok(self.user.clone()), |owner| self.role_named(&owner))?;
        let name = name.unwrap_or_else(|| owner.clone());
        if name.starts_with("pg_") {
            return Err(PgError::new("42939", format!("unacceptable schema name \"{name}\""))
                .with_detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        if self.names().is_schema(&name) {
            let message = format!("schema \"{name}\" already exists");
            if if_not_exists {
                outcome.notices.push(Notice::new("42P06", format!("{message}, skipping")));
                return Ok(());
            }
            return Err(PgError::new("42P06", message));
        }
        self.may_name(&name)?;
        self.may_give(&owner, None)?;
        if outcome.state.durable.schemas.len() >= MAX_OBJECTS {
            return Err(PgError::new("53400", format!("more than {MAX_OBJECTS} schemas")));
        }
        outcome.state.space_mut(&name).change(&name, |schema| schema.owner = owner);
        Ok(())
    }

    /// Whether the role may make a schema of this name.
    fn may_name(&self, schema: &str) -> Result<(), PgError> {
        if schema == self.user || self.planner.guard.principal().rights().is_everything() {
            return Ok(());
        }
        Err(PgError::new("42501", format!("permission denied for database {}", self.planner.database))
            .with_hint("A role may make the schema of its own name."))
    }

    /// A unique index is a constraint. Any other changes no answer: tables are read as a whole.
    async fn create_index(
        &self,
        table: &ObjectName,
        columns: Vec<String>,
        unique: bool,
        name: Option<String>,
        if_not_exists: bool,
        outcome: &mut Outcome,
    ) -> Result<(), PgError> {
        let (schema, table_name, table) = self.own_table(table)?;
        if let Some(missing) = columns.iter().find(|column| table.schema.index_of(column).is_err()) {
            return Err(PgError::new("42703", format!("column \"{missing}\" does not exist")));
        }
        if !unique {
            outcome.notices.push(Notice::new("00000", "the index is not kept: scratch tables are read without one"));
            return Ok(());
        }
        let name = name.unwrap_or_else(|| format!("{table_name}_{}_idx", columns.join("_")));
        if table.keys.iter().any(|key| key.name == name) {
            let message = format!("relation \"{name}\" already exists");
            if if_not_exists {
                outcome.notices.push(Notice::new("42P07", format!("{message}, skipping")));
                return Ok(());
            }
            return Err(PgError::new("42P07", message));
        }
        let mut keys = table.keys.as_ref().clone();
        keys.push(Key { name: name.clone(), columns, primary: false });
        let keyed = Table { keys: Arc::new(keys), ..table.as_ref().clone() };
        check_keys(&self.planner, &self.planner.context(), &keyed).await.map_err(|error| match error.code.as_ref() {
            "23505" => PgError::new("23505", format!("could not create unique index \"{name}\"")),
            _ => error,
        })?;
        self.insert(&schema, &table_name, Object::Table(Arc::new(keyed)), &mut outcome.state)
    }

    fn truncate(&self, tables: &[ObjectName], outcome: &mut Outcome) -> Result<(), PgError> {
        for name in tables {
            let (schema, name, object) = self.found(name)?;
            let Object::Table(table) = object else {
                return Err(PgError::new("42809", format!("\"{name}\" is not a table")));
            };
            self.planner.guard.check(Privilege::Truncate, &schema, &name)?;
            outcome.state.space_mut(&schema).replace_rows(&schema, &name, Table { parts: Vec::new(), ..table.as_ref().clone() });
        }
        Ok(())
    }
}

/// Checks what PostgreSQL checks of CREATE OR REPLACE VIEW: the old columns stay.
fn replaceable(before: &View, after: &View) -> Result<(), PgError> {
    let invalid = |message: String| PgError::new("42P16", message);
    if after.schema.fields().len() < before.schema.fields().len() {
        return Err(invalid("cannot drop columns from view".into()));
    }
    for (old, new) in before.schema.fields().iter().zip(after.schema.fields()) {
        if old.name() != new.name() {
            return Err(invalid(format!("cannot change name of view column \"{}\" to \"{}\"", old.name(), new.name()))
                .with_hint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead."));
        }
        if old.data_type() != new.data_type() {
            let (from, to) = (columns::type_name(old), columns::type_name(new));
            return Err(invalid(format!("cannot change data type of view column \"{}\" from {from} to {to}", old.name())));
        }
    }
    Ok(())
}

pub(crate) fn not_owner(kind: &str, name: &str) -> PgError {
    PgError::new("42501", format!("must be owner of {kind} {name}"))
}

/// Primary keys and unique constraints that stand behind the columns.
fn constraints(table: &str, constraints: &[ast::TableConstraint]) -> Result<Vec<Key>, PgError> {
    let constraint = |constraint: &ast::TableConstraint| match constraint {
        ast::TableConstraint::PrimaryKey(key) => {
            let name = key.name.as_ref().map_or_else(|| format!("{table}_pkey"), identifier);
            Ok(Key { name, columns: index_columns(&key.columns)?, primary: true })
        }
        ast::TableConstraint::Unique(key) => {
            let columns = index_columns(&key.columns)?;
            let name = key.name.as_ref().map_or_else(|| format!("{table}_{}_key", columns.join("_")), identifier);
            Ok(Key { name, columns, primary: false })
        }
        ast::TableConstraint::ForeignKey(_) => Err(columns::unsupported_constraint("FOREIGN KEY")),
        ast::TableConstraint::Check(_) => Err(columns::unsupported_constraint("CHECK")),
        _ => Err(columns::unsupported_constraint("this")),
    };
    constraints.iter().map(constraint).collect()
}

/// Names every relation of a query in full, as a view keeps it.
struct Qualifier<'a> {
    names: Names<'a>,
    hidden: Vec<String>,
    reads: Vec<(String, String)>,
}

impl VisitorMut for Qualifier<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
        let plain = name.0.len() == 1;
        let Ok((_, last)) = self.names.parts(name) else { return ControlFlow::Continue(()) };
        if plain && self.hidden.contains(&last) {
            return ControlFlow::Continue(());
        }
        match self.names.find(name) {
            Ok(Some(Found::Scratch { schema, name: found, .. })) => {
                *name = qualified(&schema, &found);
                self.reads.push((schema, found));
            }
            Ok(Some(Found::Engine { name: found, .. })) if plain => {
                let schema = self
                    .names
                    .search_path
                    .iter()
                    .find(|schema| self.names.overlay.inner.schema(schema).is_some_and(|schema| schema.table_exist(&found)));
                if let Some(schema) = schema {
                    *name = qualified(schema, &found);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn qualified(schema: &str, name: &str) -> ObjectName {
    ObjectName::from(vec![Ident::with_quote('"', schema), Ident::with_quote('"', name)])
}
