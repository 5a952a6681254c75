//! What stands between a SQL call and the mathematics: constants, columns, missing values, results.
//!
//! The rules, for every function: a NULL value, or one that is not finite, makes the row's result NULL; a NULL option means its default; a missing
//! cell of a map is NULL in SQL and `NaN` in the mathematics.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, FixedSizeListArray, Float64Array, NullBufferBuilder,
    StringArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::ColumnarValue;

use crate::function::Head;
use crate::waiting::go_on;

/// The constant arguments and the fields of a call, while it is planned and while it runs.
pub struct Settings<'a> {
    head: Head,
    fields: &'a [FieldRef],
    constants: Vec<Option<ScalarValue>>,
    planning: bool,
}

impl<'a> Settings<'a> {
    /// For a call that is planned. A unit that does not fit a parameter is refused here.
    pub(crate) fn planning(head: Head, fields: &'a [FieldRef], constants: Vec<Option<ScalarValue>>) -> Result<Self> {
        head.check_units(fields)?;
        Ok(Self { head, fields, constants, planning: true })
    }

    /// For a call whose constants are all known.
    pub(crate) fn running(head: Head, fields: &'a [FieldRef], constants: Vec<Option<ScalarValue>>) -> Self {
        Self { head, fields, constants, planning: false }
    }

    /// Name of the function, for messages.
    pub fn name(&self) -> &'static str {
        self.head.name
    }

    /// The field of an argument, if the call has it.
    pub fn field(&self, index: usize) -> Option<&Field> {
        self.fields.get(index).map(|f| f.as_ref())
    }

    /// Whether the function has a parameter of that name.
    pub fn has(&self, parameter: &str) -> bool {
        self.head.parameters.iter().any(|p| p.name == parameter)
    }

    fn index(&self, parameter: &str) -> Result<usize> {
        match self.head.parameters.iter().position(|p| p.name == parameter) {
            Some(index) => Ok(index),
            None => internal_err!("{} has no parameter {parameter}", self.head.name),
        }
    }

    /// A constant: `Ok(None)` for one that was left out or is NULL. While planning, an expression that is not yet folded
    /// counts as left out, unless the type of the result depends on it (`literal`).
    fn constant(&self, parameter: &str, literal: bool) -> Result<Option<&ScalarValue>> {
        let index = self.index(parameter)?;
        if index >= self.fields.len() {
            return Ok(None);
        }
        match self.constants.get(index).and_then(Option::as_ref) {
            Some(value) => Ok(Some(value).filter(|v| !v.is_null())),
            None if self.planning && !literal => Ok(None),
            None if self.planning => {
                plan_err!("{}: {parameter} must be a literal: the type of the result depends on it", self.head.name)
            }
            None => plan_err!("{}: {parameter} must be a constant", self.head.name),
        }
    }

    /// Whether a parameter is known: given as a literal, or left out. Only then can a plan be refused for its value.
    pub fn is_settled(&self, parameter: &str) -> bool {
        let place = self.head.parameters.iter().position(|p| p.name == parameter);
        place.is_none_or(|at| !self.planning || at >= self.fields.len() || self.constants.get(at).is_some_and(Option::is_some))
    }

    fn number_of(&self, parameter: &str, literal: bool) -> Result<Option<f64>> {
        let Some(value) = self.constant(parameter, literal)? else { return Ok(None) };
        match value.cast_to(&DataType::Float64)? {
            ScalarValue::Float64(Some(number)) if number.is_finite() => Ok(Some(number)),
            _ => plan_err!("{}: {parameter} must be a finite number, got {value}", self.head.name),
        }
    }

    /// A number that does not change the type of the result.
    ///
    /// # Errors
    /// For a value that is not constant or not finite.
    pub fn number(&self, parameter: &str, default: f64) -> Result<f64> {
        Ok(self.number_of(parameter, false)?.unwrap_or(default))
    }

    /// A number on which the type or the metadata of the result depends: a literal. `None` where it was left out.
    ///
    /// # Errors
    /// For a value that is not a literal or not finite.
    pub fn literal_number(&self, parameter: &str) -> Result<Option<f64>> {
        self.number_of(parameter, true)
    }

    /// A whole number on which the type of the result depends.
    ///
    /// # Errors
    /// For a value that is not a literal, negative or broken.
    pub fn literal_whole(&self, parameter: &str) -> Result<Option<usize>> {
        match self.number_of(parameter, true)? {
            None => Ok(None),
            Some(n) if n >= 0.0 && n.fract() == 0.0 && n <= 1e9 => Ok(Some(n as usize)),
            Some(n) => plan_err!("{}: {parameter} must be a whole number, got {n}", self.head.name),
        }
    }

    /// A text on which the metadata of the result depend: a literal. `None` where it was left out.
    ///
    /// # Errors
    /// For a value that is not a literal.
    pub fn literal_text(&self, parameter: &str) -> Result<Option<String>> {
        let Some(value) = self.constant(parameter, true)? else { return Ok(None) };
        match value.cast_to(&DataType::Utf8)? {
            ScalarValue::Utf8(text) => Ok(text),
            _ => Ok(None),
        }
    }

    /// A text, where it is already known. `None` where it was left out or is not a constant.
    ///
    /// # Errors
    /// For a constant that is no text.
    pub fn known_text(&self, parameter: &str) -> Result<Option<String>> {
        let index = self.index(parameter)?;
        match self.constants.get(index).and_then(Option::as_ref).map(|v| v.cast_to(&DataType::Utf8)).transpose()? {
            Some(ScalarValue::Utf8(text)) => Ok(text),
            _ => Ok(None),
        }
    }

    /// One of a few words.
    ///
    /// # Errors
    /// For another word; the message lists the known ones.
    pub fn choice<T: Copy>(&self, parameter: &str, words: &[(&'static str, T)]) -> Result<T> {
        let (Some(first), value) = (words.first(), self.constant(parameter, false)?) else {
            return internal_err!("{parameter} has no words");
        };
        let Some(value) = value else { return Ok(first.1) };
        let text = match value.cast_to(&DataType::Utf8)? {
            ScalarValue::Utf8(Some(text)) => text,
            _ => String::new(),
        };
        match words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)) {
            Some((_, found)) => Ok(*found),
            None => {
                let known = words.iter().map(|(word, _)| format!("'{word}'")).collect::<Vec<_>>().join(", ");
                plan_err!("{}: {parameter} is one of {known}, got '{text}'", self.head.name)
            }
        }
    }
}

