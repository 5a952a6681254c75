//! Refraction and astigmatism.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;

use crate::args::{Call, number_fields};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::with_unit;
use crate::optics::astigmatism::{self, Astigmatism, CylinderForm, PowerVector, SpheroCylinder};

const fn number(name: &'static str, about: &'static str) -> Parameter {
    Parameter::required(name, Kind::Number, about)
}

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "power_vector",
        about: "A refraction as power vector in D (Thibos 1997): M = S + C/2, J0 = −(C/2) cos 2A, J45 = −(C/2) sin 2A.",
        parameters: &[
            number("sphere", "sphere in D"),
            number("cylinder", "cylinder in D, either sign"),
            number("axis", "axis in degrees; not needed where the cylinder is 0"),
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
            number("m", "spherical equivalent in D"),
            number("j0", "cross-cylinder 0°/90° in D"),
            number("j45", "cross-cylinder 45°/135° in D"),
            Parameter::optional("form", Kind::Text, "'minus'", "'minus' or 'plus' cylinder"),
        ],
        returns: "struct(sphere, cylinder, axis)",
        result: |s| {
            s.choice("form", FORMS)?;
            let fields = [("sphere", "[diop]"), ("cylinder", "[diop]"), ("axis", "deg")];
            Ok(Field::new("", DataType::Struct(number_fields(&fields)), true))
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
        parameters: &[number("power_d", "power in D"), number("distance_mm", "distance in mm, 12 for spectacles")],
        returns: "float8",
        result: |_| Ok(with_unit(Field::new("", DataType::Float64, true), "[diop]")),
        compute: |call| two(call, astigmatism::vertex),
        example: Example { sql: "round(vertex(-10, 12), 4)", output: "-8.9286" },
    },
    Function {
        name: "astigmatism_x",
        about: "Horizontal double-angle component in D of an astigmatism: magnitude × cos 2a, a the axis of its plus cylinder.",
        parameters: &[number("d", "magnitude in D"), number("axis", "axis of the plus cylinder in degrees")],
        returns: "float8",
        result: |_| Ok(with_unit(Field::new("", DataType::Float64, true), "[diop]")),
        compute: |call| two(call, |d, axis| Some(astigmatism::double_angle(d, axis).0)),
        example: Example { sql: "astigmatism_x(1.5, 90)", output: "-1.5" },
    },
    Function {
        name: "astigmatism_y",
        about: "Vertical double-angle component in D of an astigmatism: magnitude × sin 2a, a the axis of its plus cylinder.",
        parameters: &[number("d", "magnitude in D"), number("axis", "axis of the plus cylinder in degrees")],
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
            number("pre_d", "astigmatism before, D"),
            number("pre_axis", "its axis, degrees"),
            number("target_d", "astigmatism aimed at, D"),
            number("target_axis", "its axis, degrees"),
            number("post_d", "astigmatism after, D"),
            number("post_axis", "its axis, degrees"),
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
];

const FORMS: &[(&str, CylinderForm)] = &[("minus", CylinderForm::Minus), ("plus", CylinderForm::Plus)];

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
