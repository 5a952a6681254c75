//! Corvis ST exams: tonometry and dynamic response, from thickness, pressure and stiffness of the eye.
//!
//! Means and spreads are those of formats.md §2.2 (PMC7001013) and of physiological_bounds.csv; how the parameters depend on
//! each other is ours: a thin or soft cornea moves farther, later back and with a higher ratio; the CBI is computed by its
//! published formula from the other columns. SSI and TBI have no public formula: theirs are stand-ins.

use super::elementary::{exp, ln};
use super::exam::Findings;
use super::eye::{Diagnosis, Eye};
use super::random::Draw;
use super::record::Row;

/// Relative growth of the thickness from its thinnest point to the circle of 2.4 mm in a mean healthy eye.
const USUAL_GROWTH: f64 = 0.165;

/// The measured columns of one exam.
pub(super) fn measure(eye: &Eye, years: f64, age: f64, findings: &Findings, draw: &mut Draw) -> Row {
    let stiffness = eye.stiffness(years);
    let thickness = (findings.apex_um - 540.0) / 32.0;
    let pressure = eye.iop_mmhg() + draw.normal(0.0, 0.9);
    // Resistance against the puff, in standard deviations: tissue and thickness together.
    let firm = 0.75 * stiffness + 0.55 * thickness;
    let high = (pressure - 15.5) / 2.4;

    let biop = pressure + draw.normal(0.0, 0.5);
    let iop = pressure + 1.3 * thickness + 0.5 * stiffness + 0.8 + draw.normal(0.0, 0.6);
    let a1_time = 7.36 + 0.24 * high + 0.13 * firm + draw.normal(0.0, 0.07);
    let a1_velocity = (0.148 - 0.010 * high - 0.0045 * firm + draw.normal(0.0, 0.006)).clamp(0.05, 0.3);
    let da_max = (1.05 - 0.065 * high - 0.035 * firm + draw.normal(0.0, 0.03)).clamp(0.62, 1.6);
    let wem_max = draw.normal(0.25, 0.05).clamp(0.08, 0.5);
    let wem_at_peak = 0.62 * wem_max;
    let deflection = da_max - wem_at_peak + draw.normal(0.0, 0.006);
    let ratio_2 = (4.25 - 0.16 * high - 0.43 * firm + draw.normal(0.0, 0.16)).max(2.6);
    let ratio_1 = 1.585 + 0.045 * (ratio_2 - 4.25) + draw.normal(0.0, 0.012);
    let sp_a1 = (106.0 + 4.0 * high + 15.5 * firm + draw.normal(0.0, 6.0)).max(18.0);
    let thickness_index = findings.thickness_growth / USUAL_GROWTH;
    let arth = (findings.thinnest_um / thickness_index.max(0.2) * 0.95 + draw.normal(0.0, 20.0)).clamp(60.0, 1400.0);
    let inverse = (8.1 - 0.85 * firm - 0.15 * high + draw.normal(0.0, 0.35)).clamp(5.0, 20.0);
    let hc_time = draw.normal(16.85, 0.3) + 0.1 * firm.clamp(-3.0, 3.0);
    let sd_deflection = (0.9 + 0.5 * (da_max - 1.05) + draw.normal(0.0, 0.02)).max(0.3);
    let cbi = cbi(a1_velocity, arth, sp_a1, ratio_1, ratio_2, sd_deflection);

    let mut row = Row::default();
    let mut set = |column: &'static str, value: f64| row.set(column, value);
    set("iop_nct_mmhg", iop.clamp(4.0, 60.0));
    set("biop_mmhg", biop.clamp(4.0, 60.0));
    set("cct_um", findings.apex_um + draw.normal(0.0, 5.0));
    set("a1_time_ms", a1_time);
    set("a1_length_mm", draw.normal(1.9, 0.2) + 0.05 * firm.clamp(-3.0, 3.0));
    set("a1_velocity_m_s", a1_velocity);
    set("a1_deformation_amplitude_mm", 0.128 + 0.03 * (a1_velocity - 0.148) + draw.normal(0.0, 0.006));
    set("a1_deflection_length_mm", draw.normal(2.3, 0.15));
    set("a1_deflection_amplitude_mm", 0.092 - 0.003 * firm.clamp(-3.0, 3.0) + draw.normal(0.0, 0.004));
    set("a1_deflection_area_mm2", draw.normal(0.17, 0.02));
    set("a1_delta_arc_length_mm", draw.normal(-0.018, 0.003));
    set("a2_time_ms", 21.95 - 0.22 * high - 0.08 * firm + draw.normal(0.0, 0.15));
    set("a2_length_mm", draw.normal(1.6, 0.25).clamp(0.4, 3.2));
    set("a2_velocity_m_s", -0.272 + 0.012 * high + 0.008 * firm + draw.normal(0.0, 0.015));
    set("a2_deformation_amplitude_mm", draw.normal(0.32, 0.04));
    set("a2_deflection_length_mm", draw.normal(2.6, 0.25));
    set("a2_deflection_amplitude_mm", draw.normal(0.108, 0.009));
    set("a2_deflection_area_mm2", draw.normal(0.24, 0.03));
    set("a2_delta_arc_length_mm", draw.normal(-0.024, 0.004));
    set("hc_time_ms", hc_time);
    set("hc_radius_mm", (7.0 + 0.55 * firm + draw.normal(0.0, 0.35)).clamp(3.6, 12.0));
    set("hc_deformation_amplitude_mm", da_max);
    set("hc_deflection_length_mm", 6.5 + 1.5 * (da_max - 1.05) + draw.normal(0.0, 0.2));
    set("hc_deflection_amplitude_mm", deflection);
    set("hc_deflection_area_mm2", 3.3 + 3.4 * (da_max - 1.05) + draw.normal(0.0, 0.12));
    set("hc_delta_arc_length_mm", draw.normal(-0.125, 0.02));
    set("da_max_mm", da_max);
    set("peak_distance_mm", 4.95 + 2.0 * (da_max - 1.05) + draw.normal(0.0, 0.12));
    set("deflection_amplitude_max_mm", deflection + 0.01);
    set("deflection_amplitude_max_ms", hc_time - 0.5);
    set("da_ratio_1mm", ratio_1);
    set("da_ratio_2mm", ratio_2);
    set("integrated_inverse_radius_per_mm", inverse);
    set("max_inverse_radius_per_mm", 0.021 * inverse + draw.normal(0.0, 0.006));
    set("sp_a1_mmhg_per_mm", sp_a1);
    set("arth_um", arth);
    set("pachy_slope_um", 48.0 * thickness_index + draw.normal(0.0, 2.5));
    set("ssi", (1.0 + 0.16 * stiffness + 0.004 * (age - 45.0) + draw.normal(0.0, 0.05)).clamp(0.3, 2.5));
    set("cbi", cbi);
    set("tbi", tbi(eye, years, cbi, draw));
    set("wem_max_mm", wem_max);
    set("wem_max_ms", draw.normal(21.8, 0.35));
    set("sd_deflection_amplitude_mm", sd_deflection);
    set("delta_arc_length_max_mm", draw.normal(-0.155, 0.02));
    row
}

