//! A literal in quotes beside values of a type: `coalesce(day, '2024-01-01')`. It has that type; the engine would take both for texts.

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::error::PgError;

/// The name that the rewriter calls it by.
pub(crate) const NAME: &str = "placido_unknown";

/// The function: the second argument, a literal, in the type of the first.
pub(crate) fn function() -> ScalarUDF {
    ScalarUDF::from(Unknown(Signature::any(2, Volatility::Immutable)))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Unknown(Signature);

impl ScalarUDFImpl for Unknown {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let (like, literal) = (types.first(), types.get(1));
        let like = like.filter(|like| !is_text(like));
        like.or(literal).cloned().ok_or_else(|| PgError::new("XX000", "a literal has no neighbour").into())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Field::new(self.name(), self.return_type(&types)?, true).into())
    }

    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let [like, literal] = args.as_mut_slice() else { return Ok(ExprSimplifyResult::Original(args)) };
        let wanted = self.return_type(&[info.get_data_type(like)?, info.get_data_type(literal)?])?;
        let literal = std::mem::replace(literal, Expr::Literal(ScalarValue::Null, None));
        Ok(ExprSimplifyResult::Simplified(match is_text(&wanted) {
            true => literal,
            false => Expr::Cast(Cast::new(Box::new(literal), wanted)),
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let wanted = args.return_field.data_type().clone();
        match args.args.into_iter().nth(1) {
            Some(literal) => literal.cast_to(&wanted, None),
            None => Err(PgError::new("XX000", "a literal is missing").into()),
        }
    }
}
