//! The part of the server that reads what clients send. What it asks of the rest stands in for the rest.

#[path = "../../../src/server/copy_options.rs"]
pub mod copy_options;
#[path = "../../../src/server/copy_read/mod.rs"]
pub mod copy_read;
pub mod error;
#[path = "../../../src/server/inputs.rs"]
pub mod inputs;
#[path = "../../../src/server/interval.rs"]
pub mod interval;
#[path = "../../../src/server/message.rs"]
pub mod message;
#[path = "../../../src/server/params.rs"]
pub mod params;
#[path = "../../../src/server/pg_catalog/json_text.rs"]
mod json_text;
#[path = "../../../src/server/pg_catalog/pg_types.rs"]
mod pg_types;
#[path = "../../../src/server/text.rs"]
pub mod text;
#[path = "../../../src/server/types.rs"]
pub mod types;
#[path = "../../../src/server/x509.rs"]
pub mod x509;

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatchOptions;
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use copy_options::{Chosen, CopyFormat, CopyOptions, Header};
use copy_read::{CopyColumn, CopyReader, Origin};
use error::PgError;

pub mod copy {
    pub(crate) use super::copy_options::{CopyFormat, CopyOptions, Header};
}

pub mod pg_catalog {
    pub(crate) use super::json_text::jsonb_text;
    use super::pg_types;

    pub(crate) fn type_oid(name: &str) -> Option<u32> {
        pg_types::pg_types().find(|known| known.name == name).map(|known| known.oid)
    }
}

pub mod scratch {
    pub mod part {
        use datafusion::arrow::array::RecordBatch;
        use datafusion::error::DataFusionError;

        /// Keeps the rows.
        #[derive(Default)]
        pub struct PartWriter(pub Vec<RecordBatch>);

        impl PartWriter {
            pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<(), DataFusionError> {
                self.0.push(batch);
                Ok(())
            }
        }
    }
}

pub mod write {
    use super::*;

    /// The types of the table, and no constraint.
    pub struct Checks(pub SchemaRef);

    impl Checks {
        pub(crate) fn conform(&self, columns: &[ArrayRef], rows: usize) -> Result<RecordBatch, (PgError, usize)> {
            let told = |error: datafusion::arrow::error::ArrowError| (PgError::new("22023", error.to_string()), 0);
            let options = CastOptions { safe: false, ..Default::default() };
            let columns = columns.iter().zip(self.0.fields());
            let cast = columns.map(|(column, field)| cast_with_options(column, field.data_type(), &options));
            let columns = cast.collect::<Result<Vec<_>, _>>().map_err(told)?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            RecordBatch::try_new_with_options(Arc::clone(&self.0), columns, &options).map_err(told)
        }
    }
}

/// Every type of which values can be bound.
const TYPES: &[Type] = &[
    Type::BOOL,
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::NUMERIC,
    Type::TEXT,
    Type::BYTEA,
    Type::DATE,
    Type::TIME,
    Type::TIMESTAMP,
    Type::TIMESTAMPTZ,
    Type::INTERVAL,
    Type::UUID,
    Type::JSON,
    Type::INT4_ARRAY,
    Type::FLOAT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::BOOL_ARRAY,
    Type::NUMERIC_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
];

pub(crate) fn decoded(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let pg_type = &TYPES[usize::from(first >> 1) % TYPES.len()];
    let Some(wanted) = types::to_arrow(pg_type) else { return };
    let value = Bytes::copy_from_slice(data);
    if let Ok(scalar) = params::decode(0, Some(&value), first & 1 == 1, pg_type, &wanted) {
        assert_eq!(scalar.data_type(), wanted);
    }
}

pub(crate) fn copied(data: &[u8]) {
    let &[flags, cut, ref data @ ..] = data else { return };
    let format = [CopyFormat::Text, CopyFormat::Csv, CopyFormat::Binary][usize::from(flags) % 3];
    let header = [Header::No, Header::Yes, Header::Match][usize::from(flags / 3) % 3];
    let csv = format == CopyFormat::Csv;
    let options = Arc::new(CopyOptions {
        format,
        header: if format == CopyFormat::Binary { Header::No } else { header },
        delimiter: if csv { b',' } else { b'\t' },
        null: if csv { String::new() } else { "\\N".to_owned() },
        quote: b'"',
        escape: if flags & 0x40 == 0 { b'"' } else { b'\\' },
        force_quote: Chosen::Columns(Vec::new()),
        force_null: Chosen::Columns(Vec::new()),
        force_not_null: Chosen::Columns(Vec::new()),
        default: (flags & 0x80 != 0).then(|| "\\D".to_owned()),
    });
    let whole = copied_in(&options, &[data]);
    let (one, two) = data.split_at(usize::from(cut).min(data.len()));
    let parts = copied_in(&options, &[one, two]);
    match (whole, parts) {
        (Ok(whole), Ok(parts)) => assert_eq!(whole, parts, "rows do not depend on where the data are cut"),
        (Err(whole), Err(parts)) => assert_eq!(whole.code, parts.code),
        (whole, parts) => panic!("{whole:?} as a whole, {parts:?} in parts"),
    }
}

fn copied_in(options: &Arc<CopyOptions>, pieces: &[&[u8]]) -> Result<Vec<RecordBatch>, PgError> {
    let types = [Type::INT4, Type::TEXT, Type::FLOAT8, Type::TIMESTAMPTZ];
    let mut columns = Vec::new();
    for (at, pg_type) in types.iter().enumerate() {
        let Some(data_type) = types::to_arrow(pg_type) else { continue };
        let default = ScalarValue::try_from(&data_type).map_err(|error| error::sqlstate(&error))?;
        columns.push(CopyColumn { name: format!("c{at}"), pg_type: pg_type.clone(), data_type, default });
    }
    let fields: Vec<Field> = columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true)).collect();
    let origins = (0..columns.len()).map(Origin::Data).collect();
    let checks = write::Checks(Arc::new(Schema::new(fields)));
    let mut reader = CopyReader::new("t", options, columns, origins, checks, "UTC".to_owned())?;
    let mut writer = scratch::part::PartWriter::default();
    for piece in pieces {
        reader.feed(piece, &mut writer)?;
    }
    reader.end(&mut writer)?;
    let rows: usize = writer.0.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, reader.rows);
    Ok(writer.0)
}