/// The Corvis biomechanical index as printed in doi 10.1038/s41598-020-80915-9, table 4.
fn cbi(a1_velocity: f64, arth: f64, sp_a1: f64, ratio_1: f64, ratio_2: f64, sd_deflection: f64) -> f64 {
    let beta = -59.487 * a1_velocity - 0.027 * arth - 0.092 * sp_a1 - 27.169 * ratio_1 + 5.472 * ratio_2 - 0.599 * sd_deflection
        + 46.576;
    1.0 / (1.0 + exp(-beta))
}

/// A stand-in for the TBI, whose weights are closed: high where shape or biomechanics say ectasia.
fn tbi(eye: &Eye, years: f64, cbi: f64, draw: &mut Draw) -> f64 {
    let severity = eye.severity(years);
    let shape = match eye.diagnosis {
        Diagnosis::Keratoconus | Diagnosis::PellucidMarginalDegeneration => 2.5 + 5.0 * severity,
        Diagnosis::SubclinicalKeratoconus => -0.8 + 2.6 * severity,
        Diagnosis::PostKeratoplasty => 0.5,
        _ => -1.8,
    };
    let logit = ln((cbi + 0.01) / (1.01 - cbi));
    1.0 / (1.0 + exp(-(shape + 0.35 * logit + draw.normal(0.0, 0.5))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published terms and results of refdata/indices.json.
    #[test]
    fn cbi_is_the_published_formula() {
        assert!((cbi(0.15, 500.0, 105.0, 1.6, 4.3, 0.9) - 0.002_505_020_993_583_658).abs() < 1e-12);
        assert!((cbi(0.16, 230.0, 70.0, 1.65, 5.2, 1.0) - 0.999_409_901_020_432_7).abs() < 1e-12);
    }
}
