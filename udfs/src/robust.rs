//! Robust statistics of a column, and of vectors.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err};

use crate::aggregate::{Aggregate, Memory};
use crate::args::{Call, Settings};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::with_unit;
use crate::record::{list_of_numbers, number, numbers, structure};
use crate::sample::{
    multivariate::{self, Ellipsoid, Fit},
    robust,
};
use crate::samples::{Length, Scatter, Values, Vectors};
use crate::summary::{number_of, positive, summary, unit_of, within};

const X: Parameter = Parameter::required("x", Kind::Number, "values");
const FACTOR: Parameter = Parameter::optional("factor", Kind::Number, "1.5", "reach of the fences in interquartile ranges");
const HALF_WINDOW: Parameter =
    Parameter::required("k", Kind::Number, "rows on either side, 1 to 100; windows are cut at the ends of the partition");
const THRESHOLD: Parameter = Parameter::optional(
    "threshold",
    Kind::Number,
    "3",
    "distance from the median in scaled MADs beyond which a value is replaced",
);
const VECTORS: Parameter = Parameter::required("v", Kind::List, "vectors of one length; one with a missing element is left out");

/// The scalar functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "mahalanobis",
        about: "Mahalanobis distance of a vector from a centre, not squared. Its square exceeds chi_square_quantile(0.975, length) \
                for one normal vector in forty. NULL where an element is missing or the covariance is not positive definite.",
        parameters: &[
            Parameter::required("v", Kind::List, "vector"),
            Parameter::required("center", Kind::List, "centre, as covariance_fit or mcd_fit gives it"),
            Parameter::required("covariance", Kind::List, "covariance row after row, as covariance_fit or mcd_fit gives it"),
        ],
        returns: "float8",
        result: |_| Ok(Field::new("", DataType::Float64, true)),
        compute: distances,
        example: Example { sql: "round(mahalanobis([3, 0], [0, 0], [2.25, 0, 0, 1]), 3)", output: "2.0" },
    },
    Function {
        name: "chi_square_quantile",
        about: "The value that a χ² variable stays below with the given probability: the limit for a squared Mahalanobis distance.",
        parameters: &[
            Parameter::required("probability", Kind::Number, "between 0 and 1"),
            Parameter::required(
                "degrees",
                Kind::Number,
                "degrees of freedom, above 0 and at most 1000000: the length of the vector",
            ),
        ],
        returns: "float8",
        result: |_| Ok(Field::new("", DataType::Float64, true)),
        compute: |call| {
            let (p, degrees) = (call.numbers(0)?, call.numbers(1)?);
            call.each_number(|row| {
                let both = p.get(row).zip(degrees.get(row));
                Ok(both.and_then(|(p, degrees)| crate::sample::chi_square_quantile(p, degrees)))
            })
        },
        example: Example { sql: "round(chi_square_quantile(0.975, 3), 6)", output: "9.348404" },
    },
];

