//! Writes one exam as the EyeTop exports it.

use super::super::columns::Source;
use super::super::layout::version;
use super::super::number::{fixed, shortest};
use super::{Kind, Layout, NAME, Version};
use crate::error::Result;

const LINE_END: &str = "\r\n";

/// Writes the row of `source`. As many rings are written as the column `rings` says, and all where it is null.
pub(super) fn write(layout: &Layout, source: &Source<'_>, name: &str) -> Result<Vec<u8>> {
    let version = version(NAME, &layout.versions, name, |version| &version.name)?;
    let mut out = String::with_capacity(layout.grid.cells() * 40);
    for line in &version.lines {
        if line == "-" {
            out.push_str(&version.separator);
        } else {
            fill(&mut out, line, |name| value(layout, version, source, name));
        }
        out.push_str(LINE_END);
    }
    let mark = version.decimal_mark as u8;
    let rings = source.count("rings", 0).and_then(|rings| usize::try_from(rings).ok()).unwrap_or(layout.grid.rings);
    let cells = rings.min(layout.grid.rings) * layout.grid.meridians;
    let rho = source.cells("rho_mm", 0).unwrap_or_default();
    let z = source.cells("z_mm", 0).unwrap_or_default();
    let missing = shortest(layout.cells.missing.first().copied().unwrap_or(-1.0), mark);
    for (own, other) in [(&rho, &z), (&z, &rho)] {
        for cell in 0..cells {
            match (own.get(cell), other.get(cell)) {
                (Some(Some(value)), Some(Some(_))) => out.push_str(&shortest(*value, mark)),
                _ => out.push_str(&missing),
            }
            out.push_str(LINE_END);
        }
    }
    Ok(version.encoding.encode(out))
}

/// Appends `line` with every `{name}` in it replaced.
fn fill(out: &mut String, line: &str, value: impl Fn(&str) -> String) {
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(&value(name).replace(['\r', '\n'], " "));
        rest = after;
    }
    out.push_str(rest);
}

fn value(layout: &Layout, version: &Version, source: &Source<'_>, name: &str) -> String {
    let mark = version.decimal_mark as u8;
    // A name or a date follows its colon after a blank, as far as is known; nothing stands there in the known files.
    let after_blank = |text: &str| format!(" {text}");
    match name {
        "patient" => return source.text("patient_last_name", 0).map(after_blank).unwrap_or_default(),
        "exam" => {
            let day = source.day("exam_date", 0);
            return day.map(|day| after_blank(&day.format(&version.date_format).to_string())).unwrap_or_default();
        }
        _ => {}
    }
    let Some(field) = layout.fields.iter().find(|field| field.column == name) else { return String::new() };
    match field.kind {
        Kind::Text => source.text(name, 0).unwrap_or_default().to_owned(),
        Kind::Flag => source.flag(name, 0).map(|flag| if flag { "True" } else { "False" }).unwrap_or_default().to_owned(),
        Kind::Count => {
            let whole = if name == "rings" { layout.grid.rings } else { layout.grid.meridians };
            source.count(name, 0).map_or_else(|| whole.to_string(), |count| count.to_string())
        }
        Kind::Number => {
            let number = source.number(name, 0).unwrap_or(layout.header.missing);
            match field.decimals.filter(|_| number != layout.header.missing) {
                Some(decimals) => fixed(number, decimals, mark),
                None => shortest(number, mark),
            }
        }
    }
}