/// One batch of a call.
pub struct Call<'a> {
    /// Constants and fields.
    pub settings: Settings<'a>,
    args: &'a [ColumnarValue],
    return_field: &'a FieldRef,
    /// Rows to compute.
    pub rows: usize,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        head: Head,
        fields: &'a [FieldRef],
        args: &'a [ColumnarValue],
        return_field: &'a FieldRef,
        rows: usize,
    ) -> Self {
        let constants = args.iter().map(|a| match a {
            ColumnarValue::Scalar(value) => Some(value.clone()),
            ColumnarValue::Array(_) => None,
        });
        // A list constant is a whole map: options are never lists, so it is not copied.
        let constants = constants.map(|c| c.filter(|v| !v.data_type().is_nested())).collect();
        Self { settings: Settings { head, fields, constants, planning: false }, args, return_field, rows }
    }

    /// Type of the result, as planned.
    pub fn return_type(&self) -> &DataType {
        self.return_field.data_type()
    }

    fn array(&self, index: usize) -> Result<Option<(ArrayRef, bool)>> {
        Ok(match self.args.get(index) {
            None => None,
            Some(ColumnarValue::Array(array)) => Some((Arc::clone(array), false)),
            Some(ColumnarValue::Scalar(value)) => Some((value.to_array_of_size(1)?, true)),
        })
    }

    /// A column as it came, and whether it is one value for all rows. `None` for an argument that was left out.
    ///
    /// # Errors
    /// Where a constant has no array form.
    pub fn column(&self, index: usize) -> Result<Option<(ArrayRef, bool)>> {
        self.array(index)
    }

    /// A column of booleans; a number counts as true where it is not 0.
    ///
    /// # Errors
    /// Where the values do not convert to `bool`.
    pub fn flags(&self, index: usize) -> Result<Flags> {
        let Some((array, single)) = self.array(index)? else {
            return Ok(Flags { array: BooleanArray::new_null(1), single: true });
        };
        let array = if array.data_type() == &DataType::Boolean { array } else { cast(&array, &DataType::Boolean)? };
        Ok(Flags { array: array.as_boolean().clone(), single })
    }

    /// A column of numbers.
    ///
    /// # Errors
    /// Where the values do not convert to `float8`.
    pub fn numbers(&self, index: usize) -> Result<Numbers> {
        let Some((array, single)) = self.array(index)? else {
            return Ok(Numbers { array: Float64Array::new_null(1), single: true });
        };
        let array = if array.data_type() == &DataType::Float64 { array } else { cast(&array, &DataType::Float64)? };
        Ok(Numbers { array: array.as_primitive::<Float64Type>().clone(), single })
    }

    /// A column of texts.
    ///
    /// # Errors
    /// Where the values do not convert to text.
    pub fn texts(&self, index: usize) -> Result<Texts> {
        let Some((array, single)) = self.array(index)? else {
            return Ok(Texts { array: StringArray::new_null(1), single: true });
        };
        let array = if array.data_type() == &DataType::Utf8 { array } else { cast(&array, &DataType::Utf8)? };
        Ok(Texts { array: array.as_string::<i32>().clone(), single })
    }

    /// A column of lists.
    ///
    /// # Errors
    /// Where the elements do not convert to `float8`.
    pub fn lists(&self, index: usize) -> Result<Lists> {
        let Some((array, single)) = self.array(index)? else { return Ok(Lists::absent()) };
        Lists::of(&array, array.nulls().cloned(), single)
    }

    /// A column of lists that is a field of a struct argument; NULL where the struct is.
    ///
    /// # Errors
    /// For a struct without that field; the message names the function that makes such structs.
    pub fn lists_in(&self, index: usize, field: &str, maker: &str) -> Result<Lists> {
        let Some((array, single)) = self.array(index)? else { return Ok(Lists::absent()) };
        let Some(record) = array.as_struct_opt() else { return Ok(Lists::absent()) };
        match record.column_by_name(field) {
            Some(lists) => Lists::of(lists, NullBuffer::union(record.nulls(), lists.nulls()), single),
            None => exec_err!("{}: the struct has no field {field}; it must come from {maker}", self.settings.name()),
        }
    }

    /// A column of numbers, computed row by row; `None` is NULL, as is a result that is not finite.
    ///
    /// # Errors
    /// The first error of a row.
    pub fn each_number(&self, mut row: impl FnMut(usize) -> Result<Option<f64>>) -> Result<ArrayRef> {
        let values = (0..self.rows).map(|i| Ok(row(i)?.filter(|v| v.is_finite())));
        Ok(Arc::new(values.collect::<Result<Float64Array>>()?))
    }

    /// A struct column of numbers in the order of its fields, computed row by row; `None` is a NULL struct.
    ///
    /// # Errors
    /// The first error of a row.
    pub fn each_struct<const N: usize>(
        &self,
        mut row: impl FnMut(usize) -> Result<Option<[Option<f64>; N]>>,
    ) -> Result<ArrayRef> {
        let DataType::Struct(fields) = self.return_type() else {
            return internal_err!("{} was planned without a struct", self.settings.name());
        };
        let mut columns: Vec<Vec<Option<f64>>> = vec![Vec::with_capacity(self.rows); N];
        let mut valid = NullBufferBuilder::new(self.rows);
        for i in 0..self.rows {
            let values = row(i)?;
            valid.append(values.is_some());
            for (column, value) in columns.iter_mut().zip(values.unwrap_or([None; N])) {
                column.push(value.filter(|v| v.is_finite()));
            }
        }
        let columns = columns.into_iter().map(|c| Arc::new(Float64Array::from(c)) as ArrayRef).collect();
        Ok(Arc::new(StructArray::try_new(fields.clone(), columns, valid.finish())?))
    }
}

