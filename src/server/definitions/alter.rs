//! ALTER and COMMENT: other names, other places, other words for what is there.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema as ArrowSchema};
use datafusion::sql::sqlparser::ast::{ObjectName, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::drop::missing;
use super::{Definer, Outcome, not_owner, qualified};
use crate::server::define::{Action, Commented, Kind};
use crate::server::error::PgError;
use crate::server::names::identifier;
use crate::server::relation_names::no_schema;
use crate::server::scratch::space::{Key, Object, Schema, State, TEMP, Table, View, unique};

impl Definer {
    pub(super) fn alter(
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
            Action::Owner(owner) => {
                let owner = self.role_named(&owner)?;
                if owner != object.owner() {
                    self.may_give(&owner, Some(&schema))?;
                }
                let object = object.held_by(owner, object.acl().clone());
                self.insert(&schema, &name, object, &mut outcome.state)
            }
            Action::Options(named) => {
                let Object::View(view) = &object else { return Ok(()) };
                let security_invoker = named.unwrap_or(view.security_invoker);
                let object = Object::View(Arc::new(View { security_invoker, ..view.as_ref().clone() }));
                self.insert(&schema, &name, object, &mut outcome.state)
            }
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
                let parts = parts.collect::<Result<_, _>>().map_err(|error| crate::server::error::sqlstate(&error))?;
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
                let owner = self.role_named(&owner)?;
                self.may_give(&owner, None)?;
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

    pub(super) fn comment(&self, object: Commented, text: Option<String>, outcome: &mut Outcome) -> Result<(), PgError> {
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
