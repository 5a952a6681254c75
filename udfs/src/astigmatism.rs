//! Refraction and astigmatism.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;

use crate::args::{Call, FixedLists, Numbers, number_fields};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{list_type, with_unit};
use crate::optics::astigmatism::{self, Astigmatism, CylinderForm, PowerVector, SpheroCylinder};

const fn power(name: &'static str, about: &'static str) -> Parameter {
    Parameter::required(name, Kind::Number, about).in_unit("[diop]")
}

const fn axis(name: &'static str, about: &'static str) -> Parameter {
    Parameter::required(name, Kind::Number, about).in_unit("deg")
}

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "power_vector",
        about: "A refraction as power vector in D (Thibos 1997): M = S + C/2, J0 = −(C/2) cos 2A, J45 = −(C/2) sin 2A.",
        parameters: &[
            power("sphere", "sphere in D"),
            power("cylinder", "cylinder in D, either sign"),
            axis("axis", "axis in degrees; not needed where the cylinder is 0"),
        ],
        returns: "struct(m, j0, j45)",
        result: |_| diopters(&["m", "j0", "j45"]),
        compute: |call| {
            let (s, c, a) = (call.numbers(0)?, call.numbers(1)?, call.numbers(2)?);
            call.each_struct(|row| {
                let (Some(sphere), Some(cylinder)) = (s.get(row), c.get(row)) else { return Ok(None) };
                let axis = a.get(row).or((cylinder == 0.0).then_some(180.0));
                let vector = axis.map(|axis| PowerVector::of(SpheroCylinder { sphere, cylinder, axis }));
                Ok(vector.map(|v| [v.m, v.j0, v.j45].map(Some)))
            })
        },
        example: Example { sql: "power_vector(-3, -1.5, 180)['j0']", output: "0.75" },
    },
    Function {
        name: "sphero_cylinder",
        about: "A power vector as a refraction: sphere and cylinder in D, axis in degrees, 1 to 180.",
        parameters: &[
            power("m", "spherical equivalent in D"),
            power("j0", "cross-cylinder 0°/90° in D"),
            power("j45", "cross-cylinder 45°/135° in D"),
            Parameter::optional("form", Kind::Text, "'minus'", "'minus' or 'plus' cylinder"),
        ],
        returns: "struct(sphere, cylinder, axis)",
        result: |s| {
            s.choice("form", FORMS)?;
            refraction()
        },
        compute: |call| {
            let form = call.settings.choice("form", FORMS)?;
            let (m, j0, j45) = (call.numbers(0)?, call.numbers(1)?, call.numbers(2)?);
            call.each_struct(|row| {
                let (Some(m), Some(j0), Some(j45)) = (m.get(row), j0.get(row), j45.get(row)) else { return Ok(None) };
                let lens = PowerVector { m, j0, j45 }.sphero_cylinder(form);
                Ok(Some([lens.sphere, lens.cylinder, lens.axis].map(Some)))
            })
        },
        example: Example { sql: "sphero_cylinder(-3.75, 0.75, 0)", output: "{sphere: -3.0, cylinder: -1.5, axis: 180.0}" },
    },
    Function {
        name: "vertex",
        about: "Power in D of a lens moved towards the eye by a distance (away for a negative one): F / (1 − d F).",
        parameters: &[
            power("power_d", "power in D"),
            Parameter::required("distance_mm", Kind::Number, "distance in mm, 12 for spectacles").in_unit("mm"),
        ],
        returns: "float8",
        result: |_| Ok(with_unit(Field::new("", DataType::Float64, true), "[diop]")),
        compute: |call| two(call, astigmatism::vertex),
        example: Example { sql: "round(vertex(-10, 12), 4)", output: "-8.9286" },
    },
    Function {
        name: "astigmatism_x",
        about: "Horizontal double-angle component in D of an astigmatism: magnitude × cos 2a, a the axis of its plus cylinder.",
        parameters: &[power("d", "magnitude in D"), axis("axis", "axis of the plus cylinder in degrees")],
        returns: "float8",
        result: |_| Ok(with_unit(Field::new("", DataType::Float64, true), "[diop]")),
        compute: |call| two(call, |d, axis| Some(astigmatism::double_angle(d, axis).0)),
        example: Example { sql: "astigmatism_x(1.5, 90)", output: "-1.5" },
    },
    Function {
        name: "astigmatism_y",
        about: "Vertical double-angle component in D of an astigmatism: magnitude × sin 2a, a the axis of its plus cylinder.",
        parameters: &[power("d", "magnitude in D"), axis("axis", "axis of the plus cylinder in degrees")],
        returns: "float8",
        result: |_| Ok(with_unit(Field::new("", DataType::Float64, true), "[diop]")),
        compute: |call| two(call, |d, axis| Some(astigmatism::double_angle(d, axis).1)),
        example: Example { sql: "astigmatism_y(1.5, 45)", output: "1.5" },
    },
    Function {
        name: "alpins",
        about: "The Alpins analysis of an astigmatic operation (plus cylinders at the steep meridian, D and degrees). NULL where the \
                target is the preoperative state.",
        parameters: &[
            power("pre_d", "astigmatism before, D"),
            axis("pre_axis", "its axis, degrees"),
            power("target_d", "astigmatism aimed at, D"),
            axis("target_axis", "its axis, degrees"),
            power("post_d", "astigmatism after, D"),
            axis("post_axis", "its axis, degrees"),
        ],
        returns: "struct(tia, tia_axis, sia, sia_axis, dv, dv_axis, magnitude_error, angle_error, correction_index, \
                  coefficient_of_adjustment, index_of_success, flattening_effect, flattening_index, torque)",
        result: |_| {
            let fields = [
                ("tia", "[diop]"),
                ("tia_axis", "deg"),
                ("sia", "[diop]"),
                ("sia_axis", "deg"),
                ("dv", "[diop]"),
                ("dv_axis", "deg"),
                ("magnitude_error", "[diop]"),
                ("angle_error", "deg"),
                ("correction_index", ""),
                ("coefficient_of_adjustment", ""),
                ("index_of_success", ""),
                ("flattening_effect", "[diop]"),
                ("flattening_index", ""),
                ("torque", "[diop]"),
            ];
            Ok(Field::new("", DataType::Struct(number_fields(&fields)), true))
        },
        compute: alpins,
        example: Example { sql: "alpins(2.0, 90, 0, 0, 0.5, 90)['correction_index']", output: "0.75" },
    },
    Function {
        name: "transpose_cylinder",
        about: "The same refraction written with the other sign of cylinder: (S + C, −C, A + 90). Axis 1 to 180.",
        parameters: &[power("sphere", "sphere in D"), power("cylinder", "cylinder in D"), axis("axis", "axis in degrees")],
        returns: REFRACTION,
        result: |_| refraction(),
        compute: |call| {
            each(call, |[sphere, cylinder, axis]| {
                let lens = SpheroCylinder { sphere, cylinder, axis }.transposed();
                Some([lens.sphere, lens.cylinder, lens.axis])
            })
        },
        example: Example { sql: "transpose_cylinder(1.25, -2.75, 35)", output: "{sphere: -1.5, cylinder: 2.75, axis: 125.0}" },
    },
    Function {
        name: "crossed_cylinders",
        about: "Two refractions in contact, added as power vectors: sphere and cylinder in D, axis in degrees, 1 to 180. Bring both \
                to the same plane first (vertex_refraction).",
        parameters: &[
            power("sphere_1", "sphere in D"),
            power("cylinder_1", "cylinder in D"),
            axis("axis_1", "axis in degrees"),
            power("sphere_2", "sphere in D"),
            power("cylinder_2", "cylinder in D"),
            axis("axis_2", "axis in degrees"),
            Parameter::optional("form", Kind::Text, "'minus'", "'minus' or 'plus' cylinder"),
        ],
        returns: REFRACTION,
        result: |s| {
            s.choice("form", FORMS)?;
            refraction()
        },
        compute: |call| {
            let form = call.settings.choice("form", FORMS)?;
            each(call, |[s1, c1, a1, s2, c2, a2]| {
                let of = |sphere, cylinder, axis| PowerVector::of(SpheroCylinder { sphere, cylinder, axis });
                let lens = (of(s1, c1, a1) + of(s2, c2, a2)).sphero_cylinder(form);
                Some([lens.sphere, lens.cylinder, lens.axis])
            })
        },
        example: Example { sql: "round(crossed_cylinders(-1, -2, 20, 0.5, -1.5, 70)['cylinder'], 4)", output: "-2.2821" },
    },
    Function {
        name: "vertex_refraction",
        about: "A refraction moved towards the eye by a distance (away for a negative one): both principal powers go through \
                vertex. 12 mm takes spectacles to the cornea.",
        parameters: &[
            power("sphere", "sphere in D"),
            power("cylinder", "cylinder in D"),
            axis("axis", "axis in degrees"),
            Parameter::required("distance_mm", Kind::Number, "distance in mm").in_unit("mm"),
        ],
        returns: REFRACTION,
        result: |_| refraction(),
        compute: |call| {
            each(call, |[sphere, cylinder, axis, distance]| {
                let lens = SpheroCylinder { sphere, cylinder, axis }.vertexed(distance)?;
                Some([lens.sphere, lens.cylinder, lens.axis])
            })
        },
        example: Example { sql: "round(vertex_refraction(-6, -2, 180, 12)['cylinder'], 4)", output: "-1.7023" },
    },
    Function {
        name: "blur_strength",
        about: "Length in D of a power vector, √(M² + J0² + J45²): the overall blur of an uncorrected refraction.",
        parameters: &[
            power("m", "spherical equivalent in D"),
            power("j0", "cross-cylinder 0°/90° in D"),
            power("j45", "cross-cylinder 45°/135° in D"),
        ],
        returns: "float8",
        result: |_| Ok(with_unit(Field::new("", DataType::Float64, true), "[diop]")),
        compute: |call| {
            let (m, j0, j45) = (call.numbers(0)?, call.numbers(1)?, call.numbers(2)?);
            call.each_number(|row| {
                let (Some(m), Some(j0), Some(j45)) = (m.get(row), j0.get(row), j45.get(row)) else { return Ok(None) };
                Ok(Some(PowerVector { m, j0, j45 }.blur_strength()))
            })
        },
        example: Example { sql: "blur_strength(2, -1, 2)", output: "3.0" },
    },
    Function {
        name: "power_matrix",
        about: "The dioptric power matrix of a refraction (Long 1976), four numbers in D, row after row. Times a decentration in cm \
                (matvec) it gives the prism.",
        parameters: &[power("sphere", "sphere in D"), power("cylinder", "cylinder in D"), axis("axis", "axis in degrees")],
        returns: "float8[4]",
        result: |_| Ok(with_unit(Field::new("", list_type(4), true), "[diop]")),
        compute: |call| {
            let columns = [call.numbers(0)?, call.numbers(1)?, call.numbers(2)?];
            let mut lists = FixedLists::new(call.settings.name(), 4, call.rows)?;
            for row in 0..call.rows {
                let lens = complete(&columns, row);
                let matrix =
                    lens.map(|[sphere, cylinder, axis]| PowerVector::of(SpheroCylinder { sphere, cylinder, axis }).matrix());
                lists.push(matrix.as_ref().map(<[f64; 4]>::as_slice));
            }
            lists.finish()
        },
        example: Example { sql: "round(power_matrix(1, 2, 90)[1], 6)", output: "3.0" },
    },
    Function {
        name: "naeser",
        about: "Polar values of an astigmatism (Næser 1990) in D: kp, its part along a meridian, and kp_45, its part at 45° to it \
                (torsion).",
        parameters: &[
            power("d", "magnitude in D"),
            axis("axis", "axis of the plus cylinder in degrees"),
            axis("meridian", "meridian of interest in degrees, such as that of an incision"),
        ],
        returns: "struct(kp, kp_45)",
        result: |_| diopters(&["kp", "kp_45"]),
        compute: |call| {
            each(call, |[magnitude, axis, meridian]| {
                let (along, across) = astigmatism::naeser(magnitude, axis, meridian);
                Some([along, across])
            })
        },
        example: Example { sql: "naeser(2, 90, 90)['kp']", output: "2.0" },
    },
];

