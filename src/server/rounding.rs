//! Numbers that lose their decimals, as PostgreSQL rounds them: of floats the nearest even one (`rint` of C), of `numeric` away from zero.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array};
use datafusion::arrow::compute::unary;
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Puts `round` in the place of the engine's, which does what is left.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    let inner = state.udf("round")?;
    let signature = Signature::user_defined(Volatility::Immutable);
    state.register_udf(Arc::new(Round { inner, signature }.into()))?;
    Ok(())
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64)
}

fn nearest(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 => {
            let rounded: Float32Array = unary(array.as_primitive::<Float32Type>(), f32::round_ties_even);
            Arc::new(rounded)
        }
        DataType::Float64 => {
            let rounded: Float64Array = unary(array.as_primitive::<Float64Type>(), f64::round_ties_even);
            Arc::new(rounded)
        }
        _ => Arc::clone(array),
    }
}

fn nearest_of(value: &ColumnarValue) -> Result<ColumnarValue> {
    Ok(match value {
        ColumnarValue::Array(array) => ColumnarValue::Array(nearest(array)),
        ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(ScalarValue::try_from_array(&nearest(&scalar.to_array()?), 0)?),
    })
}

/// `round(x)`, and `round(x, digits)` as the engine does it.
#[derive(Debug)]
struct Round {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl PartialEq for Round {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Round {}

impl Hash for Round {
    fn hash<H: Hasher>(&self, state: &mut H) {
        "round".hash(state);
    }
}

impl ScalarUDFImpl for Round {
    fn name(&self) -> &str {
        "round"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let field = |data_type: &DataType| Arc::new(Field::new("", data_type.clone(), true));
        let fields: Vec<_> = types.iter().map(field).collect();
        let coerced = fields_with_udf(&fields, self.inner.as_ref())?;
        Ok(coerced.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(
        &self,
        args: datafusion::logical_expr::ReturnFieldArgs<'_>,
    ) -> Result<datafusion::arrow::datatypes::FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [only] if is_float(&only.data_type()) => nearest_of(only),
            _ => self.inner.invoke_with_args(args),
        }
    }

    fn output_ordering(
        &self,
        inputs: &[datafusion::logical_expr::sort_properties::ExprProperties],
    ) -> Result<datafusion::logical_expr::sort_properties::SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// A float before it is cast to an integer, which only cuts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Nearest(Signature);

impl Default for Nearest {
    fn default() -> Self {
        Self(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for Nearest {
    fn name(&self) -> &str {
        "rint"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map(|arg| arg.schema_name().to_string()).unwrap_or_default())
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Float64))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.first() {
            Some(value) => nearest_of(value),
            None => Ok(ColumnarValue::Scalar(ScalarValue::Null)),
        }
    }
}
