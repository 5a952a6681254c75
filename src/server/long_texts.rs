//! Functions that make texts of any length out of short ones: how long they become is known before they are made, and bounded.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::error::PgError;

/// Bytes that a call may make of one batch of rows.
const MAX_BYTES: i128 = 256 * 1024 * 1024;

/// The functions, and whether their number says how often the text comes, and not how long it becomes.
const FUNCTIONS: &[(&str, bool)] = &[("lpad", false), ("rpad", false), ("repeat", true)];

/// Puts the functions before the engine's, which make the texts.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    for (name, repeats) in FUNCTIONS {
        let inner = state.udf(name)?;
        let signature = Signature::user_defined(Volatility::Immutable);
        state.register_udf(Arc::new(Bounded { name, repeats: *repeats, inner, signature }.into()))?;
    }
    Ok(())
}

#[derive(Debug)]
struct Bounded {
    name: &'static str,
    repeats: bool,
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Bounded {
    /// The bytes that a call makes, counting one for a character of what is filled up.
    fn bytes(&self, args: &ScalarFunctionArgs) -> Result<i128> {
        let [text, number, ..] = args.args.as_slice() else { return Ok(0) };
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let numbers = cast(&number.to_array(rows)?, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        let texts = match self.repeats {
            true => Some(cast(&text.to_array(rows)?, &DataType::Utf8)?),
            false => None,
        };
        let each = |row: usize| {
            let number = if numbers.is_valid(row) { i128::from(numbers.value(row).max(0)) } else { 0 };
            let length = texts.as_ref().map_or(1, |texts| {
                let texts = texts.as_string::<i32>();
                if texts.is_valid(row) { texts.value(row).len() } else { 0 }
            });
            number * i128::try_from(length).unwrap_or(i128::MAX)
        };
        Ok((0..rows).map(each).sum())
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let fields: Vec<FieldRef> =
            types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true)) as FieldRef).collect();
        let coerced = fields_with_udf(&fields, self.inner.as_ref())?;
        Ok(coerced.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, info)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.bytes(&args)? > MAX_BYTES {
            return Err(PgError::new("54000", "requested length too large").into());
        }
        self.inner.invoke_with_args(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
