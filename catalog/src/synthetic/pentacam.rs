//! Pentacam exports of one exam: curvature, elevation and thickness on a square grid, each a file of its own with a header that
//! states what its grids have.

use super::eye::{Diagnosis, Eye, Repeatability};
use super::maps::{
    CHAMBER_DEPTH, CORNEAL_THICKNESS, Cornea, DIRECTIONS, ELEVATION_ANTERIOR, ELEVATION_POSTERIOR, KERATOMETRIC, MERIDIANS,
    SAGITTAL_ANTERIOR, SAGITTAL_POSTERIOR,
};
use super::random::Draw;
use super::record::{Cell, Row};

/// Rows and columns of a grid, and their distance in mm.
const SIZE: usize = 141;
const STEP_MM: f64 = 0.1;
/// Points of the pupil's edge.
const CONTOUR: usize = MERIDIANS;

/// The files of an exam: what the column `export_kind` says, and how the device ends their names.
pub(super) const FILES: [(&str, &str); 3] = [("curvature", "CUR"), ("elevation", "ELE"), ("pachymetry", "PAC")];

/// A grid, `NaN` where missing, row by row from the top.
type Grid = Vec<f64>;

/// The rows of the three files of one exam, without identity.
pub(super) fn measure(eye: &Eye, years: f64, draw: &mut Draw) -> [Row; 3] {
    let cornea = eye.cornea(years, &Repeatability::new(draw, eye.is_irregular()));
    let zone = Zone { radius_mm: draw.between(5.3, 6.0), lid_mm: eye.lid_mm() + draw.normal(0.0, 0.2) };
    let value = cornea.probe();
    let apex = value(0.0, 0.0);
    let front = zone.grid(0.0, |x, y| value(x, y)[SAGITTAL_ANTERIOR] * (1.0 + 0.0012 * draw.noise()));
    let back = zone.grid(0.3, |x, y| value(x, y)[SAGITTAL_POSTERIOR] * (1.0 + 0.002 * draw.noise()));
    // The apex of either surface is the origin of its heights.
    let front_height = zone.grid(0.0, |x, y| (value(x, y)[ELEVATION_ANTERIOR] * 1000.0).round());
    let back_height = zone.grid(0.3, |x, y| ((value(x, y)[ELEVATION_POSTERIOR] - apex[ELEVATION_POSTERIOR]) * 1000.0).round());
    let thickness = zone.grid(0.5, |x, y| (value(x, y)[CORNEAL_THICKNESS] + 0.7 * draw.noise()).round());

    let mut header = stated(&cornea, eye, draw);
    header.set("max_diameter_mm", 2.0 * zone.radius_mm);
    header.set("anterior_chamber_depth_mm", apex[CHAMBER_DEPTH]);
    if let Some((cell, least)) = smallest(&front) {
        header.set("k_max_front_d", KERATOMETRIC / least);
        place(&mut header, cell, ["k_max_front_x_mm", "k_max_front_y_mm"], draw);
    }
    if let Some((cell, least)) = smallest(&thickness) {
        header.set("pachy_min_um", least);
        place(&mut header, cell, ["pachy_min_x_mm", "pachy_min_y_mm"], draw);
    }
    header.set("pachy_apex_um", thickness[SIZE * SIZE / 2]);

    let file = |maps: [Option<(&'static str, Grid)>; 2]| {
        let mut row = header.clone();
        for (column, grid) in maps.into_iter().flatten() {
            row.set(column, Cell::Map(grid));
        }
        row
    };
    let mut rows = [
        file([Some(("sagittal_anterior_mm", front)), Some(("sagittal_posterior_mm", back))]),
        file([Some(("elevation_anterior_um", front_height)), Some(("elevation_posterior_um", back_height))]),
        file([Some(("corneal_thickness_um", thickness)), None]),
    ];
    for (row, (kind, _)) in rows.iter_mut().zip(FILES) {
        row.set("export_kind", kind);
    }
    rows
}

/// What of the cornea the cameras see.
struct Zone {
    radius_mm: f64,
    lid_mm: f64,
}

impl Zone {
    /// A grid of the zone, less `margin_mm` at its edge.
    fn grid(&self, margin_mm: f64, mut value: impl FnMut(f64, f64) -> f64) -> Grid {
        let mut grid = Vec::with_capacity(SIZE * SIZE);
        for cell in 0..SIZE * SIZE {
            let (x, y) = at(cell);
            let radius = self.radius_mm - margin_mm;
            let covered = y > self.lid_mm - 0.05 * x * x;
            grid.push(if x * x + y * y > radius * radius || covered { f64::NAN } else { value(x, y) });
        }
        grid
    }
}

/// Centre of a cell in mm: x to the examiner's right, y upwards.
fn at(cell: usize) -> (f64, f64) {
    let half = (SIZE / 2) as f64;
    (((cell % SIZE) as f64 - half) * STEP_MM, (half - (cell / SIZE) as f64) * STEP_MM)
}

/// The first cell with the smallest value.
fn smallest(grid: &Grid) -> Option<(usize, f64)> {
    let present = grid.iter().copied().enumerate().filter(|(_, value)| !value.is_nan());
    present.reduce(|least, other| if other.1 < least.1 { other } else { least })
}

/// States a place to the hundredth of a millimetre, as the device interpolates between cells.
fn place(header: &mut Row, cell: usize, columns: [&'static str; 2], draw: &mut Draw) {
    let (x, y) = at(cell);
    header.set(columns[0], x + draw.between(-0.03, 0.03));
    header.set(columns[1], y + draw.between(-0.03, 0.03));
}

/// What the header states besides: keratometry of the 3 mm zone, chamber, grade, quality and pupil.
fn stated(cornea: &Cornea, eye: &Eye, draw: &mut Draw) -> Row {
    let value = cornea.probe();
    let (mut mean, mut cosine, mut sine) = (0.0, 0.0, 0.0);
    for (cos, sin) in DIRECTIONS.iter() {
        let radius = value(1.5 * cos, 1.5 * sin)[SAGITTAL_ANTERIOR];
        // A hollow place has no axial radius; the mean cornea stands in for it.
        let power = KERATOMETRIC / if radius.is_nan() { 7.8 } else { radius };
        mean += power / MERIDIANS as f64;
        cosine += 2.0 * power * (cos * cos - sin * sin) / MERIDIANS as f64;
        sine += 4.0 * power * sin * cos / MERIDIANS as f64;
    }
    let half = (cosine * cosine + sine * sine).sqrt();
    let steep_deg = 0.5 * super::elementary::atan2_deg(sine, cosine);
    let flat_deg = if steep_deg <= 0.0 { steep_deg + 90.0 } else { steep_deg - 90.0 };
    let flat_deg = if flat_deg < 0.0 { flat_deg + 180.0 } else { flat_deg };
    // The header names its meridians after the direction that they are nearer to.
    let flat_is_horizontal = !(45.0..135.0).contains(&flat_deg);
    let [h, v] = if flat_is_horizontal { [mean - half, mean + half] } else { [mean + half, mean - half] };
    let [rh, rv] = [h, v].map(|power| KERATOMETRIC / power);

    let mut row = Row::default();
    row.set("software_version", "1.16r96");
    row.set("cornea_front_rh_mm", rh);
    row.set("cornea_front_rv_mm", rv);
    row.set("cornea_front_axis_deg", flat_deg);
    row.set("cornea_front_astigmatism_d", v - h);
    row.set("cornea_front_exz", draw.normal(0.35, 0.2));
    row.set("anterior_chamber_angle_deg", draw.normal(38.0, 4.0));
    let ectasia = matches!(eye.diagnosis, Diagnosis::Keratoconus | Diagnosis::PellucidMarginalDegeneration);
    row.set("kks", if ectasia { draw.pick(&["# poss.", "# 1", "# 2", "# 2-3"]) } else { "# -" });
    let good = draw.chance(0.9);
    row.set("qs_status", if good { "OK" } else { "3D Model Deviation !" });
    row.set("qs_error", if good { 0.0 } else { 1.0 });
    let (x, y) = eye.pupil_mm();
    let radius = 0.5 * draw.between(2.4, 4.2);
    row.set("pupil_diameter_mm", 2.0 * radius);
    row.set("pupil_center_x_mm", x);
    row.set("pupil_center_y_mm", y);
    // Points at equal angles about the apex, as in real files.
    let (mut edge_x, mut edge_y) = (Vec::with_capacity(CONTOUR), Vec::with_capacity(CONTOUR));
    for (cos, sin) in DIRECTIONS.iter() {
        let (along, across) = (x * cos + y * sin, x * sin - y * cos);
        let far = along + (radius * radius - across * across).max(0.0).sqrt();
        edge_x.push(far * cos);
        edge_y.push(far * sin);
    }
    row.set("pupil_contour_x_mm", Cell::Map(edge_x));
    row.set("pupil_contour_y_mm", Cell::Map(edge_y));
    row
}
