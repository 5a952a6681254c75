//! Named arguments that leave gaps: `f(x, third => 1)`.
//!
//! DataFusion wants every parameter before a named one to be given. Here the ones between that have a default are filled with
//! NULL, which stands for the default.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArguments, Ident, Statement, Value, VisitMut,
    VisitorMut,
};

use crate::FAMILIES;
use crate::function::{Head, Parameter};

/// Fills the gaps before named arguments of this crate's functions, anywhere in a statement. What is required stays as it is, so
/// that its absence is reported.
pub fn fill_defaults(statement: &mut Statement) {
    let _ = VisitMut::visit(statement, &mut Filler);
}

struct Filler;

impl VisitorMut for Filler {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            fill(function);
        }
        ControlFlow::Continue(())
    }
}

static HEADS: LazyLock<HashMap<&'static str, Head>> =
    LazyLock::new(|| FAMILIES.iter().flat_map(|f| f.entries()).map(|entry| (entry.head.name, entry.head)).collect());

/// The parameters of the function of this name, if it is one of [`FAMILIES`].
pub fn parameters(name: &str) -> Option<&'static [Parameter]> {
    HEADS.get(name).map(|head| head.parameters)
}

fn fill(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    let named: Vec<Option<String>> = list.args.iter().map(name_of).collect();
    if named.iter().all(Option::is_none) {
        return;
    }
    let name = function.name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.to_lowercase());
    let Some(head) = name.and_then(|name| HEADS.get(name.as_str())) else { return };
    let positional = named.iter().take_while(|name| name.is_none()).count();
    let place = |name: &String| head.parameters.iter().position(|p| p.name.eq_ignore_ascii_case(name));
    let given: Vec<usize> = named.iter().flatten().filter_map(place).collect();
    let Some(last) = given.iter().max() else { return };
    let missing = (positional..*last).filter(|at| !given.contains(at)).filter_map(|at| head.parameters.get(at));
    list.args.extend(missing.filter(|p| !p.default.is_empty()).map(|p| FunctionArg::Named {
        name: Ident::new(p.name),
        arg: FunctionArgExpr::Expr(Expr::Value(Value::Null.into())),
        operator: FunctionArgOperator::RightArrow,
    }));
}

/// The name of a named argument; PostgreSQL's dialect reads it as an expression.
fn name_of(argument: &FunctionArg) -> Option<String> {
    match argument {
        FunctionArg::Named { name, .. } | FunctionArg::ExprNamed { name: Expr::Identifier(name), .. } => Some(name.value.clone()),
        _ => None,
    }
}
