//! Arrow types as PostgreSQL types, and back.
//!
//! What has no PostgreSQL type of its own travels as the nearest one that every client reads: unsigned integers as the
//! next larger signed one, maps and structs with names as `json`, which keeps the names. A row without names, as `row(1, 'a')` makes it,
//! is PostgreSQL's `record`.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use pgwire::api::Type;

/// Field metadata that overrides the type on the wire: the catalog's `oid`, `name` and `"char"` columns carry it, and plans in JSON.
pub(crate) const PG_TYPE_KEY: &str = "postgres.type";

/// The type a client is told for a result column.
pub(crate) fn of_field(field: &Field) -> Type {
    if let Some(name) = field.metadata().get(PG_TYPE_KEY)
        && let Some(known) = catalog_type(name)
        // A cast keeps what was known of the column, but for the type.
        && (*field.data_type() != DataType::Int64 || known == Type::INT8)
    {
        return known;
    }
    of_data_type(field.data_type())
}

/// The type of a parameter that is compared with such a column. Names and the like are texts, whatever the catalog calls them.
pub(crate) fn of_parameter(field: &Field) -> Type {
    match of_field(field) {
        known @ (Type::UUID | Type::JSON | Type::JSONB | Type::OID) => known,
        _ => of_data_type(field.data_type()),
    }
}

fn catalog_type(name: &str) -> Option<Type> {
    super::pg_catalog::type_oid(name).and_then(Type::from_oid)
}

/// The type on the wire of an Arrow type.
pub(crate) fn of_data_type(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Type::INT2,
        DataType::Int32 | DataType::UInt16 => Type::INT4,
        DataType::Int64 | DataType::UInt32 => Type::INT8,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => array_of(&of_data_type(field.data_type())).unwrap_or(Type::JSON),
        DataType::Struct(fields) if is_row(fields) => Type::RECORD,
        DataType::Struct(_) | DataType::Map(..) => Type::JSON,
        DataType::Dictionary(_, value) => of_data_type(value),
        DataType::RunEndEncoded(_, values) => of_data_type(values.data_type()),
        _ => Type::TEXT,
    }
}

/// Whether a struct is a row whose fields nobody has named: the engine calls them `c0`, `c1` and so on.
pub(crate) fn is_row(fields: &Fields) -> bool {
    let numbered = |(at, field): (usize, &Arc<Field>)| field.name().strip_prefix('c').is_some_and(|n| n.parse() == Ok(at));
    !fields.is_empty() && fields.iter().enumerate().all(numbered)
}

/// The array type whose elements are `element`; nothing for arrays of arrays and of `json`, which clients read as text.
pub(crate) fn array_of(element: &Type) -> Option<Type> {
    Some(match *element {
        Type::BOOL => Type::BOOL_ARRAY,
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        Type::TEXT => Type::TEXT_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        Type::RECORD => Type::RECORD_ARRAY,
        _ => return None,
    })
}

/// The element type of an array type.
pub(crate) fn element_of(array: &Type) -> Option<Type> {
    match array.kind() {
        postgres_types::Kind::Array(element) => Some(element.clone()),
        _ if *array == Type::RECORD_ARRAY => Some(Type::RECORD),
        _ => None,
    }
}

/// The Arrow type in which a parameter of a PostgreSQL type is computed with; nothing for types that have none here.
pub(crate) fn to_arrow(pg_type: &Type) -> Option<DataType> {
    Some(match *pg_type {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID | Type::XID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        // Wide enough for what a parameter can mean here; PostgreSQL's numeric has no fixed scale.
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::CHAR
        | Type::JSON
        | Type::JSONB
        | Type::UUID
        | Type::UNKNOWN => DataType::Utf8,
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => {
            let element = element_of(pg_type)?;
            DataType::List(Field::new_list_field(to_arrow(&element)?, true).into())
        }
    })
}

