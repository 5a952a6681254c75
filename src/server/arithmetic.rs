//! What the engine computes otherwise than PostgreSQL, replaced when a plan's types are known: sums, differences and products of integers
//! fail where they would wrap around, casts to and from texts go by PostgreSQL's spelling ([`casts`]), and casts to integers round
//! ([`rounding`]).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use datafusion::arrow::compute::kernels::numeric::{add, mul, neg, sub};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{BinaryExpr, Cast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

use super::error::{PgError, out_of_range};
use super::{casts, rounding};

/// The rule. It goes behind type coercion, where both sides of an operator have one type.
#[derive(Debug, Default)]
pub(crate) struct PostgresArithmetic;

impl AnalyzerRule for PostgresArithmetic {
    fn name(&self) -> &str {
        "postgres_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        // Most plans have nothing of it, and copying a wide one costs more than looking through it.
        let mut concerned = false;
        plan.apply_with_subqueries(|plan| {
            concerned = concerns(plan)?;
            Ok(if concerned { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if !concerned {
            return Ok(plan);
        }
        plan.transform_up_with_subqueries(of_plan).map(|changed| changed.data)
    }
}

/// Whether an operator of a plan has an expression that may have to be replaced.
fn concerns(plan: &LogicalPlan) -> Result<bool> {
    let mut concerned = false;
    plan.apply_expressions(|expr| {
        concerned |= expr.exists(|expr| Ok(may_change(expr)))?;
        Ok(if concerned { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(concerned)
}

fn may_change(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryExpr(BinaryExpr { op, .. }) => matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply),
        Expr::Negative(_) => true,
        Expr::Cast(cast) => {
            let wanted = cast.field.data_type();
            is_text(wanted) || is_interval(wanted) || is_integer(wanted)
        }
        _ => false,
    }
}

fn of_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    // The limits of a plan must stay what the engine knows; what a scan filters by is pushed to it later.
    if matches!(plan, LogicalPlan::Limit(_) | LogicalPlan::TableScan(_)) || !concerns(&plan)? {
        return Ok(Transformed::no(plan));
    }
    let schema = match plan.inputs().as_slice() {
        [] => DFSchema::empty(),
        inputs => merge_schema(inputs),
    };
    let names = NamePreserver::new(&plan);
    let changed = plan.map_expressions(|expr| {
        if !expr.exists(|expr| Ok(may_change(expr)))? {
            return Ok(Transformed::no(expr));
        }
        let name = names.save(&expr);
        Ok(expr.transform_up(|expr| of_expr(expr, &schema))?.update_data(|expr| name.restore(expr)))
    })?;
    if changed.transformed { changed.map_data(LogicalPlan::recompute_schema) } else { Ok(changed) }
}

fn of_expr(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is = |expr: &Expr, wanted: fn(&DataType) -> bool| expr.get_type(schema).is_ok_and(|data_type| wanted(&data_type));
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let checked = match op {
                Operator::Plus => Some(Checked::Plus),
                Operator::Minus => Some(Checked::Minus),
                Operator::Multiply => Some(Checked::Multiply),
                _ => None,
            };
            // Chains of operators grow to the left, so that the type is found sooner on the right.
            match checked.filter(|_| is(&right, is_integer) && (is_checked(&left) || is(&left, is_integer))) {
                Some(checked) => Transformed::yes(ScalarUDF::from(Arithmetic::new(checked)).call(vec![*left, *right])),
                None => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
            }
        }
        Expr::Negative(value) if is(&value, is_integer) => {
            Transformed::yes(ScalarUDF::from(Arithmetic::new(Checked::Negate)).call(vec![*value]))
        }
        Expr::Cast(Cast { expr, field }) if is_text(field.data_type()) && is(&expr, casts::is_spelled) => {
            Transformed::yes(converted(casts::ToText::default(), *expr, field))
        }
        Expr::Cast(Cast { expr, field }) if is_interval(field.data_type()) && is(&expr, is_text) => {
            Transformed::yes(converted(casts::ToInterval::default(), *expr, field))
        }
        Expr::Cast(Cast { expr, field }) if is_integer(field.data_type()) && literal(&expr).is_some() => {
            // A number that is written with a point is a numeric to PostgreSQL.
            let whole = literal(&expr).map_or(ScalarValue::Null, |value| ScalarValue::Float64(Some(value.round())));
            Transformed::yes(Expr::Cast(Cast::new_from_field(Box::new(Expr::Literal(whole, None)), field)))
        }
        Expr::Cast(Cast { expr, field }) if is_integer(field.data_type()) => match expr.get_type(schema) {
            Ok(DataType::Float32 | DataType::Float64) if !is_rounded(&expr) => {
                let nearest = ScalarUDF::from(rounding::Nearest::default()).call(vec![*expr]);
                Transformed::yes(Expr::Cast(Cast::new_from_field(Box::new(nearest), field)))
            }
            // A cast that takes decimals away rounds away from zero.
            Ok(DataType::Decimal128(precision, scale)) if scale > 0 => {
                let whole = Expr::Cast(Cast::new(expr, DataType::Decimal128(precision, 0)));
                Transformed::yes(Expr::Cast(Cast::new_from_field(Box::new(whole), field)))
            }
            Ok(DataType::Decimal256(precision, scale)) if scale > 0 => {
                let whole = Expr::Cast(Cast::new(expr, DataType::Decimal256(precision, 0)));
                Transformed::yes(Expr::Cast(Cast::new_from_field(Box::new(whole), field)))
            }
            _ => Transformed::no(Expr::Cast(Cast { expr, field })),
        },
        other => Transformed::no(other),
    })
}

/// A float that is written as such, and has decimals.
fn literal(expr: &Expr) -> Option<f64> {
    let value = match expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => *value,
        Expr::Negative(inner) => -literal(inner)?,
        _ => return None,
    };
    (value.fract() != 0.0).then_some(value)
}

/// Whether a float has no decimals already, because the rule has seen it.
fn is_rounded(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.name() == rounding::Nearest::default().name())
}

