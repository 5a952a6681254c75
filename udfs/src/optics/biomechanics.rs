//! Corneal biomechanics from an air-puff tonometer with a high-speed camera, where the definition is public.
//!
//! A curve holds one number a frame, the frames equally spaced in time; displacement in millimetres is positive into the eye,
//! so that millimetres per millisecond are metres per second. A profile holds one height a point along a horizontal section,
//! equally spaced. A curve or profile with a missing value gives no answer: the frame that is missing may be the one that counts.

use super::indices::logistic;

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

/// The moment at which the apex lies deepest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HighestConcavity {
    /// Frame, from 0; the first of equals.
    pub frame: usize,
    /// Displacement of the apex, mm.
    pub amplitude_mm: f64,
}

/// The frame of highest concavity of an apex curve (PMC8292717, table 2). `None` for an empty curve or a missing frame.
pub fn highest_concavity(apex_mm: &[f64]) -> Option<HighestConcavity> {
    whole(apex_mm)?;
    let mut best: Option<HighestConcavity> = None;
    for (frame, &amplitude_mm) in apex_mm.iter().enumerate() {
        if best.is_none_or(|b| amplitude_mm > b.amplitude_mm) {
            best = Some(HighestConcavity { frame, amplitude_mm });
        }
    }
    best
}

/// Deformation amplitude ratio: displacement of the apex at highest concavity over the mean displacement 1 or 2 mm beside it in
/// the same frame (PMC8292717, table 2). The frame that a device takes may differ. `None` for curves of different length, a
/// missing frame, or a displacement beside the apex that is not positive.
pub fn da_ratio(apex_mm: &[f64], beside_mm: &[f64]) -> Option<f64> {
    if apex_mm.len() != beside_mm.len() {
        return None;
    }
    whole(beside_mm)?;
    let deepest = highest_concavity(apex_mm)?;
    let beside = *beside_mm.get(deepest.frame)?;
    (beside > 0.0).then(|| deepest.amplitude_mm / beside)
}

/// Largest amplitude of the cornea without the movement of the whole eye: the maximum of `apex − eye`, mm. `None` for curves of
/// different length or a missing frame.
pub fn deflection_amplitude_mm(apex_mm: &[f64], whole_eye_mm: &[f64]) -> Option<f64> {
    if apex_mm.len() != whole_eye_mm.len() {
        return None;
    }
    let deflection: Vec<f64> = apex_mm.iter().zip(whole_eye_mm).map(|(a, e)| a - e).collect();
    highest_concavity(&deflection).map(|h| h.amplitude_mm)
}

/// Which way the apex moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the eye: positive velocity.
    Inward,
    /// Back: negative velocity.
    Outward,
}

/// Derivative of a curve at each frame, per millisecond: central differences, one-sided at both ends. `None` for fewer than two
/// frames, a missing frame or a time step that is not positive.
pub fn velocity_m_s(curve_mm: &[f64], time_step_ms: f64) -> Option<Vec<f64>> {
    whole(curve_mm)?;
    if curve_mm.len() < 2 || !(time_step_ms > 0.0 && time_step_ms.is_finite()) {
        return None;
    }
    let last = curve_mm.len() - 1;
    let at = |i: usize| {
        let (from, to) = (i.saturating_sub(1), (i + 1).min(last));
        let rise = curve_mm.get(to).zip(curve_mm.get(from)).map_or(f64::NAN, |(b, a)| b - a);
        rise / ((to - from) as f64 * time_step_ms)
    };
    Some((0..=last).map(at).collect())
}

/// Extreme velocity of an apex curve, m/s: the largest inward (positive) or the largest outward one (negative). See
/// [`velocity_m_s`].
pub fn peak_velocity_m_s(apex_mm: &[f64], time_step_ms: f64, direction: Direction) -> Option<f64> {
    let velocity = velocity_m_s(apex_mm, time_step_ms)?;
    velocity.into_iter().reduce(|a, b| match direction {
        Direction::Inward => a.max(b),
        Direction::Outward => a.min(b),
    })
}

/// Velocity at a moment after the first frame, m/s, linear between frames: at the time of an applanation it is what the device
/// calls A1 or A2 velocity. `None` outside the curve; see [`velocity_m_s`].
pub fn velocity_at_m_s(apex_mm: &[f64], time_step_ms: f64, at_ms: f64) -> Option<f64> {
    let velocity = velocity_m_s(apex_mm, time_step_ms)?;
    value_at(&velocity, at_ms / time_step_ms)
}

/// Area under a curve over its time, mm·ms, by trapezoids. `None` for fewer than two frames, a missing frame or a time step that
/// is not positive.
pub fn deformation_area_mm_ms(curve_mm: &[f64], time_step_ms: f64) -> Option<f64> {
    whole(curve_mm)?;
    (curve_mm.len() >= 2 && time_step_ms > 0.0).then(|| time_step_ms * trapezoids(curve_mm)).filter(|a| a.is_finite())
}

