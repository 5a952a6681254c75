//! Published indices of keratoconus that weigh other numbers, where the formula is public.

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

/// What the Keratoconus Prediction Index weighs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KpiInputs {
    /// Steep simulated keratometry (SimK1), D.
    pub k1_d: f64,
    /// Flat simulated keratometry (SimK2), D.
    pub k2_d: f64,
    /// Opposite sector index, D.
    pub osi_d: f64,
    /// Differential sector index, D.
    pub dsi_d: f64,
    /// Centre/surround index, D.
    pub csi_d: f64,
    /// Surface asymmetry index.
    pub sai: f64,
    /// Irregular astigmatism index.
    pub iai: f64,
    /// Analysed area, %.
    pub aa_percent: f64,
}

/// Keratoconus Prediction Index: the linear discriminant of Maeda, Klyce, Smolek and Thompson (IOVS 1994; 35: 2749). Their
/// expert system takes 0.23 as the limit.
pub fn kpi(inputs: KpiInputs) -> f64 {
    let KpiInputs { k1_d, k2_d, osi_d, dsi_d, csi_d, sai, iai, aa_percent } = inputs;
    let sum = -41.23 - 0.15 * dsi_d + 1.18 * osi_d + 1.49 * csi_d + 4.13 * sai - 0.56 * k1_d + 1.08 * k2_d - 3.74 * iai
        + 0.10 * aa_percent;
    0.30 + 0.01 * sum
}

/// How many standard deviations a value lies above a mean. `None` for a deviation that is not positive.
pub fn z_score(value: f64, mean: f64, sd: f64) -> Option<f64> {
    (sd > 0.0).then(|| (value - mean) / sd).filter(|z| z.is_finite())
}

/// `1 / (1 + e⁻ˣ)`.
pub(crate) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
