//! The threads that placido runs on, and how work shares them: nobody waits for somebody else's statement, and what is stopped stops.
//!
//! * [`start`]: the threads on which statements run, one a core, and those on which a server listens to its clients;
//! * [`apart`]: work that goes on for long without a pause, such as planning, on a thread of its own;
//! * [`install`]: plans whose operators give way to others, and operators and planning that hear that nobody waits for them any more.

mod apart;
mod joins;
mod slices;
pub(crate) mod stack;
mod stoppable;
mod stopping;

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use tokio::runtime::{Builder, Runtime};

pub(crate) use apart::{Ended, apart, check};

use crate::error::{Error, Result};

/// Deep SQL needs deep stacks: planning recurses with the nesting of a query.
pub const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Operators that say nothing of a query: they are there for the threads.
pub(crate) const OPERATORS: &[&str] = &["CooperativeExec", slices::NAME, stopping::NAME];

/// Starts one worker a core, each with a stack for deep SQL.
///
/// # Errors
/// When the operating system refuses the threads.
pub fn start() -> Result<Runtime> {
    named("placido")
}

/// Starts as many threads for the connections of a server, which have to hear their clients whatever the statements do.
///
/// # Errors
/// As [`start`].
pub(crate) fn for_connections() -> Result<Runtime> {
    named("connections")
}

fn named(name: &str) -> Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name(name)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| Error::Start(error.to_string()))
}

/// The engine's rules, and those that share the threads. To be called when all other rules are there.
pub fn install(mut builder: SessionStateBuilder) -> SessionStateBuilder {
    let analyzer = builder.analyzer().get_or_insert_default();
    analyzer.rules = std::mem::take(&mut analyzer.rules).into_iter().map(stoppable::analyzer).collect();
    let optimizer = builder.optimizer().get_or_insert_default();
    optimizer.rules = std::mem::take(&mut optimizer.rules).into_iter().map(stoppable::optimizer).collect();
    builder.with_physical_optimizer_rules(rules().into_iter().map(stoppable::physical).collect())
}

/// Behind which of the engine's rules those stand that share the threads: those behind it may not find the plan changed any more.
const BEHIND: &str = "EnsureCooperative";

fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let place = rules.iter().position(|rule| rule.name() == BEHIND).map_or(rules.len(), |place| place + 1);
    let own: [Arc<dyn PhysicalOptimizerRule + Send + Sync>; 3] =
        [Arc::new(joins::YieldInJoins), Arc::new(slices::SliceInputs), Arc::new(stopping::StopOperators)];
    rules.splice(place..place, own);
    rules
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_stand_behind_the_one_that_they_complete() {
        let names: Vec<String> = rules().iter().map(|rule| rule.name().to_owned()).collect();
        let place = names.iter().position(|name| name == BEHIND).unwrap();
        assert_eq!(names[place + 1..place + 4], ["YieldInJoins", "SliceInputs", "StopOperators"]);
    }
}
