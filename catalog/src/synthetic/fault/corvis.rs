//! Faults of Corvis rows.

use super::super::random::Draw;
use super::super::record::Row;

pub(super) fn eye_in_words(row: &mut Row, draw: &mut Draw) {
    let left = row.text("eye") == "OS";
    let word = if left { draw.pick(&["L", "Left", "os", "OG"]) } else { draw.pick(&["R", "Right", "od", "OD "]) };
    row.set("eye", word);
}

pub(super) fn fields_missing(row: &mut Row, draw: &mut Draw) {
    for column in ["ssi", "tbi", "hc_radius_mm", "a2_length_mm", "a1_deflection_area_mm2", "peak_distance_mm"] {
        if draw.chance(0.6) {
            row.clear(column);
        }
    }
}

/// A field that overflowed on its way through a spreadsheet.
pub(super) fn number_unreadable(line: &mut Vec<u8>, draw: &mut Draw) {
    let mut fields: Vec<Vec<u8>> = line.split(|&byte| byte == b';').map(<[u8]>::to_vec).collect();
    // Numbers stand after the identity, the date, the time and the eye.
    let numbers: Vec<usize> = (9..fields.len()).filter(|&at| !fields[at].is_empty()).collect();
    if !numbers.is_empty() {
        fields[draw.pick(&numbers)] = b"##.##".to_vec();
    }
    *line = fields.join(&b';');
}

pub(super) fn value_out_of_range(row: &mut Row, draw: &mut Draw) {
    let (column, value) =
        draw.pick(&[("biop_mmhg", 173.0), ("a1_velocity_m_s", 12.0), ("da_max_mm", 10.5), ("iop_nct_mmhg", 164.0)]);
    row.set(column, value);
}

/// Highest concavity before the first applanation: both possible, not in this order.
pub(super) fn order_implausible(row: &mut Row, _: &mut Draw) {
    row.set("a1_time_ms", 14.9);
    row.set("hc_time_ms", 12.1);
}

pub(super) fn eye_missing(row: &mut Row, _: &mut Draw) {
    row.clear("eye");
}

pub(super) fn patient_missing(row: &mut Row, _: &mut Draw) {
    row.clear("patient_number");
}