/// A column of numbers, or one number for all rows.
pub struct Numbers {
    array: Float64Array,
    single: bool,
}

impl Numbers {
    /// Whether a row's number is NULL or was left out.
    pub fn is_null(&self, row: usize) -> bool {
        let row = if self.single { 0 } else { row };
        row >= self.array.len() || self.array.is_null(row)
    }

    /// The number of a row of an option: the default where it is NULL, `None` where it is not finite.
    pub fn or(&self, row: usize, default: f64) -> Option<f64> {
        if self.is_null(row) { Some(default) } else { self.get(row) }
    }

    /// The number of a row; `None` for NULL and for a number that is not finite.
    pub fn get(&self, row: usize) -> Option<f64> {
        let row = if self.single { 0 } else { row };
        (row < self.array.len() && self.array.is_valid(row)).then(|| self.array.value(row)).filter(|v| v.is_finite())
    }
}

/// A column of booleans, or one boolean for all rows.
pub struct Flags {
    array: BooleanArray,
    single: bool,
}

impl Flags {
    /// The boolean of a row.
    pub fn get(&self, row: usize) -> Option<bool> {
        let row = if self.single { 0 } else { row };
        (row < self.array.len() && self.array.is_valid(row)).then(|| self.array.value(row))
    }
}

/// A column of texts, or one text for all rows.
pub struct Texts {
    array: StringArray,
    single: bool,
}

