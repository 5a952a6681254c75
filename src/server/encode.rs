//! Record batches → `DataRow` messages, in text or binary, column by column decided once and row by row written.

use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, LargeBinaryArray,
    LargeStringArray, ListArray, MapArray, PrimitiveArray, RecordBatch, StringArray, StringViewArray, StructArray,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Decimal256Type, Field, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType, UInt32Type,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use pgwire::api::Type;

use super::error::PgError;
use super::numeric::numeric;
use super::settings::Zone;
use super::{json_values, text, types};

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's binary dates begin.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// How a client wants its columns: what `Bind` says, or text everywhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Formats(Vec<i16>);

impl Formats {
    pub(crate) fn new(codes: Vec<i16>) -> Self {
        Self(codes)
    }

    /// One code stands for all columns, none for text.
    pub(crate) fn is_binary(&self, column: usize) -> bool {
        match self.0.as_slice() {
            [] => false,
            [all] => *all == 1,
            each => each.get(column) == Some(&1),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all columns are wanted as text.
    pub(crate) fn is_text(&self) -> bool {
        self.0.iter().all(|code| *code != 1)
    }
}

/// Writes the rows of one result.
pub(crate) struct RowEncoder {
    types: Arc<[Type]>,
    formats: Formats,
    zone: Zone,
}

impl RowEncoder {
    pub(crate) fn new(types: Arc<[Type]>, formats: Formats, zone: Zone) -> Self {
        Self { types, formats, zone }
    }

    /// Appends `rows` to `out` until it holds `full` bytes; returns the first row not written.
    pub(crate) fn rows(&self, columns: &[ArrayRef], rows: Range<usize>, full: usize, out: &mut BytesMut) -> Result<usize> {
        let views = columns.iter().map(|column| View::new(column, self.zone)).collect::<Result<Vec<_>>>()?;
        let mut scratch = String::with_capacity(64);
        let mut row = rows.start;
        while row < rows.end && out.len() < full {
            let start = out.len();
            out.put_u8(b'D');
            out.put_u32(0);
            out.put_i16(i16::try_from(views.len()).map_err(|_| too_wide(views.len()))?);
            for (at, (view, pg_type)) in views.iter().zip(self.types.iter()).enumerate() {
                if view.is_null(row) {
                    out.put_i32(-1);
                    continue;
                }
                let value = out.len();
                out.put_i32(0);
                if self.formats.is_binary(at) {
                    view.binary(row, pg_type, out)?;
                } else {
                    scratch.clear();
                    match view.borrowed(row) {
                        Some(text) => out.put_slice(text.as_bytes()),
                        None => {
                            view.text(row, &mut scratch)?;
                            match *pg_type {
                                Type::OID_VECTOR | Type::INT2_VECTOR => out.put_slice(text::vector(&scratch).as_bytes()),
                                Type::REGPROC => {
                                    let name = scratch.parse().ok().and_then(super::pg_catalog::proc_name);
                                    out.put_slice(name.unwrap_or(&scratch).as_bytes());
                                }
                                _ => out.put_slice(scratch.as_bytes()),
                            }
                        }
                    }
                }
                patch(out, value, out.len() - value - 4);
            }
            patch(out, start + 1, out.len() - start - 1);
            row += 1;
        }
        Ok(row)
    }

    /// Whether columns are in the layouts that are written, so that [`Self::canonical`] would change nothing.
    pub(crate) fn are_canonical(columns: &[ArrayRef]) -> bool {
        columns.iter().all(|column| canonical_type(column.data_type()).is_none())
    }

    /// The columns of a batch in the few layouts that are written; cheap where nothing changes.
    pub(crate) fn canonical(batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        batch.columns().iter().map(canonical_array).collect()
    }
}

/// More columns than a message can count.
pub(crate) fn too_wide(columns: usize) -> PgError {
    PgError::new("54011", format!("a result of {columns} columns is wider than the protocol's limit of 32767"))
}

/// Writes the length of what follows into the four bytes at `at`.
pub(crate) fn patch(out: &mut BytesMut, at: usize, length: usize) {
    if let Some(slot) = out.get_mut(at..at + 4) {
        slot.copy_from_slice(&(length as u32).to_be_bytes());
    }
}

/// Intervals of any layout, in the one that is written. What lies between two moments is told in days and hours, as PostgreSQL does.
pub(crate) fn intervals(array: &ArrayRef) -> Result<ArrayRef> {
    const DAY: i64 = 86_400_000_000_000;
    let elapsed = matches!(array.data_type(), DataType::Duration(_));
    let array = datafusion::arrow::compute::cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    if !elapsed {
        return Ok(array);
    }
    let in_days = |mut value: IntervalMonthDayNano| {
        // A duration is at most 106752 days.
        value.days = (value.nanoseconds / DAY) as i32;
        value.nanoseconds %= DAY;
        value
    };
    let in_days: PrimitiveArray<IntervalMonthDayNanoType> = array.as_primitive::<IntervalMonthDayNanoType>().unary(in_days);
    Ok(Arc::new(in_days))
}

/// The values of a column as a client would see them in text.
pub(crate) fn texts(array: &ArrayRef, zone: Zone) -> Result<StringArray> {
    let array = canonical_array(array)?;
    let view = View::new(&array, zone)?;
    let text = |row: usize| if view.is_null(row) { Ok(None) } else { view.to_text(row).map(Some) };
    (0..array.len()).map(text).collect()
}

pub(crate) fn canonical_array(array: &ArrayRef) -> Result<ArrayRef> {
    match canonical_type(array.data_type()) {
        Some(DataType::Interval(_)) => intervals(array),
        Some(target) => {
            let options = CastOptions { safe: false, ..Default::default() };
            Ok(cast_with_options(array, &target, &options)?)
        }
        None => Ok(ArrayRef::clone(array)),
    }
}

/// The layout that stands for `data_type`, or nothing when it is one of those that are written directly.
fn canonical_type(data_type: &DataType) -> Option<DataType> {
    let micros = TimeUnit::Microsecond;
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(TimeUnit::Nanosecond) => DataType::Time64(micros),
        DataType::Timestamp(unit, zone) if *unit != micros => DataType::Timestamp(micros, zone.clone()),
        DataType::Interval(unit) if *unit != IntervalUnit::MonthDayNano => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Duration(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Dictionary(_, value) => canonical_type(value).unwrap_or_else(|| value.as_ref().clone()),
        DataType::RunEndEncoded(_, values) => canonical_type(values.data_type()).unwrap_or_else(|| values.data_type().clone()),
        DataType::List(field) => DataType::List(canonical_field(field)?),
        DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => DataType::List(canonical_field(field).unwrap_or_else(|| field.clone())),
        _ => return None,
    })
}

fn canonical_field(field: &Field) -> Option<std::sync::Arc<Field>> {
    let target = canonical_type(field.data_type())?;
    Some(field.clone().with_data_type(target).into())
}

/// A column seen by its type, so that rows are written without looking it up again.
pub(crate) enum View<'a> {
    Null,
    Bool(&'a BooleanArray),
    Int2(&'a [i16], &'a dyn Array),
    Int4(&'a [i32], &'a dyn Array),
    Int8(&'a [i64], &'a dyn Array),
    UInt4(&'a [u32], &'a dyn Array),
    Float4(&'a [f32], &'a dyn Array),
    Float8(&'a [f64], &'a dyn Array),
    Decimal(&'a dyn Array, i8),
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    InlinedUtf8(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    InlinedBinary(&'a BinaryViewArray),
    FixedBinary(&'a FixedSizeBinaryArray),
    Date(&'a [i32], &'a dyn Array),
    Time(&'a [i64], &'a dyn Array),
    Timestamp(&'a [i64], &'a dyn Array),
    TimestampTz(&'a [i64], &'a dyn Array, Zone),
    Interval(&'a dyn Array),
    List(&'a ListArray, Box<View<'a>>, Type),
    /// A list whose elements have no PostgreSQL array type.
    JsonList(&'a ListArray, Box<View<'a>>),
    Struct(&'a StructArray, Vec<(&'a str, View<'a>)>),
    /// A row whose fields have no names.
    Record(&'a StructArray, Vec<(Type, View<'a>)>),
    Map(&'a MapArray, Box<View<'a>>, Box<View<'a>>),
    /// A text that is JSON already, inside of a struct.
    Json(Box<View<'a>>),
    /// A value inside a struct or map, in a layout that was not written directly: its canonical copy.
    Owned(Box<OwnedView>),
    Other(ArrayFormatter<'a>, &'a dyn Array),
}

/// A canonical copy together with what is needed to look at it again.
pub(crate) struct OwnedView {
    array: ArrayRef,
    zone: Zone,
}

fn values<T: ArrowPrimitiveType>(array: &dyn Array) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

impl<'a> View<'a> {
    pub(crate) fn new(array: &'a dyn Array, zone: Zone) -> Result<View<'a>> {
        Ok(match array.data_type() {
            DataType::Null => View::Null,
            DataType::Boolean => View::Bool(array.as_boolean()),
            DataType::Int16 => View::Int2(values::<Int16Type>(array), array),
            DataType::Int32 => View::Int4(values::<Int32Type>(array), array),
            DataType::Int64 => View::Int8(values::<Int64Type>(array), array),
            DataType::UInt32 => View::UInt4(values::<UInt32Type>(array), array),
            DataType::Float32 => View::Float4(values::<Float32Type>(array), array),
            DataType::Float64 => View::Float8(values::<Float64Type>(array), array),
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => View::Decimal(array, *scale),
            DataType::Utf8 => View::Utf8(array.as_string()),
            DataType::LargeUtf8 => View::LargeUtf8(array.as_string()),
            DataType::Utf8View => View::InlinedUtf8(array.as_string_view()),
            DataType::Binary => View::Binary(array.as_binary()),
            DataType::LargeBinary => View::LargeBinary(array.as_binary()),
            DataType::BinaryView => View::InlinedBinary(array.as_binary_view()),
            DataType::FixedSizeBinary(_) => View::FixedBinary(array.as_fixed_size_binary()),
            DataType::Date32 => View::Date(values::<Date32Type>(array), array),
            DataType::Time64(TimeUnit::Microsecond) => View::Time(values::<Time64MicrosecondType>(array), array),
            DataType::Timestamp(TimeUnit::Microsecond, None) => View::Timestamp(values::<TimestampMicrosecondType>(array), array),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                View::TimestampTz(values::<TimestampMicrosecondType>(array), array, zone)
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => View::Interval(array),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let child = Box::new(View::new(list.values().as_ref(), zone)?);
                let array_type = types::of_data_type(array.data_type());
                match types::element_of(&array_type) {
                    Some(element) => View::List(list, child, element),
                    None => View::JsonList(list, child),
                }
            }
            DataType::Struct(fields) if types::is_row(fields) => {
                let record = array.as_struct();
                let children = fields
                    .iter()
                    .zip(record.columns())
                    .map(|(field, column)| Ok((types::of_field(field), View::new(column.as_ref(), zone)?)))
                    .collect::<Result<Vec<_>>>()?;
                View::Record(record, children)
            }
            DataType::Struct(fields) => {
                let record = array.as_struct();
                let children = fields
                    .iter()
                    .zip(record.columns())
                    .map(|(field, column)| Ok((field.name().as_str(), json_values::of_field(field, column, zone)?)))
                    .collect::<Result<Vec<_>>>()?;
                View::Struct(record, children)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let keys = Box::new(View::new(map.keys().as_ref(), zone)?);
                View::Map(map, keys, Box::new(View::new(map.values().as_ref(), zone)?))
            }
            other if canonical_type(other).is_some() => {
                let array = canonical_array(&array.slice(0, array.len()))?;
                View::Owned(Box::new(OwnedView { array, zone }))
            }
            _ => View::Other(ArrayFormatter::try_new(array, &DISPLAY)?, array),
        })
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            View::Null => true,
            View::Bool(array) => array.is_null(row),
            View::Utf8(array) => array.is_null(row),
            View::LargeUtf8(array) => array.is_null(row),
            View::InlinedUtf8(array) => array.is_null(row),
            View::Binary(array) => array.is_null(row),
            View::LargeBinary(array) => array.is_null(row),
            View::InlinedBinary(array) => array.is_null(row),
            View::FixedBinary(array) => array.is_null(row),
            View::List(array, ..) | View::JsonList(array, _) => array.is_null(row),
            View::Struct(array, _) => array.is_null(row),
            View::Record(array, _) => array.is_null(row),
            View::Map(array, ..) => array.is_null(row),
            View::Owned(owned) => owned.array.is_null(row),
            View::Json(inner) => inner.is_null(row),
            View::Int2(_, array)
            | View::Int4(_, array)
            | View::Int8(_, array)
            | View::UInt4(_, array)
            | View::Float4(_, array)
            | View::Float8(_, array)
            | View::Decimal(array, _)
            | View::Date(_, array)
            | View::Time(_, array)
            | View::Timestamp(_, array)
            | View::TimestampTz(_, array, _)
            | View::Interval(array)
            | View::Other(_, array) => array.is_null(row),
        }
    }

    /// Text that lies in the column as it is sent.
    pub(crate) fn borrowed(&self, row: usize) -> Option<&'a str> {
        match self {
            View::Utf8(array) => Some(array.value(row)),
            View::LargeUtf8(array) => Some(array.value(row)),
            View::InlinedUtf8(array) => Some(array.value(row)),
            _ => None,
        }
    }

    fn bytes(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            View::Binary(array) => Some(array.value(row)),
            View::LargeBinary(array) => Some(array.value(row)),
            View::InlinedBinary(array) => Some(array.value(row)),
            View::FixedBinary(array) => Some(array.value(row)),
            _ => None,
        }
    }

    pub(crate) fn text(&self, row: usize, out: &mut String) -> Result<()> {
        use std::fmt::Write;
        match self {
            View::Null => {}
            View::Bool(array) => out.push(if array.value(row) { 't' } else { 'f' }),
            View::Int2(values, _) => write!(out, "{}", values[row])?,
            View::Int4(values, _) => write!(out, "{}", values[row])?,
            View::Int8(values, _) => write!(out, "{}", values[row])?,
            View::UInt4(values, _) => write!(out, "{}", values[row])?,
            View::Float4(values, _) => text::float4(out, values[row]),
            View::Float8(values, _) => text::float8(out, values[row]),
            View::Decimal(array, scale) => text::decimal(out, &unscaled(*array, row), *scale),
            View::Utf8(_) | View::LargeUtf8(_) | View::InlinedUtf8(_) => out.push_str(self.borrowed(row).unwrap_or_default()),
            View::Binary(_) | View::LargeBinary(_) | View::InlinedBinary(_) | View::FixedBinary(_) => {
                text::bytea(out, self.bytes(row).unwrap_or_default());
            }
            View::Date(values, _) => text::date(out, i64::from(values[row])),
            View::Time(values, _) => text::time(out, values[row]),
            View::Timestamp(values, _) => text::timestamp(out, values[row], None),
            View::TimestampTz(values, _, zone) => text::timestamp(out, values[row], Some(zone.offset_seconds(values[row]))),
            View::Interval(array) => {
                let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                text::interval(out, value.months, value.days, value.nanoseconds / 1_000);
            }
            View::List(list, child, _) => {
                out.push('{');
                let mut element = String::new();
                for (position, index) in range(list, row).enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    if child.is_null(index) {
                        out.push_str("NULL");
                        continue;
                    }
                    element.clear();
                    child.text(index, &mut element)?;
                    text::array_element(out, &element);
                }
                out.push('}');
            }
            View::Record(_, children) => {
                out.push('(');
                let mut text = String::new();
                for (position, (_, child)) in children.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    if !child.is_null(row) {
                        text.clear();
                        child.text(row, &mut text)?;
                        text::record_field(out, &text);
                    }
                }
                out.push(')');
            }
            View::JsonList(..) | View::Struct(..) | View::Map(..) => self.json(row, out)?,
            View::Owned(owned) => owned.view()?.text(row, out)?,
            View::Json(inner) => inner.text(row, out)?,
            View::Other(formatter, _) => write!(out, "{}", formatter.value(row))?,
        }
        Ok(())
    }

    pub(crate) fn to_text(&self, row: usize) -> Result<String> {
        let mut out = String::new();
        self.text(row, &mut out)?;
        Ok(out)
    }

    pub(crate) fn binary(&self, row: usize, pg_type: &Type, out: &mut BytesMut) -> Result<()> {
        match self {
            View::Bool(array) => out.put_u8(u8::from(array.value(row))),
            View::Int2(values, _) => out.put_i16(values[row]),
            View::Int4(values, _) => out.put_i32(values[row]),
            View::Int8(values, _) => out.put_i64(values[row]),
            View::UInt4(values, _) if types::size(pg_type) == 4 => out.put_u32(values[row]),
            View::UInt4(values, _) => out.put_i64(i64::from(values[row])),
            View::Float4(values, _) => out.put_f32(values[row]),
            View::Float8(values, _) => out.put_f64(values[row]),
            View::Decimal(array, scale) => numeric(out, &unscaled(*array, row), *scale),
            View::Date(values, _) => out.put_i32(values[row].saturating_sub(EPOCH_DAYS)),
            View::Time(values, _) => out.put_i64(values[row]),
            View::Timestamp(values, _) | View::TimestampTz(values, ..) => out.put_i64(values[row].saturating_sub(EPOCH_MICROS)),
            View::Interval(array) => {
                let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                out.put_i64(value.nanoseconds / 1_000);
                out.put_i32(value.days);
                out.put_i32(value.months);
            }
            View::List(list, child, natural) => {
                // The announced type may be one of the catalog's own, such as oid[].
                let announced = types::element_of(pg_type);
                let element = announced.as_ref().unwrap_or(natural);
                let range = range(list, row);
                let has_null = range.clone().any(|index| child.is_null(index));
                out.put_i32(i32::from(!range.is_empty()));
                out.put_i32(i32::from(has_null));
                out.put_u32(element.oid());
                if range.is_empty() {
                    return Ok(());
                }
                out.put_i32(i32::try_from(range.len()).unwrap_or(i32::MAX));
                out.put_i32(1);
                for index in range {
                    if child.is_null(index) {
                        out.put_i32(-1);
                        continue;
                    }
                    let at = out.len();
                    out.put_i32(0);
                    child.binary(index, element, out)?;
                    patch(out, at, out.len() - at - 4);
                }
            }
            View::Record(_, children) => {
                out.put_i32(i32::try_from(children.len()).unwrap_or(i32::MAX));
                for (pg_type, child) in children {
                    out.put_u32(pg_type.oid());
                    if child.is_null(row) {
                        out.put_i32(-1);
                        continue;
                    }
                    let at = out.len();
                    out.put_i32(0);
                    child.binary(row, pg_type, out)?;
                    patch(out, at, out.len() - at - 4);
                }
            }
            View::Owned(owned) => owned.view()?.binary(row, pg_type, out)?,
            _ => match (self.borrowed(row), self.bytes(row)) {
                (Some(text), _) if *pg_type == Type::UUID => out.put_slice(&uuid(text)?),
                (Some(text), _) if *pg_type == Type::JSONB => {
                    out.put_u8(1);
                    out.put_slice(text.as_bytes());
                }
                (Some(text), _) => out.put_slice(text.as_bytes()),
                (_, Some(bytes)) => out.put_slice(bytes),
                _ => out.put_slice(self.to_text(row)?.as_bytes()),
            },
        }
        Ok(())
    }
}

impl OwnedView {
    pub(crate) fn view(&self) -> Result<View<'_>> {
        View::new(self.array.as_ref(), self.zone)
    }
}

static DISPLAY: std::sync::LazyLock<FormatOptions<'static>> = std::sync::LazyLock::new(FormatOptions::new);

/// The bytes of a UUID.
fn uuid(text: &str) -> Result<Vec<u8>, PgError> {
    let digits: String = text.chars().filter(|c| !matches!(c, '-' | '{' | '}')).collect();
    let byte = |at: usize| digits.get(2 * at..2 * at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..16).map(byte).collect();
    bytes
        .filter(|_| digits.len() == 32)
        .ok_or_else(|| PgError::new("22P02", format!("invalid input syntax for type uuid: \"{text}\"")))
}

pub(crate) fn range(list: &ListArray, row: usize) -> Range<usize> {
    let offsets = list.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

fn unscaled(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        DataType::Decimal256(..) => array.as_primitive::<Decimal256Type>().value(row).to_string(),
        _ => array.as_primitive::<Decimal128Type>().value(row).to_string(),
    }
}
