//! Writes one exam's export: the grids of its kind, then the header.

use super::super::columns::Source;
use super::super::layout::version;
use super::super::number::{fixed, push_fixed};
use super::{CONTOUR_X, CONTOUR_Y, HEADER, KIND, Key, Layout, Map, NAME, Version};
use crate::error::{Error, Result};

const LINE_END: &str = "\r\n";

/// Writes the row of `source`; its column `export_kind` says which grids. Header lines that are columns come from them, the
/// others from the column `header` where it has the key.
pub(super) fn write(layout: &Layout, source: &Source<'_>, name: &str) -> Result<Vec<u8>> {
    let version = version(NAME, &layout.versions, name, |version| &version.name)?;
    let kind = source.text(KIND, 0).unwrap_or_default();
    let maps: Vec<&Map> = layout.maps.iter().filter(|map| map.export == kind).collect();
    if maps.is_empty() {
        let known: Vec<&str> = layout.exports.iter().map(|export| export.name.as_str()).collect();
        let message = format!("{KIND} is {kind:?}; a file is one of {}", known.join(", "));
        return Err(Error::Layout { device: NAME, message });
    }
    let mut out = Vec::with_capacity(maps.len() * layout.grid.cells() * 6);
    for map in maps {
        grid(&mut out, layout, version, map, source.cells(&map.column, 0).as_deref().unwrap_or_default());
    }
    out.extend_from_slice(&version.encoding.encode(header(layout, version, source)));
    Ok(out)
}

fn grid(out: &mut Vec<u8>, layout: &Layout, version: &Version, map: &Map, cells: &[Option<f64>]) {
    let (grid, delimiter, mark) = (layout.grid, version.delimiter as u8, version.decimal_mark as u8);
    out.extend_from_slice(map.label.as_bytes());
    out.push(delimiter);
    for column in 0..grid.size {
        push_fixed(out, grid.place(column).0, 3, mark);
        out.push(delimiter);
    }
    out.extend_from_slice(LINE_END.as_bytes());
    for row in 0..grid.size {
        push_fixed(out, grid.place(row * grid.size).1, 3, mark);
        out.push(delimiter);
        for column in 0..grid.size {
            if let Some(Some(value)) = cells.get(row * grid.size + column) {
                push_fixed(out, *value, map.decimals, mark);
            }
            out.push(delimiter);
        }
        out.extend_from_slice(LINE_END.as_bytes());
    }
}

fn header(layout: &Layout, version: &Version, source: &Source<'_>) -> String {
    let others = source.pairs(HEADER, 0);
    let delimiter = version.delimiter;
    let mut out = String::new();
    let mut section = "";
    for key in &layout.keys {
        if key.section != section {
            if !section.is_empty() {
                out.push_str(LINE_END);
            }
            section = &key.section;
            out.push_str(&format!("[{section}]{delimiter}{LINE_END}"));
        }
        let value = match &key.column {
            Some(column) => column_text(key, column, version, source),
            None => others.iter().find(|(known, _)| *known == key.key).map(|(_, value)| value.clone()),
        };
        // A line end inside a value would become a line of its own.
        let value = value.unwrap_or_else(|| key.empty.clone()).replace(['\r', '\n'], " ");
        out.push_str(&format!("{}{delimiter}{value}{delimiter}{LINE_END}", key.key));
    }
    let (x, y) = (source.cells(CONTOUR_X, 0).unwrap_or_default(), source.cells(CONTOUR_Y, 0).unwrap_or_default());
    if !x.is_empty() {
        out.push_str(&format!("{LINE_END}X{delimiter}Y{delimiter}{LINE_END}"));
        let point = |mm: &Option<f64>| {
            mm.map_or_else(String::new, |mm| fixed(mm * layout.header.contour_units_per_mm, 0, version.decimal_mark as u8))
        };
        for (x, y) in x.iter().zip(&y) {
            out.push_str(&format!("{}{delimiter}{}{delimiter}{LINE_END}", point(x), point(y)));
        }
    }
    out
}

fn column_text(key: &Key, column: &str, version: &Version, source: &Source<'_>) -> Option<String> {
    source
        .text(column, 0)
        .map(str::to_owned)
        .or_else(|| source.number(column, 0).map(|number| fixed(number * key.per_unit, key.decimals, version.decimal_mark as u8)))
        .or_else(|| source.day(column, 0).map(|day| day.format(&version.date_format).to_string()))
}
