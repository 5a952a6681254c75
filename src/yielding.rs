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
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// Behind which of the engine's rules this one stands: those behind it may not find the plan changed any more.
const BEHIND: &str = "EnsureCooperative";

/// The operators that make many batches of one.
const MULTIPLYING: &[&str] = &["CrossJoinExec", "HashJoinExec", "NestedLoopJoinExec", "SortMergeJoinExec", "UnnestExec"];

/// The engine's rules for physical plans, and this one among them.
pub fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let place = rules.iter().position(|rule| rule.name() == BEHIND).map_or(rules.len(), |place| place + 1);
    rules.insert(place, Arc::new(YieldInJoins));
    rules
}

#[derive(Debug)]
struct YieldInJoins;

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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_stands_behind_the_one_that_it_completes() {
        let names: Vec<String> = rules().iter().map(|rule| rule.name().to_owned()).collect();
        let place = names.iter().position(|name| name == BEHIND).unwrap();
        assert_eq!(names[place + 1], "YieldInJoins");
    }
}
