//! Moments and the session's time zone.
//!
//! In PostgreSQL a `timestamptz` is a moment, and its date, its hour or a comparison with a `timestamp` go by the session's zone. The engine goes
//! by the zone that a column is stored in, or by UTC. So wherever a plan changes between moments and the times of clocks, the session's
//! zone is put in between.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::functions::datetime::to_local_time;
use datafusion::logical_expr::expr::{BinaryExpr, Cast, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

/// Functions whose first moment, wherever it stands, is taken apart by the clock.
const OF_CLOCKS: &[&str] = &["date_bin", "date_part", "date_trunc", "to_char", "to_date"];

/// The rule. It goes behind type coercion, which adds casts of its own.
#[derive(Debug, Default)]
pub(crate) struct SessionZone;

impl AnalyzerRule for SessionZone {
    fn name(&self) -> &str {
        "session_zone"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let Some(zone) = config.execution.time_zone.as_deref().filter(|zone| !is_utc(zone)) else { return Ok(plan) };
        let zone: Arc<str> = Arc::from(zone);
        plan.transform_up_with_subqueries(|plan| of_plan(plan, &zone)).map(|changed| changed.data)
    }
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Etc/UTC" | "GMT" | "Z" | "+00:00" | "+00")
}

fn may_change(expr: &Expr) -> bool {
    match expr {
        Expr::Cast(_) | Expr::BinaryExpr(BinaryExpr { op: Operator::Plus | Operator::Minus, .. }) => true,
        Expr::ScalarFunction(call) => OF_CLOCKS.contains(&call.func.name()),
        _ => false,
    }
}

fn of_plan(plan: LogicalPlan, zone: &Arc<str>) -> Result<Transformed<LogicalPlan>> {
    if matches!(plan, LogicalPlan::Limit(_) | LogicalPlan::TableScan(_)) {
        return Ok(Transformed::no(plan));
    }
    let mut concerned = false;
    plan.apply_expressions(|expr| {
        concerned |= expr.exists(|expr| Ok(may_change(expr)))?;
        Ok(if concerned { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if !concerned {
        return Ok(Transformed::no(plan));
    }
    let schema = match plan.inputs().as_slice() {
        [] => DFSchema::empty(),
        inputs => merge_schema(inputs),
    };
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(expr.transform_up(|expr| of_expr(expr, &schema, zone))?.update_data(|expr| name.restore(expr)))
    })
}

fn of_expr(expr: Expr, schema: &DFSchema, zone: &Arc<str>) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Cast(Cast { expr: inner, field }) => {
            let from = inner.get_type(schema)?;
            let changed = match (&from, field.data_type()) {
                // The time of the session's clock.
                (DataType::Timestamp(unit, Some(_)), to) if of_clock(to) => Some(clock(*inner.clone(), *unit, zone)),
                // The moment at which the session's clock shows it.
                (from, DataType::Timestamp(unit, Some(to))) if of_clock(from) && to != zone => {
                    let naive = cast(*inner.clone(), DataType::Timestamp(*unit, None));
                    Some(cast(naive, DataType::Timestamp(*unit, Some(Arc::clone(zone)))))
                }
                // A text without an offset tells what the session's clock shows.
                (from, DataType::Timestamp(unit, Some(to))) if is_text(from) && to != zone => {
                    Some(cast(*inner.clone(), DataType::Timestamp(*unit, Some(Arc::clone(zone)))))
                }
                _ => None,
            };
            Ok(match changed {
                Some(changed) => Transformed::yes(Expr::Cast(Cast { expr: Box::new(changed), field })),
                None => Transformed::no(Expr::Cast(Cast { expr: inner, field })),
            })
        }
        // Months and days are those of the session's calendar, and a day of its clock need not have 24 hours.
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) => {
            let moment_of = |expr: &Expr| match expr.get_type(schema) {
                Ok(DataType::Timestamp(unit, Some(own))) if own != *zone => Some((unit, own)),
                _ => None,
            };
            let is_interval = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Interval(_)));
            let zoned = |expr: Expr, unit| cast(expr, DataType::Timestamp(unit, Some(Arc::clone(zone))));
            // Chains of operators grow to the left, so that the type is found sooner on the right.
            let found = if is_interval(&right) {
                moment_of(&left).map(|found| (found, true))
            } else {
                moment_of(&right).filter(|_| is_interval(&left)).map(|found| (found, false))
            };
            Ok(match found {
                Some(((unit, own), true)) => {
                    let sum = BinaryExpr::new(Box::new(zoned(*left, unit)), op, right);
                    Transformed::yes(cast(Expr::BinaryExpr(sum), DataType::Timestamp(unit, Some(own))))
                }
                Some(((unit, own), false)) => {
                    let sum = BinaryExpr::new(left, op, Box::new(zoned(*right, unit)));
                    Transformed::yes(cast(Expr::BinaryExpr(sum), DataType::Timestamp(unit, Some(own))))
                }
                None => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
            })
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if OF_CLOCKS.contains(&func.name()) => {
            let moment = |expr: &Expr| match expr.get_type(schema) {
                Ok(DataType::Timestamp(unit, Some(own))) if own != *zone => Some(unit),
                _ => None,
            };
            let Some((at, unit)) = args.iter().enumerate().find_map(|(at, arg)| Some((at, moment(arg)?))) else {
                return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })));
            };
            let before = Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&func), args: args.clone() }).get_type(schema)?;
            let zoned = DataType::Timestamp(unit, Some(Arc::clone(zone)));
            let args = args.into_iter().enumerate();
            let args = args.map(|(position, arg)| if position == at { cast(arg, zoned.clone()) } else { arg }).collect();
            let call = Expr::ScalarFunction(ScalarFunction { func, args });
            // What is around it was planned for the type that it had.
            Ok(Transformed::yes(if call.get_type(schema)? == before { call } else { cast(call, before) }))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether values of a type are those of a clock or calendar.
fn of_clock(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_)
    )
}

fn clock(moment: Expr, unit: TimeUnit, zone: &Arc<str>) -> Expr {
    to_local_time().call(vec![cast(moment, DataType::Timestamp(unit, Some(Arc::clone(zone))))])
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), data_type))
}
