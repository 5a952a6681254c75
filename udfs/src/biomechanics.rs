//! Corneal biomechanics from the curves of an air-puff tonometer.

use arrow::array::ArrayRef;
use datafusion::common::{Result, exec_err};

use crate::args::{Call, Numbers};
use crate::function::{Example, Function, Kind, Parameter};
use crate::indices::{float, number, numbers};
use crate::optics::biomechanics::{self, CbiInputs, Direction};

const APEX: Parameter = curve("apex_mm", "displacement of the apex in mm, positive into the eye, one value a frame");
const TIME_STEP: Parameter = number("time_step_ms", "ms", "time between two frames in ms");
const UNDEFORMED: Parameter = curve("undeformed_mm", "heights of the section before the puff in mm, positive into the eye");
const DEFORMED: Parameter = curve("deformed_mm", "heights of the deformed section at the same points in mm");
const SPACING: Parameter = number("spacing_mm", "mm", "distance between two points of the section in mm");

const fn curve(name: &'static str, about: &'static str) -> Parameter {
    Parameter::required(name, Kind::List, about).in_unit("mm")
}

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "cbi",
        about: "Corvis Biomechanical Index, 0 to 1, with the coefficients published in Sci Rep 2021 (s41598-020-80915-9, table 4). A \
                device may hold a later version: compare, do not replace its number.",
        parameters: &[
            number("a1_velocity_m_s", "m/s", "velocity at the first applanation, m/s"),
            number("arth_um", "um", "Ambrósio relational thickness, horizontal, µm"),
            number("sp_a1", "mm[Hg]/mm", "stiffness parameter at the first applanation, mmHg/mm"),
            number("da_ratio_1mm", "", "deformation amplitude ratio at 1 mm"),
            number("da_ratio_2mm", "", "deformation amplitude ratio at 2 mm"),
            number("sd_deflection_mm", "mm", "standard deviation of the deflection amplitude, mm"),
        ],
        returns: "float8",
        result: |_| Ok(float("")),
        compute: |call| {
            numbers(call, |[a1_velocity_m_s, arth_um, sp_a1, da_ratio_1mm, da_ratio_2mm, sd_deflection_mm]| {
                let inputs = CbiInputs { a1_velocity_m_s, arth_um, sp_a1, da_ratio_1mm, da_ratio_2mm, sd_deflection_mm };
                Some(biomechanics::cbi(inputs))
            })
        },
        example: Example { sql: "round(cbi(0.15, 500, 105, 1.6, 4.3, 0.9), 6)", output: "0.002505" },
    },
    Function {
        name: "sp_a1",
        about: "Stiffness parameter at the first applanation in mmHg/mm: (adjusted pressure − bIOP) / deflection amplitude.",
        parameters: &[
            number("adjusted_pressure_mmhg", "mm[Hg]", "air pressure at the cornea at the first applanation"),
            number("biop_mmhg", "mm[Hg]", "biomechanically corrected intraocular pressure, as the device gives it"),
            number("deflection_mm", "mm", "deflection amplitude at the first applanation"),
        ],
        returns: "float8",
        result: |_| Ok(float("mm[Hg]/mm")),
        compute: |call| numbers(call, |[pressure, biop, deflection]| biomechanics::sp_a1(pressure, biop, deflection)),
        example: Example { sql: "sp_a1(35, 15, 0.125)", output: "160.0" },
    },
    Function {
        name: "deformation_amplitude",
        about: "Displacement of the apex at highest concavity in mm: the largest value of the curve. NULL where a frame is missing.",
        parameters: &[APEX],
        returns: "float8",
        result: |_| Ok(float("mm")),
        compute: |call| of_curves(call, [], |[apex], []| biomechanics::highest_concavity(apex).map(|h| h.amplitude_mm)),
        example: Example { sql: "deformation_amplitude([0.0, 0.4, 1.1, 0.5, 0.1])", output: "1.1" },
    },
    Function {
        name: "highest_concavity_time",
        about: "Time of highest concavity in ms after the first frame. NULL where a frame is missing.",
        parameters: &[APEX, TIME_STEP],
        returns: "float8",
        result: |_| Ok(float("ms")),
        compute: |call| {
            let top = |apex: &[f64]| biomechanics::highest_concavity(apex).map(|h| h.frame as f64);
            of_curves(call, [1], |[apex], [step]| top(apex).map(|frame| frame * step))
        },
        example: Example { sql: "highest_concavity_time([0.0, 0.4, 1.1, 0.5, 0.1], 0.25)", output: "0.5" },
    },
    Function {
        name: "da_ratio",
        about: "Deformation amplitude ratio: displacement of the apex over the mean displacement 1 or 2 mm beside it, both at highest \
                concavity. Which frame a device takes is not public. NULL where a frame is missing or the cornea beside the apex did \
                not move inwards.",
        parameters: &[APEX, curve("beside_mm", "mean displacement 1 or 2 mm to both sides in the same frames, mm")],
        returns: "float8",
        result: |_| Ok(float("")),
        compute: |call| of_curves(call, [], |[apex, beside], []| biomechanics::da_ratio(apex, beside)),
        example: Example { sql: "da_ratio([0.0, 0.4, 1.1, 0.5], [0.0, 0.1, 0.25, 0.2])", output: "4.4" },
    },
    Function {
        name: "deflection_amplitude",
        about: "Largest displacement of the apex without the movement of the whole eye, mm. NULL where a frame is missing.",
        parameters: &[APEX, curve("whole_eye_mm", "movement of the whole eye in the same frames, mm")],
        returns: "float8",
        result: |_| Ok(float("mm")),
        compute: |call| of_curves(call, [], |[apex, eye], []| biomechanics::deflection_amplitude_mm(apex, eye)),
        example: Example { sql: "deflection_amplitude([0.0, 0.5, 1.0, 0.75], [0.0, 0.0, 0.125, 0.25])", output: "0.875" },
    },
    Function {
        name: "apex_peak_velocity",
        about: "Largest velocity of the apex in m/s by central differences: inwards positive, outwards negative. NULL where a frame \
                is missing.",
        parameters: &[
            APEX,
            TIME_STEP,
            Parameter::optional("direction", Kind::Text, "'inward'", "'inward' (towards the eye) or 'outward'"),
        ],
        returns: "float8",
        result: |s| s.choice("direction", DIRECTIONS).map(|_| float("m/s")),
        compute: |call| {
            let direction = call.settings.choice("direction", DIRECTIONS)?;
            of_curves(call, [1], |[apex], [step]| biomechanics::peak_velocity_m_s(apex, step, direction))
        },
        example: Example { sql: "apex_peak_velocity([0.0, 0.25, 0.75, 0.5], 2.0, direction => 'inward')", output: "0.1875" },
    },
    Function {
        name: "apex_velocity_at",
        about: "Velocity of the apex in m/s at a moment, by central differences and linear between frames: at the time of an \
                applanation the A1 or A2 velocity. NULL outside the curve or where a frame is missing.",
        parameters: &[APEX, TIME_STEP, number("at_ms", "ms", "time after the first frame in ms")],
        returns: "float8",
        result: |_| Ok(float("m/s")),
        compute: |call| of_curves(call, [1, 2], |[apex], [step, at]| biomechanics::velocity_at_m_s(apex, step, at)),
        example: Example { sql: "apex_velocity_at([0.0, 0.25, 0.75, 0.5], 2.0, 1.0)", output: "0.15625" },
    },
    Function {
        name: "deformation_area",
        about: "Area under the displacement of the apex over time in mm·ms, by trapezoids. NULL where a frame is missing.",
        parameters: &[APEX, TIME_STEP],
        returns: "float8",
        result: |_| Ok(float("mm.ms")),
        compute: |call| of_curves(call, [1], |[apex], [step]| biomechanics::deformation_area_mm_ms(apex, step)),
        example: Example { sql: "deformation_area([0.0, 0.5, 1.0, 0.5, 0.0], 0.25)", output: "0.5" },
    },
    Function {
        name: "integrated_inverse_radius",
        about: "Area under the inverse radius over the concave phase in ms/mm, by trapezoids: between the two applanations where \
                their times are given, else over the run of positive values around the largest, with linear crossings of zero. A \
                device may print a sum over frames in 1/mm instead. NULL where a frame is missing, the cornea never is concave, or \
                the curve begins or ends concave.",
        parameters: &[
            Parameter::required("inverse_radius", Kind::List, "inverse radius at the apex in 1/mm, positive while concave")
                .in_unit("mm-1"),
            TIME_STEP,
            Parameter::optional("a1_ms", Kind::Number, "where it turns positive", "time of the first applanation in ms")
                .in_unit("ms"),
            Parameter::optional("a2_ms", Kind::Number, "where it turns negative", "time of the second applanation in ms")
                .in_unit("ms"),
        ],
        returns: "float8",
        result: |_| Ok(float("ms/mm")),
        compute: integrated_inverse_radius,
        example: Example { sql: "integrated_inverse_radius([-0.125, 0.125, 0.125, -0.125], 1.0)", output: "0.1875" },
    },
    Function {
        name: "deflection_area",
        about: "Area between the undeformed and the deformed section of the cornea in mm², by trapezoids. NULL where a point is \
                missing.",
        parameters: &[UNDEFORMED, DEFORMED, SPACING],
        returns: "float8",
        result: |_| Ok(float("mm2")),
        compute: |call| of_curves(call, [2], |[a, b], [spacing]| biomechanics::deflection_area_mm2(a, b, spacing)),
        example: Example { sql: "deflection_area([0.5, 0.0, 0.5], [0.5, 1.0, 0.5], 0.5)", output: "0.5" },
    },
    Function {
        name: "delta_arc_length",
        about: "Length of the deformed section minus that of the undeformed one in mm, along straight pieces; negative where it became \
                shorter. NULL where a point is missing.",
        parameters: &[UNDEFORMED, DEFORMED, SPACING],
        returns: "float8",
        result: |_| Ok(float("mm")),
        compute: |call| of_curves(call, [2], |[a, b], [spacing]| biomechanics::delta_arc_length_mm(a, b, spacing)),
        example: Example { sql: "delta_arc_length([0.0, 0.0, 0.0], [0.0, 0.75, 0.0], 1.0)", output: "0.5" },
    },
];

