//! Calibration and ranking of predicted probabilities.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err};

use crate::aggregate::{Accumulation, Aggregate, Memory};
use crate::args::{Call, Settings, number_fields};
use crate::function::{Example, Kind, Parameter};
use crate::record;
use crate::sample::calibration::{self, Bins, Confusion, MAX_BINS, Recalibration};
use crate::samples::{Decisions, Mean, Predictions};
use crate::summary::{number_of, probability, summary, whole};

const P: Parameter = Parameter::required("p", Kind::Number, "predicted probability of the event, 0 to 1");
const SCORE: Parameter = Parameter::required("score", Kind::Number, "any score that is higher where the event is likelier");
const Y: Parameter = Parameter::required("y", Kind::Flag, "whether the event happened: a boolean, or 0 and 1");
const CLASSES: Parameter = Parameter::required("p", Kind::List, "predicted probability of each class, 0 to 1");
pub(crate) const CLASS: Parameter =
    Parameter::required("class", Kind::Number, "position of the true class in p, counted from 1 as in SQL arrays");
const BINS: Parameter =
    Parameter::optional("bins", Kind::Number, "10", "equally wide bins of probability, 1 to 10000; the last holds 1");
const EQUAL_BINS: Parameter = Parameter::optional("bins", Kind::Number, "10", "bins of equal count, 1 to 10000");

type Start = fn(&Settings) -> Result<Box<dyn Accumulation>>;

/// An aggregate that gives a number.
const fn score(
    name: &'static str,
    about: &'static str,
    parameters: &'static [Parameter],
    memory: Memory,
    start: Start,
    example: Example,
) -> Aggregate {
    Aggregate { name, about, parameters, returns: "float8", result: number_result, memory, start, example }
}

fn number_result(_: &Settings) -> Result<Field> {
    Ok(Field::new("", DataType::Float64, true))
}