impl Texts {
    /// The text of a row.
    pub fn get(&self, row: usize) -> Option<&str> {
        let row = if self.single { 0 } else { row };
        (row < self.array.len() && self.array.is_valid(row)).then(|| self.array.value(row))
    }
}

enum Offsets {
    Fixed(usize),
    Short(OffsetBuffer<i32>),
    Long(OffsetBuffer<i64>),
}

/// A column of lists of numbers, or one list for all rows.
pub struct Lists {
    values: Float64Array,
    offsets: Offsets,
    nulls: Option<NullBuffer>,
    rows: usize,
    single: bool,
}

impl Lists {
    fn absent() -> Self {
        Self { values: Float64Array::new_null(0), offsets: Offsets::Fixed(0), nulls: None, rows: 0, single: true }
    }

    fn of(array: &ArrayRef, nulls: Option<NullBuffer>, single: bool) -> Result<Self> {
        let (values, offsets) = match array.data_type() {
            DataType::FixedSizeList(_, size) => {
                let lists = array.as_fixed_size_list();
                (Arc::clone(lists.values()), Offsets::Fixed(usize::try_from(*size).unwrap_or(0)))
            }
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                (Arc::clone(lists.values()), Offsets::Short(lists.offsets().clone()))
            }
            DataType::LargeList(_) => {
                let lists = array.as_list::<i64>();
                (Arc::clone(lists.values()), Offsets::Long(lists.offsets().clone()))
            }
            _ => return Ok(Self::absent()),
        };
        let values = if values.data_type() == &DataType::Float64 { values } else { cast(&values, &DataType::Float64)? };
        let values = values.as_primitive::<Float64Type>().clone();
        Ok(Self { values, offsets, nulls, rows: array.len(), single })
    }

    fn range(&self, row: usize) -> Option<(usize, usize)> {
        let row = if self.single { 0 } else { row };
        if row >= self.rows || self.nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            return None;
        }
        let bounds = match &self.offsets {
            Offsets::Fixed(size) => (row * size, (row + 1) * size),
            Offsets::Short(o) => (usize::try_from(*o.get(row)?).ok()?, usize::try_from(*o.get(row + 1)?).ok()?),
            Offsets::Long(o) => (usize::try_from(*o.get(row)?).ok()?, usize::try_from(*o.get(row + 1)?).ok()?),
        };
        Some(bounds)
    }

    /// Elements of a row's list; `None` where the list is NULL.
    pub fn len(&self, row: usize) -> Option<usize> {
        self.range(row).map(|(from, to)| to - from)
    }

    /// The first `count` elements of a row (all for `usize::MAX`), NULL elements as `NaN`. A list without NULLs is not copied.
    /// Nobody gets any more of them when nobody waits for what is made of them, which ends every function that goes over long lists.
    pub fn get<'a>(&'a self, row: usize, count: usize, buffer: &'a mut Vec<f64>) -> Option<&'a [f64]> {
        go_on()?;
        let (from, to) = self.range(row)?;
        let to = to.min(from.saturating_add(count));
        let values = self.values.values().get(from..to)?;
        match self.values.nulls().map(|n| n.slice(from, to - from)) {
            Some(nulls) if nulls.null_count() > 0 => {
                buffer.clear();
                buffer.extend(values.iter().zip(nulls.iter()).map(|(v, valid)| if valid { *v } else { f64::NAN }));
                Some(buffer)
            }
            _ => Some(values),
        }
    }
}

