//! What goes wrong in real exports, at known rates (formats.md §1.1, §6, §7).
//!
//! [`FAULTS`] is the whole list: name, where, how often, and the issue that a reader should find, or none where the file is
//! only unusual. A file or row has at most one of them, so that the truth files can say what each should lead to.

mod clinic;
mod corvis;
mod curves;
mod eyetop;
mod file;
mod page;
mod pentacam;
mod sirius;

use crate::issue::IssueCode;

use super::random::Draw;
use super::record::Row;
pub(super) use page::Page;

/// How a fault is made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Make {
    /// In the lines of an MS-39 file.
    Page(fn(&mut Page, &mut Draw)),
    /// In a row before it is written.
    Row(fn(&mut Row, &mut Draw)),
    /// In one line of a written sheet.
    Line(fn(&mut Vec<u8>, &mut Draw)),
    /// In the bytes of a whole file.
    File(fn(Vec<u8>) -> Vec<u8>),
    /// In the lines of a file that no other file looks like.
    Lines(fn(&mut Lines, &mut Draw)),
}

/// The lines of a file without their ends.
pub(super) type Lines = Vec<Vec<u8>>;

/// One kind of fault.
#[derive(Debug)]
pub(super) struct Fault {
    pub name: &'static str,
    /// The device by its name.
    pub device: &'static str,
    /// Part of the device's files that have it; of rows for [`Make::Row`] and [`Make::Line`].
    pub rate: f64,
    /// What should be said about it; nothing for a harmless variant. Readers say it, except for acuities, which are parsed above
    /// `raw`: `system.issues` says it of them.
    pub expected: Option<IssueCode>,
    pub make: Make,
}

impl Fault {
    /// `row` or `file`.
    pub(super) fn unit(&self) -> &'static str {
        match self.make {
            Make::Row(_) | Make::Line(_) => "row",
            Make::Page(_) | Make::File(_) | Make::Lines(_) => "file",
        }
    }

    /// Makes the fault in the bytes of a file; those of rows are made before it is written.
    pub(super) fn in_file(&self, bytes: Vec<u8>, draw: &mut Draw) -> Vec<u8> {
        match self.make {
            Make::File(make) => make(bytes),
            Make::Page(make) => {
                let mut page = Page::new(&bytes);
                make(&mut page, draw);
                page.bytes()
            }
            Make::Lines(make) => {
                let body = bytes.strip_suffix(b"\r\n").unwrap_or(&bytes);
                let mut lines: Lines =
                    body.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec()).collect();
                make(&mut lines, draw);
                lines.iter().flat_map(|line| line.iter().chain(b"\r\n")).copied().collect()
            }
            Make::Row(_) | Make::Line(_) => bytes,
        }
    }

    /// Issues of the file besides the expected one, which follow from the fault.
    pub(super) fn consequences(&self) -> &'static [IssueCode] {
        match (self.device, self.name) {
            // The header, with all that says whose exam it is, stands at the end.
            (PENTACAM, "file_truncated") => &[IssueCode::PatientMissing, IssueCode::EyeMissing, IssueCode::DateMissing],
            _ => &[],
        }
    }

    /// The code of the expected issue, empty for a harmless variant.
    pub(super) fn expected_code(&self) -> &'static str {
        self.expected.map_or("", IssueCode::as_str)
    }
}

const fn fault(name: &'static str, device: &'static str, rate: f64, expected: Option<IssueCode>, make: Make) -> Fault {
    Fault { name, device, rate, expected, make }
}

const MS39: &str = "ms39";
const CORVIS: &str = "corvis_st";
const CLINIC: &str = "clinic";
const EYETOP: &str = "cso_eyetop";
const PENTACAM: &str = "pentacam";
const SIRIUS: &str = "sirius";
const CURVES: &str = "corvis_st_curve";

