//! Rows beside rows: `(a, b) = (x, y)`, compared value by value as SQL has it, where NULL is unknown. To the engine a row is a value, and
//! NULL in it equals NULL.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Ident, Query, SetExpr, TableFactor, UnaryOperator};

use super::sets::parsed;
use crate::server::spelling::row_parts;

/// The values of a row of two or more.
fn row(expr: &Expr) -> Option<Vec<Expr>> {
    row_parts(expr).filter(|values| values.len() > 1)
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |expr: Expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::BinaryOp { left: nested(left), op, right: nested(right) }
}

fn joined(parts: impl IntoIterator<Item = Expr>, op: BinaryOperator) -> Option<Expr> {
    parts.into_iter().reduce(|all, one| binary(all, op.clone(), one))
}

fn equal(left: &[Expr], right: &[Expr]) -> Option<Expr> {
    let pairs = left.iter().zip(right).map(|(left, right)| binary(left.clone(), BinaryOperator::Eq, right.clone()));
    joined(pairs, BinaryOperator::And)
}

/// `left op right`: the first values that differ decide.
fn ordered(left: &[Expr], op: &BinaryOperator, right: &[Expr]) -> Option<Expr> {
    let strict = match op {
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        _ => BinaryOperator::Gt,
    };
    let (last, before) = (left.len().checked_sub(1)?, left.iter().zip(right));
    let mut found = binary(left.get(last)?.clone(), op.clone(), right.get(last)?.clone());
    for (left, right) in before.take(last).rev() {
        let decided = binary(left.clone(), strict.clone(), right.clone());
        let same = binary(left.clone(), BinaryOperator::Eq, right.clone());
        found = binary(decided, BinaryOperator::Or, binary(same, BinaryOperator::And, found));
    }
    Some(found)
}

/// `(a, b) IN (SELECT x, y …)`, as a question for a row that is the same.
fn found_in(values: &[Expr], query: &Query) -> Option<Expr> {
    let names: Vec<String> = (0..values.len()).map(|at| format!("\"\u{1}value{at}\"")).collect();
    let mut around = parsed(&format!("SELECT 1 FROM (SELECT 1) AS \"\u{1}rows\" ({})", names.join(", ")))?;
    let SetExpr::Select(select) = around.body.as_mut() else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else {
        return None;
    };
    **subquery = query.clone();
    let columns: Vec<Expr> = names.iter().map(|name| column(name)).collect();
    select.selection = equal(&columns, values);
    Some(Expr::Exists { subquery: around, negated: false })
}

fn column(quoted: &str) -> Expr {
    let name = quoted.trim_matches('"');
    Expr::Identifier(Ident::with_quote('"', name))
}

/// What a comparison of rows is short for.
pub(super) fn compared(expr: &Expr) -> Option<Expr> {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let found = match expr {
        Expr::BinaryOp { left, op, right } if matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq) => {
            let (left, right) = (row(left)?, row(right)?);
            if left.len() != right.len() {
                return None;
            }
            match op {
                Eq => equal(&left, &right)?,
                NotEq => {
                    let pairs = left.iter().zip(&right).map(|(left, right)| binary(left.clone(), NotEq, right.clone()));
                    joined(pairs, BinaryOperator::Or)?
                }
                _ => ordered(&left, op, &right)?,
            }
        }
        Expr::InList { expr, list, negated } => {
            let values = row(expr)?;
            let rows: Vec<Vec<Expr>> = list.iter().map(row).collect::<Option<_>>()?;
            if rows.iter().any(|row| row.len() != values.len()) {
                return None;
            }
            let any = rows.iter().map(|row| equal(&values, row)).collect::<Option<Vec<_>>>()?;
            let found = joined(any, BinaryOperator::Or)?;
            match negated {
                true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(Box::new(found))) },
                false => found,
            }
        }
        Expr::InSubquery { expr, subquery, negated: false } => found_in(&row(expr)?, subquery)?,
        Expr::IsNull(inner) => {
            let nulls = row(inner)?.into_iter().map(|value| Expr::IsNull(Box::new(Expr::Nested(Box::new(value)))));
            joined(nulls, BinaryOperator::And)?
        }
        Expr::IsNotNull(inner) => {
            let known = row(inner)?.into_iter().map(|value| Expr::IsNotNull(Box::new(Expr::Nested(Box::new(value)))));
            joined(known, BinaryOperator::And)?
        }
        _ => return None,
    };
    Some(Expr::Nested(Box::new(found)))
}
