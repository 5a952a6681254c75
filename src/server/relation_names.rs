//! Which relation a name in a statement means, and where a new one goes.

use datafusion::sql::sqlparser::ast::ObjectName;

use super::error::PgError;
use super::guard::Guard;
use super::names::identifier;
use super::pg_catalog;
use super::scratch::overlay::Overlay;
use super::scratch::space::{Object, TEMP};

/// The relation that a name means.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// One that clients made.
    Scratch { schema: String, name: String, object: Object },
    /// One of the engine, which no client changes.
    Engine { name: String, kind: &'static str },
}

/// Names as one session means them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) overlay: &'a Overlay,
    pub(crate) guard: &'a Guard,
    pub(crate) search_path: &'a [String],
    pub(crate) database: &'a str,
    pub(crate) user: &'a str,
}

impl Names<'_> {
    /// Schema, if one is given, and name.
    pub(crate) fn parts(&self, name: &ObjectName) -> Result<(Option<String>, String), PgError> {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(identifier).collect();
        match parts.as_slice() {
            [name] => Ok((None, name.clone())),
            [schema, name] => Ok((Some(self.overlay.canonical(schema).to_owned()), name.clone())),
            [database, schema, name] if database == self.database => {
                Ok((Some(self.overlay.canonical(schema).to_owned()), name.clone()))
            }
            [..] if parts.len() == 3 => {
                Err(PgError::new("0A000", format!("cross-database references are not implemented: \"{}\"", parts.join("."))))
            }
            _ => Err(PgError::new("42601", format!("improper qualified name (too many dotted names): {}", parts.join(".")))),
        }
    }

    /// Whether a schema is one of the engine's.
    pub(crate) fn is_engine_schema(&self, schema: &str) -> bool {
        matches!(schema, pg_catalog::SCHEMA | "information_schema") || self.overlay.inner.schema(schema).is_some()
    }

    pub(crate) fn is_schema(&self, schema: &str) -> bool {
        self.is_engine_schema(schema) || self.overlay.scratch_schema(schema).is_some() || schema == TEMP
    }

    fn in_schema(&self, schema: &str, name: &str) -> Option<Found> {
        let schema = self.overlay.canonical(schema);
        if let Some(object) = self.overlay.object(schema, name) {
            return Some(Found::Scratch { schema: schema.to_owned(), name: name.to_owned(), object: object.clone() });
        }
        let catalog = schema == pg_catalog::SCHEMA && pg_catalog::is_relation(name);
        let known = catalog || self.overlay.inner.schema(schema).is_some_and(|found| found.table_exist(name));
        let table = matches!(schema, "raw" | "system" | "ml") || catalog;
        known.then(|| Found::Engine { name: name.to_owned(), kind: if table { "table" } else { "view" } })
    }

    /// The relation that a name means, if there is one. A schema that does not exist is an error.
    pub(crate) fn find(&self, name: &ObjectName) -> Result<Option<Found>, PgError> {
        match self.parts(name)? {
            (Some(schema), name) => {
                if !self.is_schema(&schema) {
                    return Err(no_schema(&schema));
                }
                Ok(self.in_schema(&schema, &name))
            }
            (None, name) => {
                let path = self.search_path.iter().map(String::as_str);
                let path = path.chain([pg_catalog::SCHEMA]);
                Ok(path.filter_map(|schema| self.in_schema(schema, &name)).next())
            }
        }
    }

    /// Where a new relation goes: its schema and name.
    pub(crate) fn place(&self, name: &ObjectName, temporary: bool) -> Result<(String, String), PgError> {
        let (schema, name) = self.parts(name)?;
        if name.len() > 63 {
            return Err(PgError::new("42622", format!("identifier \"{name}\" is longer than 63 bytes")));
        }
        if temporary {
            return match schema {
                Some(schema) if schema != TEMP => {
                    Err(PgError::new("42P16", "cannot create temporary relation in non-temporary schema"))
                }
                _ => Ok((TEMP.to_owned(), name)),
            };
        }
        if let Some(schema) = schema {
            self.writable_schema(&schema)?;
            return Ok((schema, name));
        }
        // The schema of a user is made when it is first needed.
        let writable = |schema: &&String| {
            !self.is_engine_schema(schema)
                && (self.overlay.scratch_schema(schema).is_some() || **schema == self.user)
                && self.guard.check_create(schema).is_ok()
        };
        if let Some(schema) = self.search_path.iter().filter(|schema| *schema != TEMP).find(writable) {
            return Ok((schema.clone(), name));
        }
        match self.search_path.iter().find(|schema| self.is_engine_schema(schema)) {
            Some(schema) => Err(no_right(schema)),
            None => Err(PgError::new("3F000", "no schema has been selected to create in")),
        }
    }

    /// Refuses a schema in which clients cannot make anything.
    pub(crate) fn writable_schema(&self, schema: &str) -> Result<(), PgError> {
        if schema == TEMP || self.overlay.scratch_schema(schema).is_some() {
            return self.guard.check_create(schema);
        }
        Err(if self.is_engine_schema(schema) { no_right(schema) } else { no_schema(schema) })
    }
}

pub(crate) fn no_schema(schema: &str) -> PgError {
    PgError::new("3F000", format!("schema \"{schema}\" does not exist"))
}

fn no_right(schema: &str) -> PgError {
    PgError::new("42501", format!("permission denied for schema {schema}"))
        .with_hint("Layers come from files; make tables in a schema of your own, or TEMP ones.")
}

pub(crate) fn no_relation(name: &ObjectName) -> PgError {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(identifier).collect();
    PgError::new("42P01", format!("relation \"{}\" does not exist", parts.join(".")))
}