const FORMS: &[(&str, CylinderForm)] = &[("minus", CylinderForm::Minus), ("plus", CylinderForm::Plus)];

const REFRACTION: &str = "struct(sphere, cylinder, axis)";

fn refraction() -> Result<Field> {
    let fields = [("sphere", "[diop]"), ("cylinder", "[diop]"), ("axis", "deg")];
    Ok(Field::new("", DataType::Struct(number_fields(&fields)), true))
}

/// The numbers of a row; `None` where one is missing.
fn complete<const N: usize>(columns: &[Numbers], row: usize) -> Option<[f64; N]> {
    let values: Option<Vec<f64>> = columns.iter().take(N).map(|c| c.get(row)).collect();
    values?.try_into().ok()
}

/// A struct of numbers from rows of numbers.
fn each<const N: usize, const M: usize>(call: &Call, of: impl Fn([f64; N]) -> Option<[f64; M]>) -> Result<ArrayRef> {
    let columns = (0..N).map(|i| call.numbers(i)).collect::<Result<Vec<_>>>()?;
    call.each_struct(|row| Ok(complete(&columns, row).and_then(&of).map(|values| values.map(Some))))
}

fn diopters(names: &[&str]) -> Result<Field> {
    let fields: Vec<_> = names.iter().map(|n| (*n, "[diop]")).collect();
    Ok(Field::new("", DataType::Struct(number_fields(&fields)), true))
}

