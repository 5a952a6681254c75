//! Drift of a current sample against its reference.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, ListBuilder};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue};

use crate::aggregate::{Accumulation, Aggregate, Memory};
use crate::args::{Call, Settings};
use crate::function::{Example, Function, Kind, Parameter};
use crate::record::{list_of_numbers, number, structure};
use crate::robust::column;
use crate::sample::drift::{self, ChiSquareTest, MAX_BINS, Psi};
use crate::samples::{Categories, TwoSamples};
use crate::summary::{AllNumbers, between, number_of, probability, summary, whole, within};

const X: Parameter = Parameter::required("x", Kind::Number, "values");
const CATEGORY: Parameter = Parameter::required("category", Kind::Text, "categories, at most 10000 different ones");
pub(crate) const IS_CURRENT: Parameter =
    Parameter::required("is_current", Kind::Flag, "true for the current sample, false for the reference");
const BINS: Parameter = Parameter::optional(
    "bins",
    Kind::Number,
    "10",
    "bins of equal count in the reference, 2 to 1000; fewer are used where its quantiles coincide, so that each holds one of its values",
);
const SCALE: Parameter = Parameter::optional(
    "scale",
    Kind::Text,
    "'raw'",
    "'raw' in the unit of the values, 'reference_sd' in standard deviations of the reference",
);
const REFERENCE: Parameter = Parameter::required("reference", Kind::List, "values of the reference");
const CURRENT: Parameter = Parameter::required("current", Kind::List, "values of the current sample");
const REFERENCE_COUNTS: Parameter = Parameter::required("reference", Kind::List, "counts of the reference in each bin");
const CURRENT_COUNTS: Parameter = Parameter::required("current", Kind::List, "counts of the current sample in the same bins");

type Start = fn(&Settings) -> Result<Box<dyn Accumulation>>;

/// A scalar function of the two lists of a pinned reference and a current sample.
const fn of_lists(
    name: &'static str,
    about: &'static str,
    parameters: &'static [Parameter],
    compute: fn(&Call) -> Result<ArrayRef>,
    example: Example,
) -> Function {
    Function { name, about, parameters, returns: "float8", result: number_result, compute, example }
}

/// An aggregate that gives a number; without a unit, for that of [`SCALE`] would depend on a constant.
const fn of_rows(
    name: &'static str,
    about: &'static str,
    parameters: &'static [Parameter],
    start: Start,
    example: Example,
) -> Aggregate {
    Aggregate { name, about, parameters, returns: "float8", result: number_result, memory: Memory::Collects, start, example }
}

/// An aggregate of categories, of which it counts each.
const fn of_categories(name: &'static str, about: &'static str, start: Start, example: Example) -> Aggregate {
    let parameters = &[CATEGORY, IS_CURRENT];
    Aggregate { name, about, parameters, returns: "float8", result: number_result, memory: Memory::Bounded, start, example }
}