/// Whether an expression is one of these operators already, so that it gives an integer.
fn is_checked(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if is_operator(call.func.name()))
}

/// A name that does not grow with the expression, and is still another one for another expression.
fn short(name: String) -> String {
    const LONGEST: usize = 512;
    if name.len() <= LONGEST {
        return name;
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let begin: String = name.chars().take(64).collect();
    format!("{begin}… {:016x}", hasher.finish())
}

/// A call, with a cast where something else than its own type is wanted.
fn converted(function: impl ScalarUDFImpl + 'static, value: Expr, wanted: FieldRef) -> Expr {
    let given = function.return_type(&[]).ok();
    let call = ScalarUDF::from(function).call(vec![value]);
    match given.as_ref() == Some(wanted.data_type()) {
        true => call,
        false => Expr::Cast(Cast::new_from_field(Box::new(call), wanted)),
    }
}

fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int16 | DataType::Int32 | DataType::Int64)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_interval(data_type: &DataType) -> bool {
    // In another layout only the engine's own functions ask for one.
    *data_type == DataType::Interval(IntervalUnit::MonthDayNano)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Checked {
    Plus,
    Minus,
    Multiply,
    Negate,
}

impl Checked {
    fn name(self) -> &'static str {
        match self {
            Self::Plus => "integer_plus",
            Self::Minus => "integer_minus",
            Self::Multiply => "integer_multiply",
            Self::Negate => "integer_negate",
        }
    }
}

/// An operator on integers of one type.
#[derive(Debug)]
struct Arithmetic {
    operator: Checked,
    signature: Signature,
    /// The name in schemas, found once: the engine asks for it at every level of an expression, and each has those below it in its own.
    name: OnceLock<String>,
}

impl Arithmetic {
    fn new(operator: Checked) -> Self {
        let arguments = if operator == Checked::Negate { 1 } else { 2 };
        Self { operator, signature: Signature::any(arguments, Volatility::Immutable), name: OnceLock::new() }
    }

    fn shown(&self, arguments: &[String]) -> String {
        let sign = match self.operator {
            Checked::Plus => " + ",
            Checked::Minus => " - ",
            Checked::Multiply => " * ",
            Checked::Negate => "",
        };
        match arguments {
            [one] => format!("(- {one})"),
            both => both.join(sign),
        }
    }
}

impl PartialEq for Arithmetic {
    fn eq(&self, other: &Self) -> bool {
        self.operator == other.operator
    }
}

impl Eq for Arithmetic {}

impl Hash for Arithmetic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.operator.hash(state);
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.operator.name()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(self.shown(&args.iter().map(ToString::to_string).collect::<Vec<_>>()))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let found = || short(self.shown(&args.iter().map(|arg| arg.schema_name().to_string()).collect::<Vec<_>>()));
        Ok(self.name.get_or_init(found).clone())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Int64))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = args.arg_fields.first().map_or(DataType::Int64, |field| field.data_type().clone());
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), data_type, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let word = match args.return_field.data_type() {
            DataType::Int16 => "smallint",
            DataType::Int32 => "integer",
            _ => "bigint",
        };
        // Both sides are integers of one type: nothing else can go wrong.
        let wraps = |_: ArrowError| ArrowError::from_external_error(Box::new(out_of_range(word)));
        match (self.operator, args.args.as_slice()) {
            (Checked::Plus, [left, right]) => apply(left, right, |left, right| add(left, right).map_err(wraps)),
            (Checked::Minus, [left, right]) => apply(left, right, |left, right| sub(left, right).map_err(wraps)),
            (Checked::Multiply, [left, right]) => apply(left, right, |left, right| mul(left, right).map_err(wraps)),
            (_, [ColumnarValue::Array(value)]) => Ok(ColumnarValue::Array(neg(value.as_ref()).map_err(wraps)?)),
            (_, [ColumnarValue::Scalar(value)]) => {
                let negated = neg(value.to_array()?.as_ref()).map_err(wraps)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&negated, 0)?))
            }
            _ => Err(PgError::new("XX000", "an operator on integers has other arguments").into()),
        }
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(match (self.operator, inputs) {
            (Checked::Plus, [left, right]) => left.sort_properties.add(&right.sort_properties),
            (Checked::Minus, [left, right]) => left.sort_properties.sub(&right.sort_properties),
            _ => SortProperties::Unordered,
        })
    }
}

/// Whether a function is one of the operators on integers.
pub(crate) fn is_operator(name: &str) -> bool {
    [Checked::Plus, Checked::Minus, Checked::Multiply, Checked::Negate].iter().any(|operator| operator.name() == name)
}