/// Every fault of the simulated hospital.
pub(super) const FAULTS: &[Fault] = &[
    // MS-39, variants that cost nothing.
    fault("utf8_bom", MS39, 0.015, None, Make::Page(page::utf8_bom)),
    fault("other_encoding", MS39, 0.015, None, Make::Page(page::other_encoding)),
    fault("other_delimiter", MS39, 0.015, None, Make::Page(page::other_delimiter)),
    fault("decimal_comma", MS39, 0.008, None, Make::Page(page::decimal_comma)),
    fault("line_feed", MS39, 0.015, None, Make::Page(page::line_feed)),
    fault("trailing_delimiter", MS39, 0.015, None, Make::Page(page::trailing_delimiter)),
    fault("eye_lower_case", MS39, 0.012, None, Make::Page(page::eye_lower_case)),
    fault("micrometre_in_ascii", MS39, 0.012, None, Make::Page(page::micrometre_in_ascii)),
    fault("epithelial_spelled_right", MS39, 0.012, None, Make::Page(page::epithelial_spelled_right)),
    fault("rows_32", MS39, 0.012, None, Make::Page(page::rows_32)),
    fault("cells_scattered", MS39, 0.012, None, Make::Page(page::cells_scattered)),
    fault("apex_cell_missing", MS39, 0.008, None, Make::Page(page::apex_cell_missing)),
    fault("outer_ring_missing", MS39, 0.008, None, Make::Page(page::outer_ring_missing)),
    // MS-39, faults.
    fault("elevations_missing", MS39, 0.004, Some(IssueCode::MapMissing), Make::Page(page::elevations_missing)),
    fault("map_empty", MS39, 0.004, Some(IssueCode::MapEmpty), Make::Page(page::map_empty)),
    fault("map_constant", MS39, 0.003, Some(IssueCode::MapConstant), Make::Page(page::map_constant)),
    fault("map_unknown", MS39, 0.003, Some(IssueCode::MapUnknown), Make::Page(page::map_unknown)),
    fault("inner_ring_missing", MS39, 0.004, Some(IssueCode::RingMissing), Make::Page(page::inner_ring_missing)),
    fault("half_missing", MS39, 0.004, Some(IssueCode::CellsMissing), Make::Page(page::half_missing)),
    fault("row_truncated", MS39, 0.004, Some(IssueCode::RowTruncated), Make::Page(page::row_truncated)),
    fault("last_row_truncated", MS39, 0.003, Some(IssueCode::FileTruncated), Make::Page(page::last_row_truncated)),
    fault("file_truncated", MS39, 0.004, Some(IssueCode::FileTruncated), Make::Page(page::file_truncated)),
    fault("cells_extra", MS39, 0.004, Some(IssueCode::CellsExtra), Make::Page(page::cells_extra)),
    fault("cell_unreadable", MS39, 0.003, Some(IssueCode::CellUnreadable), Make::Page(page::cell_unreadable)),
    fault("cell_out_of_range", MS39, 0.003, Some(IssueCode::CellOutOfRange), Make::Page(page::cell_out_of_range)),
    fault("layers_disagree", MS39, 0.003, Some(IssueCode::LayersDisagree), Make::Page(page::layers_disagree)),
    fault("data_absent", MS39, 0.003, Some(IssueCode::DataAbsent), Make::Page(page::data_absent)),
    fault("file_empty", MS39, 0.003, Some(IssueCode::FileEmpty), Make::Page(page::file_empty)),
    fault("eye_missing", MS39, 0.003, Some(IssueCode::EyeMissing), Make::Page(page::eye_missing)),
    fault("eye_unreadable", MS39, 0.002, Some(IssueCode::EyeUnreadable), Make::Page(page::eye_unreadable)),
    fault("patient_missing", MS39, 0.003, Some(IssueCode::PatientMissing), Make::Page(page::patient_missing)),
    fault("date_missing", MS39, 0.002, Some(IssueCode::DateMissing), Make::Page(page::date_missing)),
    fault("date_unreadable", MS39, 0.002, Some(IssueCode::DateUnreadable), Make::Page(page::date_unreadable)),
    fault("offset_missing", MS39, 0.002, Some(IssueCode::ElevationsDisagree), Make::Page(page::offset_missing)),
    fault("power_of_another_index", MS39, 0.002, Some(IssueCode::PowerDisagrees), Make::Page(page::power_of_another_index)),
    // Saved again by a spreadsheet, and by hand.
    fault("lines_padded", MS39, 0.004, None, Make::Page(page::lines_padded)),
    fault("row_doubled", MS39, 0.001, Some(IssueCode::RingsUnplaced), Make::Page(page::row_doubled)),
    // Corvis ST, a row an exam.
    fault("eye_in_words", CORVIS, 0.06, None, Make::Row(corvis::eye_in_words)),
    fault("fields_missing", CORVIS, 0.05, None, Make::Row(corvis::fields_missing)),
    fault("number_unreadable", CORVIS, 0.008, Some(IssueCode::NumberUnreadable), Make::Line(corvis::number_unreadable)),
    fault("value_out_of_range", CORVIS, 0.008, Some(IssueCode::ValueOutOfRange), Make::Row(corvis::value_out_of_range)),
    fault("order_implausible", CORVIS, 0.006, Some(IssueCode::OrderImplausible), Make::Row(corvis::order_implausible)),
    fault("eye_missing", CORVIS, 0.006, Some(IssueCode::EyeMissing), Make::Row(corvis::eye_missing)),
    fault("patient_missing", CORVIS, 0.006, Some(IssueCode::PatientMissing), Make::Row(corvis::patient_missing)),
    fault("row_short", CORVIS, 0.006, Some(IssueCode::RowTruncated), Make::Line(file::row_short)),
    fault("utf8_bom", CORVIS, 0.06, None, Make::File(file::utf8_bom)),
    fault("line_feed", CORVIS, 0.06, None, Make::File(file::line_feed)),
    fault("column_unknown", CORVIS, 0.04, Some(IssueCode::ColumnUnknown), Make::File(file::column_unknown)),
    // Clinic sheets, a row an eye.
    fault("blanks_around", CLINIC, 0.05, None, Make::Row(clinic::blanks_around)),
    fault("stray_quote", CLINIC, 0.01, None, Make::Line(file::stray_quote)),
    fault("acuity_mangled", CLINIC, 0.012, Some(IssueCode::ValueMangled), Make::Row(clinic::acuity_mangled)),
    fault("sphere_mangled", CLINIC, 0.006, Some(IssueCode::ValueMangled), Make::Row(clinic::sphere_mangled)),
    fault("sphere_without_point", CLINIC, 0.008, Some(IssueCode::ValueOutOfRange), Make::Row(clinic::sphere_without_point)),
    fault("refraction_in_one_cell", CLINIC, 0.008, None, Make::Row(clinic::refraction_in_one_cell)),
    fault("acuity_unreadable", CLINIC, 0.010, Some(IssueCode::AcuityUnreadable), Make::Row(clinic::acuity_unreadable)),
    fault("diagnosis_unknown", CLINIC, 0.008, Some(IssueCode::DiagnosisUnknown), Make::Row(clinic::diagnosis_unknown)),
    fault("date_unreadable", CLINIC, 0.006, Some(IssueCode::DateUnreadable), Make::Row(clinic::date_unreadable)),
    fault("date_missing", CLINIC, 0.006, Some(IssueCode::DateMissing), Make::Row(clinic::date_missing)),
    fault("eye_missing", CLINIC, 0.006, Some(IssueCode::EyeMissing), Make::Row(clinic::eye_missing)),
    fault("eye_unreadable", CLINIC, 0.006, Some(IssueCode::EyeUnreadable), Make::Row(clinic::eye_unreadable)),
    fault("patient_missing", CLINIC, 0.006, Some(IssueCode::PatientMissing), Make::Row(clinic::patient_missing)),
    fault("row_short", CLINIC, 0.006, Some(IssueCode::RowTruncated), Make::Line(file::row_short)),
    fault("utf8_bom", CLINIC, 0.08, None, Make::File(file::utf8_bom)),
    fault("line_feed", CLINIC, 0.08, None, Make::File(file::line_feed)),
    fault("cr_cr_lf", CLINIC, 0.05, None, Make::File(file::cr_cr_lf)),
    fault("blank_header", CLINIC, 0.08, None, Make::File(file::blank_header)),
    fault("column_unknown", CLINIC, 0.05, Some(IssueCode::ColumnUnknown), Make::File(file::column_unknown)),
    // EyeTop.
    fault("line_feed", EYETOP, 0.12, None, Make::File(file::line_feed)),
    fault("file_truncated", EYETOP, 0.04, Some(IssueCode::FileTruncated), Make::File(file::cut)),
    fault("missing_as_thousand", EYETOP, 0.04, None, Make::Lines(eyetop::missing_as_thousand)),
    fault("cell_unreadable", EYETOP, 0.04, Some(IssueCode::CellUnreadable), Make::Lines(eyetop::cell_unreadable)),
    // Pentacam, a grid file each.
    fault("utf8_bom", PENTACAM, 0.02, None, Make::File(file::utf8_bom)),
    fault("line_feed", PENTACAM, 0.02, None, Make::File(file::line_feed)),
    fault("cr_cr_lf", PENTACAM, 0.02, None, Make::File(file::cr_cr_lf)),
    fault("rows_not_closed", PENTACAM, 0.02, None, Make::Lines(pentacam::rows_not_closed)),
    fault("header_first", PENTACAM, 0.02, None, Make::Lines(pentacam::header_first)),
    fault("cell_unreadable", PENTACAM, 0.012, Some(IssueCode::CellUnreadable), Make::Lines(pentacam::cell_unreadable)),
    fault("cell_out_of_range", PENTACAM, 0.012, Some(IssueCode::CellOutOfRange), Make::Lines(pentacam::cell_out_of_range)),
    fault("row_lost", PENTACAM, 0.012, Some(IssueCode::RowTruncated), Make::Lines(pentacam::row_lost)),
    fault("cells_extra", PENTACAM, 0.012, Some(IssueCode::CellsExtra), Make::Lines(pentacam::cells_extra)),
    fault("header_of_another", PENTACAM, 0.012, Some(IssueCode::HeaderDisagrees), Make::Lines(pentacam::header_of_another)),
    fault("key_missing", PENTACAM, 0.012, Some(IssueCode::ColumnMissing), Make::Lines(pentacam::key_missing)),
    fault("number_unreadable", PENTACAM, 0.012, Some(IssueCode::NumberUnreadable), Make::Lines(pentacam::number_unreadable)),
    fault("value_out_of_range", PENTACAM, 0.012, Some(IssueCode::ValueOutOfRange), Make::Lines(pentacam::value_out_of_range)),
    fault("grid_unknown", PENTACAM, 0.012, Some(IssueCode::MapUnknown), Make::Lines(pentacam::grid_unknown)),
    fault("eye_missing", PENTACAM, 0.012, Some(IssueCode::EyeMissing), Make::Lines(pentacam::eye_missing)),
    fault("patient_missing", PENTACAM, 0.012, Some(IssueCode::PatientMissing), Make::Lines(pentacam::patient_missing)),
    fault("date_unreadable", PENTACAM, 0.012, Some(IssueCode::DateUnreadable), Make::Lines(pentacam::date_unreadable)),
    fault("file_truncated", PENTACAM, 0.012, Some(IssueCode::FileTruncated), Make::File(file::cut)),
    fault("file_empty", PENTACAM, 0.012, Some(IssueCode::FileEmpty), Make::File(file::emptied)),
    fault("lines_padded", PENTACAM, 0.012, None, Make::Lines(pentacam::lines_padded)),
    // Sirius.
    fault("utf8_bom", SIRIUS, 0.03, None, Make::File(file::utf8_bom)),
    fault("line_feed", SIRIUS, 0.03, None, Make::File(file::line_feed)),
    fault("rows_not_closed", SIRIUS, 0.03, None, Make::Lines(sirius::rows_not_closed)),
    fault("headers_spaced", SIRIUS, 0.03, None, Make::Lines(sirius::headers_spaced)),
    fault("map_missing", SIRIUS, 0.03, Some(IssueCode::MapMissing), Make::Lines(sirius::map_missing)),
    fault("map_empty", SIRIUS, 0.03, Some(IssueCode::MapEmpty), Make::Lines(sirius::map_empty)),
    fault("inner_ring_missing", SIRIUS, 0.03, Some(IssueCode::RingMissing), Make::Lines(sirius::inner_ring_missing)),
    fault("row_truncated", SIRIUS, 0.03, Some(IssueCode::RowTruncated), Make::Lines(sirius::row_truncated)),
    fault("cell_unreadable", SIRIUS, 0.03, Some(IssueCode::CellUnreadable), Make::Lines(sirius::cell_unreadable)),
    fault("radii_of_another_grid", SIRIUS, 0.03, Some(IssueCode::LayoutUnknown), Make::Lines(sirius::radii_of_another_grid)),
    fault("offset_missing", SIRIUS, 0.03, Some(IssueCode::ElevationsDisagree), Make::Lines(sirius::offset_missing)),
    fault("file_truncated", SIRIUS, 0.03, Some(IssueCode::FileTruncated), Make::File(sirius::cut)),
    fault("lines_padded", SIRIUS, 0.03, None, Make::Lines(sirius::lines_padded)),
    // Curves of the Corvis.
    fault("line_feed", CURVES, 0.04, None, Make::File(file::line_feed)),
    fault("cr_cr_lf", CURVES, 0.04, None, Make::File(file::cr_cr_lf)),
    fault("frame_lost", CURVES, 0.03, Some(IssueCode::RowTruncated), Make::Lines(curves::frame_lost)),
    fault("cell_unreadable", CURVES, 0.03, Some(IssueCode::CellUnreadable), Make::Lines(curves::cell_unreadable)),
    fault("cell_out_of_range", CURVES, 0.03, Some(IssueCode::CellOutOfRange), Make::Lines(curves::cell_out_of_range)),
    fault("frames_missing", CURVES, 0.03, Some(IssueCode::FileTruncated), Make::Lines(curves::frames_missing)),
    fault("eye_missing", CURVES, 0.03, Some(IssueCode::EyeMissing), Make::Lines(curves::eye_missing)),
];

