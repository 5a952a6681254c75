//! From the scores of a model to what a query sees.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, Float64Builder, Int32Array, MapArray, StringArray, StringBuilder,
    StructArray, UInt8Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, UInt8Type};
use datafusion::common::{Result, ScalarValue, internal_datafusion_err, internal_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::functions::Form;
use crate::models::signature::UNIT_KEY;
use crate::models::{Model, Task};

/// Whether a row got an answer, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Status {
    /// There is an answer.
    #[default]
    Ok = 0,
    /// An input that the model requires is missing, too many are, or all.
    Missing = 1,
    /// An input, or what the network made of it, is not a finite number.
    Invalid = 2,
    /// No class reaches the probability that the model demands.
    LowConfidence = 3,
}

impl Status {
    const ALL: [Status; 4] = [Status::Ok, Status::Missing, Status::Invalid, Status::LowConfidence];

    /// The word in `predict_detail(…)['status']`.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Missing => "abstain_missing",
            Status::Invalid => "abstain_invalid",
            Status::LowConfidence => "abstain_low_confidence",
        }
    }

    fn from_code(code: u8) -> Status {
        Status::ALL.get(usize::from(code)).copied().unwrap_or(Status::Invalid)
    }
}

/// The columns between the network and its answers: a status a row, and one score a class where there are any.
pub(super) fn scores_type(scores: usize) -> Result<DataType> {
    let length = i32::try_from(scores).map_err(|_| internal_datafusion_err!("{scores} scores a row"))?;
    Ok(DataType::Struct(Fields::from(vec![
        Field::new("status", DataType::UInt8, false),
        Field::new("scores", DataType::FixedSizeList(score_item(), length), true),
    ])))
}

pub(super) fn score_item() -> FieldRef {
    Arc::new(Field::new("item", DataType::Float64, false))
}

fn map_entries() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Float64, true)])
}

/// Label → probability.
pub(super) fn map_type() -> DataType {
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(map_entries()), false)), false)
}

/// What a bound call makes of the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    /// The most probable class; the first of equals.
    Label,
    /// The number of a regression.
    Number,
    /// The probability of the class at this place.
    Probability(usize),
    /// The map of all probabilities.
    Probabilities,
    /// Everything.
    Detail,
}

impl Answer {
    fn form(self) -> Form {
        match self {
            Answer::Label | Answer::Number => Form::Predict,
            Answer::Probability(_) | Answer::Probabilities => Form::Proba,
            Answer::Detail => Form::Detail,
        }
    }

    /// Type, and unit where the model declares one.
    pub(super) fn field(self, name: &str, model: &Model) -> FieldRef {
        let data_type = match self {
            Answer::Label => DataType::Utf8,
            Answer::Number | Answer::Probability(_) => DataType::Float64,
            Answer::Probabilities => map_type(),
            Answer::Detail => DataType::Struct(detail_fields(model)),
        };
        let field = Field::new(name, data_type, true);
        Arc::new(match (self, &model.signature().task) {
            (Answer::Number, Task::Regression { unit: Some(unit) }) => {
                field.with_metadata(HashMap::from([(UNIT_KEY.to_owned(), unit.clone())]))
            }
            _ => field,
        })
    }
}

fn detail_fields(model: &Model) -> Fields {
    let prediction = if model.signature().classes().is_some() { DataType::Utf8 } else { DataType::Float64 };
    Fields::from(vec![
        Field::new("prediction", prediction, true),
        Field::new("score", DataType::Float64, true),
        Field::new("probabilities", map_type(), true),
        Field::new("status", DataType::Utf8, false),
        Field::new("model", DataType::Utf8, false),
        Field::new("version", DataType::Int32, false),
        Field::new("digest", DataType::Utf8, false),
    ])
}

/// The second half of a bound call: scores → answer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Finish {
    answer: Answer,
    model: Arc<Model>,
    signature: Signature,
}

impl Finish {
    pub(super) fn new(answer: Answer, model: Arc<Model>) -> Self {
        Self { answer, model, signature: Signature::any(1, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for Finish {
    fn name(&self) -> &str {
        self.answer.form().name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.answer.field(self.name(), &self.model).data_type().clone())
    }

    fn return_field_from_args(&self, _args: datafusion::logical_expr::ReturnFieldArgs) -> Result<FieldRef> {
        Ok(self.answer.field(self.name(), &self.model))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = matches!(args.args.as_slice(), [ColumnarValue::Scalar(_)]);
        let [scores] = args.args.as_slice() else {
            return internal_err!("{} takes the scores of a model and nothing else", self.name());
        };
        let scores = Scores::read(&scores.to_array(if scalar { 1 } else { args.number_rows })?)?;
        let array = scores.answer(self.answer, &self.model)?;
        if scalar { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)) } else { Ok(ColumnarValue::Array(array)) }
    }
}

/// The scores of a batch, read.
struct Scores {
    status: UInt8Array,
    lists: FixedSizeListArray,
    values: Float64Array,
    width: usize,
}

impl Scores {
    fn read(array: &ArrayRef) -> Result<Self> {
        let unknown = || internal_datafusion_err!("the scores of a model have the type {}", array.data_type());
        let rows = array.as_struct_opt().ok_or_else(unknown)?;
        let [status, lists] = rows.columns() else { return Err(unknown()) };
        let status = status.as_primitive_opt::<UInt8Type>().ok_or_else(unknown)?.clone();
        let lists = lists.as_fixed_size_list_opt().ok_or_else(unknown)?.clone();
        let values = lists.values().as_primitive_opt::<Float64Type>().ok_or_else(unknown)?.clone();
        let width = usize::try_from(lists.value_length()).unwrap_or(0);
        Ok(Self { status, lists, values, width })
    }

