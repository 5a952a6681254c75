//! Writes a sheet in one of its versions.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::super::columns::Source;
use super::super::layout::version;
use super::super::number::fixed;
use super::{Column, EXTRA, Kind, Sheet, Version};
use crate::error::Result;

/// Writes all rows of `batch`. A column that the version has no label for is left out; unknown columns of `extra` follow the
/// known ones. Where a column keeps the typed text, that text is written and the parsed value is not looked at.
pub(crate) fn write(device: &'static str, sheet: &Sheet, schema: &Schema, batch: &RecordBatch, name: &str) -> Result<Vec<u8>> {
    let version = version(device, &sheet.versions, name, |version| &version.name)?;
    let source = Source::new(device, schema, batch)?;
    let columns: Vec<(&Column, &String)> =
        sheet.columns.iter().filter_map(|column| Some((column, column.labels.get(name)?))).collect();
    let mut extra: Vec<String> = Vec::new();
    for row in 0..source.rows() {
        for (key, _) in source.pairs(EXTRA, row) {
            if !extra.contains(&key) {
                extra.push(key);
            }
        }
    }
    let mut out = String::new();
    line(&mut out, version, columns.iter().map(|(_, label)| (*label).clone()).chain(extra.iter().cloned()));
    for row in 0..source.rows() {
        let others = source.pairs(EXTRA, row);
        let known = columns.iter().map(|(column, _)| value(column, version, &source, row));
        let unknown = extra.iter().map(|key| others.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone()).unwrap_or_default());
        line(&mut out, version, known.chain(unknown));
    }
    Ok(version.encoding.encode(out))
}

fn value(column: &Column, version: &Version, source: &Source<'_>, row: usize) -> String {
    if let Some(text) = &column.text {
        return source.text(text, row).unwrap_or_default().to_owned();
    }
    let name = column.name.as_str();
    let number = |number| fixed(number, column.decimals, version.decimal_mark as u8);
    if let Some((list, at)) = &column.element_of {
        let element = source.cells(list, row).and_then(|numbers| numbers.get(*at).copied().flatten());
        return element.map(number).unwrap_or_default();
    }
    let value = match column.kind {
        Kind::List | Kind::Blank | Kind::Refraction => None,
        Kind::Number => source.number(name, row).map(number),
        Kind::Flag => source.flag(name, row).map(|flag| if flag { version.yes.clone() } else { version.no.clone() }),
        Kind::Common | Kind::Text | Kind::Acuity | Kind::Diagnosis => source
            .text(name, row)
            .map(str::to_owned)
            .or_else(|| source.day(name, row).map(|day| day.format(&version.date_format).to_string())),
    };
    value.unwrap_or_default()
}

/// Appends a line; fields that hold delimiter, quote or line end are quoted.
fn line(out: &mut String, version: &Version, fields: impl Iterator<Item = String>) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.push(version.delimiter);
        }
        if field.contains([version.delimiter, '"', '\r', '\n']) {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&field);
        }
    }
    out.push_str("\r\n");
}
