//! Ordered-set aggregates: `percentile_disc`, `mode`, and `percentile_cont` where the engine's own does not do, which wants one constant
//! share of floating-point numbers.
//!
//! The rewriter makes plain calls of them ([`plain`]): what is sorted, the share, whether the order descends. All values of a group are
//! kept until it is complete.

use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt64Array, make_array, new_empty_array};
use datafusion::arrow::compute::{SortOptions, cast, concat, filter, is_not_null, partition, sort, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::common::scalar::copy_array_data;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;
use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArguments, OrderByExpr, Value};

use super::casts::strictly;
use super::error::PgError;
use super::rewrite::{arguments, called};

/// The aggregates by PostgreSQL's names.
pub(crate) const NAMES: &[&str] = &["mode", "percentile_cont", "percentile_disc"];

/// The one that stands beside the engine's of the same name.
const CONTINUOUS: &str = "placido_percentile_cont";

/// The aggregates for a session.
pub(crate) fn functions() -> impl Iterator<Item = AggregateUDF> {
    [Kind::Discrete, Kind::Continuous, Kind::Mode].into_iter().map(|kind| {
        let arguments = if kind == Kind::Mode { 2 } else { 3 };
        AggregateUDF::new_from_impl(OrderedSet { kind, signature: Signature::any(arguments, Volatility::Immutable) })
    })
}

/// What a call of one of these becomes; nothing where it is the engine's.
///
/// # Errors
/// Where WITHIN GROUP is missing, or has more than one key.
pub(crate) fn plain(name: &str, function: &Function) -> Result<Option<Function>, PgError> {
    if !NAMES.contains(&name) {
        return Ok(None);
    }
    let direct: Vec<Expr> = arguments(function).cloned().collect();
    let order: &OrderByExpr = match function.within_group.as_slice() {
        // In the engine's spelling the value stands in front.
        [] if name == "percentile_cont" => return Ok(None),
        [] => return Err(PgError::new("42809", format!("WITHIN GROUP is required for ordered-set aggregate {name}"))),
        [order] => order,
        more => {
            let told = format!("function {name} does not exist for {} sort keys", more.len());
            return Err(PgError::new("42883", told));
        }
    };
    if function.over.is_some() {
        return Err(PgError::new("0A000", format!("OVER is not supported for ordered-set aggregate {name}")));
    }
    let share = match (name, direct.as_slice()) {
        ("mode", []) => None,
        ("percentile_cont", [share]) if is_constant_share(share) => return Ok(None),
        ("percentile_cont" | "percentile_disc", [share]) => Some(share.clone()),
        _ => return Err(PgError::new("42883", format!("function {name} does not exist for {} direct arguments", direct.len()))),
    };
    let descending = Expr::Value(Value::Boolean(order.options.asc == Some(false)).into());
    let given = [Some(order.expr.clone()), share, Some(descending)].into_iter().flatten().collect();
    let own = if name == "percentile_cont" { CONTINUOUS } else { name };
    let mut made = called(own, given);
    made.filter.clone_from(&function.filter);
    if let (FunctionArguments::List(made), FunctionArguments::List(given)) = (&mut made.args, &function.args) {
        made.duplicate_treatment = given.duplicate_treatment;
    }
    Ok(Some(made))
}

/// A share that the engine takes: a decimal from 0 to 1.
fn is_constant_share(share: &Expr) -> bool {
    let Expr::Value(value) = share else { return false };
    let Value::Number(written, _) = &value.value else { return false };
    written.contains('.') && written.parse::<f64>().is_ok_and(|share| (0.0..=1.0).contains(&share))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Discrete,
    Continuous,
    Mode,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OrderedSet {
    kind: Kind,
    signature: Signature,
}

fn broken() -> DataFusionError {
    DataFusionError::Internal("an ordered-set aggregate has other arguments".to_owned())
}

impl AggregateUDFImpl for OrderedSet {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Discrete => "percentile_disc",
            Kind::Continuous => CONTINUOUS,
            Kind::Mode => "mode",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let value = arguments.first().ok_or_else(broken)?;
        if self.kind == Kind::Continuous && !value.is_numeric() && !value.is_null() {
            let told = format!("percentile_cont() wants numbers to sort by, not {value}");
            return Err(PgError::new("42883", told).with_hint("percentile_disc() takes any type.").into());
        }
        let one = if self.kind == Kind::Continuous { DataType::Float64 } else { value.clone() };
        Ok(match (self.kind, arguments.get(1)) {
            (Kind::Discrete | Kind::Continuous, Some(DataType::List(_))) => DataType::new_list(one, true),
            _ => one,
        })
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let value = args.input_fields.first().ok_or_else(broken)?;
        let list = DataType::new_list(value.data_type().clone(), true);
        let mut fields = vec![Arc::new(Field::new(format!("{}[values]", args.name), list, true))];
        if self.kind != Kind::Mode {
            let share = args.input_fields.get(1).ok_or_else(broken)?;
            fields.push(Arc::new(Field::new(format!("{}[share]", args.name), share.data_type().clone(), true)));
        }
        Ok(fields)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let descending = args.exprs.last().and_then(|expr| expr.downcast_ref::<Literal>()).map(|literal| literal.value().clone());
        let no_share = match (self.kind, args.expr_fields.get(1)) {
            (Kind::Mode, _) | (_, None) => None,
            (_, Some(share)) => Some(ScalarValue::try_from(share.data_type())?),
        };
        Ok(Box::new(Gathered {
            kind: self.kind,
            descending: descending == Some(ScalarValue::Boolean(Some(true))),
            element: args.expr_fields.first().ok_or_else(broken)?.data_type().clone(),
            result: args.return_field.data_type().clone(),
            no_share,
            constant: args.exprs.get(1).is_some_and(|expr| expr.downcast_ref::<Literal>().is_some()),
            share: None,
            parts: Vec::new(),
        }))
    }
}

