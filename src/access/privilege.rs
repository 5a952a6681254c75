//! What may be done with what, and the list of those who may.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::AccessError;

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privilege {
    /// Find what a schema holds.
    Usage,
    /// Make tables and views in a schema.
    Create,
    /// Read a table or view.
    Select,
    /// Add rows.
    Insert,
    /// Change rows.
    Update,
    /// Take rows away.
    Delete,
    /// Take all rows away.
    Truncate,
    /// Name a column in a foreign key, of which there are none.
    References,
    /// Make a trigger, of which there are none.
    Trigger,
    /// Run a model.
    Execute,
}

impl Privilege {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Usage,
        Self::Create,
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Truncate,
        Self::References,
        Self::Trigger,
        Self::Execute,
    ];

    /// Those on a table or view, in the order in which PostgreSQL's `aclitem` writes them.
    pub const OF_RELATION: [Self; 7] =
        [Self::Insert, Self::Select, Self::Update, Self::Delete, Self::Truncate, Self::References, Self::Trigger];

    /// Those on a schema, in the same order.
    pub const OF_SCHEMA: [Self; 2] = [Self::Usage, Self::Create];

    /// The word of SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "USAGE",
            Self::Create => "CREATE",
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::References => "REFERENCES",
            Self::Trigger => "TRIGGER",
            Self::Execute => "EXECUTE",
        }
    }

    /// The letter of an `aclitem`.
    pub fn letter(self) -> char {
        match self {
            Self::Usage => 'U',
            Self::Create => 'C',
            Self::Select => 'r',
            Self::Insert => 'a',
            Self::Update => 'w',
            Self::Delete => 'd',
            Self::Truncate => 'D',
            Self::References => 'x',
            Self::Trigger => 't',
            Self::Execute => 'X',
        }
    }
}

/// What it may be done with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// A schema itself.
    Schema(String),
    /// Every table and view of a schema, also those that come later.
    AllIn(String),
    /// One table or view: schema and name.
    Relation(String, String),
    /// Every model, also those that come later.
    AllModels,
    /// One model, whatever its version.
    Model(String),
}

impl Object {
    /// The kind of the object, as messages and `SHOW GRANTS` name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Schema(_) => "schema",
            Self::AllIn(_) => "all tables in schema",
            Self::Relation(..) => "table",
            Self::AllModels => "all models",
            Self::Model(_) => "model",
        }
    }

    /// The name of the object; nothing for all models.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Schema(schema) | Self::AllIn(schema) => Some(schema.clone()),
            Self::Relation(schema, name) => Some(format!("{schema}.{name}")),
            Self::Model(name) => Some(name.clone()),
            Self::AllModels => None,
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error of one who may not do something with an object. `kind` says what a relation is.
pub fn denied_on(object: &Object, kind: Option<&str>) -> AccessError {
    let (kind, name) = match object {
        Object::Schema(schema) | Object::AllIn(schema) => ("schema", schema.as_str()),
        Object::Relation(_, name) => (kind.unwrap_or("table"), name.as_str()),
        Object::Model(name) => ("model", name.as_str()),
        Object::AllModels => return AccessError::new("42501", "permission denied for all models"),
    };
    AccessError::new("42501", format!("permission denied for {kind} {name}"))
}