const DIRECTIONS: &[(&str, Direction)] = &[("inward", Direction::Inward), ("outward", Direction::Outward)];

/// The step of a curve in a row, of which NULL gives NULL.
fn step_of(call: &Call, column: &Numbers, row: usize) -> Result<Option<f64>> {
    match column.get(row) {
        Some(step) if step <= 0.0 => {
            exec_err!("{}: the step from one value to the next must be above 0, got {step}", call.settings.name())
        }
        step => Ok(step),
    }
}

/// A number of each row from its `N` curves, which come first, and `M` numbers, of which the first is a step. Curves of one row
/// have the same length.
fn of_curves<const N: usize, const M: usize>(
    call: &Call,
    places: [usize; M],
    f: impl Fn([&[f64]; N], [f64; M]) -> Option<f64>,
) -> Result<ArrayRef> {
    let lists = (0..N).map(|i| call.lists(i)).collect::<Result<Vec<_>>>()?;
    let columns = places.iter().map(|i| call.numbers(*i)).collect::<Result<Vec<_>>>()?;
    let mut buffers: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    call.each_number(|row| {
        let mut values = [0.0; M];
        for (i, (value, column)) in values.iter_mut().zip(&columns).enumerate() {
            let number = if i == 0 { step_of(call, column, row)? } else { column.get(row) };
            let Some(number) = number else { return Ok(None) };
            *value = number;
        }
        let mut curves: [&[f64]; N] = [&[]; N];
        for ((curve, list), buffer) in curves.iter_mut().zip(&lists).zip(&mut buffers) {
            let Some(found) = list.get(row, usize::MAX, buffer) else { return Ok(None) };
            *curve = found;
        }
        let length = curves.first().map_or(0, |c| c.len());
        if let Some(other) = curves.iter().find(|c| c.len() != length) {
            return exec_err!(
                "{}: both curves need a value for each frame or point, got {length} and {} values",
                call.settings.name(),
                other.len()
            );
        }
        Ok(f(curves, values))
    })
}

fn integrated_inverse_radius(call: &Call) -> Result<ArrayRef> {
    let (lists, steps, a1, a2) = (call.lists(0)?, call.numbers(1)?, call.numbers(2)?, call.numbers(3)?);
    if call.settings.field(2).is_some() != call.settings.field(3).is_some() {
        return exec_err!("{}: give both a1_ms and a2_ms or neither", call.settings.name());
    }
    let mut buffer = Vec::new();
    call.each_number(|row| {
        if a1.is_null(row) != a2.is_null(row) {
            // Without one of the applanations the phase between them is not known.
            return Ok(None);
        }
        let times = match (a1.get(row), a2.get(row)) {
            (None, None) => None,
            (Some(first), Some(second)) => Some((first, second)),
            _ => return Ok(None),
        };
        let step = step_of(call, &steps, row)?;
        let curve = lists.get(row, usize::MAX, &mut buffer);
        Ok(step.zip(curve).and_then(|(step, curve)| biomechanics::integrated_inverse_radius(curve, step, times)))
    })
}