/// The scalar functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    of_lists(
        "list_psi",
        "Population stability index of a list of current values against a pinned list of reference values; see psi.",
        &[REFERENCE, CURRENT, BINS],
        |call| {
            let bins = bins(&call.settings)?;
            each_pair(call, |p, q| drift::psi(p, q, bins).map(|psi| psi.psi))
        },
        Example { sql: "round(list_psi([1, 2, 3, 4], [1, 1, 1, 4], 2), 4)", output: "0.2747" },
    ),
    of_lists(
        "list_ks_statistic",
        "Kolmogorov-Smirnov statistic of two lists of values: the largest difference of their distribution functions.",
        &[REFERENCE, CURRENT],
        |call| each_pair(call, drift::ks_statistic),
        Example { sql: "list_ks_statistic([1, 2, 3, 4], [3, 4, 5, 6])", output: "0.5" },
    ),
    of_lists(
        "list_ks_p_value",
        "Two-sided p-value of the Kolmogorov-Smirnov statistic of two lists; see ks_p_value.",
        &[REFERENCE, CURRENT],
        |call| each_pair(call, drift::ks_p_value),
        Example { sql: "round(list_ks_p_value([1, 2, 3, 4], [3, 4, 5, 6]), 6)", output: "0.771429" },
    ),
    of_lists(
        "list_wasserstein",
        "Wasserstein distance of order 1 of two lists of values; see wasserstein.",
        &[REFERENCE, CURRENT, SCALE],
        |call| {
            let distance = distance(&call.settings)?;
            each_pair(call, distance)
        },
        Example { sql: "list_wasserstein([1, 2, 3], [2.5, 3.5, 4.5])", output: "1.5" },
    ),
    of_lists(
        "list_js_distance",
        "Jensen-Shannon distance of two lists of values in bins of equal reference count; see js_distance.",
        &[REFERENCE, CURRENT, BINS],
        |call| {
            let bins = bins(&call.settings)?;
            each_pair(call, |p, q| drift::js_divergence(p, q, bins).map(f64::sqrt))
        },
        Example { sql: "round(list_js_distance([1, 2, 3, 4], [1, 1, 1, 4], 2), 4)", output: "0.2209" },
    ),
    of_lists(
        "psi_of_counts",
        "Population stability index of two lists of counts in the same bins, Σ (q − p) ln(q / p); the share of an empty bin counts \
         as 0.000001.",
        &[REFERENCE_COUNTS, CURRENT_COUNTS],
        |call| each_pair(call, drift::psi_of_counts),
        Example { sql: "round(psi_of_counts([120, 45, 30], [90, 60, 28]), 6)", output: "0.061923" },
    ),
    of_lists(
        "js_distance_of_counts",
        "Jensen-Shannon distance of two lists of counts in the same bins: the root of the divergence to base 2, 0 to 1.",
        &[REFERENCE_COUNTS, CURRENT_COUNTS],
        |call| each_pair(call, |p, q| drift::js_divergence_of_counts(p, q).map(f64::sqrt)),
        Example { sql: "round(js_distance_of_counts([5, 0, 3, 2], [1, 4, 0, 5]), 6)", output: "0.709155" },
    ),
    of_lists(
        "psi_limit",
        "What the population stability index of two samples from one distribution stays below with the given probability: \
         (1/n + 1/m) χ²(level, bins − 1). Too low for fewer than 200 current values.",
        &[
            Parameter::required("n_reference", Kind::Number, "reference values"),
            Parameter::required("n_current", Kind::Number, "current values"),
            Parameter::optional("bins", Kind::Number, "10", "bins, 2 to 1000"),
            Parameter::optional("level", Kind::Number, "0.95", "probability, between 0 and 1"),
        ],
        |call| {
            let (n, m) = (call.numbers(0)?, call.numbers(1)?);
            let (bins, level) = (AllNumbers::new(call, 2)?, AllNumbers::new(call, 3)?);
            let name = call.settings.name();
            call.each_number(|row| {
                let bins = bins.get(row).map_or(Ok(10), |bins| within(name, "bins", bins, (2, MAX_BINS)))?;
                let level = level.get(row).map_or(Ok(0.95), |level| between(name, "level", level))?;
                Ok(n.get(row).zip(m.get(row)).and_then(|(n, m)| drift::psi_limit(n, m, bins, level)))
            })
        },
        Example { sql: "round(psi_limit(400, 50), 6)", output: "0.380677" },
    ),
    Function {
        name: "list_benjamini_hochberg",
        about: "A list of p-values, adjusted so that calling those below a level keeps the false discovery rate at that level. NULL \
                elements stay NULL and are no tests.",
        parameters: &[Parameter::required("p", Kind::List, "p-values, 0 to 1")],
        returns: "float8[]",
        result: |_| Ok(Field::new("", list_of_numbers(), true)),
        compute: |call| {
            let (lists, mut buffer) = (call.lists(0)?, Vec::new());
            let mut out = ListBuilder::new(Float64Builder::new());
            for row in 0..call.rows {
                let Some(p) = lists.get(row, usize::MAX, &mut buffer) else {
                    out.append_null();
                    continue;
                };
                check_probabilities(call.settings.name(), p)?;
                out.values().extend(drift::benjamini_hochberg(p).into_iter().map(|p| Some(p).filter(|p| p.is_finite())));
                out.append(true);
            }
            Ok(Arc::new(out.finish()))
        },
        example: Example { sql: "list_benjamini_hochberg([0.01, NULL, 0.5])", output: "[0.02, , 0.5]" },
    },
];

