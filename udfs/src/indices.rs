//! Published indices that weigh other numbers.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;

use crate::args::Call;
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::with_unit;
use crate::optics::indices::{self, KpiInputs};

/// A required number in a unit.
pub(crate) const fn number(name: &'static str, unit: &'static str, about: &'static str) -> Parameter {
    Parameter::required(name, Kind::Number, about).in_unit(unit)
}

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "kisa",
        about: "KISA % (Rabinowitz and Rasheed 1999): suspect from 60, keratoconus above 100. Factors below 1 count as 1.",
        parameters: &[
            number("central_k_d", "[diop]", "central keratometry in D"),
            number("inferior_superior_d", "[diop]", "inferior minus superior dioptric value in D"),
            number("astigmatism_d", "[diop]", "simulated corneal astigmatism in D"),
            number("srax_deg", "deg", "skew of the steepest radial axes in degrees"),
        ],
        returns: "float8",
        result: |_| Ok(float("%")),
        compute: |call| numbers(call, |[k, is, astigmatism, srax]| Some(indices::kisa(k, is, astigmatism, srax))),
        example: Example { sql: "round(kisa(48.2, 3.0, 2.0, 30), 1)", output: "60.0" },
    },
    Function {
        name: "ppk",
        about: "Probability of keratoconus from the cone location and magnitude index, 0 to 1: logistic(−6.4483 + 2.1319 CLMI).",
        parameters: &[number("clmi", "[diop]", "cone location and magnitude index in D")],
        returns: "float8",
        result: |_| Ok(float("")),
        compute: |call| numbers(call, |[clmi]| Some(indices::ppk(clmi))),
        example: Example { sql: "round(ppk(2.5), 4)", output: "0.2463" },
    },
    Function {
        name: "kpi",
        about: "Keratoconus Prediction Index (Maeda et al. 1994), whose limit is 0.23 in their expert system. Its inputs are those of \
                the topographer; sai_like and iai_like of this program are not the same numbers.",
        parameters: &[
            number("k1_d", "[diop]", "steep simulated keratometry (SimK1) in D"),
            number("k2_d", "[diop]", "flat simulated keratometry (SimK2) in D"),
            number("osi", "[diop]", "opposite sector index in D"),
            number("dsi", "[diop]", "differential sector index in D"),
            number("csi", "[diop]", "centre/surround index in D"),
            number("sai", "", "surface asymmetry index"),
            number("iai", "", "irregular astigmatism index"),
            number("aa", "%", "analysed area in %"),
        ],
        returns: "float8",
        result: |_| Ok(float("")),
        compute: |call| {
            numbers(call, |[k1_d, k2_d, osi_d, dsi_d, csi_d, sai, iai, aa_percent]| {
                Some(indices::kpi(KpiInputs { k1_d, k2_d, osi_d, dsi_d, csi_d, sai, iai, aa_percent }))
            })
        },
        example: Example { sql: "round(kpi(49.0, 45.5, 7.0, 8.0, 2.5, 3.0, 0.6, 85), 5)", output: "0.39901" },
    },
    Function {
        name: "z_score",
        about: "How many standard deviations a value lies above a mean that you give: the public part of the Belin/Ambrósio display. \
                Its normal data and the regression to its D are not public. NULL where sd is not positive.",
        parameters: &[
            number("value", "", "the value"),
            number("mean", "", "mean of the reference population, in the same unit"),
            number("sd", "", "standard deviation of the reference population, in the same unit"),
        ],
        returns: "float8",
        result: |_| Ok(float("")),
        compute: |call| numbers(call, |[value, mean, sd]| indices::z_score(value, mean, sd)),
        example: Example { sql: "z_score(485, 540, 22)", output: "-2.5" },
    },
];

/// A column of numbers in a unit; empty for none.
pub(crate) fn float(unit: &str) -> Field {
    with_unit(Field::new("", DataType::Float64, true), unit)
}

/// A number of each row whose arguments are all there.
pub(crate) fn numbers<const N: usize>(call: &Call, f: impl Fn([f64; N]) -> Option<f64>) -> Result<ArrayRef> {
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