/// The SQL spelling of a type, for casts written into a statement.
pub(crate) fn sql_name(pg_type: &Type) -> Option<String> {
    Some(match *pg_type {
        Type::BOOL => "boolean".into(),
        Type::INT2 => "smallint".into(),
        Type::INT4 => "integer".into(),
        Type::INT8 | Type::OID | Type::XID => "bigint".into(),
        Type::FLOAT4 => "real".into(),
        Type::FLOAT8 => "double precision".into(),
        Type::NUMERIC => "decimal(38, 10)".into(),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::JSON | Type::JSONB | Type::UUID => {
            "text".into()
        }
        Type::BYTEA => "bytea".into(),
        Type::DATE => "date".into(),
        Type::TIME => "time".into(),
        Type::TIMESTAMP => "timestamp".into(),
        Type::TIMESTAMPTZ => "timestamptz".into(),
        Type::INTERVAL => "interval".into(),
        _ => format!("{}[]", sql_name(&element_of(pg_type)?)?),
    })
}

/// `pg_type.typlen`: the width in bytes, −1 for a variable one.
pub(crate) fn size(pg_type: &Type) -> i16 {
    match *pg_type {
        Type::BOOL | Type::CHAR => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::OID | Type::DATE | Type::XID | Type::REGPROC | Type::REGTYPE => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        Type::NAME => 64,
        _ => -1,
    }
}

/// `pg_attribute.atttypmod` of a column: precision and scale of a `numeric`, −1 for everything else.
pub(crate) fn modifier(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *scale >= 0 =>
        {
            ((i32::from(*precision) << 16) | i32::from(*scale)) + 4
        }
        _ => -1,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_a_cornea_are_float8_arrays_and_structs_are_json() {
        let item = Arc::new(Field::new_list_field(DataType::Float64, true));
        assert_eq!(of_data_type(&DataType::FixedSizeList(Arc::clone(&item), 7936)), Type::FLOAT8_ARRAY);
        let record = DataType::Struct(vec![Field::new("m", DataType::Float64, true)].into());
        assert_eq!(of_data_type(&record), Type::JSON);
        let records = DataType::List(Arc::new(Field::new_list_field(record, true)));
        assert_eq!(of_data_type(&records), Type::JSON);
        let nested = DataType::List(Arc::new(Field::new_list_field(DataType::List(item), true)));
        assert_eq!(of_data_type(&nested), Type::JSON);
    }

    #[test]
    fn a_row_without_names_is_a_record() {
        let field = |name: &str| Field::new(name, DataType::Int32, true);
        let row = DataType::Struct(vec![field("c0"), field("c1")].into());
        assert_eq!(of_data_type(&row), Type::RECORD);
        assert_eq!(of_data_type(&DataType::List(Arc::new(Field::new_list_field(row, true)))), Type::RECORD_ARRAY);
        for names in [&["c1", "c0"][..], &["c0", "x"], &["c"], &[]] {
            let fields: Vec<Field> = names.iter().map(|name| field(name)).collect();
            assert_eq!(of_data_type(&DataType::Struct(fields.into())), Type::JSON, "{names:?}");
        }
    }

    #[test]
    fn numeric_modifier_is_postgres_packing() {
        // select atttypmod from pg_attribute for a column numeric(10,2) in PostgreSQL 15: 655366
        assert_eq!(modifier(&DataType::Decimal128(10, 2)), 655_366);
        assert_eq!(modifier(&DataType::Float64), -1);
    }

    #[test]
    fn parameter_types_come_back_as_themselves() {
        for pg_type in [
            Type::BOOL,
            Type::INT2,
            Type::INT4,
            Type::INT8,
            Type::FLOAT8,
            Type::TEXT,
            Type::DATE,
            Type::TIMESTAMPTZ,
            Type::FLOAT8_ARRAY,
        ] {
            assert_eq!(of_data_type(&to_arrow(&pg_type).unwrap()), pg_type);
        }
    }
}