/// The aggregates of this family.
pub(crate) const AGGREGATES: &[Aggregate] = &[
    Aggregate {
        name: "mad",
        about: "Median absolute deviation from the median, in the unit of the values. NULL where it is 0: more than half of the \
                values are equal.",
        parameters: &[
            X,
            Parameter::optional(
                "scale",
                Kind::Text,
                "'raw'",
                "'raw', or 'sigma' for 1.4826 times that: the standard deviation of normal values",
            ),
        ],
        returns: "float8",
        result: |s| Ok(with_unit(Field::new("", DataType::Float64, true), unit_of(s, 0))),
        memory: Memory::Collects,
        start: |s| {
            let scale = s.choice("scale", &[("raw", 1.0), ("sigma", robust::SIGMA_PER_MAD)])?;
            number_of(Values::default(), move |x| robust::mad(&x.0).map(|mad| mad * scale))
        },
        example: Example { sql: "mad(x) from (values (1.5), (2.0), (9.0), (2.5), (1.0)) as t(x)", output: "0.5" },
    },
    Aggregate {
        name: "tukey_fences",
        about: "Tukey's fences: values outside them are outliers. Quartiles by linear interpolation.",
        parameters: &[X, FACTOR],
        returns: "float8[2]",
        result: |s| Ok(with_unit(Field::new("", list_of_numbers(), true), unit_of(s, 0))),
        memory: Memory::Collects,
        start: |s| {
            let factor = positive(s, "factor", 1.5)?;
            summary(Values::default(), move |x, _| numbers(robust::tukey_fences(&x.0, factor).as_ref().map(|f| f.as_slice())))
        },
        example: Example {
            sql: "tukey_fences(x) from (values (1.0), (2.0), (3.0), (4.0), (5.0)) as t(x)",
            output: "[-1.0, 7.0]",
        },
    },
    Aggregate {
        name: "covariance_fit",
        about: "Centre and covariance (divided by n − 1, row after row) of vectors of up to 1000 elements, for mahalanobis. \
                NULL for fewer than two complete vectors. Holds a square matrix of the vector's length.",
        parameters: &[VECTORS],
        returns: "struct(center, covariance, count)",
        result: fit_field,
        memory: Memory::Bounded,
        start: |s| {
            let sample = Scatter::new(Length::new(s.name(), multivariate::MAX_LENGTH));
            summary(sample, |sample, field| fit_value(field, sample.moments.as_ref().and_then(|m| m.fit(true))))
        },
        example: Example {
            sql: "covariance_fit(v)['covariance'] from (values ([1.0, 2.0]), ([3.0, 6.0])) as t(v)",
            output: "[2.0, 4.0, 4.0, 8.0]",
        },
    },
    Aggregate {
        name: "mcd_fit",
        about: "Centre and covariance of vectors of up to 50 elements that up to a quarter of wild ones do not move: the minimum \
                covariance determinant by FAST-MCD (three quarters of the vectors, fixed seed), consistent for normal vectors and \
                reweighted. The count says how many vectors it rests on. NULL for too few vectors, and where three quarters of them \
                lie in a plane.",
        parameters: &[VECTORS],
        returns: "struct(center, covariance, count)",
        result: fit_field,
        memory: Memory::Collects,
        start: |s| {
            let sample = Vectors::complete(s.name(), multivariate::MAX_MCD_LENGTH);
            summary(sample, |sample, field| fit_value(field, multivariate::mcd(&sample.rows, sample.length())))
        },
        example: Example {
            sql: "mcd_fit([sin(i), case when i % 10 = 0 then 99 else cos(i) end])['center'][2] < 0.1 from generate_series(1, 200) as t(i)",
            output: "true",
        },
    },
];

/// The window functions of this family.
pub(crate) const WINDOWS: &[Function] = &[
    Function {
        name: "modified_z",
        about: "Modified z-score within the partition: distance from the median in scaled MADs. Beyond 3.5 a value counts as an \
                outlier (Iglewicz and Hoaglin). NULL where the MAD is 0.",
        parameters: &[X],
        returns: "float8",
        result: |_| Ok(Field::new("", DataType::Float64, true)),
        compute: |call| {
            let z = robust::modified_z(&column(call)?);
            call.each_number(|row| Ok(z.as_ref().and_then(|z| z.get(row)).copied()))
        },
        example: Example {
            sql: "round(z, 4) from (select i, modified_z(x) over () as z from (values (1, 1.0), (2, 2.0), (3, 3.0), (4, 9.0)) as t(i, x)) \
                  where i = 4",
            output: "4.3842",
        },
    },
    Function {
        name: "tukey_outlier",
        about: "Whether a value lies outside Tukey's fences of its partition.",
        parameters: &[X, FACTOR],
        returns: "bool",
        result: |s| {
            positive(s, "factor", 1.5)?;
            Ok(Field::new("", DataType::Boolean, true))
        },
        compute: |call| {
            let x = column(call)?;
            let fences = robust::tukey_fences(&x, positive(&call.settings, "factor", 1.5)?);
            let outside = |v: &f64| fences.filter(|_| v.is_finite()).map(|[low, high]| *v < low || *v > high);
            Ok(Arc::new(x.iter().map(outside).collect::<BooleanArray>()))
        },
        example: Example {
            sql: "o from (select i, tukey_outlier(x) over () as o from (values (1, 1.0), (2, 2.0), (3, 3.0), (4, 99.0), (5, 2.0)) as t(i, x)) \
                  where i = 4",
            output: "true",
        },
    },
    Function {
        name: "hampel",
        about: "Hampel's filter along the window's order: a value far from the median of its neighbourhood is replaced by that median. \
                A value in a neighbourhood without spread (MAD 0) stays.",
        parameters: &[X, HALF_WINDOW, THRESHOLD],
        returns: "float8",
        result: |s| {
            hampel_settings(s)?;
            Ok(with_unit(Field::new("", DataType::Float64, true), unit_of(s, 0)))
        },
        compute: |call| {
            let filtered = hampel(call)?;
            Ok(Arc::new(filtered.into_iter().map(|h| h.map(|h| h.value)).collect::<Float64Array>()))
        },
        example: Example {
            sql: "y from (select i, hampel(x, 2) over (order by i) as y from (values (1, 1.0), (2, 2.5), (3, 99.0), (4, 3.0), (5, 4.0)) as t(i, x)) \
                  where i = 3",
            output: "3.0",
        },
    },
    Function {
        name: "hampel_outlier",
        about: "Whether Hampel's filter replaces a value. NULL in a neighbourhood without spread (MAD 0).",
        parameters: &[X, HALF_WINDOW, THRESHOLD],
        returns: "bool",
        result: |s| {
            hampel_settings(s)?;
            Ok(Field::new("", DataType::Boolean, true))
        },
        compute: |call| {
            let filtered = hampel(call)?;
            Ok(Arc::new(filtered.into_iter().map(|h| h.and_then(|h| h.outlier)).collect::<BooleanArray>()))
        },
        example: Example {
            sql: "o from (select i, hampel_outlier(x, 2) over (order by i) as o from \
                  (values (1, 1.0), (2, 2.5), (3, 99.0), (4, 3.0), (5, 4.0)) as t(i, x)) where i = 3",
            output: "true",
        },
    },
];