fn two(call: &Call, f: impl Fn(f64, f64) -> Option<f64>) -> Result<ArrayRef> {
    let (a, b) = (call.numbers(0)?, call.numbers(1)?);
    call.each_number(|row| Ok(a.get(row).zip(b.get(row)).and_then(|(a, b)| f(a, b))))
}

fn alpins(call: &Call) -> Result<ArrayRef> {
    let columns = (0..6).map(|i| call.numbers(i)).collect::<Result<Vec<_>>>()?;
    call.each_struct(|row| {
        let values: Option<Vec<f64>> = columns.iter().map(|c| c.get(row)).collect();
        let Some([pre, pre_axis, target, target_axis, post, post_axis]) = values.as_deref() else { return Ok(None) };
        let of = |magnitude: &f64, axis: &f64| Astigmatism { magnitude: *magnitude, axis: *axis };
        let analysis = astigmatism::alpins(of(pre, pre_axis), of(target, target_axis), of(post, post_axis));
        Ok(analysis.map(|a| {
            [
                Some(a.tia.magnitude),
                Some(a.tia.axis),
                Some(a.sia.magnitude),
                Some(a.sia.axis),
                Some(a.dv.magnitude),
                Some(a.dv.axis),
                Some(a.magnitude_error),
                Some(a.angle_error),
                Some(a.correction_index),
                a.coefficient_of_adjustment,
                Some(a.index_of_success),
                Some(a.flattening_effect),
                Some(a.flattening_index),
                Some(a.torque),
            ]
        }))
    })
}