/// Numbers that the lists of one batch may hold together: 4 GiB.
const LARGEST: usize = 1 << 29;

/// Collects lists of one length; elements that are not finite become NULL.
pub struct FixedLists {
    size: usize,
    values: Vec<f64>,
    valid: BooleanBufferBuilder,
    rows: NullBufferBuilder,
}

impl FixedLists {
    /// For `rows` lists of `size` elements.
    ///
    /// # Errors
    /// Where the result would exceed what one column can hold.
    pub fn new(name: &str, size: usize, rows: usize) -> Result<Self> {
        match size.checked_mul(rows).filter(|n| *n <= LARGEST) {
            Some(capacity) => Ok(Self {
                size,
                values: Vec::with_capacity(capacity),
                valid: BooleanBufferBuilder::new(capacity),
                rows: NullBufferBuilder::new(rows),
            }),
            None => exec_err!(
                "{name}: {rows} lists of {size} numbers exceed the 4 GiB of one batch; ask for shorter lists, or for fewer rows at a \
                 time (datafusion.execution.batch_size)"
            ),
        }
    }

    /// Adds a list, or NULL. A list of another length becomes NULL.
    pub fn push(&mut self, list: Option<&[f64]>) {
        match list.filter(|l| l.len() == self.size) {
            Some(list) => {
                self.values.extend_from_slice(list);
                for v in list {
                    self.valid.append(v.is_finite());
                }
                self.rows.append_non_null();
            }
            None => {
                self.values.resize(self.values.len() + self.size, 0.0);
                self.valid.append_n(self.size, false);
                self.rows.append_null();
            }
        }
    }

    /// The column.
    ///
    /// # Errors
    /// Never for lists that were added by [`FixedLists::push`].
    pub fn finish(mut self) -> Result<ArrayRef> {
        let nulls = NullBuffer::new(self.valid.finish());
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        let values = Float64Array::try_new(self.values.into(), nulls)?;
        let size = i32::try_from(self.size).unwrap_or(i32::MAX);
        let field = Arc::new(Field::new_list_field(DataType::Float64, true));
        Ok(Arc::new(FixedSizeListArray::try_new(field, size, Arc::new(values), self.rows.finish())?))
    }
}

/// Fields of a struct of numbers: name and unit (UCUM, empty for none).
pub(crate) fn number_fields(fields: &[(&str, &str)]) -> Fields {
    fields.iter().map(|(name, unit)| crate::geometry::with_unit(Field::new(*name, DataType::Float64, true), unit)).collect()
}
