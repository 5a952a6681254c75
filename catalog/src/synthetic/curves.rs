//! Curves of a Corvis measurement, frame by frame: shapes of ours through the moments and amplitudes of its row in the table.

use super::elementary::exp;
use super::random::Draw;
use super::record::{Cell, Row};

const FRAMES: usize = 140;
/// Of a camera with 4,330 frames a second.
const FRAME_MS: f64 = 0.231;
/// When the puff reaches the cornea, and when the cornea is back, in ms.
const START_MS: f64 = 4.5;
const END_MS: f64 = 29.0;
/// The puff: its peak in N, when, and how wide it is in ms.
const FORCE_N: f64 = 0.09;
const PUFF_MS: f64 = 15.5;
const PUFF_WIDTH_MS: f64 = 5.2;

/// The curves that lead to what `table`, the row of the same measurement, states.
pub(super) fn measure(table: &Row, draw: &mut Draw) -> Row {
    let of = |column: &str| table.number(column).unwrap_or(1.0);
    let (peak, eye_peak) = (of("da_max_mm"), of("wem_max_mm"));
    let (a1, hc, a2) = (of("a1_time_ms"), of("hc_time_ms"), of("a2_time_ms"));
    let deformation = |t: f64| peak * bump(t, START_MS, hc, END_MS);
    let movement = |t: f64| eye_peak * bump(t, START_MS + 1.0, of("wem_max_ms"), END_MS + 4.0);
    let near = |t: f64, moment: f64, width: f64| exp(-((t - moment) / width) * ((t - moment) / width));

    let mut curves: [Vec<f64>; 8] = Default::default();
    for frame in 0..FRAMES {
        let t = frame as f64 * FRAME_MS;
        let noise = 0.002 * draw.noise();
        let amplitude = deformation(t) + noise;
        let eye = movement(t) + 0.001 * draw.noise();
        let flat = near(t, a1, 0.6) * of("a1_length_mm") + near(t, a2, 0.7) * of("a2_length_mm");
        let concave = t > a1 && t < a2;
        let values = [
            t,
            FORCE_N * near(t, PUFF_MS, PUFF_WIDTH_MS),
            amplitude,
            amplitude - eye,
            eye,
            if flat > 0.3 { flat } else { f64::NAN },
            (deformation(t + 0.5 * FRAME_MS) - deformation(t - 0.5 * FRAME_MS)) / FRAME_MS,
            if concave { of("max_inverse_radius_per_mm") * bump(t, a1, hc, a2) } else { f64::NAN },
        ];
        for (curve, value) in curves.iter_mut().zip(values) {
            curve.push(value);
        }
    }
    let mut row = Row::default();
    let columns = [
        "time_ms",
        "air_puff_force_n",
        "deformation_amplitude_mm",
        "deflection_amplitude_mm",
        "whole_eye_movement_mm",
        "applanation_length_mm",
        "velocity_m_s",
        "inverse_radius_per_mm",
    ];
    for (column, curve) in columns.into_iter().zip(curves) {
        row.set(column, Cell::Map(curve));
    }
    row
}

/// From 0 at `start` to 1 at `peak` and back to 0 at `end`, without a corner.
fn bump(t: f64, start: f64, peak: f64, end: f64) -> f64 {
    let part = if t < peak { (t - start) / (peak - start) } else { (end - t) / (end - peak) };
    let part = part.clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}
