//! Values as JSON: the operators of `json`, aggregates that make one of many values, and rows as values.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Value,
};

use super::{Rewriter, call, called, null};
use crate::server::names::identifier;

/// Marks the name of what stands in FROM where it is a value: an operator that nobody can write.
pub(crate) const WHOLE_ROW: &str = "whole row";

/// The row of what stands in FROM under a name, or the column of that name.
pub(super) fn whole_row(name: &str) -> Expr {
    let name = Expr::Value(Value::SingleQuotedString(name.to_owned()).into());
    Expr::BinaryOp { left: Box::new(name), op: BinaryOperator::Custom(WHOLE_ROW.to_owned()), right: Box::new(null()) }
}

/// Functions whose first argument is often a row.
const OF_ROWS: &[&str] = &["row_to_json", "to_json", "to_jsonb", "json_agg", "jsonb_agg"];

/// The function that an operator is.
pub(super) fn operator(operator: &BinaryOperator) -> Option<&'static str> {
    Some(match operator {
        BinaryOperator::Arrow => "placido_json_get",
        BinaryOperator::LongArrow => "placido_json_get_text",
        BinaryOperator::HashArrow => "placido_json_path",
        BinaryOperator::HashLongArrow => "placido_json_path_text",
        BinaryOperator::HashMinus => "placido_jsonb_delete_path",
        BinaryOperator::Question => "placido_jsonb_has",
        BinaryOperator::QuestionPipe => "placido_jsonb_has_any",
        BinaryOperator::QuestionAnd => "placido_jsonb_has_all",
        _ => return None,
    })
}

fn first(function: &mut Function) -> Option<&mut Expr> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    match list.args.first_mut()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

impl Rewriter<'_> {
    /// What a function of JSON becomes, where the engine has to be told more than its name.
    pub(super) fn json_function(&self, name: &str, function: &mut Function) -> Option<Function> {
        let mut of_row = false;
        if OF_ROWS.contains(&name)
            && let Some(value) = first(function)
            && let Expr::Identifier(row) = value
            && self.names_source(&identifier(row))
        {
            *value = whole_row(&identifier(row));
            of_row = true;
        }
        let gathers = match (name, of_row) {
            ("json_agg", false) => "placido_json_list",
            ("json_agg", true) => "placido_json_rows",
            ("jsonb_agg", _) => "placido_jsonb_list",
            ("json_object_agg", _) => "placido_json_members",
            ("jsonb_object_agg", _) => "placido_jsonb_members",
            _ => return None,
        };
        let mut inner = Function { name: ObjectName::from(Ident::new("array_agg")), ..function.clone() };
        let FunctionArguments::List(list) = &mut inner.args else { return None };
        let mut values = Vec::new();
        for argument in list.args.drain(..) {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument else { return None };
            values.push(value);
        }
        let made = match values.len() {
            1 => call("to_json", values),
            2 => call("placido_json_member", values),
            _ => return None,
        };
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(made)));
        Some(called(gathers, vec![Expr::Function(inner)]))
    }
}
