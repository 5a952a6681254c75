//! Published indices of keratoconus and corneal biomechanics, where the formula is public.

/// Corvis parameters that the Corvis Biomechanical Index weighs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CbiInputs {
    /// Velocity at the first applanation, m/s.
    pub a1_velocity_m_s: f64,
    /// Ambrósio relational thickness to the horizontal profile, µm.
    pub arth_um: f64,
    /// Stiffness parameter at the first applanation, mmHg/mm.
    pub sp_a1: f64,
    /// Deformation amplitude ratio at 1 mm.
    pub da_ratio_1mm: f64,
    /// Deformation amplitude ratio at 2 mm.
    pub da_ratio_2mm: f64,
    /// Standard deviation of the deflection amplitude at highest concavity, mm.
    pub sd_deflection_mm: f64,
}

/// Corvis Biomechanical Index, 0 to 1: logistic regression with the coefficients published in Sci Rep 2021
/// (s41598-020-80915-9, table 4). The device may hold a later version; ours does not replace its number.
pub fn cbi(inputs: CbiInputs) -> f64 {
    let beta = -59.487 * inputs.a1_velocity_m_s - 0.027 * inputs.arth_um - 0.092 * inputs.sp_a1 - 27.169 * inputs.da_ratio_1mm
        + 5.472 * inputs.da_ratio_2mm
        - 0.599 * inputs.sd_deflection_mm
        + 46.576;
    logistic(beta)
}

/// Stiffness parameter at the first applanation, mmHg/mm: (adjusted pressure − bIOP) / deflection amplitude. `None` for an
/// amplitude that is not positive. PMC8292717, table 2.
pub fn sp_a1(adjusted_pressure_mmhg: f64, biop_mmhg: f64, deflection_mm: f64) -> Option<f64> {
    (deflection_mm > 0.0).then(|| (adjusted_pressure_mmhg - biop_mmhg) / deflection_mm)
}

/// Percentage probability of keratoconus from the cone location and magnitude index, 0 to 1; coefficients as published in the
/// SmartKC project after Mahmoud et al. (2008).
pub fn ppk(clmi: f64) -> f64 {
    logistic(-6.4483 + 2.1319 * clmi)
}

/// KISA % of Rabinowitz and Rasheed (1999), from central K (D), inferior − superior value (D), astigmatism (D) and the skew
/// of the steepest semi-meridians (degrees). Suspect from 60, keratoconus above 100. Factors below 1 count as 1.
pub fn kisa(central_k_d: f64, inferior_superior_d: f64, astigmatism_d: f64, srax_deg: f64) -> f64 {
    let at_least_one = |v: f64| if v.is_nan() { v } else { v.max(1.0) };
    at_least_one(central_k_d - 47.2) * at_least_one(inferior_superior_d) * astigmatism_d * at_least_one(srax_deg) * 100.0 / 300.0
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
