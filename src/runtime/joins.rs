//! Joins that let go of their thread.
//!
//! The engine's operators give way to others when the leaves of a plan do. A join makes many batches of one that it has read, and a
//! cross join of two long tables works for hours without reading again: it would go on when nobody wants its rows any more, because
//! a task that never waits cannot be stopped. So each batch that leaves such a join counts as one that was read.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// The operators that make many batches of one.
const MULTIPLYING: &[&str] = &["CrossJoinExec", "HashJoinExec", "NestedLoopJoinExec", "SortMergeJoinExec", "UnnestExec"];

/// Lets each batch that leaves a join count.
#[derive(Debug)]
pub(super) struct YieldInJoins;

impl PhysicalOptimizerRule for YieldInJoins {
    fn name(&self) -> &str {
        "YieldInJoins"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let wrapped = |plan: Arc<dyn ExecutionPlan>| {
            Ok(match MULTIPLYING.contains(&plan.name()) {
                true => Transformed::yes(Arc::new(CooperativeExec::new(plan)) as Arc<dyn ExecutionPlan>),
                false => Transformed::no(plan),
            })
        };
        plan.transform_up(wrapped).data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}
