//! Split-conformal prediction: thresholds, sets, intervals.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int64Builder, ListBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;

use crate::aggregate::{Aggregate, Memory};
use crate::args::{Call, Settings};
use crate::calibration::{CLASS, complete};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::with_unit;
use crate::record::{list_of, list_of_numbers};
use crate::sample::conformal;
use crate::samples::Scores;
use crate::summary::{number_of, probability, share, unit_of};

const P: Parameter = Parameter::required("p", Kind::List, "predicted probability of each class, 0 to 1");
const QHAT: Parameter =
    Parameter::required("qhat", Kind::Number, "threshold from conformal_quantile; coalesce(qhat, 1) makes its NULL every class");

fn number_result(_: &Settings) -> Result<Field> {
    Ok(Field::new("", DataType::Float64, true))
}

fn set_result(_: &Settings) -> Result<Field> {
    Ok(Field::new("", list_of(DataType::Int64), true))
}

/// The scalar functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "lac_score",
        about: "Conformal score of the least ambiguous classifier: one minus the probability of the true class.",
        parameters: &[P, CLASS],
        returns: "float8",
        result: number_result,
        compute: |call| each_score(call, conformal::lac_score),
        example: Example { sql: "lac_score([0.25, 0.75], 2)", output: "0.25" },
    },
    Function {
        name: "aps_score",
        about: "Conformal score of adaptive prediction sets, without randomisation: the probabilities of the true class and of all more \
                probable ones together.",
        parameters: &[P, CLASS],
        returns: "float8",
        result: number_result,
        compute: |call| each_score(call, conformal::aps_score),
        example: Example { sql: "aps_score([0.125, 0.5, 0.375], 3)", output: "0.875" },
    },
    Function {
        name: "lac_set",
        about: "Prediction set of the least ambiguous classifier: positions (from 1) of the classes whose lac_score is at most qhat. May \
                be empty.",
        parameters: &[P, QHAT],
        returns: "int8[]",
        result: set_result,
        compute: |call| each_set(call, conformal::lac_set),
        example: Example { sql: "lac_set([0.5, 0.3, 0.2], 0.75)", output: "[1, 2]" },
    },
    Function {
        name: "aps_set",
        about: "Adaptive prediction set: positions (from 1) of the fewest most probable classes that reach qhat together.",
        parameters: &[P, QHAT],
        returns: "int8[]",
        result: set_result,
        compute: |call| each_set(call, conformal::aps_set),
        example: Example { sql: "aps_set([0.2, 0.3, 0.5], 0.75)", output: "[2, 3]" },
    },
    Function {
        name: "conformal_interval",
        about: "Prediction interval of a regression: the prediction minus and plus qhat, the conformal_quantile of absolute residuals.",
        parameters: &[
            Parameter::required("prediction", Kind::Number, "prediction"),
            Parameter::required("qhat", Kind::Number, "conformal_quantile(abs(y - prediction)) of calibration rows"),
        ],
        returns: "float8[2]",
        result: |s| Ok(with_unit(Field::new("", list_of_numbers(), true), unit_of(s, 0))),
        compute: |call| {
            let (prediction, qhat) = (call.numbers(0)?, call.numbers(1)?);
            let mut out = ListBuilder::new(Float64Builder::new());
            for row in 0..call.rows {
                let both = prediction.get(row).zip(qhat.get(row)).map(|(p, q)| [p - q, p + q]);
                match both.filter(|b| b.iter().all(|v| v.is_finite())) {
                    Some([low, high]) => out.append_value([Some(low), Some(high)]),
                    None => out.append_null(),
                }
            }
            Ok(Arc::new(out.finish()))
        },
        example: Example { sql: "conformal_interval(16.5, 2.25)", output: "[14.25, 18.75]" },
    },
];

/// The aggregates of this family.
pub(crate) const AGGREGATES: &[Aggregate] = &[Aggregate {
    name: "conformal_quantile",
    about: "Split-conformal threshold: the k-th smallest of n calibration scores, k = ⌈(n + 1)(1 − alpha)⌉. A new row's score stays at \
            or below it with a probability of at least 1 − alpha, if it is exchangeable with the calibration rows. Both eyes of a patient \
            are not: take one row a patient. An infinite score counts: its row is covered by no threshold. NULL where k > n (for 90 %: \
            fewer than nine scores) or the k-th score is infinite: no threshold is high enough, every class is possible.",
    parameters: &[
        Parameter::required("score", Kind::Number, "scores of rows that the model was not trained on"),
        Parameter::optional("alpha", Kind::Number, "0.1", "share of new rows that may be missed, between 0 and 1"),
    ],
    returns: "float8",
    result: |s| Ok(with_unit(Field::new("", DataType::Float64, true), unit_of(s, 0))),
    memory: Memory::Collects,
    start: |s| {
        let alpha = share(s, "alpha", 0.1)?;
        number_of(Scores::default(), move |scores| conformal::quantile(&scores.0.0, alpha))
    },
    example: Example { sql: "conformal_quantile(i / 200.0, 0.1) from generate_series(1, 99) as t(i)", output: "0.45" },
}];

fn each_score(call: &Call, score: fn(&[f64], usize) -> Option<f64>) -> Result<ArrayRef> {
    let (lists, classes, mut buffer) = (call.lists(0)?, call.numbers(1)?, Vec::new());
    call.each_number(|row| {
        let given = lists.get(row, usize::MAX, &mut buffer).zip(classes.get(row));
        Ok(complete(call.settings.name(), given)?.and_then(|(p, class)| score(p, class)))
    })
}

fn each_set(call: &Call, set: fn(&[f64], f64) -> Option<Vec<usize>>) -> Result<ArrayRef> {
    let (lists, thresholds, mut buffer) = (call.lists(0)?, call.numbers(1)?, Vec::new());
    let mut out = ListBuilder::new(Int64Builder::new());
    for row in 0..call.rows {
        let given = lists.get(row, usize::MAX, &mut buffer).zip(thresholds.get(row));
        match given.filter(|(p, _)| p.iter().all(|p| p.is_finite())) {
            Some((p, threshold)) => {
                for p in p {
                    probability(call.settings.name(), *p)?;
                }
                let classes = set(p, threshold).unwrap_or_default();
                out.append_value(classes.into_iter().map(|class| i64::try_from(class + 1).ok()));
            }
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}
