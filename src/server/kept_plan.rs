//! Physical plans that are kept, so that a prepared statement is planned once and not at every execution.
//!
//! A plan is kept where nothing in it depends on when or by whom it is run: its tables are kept views in memory, its functions give the
//! same for the same arguments, and its operators can be made fresh. What else it depends on is in the [`Scope`](super::scope::Scope), and the version of the lake.
//! One plan serves one execution at a time, because its parameters have one place for their values; each further one that runs at the
//! same time gets a plan of its own, which is kept too.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::source_as_provider;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal,
    NegativeExpr, NotExpr, TryCastExpr,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use futures::FutureExt as _;
use placido_catalog::kept::KeptTable;
use placido_catalog::lake::{Lake, Pinned, Snapshot};
use placido_catalog::lookup::LookupExec;

use super::arithmetic;
use super::lookup;
use super::parameter::{PARAMETER, Values, with_parameters};
use super::plan::Planned;
use super::types;
use crate::runtime;

/// Plans of one statement that wait to be run; as many more may run at the same time.
const MAX_WAITING: usize = 16;

/// Operators whose state is made fresh by `reset_plan_states`. Left out are those that share something with what ran before: dynamic
/// filters, recursive queries, results of scalar subqueries.
const FRESH: &[&str] = &[
    "AggregateExec",
    "BoundedWindowAggExec",
    "CoalesceBatchesExec",
    "CoalescePartitionsExec",
    "CrossJoinExec",
    "DataSourceExec",
    "EmptyExec",
    "FilterExec",
    "GlobalLimitExec",
    "HashJoinExec",
    "LocalLimitExec",
    "LookupExec",
    "NestedLoopJoinExec",
    "PlaceholderRowExec",
    "ProjectionExec",
    "RepartitionExec",
    "SortExec",
    "SortPreservingMergeExec",
    "UnionExec",
    "UnnestExec",
    "WindowAggExec",
];

/// Operators that give a row or two at once.
const QUICK: &[&str] = &["EmptyExec", "FilterExec", "GlobalLimitExec", "LocalLimitExec", "PlaceholderRowExec", "ProjectionExec"];

/// Functions whose volatility is `Stable` because they go by the models, which are one snapshot with the catalogue.
const PREDICT: &[&str] = &["predict", "predict_proba", "predict_detail"];

/// The kept plans of one statement.
#[derive(Debug)]
pub(crate) struct KeptPlan {
    waiting: Mutex<Waiting>,
    /// The lake whose files the rows are made of, where there are tables.
    lake: Option<Arc<Lake>>,
}

#[derive(Debug, Default)]
struct Waiting {
    plans: Vec<Instance>,
    /// Why none is kept: planning without values failed, or gave an operator that can't be run twice.
    refused: bool,
    /// Bytes of one plan, about.
    bytes: usize,
}

/// A plan with places for the values of its parameters.
#[derive(Debug)]
struct Instance {
    plan: Arc<dyn ExecutionPlan>,
    values: Values,
    quick: bool,
    /// The version of the lake whose rows it reads.
    version: Option<String>,
}

impl Instance {
    fn is_of(&self, snapshot: Option<&Snapshot>) -> bool {
        self.version.as_deref() == snapshot.map(Snapshot::settled_version)
    }
}

/// A plan while it runs. It goes back when this is dropped, which must be after its rows.
#[derive(Debug)]
pub(crate) struct Lease {
    instance: Option<Instance>,
    planned: Arc<Planned>,
}

impl KeptPlan {
    /// A place for the plans of a query, if they may be kept: if the same text gives the same plan for as long as its scope and the
    /// files of the lake stay the same.
    pub(crate) fn of(plan: &LogicalPlan) -> Option<Self> {
        let lake = may_be_kept(plan)?;
        Some(Self { waiting: Mutex::default(), lake })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that the plans hold, about.
    pub(crate) fn bytes(&self) -> usize {
        let waiting = self.waiting();
        waiting.bytes.saturating_mul(waiting.plans.len().max(1))
    }

    /// A waiting plan, if there is one that `wanted` wants.
    fn take(&self, wanted: impl Fn(&Instance) -> bool) -> Option<Instance> {
        let mut waiting = self.waiting();
        let at = waiting.plans.iter().rposition(wanted)?;
        Some(waiting.plans.swap_remove(at))
    }
}

impl Lease {
    /// A plan that waits and is done in next to no time, so that it needs no task of its own.
    pub(crate) fn quick(planned: &Arc<Planned>, context: &TaskContext) -> Option<Self> {
        let kept = planned.kept.as_ref()?;
        let snapshot = match &kept.lake {
            None => None,
            // Where the lake has to be listed first, that takes time.
            Some(lake) => Some(match context.session_config().get_extension::<Pinned>().and_then(|pinned| pinned.0.clone()) {
                Some(pinned) => pinned,
                None => lake.snapshot().now_or_never()?.ok()?,
            }),
        };
        let instance = kept.take(|instance| instance.quick && instance.is_of(snapshot.as_deref()))?;
        Some(Self::of(instance, planned))
    }