    fn len(&self) -> usize {
        self.status.len()
    }

    fn status(&self, row: usize) -> Status {
        if self.status.is_valid(row) { Status::from_code(self.status.value(row)) } else { Status::Missing }
    }

    /// The scores of a row that has some.
    fn row(&self, row: usize) -> Option<&[f64]> {
        if self.lists.is_null(row) {
            return None;
        }
        // A sliced list array starts at an offset in its values.
        let start = usize::try_from(self.lists.value_offset(row)).ok()?;
        self.values.values().get(start..start + self.width)
    }

    /// The scores of a row whose answer is not withheld.
    fn answered(&self, row: usize) -> Option<&[f64]> {
        if self.status(row) == Status::Ok { self.row(row) } else { None }
    }

    fn answer(&self, answer: Answer, model: &Model) -> Result<ArrayRef> {
        Ok(match answer {
            Answer::Label => Arc::new(self.labels(model)),
            Answer::Number => self.numbers(|row| self.answered(row).and_then(<[f64]>::first).copied()),
            Answer::Probability(class) => self.numbers(|row| self.row(row).and_then(|scores| scores.get(class)).copied()),
            Answer::Probabilities => Arc::new(self.probabilities(model.signature().classes().unwrap_or_default())?),
            Answer::Detail => Arc::new(self.detail(model)?),
        })
    }

    fn numbers(&self, value: impl Fn(usize) -> Option<f64>) -> ArrayRef {
        let mut builder = Float64Builder::with_capacity(self.len());
        (0..self.len()).for_each(|row| builder.append_option(value(row)));
        Arc::new(builder.finish())
    }

    fn labels(&self, model: &Model) -> StringArray {
        let classes = model.signature().classes().unwrap_or_default();
        let mut builder = StringBuilder::with_capacity(self.len(), self.len() * 16);
        for row in 0..self.len() {
            builder.append_option(self.answered(row).and_then(best).and_then(|(class, _)| classes.get(class)));
        }
        builder.finish()
    }

    fn probabilities(&self, classes: &[String]) -> Result<MapArray> {
        let known: Vec<Option<&[f64]>> = (0..self.len()).map(|row| self.row(row)).collect();
        let count = known.iter().flatten().count() * classes.len();
        let mut keys = StringBuilder::with_capacity(count, count * 16);
        let mut values = Float64Builder::with_capacity(count);
        for scores in known.iter().flatten() {
            for (class, score) in classes.iter().zip(*scores) {
                keys.append_value(class);
                values.append_value(*score);
            }
        }
        let entries = StructArray::try_new(map_entries(), vec![Arc::new(keys.finish()), Arc::new(values.finish())], None)?;
        let offsets = OffsetBuffer::from_lengths(known.iter().map(|row| row.map_or(0, |_| classes.len())));
        let nulls: NullBuffer = known.iter().map(Option::is_some).collect();
        let DataType::Map(field, ordered) = map_type() else { return internal_err!("a map type is a map") };
        Ok(MapArray::try_new(field, offsets, entries, Some(nulls), ordered)?)
    }

    fn detail(&self, model: &Model) -> Result<StructArray> {
        let classes = model.signature().classes();
        let repeat = |text: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, self.len()))) };
        let (prediction, score): (ArrayRef, ArrayRef) = match classes {
            Some(_) => {
                let score = self.numbers(|row| self.row(row).and_then(best).map(|(_, score)| score));
                (Arc::new(self.labels(model)), score)
            }
            None => {
                let number = self.answer(Answer::Number, model)?;
                (Arc::clone(&number), number)
            }
        };
        let probabilities: ArrayRef = match classes {
            Some(classes) => Arc::new(self.probabilities(classes)?),
            None => arrow::array::new_null_array(&map_type(), self.len()),
        };
        let status = StringArray::from_iter_values((0..self.len()).map(|row| self.status(row).as_str()));
        let version = i32::try_from(model.version()).unwrap_or(i32::MAX);
        Ok(StructArray::try_new(
            detail_fields(model),
            vec![
                prediction,
                score,
                probabilities,
                Arc::new(status),
                repeat(model.name()),
                Arc::new(Int32Array::from_value(version, self.len())),
                repeat(model.digest()),
            ],
            None,
        )?)
    }
}

/// The highest score and its place; the first of equals.
pub(super) fn best(scores: &[f64]) -> Option<(usize, f64)> {
    scores.iter().copied().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best })
}
