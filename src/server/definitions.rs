//! Doing what CREATE, DROP, ALTER, COMMENT and TRUNCATE say: one state of the scratch schemas → the next.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema as ArrowSchema};
use datafusion::sql::sqlparser::ast::{self, Ident, ObjectName, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::backend::Notice;
use super::columns::{self, NewColumn};
use super::define::{Action, Commented, CreateTable, Define, Kind, index_columns, local_names};
use super::error::PgError;
use super::names::identifier;
use super::plan::{Planned, Planner};
use super::relation_names::{Found, Names, no_relation, no_schema};
use super::run::without_parameters;
use super::scratch::part::PartWriter;
use super::scratch::space::{ColumnNotes, Key, Object, Schema, State, TEMP, Table, View, unique};
use super::scratch::{PUBLIC, Scratch};
use super::write::{Checks, check_keys, put_rows};
use crate::access::roles::Privilege;

/// Objects that a client may have in one schema, so that none fills the memory with names.
const MAX_OBJECTS: usize = 10_000;

/// What a statement made of the state that it saw.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) state: State,
    pub(crate) tag: String,
    pub(crate) notices: Vec<Notice>,
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
        let mut outcome =
            Outcome { state: self.planner.scratch.state.clone(), tag: define.tag().to_owned(), notices: Vec::new() };
        match define {
            Define::Table(table) => self.create_table(*table, &mut outcome).await?,
            Define::View(view) => self.create_view(*view, &mut outcome).await?,
            Define::Schema { name, if_not_exists } => self.create_schema(name, if_not_exists, &mut outcome)?,
            Define::Index { table, columns, unique, name, if_not_exists } => {
                self.create_index(&table, columns, unique, name, if_not_exists, &mut outcome).await?;
            }
            Define::Drop { kind, if_exists, names, cascade } => self.drop(kind, if_exists, &names, cascade, &mut outcome)?,
            Define::Alter { kind, if_exists, name, action } => self.alter(kind, if_exists, &name, action, &mut outcome)?,
            Define::Truncate { tables } => self.truncate(&tables, &mut outcome)?,
            Define::Comment { object, text } => self.comment(object, text, &mut outcome)?,
        }
        Ok(outcome)
    }

    fn names(&self) -> Names<'_> {
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
        if !table.constraints.is_empty() || table.columns.iter().any(|column| !column.options.is_empty()) {
            return Err(PgError::new("42601", "CREATE TABLE AS takes names of columns only"));
        }
        let planned = self.plan_query(query).await?;
        let given: Vec<String> = table.columns.iter().map(|column| identifier(&column.name)).collect();
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

    async fn create_view(&self, view: ast::CreateView, outcome: &mut Outcome) -> Result<(), PgError> {
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
                made.comment.clone_from(&before.comment);
                for (slot, comment) in made.column_comments.iter_mut().zip(&before.column_comments) {
                    slot.clone_from(comment);
                }
            }
        }
        self.insert(&schema, &name, Object::View(Arc::new(made)), &mut outcome.state)
    }

    fn create_schema(&self, name: Option<String>, if_not_exists: bool, outcome: &mut Outcome) -> Result<(), PgError> {
        let name = name.unwrap_or_else(|| self.user.clone());
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
        if outcome.state.durable.schemas.len() >= MAX_OBJECTS {
            return Err(PgError::new("53400", format!("more than {MAX_OBJECTS} schemas")));
        }
        outcome.state.space_mut(&name).change(&name, |schema| schema.owner.clone_from(&self.user));
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
        check_keys(&self.planner, &keyed).await.map_err(|error| match error.code.as_ref() {
            "23505" => PgError::new("23505", format!("could not create unique index \"{name}\"")),
            _ => error,
        })?;
        self.insert(&schema, &table_name, Object::Table(Arc::new(keyed)), &mut outcome.state)
    }

    fn drop(
        &self,
        kind: Kind,
        if_exists: bool,
        names: &[ObjectName],
        cascade: bool,
        outcome: &mut Outcome,
    ) -> Result<(), PgError> {
        let mut gone: Vec<(String, String)> = Vec::new();
        let mut schemas = Vec::new();
        for name in names {
            match kind {
                Kind::Schema => {
                    let (_, name) = self.names().parts(name)?;
                    match self.droppable_schema(&name, outcome)? {
                        true => schemas.push(name),
                        false if if_exists => outcome.notices.push(missing(&no_schema(&name))),
                        false => return Err(no_schema(&name)),
                    }
                }
                Kind::Index => {
                    let (_, name) = self.names().parts(name)?;
                    let absent = PgError::new("42704", format!("index \"{name}\" does not exist"));
                    match if_exists {
                        true => outcome.notices.push(missing(&absent)),
                        false => return Err(absent),
                    }
                }
                Kind::Table | Kind::View => match self.names().find(name) {
                    Err(error) if if_exists && error.code == "3F000" => outcome.notices.push(missing(&error)),
                    Err(error) => return Err(error),
                    Ok(None) => {
                        let (schema, name) = self.names().parts(name)?;
                        let shown = schema.map_or(name.clone(), |schema| format!("{schema}.{name}"));
                        let absent = PgError::new("42P01", format!("{} \"{shown}\" does not exist", kind.word()));
                        match if_exists {
                            true => {
                                let skipping = PgError::new("00000", format!("{} \"{name}\" does not exist", kind.word()));
                                outcome.notices.push(missing(&skipping));
                            }
                            false => return Err(absent),
                        }
                    }
                    Ok(Some(Found::Engine { name, kind })) => return Err(not_owner(kind, &name)),
                    Ok(Some(Found::Scratch { schema, name, object })) => {
                        expect_kind(kind, &name, &object)?;
                        self.planner.guard.check_owner(object.kind(), &schema, &name)?;
                        gone.push((schema, name));
                    }
                },
            }
        }
        self.remove(kind, gone, &schemas, cascade, outcome)
    }

    /// Whether there is a schema that may be dropped.
    fn droppable_schema(&self, name: &str, outcome: &Outcome) -> Result<bool, PgError> {
        if self.names().is_engine_schema(name) || name == PUBLIC {
            return Err(not_owner("schema", name));
        }
        let exists = outcome.state.durable.schemas.contains_key(name);
        if exists && !self.planner.guard.owns_schema(name) {
            return Err(not_owner("schema", name));
        }
        Ok(exists)
    }

    fn remove(
        &self,
        kind: Kind,
        gone: Vec<(String, String)>,
        schemas: &[String],
        cascade: bool,
        outcome: &mut Outcome,
    ) -> Result<(), PgError> {
        let state = &outcome.state;
        let shown = |schema: &str, name: &str| match kind == Kind::Schema
            || !self.planner.search_path.iter().any(|path| path == schema)
        {
            true if schema != TEMP => format!("{schema}.{name}"),
            _ => name.to_owned(),
        };
        let mut others: Vec<(String, String, String)> = Vec::new();
        for schema in schemas {
            let objects = state.durable.schemas.get(schema).map(|found| &found.objects).into_iter().flatten();
            for (name, object) in objects {
                others.push((schema.clone(), name.clone(), format!("schema {schema}")));
                let _ = object;
            }
        }
        let inside: Vec<(String, String)> = others.iter().map(|(schema, name, _)| (schema.clone(), name.clone())).collect();
        for (schema, name) in gone.iter().chain(&inside) {
            let word = state.get(schema, name).map_or("table", Object::kind);
            for (reader_schema, reader) in state.readers(schema, name) {
                let known = gone.iter().any(|(s, n)| *s == reader_schema && *n == reader)
                    || others.iter().any(|(s, n, _)| *s == reader_schema && *n == reader);
                if !known {
                    others.push((reader_schema, reader, format!("{word} {}", shown(schema, name))));
                }
            }
        }
        let describe = |schema: &str, name: &str| {
            let word = state.get(schema, name).map_or("view", Object::kind);
            format!("{word} {}", shown(schema, name))
        };
        if !others.is_empty() && !cascade {
            let what = match (schemas.first(), gone.first()) {
                (Some(schema), _) => format!("schema {schema}"),
                (_, Some((schema, name))) => describe(schema, name),
                _ => String::new(),
            };
            let lines: Vec<String> =
                others.iter().map(|(schema, name, on)| format!("{} depends on {on}", describe(schema, name))).collect();
            return Err(PgError::new("2BP01", format!("cannot drop {what} because other objects depend on it"))
                .with_detail(lines.join("\n"))
                .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        let lines: Vec<String> =
            others.iter().map(|(schema, name, _)| format!("drop cascades to {}", describe(schema, name))).collect();
        match lines.as_slice() {
            [] => {}
            [only] => outcome.notices.push(Notice::new("00000", only.clone())),
            many => {
                let message = format!("drop cascades to {} other objects", many.len());
                outcome.notices.push(Notice { detail: Some(many.join("\n")), ..Notice::new("00000", message) });
            }
        }
        let all: Vec<(String, String)> =
            gone.into_iter().chain(others.into_iter().map(|(schema, name, _)| (schema, name))).collect();
        for (schema, name) in all {
            outcome.state.space_mut(&schema).change(&schema, |schema| {
                schema.objects.remove(&name);
            });
        }
        for schema in schemas {
            let space = outcome.state.space_mut(schema);
            space.schemas.remove(schema);
            space.definitions = unique();
        }
        Ok(())
    }

    fn alter(
        &self,
        kind: Kind,
        if_exists: bool,
        name: &ObjectName,
        action: Action,
        outcome: &mut Outcome,
    ) -> Result<(), PgError> {
        if kind == Kind::Schema {
            return self.alter_schema(name, action, outcome);
        }
        let (schema, name, object) = match self.own(name) {
            Err(error) if if_exists && matches!(error.code.as_ref(), "42P01" | "3F000") => {
                outcome.notices.push(missing(&error));
                return Ok(());
            }
            found => found?,
        };
        if kind == Kind::View && !object.is_view() {
            return Err(PgError::new("42809", format!("\"{name}\" is not a view")));
        }
        match action {
            Action::Rename(new) => self.move_to(&schema, &name, &object, &schema, &new, outcome),
            Action::SetSchema(new) => {
                self.names().writable_schema(&new)?;
                if schema == TEMP || new == TEMP {
                    return Err(PgError::new("0A000", "cannot move objects into or out of temporary schemas"));
                }
                self.move_to(&schema, &name, &object, &new, &name, outcome)
            }
            Action::RenameColumn(from, to) => self.rename_column(&schema, &name, &object, &from, &to, outcome),
            Action::Owner(owner) if owner == object.owner() || owner == "current_user" => Ok(()),
            Action::Owner(_) => Err(PgError::new("0A000", "tables and views stay with who made them")),
        }
    }

    fn move_to(
        &self,
        schema: &str,
        name: &str,
        object: &Object,
        new_schema: &str,
        new_name: &str,
        outcome: &mut Outcome,
    ) -> Result<(), PgError> {
        if outcome.state.get(new_schema, new_name).is_some() {
            return Err(match schema == new_schema {
                true => PgError::new("42P07", format!("relation \"{new_name}\" already exists")),
                false => PgError::new("42P07", format!("relation \"{new_name}\" already exists in schema \"{new_schema}\"")),
            });
        }
        let object = object.clone();
        outcome.state.space_mut(schema).change(schema, |schema| {
            schema.objects.remove(name);
        });
        self.insert(new_schema, new_name, object, &mut outcome.state)?;
        // Views go on reading what they read, whatever it is called now.
        let (from, to) = ((schema.to_owned(), name.to_owned()), (new_schema.to_owned(), new_name.to_owned()));
        follow(&mut outcome.state, |read| (*read == from).then(|| to.clone()))
    }

    fn rename_column(
        &self,
        schema: &str,
        name: &str,
        object: &Object,
        from: &str,
        to: &str,
        outcome: &mut Outcome,
    ) -> Result<(), PgError> {
        let old = object.schema();
        let at = old.index_of(from).map_err(|_| PgError::new("42703", format!("column \"{from}\" does not exist")))?;
        if old.index_of(to).is_ok() {
            return Err(PgError::new("42701", format!("column \"{to}\" of relation \"{name}\" already exists")));
        }
        if let Some((_, reader)) = outcome.state.readers(schema, name).first() {
            return Err(PgError::new("0A000", format!("cannot rename column \"{from}\": the view \"{reader}\" reads it"))
                .with_hint("Drop the view, and create it again afterwards."));
        }
        let rename = |(index, field): (usize, &Arc<Field>)| match index == at {
            true => field.as_ref().clone().with_name(to),
            false => field.as_ref().clone(),
        };
        let fields: Vec<Field> = old.fields().iter().enumerate().map(rename).collect();
        let renamed = Arc::new(ArrowSchema::new(fields));
        let object = match object {
            Object::View(view) => {
                let names =
                    view.names.iter().enumerate().map(|(index, old)| if index == at { to.to_owned() } else { old.clone() });
                Object::View(Arc::new(View { schema: renamed, names: names.collect(), ..view.as_ref().clone() }))
            }
            Object::Table(table) => {
                let column = |column: &String| if column == from { to.to_owned() } else { column.clone() };
                let key = |key: &Key| Key { columns: key.columns.iter().map(column).collect(), ..key.clone() };
                let keys = Arc::new(table.keys.iter().map(key).collect());
                let parts = table.parts.iter().map(|part| part.renamed(&renamed).map(Arc::new));
                let parts = parts.collect::<Result<_, _>>().map_err(|error| super::error::sqlstate(&error))?;
                Object::Table(Arc::new(Table { schema: renamed, keys, parts, ..table.as_ref().clone() }))
            }
        };
        self.insert(schema, name, object, &mut outcome.state)
    }

    fn alter_schema(&self, name: &ObjectName, action: Action, outcome: &mut Outcome) -> Result<(), PgError> {
        let (_, name) = self.names().parts(name)?;
        if !self.droppable_schema(&name, outcome)? {
            return Err(no_schema(&name));
        }
        let new = match action {
            Action::Rename(new) => {
                self.may_name(&new)?;
                new
            }
            Action::Owner(owner) => {
                let principal = self.planner.guard.principal();
                if !principal.rights().include(&owner) {
                    return Err(PgError::new("42501", format!("must be able to SET ROLE \"{owner}\"")));
                }
                outcome.state.space_mut(&name).change(&name, |schema| schema.owner = owner);
                return Ok(());
            }
            _ => return Err(PgError::new("42601", "syntax error in ALTER SCHEMA")),
        };
        if self.names().is_schema(&new) {
            return Err(PgError::new("42P06", format!("schema \"{new}\" already exists")));
        }
        let space = outcome.state.space_mut(&name);
        if let Some(schema) = space.schemas.remove(&name) {
            space.schemas.insert(new.clone(), schema);
        }
        space.definitions = unique();
        follow(&mut outcome.state, |(schema, read)| (*schema == name).then(|| (new.clone(), read.clone())))
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

    fn comment(&self, object: Commented, text: Option<String>, outcome: &mut Outcome) -> Result<(), PgError> {
        // An empty comment is none.
        let text = text.filter(|text| !text.is_empty());
        let (schema, name, object) = match object {
            Commented::Database => return Err(not_owner("database", &self.planner.database)),
            Commented::Schema(name) => {
                if self.names().is_engine_schema(&name) {
                    return Err(not_owner("schema", &name));
                }
                if !outcome.state.durable.schemas.contains_key(&name) {
                    return Err(no_schema(&name));
                }
                if !self.planner.guard.owns_schema(&name) {
                    return Err(not_owner("schema", &name));
                }
                outcome.state.space_mut(&name).change(&name, |schema: &mut Schema| schema.comment = text);
                return Ok(());
            }
            Commented::Relation(kind, name) => {
                let (schema, name, object) = self.own(&name)?;
                if object.kind() != kind.word() {
                    return Err(PgError::new("42809", format!("\"{name}\" is not a {}", kind.word())));
                }
                let object = match object {
                    Object::Table(table) => Object::Table(Arc::new(Table { comment: text, ..table.as_ref().clone() })),
                    Object::View(view) => Object::View(Arc::new(View { comment: text, ..view.as_ref().clone() })),
                };
                (schema, name, object)
            }
            Commented::Column(name, column) => {
                let (schema, name, object) = self.own(&name)?;
                let Ok(at) = object.schema().index_of(&column) else {
                    return Err(PgError::new("42703", format!("column \"{column}\" of relation \"{name}\" does not exist")));
                };
                let object = match object {
                    Object::Table(table) => {
                        let mut columns = table.columns.as_ref().clone();
                        if let Some(notes) = columns.get_mut(at) {
                            notes.comment = text;
                        }
                        Object::Table(Arc::new(Table { columns: Arc::new(columns), ..table.as_ref().clone() }))
                    }
                    Object::View(view) => {
                        let mut comments = view.column_comments.clone();
                        if let Some(slot) = comments.get_mut(at) {
                            *slot = text;
                        }
                        Object::View(Arc::new(View { column_comments: comments, ..view.as_ref().clone() }))
                    }
                };
                (schema, name, object)
            }
        };
        self.insert(&schema, &name, object, &mut outcome.state)
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

fn expect_kind(kind: Kind, name: &str, object: &Object) -> Result<(), PgError> {
    if kind.word() == object.kind() {
        return Ok(());
    }
    let hint = match object.is_view() {
        true => "Use DROP VIEW to remove a view.",
        false => "Use DROP TABLE to remove a table.",
    };
    Err(PgError::new("42809", format!("\"{name}\" is not a {}", kind.word())).with_hint(hint))
}

pub(crate) fn not_owner(kind: &str, name: &str) -> PgError {
    PgError::new("42501", format!("must be owner of {kind} {name}"))
}

fn missing(error: &PgError) -> Notice {
    Notice::new("00000", format!("{}, skipping", error.message))
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

/// Writes new names into the queries of the views that read what was renamed.
fn follow(state: &mut State, new_name: impl Fn(&(String, String)) -> Option<(String, String)>) -> Result<(), PgError> {
    struct Renamer<'a, F>(&'a F);
    impl<F: Fn(&(String, String)) -> Option<(String, String)>> VisitorMut for Renamer<'_, F> {
        type Break = ();

        fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
            let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(identifier).collect();
            if let [schema, table] = parts.as_slice()
                && let Some((schema, table)) = (self.0)(&(schema.clone(), table.clone()))
            {
                *name = qualified(&schema, &table);
            }
            ControlFlow::Continue(())
        }
    }
    let mut changed = Vec::new();
    for (schema, objects) in state.durable.schemas.iter().chain(&state.temp.schemas) {
        for (name, object) in &objects.objects {
            if let Object::View(view) = object
                && view.reads.iter().any(|read| new_name(read).is_some())
            {
                let mut query = Parser::parse_sql(&PostgreSqlDialect {}, &view.query)
                    .map_err(|_| PgError::new("XX000", format!("the query of the view \"{name}\" cannot be read")))?;
                let _ = VisitMut::visit(&mut query, &mut Renamer(&new_name));
                let query = query.first().map(ToString::to_string).unwrap_or_default();
                let reads = view.reads.iter().map(|read| new_name(read).unwrap_or_else(|| read.clone())).collect();
                changed.push((schema.clone(), name.clone(), View { query, reads, ..view.as_ref().clone() }));
            }
        }
    }
    for (schema, name, view) in changed {
        state.space_mut(&schema).change(&schema, |schema| {
            schema.objects.insert(name, Object::View(Arc::new(view)));
        });
    }
    Ok(())
}