/// The values of a group.
#[derive(Debug)]
struct Gathered {
    kind: Kind,
    descending: bool,
    element: DataType,
    result: DataType,
    /// NULL of the share's type; nothing where there is none to be.
    no_share: Option<ScalarValue>,
    /// Whether the share is one for all rows, so that the first tells it.
    constant: bool,
    /// The share that the rows tell.
    share: Option<ScalarValue>,
    /// Each at least twice as long as the next.
    parts: Vec<ArrayRef>,
}

impl Gathered {
    /// Keeps what is not NULL, in memory of its own.
    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        let kept = match values.logical_null_count() {
            0 => Arc::clone(values),
            _ => filter(values, &is_not_null(values)?)?,
        };
        if kept.is_empty() {
            return Ok(());
        }
        let mut last: ArrayRef = match kept.data_type() {
            DataType::Utf8View => Arc::new(kept.as_string_view().gc()),
            DataType::BinaryView => Arc::new(kept.as_binary_view().gc()),
            _ => make_array(copy_array_data(&kept.to_data())),
        };
        while let Some(before) = self.parts.pop_if(|before| before.len() < 2 * last.len()) {
            last = concat(&[before.as_ref(), last.as_ref()])?;
        }
        self.parts.push(last);
        Ok(())
    }

    /// Hears the share from a row.
    fn hear(&mut self, share: ScalarValue) -> Result<()> {
        match &self.share {
            None => self.share = Some(share.compacted()),
            Some(known) if *known == share => {}
            Some(_) => {
                let told = "direct arguments of an ordered-set aggregate must use only grouped columns";
                return Err(PgError::new("42803", told).into());
            }
        }
        Ok(())
    }

    fn all(&self) -> Result<ArrayRef> {
        let parts: Vec<&dyn Array> = self.parts.iter().map(|part| part.as_ref()).collect();
        match parts.is_empty() {
            true => Ok(new_empty_array(&self.element)),
            false => Ok(concat(&parts)?),
        }
    }

    /// The shares that are asked for, and whether they are a list of them; nothing where it is NULL.
    fn shares(&self) -> Result<Option<(Vec<Option<f64>>, bool)>> {
        let Some(share) = self.share.as_ref().filter(|share| !share.is_null()) else { return Ok(None) };
        let (values, is_list) = match share {
            ScalarValue::List(list) => (list.value(0), true),
            one => (one.to_array()?, false),
        };
        let values = strictly(&values, &DataType::Float64)?;
        let shares: Vec<Option<f64>> = values.as_primitive::<Float64Type>().iter().collect();
        match shares.iter().flatten().find(|share| !(0.0..=1.0).contains(*share)) {
            Some(wrong) => Err(PgError::new("22003", format!("percentile value {wrong} is not between 0 and 1")).into()),
            None => Ok(Some((shares, is_list))),
        }
    }

    fn result_of(&self, found: ArrayRef, is_list: bool) -> Result<ScalarValue> {
        match is_list {
            true => Ok(SingleRowListArrayBuilder::new(found).build_list_scalar()),
            false => ScalarValue::try_from_array(&found, 0),
        }
    }
}

/// The value of most rows; of several the first.
fn most_frequent(sorted: &ArrayRef) -> Result<ScalarValue> {
    let ranges = partition(&[Arc::clone(sorted)])?.ranges();
    let mut longest = 0..0;
    for range in ranges {
        if range.len() > longest.len() {
            longest = range;
        }
    }
    ScalarValue::try_from_array(sorted, longest.start)
}

