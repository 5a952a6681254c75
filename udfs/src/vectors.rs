//! Feature vectors: profiles, normalisation, products and distances, principal components.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use crate::aggregate::{Aggregate, Memory};
use crate::args::{Call, Lists, Settings};
use crate::function::{Example, Function, Kind, Parameter};
use crate::record::{self, list, list_of, list_of_numbers, numbers, structure};
use crate::sample::components::{self, Fit, MAX_COMPONENTS};
use crate::sample::metric::{self, Metric};
use crate::sample::profile;
use crate::samples::Vectors;
use crate::summary::{Sample, summary};

const A: Parameter = Parameter::required("a", Kind::List, "vector");
const B: Parameter = Parameter::required("b", Kind::List, "vector of the same length");
const V: Parameter = Parameter::required("v", Kind::List, "vector");
const MODEL: Parameter = Parameter::required("model", Kind::Struct, "model from pca_fit");

/// The scalar functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    pairwise(
        "vector_dot",
        "Scalar product of two vectors. NULL where an element is missing.",
        |call| each_pair(call, |a, b| Some(metric::dot(a, b))),
        Example { sql: "vector_dot([1, 2, 3], [4, 5, 6])", output: "32.0" },
    ),
    pairwise(
        "array_inner_product",
        "Scalar product of two vectors: vector_dot by its DuckDB name.",
        |call| each_pair(call, |a, b| Some(metric::dot(a, b))),
        Example { sql: "array_inner_product([1, 2, 3], [4, 5, 6])", output: "32.0" },
    ),
    pairwise(
        "vector_cosine",
        "Cosine of the angle between two vectors, −1 to 1. NULL where an element is missing or a vector is zero.",
        |call| each_pair(call, metric::cosine),
        Example { sql: "vector_cosine([1, 0], [0, 2])", output: "0.0" },
    ),
    pairwise(
        "array_cosine_similarity",
        "Cosine of the angle between two vectors: vector_cosine by its DuckDB name.",
        |call| each_pair(call, metric::cosine),
        Example { sql: "array_cosine_similarity([1, 0], [3, 0])", output: "1.0" },
    ),
    pairwise(
        "l2_distance",
        "Euclidean distance of two vectors, by its pgvector name.",
        |call| each_pair(call, |a, b| metric::distance(a, b, Metric::Euclidean)),
        Example { sql: "l2_distance([0, 0], [3, 4])", output: "5.0" },
    ),
    pairwise(
        "l1_distance",
        "Sum of the absolute differences of two vectors, by its pgvector name.",
        |call| each_pair(call, |a, b| metric::distance(a, b, Metric::Manhattan)),
        Example { sql: "l1_distance([0, 0], [3, 4])", output: "7.0" },
    ),
    Function {
        name: "vector_distance",
        about: "Distance of two vectors. NULL where an element is missing, and for 'cosine' where a vector is zero.",
        parameters: &[
            A,
            B,
            Parameter::optional("metric", Kind::Text, "'euclidean'", "'euclidean', 'manhattan', 'chebyshev' or 'cosine'"),
        ],
        returns: "float8",
        result: |s| {
            s.choice("metric", METRICS)?;
            Ok(Field::new("", DataType::Float64, true))
        },
        compute: |call| {
            let metric = call.settings.choice("metric", METRICS)?;
            each_pair(call, |a, b| metric::distance(a, b, metric))
        },
        example: Example { sql: "vector_distance([0, 0], [3, 4], metric => 'chebyshev')", output: "4.0" },
    },
    Function {
        name: "vector_norm",
        about: "Euclidean length of a vector. NULL where an element is missing.",
        parameters: &[V],
        returns: "float8",
        result: |_| Ok(Field::new("", DataType::Float64, true)),
        compute: |call| {
            let (lists, mut buffer) = (call.lists(0)?, Vec::new());
            call.each_number(|row| {
                let vector = lists.get(row, usize::MAX, &mut buffer).filter(|v| complete(v));
                Ok(vector.map(|v| metric::norm(v.iter().copied())))
            })
        },
        example: Example { sql: "vector_norm([3, 4])", output: "5.0" },
    },
    Function {
        name: "l2_normalize",
        about: "A vector divided by its Euclidean length, over the elements that are not missing; a zero vector stays zero.",
        parameters: &[V],
        returns: "float8[]",
        result: |_| Ok(list_field("")),
        compute: |call| {
            let (lists, mut buffer) = (call.lists(0)?, Vec::new());
            each_list(call, |row, out| {
                let Some(vector) = lists.get(row, usize::MAX, &mut buffer) else { return Ok(false) };
                metric::unit(vector, out);
                Ok(true)
            })
        },
        example: Example { sql: "l2_normalize([3, 4])", output: "[0.6, 0.8]" },
    },
    Function {
        name: "normalize_vector",
        about: "A vector in the scale of a stored profile, element by element: 'zscore' (v − mean)/stddev_pop, 'robust' (v − median)/ \
                (1.4826 mad), 'minmax' (v − min)/(max − min), not clipped; 'unit' divides by the vector's own length and needs no \
                profile (NULL). Missing elements stay NULL. An element that does not vary in the profile (min = max) is only centred, \
                as in scikit-learn; 'robust' is NULL where it varies and the mad is 0 nevertheless, since more than half of its values \
                are equal.",
        parameters: &[
            V,
            Parameter::required("profile", Kind::Struct, "profile from vector_profile"),
            Parameter::optional("method", Kind::Text, "'zscore'", "'zscore', 'robust', 'minmax' or 'unit'"),
        ],
        returns: "float8[]",
        result: |s| {
            let method = s.choice("method", METHODS)?;
            record::require_fields(s, 1, method.fields(), "vector_profile")?;
            Ok(list_field(""))
        },
        compute: normalize,
        example: Example {
            sql: "normalize_vector([5, 2], (select vector_profile(v) from (values ([1, 2]), ([3, 2])) as t(v)))",
            output: "[3.0, 0.0]",
        },
    },
    Function {
        name: "matvec",
        about: "A matrix, row after row in one list, times a vector. Its number of columns is the vector's length. NULL where an \
                element is missing.",
        parameters: &[Parameter::required("matrix", Kind::List, "matrix, row after row"), V],
        returns: "float8[]",
        result: |_| Ok(list_field("")),
        compute: |call| {
            let (matrices, vectors) = (call.lists(0)?, call.lists(1)?);
            let (mut left, mut right) = (Vec::new(), Vec::new());
            each_list(call, |row, out| {
                let matrix = matrices.get(row, usize::MAX, &mut left);
                let (Some(matrix), Some(vector)) = (matrix, vectors.get(row, usize::MAX, &mut right)) else { return Ok(false) };
                if vector.is_empty() || matrix.len() % vector.len() != 0 {
                    let (elements, columns) = (matrix.len(), vector.len());
                    return exec_err!("matvec: a matrix of {elements} elements has no rows of {columns}, the vector's length");
                }
                if !(complete(matrix) && complete(vector)) {
                    return Ok(false);
                }
                out.extend(matrix.chunks_exact(vector.len()).map(|line| metric::dot(line, vector)));
                Ok(true)
            })
        },
        example: Example { sql: "matvec([1, 2, 3, 4, 5, 6], [1, 0, 1])", output: "[4.0, 10.0]" },
    },
    Function {
        name: "pca_transform",
        about: "Scores of a vector on the principal components of a model: components × (v − mean). NULL where an element is \
                missing. Hand the model over as `(select …)`.",
        parameters: &[V, MODEL],
        returns: "float8[]",
        result: |s| {
            record::require_fields(s, 1, &["mean", "components"], "pca_fit")?;
            Ok(list_field(""))
        },
        compute: |call| with_model(call, false, components::scores),
        example: Example {
            sql: "pca_transform([3, 3], (select pca_fit(v) from (values ([1, 2]), ([3, 2])) as t(v)))",
            output: "[1.0]",
        },
    },
    Function {
        name: "pca_restore",
        about: "The vector that has these scores on the principal components of a model: mean + scores × components. Fewer scores \
                restore from the first components only.",
        parameters: &[Parameter::required("scores", Kind::List, "scores from pca_transform"), MODEL],
        returns: "float8[]",
        result: |s| {
            record::require_fields(s, 1, &["mean", "components"], "pca_fit")?;
            Ok(list_field(""))
        },
        compute: |call| with_model(call, true, components::restore),
        example: Example {
            sql: "pca_restore([1], (select pca_fit(v) from (values ([1, 2]), ([3, 2])) as t(v)))",
            output: "[3.0, 2.0]",
        },
    },
];

