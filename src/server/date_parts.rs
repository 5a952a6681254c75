//! `extract` and `date_part` of seconds, with their fractions, and of an interval's seconds in all, by a year's 365.25 days: the engine cuts
//! the first to whole seconds, and a year is twelve months of 30 days to it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::{cast, unary};
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

const SECONDS_A_DAY: f64 = 86_400.0;

/// Puts `date_part` in the place of the engine's, which does what is left.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    let inner = state.udf("date_part")?;
    let signature = inner.signature().clone();
    state.register_udf(Arc::new(DatePart { inner, signature }.into()))?;
    Ok(())
}

#[derive(Debug)]
struct DatePart {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl PartialEq for DatePart {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for DatePart {}

impl Hash for DatePart {
    fn hash<H: Hasher>(&self, state: &mut H) {
        "date_part".hash(state);
    }
}

/// What is computed here: seconds times something, within a minute or in all.
#[derive(Clone, Copy)]
enum Part {
    Seconds { times: f64 },
    Epoch,
}

fn part(name: Option<&ScalarValue>, of: &DataType) -> Option<Part> {
    let name = name?.try_as_str()??.to_lowercase();
    let is_interval = *of == DataType::Interval(IntervalUnit::MonthDayNano);
    let has_seconds = is_interval || *of == DataType::Date32 || units_a_second(of).is_some();
    match name.as_str() {
        "second" | "seconds" | "sec" | "secs" if has_seconds => Some(Part::Seconds { times: 1.0 }),
        "millisecond" | "milliseconds" | "msec" | "msecs" if has_seconds => Some(Part::Seconds { times: 1e3 }),
        "epoch" if is_interval => Some(Part::Epoch),
        _ => None,
    }
}

/// Units of a value in a second, if it is a count of them.
fn units_a_second(data_type: &DataType) -> Option<i64> {
    let (DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) | DataType::Duration(unit)) = data_type
    else {
        return None;
    };
    Some(match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    })
}

/// The seconds within the minute. Before 1970 they still grow with time; those of a negative duration are negative.
fn seconds(array: &ArrayRef, times: f64) -> Result<Float64Array> {
    if let DataType::Interval(IntervalUnit::MonthDayNano) = array.data_type() {
        let of = |interval: IntervalMonthDayNano| (interval.nanoseconds % 60_000_000_000) as f64 * times / 1e9;
        return Ok(unary(array.as_primitive::<IntervalMonthDayNanoType>(), of));
    }
    // A day begins with its first second.
    let Some(units) = units_a_second(array.data_type()) else {
        return Ok(unary(cast(array, &DataType::Int32)?.as_primitive::<Int32Type>(), |_| 0.0));
    };
    let signed = matches!(array.data_type(), DataType::Duration(_));
    let counted = match array.data_type() {
        DataType::Time32(_) => cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(array, &DataType::Int64)?,
    };
    let of = |value: i64| {
        let within = if signed { value % (60 * units) } else { value.rem_euclid(60 * units) };
        within as f64 * times / units as f64
    };
    Ok(unary(counted.as_primitive::<Int64Type>(), of))
}

/// The seconds of an interval.
fn epoch(interval: IntervalMonthDayNano) -> f64 {
    let (years, months) = (f64::from(interval.months / 12), f64::from(interval.months % 12));
    let days = years * 365.25 + months * 30.0 + f64::from(interval.days);
    days * SECONDS_A_DAY + interval.nanoseconds as f64 / 1e9
}

impl ScalarUDFImpl for DatePart {
    fn name(&self) -> &str {
        "date_part"
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if let [_, of] = args.arg_fields
            && part(args.scalar_arguments.first().copied().flatten(), of.data_type()).is_some()
        {
            return Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)));
        }
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(name), of] = args.args.as_slice() else { return self.inner.invoke_with_args(args) };
        let Some(part) = part(Some(name), &of.data_type()) else { return self.inner.invoke_with_args(args) };
        let (array, constant) = match of {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let found: ArrayRef = Arc::new(match part {
            Part::Seconds { times } => seconds(&array, times)?,
            Part::Epoch => unary(array.as_primitive::<IntervalMonthDayNanoType>(), epoch),
        });
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?),
            false => ColumnarValue::Array(found),
        })
    }

    fn preimage(&self, args: &[Expr], value: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        self.inner.preimage(args, value, info)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