    /// A plan that waits, or a new one; nothing where plans of this statement can't be kept.
    pub(crate) async fn any(planned: &Arc<Planned>, state: &SessionState) -> Option<Self> {
        let kept = planned.kept.as_ref()?;
        if kept.waiting().refused {
            return None;
        }
        let snapshot = match &kept.lake {
            None => None,
            Some(lake) => Some(lake.snapshot_for(state).await.ok()?),
        };
        if let Some(instance) = kept.take(|instance| instance.is_of(snapshot.as_deref())) {
            return Some(Self::of(instance, planned));
        }
        // Rows of another lake than the one that is asked for now are not held for long.
        kept.waiting().plans.retain(|instance| instance.is_of(snapshot.as_deref()));
        match Instance::plan(planned, state, snapshot.as_deref()).await {
            Ok(Made::Kept(instance)) => Some(Self::of(instance, planned)),
            Ok(Made::NotNow) => None,
            // Planned again with the values, it may do; if not, that error is the one to tell.
            Ok(Made::Never) | Err(_) => {
                kept.waiting().refused = true;
                None
            }
        }
    }

    fn of(instance: Instance, planned: &Arc<Planned>) -> Self {
        planned.runs.generic.fetch_add(1, Ordering::Relaxed);
        Self { instance: Some(instance), planned: Arc::clone(planned) }
    }

    /// The plan, fresh, for these values.
    pub(crate) fn plan(&self, values: Vec<ScalarValue>) -> Result<Arc<dyn ExecutionPlan>> {
        let instance = self
            .instance
            .as_ref()
            .ok_or_else(|| datafusion::error::DataFusionError::Internal("a kept plan was taken twice".to_owned()))?;
        instance.values.set(values);
        reset_plan_states(Arc::clone(&instance.plan))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(instance), Some(kept)) = (self.instance.take(), &self.planned.kept) {
            // Values may be long, and are a user's own.
            instance.values.set(Vec::new());
            let mut waiting = kept.waiting();
            if waiting.plans.len() < MAX_WAITING {
                waiting.plans.push(instance);
            }
        }
    }
}

/// What became of planning without values.
enum Made {
    Kept(Instance),
    /// The rows are not in memory at the moment.
    NotNow,
    /// The plan can't be run twice.
    Never,
}

impl Instance {
    /// Plans with parameters in place of values.
    async fn plan(planned: &Arc<Planned>, state: &SessionState, snapshot: Option<&Snapshot>) -> Result<Made> {
        let values = Values::default();
        let plan = with_parameters(&planned.plan, &planned.parameters, &values)?;
        let mut state = state.clone();
        {
            let optimizer = &mut state.config_mut().options_mut().optimizer;
            optimizer.enable_dynamic_filter_pushdown = false;
            optimizer.enable_topk_dynamic_filter_pushdown = false;
            optimizer.enable_join_dynamic_filter_pushdown = false;
            optimizer.enable_aggregate_dynamic_filter_pushdown = false;
        }
        let optimized = if lookup::is_lookup(&plan) { plan } else { state.optimize(&plan)? };
        if all_by_key(&optimized)? {
            // A few rows are not worth several threads.
            state.config_mut().options_mut().execution.target_partitions = 1;
        }
        let plan = state.query_planner().create_physical_plan(&optimized, &state).await?;
        // The engine unifies texts of different layouts only now; on the wire they are one type.
        let (made, told) = (plan.schema(), planned.plan.schema().inner());
        let same_types = made.fields().len() == told.fields().len()
            && made.fields().iter().zip(told.fields()).all(|(made, told)| types::of_field(made) == types::of_field(told));
        let mut look = Look { fresh: true, in_memory: true, quick: true, size: 0 };
        look.at(&plan)?;
        if !look.in_memory {
            return Ok(Made::NotNow);
        }
        if !same_types || !look.fresh {
            return Ok(Made::Never);
        }
        if let Some(kept) = &planned.kept {
            kept.waiting().bytes = look.size;
        }
        let version = snapshot.map(|snapshot| snapshot.settled_version().to_owned());
        Ok(Made::Kept(Self { plan, values, quick: look.quick, version }))
    }
}