/// The aggregates of this family.
pub(crate) const AGGREGATES: &[Aggregate] = &[
    Aggregate {
        name: "vector_profile",
        about: "What normalisation needs to know of a set of vectors, element by element: values present, mean, standard deviation \
                (divisor n), median, median absolute deviation (not scaled), minimum, maximum. Missing elements are left out. Store \
                it and use it for later vectors too.",
        parameters: &[V],
        returns: "struct(count, present, mean, stddev_pop, median, mad, min, max)",
        result: |_| {
            let mut fields = vec![whole_field("count"), Field::new("present", list_of(DataType::Int64), true)];
            fields.extend(["mean", "stddev_pop", "median", "mad", "min", "max"].map(list_field));
            Ok(Field::new("", DataType::Struct(Fields::from(fields)), true))
        },
        memory: Memory::Collects,
        start: |s| summary(Vectors::all(s.name()), profiled),
        example: Example { sql: "vector_profile(v)['median'] from (values ([1, 2]), ([3, 2])) as t(v)", output: "[2.0, 2.0]" },
    },
    Aggregate {
        name: "pca_fit",
        about: "Principal components of vectors (truncated SVD of the centred vectors), most important first: count of vectors, those \
                left out for a missing element, mean, components row after row, explained variance (divisor n − 1) and its share. \
                The largest loading of a component is positive, of equal ones the first. Fewer than k come back where the vectors vary in fewer directions; \
                NULL where they do not vary. Up to 8192 elements: holds, per partition and group, a square matrix of them (512 MiB \
                for 8192) and 256 vectors, or the vectors while they are fewer; three such matrices while it merges or finishes. \
                32 components of 4096 elements take seconds.",
        parameters: &[
            Parameter { about: "vector, normalised: a large unit would outweigh all others", ..V },
            Parameter::optional("k", Kind::Number, "32", "components, 1 to 256"),
        ],
        returns: "struct(count, left_out, mean, components, explained_variance, explained_variance_ratio)",
        result: |_| {
            let mut fields = vec![whole_field("count"), whole_field("left_out")];
            fields.extend(["mean", "components", "explained_variance", "explained_variance_ratio"].map(list_field));
            Ok(Field::new("", DataType::Struct(Fields::from(fields)), true))
        },
        memory: Memory::Bounded,
        start: |s| match s.literal_whole("k")?.unwrap_or(32) {
            k if (1..=MAX_COMPONENTS).contains(&k) => {
                summary(Fitting { name: s.name(), fit: Fit::default() }, move |fitting, field| fitting.model(k, field))
            }
            k => plan_err!("{}: k is 1 to {MAX_COMPONENTS}, got {k}", s.name()),
        },
        example: Example {
            sql: "pca_fit(v, k => 2)['explained_variance'] from (values ([1, 2]), ([3, 2])) as t(v)",
            output: "[2.0]",
        },
    },
];

