//! From Arrow columns to the rows of a network.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::{Result, exec_err, internal_datafusion_err};
use datafusion::logical_expr::ColumnarValue;

use super::answer::Status;
use crate::models::{Graph, InputKind, Model, Rows};

/// Where a bound call finds the inputs of its model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Binding {
    /// One argument an input.
    Columns,
    /// One struct; for each input the place of its field.
    Struct(Vec<usize>),
    /// One list, in the order of the signature.
    List,
}

/// Numbers of one input, ready to be copied into rows. A missing value is NaN there.
enum Column {
    Same(f32),
    Double(ScalarBuffer<f64>, Option<NullBuffer>),
    Single(ScalarBuffer<f32>, Option<NullBuffer>),
    /// `len` numbers a row from where `starts` says; a row without a start is missing.
    Lists {
        len: usize,
        starts: Vec<Option<usize>>,
        values: ScalarBuffer<f64>,
        nulls: Option<NullBuffer>,
    },
}

impl Column {
    fn number(array: &ArrayRef, outer: Option<&NullBuffer>) -> Result<Self> {
        let nulls = |array: &dyn Array| NullBuffer::union(array.nulls(), outer);
        Ok(match array.data_type() {
            DataType::Float32 => {
                let array = array.as_primitive::<Float32Type>();
                Column::Single(array.values().clone(), nulls(array))
            }
            _ => {
                let array = doubles(array)?;
                let array = array.as_primitive::<Float64Type>();
                Column::Double(array.values().clone(), nulls(array))
            }
        })
    }

    /// A column of lists. `what` names the input for messages.
    fn lists(array: &ArrayRef, outer: Option<&NullBuffer>, len: usize, what: &dyn Fn() -> String) -> Result<Self> {
        let nulls = NullBuffer::union(array.nulls(), outer);
        let (values, bounds): (ArrayRef, Vec<(usize, usize)>) = match array.data_type() {
            DataType::FixedSizeList(_, _) => {
                let list: &FixedSizeListArray = array.as_fixed_size_list();
                let size = usize::try_from(list.value_length()).unwrap_or(0);
                let starts = (0..list.len()).map(|row| usize::try_from(list.value_offset(row)).unwrap_or(0));
                (Arc::clone(list.values()), starts.map(|start| (start, start + size)).collect())
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (Arc::clone(list.values()), bounds(list.value_offsets().iter().map(|&o| usize::try_from(o).unwrap_or(0))))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (Arc::clone(list.values()), bounds(list.value_offsets().iter().map(|&o| usize::try_from(o).unwrap_or(0))))
            }
            DataType::Null => (Arc::clone(array), vec![(0, 0); array.len()]),
            other => return exec_err!("{} takes a list of numbers, and not {other}", what()),
        };
        let all_null = array.data_type().is_null();
        let mut starts = Vec::with_capacity(array.len());
        for (row, (start, end)) in bounds.into_iter().enumerate() {
            let missing = all_null || nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            if !missing && end - start != len {
                return exec_err!("{} takes a list of {len} numbers, and a row has {}", what(), end - start);
            }
            starts.push((!missing).then_some(start));
        }
        let values = doubles(&values)?;
        let values = values.as_primitive::<Float64Type>();
        Ok(Column::Lists { len, starts, values: values.values().clone(), nulls: values.nulls().cloned() })
    }

    /// Copies the rows of a range to `offset` of each row of `buffer`.
    fn write(&self, range: Range<usize>, buffer: &mut [f32], offset: usize, width: usize) {
        match self {
            Column::Same(value) => {
                buffer.chunks_exact_mut(width).take(range.len()).for_each(|row| set(row, offset, *value));
            }
            Column::Double(values, nulls) => scatter(values, nulls.as_ref(), range, buffer, offset, width, |v| v as f32),
            Column::Single(values, nulls) => scatter(values, nulls.as_ref(), range, buffer, offset, width, |v| v),
            Column::Lists { len, starts, values, nulls } => {
                for (row, start) in buffer.chunks_exact_mut(width).zip(starts.get(range).unwrap_or_default()) {
                    let Some(target) = row.get_mut(offset..offset + len) else { continue };
                    let Some(source) = start.and_then(|start| values.get(start..start + len)) else {
                        target.fill(f32::NAN);
                        continue;
                    };
                    target.iter_mut().zip(source).for_each(|(target, &value)| *target = value as f32);
                    if let (Some(nulls), Some(start)) = (nulls, start) {
                        for (i, target) in target.iter_mut().enumerate() {
                            if nulls.is_null(start + i) {
                                *target = f32::NAN;
                            }
                        }
                    }
                }
            }
        }
    }
}

fn bounds(offsets: impl Iterator<Item = usize>) -> Vec<(usize, usize)> {
    let offsets: Vec<usize> = offsets.collect();
    offsets.windows(2).map(|pair| (pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0))).collect()
}

fn set(row: &mut [f32], offset: usize, value: f32) {
    if let Some(cell) = row.get_mut(offset) {
        *cell = value;
    }
}

fn scatter<T: Copy>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    range: Range<usize>,
    buffer: &mut [f32],
    offset: usize,
    width: usize,
    convert: impl Fn(T) -> f32,
) {
    let rows = buffer.chunks_exact_mut(width).zip(values.get(range.clone()).unwrap_or_default());
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => rows.for_each(|(row, &value)| set(row, offset, convert(value))),
        Some(nulls) => rows.enumerate().for_each(|(i, (row, &value))| {
            let known = nulls.is_valid(range.start + i);
            set(row, offset, if known { convert(value) } else { f32::NAN });
        }),
    }
}