/// What a physical plan is made of.
struct Look {
    fresh: bool,
    /// Whether all rows come from memory.
    in_memory: bool,
    quick: bool,
    size: usize,
}

impl Look {
    fn at(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
        if let Some(source) = plan.downcast_ref::<DataSourceExec>() {
            self.in_memory &= source.data_source().is::<MemorySourceConfig>();
        }
        let for_threads = runtime::OPERATORS.contains(&plan.name());
        self.fresh &= for_threads || FRESH.contains(&plan.name());
        let own_filter = !plan.dynamic_expressions_produced().is_empty();
        let by_key = plan.downcast_ref::<LookupExec>().is_some_and(LookupExec::is_by_key);
        self.quick &= by_key || for_threads || QUICK.contains(&plan.name());
        // An operator with its properties and metrics; its columns; its expressions.
        self.size += 2_048 + 64 * plan.schema().fields().len();
        plan.apply_expressions(&mut |root| {
            root.apply(|expr| {
                self.size += 256;
                // A filter that another operator fills while it runs would remember the last run.
                self.fresh &= own_filter || !expr.is::<DynamicFilterPhysicalExpr>();
                self.quick &= is_quick(expr);
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        plan.children().into_iter().try_for_each(|child| self.at(child))
    }
}

/// Whether an expression takes no time to speak of for a row, whatever its arguments are.
fn is_quick(expr: &Arc<dyn PhysicalExpr>) -> bool {
    if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() {
        let name = call.fun().name();
        return name == PARAMETER || PREDICT.contains(&name) || name.starts_with("scores[") || arithmetic::is_operator(name);
    }
    expr.is::<Column>()
        || expr.is::<Literal>()
        || expr.is::<BinaryExpr>()
        || expr.is::<CastExpr>()
        || expr.is::<TryCastExpr>()
        || expr.is::<IsNullExpr>()
        || expr.is::<IsNotNullExpr>()
        || expr.is::<NotExpr>()
        || expr.is::<NegativeExpr>()
        || expr.is::<LikeExpr>()
        || expr.is::<InListExpr>()
        || expr.is::<CaseExpr>()
}

/// Whether every table of an optimized plan is asked by its key.
fn all_by_key(plan: &LogicalPlan) -> Result<bool> {
    let mut all = true;
    plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::TableScan(scan) = plan {
            let provider = source_as_provider(&scan.source)?;
            all &= provider.downcast_ref::<KeptTable>().is_some_and(|kept| kept.is_asked_by_key(&scan.filters));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(all)
}

/// The lake behind the tables of a query whose plan may be kept, `None` inside where it has no tables.
#[expect(clippy::option_option, reason = "outside: may not be kept; inside: has no tables")]
fn may_be_kept(plan: &LogicalPlan) -> Option<Option<Arc<Lake>>> {
    let (mut may, mut lake) = (true, None);
    let looked = plan.apply_with_subqueries(|plan| {
        may &= match plan {
            LogicalPlan::TableScan(scan) => {
                let provider = source_as_provider(&scan.source)?;
                let kept = provider.downcast_ref::<KeptTable>().filter(|kept| kept.is_in_memory());
                if let Some(kept) = kept {
                    lake = Some(Arc::clone(kept.lake()));
                }
                kept.is_some()
            }
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Unnest(_) => true,
            _ => false,
        };
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                may &= is_the_same_each_time(expr);
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(if may { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    (may && looked.is_ok()).then_some(lake)
}

fn is_the_same_each_time(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => {
            // What is volatile is computed when the plan runs. What is stable, such as now(), is computed when it is made.
            call.func.signature().volatility != Volatility::Stable || PREDICT.contains(&call.func.name())
        }
        Expr::HigherOrderFunction(_) | Expr::ScalarVariable(..) => false,
        // Arguments of aggregates are looked at when the plan is made, some by their value.
        Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
            !expr.exists(|expr| Ok(matches!(expr, Expr::Placeholder(_)))).unwrap_or(true)
        }
        _ => true,
    }
}
