//! Casts to types by PostgreSQL's names for them, as the engine knows them.

use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, CastKind, CharacterLength, DataType, ExactNumberInfo, Expr, Value};

use super::{Rewriter, call, null};
use crate::server::names::identifier;
use crate::server::{params, pg_catalog};

impl Rewriter<'_> {
    pub(super) fn cast(&mut self, expr: &mut Expr) {
        let Expr::Cast { expr: inner, data_type, .. } = expr else { return };
        if let DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) = data_type
            && let Some(name) = pg_type_name(element)
        {
            if pg_catalog::names_objects(&name) {
                self.asks_catalog = true;
                let argument = std::mem::replace(inner.as_mut(), null());
                *expr = call(&format!("placido_{name}_list"), vec![argument]);
                return;
            }
            **element = match name.as_str() {
                "int2" => DataType::SmallInt(None),
                "int4" => DataType::Integer(None),
                "int8" | "oid" | "xid" => DataType::BigInt(None),
                "float4" => DataType::Real,
                "float8" => DataType::DoublePrecision,
                "bool" => DataType::Boolean,
                "text" | "name" | "char" | "varchar" | "bpchar" | "aclitem" | "json" | "jsonb" | "uuid" => DataType::Text,
                _ => return,
            };
            return;
        }
        if let DataType::Float(info) = data_type {
            // A float of up to 24 binary digits has four bytes.
            let narrow = matches!(info, ExactNumberInfo::Precision(digits) if *digits <= 24);
            *data_type = if narrow { DataType::Real } else { DataType::DoublePrecision };
            return;
        }
        microseconds(data_type);
        if let Some(length) = length_of(data_type) {
            let text = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(std::mem::replace(inner.as_mut(), null())),
                data_type: DataType::Text,
                array: false,
                format: None,
            };
            *expr = call("left", vec![text, Expr::Value(Value::Number(length.to_string(), false).into())]);
            return;
        }
        let Some(name) = pg_type_name(data_type) else { return };
        if name == "uuid"
            && let Expr::Value(value) = inner.as_mut()
            && let Value::SingleQuotedString(text) = &mut value.value
        {
            match params::uuid(text) {
                Ok(spelled) => *text = spelled,
                Err(error) => self.refused = self.refused.take().or(Some(error)),
            }
        }
        if pg_catalog::names_objects(&name) {
            self.asks_catalog = true;
            let argument = std::mem::replace(inner.as_mut(), null());
            *expr = call(&format!("placido_{name}"), vec![argument]);
            return;
        }
        if matches!(name.as_str(), "json" | "jsonb") {
            let argument = std::mem::replace(inner.as_mut(), null());
            *expr = call(&format!("placido_{name}"), vec![argument]);
            return;
        }
        if name == "oid" {
            let argument = std::mem::replace(inner.as_mut(), null());
            *expr = call("placido_oid", vec![argument]);
            return;
        }
        *data_type = match name.as_str() {
            "text" | "name" | "char" | "uuid" | "citext" | "aclitem" | "bpchar" | "varchar" | "cstring" | "pg_node_tree"
            | "unknown" => DataType::Text,
            "int2" => DataType::SmallInt(None),
            "int4" => DataType::Integer(None),
            "int8" | "xid" | "cid" => DataType::BigInt(None),
            "float4" => DataType::Real,
            "float8" => DataType::DoublePrecision,
            "bool" => DataType::Boolean,
            "numeric" => DataType::Numeric(ExactNumberInfo::None),
            _ => return,
        };
    }
}

/// Timestamps count microseconds, as in PostgreSQL. The engine would count nanoseconds, which end in the year 2262.
pub(super) fn microseconds(data_type: &mut DataType) {
    if let DataType::Timestamp(digits @ None, _) = data_type {
        *digits = Some(6);
    }
}

/// The characters that a cast to a type keeps.
fn length_of(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. }))
        | DataType::CharacterVarying(Some(CharacterLength::IntegerLength { length, .. }))
        | DataType::Char(Some(CharacterLength::IntegerLength { length, .. }))
        | DataType::Character(Some(CharacterLength::IntegerLength { length, .. })) => Some(*length),
        _ => None,
    }
}

/// The name of a type that is written as PostgreSQL's catalog names it.
fn pg_type_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, _) => {
            let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(identifier).collect();
            match parts.as_slice() {
                [schema, name] if schema == pg_catalog::SCHEMA => Some(name.clone()),
                [name] => Some(name.clone()),
                _ => None,
            }
        }
        DataType::Regclass => Some("regclass".into()),
        DataType::JSON => Some("json".into()),
        DataType::JSONB => Some("jsonb".into()),
        DataType::Uuid => Some("uuid".into()),
        _ => None,
    }
}