/// Argument 0 of all rows, missing values as `NaN`.
pub(crate) fn column(call: &Call) -> Result<Vec<f64>> {
    let x = call.numbers(0)?;
    Ok((0..call.rows).map(|row| x.get(row).unwrap_or(f64::NAN)).collect())
}

/// Half a window and threshold; no window while it is not known yet, or NULL.
fn hampel_settings(s: &Settings) -> Result<(Option<usize>, f64)> {
    let given = Some(s.number("k", f64::NAN)?).filter(|k| !k.is_nan());
    let half_window = given.map(|k| within(s.name(), "k", k, (1, 100))).transpose()?;
    Ok((half_window, positive(s, "threshold", 3.0)?))
}

fn hampel(call: &Call) -> Result<Vec<Option<robust::Hampel>>> {
    let (half_window, threshold) = hampel_settings(&call.settings)?;
    let x = column(call)?;
    match half_window {
        Some(half_window) => Ok(robust::hampel(&x, half_window, threshold)),
        None if x.iter().all(|v| v.is_nan()) => Ok(vec![None; x.len()]),
        None => exec_err!("{}: k is a whole number from 1 to 100, got NULL", call.settings.name()),
    }
}

fn fit_field(s: &Settings) -> Result<Field> {
    let fields = vec![
        with_unit(Field::new("center", list_of_numbers(), true), unit_of(s, 0)),
        Field::new("covariance", list_of_numbers(), true),
        Field::new("count", DataType::Float64, true),
    ];
    Ok(Field::new("", DataType::Struct(fields.into()), true))
}

fn fit_value(field: &Field, fit: Option<Fit>) -> Result<datafusion::common::ScalarValue> {
    let Some(fit) = fit else { return structure(field, None) };
    structure(field, Some(vec![numbers(Some(&fit.center))?, numbers(Some(&fit.covariance))?, number(Some(fit.count))]))
}

fn distances(call: &Call) -> Result<ArrayRef> {
    let (vectors, centers, covariances) = (call.lists(0)?, call.lists(1)?, call.lists(2)?);
    let (mut v, mut c, mut m) = (Vec::new(), Vec::new(), Vec::new());
    // Most calls have one covariance for all rows.
    let mut last: Option<(Vec<f64>, Vec<f64>, Option<Ellipsoid>)> = None;
    let name = call.settings.name();
    call.each_number(|row| {
        let (Some(length), Some(center), Some(cells)) = (vectors.len(row), centers.len(row), covariances.len(row)) else {
            return Ok(None);
        };
        if length > multivariate::MAX_LENGTH || length != center || length * length != cells {
            return exec_err!(
                "{name}: a vector of {length} elements (at most {}) needs a centre of as many and a covariance of {}, got {center} and {cells}",
                multivariate::MAX_LENGTH,
                length.saturating_mul(length)
            );
        }
        let lists = (centers.get(row, usize::MAX, &mut c), covariances.get(row, usize::MAX, &mut m));
        let (Some(center), Some(covariance), Some(vector)) = (lists.0, lists.1, vectors.get(row, usize::MAX, &mut v)) else {
            return Ok(None);
        };
        if !last.as_ref().is_some_and(|(a, b, _)| a == center && b == covariance) {
            last = Some((center.to_vec(), covariance.to_vec(), Ellipsoid::new(center, covariance)));
        }
        let ellipsoid = last.as_ref().and_then(|(_, _, e)| e.as_ref());
        Ok(ellipsoid.and_then(|e| e.distance_squared(vector)).map(f64::sqrt))
    })
}
