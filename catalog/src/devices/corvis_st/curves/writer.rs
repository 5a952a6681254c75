//! Writes the curves of one measurement.

use super::super::super::columns::Source;
use super::super::super::layout::version;
use super::super::super::number::fixed;
use super::{Layout, NAME};
use crate::error::Result;

const LINE_END: &str = "\r\n";

/// Writes the row of `source`; a missing value is an empty cell.
pub(super) fn write(layout: &Layout, source: &Source<'_>, name: &str) -> Result<Vec<u8>> {
    let version = version(NAME, &layout.versions, name, |version| &version.name)?;
    let (delimiter, mark) = (version.delimiter, version.decimal_mark as u8);
    let mut out = format!("{}{delimiter}{}{LINE_END}", layout.title, version.mark);
    for key in &layout.keys {
        let text = source.text(&key.column, 0).map(str::to_owned);
        let text = text.or_else(|| source.day(&key.column, 0).map(|day| day.format(&version.date_format).to_string()));
        let text = text.unwrap_or_default().replace(['\r', '\n'], " ");
        out.push_str(&format!("{}{delimiter}{text}{LINE_END}", key.key));
    }
    out.push_str(&layout.frame);
    for curve in &layout.curves {
        out.push(delimiter);
        out.push_str(&curve.label);
    }
    out.push_str(LINE_END);
    let curves: Vec<_> =
        layout.curves.iter().map(|curve| (curve.decimals, source.cells(&curve.column, 0).unwrap_or_default())).collect();
    for frame in 0..layout.frames {
        out.push_str(&(frame + 1).to_string());
        for (decimals, cells) in &curves {
            out.push(delimiter);
            if let Some(Some(value)) = cells.get(frame) {
                out.push_str(&fixed(*value, *decimals, mark));
            }
        }
        out.push_str(LINE_END);
    }
    Ok(version.encoding.encode(out))
}
