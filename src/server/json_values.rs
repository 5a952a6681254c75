//! Values as JSON.

use std::borrow::Cow;

use datafusion::arrow::array::{ArrayRef, ListArray};
use datafusion::arrow::datatypes::Field;
use datafusion::error::Result;

use super::encode::{View, canonical_array, range};
use super::settings::Zone;
use super::text;
use super::types::PG_TYPE_KEY;

/// The first value of a column.
pub(crate) fn first(array: &ArrayRef, zone: Zone) -> Result<String> {
    let array = canonical_array(array)?;
    let mut out = String::new();
    View::new(array.as_ref(), zone)?.json(0, &mut out)?;
    Ok(out)
}

/// A field of a struct.
pub(crate) fn of_field<'a>(field: &Field, column: &'a ArrayRef, zone: Zone) -> Result<View<'a>> {
    let view = View::new(column.as_ref(), zone)?;
    let is_json = matches!(field.metadata().get(PG_TYPE_KEY).map(String::as_str), Some("json" | "jsonb"));
    Ok(if is_json { View::Json(Box::new(view)) } else { view })
}

/// A timestamp as ISO 8601 has it, whatever the style of dates is.
fn iso(shown: &str) -> String {
    let mut iso = shown.replacen(' ', "T", 1);
    let zone = iso.rfind(['+', '-']).filter(|at| iso.find('T').is_some_and(|time| time < *at));
    // An offset of whole hours.
    if zone.is_some_and(|at| iso.len() - at == 3) {
        iso.push_str(":00");
    }
    iso
}

impl View<'_> {
    /// Writes a value as JSON.
    pub(crate) fn json(&self, row: usize, out: &mut String) -> Result<()> {
        if self.is_null(row) {
            out.push_str("null");
            return Ok(());
        }
        match self {
            View::Bool(array) => out.push_str(if array.value(row) { "true" } else { "false" }),
            View::Float4(values, _) if !values[row].is_finite() => text::json_string(out, &self.to_text(row)?),
            View::Float8(values, _) if !values[row].is_finite() => text::json_string(out, &self.to_text(row)?),
            View::Int2(..)
            | View::Int4(..)
            | View::Int8(..)
            | View::UInt4(..)
            | View::Float4(..)
            | View::Float8(..)
            | View::Decimal(..) => {
                self.text(row, out)?;
            }
            View::List(list, child, _) => json_list(list, child, row, out)?,
            View::JsonList(list, child) => json_list(list, child, row, out)?,
            View::Struct(_, children) => {
                json_object(children.iter().map(|(name, child)| (Cow::Borrowed(*name), child)), row, out)?;
            }
            View::Record(_, children) => {
                // The names that PostgreSQL gives such fields.
                let names = (1..).map(|number| Cow::Owned(format!("f{number}")));
                let children = children.iter().map(|(_, child)| child);
                json_object(names.zip(children), row, out)?;
            }
            View::Map(map, keys, values) => {
                out.push('{');
                let offsets = map.value_offsets();
                for (position, index) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    text::json_string(out, &keys.to_text(index)?);
                    out.push(':');
                    values.json(index, out)?;
                }
                out.push('}');
            }
            View::Timestamp(..) | View::TimestampTz(..) => text::json_string(out, &iso(&self.to_text(row)?)),
            View::Json(inner) => inner.text(row, out)?,
            View::Owned(owned) => owned.view()?.json(row, out)?,
            _ => text::json_string(out, &self.to_text(row)?),
        }
        Ok(())
    }
}

fn json_object<'a, 'b: 'a>(
    fields: impl Iterator<Item = (Cow<'a, str>, &'a View<'b>)>,
    row: usize,
    out: &mut String,
) -> Result<()> {
    out.push('{');
    for (position, (name, child)) in fields.enumerate() {
        if position > 0 {
            out.push(',');
        }
        text::json_string(out, &name);
        out.push(':');
        child.json(row, out)?;
    }
    out.push('}');
    Ok(())
}

fn json_list(list: &ListArray, child: &View<'_>, row: usize, out: &mut String) -> Result<()> {
    out.push('[');
    for (position, index) in range(list, row).enumerate() {
        if position > 0 {
            out.push(',');
        }
        child.json(index, out)?;
    }
    out.push(']');
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_iso() {
        // PostgreSQL 15: select to_json(…)
        assert_eq!(iso("2024-01-01 00:00:00"), "2024-01-01T00:00:00");
        assert_eq!(iso("2024-01-01 00:00:00.5+00"), "2024-01-01T00:00:00.5+00:00");
        assert_eq!(iso("2024-01-01 00:00:00-03:30"), "2024-01-01T00:00:00-03:30");
    }
}
