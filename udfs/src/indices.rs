//! Published indices of keratoconus and corneal biomechanics.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;

use crate::args::{Call, Settings};
use crate::function::{Example, Function, Kind, Parameter};
use crate::optics::indices::{self, CbiInputs};

const fn number(name: &'static str, about: &'static str) -> Parameter {
    Parameter::required(name, Kind::Number, about)
}

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "cbi",
        about: "Corvis Biomechanical Index, 0 to 1, with the coefficients published in Sci Rep 2021 (s41598-020-80915-9, table 4). A \
                device may hold a later version: compare, do not replace its number.",
        parameters: &[
            number("a1_velocity_m_s", "velocity at the first applanation, m/s"),
            number("arth_um", "Ambrósio relational thickness, horizontal, µm"),
            number("sp_a1", "stiffness parameter at the first applanation, mmHg/mm"),
            number("da_ratio_1mm", "deformation amplitude ratio at 1 mm"),
            number("da_ratio_2mm", "deformation amplitude ratio at 2 mm"),
            number("sd_deflection_mm", "standard deviation of the deflection amplitude, mm"),
        ],
        returns: "float8",
        result: float,
        compute: |call| {
            numbers(call, |[a1_velocity_m_s, arth_um, sp_a1, da_ratio_1mm, da_ratio_2mm, sd_deflection_mm]| {
                let inputs = CbiInputs { a1_velocity_m_s, arth_um, sp_a1, da_ratio_1mm, da_ratio_2mm, sd_deflection_mm };
                Some(indices::cbi(inputs))
            })
        },
        example: Example { sql: "round(cbi(0.15, 500, 105, 1.6, 4.3, 0.9), 6)", output: "0.002505" },
    },
    Function {
        name: "sp_a1",
        about: "Stiffness parameter at the first applanation in mmHg/mm: (adjusted pressure − bIOP) / deflection amplitude.",
        parameters: &[
            number("adjusted_pressure_mmhg", "air pressure at the cornea at the first applanation"),
            number("biop_mmhg", "biomechanically corrected intraocular pressure"),
            number("deflection_mm", "deflection amplitude at the first applanation"),
        ],
        returns: "float8",
        result: float,
        compute: |call| numbers(call, |[pressure, biop, deflection]| indices::sp_a1(pressure, biop, deflection)),
        example: Example { sql: "sp_a1(35, 15, 0.125)", output: "160.0" },
    },
    Function {
        name: "kisa",
        about: "KISA % (Rabinowitz and Rasheed 1999): suspect from 60, keratoconus above 100. Factors below 1 count as 1.",
        parameters: &[
            number("central_k_d", "central keratometry in D"),
            number("inferior_superior_d", "inferior minus superior dioptric value in D"),
            number("astigmatism_d", "simulated corneal astigmatism in D"),
            number("srax_deg", "skew of the steepest radial axes in degrees"),
        ],
        returns: "float8",
        result: float,
        compute: |call| numbers(call, |[k, is, astigmatism, srax]| Some(indices::kisa(k, is, astigmatism, srax))),
        example: Example { sql: "round(kisa(48.2, 3.0, 2.0, 30), 1)", output: "60.0" },
    },
    Function {
        name: "ppk",
        about: "Probability of keratoconus from the cone location and magnitude index, 0 to 1: logistic(−6.4483 + 2.1319 CLMI).",
        parameters: &[number("clmi", "cone location and magnitude index")],
        returns: "float8",
        result: float,
        compute: |call| numbers(call, |[clmi]| Some(indices::ppk(clmi))),
        example: Example { sql: "round(ppk(2.5), 4)", output: "0.2463" },
    },
];

fn float(_: &Settings) -> Result<Field> {
    Ok(Field::new("", DataType::Float64, true))
}

/// A number of each row whose arguments are all there.
fn numbers<const N: usize>(call: &Call, f: impl Fn([f64; N]) -> Option<f64>) -> Result<ArrayRef> {
    let columns = (0..N).map(|i| call.numbers(i)).collect::<Result<Vec<_>>>()?;
    call.each_number(|row| {
        let mut values = [0.0; N];
        for (value, column) in values.iter_mut().zip(&columns) {
            match column.get(row) {
                Some(number) => *value = number,
                None => return Ok(None),
            }
        }
        Ok(f(values))
    })
}
