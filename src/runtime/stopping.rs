//! Operators that end in the middle of a batch when nobody waits for it.
//!
//! A task that is stopped ends when it lets go of its thread, and an operator does that between two batches. But an aggregate may compute
//! for minutes when its last row is there, in one go. Functions of ours ask by themselves whether anybody waits: here they are told
//! who, whichever thread the operator runs on, because the statement's token travels with what its operators need to run.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, Statistics};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, SlidingAggregateWindowExpr, StandardWindowExpr, WindowExpr};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{
    ChildStats, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, RecordBatchStream, SendableRecordBatchStream,
    StatisticsArgs,
};
use futures::{Stream, StreamExt};
use placido_udfs::{Stop, Stops};

use super::slices;

/// The operator's name.
pub(super) const NAME: &str = "StoppingExec";

/// Tells operators with functions that ask whether anybody waits who that is.
#[derive(Debug)]
pub(super) struct StopOperators;

impl PhysicalOptimizerRule for StopOperators {
    fn name(&self) -> &str {
        "StopOperators"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            Ok(match asks(plan.as_ref())? {
                true => Transformed::yes(Arc::new(StoppingExec::new(plan)) as Arc<dyn ExecutionPlan>),
                false => Transformed::no(plan),
            })
        })
        .data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether an operator calls functions that ask whether anybody waits. Of one row a model gives its answer at once.
fn asks(plan: &dyn ExecutionPlan) -> Result<bool> {
    let mut asks = aggregates(plan);
    let one_row = slices::of_one_row(plan);
    plan.apply_expressions(&mut |root| {
        root.apply(|expr| {
            let function = expr.downcast_ref::<ScalarFunctionExpr>().map(ScalarFunctionExpr::fun);
            asks |= function.is_some_and(|f| f.stops() || !one_row && placido_udfs::predict::is_network(f));
            Ok(if asks { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(asks)
}

/// Whether an operator aggregates by functions that ask whether anybody waits, over groups or windows.
pub(super) fn aggregates(plan: &dyn ExecutionPlan) -> bool {
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        return aggregate.aggr_expr().iter().any(|expr| expr.fun().stops());
    }
    let windows = match (plan.downcast_ref::<WindowAggExec>(), plan.downcast_ref::<BoundedWindowAggExec>()) {
        (Some(all), _) => all.window_expr(),
        (_, Some(some)) => some.window_expr(),
        _ => &[],
    };
    windows.iter().any(|expr| of_window(expr.as_ref()))
}

fn of_window(expr: &dyn WindowExpr) -> bool {
    let expr = expr.as_any();
    if let Some(growing) = expr.downcast_ref::<PlainAggregateWindowExpr>() {
        return growing.get_aggregate_expr().fun().stops();
    }
    if let Some(sliding) = expr.downcast_ref::<SlidingAggregateWindowExpr>() {
        return sliding.get_aggregate_expr().fun().stops();
    }
    let function = expr.downcast_ref::<StandardWindowExpr>().map(StandardWindowExpr::get_standard_func_expr);
    function.and_then(|function| function.as_any().downcast_ref::<WindowUDFExpr>()).is_some_and(|call| call.fun().stops())
}

/// Gives the rows of its input, which hears when nobody waits for them any more.
#[derive(Debug, Clone)]
struct StoppingExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl StoppingExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = Arc::clone(input.properties());
        Self { input, properties }
    }
}

impl DisplayAs for StoppingExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(NAME)
    }
}

impl ExecutionPlan for StoppingExec {
    fn name(&self) -> &str {
        NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return Err(DataFusionError::Internal(format!("{NAME} has one input")));
        };
        Ok(match options.children_properties {
            ChildrenPropertiesMode::Keep => Arc::new(Self { input, properties: Arc::clone(&self.properties) }),
            ChildrenPropertiesMode::Recompute => Arc::new(Self::new(input)),
        })
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let stop = context.session_config().get_extension::<Stop>();
        let input = self.input.execute(partition, context)?;
        Ok(match stop {
            Some(stop) => Box::pin(Stopping { stop, input }),
            None => input,
        })
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(inputs.first().map_or_else(|| Arc::new(Statistics::new_unknown(&self.schema())), Arc::clone))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        FilterDescription::from_children(parent_filters, &self.children())
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_all(result))
    }
}

struct Stopping {
    stop: Arc<Stop>,
    input: SendableRecordBatchStream,
}

impl Stream for Stopping {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { stop, input } = &mut *self;
        stop.during(|| input.poll_next_unpin(context))
    }
}

impl RecordBatchStream for Stopping {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::physical_plan::{collect, displayable};
    use datafusion::prelude::SessionContext;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "operators are tested without the engine")]
    fn session() -> SessionContext {
        let builder = SessionStateBuilder::new().with_default_features();
        let session = SessionContext::new_with_state(super::super::install(builder).build());
        placido_udfs::register_all(&session);
        session
    }

    async fn planned(session: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
        session.sql(sql).await.unwrap().create_physical_plan().await.unwrap()
    }

    #[tokio::test]
    async fn only_what_asks_is_told() {
        let session = session();
        for (sql, told) in [
            ("select x + 1 from generate_series(1, 9) as t(x)", false),
            ("select max(x), sum(x) from generate_series(1, 9) as t(x) group by x % 2", false),
            ("select row_number() over (order by x), sum(x) over (order by x) from generate_series(1, 9) as t(x)", false),
            ("select upper(x::text) from generate_series(1, 9) as t(x)", false),
            ("select psi(x, x > 4) from generate_series(1, 9) as t(x)", true),
            ("select mad(x) from generate_series(1, 9) as t(x) group by x % 2", true),
            ("select mad(x) over (order by x) from generate_series(1, 9) as t(x)", true),
            ("select mad(x) over (order by x rows between 1 preceding and current row) from generate_series(1, 9) as t(x)", true),
            ("select hampel(x, 2) over (order by x) from generate_series(1, 9) as t(x)", true),
            ("select vector_norm([x, 1]) from generate_series(1, 9) as t(x)", true),
        ] {
            let plan = displayable(planned(&session, sql).await.as_ref()).indent(false).to_string();
            assert_eq!(plan.contains(NAME), told, "{sql}: {plan}");
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_an_error() {
        let session = session();
        for sql in [
            "select psi(x, x > 4) from generate_series(1, 9) as t(x)",
            "select mad(x) from generate_series(1, 9) as t(x) group by x % 2",
            "select mad(x) over (order by x) from generate_series(1, 9) as t(x)",
            "select hampel(x, 2) over (order by x) from generate_series(1, 9) as t(x)",
            "select vector_norm([x, 1]) from generate_series(1, 9) as t(x)",
        ] {
            let stop = Arc::new(Stop::new());
            let config = session.copied_config().with_extension(Arc::clone(&stop));
            let context = Arc::new(TaskContext::default().with_session_config(config));
            collect(planned(&session, sql).await, Arc::clone(&context)).await.unwrap();
            stop.stop();
            assert!(collect(planned(&session, sql).await, context).await.is_err(), "{sql}");
            // Without anybody to ask for, it goes on to its end.
            collect(planned(&session, sql).await, session.task_ctx()).await.unwrap();
        }
    }
}
