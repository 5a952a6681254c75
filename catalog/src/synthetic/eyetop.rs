//! Placido exports of the older topographer: radii and heights of 24 rings on the anterior surface.

use super::exam::Findings;
use super::eye::{Eye, Repeatability};
use super::maps::{DIRECTIONS, KERATOMETRIC, MERIDIANS};
use super::random::Draw;
use super::record::{Cell, Row};

const PLACIDO_RINGS: usize = 24;

/// One exam. The rings lie where a Placido cone of this maker has them, near enough: 0.2 mm apart at first and 0.22 mm at
/// the rim, wider where the cornea is flat.
pub(super) fn measure(eye: &Eye, years: f64, findings: &Findings, draw: &mut Draw) -> Row {
    let cornea = eye.cornea(years, &Repeatability::new(draw, eye.is_irregular()));
    let apex = cornea.anterior.at(0.0, 0.0);
    // The rings are wider than what lids and nose leave free: the outermost loses more than half of its cells.
    let upper_mm = (eye.lid_mm() + draw.normal(-0.7, 0.2)).clamp(3.2, 4.2);
    let k = &findings.keratometry;
    let (mut rho, mut z) = (Vec::new(), Vec::new());
    for ring in 0..PLACIDO_RINGS {
        let nominal = 0.19 + 0.205 * ring as f64 + 0.0004 * (ring * ring) as f64;
        for (cos, sin) in DIRECTIONS.iter() {
            // A ring's image is larger on a flat meridian.
            let slope = {
                let jet = cornea.anterior.at(nominal * cos, nominal * sin);
                (jet.zx - apex.zx) * cos + (jet.zy - apex.zy) * sin
            };
            let radius = if slope > 1e-3 { (nominal * (1.0 + slope * slope).sqrt() / slope).clamp(5.0, 11.0) } else { 11.0 };
            let r = nominal * (1.0 + 0.25 * (radius - 7.8) / 7.8) + 0.0006 * draw.noise();
            let (x, y) = (r * cos, r * sin);
            let height = cornea.anterior.at(x, y).z - apex.z - apex.zx * x - apex.zy * y;
            let nasal = if eye.left { -x } else { x };
            let covered = y > upper_mm - 0.03 * x * x || y < -4.15 || nasal > 4.1;
            if covered || draw.chance(0.02 * (r / 5.0) * (r / 5.0)) {
                rho.push(f64::NAN);
                z.push(f64::NAN);
            } else {
                rho.push(r);
                z.push(-height + 0.0003 * draw.noise());
            }
        }
    }
    debug_assert_eq!(rho.len(), PLACIDO_RINGS * MERIDIANS);
    let mut row = Row::default();
    row.set("sim_k1_d", KERATOMETRIC / k.flat_radius_mm);
    row.set("sim_k1_axis_deg", k.flat_axis_deg.round());
    row.set("sim_k2_d", KERATOMETRIC / k.steep_radius_mm);
    row.set("sim_k2_axis_deg", k.steep_axis_deg.round());
    row.set("corneal_diameter_mm", 14.0);
    row.set("pupil_decentration_x", draw.between(-1.5, 1.5).round());
    row.set("pupil_decentration_y", draw.between(-1.5, 1.5).round());
    row.set("pupil_diameter_mm", draw.between(2.5, 4.5).round());
    // The known files have the mean radius where they say power, with two decimals.
    row.set("pupil_power_d", (100.0 * KERATOMETRIC / k.mean_d()).round() / 100.0);
    row.set("occhio", !eye.left);
    row.set("rings", Cell::Count(PLACIDO_RINGS as i32));
    row.set("meridians", Cell::Count(MERIDIANS as i32));
    row.set("rho_mm", Cell::Map(rho));
    row.set("z_mm", Cell::Map(z));
    row
}
