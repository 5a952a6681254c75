//! `pg_sleep` and its like: they wait without holding a thread, so that a statement that sleeps can be ended at once.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, FieldRef, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::relations;
use crate::server::casts::strictly;
use crate::server::error::PgError;
use crate::server::{encode, interval};

/// What a function waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Until {
    Seconds,
    Interval,
    Moment,
}

impl Until {
    /// The argument as it is meant.
    fn read(self, given: &ArrayRef) -> Result<ArrayRef> {
        let is_text = matches!(given.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
        Ok(match self {
            Self::Seconds => strictly(given, &DataType::Float64)?,
            Self::Interval if is_text => {
                let texts = cast(given, &DataType::Utf8)?;
                let read = |text: Option<&str>| text.map(|text| interval::parse(text, None).map(Into::into)).transpose();
                let read: Vec<Option<IntervalMonthDayNano>> =
                    texts.as_string::<i32>().iter().map(read).collect::<std::result::Result<_, PgError>>()?;
                Arc::new(IntervalMonthDayNanoArray::from(read))
            }
            Self::Interval => encode::intervals(given)?,
            Self::Moment => strictly(given, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?,
        })
    }
}

/// The functions.
pub(super) fn functions() -> impl Iterator<Item = ScalarUDF> {
    [Until::Seconds, Until::Interval, Until::Moment].into_iter().map(|until| {
        let signature = Signature::any(1, Volatility::Volatile);
        AsyncScalarUDF::new(Arc::new(Sleep { until, signature })).into_scalar_udf()
    })
}

/// Whether a function is one of these.
pub(super) fn is_sleep(name: &str) -> bool {
    matches!(name, "pg_sleep" | "pg_sleep_for" | "pg_sleep_until")
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sleep {
    until: Until,
    signature: Signature,
}

impl Sleep {
    /// How long a row waits; nothing for NULL.
    fn duration(&self, value: &dyn Array, row: usize) -> Option<Duration> {
        if value.is_null(row) {
            return None;
        }
        let micros = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        Some(match self.until {
            Until::Seconds => {
                let seconds = value.as_primitive::<Float64Type>().value(row);
                let endless = if seconds > 0.0 { Duration::MAX } else { Duration::ZERO };
                Duration::try_from_secs_f64(seconds).unwrap_or(endless)
            }
            Until::Interval => {
                let interval = value.as_primitive::<IntervalMonthDayNanoType>().value(row);
                let days = i64::from(interval.months).saturating_mul(30).saturating_add(interval.days.into());
                micros(days.saturating_mul(86_400_000_000).saturating_add(interval.nanoseconds / 1_000))
            }
            Until::Moment => {
                let moment = value.as_primitive::<TimestampMicrosecondType>().value(row);
                micros(moment.saturating_sub(Utc::now().timestamp_micros()))
            }
        })
    }
}

impl ScalarUDFImpl for Sleep {
    fn name(&self) -> &str {
        match self.until {
            Until::Seconds => "pg_sleep",
            Until::Interval => "pg_sleep_for",
            Until::Moment => "pg_sleep_until",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(relations::field(self.name(), "void")))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal("a function that waits was called by one that does not".to_owned()))
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Sleep {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let value = args.args.into_iter().next().unwrap_or(ColumnarValue::Scalar(ScalarValue::Null));
        let value = value.into_array(args.number_rows)?;
        let value = self.until.read(&value)?;
        let mut done = Vec::with_capacity(value.len());
        for row in 0..value.len() {
            let duration = self.duration(&value, row);
            if let Some(duration) = duration.filter(|duration| !duration.is_zero()) {
                tokio::time::sleep(duration).await;
            }
            done.push(duration.map(|_| ""));
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(done))))
    }
}
