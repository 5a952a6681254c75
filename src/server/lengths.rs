//! Lengths of `bytea`: the engine's functions of these names take texts only.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int32Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The functions, and how many of what they count are in a byte.
const LENGTHS: &[(&str, i32)] = &[("octet_length", 1), ("length", 1), ("bit_length", 8)];

/// Puts the functions in the place of the engine's, which do what is left.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    for (name, per_byte) in LENGTHS {
        let inner = state.udf(name)?;
        let signature = Signature::user_defined(Volatility::Immutable);
        state.register_udf(Arc::new(Length { name, per_byte: *per_byte, inner, signature }.into()))?;
    }
    Ok(())
}

#[derive(Debug)]
struct Length {
    name: &'static str,
    per_byte: i32,
    /// The engine's function of this name.
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl PartialEq for Length {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Length {}

impl Hash for Length {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

impl ScalarUDFImpl for Length {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if let [only] = types
            && is_bytes(only)
        {
            return Ok(vec![DataType::Binary]);
        }
        let field = |data_type: &DataType| Arc::new(datafusion::arrow::datatypes::Field::new("", data_type.clone(), true));
        let fields: Vec<_> = types.iter().map(field).collect();
        let coerced = fields_with_udf(&fields, self.inner.as_ref())?;
        Ok(coerced.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [only] if is_bytes(only) => Ok(DataType::Int32),
            types => self.inner.return_type(types),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.first().filter(|value| is_bytes(&value.data_type())) else {
            return self.inner.invoke_with_args(args);
        };
        let counted = |array: &ArrayRef| -> ArrayRef {
            let length = |bytes: &[u8]| i32::try_from(bytes.len()).unwrap_or(i32::MAX).saturating_mul(self.per_byte);
            Arc::new(array.as_binary::<i32>().iter().map(|bytes| bytes.map(length)).collect::<Int32Array>())
        };
        Ok(match value {
            ColumnarValue::Array(array) => ColumnarValue::Array(counted(array)),
            ColumnarValue::Scalar(scalar) => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&counted(&scalar.to_array()?), 0)?)
            }
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