fn doubles(array: &ArrayRef) -> Result<ArrayRef> {
    if array.data_type() == &DataType::Float64 {
        return Ok(Arc::clone(array));
    }
    Ok(cast_with_options(array, &DataType::Float64, &CastOptions { safe: false, ..Default::default() })?)
}

/// The inputs of a batch of rows, and what is known about each row.
pub(super) struct Batch<'a> {
    model: &'a Model,
    columns: Vec<Column>,
    status: Vec<Status>,
}

impl<'a> Batch<'a> {
    /// Reads the arguments of a bound call.
    pub(super) fn read(model: &'a Model, binding: &Binding, args: &[ColumnarValue], rows: usize) -> Result<Self> {
        let inputs = &model.signature().inputs;
        let first = || {
            let arg =
                args.first().ok_or_else(|| internal_datafusion_err!("a bound call of {} has no argument", model.label()))?;
            arg.to_array(rows)
        };
        let what = |name: &str| format!("input \"{name}\" of model {}", model.label());
        let column = |kind: &InputKind, name: &str, array: &ArrayRef, outer: Option<&NullBuffer>| match kind {
            InputKind::Number => Column::number(array, outer),
            InputKind::Tensor(_) => Column::lists(array, outer, kind.len(), &|| what(name)),
        };
        let columns = match binding {
            Binding::Columns => inputs
                .iter()
                .zip(args)
                .map(|(input, arg)| match (arg, &input.kind) {
                    (ColumnarValue::Scalar(value), InputKind::Number) => {
                        let array = doubles(&value.to_array()?)?;
                        let array = array.as_primitive::<Float64Type>();
                        let known = !array.is_empty() && array.is_valid(0);
                        Ok(Column::Same(if known { array.value(0) as f32 } else { f32::NAN }))
                    }
                    _ => column(&input.kind, &input.name, &arg.to_array(rows)?, None),
                })
                .collect::<Result<Vec<_>>>()?,
            Binding::Struct(fields) => {
                let array = first()?;
                let array = array
                    .as_struct_opt()
                    .ok_or_else(|| internal_datafusion_err!("a struct was bound to {} and is none", model.label()))?;
                inputs
                    .iter()
                    .zip(fields)
                    .map(|(input, &field)| {
                        let child = array
                            .columns()
                            .get(field)
                            .ok_or_else(|| internal_datafusion_err!("field {field} of a struct bound to {}", model.label()))?;
                        column(&input.kind, &input.name, child, array.nulls())
                    })
                    .collect::<Result<Vec<_>>>()?
            }
            Binding::List => {
                let whole = || format!("model {}", model.label());
                vec![Column::lists(&first()?, None, inputs.len(), &whole)?]
            }
        };
        Ok(Self { model, columns, status: vec![Status::Ok; rows] })
    }

    pub(super) fn into_status(self) -> Vec<Status> {
        self.status
    }

    /// Why a row gets no answer, if so. `rows` holds its numbers for each input of the graph.
    fn assess(&self, graph: &Graph, buffers: &[Vec<f32>], index: usize) -> Status {
        let row = |input: usize| {
            let width = graph.inputs().get(input).map_or(0, |input| input.width);
            buffers.get(input).and_then(|buffer| buffer.get(index * width..(index + 1) * width)).unwrap_or_default()
        };
        if (0..buffers.len()).all(|input| row(input).iter().all(|value| value.is_finite())) {
            return Status::Ok;
        }
        let signature = self.model.signature();
        let (mut missing, mut all) = (0_usize, 0_usize);
        let mut status = Status::Ok;
        for (input, &(tensor, offset)) in signature.inputs.iter().zip(graph.slots()) {
            let values = row(tensor).get(offset..offset + input.kind.len()).unwrap_or_default();
            if values.iter().any(|value| value.is_infinite()) {
                return Status::Invalid;
            }
            let absent = values.iter().filter(|value| value.is_nan()).count();
            if absent > 0 && !input.optional {
                status = Status::Missing;
            }
            missing += absent;
            all += values.len();
        }
        if missing == all || missing as f64 > signature.max_missing * all as f64 { Status::Missing } else { status }
    }
}

impl Rows for Batch<'_> {
    fn len(&self) -> usize {
        self.status.len()
    }

    fn fill(&mut self, range: Range<usize>, graph: &Graph, buffers: &mut [Vec<f32>]) -> bool {
        // A list given as a whole fills the row of a packed graph, or one number of each input of another.
        if let [Column::Lists { len, .. }] = self.columns.as_slice()
            && *len == graph.slots().len()
            && graph.inputs().len() > 1
        {
            self.spread(&range, graph, buffers);
        } else {
            for (column, &(tensor, offset)) in self.columns.iter().zip(graph.slots()) {
                let Some(width) = graph.inputs().get(tensor).map(|input| input.width) else { continue };
                let Some(buffer) = buffers.get_mut(tensor) else { continue };
                column.write(range.clone(), buffer, offset, width);
            }
        }
        let mut wanted = false;
        for (index, row) in range.enumerate() {
            let status = self.assess(graph, buffers, index);
            wanted |= status == Status::Ok;
            if let Some(target) = self.status.get_mut(row) {
                *target = status;
            }
        }
        wanted
    }
}

impl Batch<'_> {
    fn spread(&self, range: &Range<usize>, graph: &Graph, buffers: &mut [Vec<f32>]) {
        let Some(column) = self.columns.first() else { return };
        let width = graph.slots().len();
        let mut rows = vec![0.0; range.len() * width];
        column.write(range.clone(), &mut rows, 0, width);
        for (row, values) in rows.chunks_exact(width).enumerate() {
            for (&value, &(tensor, _)) in values.iter().zip(graph.slots()) {
                if let Some(buffer) = buffers.get_mut(tensor) {
                    set(buffer, row, value);
                }
            }
        }
    }
}
