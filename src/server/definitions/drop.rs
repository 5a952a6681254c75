//! DROP: what goes, and what depends on it.

use datafusion::sql::sqlparser::ast::ObjectName;

use super::{Definer, Outcome, not_owner};
use crate::server::backend::Notice;
use crate::server::define::Kind;
use crate::server::error::PgError;
use crate::server::relation_names::{Found, no_schema};
use crate::server::scratch::PUBLIC;
use crate::server::scratch::space::{Object, TEMP, unique};

impl Definer {
    pub(super) fn drop(
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
    pub(super) fn droppable_schema(&self, name: &str, outcome: &Outcome) -> Result<bool, PgError> {
        if self.names().is_engine_schema(name) || name == PUBLIC {
            return Err(not_owner("schema", name));
        }
        let exists = outcome.state.durable.schemas.contains_key(name);
        if exists && !self.planner.guard.owns_schema(name) {
            return Err(not_owner("schema", name));
        }
        Ok(exists)
    }

    /// Takes away what is named, and with CASCADE what depends on it.
    pub(crate) fn remove(
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
            let inside = objects.map(|(name, _)| (schema.clone(), name.clone())).filter(|inside| !gone.contains(inside));
            others.extend(inside.map(|(in_schema, name)| (in_schema, name, format!("schema {schema}"))));
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

pub(super) fn missing(error: &PgError) -> Notice {
    Notice::new("00000", format!("{}, skipping", error.message))
}