/// The aggregates of this family.
pub(crate) const AGGREGATES: &[Aggregate] = &[
    of_rows(
        "psi",
        "Population stability index of the current values in bins that hold equally many reference values each, \
         Σ (q − p) ln(q / p); the share of an empty bin counts as 0.000001. Compare it with the larger of 0.1 and psi_limit: small \
         samples pass 0.1 by chance (see psi_detail). NULL where a sample is empty or the reference has no spread.",
        &[X, IS_CURRENT, BINS],
        |s| {
            let bins = bins(s)?;
            number_of(TwoSamples::default(), move |t| drift::psi(&t.reference, &t.current, bins).map(|psi| psi.psi))
        },
        Example {
            sql: "round(psi(x, c, bins => 2), 4) from (values (1, false), (2, false), (3, false), (4, false), (1, true), (1, true), \
                  (1, true), (4, true)) as t(x, c)",
            output: "0.2747",
        },
    ),
    Aggregate {
        name: "psi_detail",
        about: "Population stability index with what is needed to judge it: sample sizes, bins used, the 95 % limit for samples of these \
                sizes without drift, whether the index passes both 0.1 and that limit, and whether there are the 200 current values \
                from which on the limit holds.",
        parameters: &[X, IS_CURRENT, BINS],
        returns: "struct(psi, n_reference, n_current, bins, limit, exceeds, enough)",
        result: |_| {
            let number = |name: &str| Field::new(name, DataType::Float64, true);
            let flag = |name: &str| Field::new(name, DataType::Boolean, true);
            let numbers = ["psi", "n_reference", "n_current", "bins", "limit"].map(number);
            let fields: Fields = numbers.into_iter().chain(["exceeds", "enough"].map(flag)).collect();
            Ok(Field::new("", DataType::Struct(fields), true))
        },
        memory: Memory::Collects,
        start: |s| {
            let bins = bins(s)?;
            summary(TwoSamples::default(), move |t, field| {
                structure(field, drift::psi(&t.reference, &t.current, bins).map(|psi| detail(&psi)))
            })
        },
        example: Example {
            sql: "psi_detail(x, c)['enough'] from (values (1, false), (2, false), (3, true)) as t(x, c)",
            output: "false",
        },
    },
    of_rows(
        "ks_statistic",
        "Kolmogorov-Smirnov statistic of current and reference values: the largest difference of their distribution functions, 0 to 1.",
        &[X, IS_CURRENT],
        |_| number_of(TwoSamples::default(), |t| drift::ks_statistic(&t.reference, &t.current)),
        Example { sql: "ks_statistic(i, i > 4) from generate_series(1, 8) as t(i)", output: "1.0" },
    ),
    of_rows(
        "ks_p_value",
        "Two-sided p-value of the Kolmogorov-Smirnov statistic: exact where both samples have up to 10000 values, otherwise from \
         Kolmogorov's limit.",
        &[X, IS_CURRENT],
        |_| number_of(TwoSamples::default(), |t| drift::ks_p_value(&t.reference, &t.current)),
        Example { sql: "round(ks_p_value(i, i > 4), 6) from generate_series(1, 8) as t(i)", output: "0.028571" },
    ),
    of_rows(
        "wasserstein",
        "Wasserstein distance of order 1 of current and reference values: the area between their distribution functions.",
        &[X, IS_CURRENT, SCALE],
        |s| {
            let distance = distance(s)?;
            number_of(TwoSamples::default(), move |t| distance(&t.reference, &t.current))
        },
        Example { sql: "wasserstein(i, i > 4) from generate_series(1, 8) as t(i)", output: "4.0" },
    ),
    of_rows(
        "js_distance",
        "Jensen-Shannon distance of the current values in bins that hold equally many reference values each: the root of \
         js_divergence, 0 to 1.",
        &[X, IS_CURRENT, BINS],
        |s| {
            let bins = bins(s)?;
            number_of(TwoSamples::default(), move |t| drift::js_divergence(&t.reference, &t.current, bins).map(f64::sqrt))
        },
        Example { sql: "round(js_distance(i % 10, i > 30, 5), 4) from generate_series(1, 42) as t(i)", output: "0.0854" },
    ),
    of_rows(
        "js_divergence",
        "Jensen-Shannon divergence in bits of the current values in bins that hold equally many reference values each, 0 to 1.",
        &[X, IS_CURRENT, BINS],
        |s| {
            let bins = bins(s)?;
            number_of(TwoSamples::default(), move |t| drift::js_divergence(&t.reference, &t.current, bins))
        },
        Example { sql: "round(js_divergence(i % 10, i > 30, 5), 4) from generate_series(1, 42) as t(i)", output: "0.0073" },
    ),
    of_rows(
        "cvm_statistic",
        "Cramér-von Mises statistic of current and reference values, with mid-ranks for equal ones.",
        &[X, IS_CURRENT],
        |_| number_of(TwoSamples::default(), |t| drift::cvm_statistic(&t.reference, &t.current)),
        Example { sql: "cvm_statistic(i, i > 4) from generate_series(1, 8) as t(i)", output: "0.6875" },
    ),
    of_rows(
        "cvm_p_value",
        "p-value of the Cramér-von Mises statistic from its limit distribution; not resolved below 1e-15.",
        &[X, IS_CURRENT],
        |_| number_of(TwoSamples::default(), |t| drift::cvm_p_value(&t.reference, &t.current)),
        Example { sql: "round(cvm_p_value(i, i > 4), 4) from generate_series(1, 8) as t(i)", output: "0.012" },
    ),
    of_categories(
        "category_psi",
        "Population stability index of categories; the share of a category that does not occur counts as 0.000001.",
        |s| {
            number_of(Categories::<1>::new(s.name()), |c| {
                let (p, q) = c.both();
                drift::psi_of_counts(&p, &q)
            })
        },
        Example {
            sql: "round(category_psi(c, i > 6), 4) from (select i, case when i % 3 = 0 then 'a' else 'b' end as c from \
                  generate_series(1, 10) as t(i))",
            output: "0.0338",
        },
    ),
    of_categories(
        "category_js_distance",
        "Jensen-Shannon distance of categories: the root of the divergence to base 2, 0 to 1.",
        |s| {
            number_of(Categories::<1>::new(s.name()), |c| {
                let (p, q) = c.both();
                drift::js_divergence_of_counts(&p, &q).map(f64::sqrt)
            })
        },
        Example { sql: "category_js_distance(c, c = 'b') from (values ('a'), ('b')) as t(c)", output: "1.0" },
    ),
    of_categories(
        "chi_square",
        "Pearson's χ² statistic of the categories of current and reference rows, without continuity correction.",
        |s| test(s, |t| t.statistic),
        Example { sql: "chi_square(c, c = 'b') from (values ('a'), ('b')) as t(c)", output: "2.0" },
    ),
    of_categories(
        "chi_square_p_value",
        "p-value of chi_square, with one degree of freedom less than there are categories.",
        |s| test(s, |t| t.p_value),
        Example { sql: "round(chi_square_p_value(c, c = 'b'), 6) from (values ('a'), ('b')) as t(c)", output: "0.157299" },
    ),
    of_categories(
        "cramers_v",
        "Cramér's V of the categories of current and reference rows, the effect size that belongs to chi_square: 0 for equal shares, \
         1 for disjoint ones.",
        |s| test(s, |t| t.cramers_v),
        Example { sql: "cramers_v(c, c = 'b') from (values ('a'), ('b')) as t(c)", output: "1.0" },
    ),
];

