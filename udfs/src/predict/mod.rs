//! `predict`, `predict_proba`, `predict_detail`: models as SQL functions.
//!
//! What a person writes is `predict('kc_dx')`. [`BindPredict`], the first analyzer rule, replaces it by two calls: one that
//! evaluates the network over the columns of its signature, `scores[kc_dx@v3 sha256:…](k_max_d, …)`, and one that makes the
//! answer of its scores. So the columns are known before the optimizer prunes what nobody reads, a plan shows which weights it
//! uses, and several answers of one model in one `select` share one evaluation.

mod answer;
mod bind;
mod functions;
mod inputs;
mod scores;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::ScalarUDF;
use datafusion::optimizer::AnalyzerRule;
use datafusion::prelude::SessionContext;

use crate::models::ModelResolver;

pub use answer::Status;
pub use bind::BindPredict;

/// The functions of this family over a set of models. They answer only in a session that also has [`BindPredict`]; use
/// [`install`] or [`register`] to get both.
pub fn functions(resolver: &Arc<dyn ModelResolver>) -> Vec<ScalarUDF> {
    functions::Form::ALL.iter().map(|form| functions::Predict::new(*form, Arc::clone(resolver)).into()).collect()
}

/// Whether a function evaluates a network, which ends early when [`Stop::during`](crate::Stop::during) was told so.
pub fn is_network(function: &ScalarUDF) -> bool {
    function.inner().is::<scores::Scores>()
}

/// Puts the functions and the rule that binds them into a session under construction. The rule goes in front of all others,
/// since type coercion and constant folding must see the bound calls.
pub fn install(mut builder: SessionStateBuilder, resolver: &Arc<dyn ModelResolver>) -> SessionStateBuilder {
    let rules = &mut builder.analyzer().get_or_insert_default().rules;
    rules.retain(|rule| rule.name() != BindPredict.name());
    rules.insert(0, Arc::new(BindPredict));
    let functions = functions(resolver).into_iter().map(Arc::new);
    builder.scalar_functions().get_or_insert_default().extend(functions);
    builder
}

/// Adds the functions and their rule to a session that exists.
pub fn register(ctx: &SessionContext, resolver: &Arc<dyn ModelResolver>) {
    let state = ctx.state_ref();
    let mut state = state.write();
    *state = install(SessionStateBuilder::new_from_existing(state.clone()), resolver).build();
}
