//! Agreement of two measurements, two observers, two devices.

use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;

use crate::aggregate::{Accumulation, Aggregate, Memory};
use crate::args::{Settings, number_fields};
use crate::function::{Example, Kind, Parameter};
use crate::geometry::with_unit;
use crate::record;
use crate::sample::agreement::{self, IccForm, Pairs};
use crate::samples::Categories;
use crate::summary::{common_unit, number_of, summary};

const A: Parameter = Parameter::required("a", Kind::Number, "first measurement");
const B: Parameter = Parameter::required("b", Kind::Number, "second measurement of the same eye, in the same unit");
const LABEL_A: Parameter = Parameter::required("a", Kind::Text, "label of the first rater");
const LABEL_B: Parameter = Parameter::required("b", Kind::Text, "label of the second rater");

/// Names of the forms of the intraclass correlation: what they mean, and how Shrout and Fleiss number them.
const FORMS: &[(&str, IccForm)] = &[
    ("agreement", IccForm::Agreement),
    ("consistency", IccForm::Consistency),
    ("one_way", IccForm::OneWay),
    ("2,1", IccForm::Agreement),
    ("3,1", IccForm::Consistency),
    ("1,1", IccForm::OneWay),
];

/// Within-subject standard deviations that the difference of two repeats stays below in 95 % of pairs, 1.96 √2.
const REPEATABILITY: f64 = 2.77;

const fn of_pairs(
    name: &'static str,
    about: &'static str,
    result: fn(&Settings) -> Result<Field>,
    start: fn(&Settings) -> Result<Box<dyn Accumulation>>,
    example: Example,
) -> Aggregate {
    Aggregate { name, about, parameters: &[A, B], returns: "float8", result, memory: Memory::Constant, start, example }
}

/// The aggregates of this family.
pub(crate) const AGGREGATES: &[Aggregate] = &[
    Aggregate {
        name: "bland_altman",
        about: "Bland and Altman's agreement of two measurements: pairs, mean difference a − b, its standard deviation (n − 1), and the \
                95 % limits of agreement, bias ± 1.96 sd. NULL for fewer than two pairs.",
        parameters: &[A, B],
        returns: "struct(n, bias, sd, lower, upper)",
        result: |s| {
            let unit = common_unit(s)?;
            let fields = [("n", ""), ("bias", unit), ("sd", unit), ("lower", unit), ("upper", unit)];
            Ok(Field::new("", DataType::Struct(number_fields(&fields)), true))
        },
        memory: Memory::Constant,
        start: |_| {
            summary(Pairs::default(), |pairs, field| {
                record::of_numbers(field, pairs.bland_altman().map(|b| [b.count, b.bias, b.sd, b.lower, b.upper]))
            })
        },
        example: Example {
            sql: "round(bland_altman(a, b)['bias'], 6) from (values (531.0, 530.0), (545.0, 541.0), (520.0, 522.5)) as t(a, b)",
            output: "0.833333",
        },
    },
    of_pairs(
        "lin_ccc",
        "Lin's concordance correlation coefficient: 1 for equal measurements. Variances are divided by n.",
        ratio,
        |_| number_of(Pairs::default(), Pairs::lin_ccc),
        Example { sql: "round(lin_ccc(a, b), 6) from (values (1, 2), (2, 3), (3, 4)) as t(a, b)", output: "0.571429" },
    ),
    Aggregate {
        name: "icc",
        about: "Intraclass correlation of one measurement, two an eye. NULL for fewer than two pairs or without any spread.",
        parameters: &[
            A,
            B,
            Parameter::optional(
                "form",
                Kind::Text,
                "'agreement'",
                "'agreement' or '2,1' (the observers are a sample), 'consistency' or '3,1' (a constant difference does not count), \
                 'one_way' or '1,1' (each eye has observers of its own)",
            ),
        ],
        returns: "float8",
        result: ratio,
        memory: Memory::Constant,
        start: |s| {
            let form = s.choice("form", FORMS)?;
            number_of(Pairs::default(), move |pairs| pairs.icc(form))
        },
        example: Example { sql: "icc(a, b, 'consistency') from (values (1, 2), (2, 3), (3, 4)) as t(a, b)", output: "1.0" },
    },
    of_pairs(
        "within_subject_sd",
        "Within-subject standard deviation of paired repeats, √(mean (a − b)² / 2), in their unit.",
        in_unit,
        |_| number_of(Pairs::default(), Pairs::within_subject_sd),
        Example { sql: "round(within_subject_sd(a, b), 6) from (values (1, 2), (2, 3), (4, 3)) as t(a, b)", output: "0.707107" },
    ),
    of_pairs(
        "repeatability_coefficient",
        "2.77 within-subject standard deviations: two repeats differ by less in 95 % of pairs.",
        in_unit,
        |_| number_of(Pairs::default(), |pairs| pairs.within_subject_sd().map(|sd| REPEATABILITY * sd)),
        Example {
            sql: "round(repeatability_coefficient(a, b), 6) from (values (1, 2), (2, 3), (4, 3)) as t(a, b)",
            output: "1.958686",
        },
    ),
    Aggregate {
        name: "cohen_kappa",
        about: "Cohen's kappa of two raters' labels: agreement beyond chance, 1 at most. NULL where both always give the same one label. \
                Holds the counts of the different pairs of labels, at most 10000.",
        parameters: &[LABEL_A, LABEL_B],
        returns: "float8",
        result: ratio,
        memory: Memory::Bounded,
        start: |s| number_of(Categories::<2>::new(s.name()), kappa),
        example: Example {
            sql: "round(cohen_kappa(a, b), 6) from \
                  (values ('a', 'a'), ('a', 'b'), ('b', 'b'), ('b', 'b'), ('c', 'c'), ('c', 'a'), ('a', 'c')) as t(a, b)",
            output: "0.363636",
        },
    },
];

/// A number without unit, of measurements in one unit.
fn ratio(s: &Settings) -> Result<Field> {
    common_unit(s)?;
    Ok(Field::new("", DataType::Float64, true))
}

fn in_unit(s: &Settings) -> Result<Field> {
    Ok(with_unit(Field::new("", DataType::Float64, true), common_unit(s)?))
}

fn kappa(pairs: &Categories<2>) -> Option<f64> {
    agreement::cohen_kappa(pairs.counts.iter().map(|([a, b], counts)| (a.as_str(), b.as_str(), counts[0])))
}