/// The window functions of this family.
pub(crate) const WINDOWS: &[Function] = &[Function {
    name: "benjamini_hochberg",
    about: "p-values of the partition, adjusted so that calling those below a level keeps the false discovery rate at that level. A \
            NULL stays NULL and is no test.",
    parameters: &[Parameter::required("p", Kind::Number, "p-values, 0 to 1")],
    returns: "float8",
    result: number_result,
    compute: |call| {
        let p = column(call)?;
        check_probabilities(call.settings.name(), &p)?;
        let adjusted = drift::benjamini_hochberg(&p);
        call.each_number(|row| Ok(adjusted.get(row).copied()))
    },
    example: Example {
        sql: "max(q) from (select benjamini_hochberg(p) over () as q from (values (0.01), (0.25), (0.02)) as t(p))",
        output: "0.25",
    },
}];

fn number_result(_: &Settings) -> Result<Field> {
    Ok(Field::new("", DataType::Float64, true))
}

fn bins(s: &Settings) -> Result<usize> {
    whole(s, "bins", 10, (2, MAX_BINS))
}

type Distance = fn(&[f64], &[f64]) -> Option<f64>;

fn distance(s: &Settings) -> Result<Distance> {
    s.choice("scale", &[("raw", drift::wasserstein as Distance), ("reference_sd", drift::wasserstein_standardised)])
}

fn each_pair(call: &Call, f: impl Fn(&[f64], &[f64]) -> Option<f64>) -> Result<ArrayRef> {
    let (reference, current) = (call.lists(0)?, call.lists(1)?);
    let (mut p, mut q) = (Vec::new(), Vec::new());
    call.each_number(|row| {
        let both = reference.get(row, usize::MAX, &mut p).zip(current.get(row, usize::MAX, &mut q));
        Ok(both.and_then(|(p, q)| f(p, q)))
    })
}

fn check_probabilities(name: &str, p: &[f64]) -> Result<()> {
    p.iter().filter(|p| p.is_finite()).try_for_each(|p| probability(name, *p).map(|_| ()))
}

fn detail(psi: &Psi) -> Vec<ScalarValue> {
    let count = |n: usize| number(Some(n as f64));
    let flag = |f: bool| ScalarValue::Boolean(Some(f));
    let sizes = [psi.reference, psi.current, psi.bins].map(count);
    let judged = [number(psi.limit), flag(psi.exceeds()), flag(psi.enough())];
    std::iter::once(number(Some(psi.psi))).chain(sizes).chain(judged).collect()
}

fn test(s: &Settings, part: fn(ChiSquareTest) -> f64) -> Result<Box<dyn Accumulation>> {
    number_of(Categories::<1>::new(s.name()), move |c| {
        let (p, q) = c.both();
        drift::chi_square(&p, &q).map(part)
    })
}
