//! Aggregates as a sample and an answer: what is held of the rows, and what is computed from it in the end; and what the
//! families of statistics ask of their arguments.

use std::fmt;

use arrow::array::{Array, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use crate::aggregate::Accumulation;
use crate::args::{Call, Flags, Numbers, Settings};
use crate::geometry::UNIT;
use crate::record::number;

/// What an aggregate holds of its rows.
pub(crate) trait Sample: Send + Sync + fmt::Debug {
    /// Adds the rows of a batch.
    fn add(&mut self, call: &Call) -> Result<()>;
    /// Everything, for another partition.
    fn to_bytes(&self) -> Vec<u8>;
    /// Adds what another partition held.
    fn merge(&mut self, bytes: &[u8]) -> Result<()>;
    /// Bytes on the heap.
    fn size(&self) -> usize;
}

type Answer<S> = Box<dyn Fn(&S, &Field) -> Result<ScalarValue> + Send + Sync>;

struct Summary<S> {
    sample: S,
    answer: Answer<S>,
}

/// An accumulation that holds a sample and computes its answer from it.
pub(crate) fn summary<S: Sample + 'static>(
    sample: S,
    answer: impl Fn(&S, &Field) -> Result<ScalarValue> + Send + Sync + 'static,
) -> Result<Box<dyn Accumulation>> {
    Ok(Box::new(Summary { sample, answer: Box::new(answer) }))
}

/// The same for an answer that is a number.
pub(crate) fn number_of<S: Sample + 'static>(
    sample: S,
    answer: impl Fn(&S) -> Option<f64> + Send + Sync + 'static,
) -> Result<Box<dyn Accumulation>> {
    summary(sample, move |sample, _| Ok(number(answer(sample))))
}

impl<S: Sample> fmt::Debug for Summary<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the values, which are patients'.
        f.debug_struct("Summary").field("bytes", &self.sample.size()).finish_non_exhaustive()
    }
}

impl<S: Sample> Accumulation for Summary<S> {
    fn add(&mut self, call: &Call) -> Result<()> {
        self.sample.add(call)
    }

    fn state(&self) -> Vec<u8> {
        self.sample.to_bytes()
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        self.sample.merge(bytes)
    }

    fn finish(&self, field: &Field) -> Result<ScalarValue> {
        (self.answer)(&self.sample, field)
    }

    fn size(&self) -> usize {
        self.sample.size()
    }
}

/// UCUM code of an argument's column, empty where it has none.
pub(crate) fn unit_of<'a>(settings: &'a Settings, index: usize) -> &'a str {
    settings.field(index).and_then(|f| f.metadata().get(UNIT)).map_or("", String::as_str)
}

/// The unit of two arguments that are compared.
pub(crate) fn common_unit<'a>(settings: &'a Settings) -> Result<&'a str> {
    match (unit_of(settings, 0), unit_of(settings, 1)) {
        ("", unit) | (unit, "") => Ok(unit),
        (a, b) if a == b => Ok(a),
        (a, b) => plan_err!("{}: the two columns are in different units, '{a}' and '{b}'", settings.name()),
    }
}

/// A whole number within bounds.
pub(crate) fn whole(settings: &Settings, parameter: &str, default: usize, bounds: (usize, usize)) -> Result<usize> {
    within(settings.name(), parameter, settings.number(parameter, default as f64)?, bounds)
}

/// Checks that a number is whole and within bounds.
///
/// # Errors
/// For another one.
pub(crate) fn within(name: &str, parameter: &str, given: f64, bounds: (usize, usize)) -> Result<usize> {
    if given.fract() == 0.0 && given >= bounds.0 as f64 && given <= bounds.1 as f64 {
        return Ok(given as usize);
    }
    plan_err!("{name}: {parameter} is a whole number from {} to {}, got {given}", bounds.0, bounds.1)
}

/// A number above 0.
pub(crate) fn positive(settings: &Settings, parameter: &str, default: f64) -> Result<f64> {
    match settings.number(parameter, default)? {
        given if given > 0.0 => Ok(given),
        given => plan_err!("{}: {parameter} is above 0, got {given}", settings.name()),
    }
}

/// A number strictly between 0 and 1.
pub(crate) fn share(settings: &Settings, parameter: &str, default: f64) -> Result<f64> {
    between(settings.name(), parameter, settings.number(parameter, default)?)
}

/// Checks that a number lies strictly between 0 and 1.
///
/// # Errors
/// For another one.
pub(crate) fn between(name: &str, parameter: &str, given: f64) -> Result<f64> {
    if given > 0.0 && given < 1.0 {
        return Ok(given);
    }
    plan_err!("{name}: {parameter} is between 0 and 1, got {given}")
}

/// A column of numbers with the ones that are not finite, which elsewhere are missing.
pub(crate) struct AllNumbers {
    array: Float64Array,
    single: bool,
}

impl AllNumbers {
    pub(crate) fn new(call: &Call, index: usize) -> Result<Self> {
        let Some((array, single)) = call.column(index)? else {
            return Ok(Self { array: Float64Array::new_null(1), single: true });
        };
        Ok(Self { array: cast(&array, &DataType::Float64)?.as_primitive::<Float64Type>().clone(), single })
    }

    /// The number of a row.
    pub(crate) fn get(&self, row: usize) -> Option<f64> {
        let row = if self.single { 0 } else { row };
        (row < self.array.len() && self.array.is_valid(row)).then(|| self.array.value(row))
    }
}

/// Whether events happened: a column of booleans, or of the numbers 0 and 1.
pub(crate) struct Outcomes {
    name: &'static str,
    flags: Option<Flags>,
    numbers: Option<Numbers>,
}

impl Outcomes {
    pub(crate) fn new(call: &Call, index: usize) -> Result<Self> {
        let numeric = call.settings.field(index).is_some_and(|f| f.data_type().is_numeric());
        let name = call.settings.name();
        Ok(if numeric {
            Self { name, flags: None, numbers: Some(call.numbers(index)?) }
        } else {
            Self { name, flags: Some(call.flags(index)?), numbers: None }
        })
    }

    /// The outcome of a row.
    ///
    /// # Errors
    /// For a number that is neither 0 nor 1.
    pub(crate) fn get(&self, row: usize) -> Result<Option<bool>> {
        match (&self.flags, self.numbers.as_ref().and_then(|n| n.get(row))) {
            (Some(flags), _) => Ok(flags.get(row)),
            (None, None) => Ok(None),
            (None, Some(0.0)) => Ok(Some(false)),
            (None, Some(1.0)) => Ok(Some(true)),
            (None, Some(other)) => exec_err!("{}: an outcome is true or false, 1 or 0; got {other}", self.name),
        }
    }
}

/// Checks a probability.
///
/// # Errors
/// For a number outside 0 to 1.
pub(crate) fn probability(name: &str, p: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&p) {
        return Ok(p);
    }
    exec_err!("{name}: a probability is from 0 to 1, got {p}")
}
