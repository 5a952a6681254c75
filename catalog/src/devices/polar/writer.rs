//! Writes one exam as the device exports it.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::super::columns::Source;
use super::super::layout::version;
use super::super::number::{fixed, push_fixed};
use super::{Layout, Version};
use crate::error::{Error, Result};

const LINE_END: &str = "\r\n";
const SEPARATOR: &str = "##########################";

/// Writes the one row of `rows`. Lines of the preamble that are columns come from them; the others from the column `preamble`
/// where it has the key, and are empty otherwise. A map that is null as a whole is written as missing cells.
pub(super) fn write(device: &'static str, layout: &Layout, schema: &Schema, rows: &RecordBatch, name: &str) -> Result<Vec<u8>> {
    let version = version(device, &layout.versions, name, |version| &version.name)?;
    let source = Source::new(device, schema, rows)?;
    if source.rows() != 1 {
        let message = format!("a file holds one exam; {} rows were given", source.rows());
        return Err(Error::Layout { device, message });
    }
    let mut out = version.encoding.encode(preamble(layout, version, &source));
    if let Some(header) = &version.radii {
        let radius = |ring: usize| fixed(ring as f64 * layout.grid.ring_step_mm, layout.cells.decimals, b'.');
        let radii: Vec<String> = (0..layout.grid.rings).map(radius).collect();
        let line = format!("{header}{LINE_END}{}", radii.join(&version.delimiter.to_string()));
        out.extend_from_slice(&version.encoding.encode(line));
        end_row(&mut out, version);
    }
    out.reserve(layout.maps.len() * layout.grid.cells() * 10);
    for map in &layout.maps {
        let header = format!("{} [{}]{LINE_END}", map.header, map.printed);
        out.extend_from_slice(&version.encoding.encode(header));
        let cells = source.cells(&map.column, 0).unwrap_or_default();
        for ring in 0..layout.grid.rings {
            for meridian in 0..layout.grid.meridians {
                if meridian > 0 {
                    out.push(version.delimiter as u8);
                }
                match cells.get(ring * layout.grid.meridians + meridian) {
                    Some(Some(value)) => push_fixed(&mut out, *value, layout.cells.decimals, b'.'),
                    _ => out.extend_from_slice(version.missing_text.as_bytes()),
                }
            }
            end_row(&mut out, version);
        }
    }
    Ok(out)
}

fn end_row(out: &mut Vec<u8>, version: &Version) {
    if version.closed {
        out.push(version.delimiter as u8);
    }
    out.extend_from_slice(LINE_END.as_bytes());
}

fn preamble(layout: &Layout, version: &Version, source: &Source<'_>) -> String {
    let others = source.pairs("preamble", 0);
    let mut out = String::new();
    for line in &version.preamble {
        if line == "#" {
            out.push_str(SEPARATOR);
        } else {
            let value = match layout.keys.iter().find(|key| &key.key == line) {
                Some(key) => column_text(&key.column, source, layout.cells.decimals),
                None => others.iter().find(|(key, _)| key == line).map(|(_, value)| value.clone()),
            };
            // A line end inside a value would become a line of its own.
            let value = value.unwrap_or_default().replace(['\r', '\n'], " ");
            out.push_str(line);
            out.push(version.delimiter);
            out.push_str(&value);
        }
        out.push_str(LINE_END);
    }
    out
}

fn column_text(column: &str, source: &Source<'_>, decimals: usize) -> Option<String> {
    source
        .text(column, 0)
        .map(str::to_owned)
        .or_else(|| source.number(column, 0).map(|number| fixed(number, decimals, b'.')))
        .or_else(|| source.day(column, 0).map(|day| day.format("%d/%m/%Y").to_string()))
}