/// The fault of one file (`unit` `file`) or row (`row`) of `device`: at most one, each at its rate.
pub(super) fn pick(device: &str, unit: &str, draw: &mut Draw) -> Option<&'static Fault> {
    let mut rest = draw.unit();
    FAULTS.iter().filter(|fault| fault.device == device && fault.unit() == unit).find(|fault| {
        rest -= fault.rate;
        rest < 0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_15_percent_are_unusual_and_6_percent_faulty() {
        let sum = |harmless: bool| {
            FAULTS.iter().filter(|f| f.device == MS39 && f.expected.is_none() == harmless).map(|f| f.rate).sum::<f64>()
        };
        assert!((sum(true) - 0.15).abs() < 0.02, "{}", sum(true));
        assert!((sum(false) - 0.06).abs() < 0.01, "{}", sum(false));
    }

    #[test]
    fn each_comes_at_its_rate() {
        let mut draw = Draw::new(11, 0);
        let n = 60_000;
        for (device, unit) in [
            (MS39, "file"),
            (CORVIS, "row"),
            (CORVIS, "file"),
            (CLINIC, "row"),
            (CLINIC, "file"),
            (EYETOP, "file"),
            (PENTACAM, "file"),
            (SIRIUS, "file"),
            (CURVES, "file"),
        ] {
            let mut counts = std::collections::BTreeMap::new();
            for _ in 0..n {
                if let Some(fault) = pick(device, unit, &mut draw) {
                    *counts.entry(fault.name).or_insert(0_u32) += 1;
                }
            }
            for fault in FAULTS.iter().filter(|f| f.device == device && f.unit() == unit) {
                let expected = fault.rate * f64::from(n);
                let got = f64::from(counts.get(fault.name).copied().unwrap_or(0));
                // Five standard deviations of a binomial count.
                assert!((got - expected).abs() < 5.0 * expected.sqrt(), "{device} {}: {got} for {expected}", fault.name);
            }
        }
    }
}
