//! `sum` with PostgreSQL's types: of `smallint` and `integer` a `bigint`, of `bigint` a `numeric`. The engine's sum of 64-bit integers wraps
//! around.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};

/// Puts `sum` in the place of the engine's, which adds what is left.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    let inner = state.udaf("sum")?;
    let signature = Signature::user_defined(Volatility::Immutable);
    state.register_udaf(Arc::new(AggregateUDF::new_from_impl(Sum { inner, signature })))?;
    Ok(())
}

/// Wide enough for a `bigint`; a sum has ten digits more, which is as many as there can be rows.
const BIGINT: DataType = DataType::Decimal128(28, 0);

#[derive(Debug)]
struct Sum {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl PartialEq for Sum {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Sum {}

impl Hash for Sum {
    fn hash<H: Hasher>(&self, state: &mut H) {
        "sum".hash(state);
    }
}

fn is_narrow(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int16 | DataType::Int32)
}

/// Whether the only argument of a call is an integer that is widened when it is added.
fn widens(args: &AccumulatorArgs<'_>) -> bool {
    args.expr_fields.first().is_some_and(|field| is_narrow(field.data_type()))
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Int64] => Ok(vec![BIGINT]),
            [narrow] if is_narrow(narrow) => Ok(types.to_vec()),
            _ => {
                let field = |data_type: &DataType| Arc::new(Field::new("", data_type.clone(), true));
                let fields: Vec<FieldRef> = types.iter().map(|data_type| field(data_type) as FieldRef).collect();
                let coerced = fields_with_udf(&fields, self.inner.as_ref())?;
                let wide = |data_type: &DataType| if *data_type == DataType::Int64 { BIGINT } else { data_type.clone() };
                Ok(coerced.iter().map(|field| wide(field.data_type())).collect())
            }
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [narrow] if is_narrow(narrow) => Ok(DataType::Int64),
            [DataType::Int64] => self.inner.return_type(&[BIGINT]),
            types => self.inner.return_type(types),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let widens = widens(&args);
        let inner = self.inner.accumulator(args)?;
        Ok(if widens { Box::new(Widened(inner)) } else { inner })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let widens = widens(&args);
        let inner = self.inner.create_sliding_accumulator(args)?;
        Ok(if widens { Box::new(Widened(inner)) } else { inner })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let widens = widens(&args);
        let inner = self.inner.create_groups_accumulator(args)?;
        Ok(if widens { Box::new(WidenedGroups(inner)) } else { inner })
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

fn wide(values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    Ok(values.iter().map(|values| cast(values, &DataType::Int64)).collect::<Result<_, _>>()?)
}

/// A sum of 64 bits of narrower values.
#[derive(Debug)]
struct Widened(Box<dyn Accumulator>);

impl Accumulator for Widened {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(&wide(values)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.retract_batch(&wide(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.0.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.evaluate()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.size()
    }
}

/// The same for many groups.
struct WidenedGroups(Box<dyn GroupsAccumulator>);

impl GroupsAccumulator for WidenedGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.0.update_batch(&wide(values)?, groups, filter, total_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.0.evaluate(emit_to)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.0.state(emit_to)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total_groups: usize) -> Result<()> {
        self.0.merge_batch(values, groups, total_groups)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.0.convert_to_state(&wide(values)?, filter)
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