/// The first value that is reached by a share of the rows.
fn discrete(sorted: &ArrayRef, shares: &[Option<f64>]) -> Result<ArrayRef> {
    let rows = sorted.len() as f64;
    let place = |share: &f64| ((share * rows).ceil() as u64).saturating_sub(1);
    let places: UInt64Array = shares.iter().map(|share| share.as_ref().map(place)).collect();
    Ok(take(sorted, &places, None)?)
}

/// What lies at a share of the way from the first value to the last.
fn continuous(sorted: &ArrayRef, shares: &[Option<f64>]) -> Result<ArrayRef> {
    let sorted = cast(sorted, &DataType::Float64)?;
    let values = sorted.as_primitive::<Float64Type>().values();
    let last = values.len().saturating_sub(1);
    let between = |share: &f64| {
        let place = share * last as f64;
        let (below, above) = (place.floor() as usize, (place.ceil() as usize).min(last));
        let (low, high) = (values.get(below)?, values.get(above)?);
        Some(if below == above { *low } else { low + (place - place.floor()) * (high - low) })
    };
    let found: Float64Array = shares.iter().map(|share| share.as_ref().and_then(between)).collect();
    Ok(Arc::new(found))
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if self.no_share.is_some() && !(self.constant && self.share.is_some()) {
            let shares = values.get(1).ok_or_else(broken)?;
            let rows = if self.constant { shares.len().min(1) } else { shares.len() };
            for row in 0..rows {
                self.hear(ScalarValue::try_from_array(shares, row)?)?;
            }
        }
        self.add(values.first().ok_or_else(broken)?)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states.first().and_then(|lists| lists.as_list_opt::<i32>()).ok_or_else(broken)?;
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row) && !lists.value(*row).is_empty()) {
            if let Some(shares) = states.get(1).filter(|_| self.no_share.is_some()) {
                self.hear(ScalarValue::try_from_array(shares, row)?)?;
            }
            self.add(&lists.value(row))?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = SingleRowListArrayBuilder::new(self.all()?).build_list_scalar();
        let share = self.no_share.as_ref().map(|none| self.share.as_ref().unwrap_or(none).clone());
        Ok([Some(list), share].into_iter().flatten().collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let nothing = || ScalarValue::try_from(&self.result);
        let shares = match self.kind {
            Kind::Mode => None,
            _ => match self.shares()? {
                Some(shares) => Some(shares),
                None => return nothing(),
            },
        };
        if self.parts.is_empty() {
            return nothing();
        }
        let sorted = sort(&self.all()?, Some(SortOptions { descending: self.descending, nulls_first: false }))?;
        match (self.kind, shares) {
            (Kind::Continuous, Some((shares, is_list))) => self.result_of(continuous(&sorted, &shares)?, is_list),
            (_, Some((shares, is_list))) => self.result_of(discrete(&sorted, &shares)?, is_list),
            (_, None) => most_frequent(&sorted),
        }
    }

    fn size(&self) -> usize {
        let parts: usize = self.parts.iter().map(|part| part.get_array_memory_size()).sum();
        size_of_val(self) + parts + self.share.as_ref().map_or(0, ScalarValue::size)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Int32Array;

    fn gathered(kind: Kind, share: Option<f64>) -> Gathered {
        Gathered {
            kind,
            descending: false,
            element: DataType::Int32,
            result: DataType::Int32,
            no_share: share.map(|_| ScalarValue::Float64(None)),
            constant: true,
            share: share.map(|share| ScalarValue::Float64(Some(share))),
            parts: Vec::new(),
        }
    }

    #[test]
    fn parts_of_a_group_are_few_and_states_hold_them_all() {
        let mut one = gathered(Kind::Discrete, Some(0.5));
        for value in 0..1_000 {
            let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(value), None]));
            one.add(&values).unwrap();
        }
        assert!(one.parts.len() <= 10, "{}", one.parts.len());
        let states: Vec<ArrayRef> = one.state().unwrap().iter().map(|state| state.to_array().unwrap()).collect();
        let mut other = gathered(Kind::Discrete, Some(0.5));
        other.share = None;
        other.merge_batch(&states).unwrap();
        // PostgreSQL 15: select percentile_disc(0.5) within group (order by x) from generate_series(0, 999) x
        assert_eq!(other.evaluate().unwrap(), ScalarValue::Int32(Some(499)));
        assert!(other.size() > 1_000 * size_of::<i32>());
    }

    #[test]
    fn shares_lie_between_nothing_and_all() {
        let mut wrong = gathered(Kind::Discrete, Some(1.5));
        wrong.add(&(Arc::new(Int32Array::from(vec![1])) as ArrayRef)).unwrap();
        assert!(wrong.evaluate().unwrap_err().to_string().contains("percentile value 1.5 is not between 0 and 1"));
        assert_eq!(gathered(Kind::Mode, None).evaluate().unwrap(), ScalarValue::Int32(None));
    }
}