const METRICS: &[(&str, Metric)] = &[
    ("euclidean", Metric::Euclidean),
    ("manhattan", Metric::Manhattan),
    ("chebyshev", Metric::Chebyshev),
    ("cosine", Metric::Cosine),
];

/// How a vector is normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    ZScore,
    Robust,
    MinMax,
    Unit,
}

const METHODS: &[(&str, Method)] =
    &[("zscore", Method::ZScore), ("robust", Method::Robust), ("minmax", Method::MinMax), ("unit", Method::Unit)];

impl Method {
    /// The fields of a profile that it needs: the centre first, then what the spread is made of.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::ZScore => &["mean", "stddev_pop"],
            Self::Robust => &["median", "mad", "min", "max"],
            Self::MinMax => &["min", "max"],
            Self::Unit => &[],
        }
    }
}

fn whole_field(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn list_field(name: &str) -> Field {
    Field::new(name, list_of_numbers(), true)
}

fn complete(vector: &[f64]) -> bool {
    vector.iter().all(|v| v.is_finite())
}

/// A function of two vectors of one length.
const fn pairwise(name: &'static str, about: &'static str, compute: fn(&Call) -> Result<ArrayRef>, example: Example) -> Function {
    let result: fn(&Settings) -> Result<Field> = |_| Ok(Field::new("", DataType::Float64, true));
    Function { name, about, parameters: &[A, B], returns: "float8", result, compute, example }
}

/// A number from two complete vectors of one length.
fn each_pair(call: &Call, of: impl Fn(&[f64], &[f64]) -> Option<f64>) -> Result<ArrayRef> {
    let (a, b) = (call.lists(0)?, call.lists(1)?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    call.each_number(|row| {
        let pair = a.get(row, usize::MAX, &mut left).zip(b.get(row, usize::MAX, &mut right));
        let Some((a, b)) = pair else { return Ok(None) };
        if a.len() != b.len() {
            return exec_err!("{}: the vectors have {} and {} elements", call.settings.name(), a.len(), b.len());
        }
        Ok(if complete(a) && complete(b) { of(a, b) } else { None })
    })
}

/// A list for every row, of any length: `fill` appends to the elements, or says `false` for NULL. Elements that are not finite
/// become NULL.
fn each_list(call: &Call, mut fill: impl FnMut(usize, &mut Vec<f64>) -> Result<bool>) -> Result<ArrayRef> {
    let (mut values, mut offsets, mut valid) = (Vec::new(), vec![0_i32], Vec::with_capacity(call.rows));
    for row in 0..call.rows {
        let before = values.len();
        let filled = fill(row, &mut values)?;
        if !filled {
            values.truncate(before);
        }
        valid.push(filled);
        match i32::try_from(values.len()) {
            Ok(end) => offsets.push(end),
            Err(_) => return exec_err!("{}: the lists do not fit one batch; lower the batch size", call.settings.name()),
        }
    }
    let present = NullBuffer::from(values.iter().map(|v: &f64| v.is_finite()).collect::<Vec<_>>());
    let values = Float64Array::try_new(values.into(), Some(present).filter(|p| p.null_count() > 0))?;
    let element = Arc::new(Field::new_list_field(DataType::Float64, true));
    let valid = NullBuffer::from(valid);
    Ok(Arc::new(ListArray::try_new(element, OffsetBuffer::new(offsets.into()), Arc::new(values), Some(valid))?))
}

fn normalize(call: &Call) -> Result<ArrayRef> {
    let method = call.settings.choice("method", METHODS)?;
    let vectors = call.lists(0)?;
    let parts = method.fields().iter().map(|f| call.lists_in(1, f, "vector_profile")).collect::<Result<Vec<Lists>>>()?;
    let (mut buffer, mut buffers) = (Vec::new(), vec![Vec::new(); parts.len()]);
    each_list(call, |row, out| {
        let Some(vector) = vectors.get(row, usize::MAX, &mut buffer) else { return Ok(false) };
        let known = parts.iter().zip(&mut buffers).map(|(part, buffer)| part.get(row, usize::MAX, buffer));
        let Some(known) = known.collect::<Option<Vec<&[f64]>>>() else { return Ok(false) };
        if let Some(other) = known.iter().find(|part| part.len() != vector.len()) {
            return exec_err!("normalize_vector: the vector has {} elements, the profile {}", vector.len(), other.len());
        }
        match (method, known.as_slice()) {
            (Method::Robust, [median, mad, min, max]) => {
                let spread = mad.iter().zip(min.iter().zip(*max));
                profile::scale(vector, median, spread.map(|(mad, (min, max))| profile::robust_spread(*mad, *min, *max)), out);
            }
            (Method::MinMax, [min, max]) => profile::scale(vector, min, max.iter().zip(*min).map(|(max, min)| max - min), out),
            (_, [mean, deviation]) => profile::scale(vector, mean, deviation.iter().copied(), out),
            _ => metric::unit(vector, out),
        }
        Ok(true)
    })
}

/// Appends a list made from another one, a mean and components.
type Projection = fn(&[f64], &[f64], &[f64], &mut Vec<f64>);

/// A list from a vector and a model, or from scores (which may be fewer than its components) and a model.
fn with_model(call: &Call, scores: bool, of: Projection) -> Result<ArrayRef> {
    let name = call.settings.name();
    let lists = call.lists(0)?;
    let (means, matrices) = (call.lists_in(1, "mean", "pca_fit")?, call.lists_in(1, "components", "pca_fit")?);
    let (mut l_buffer, mut m_buffer, mut c_buffer) = (Vec::new(), Vec::new(), Vec::new());
    each_list(call, |row, out| {
        let (mean, matrix) = (means.get(row, usize::MAX, &mut m_buffer), matrices.get(row, usize::MAX, &mut c_buffer));
        let (Some(list), Some(mean), Some(matrix)) = (lists.get(row, usize::MAX, &mut l_buffer), mean, matrix) else {
            return Ok(false);
        };
        if mean.is_empty() || matrix.len() % mean.len() != 0 {
            return exec_err!("{name}: {} numbers are no components of {} elements", matrix.len(), mean.len());
        }
        let count = matrix.len() / mean.len();
        if scores && list.len() > count {
            return exec_err!("{name}: {} scores for a model of {count} components", list.len());
        }
        if !scores && list.len() != mean.len() {
            return exec_err!("{name}: the vector has {} elements, the model {}", list.len(), mean.len());
        }
        if !(complete(list) && complete(mean) && complete(matrix)) {
            return Ok(false);
        }
        of(list, mean, matrix, out);
        Ok(true)
    })
}

fn profiled(sample: &Vectors, field: &Field) -> Result<ScalarValue> {
    let dimensions = sample.length();
    if dimensions == 0 {
        return structure(field, None);
    }
    let profile = profile::profile(&sample.rows, dimensions);
    let present = profile.present.iter().map(|n| i64::try_from(*n).ok());
    let mut values = vec![whole((sample.rows.len() / dimensions) as u64), list(Int64Array::from_iter(present))?];
    for statistic in [&profile.mean, &profile.stddev_pop, &profile.median, &profile.mad, &profile.min, &profile.max] {
        values.push(numbers(Some(statistic))?);
    }
    structure(field, Some(values))
}

/// A fit of principal components with the name under which it complains.
#[derive(Debug)]
struct Fitting {
    name: &'static str,
    fit: Fit,
}

impl Fitting {
    fn told<T>(&self, result: Result<T, components::ComponentsError>) -> Result<T> {
        result.or_else(|e| exec_err!("{}: {e}", self.name))
    }

    fn model(&self, k: usize, field: &Field) -> Result<ScalarValue> {
        let Some(model) = self.told(self.fit.finish(k))? else { return structure(field, None) };
        let mut values = vec![whole(model.count), whole(model.left_out)];
        for list in [&model.mean, &model.components, &model.explained_variance, &model.explained_variance_ratio] {
            values.push(numbers(Some(list))?);
        }
        structure(field, Some(values))
    }
}

impl Sample for Fitting {
    fn add(&mut self, call: &Call) -> Result<()> {
        let (lists, mut buffer) = (call.lists(0)?, Vec::new());
        for row in 0..call.rows {
            let Some(vector) = lists.get(row, usize::MAX, &mut buffer) else { continue };
            let added = self.fit.add(vector);
            self.told(added)?;
        }
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.fit.to_bytes()
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let other = self.told(Fit::from_bytes(bytes))?;
        let merged = self.fit.merge(other);
        self.told(merged)
    }

    fn size(&self) -> usize {
        self.fit.size()
    }
}

fn whole(number: u64) -> ScalarValue {
    ScalarValue::Int64(i64::try_from(number).ok())
}