/// The aggregates of this family.
pub(crate) const AGGREGATES: &[Aggregate] = &[
    score(
        "brier",
        "Brier score: mean squared error of the probabilities. 0 is perfect, 0.25 is what a constant 0.5 gets.",
        &[P, Y],
        Memory::Constant,
        |_| number_of(Mean::new(|call, add| Mean::of_predictions(call, calibration::brier_score, add)), Mean::value),
        Example {
            sql: "brier(p, y) from (values (0.5, true), (1.0, true), (0.5, false), (0.0, false)) as t(p, y)",
            output: "0.125",
        },
    ),
    score(
        "log_loss",
        "Mean negative log-likelihood in nats. Probabilities are kept 2.2e-16 away from 0 and 1.",
        &[P, Y],
        Memory::Constant,
        |_| number_of(Mean::new(|call, add| Mean::of_predictions(call, calibration::log_loss, add)), Mean::value),
        Example { sql: "round(log_loss(p, y), 6) from (values (0.5, 1), (0.5, 0)) as t(p, y)", output: "0.693147" },
    ),
    score(
        "auc",
        "Area under the ROC curve: the probability that an event gets a higher score than a non-event, equal ones counting half. \
         NULL with one class only.",
        &[SCORE, Y],
        Memory::Collects,
        |_| number_of(Predictions::of_scores(), |s| calibration::auc(&s.all)),
        Example { sql: "auc(p, y) from (values (0.1, 0), (0.4, 0), (0.35, 1), (0.8, 1)) as t(p, y)", output: "0.75" },
    ),
    score(
        "average_precision",
        "Area under the precision-recall curve as the sum of precision times recall gained, without interpolation. NULL without an event.",
        &[SCORE, Y],
        Memory::Collects,
        |_| number_of(Predictions::of_scores(), |s| calibration::average_precision(&s.all)),
        Example {
            sql: "round(average_precision(p, y), 6) from (values (0.1, 0), (0.4, 0), (0.35, 1), (0.8, 1)) as t(p, y)",
            output: "0.833333",
        },
    ),
    score(
        "ece",
        "Expected calibration error: mean gap between mean probability and event rate over equally wide bins, weighted by count. It \
         falls with fewer and rises with more bins: say how many.",
        &[P, Y, BINS],
        Memory::Constant,
        |s| number_of(bins(s)?, Bins::expected_error),
        Example { sql: "ece(p, y) from (values (0.25, 0), (0.25, 1), (0.75, 1), (0.75, 1)) as t(p, y)", output: "0.25" },
    ),
    score(
        "ece_adaptive",
        "Expected calibration error over bins of equal count, the first of which hold one more where the rows do not divide. Equal \
         probabilities count with their mean outcome, so that a border between them does not matter.",
        &[P, Y, EQUAL_BINS],
        Memory::Collects,
        |s| {
            let bins = whole(s, "bins", 10, (1, MAX_BINS))?;
            number_of(Predictions::of_probabilities(), move |s| calibration::adaptive_expected_error(&s.all, bins))
        },
        Example {
            sql: "ece_adaptive(p, y, 2) from (values (0.25, 0), (0.25, 1), (0.75, 1), (0.75, 1)) as t(p, y)",
            output: "0.25",
        },
    ),
    score(
        "mce",
        "Maximum calibration error: the largest gap between mean probability and event rate of any bin.",
        &[P, Y, BINS],
        Memory::Constant,
        |s| number_of(bins(s)?, Bins::maximum_error),
        Example { sql: "mce(p, y) from (values (0.25, 0), (0.25, 0), (0.625, 1), (0.625, 1)) as t(p, y)", output: "0.375" },
    ),
    Aggregate {
        name: "brier_decomposition",
        about: "Murphy's parts of the Brier score over equally wide bins: reliability (small is good) − resolution (large is good) + \
                uncertainty (of the outcome alone). They make up the score exactly where the probabilities of a bin are equal.",
        parameters: &[P, Y, BINS],
        returns: "struct(reliability, resolution, uncertainty)",
        result: |_| {
            let fields = [("reliability", ""), ("resolution", ""), ("uncertainty", "")];
            Ok(Field::new("", DataType::Struct(number_fields(&fields)), true))
        },
        memory: Memory::Constant,
        start: |s| {
            summary(bins(s)?, |bins, field| {
                let parts = bins.brier_parts();
                record::of_numbers(field, parts.map(|p| [p.reliability, p.resolution, p.uncertainty]))
            })
        },
        example: Example {
            sql: "brier_decomposition(p, y)['uncertainty'] from (values (0.25, 0), (0.75, 1)) as t(p, y)",
            output: "0.25",
        },
    },
    score(
        "calibration_slope",
        "Slope of the logistic regression of the outcome on the logit of the prediction: 1 for calibrated predictions, below 1 for \
         overconfident ones. NULL where a threshold separates the classes.",
        &[P, Y],
        Memory::Collects,
        |_| recalibration(|r| r.slope),
        Example {
            sql: "round(calibration_slope(p, y), 6) from (values (0.2, 0), (0.2, 0), (0.2, 1), (0.8, 1), (0.8, 1), (0.8, 0)) as t(p, y)",
            output: "0.5",
        },
    ),
    score(
        "calibration_intercept",
        "Intercept of the same regression as calibration_slope: 0 for calibrated predictions. Both are estimated together.",
        &[P, Y],
        Memory::Collects,
        |_| recalibration(|r| r.intercept),
        Example {
            sql: "round(calibration_intercept(p, y), 6) from \
                  (values (0.5, 0), (0.2, 0), (0.2, 1), (0.8, 1), (0.8, 1), (0.8, 0), (0.5, 1), (0.5, 1)) as t(p, y)",
            output: "0.477676",
        },
    ),
    score(
        "mcc",
        "Matthews' correlation coefficient of the decision score >= threshold with the outcome, −1 to 1. NULL where one class or one decision \
         never occurs.",
        &[SCORE, Y, Parameter::optional("threshold", Kind::Number, "0.5", "lowest score that is called an event")],
        Memory::Constant,
        |s| {
            let sample = Decisions { threshold: s.number("threshold", 0.5)?, counts: Confusion::default() };
            number_of(sample, |d| d.counts.matthews())
        },
        Example {
            sql: "mcc(p, y) from (values (0.9, 1), (0.8, 0), (0.7, 1), (0.6, 1), (0.1, 0)) as t(p, y)",
            output: "0.6123724356957946",
        },
    ),
    score(
        "multiclass_brier",
        "Brier score of several classes: mean over the rows of the squared errors summed over the classes, 0 to 2. Rows with a NULL \
         element are left out.",
        &[CLASSES, CLASS],
        Memory::Constant,
        |_| number_of(Mean::new(|call, add| each_class(call, calibration::multiclass_brier_score, add)), Mean::value),
        Example { sql: "multiclass_brier(p, 1) from (values ([0.5, 0.25, 0.25]), ([1.0, 0.0, 0.0])) as t(p)", output: "0.1875" },
    ),
    score(
        "multiclass_log_loss",
        "Mean negative log-likelihood of the true class in nats. Probabilities are kept 2.2e-16 away from 0 and 1. Rows with a NULL \
         element are left out.",
        &[CLASSES, CLASS],
        Memory::Constant,
        |_| number_of(Mean::new(|call, add| each_class(call, calibration::multiclass_log_loss, add)), Mean::value),
        Example {
            sql: "round(multiclass_log_loss(p, 2), 6) from (values ([0.5, 0.5]), ([0.75, 0.25])) as t(p)",
            output: "1.039721",
        },
    ),
];

fn bins(s: &Settings) -> Result<Bins> {
    Ok(Bins::new(whole(s, "bins", 10, (1, MAX_BINS))?))
}

fn recalibration(part: fn(Recalibration) -> f64) -> Result<Box<dyn Accumulation>> {
    number_of(Predictions::of_probabilities(), move |s| calibration::recalibration(&s.all).map(part))
}

fn each_class(call: &Call, score: fn(&[f64], usize) -> Option<f64>, add: &mut dyn FnMut(f64)) -> Result<()> {
    let (lists, classes, mut buffer) = (call.lists(0)?, call.numbers(1)?, Vec::new());
    for row in 0..call.rows {
        let given = lists.get(row, usize::MAX, &mut buffer).zip(classes.get(row));
        let Some((p, class)) = complete(call.settings.name(), given)? else { continue };
        score(p, class).into_iter().for_each(&mut *add);
    }
    Ok(())
}

/// Checks class probabilities and turns a position counted from 1 into one counted from 0. `None` for NULLs.
///
/// # Errors
/// For a probability outside 0 to 1 and a class that is not one of the list.
pub(crate) fn complete<'a>(name: &str, given: Option<(&'a [f64], f64)>) -> Result<Option<(&'a [f64], usize)>> {
    let Some((p, class)) = given.filter(|(p, _)| p.iter().all(|p| p.is_finite())) else { return Ok(None) };
    for p in p {
        probability(name, *p)?;
    }
    if class.fract() != 0.0 || class < 1.0 || class > p.len() as f64 {
        return exec_err!("{name}: class is a position from 1 to {}, got {class}", p.len());
    }
    Ok(Some((p, class as usize - 1)))
}
