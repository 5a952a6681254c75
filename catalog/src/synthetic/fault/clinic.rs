//! Faults of hand-typed rows.

use super::super::random::Draw;
use super::super::record::Row;

pub(super) fn blanks_around(row: &mut Row, _: &mut Draw) {
    for column in ["udva_text", "cdva_text", "sphere_text", "eye_text", "diagnosis_text"] {
        let text = row.text(column).to_owned();
        if !text.is_empty() {
            row.set(column, format!(" {text}  "));
        }
    }
}

/// A spreadsheet takes `5/10` for the fifth of October.
pub(super) fn acuity_mangled(row: &mut Row, draw: &mut Draw) {
    row.set("cdva_text", draw.pick(&["05-oct", "08-oct", "06-oct", "04-oct"]));
}

/// And `1.5` for the first of May.
pub(super) fn sphere_mangled(row: &mut Row, draw: &mut Draw) {
    row.set("sphere_text", draw.pick(&["01-mai", "02-mai"]));
}

pub(super) fn sphere_without_point(row: &mut Row, draw: &mut Draw) {
    row.set("sphere_text", draw.pick(&["150", "-225", "-175", "+125"]));
}

pub(super) fn refraction_in_one_cell(row: &mut Row, draw: &mut Draw) {
    row.set("sphere_text", draw.pick(&["-2.00 (-1.00 à 20°)", "(90° -0.75) -1.50"]));
    row.clear("cylinder_text");
    row.clear("axis_text");
}

pub(super) fn acuity_unreadable(row: &mut Row, draw: &mut Draw) {
    row.set("cdva_text", draw.pick(&["20/30 soft", "barely 20/30", "CF at 8 feet to 20/400", "JM"]));
}

pub(super) fn diagnosis_unknown(row: &mut Row, draw: &mut Draw) {
    row.set("diagnosis_text", draw.pick(&["cf courrier", "voir dossier papier", "cf ancien CR"]));
}

pub(super) fn date_unreadable(row: &mut Row, draw: &mut Draw) {
    row.set("visit_date_text", draw.pick(&["31/02/2024", "en mars", "00/00/0000"]));
}

pub(super) fn date_missing(row: &mut Row, _: &mut Draw) {
    row.clear("visit_date_text");
    row.clear("exam_date");
}

pub(super) fn eye_missing(row: &mut Row, _: &mut Draw) {
    row.clear("eye_text");
}

pub(super) fn eye_unreadable(row: &mut Row, _: &mut Draw) {
    row.set("eye_text", "ODG");
}

pub(super) fn patient_missing(row: &mut Row, _: &mut Draw) {
    row.clear("patient_number");
}