/// Area under the inverse radius over the concave phase, ms/mm (PMC8292717, table 2), by trapezoids.
///
/// The inverse radius is positive while the cornea is concave. The phase lasts from the first to the second applanation: between
/// the given times, or where they are not given, the run of positive values around the largest one with linear crossings of
/// zero. `None` for a missing frame, for times outside the curve or in the wrong order, and for a cornea that never is concave
/// or still is at an end of the curve.
pub fn integrated_inverse_radius(
    inverse_radius_per_mm: &[f64],
    time_step_ms: f64,
    applanations_ms: Option<(f64, f64)>,
) -> Option<f64> {
    let curve = inverse_radius_per_mm;
    whole(curve)?;
    if !(time_step_ms > 0.0 && time_step_ms.is_finite()) {
        return None;
    }
    let (from, to) = match applanations_ms {
        Some((a1, a2)) => (a1 / time_step_ms, a2 / time_step_ms),
        None => {
            let top = highest_concavity(curve).filter(|h| h.amplitude_mm > 0.0)?.frame;
            let before = curve.get(..top)?.iter().rposition(|v| *v <= 0.0)?;
            let after = top + curve.get(top..)?.iter().position(|v| *v <= 0.0)?;
            (crossing(curve, before)?, crossing(curve, after.checked_sub(1)?)?)
        }
    };
    if from >= to {
        return None;
    }
    let (first, last) = (value_at(curve, from)?, value_at(curve, to)?);
    // Whole frames strictly between the two ends; positions lie within the curve, so the casts are exact.
    let (inner, outer) = (from.floor() as usize + 1, to.ceil() as usize);
    let mut area = 0.0;
    let (mut position, mut value) = (from, first);
    for (i, v) in curve.iter().enumerate().take(outer).skip(inner) {
        area += 0.5 * (value + v) * (i as f64 - position);
        (position, value) = (i as f64, *v);
    }
    area += 0.5 * (value + last) * (to - position);
    Some(area * time_step_ms).filter(|a| a.is_finite())
}

/// Area between the undeformed and the deformed section of the cornea, mm², by trapezoids over the depth. `None` for profiles of
/// different length, a missing point or a spacing that is not positive.
pub fn deflection_area_mm2(undeformed_mm: &[f64], deformed_mm: &[f64], spacing_mm: f64) -> Option<f64> {
    same_points(undeformed_mm, deformed_mm, spacing_mm)?;
    let depth: Vec<f64> = deformed_mm.iter().zip(undeformed_mm).map(|(d, u)| d - u).collect();
    Some(spacing_mm * trapezoids(&depth)).filter(|a| a.is_finite())
}

/// Length of the deformed section minus that of the undeformed one, mm, along straight pieces between the points; negative where
/// the cornea became shorter. `None` as for [`deflection_area_mm2`].
pub fn delta_arc_length_mm(undeformed_mm: &[f64], deformed_mm: &[f64], spacing_mm: f64) -> Option<f64> {
    same_points(undeformed_mm, deformed_mm, spacing_mm)?;
    let length =
        |profile: &[f64]| -> f64 { profile.iter().zip(profile.iter().skip(1)).map(|(a, b)| spacing_mm.hypot(b - a)).sum() };
    Some(length(deformed_mm) - length(undeformed_mm)).filter(|a| a.is_finite())
}

/// `Some` where every value is finite and there is at least one.
fn whole(values: &[f64]) -> Option<()> {
    (!values.is_empty() && values.iter().all(|v| v.is_finite())).then_some(())
}

fn same_points(undeformed_mm: &[f64], deformed_mm: &[f64], spacing_mm: f64) -> Option<()> {
    whole(undeformed_mm)?;
    whole(deformed_mm)?;
    let fits = undeformed_mm.len() == deformed_mm.len() && undeformed_mm.len() >= 2;
    (fits && spacing_mm > 0.0 && spacing_mm.is_finite()).then_some(())
}

/// Trapezoids of unit width.
fn trapezoids(values: &[f64]) -> f64 {
    values.iter().zip(values.iter().skip(1)).map(|(a, b)| 0.5 * (a + b)).sum()
}

/// A curve's value at a position counted in frames, linear between them; `None` outside.
fn value_at(curve: &[f64], position: f64) -> Option<f64> {
    let last = curve.len().checked_sub(1)?;
    if !(position >= 0.0 && position <= last as f64) {
        return None;
    }
    let before = position as usize;
    let (a, fraction) = (*curve.get(before)?, position.fract());
    // The last frame has no successor and needs none.
    if fraction == 0.0 { Some(a) } else { curve.get(before + 1).map(|b| a + fraction * (b - a)) }
}

/// Where the piece from a frame to the next crosses zero, in frames. Its ends have different signs or one of them is zero.
fn crossing(curve: &[f64], frame: usize) -> Option<f64> {
    let (a, b) = (*curve.get(frame)?, *curve.get(frame + 1)?);
    Some(frame as f64 + a / (a - b)).filter(|p| p.is_finite())
}
