//! `EXCEPT ALL` and `INTERSECT ALL`: rows that are equal are counted. The engine looks only whether the other side has any, so equal rows
//! are numbered, and the first, the second … are compared with the first, the second … of the other side.

use datafusion::sql::sqlparser::ast::{Ident, SelectItem, SetExpr, SetOperator, SetQuantifier, TableFactor};

use super::sets::parsed;
use super::sources::select_of;
use crate::server::error::PgError;
use crate::server::names;

/// Rewrites these operations in the body of a query.
pub(super) fn count(body: &mut SetExpr) -> Result<(), PgError> {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return Ok(()) };
    count(left)?;
    count(right)?;
    let word = match op {
        SetOperator::Except => "EXCEPT",
        SetOperator::Intersect => "INTERSECT",
        _ => return Ok(()),
    };
    if *set_quantifier != SetQuantifier::All {
        return Ok(());
    }
    let Some(counted) = counted(word, left, right) else {
        return Err(PgError::new("0A000", format!("{word} ALL is not supported where * stands for the columns"))
            .with_hint("Name the columns on both sides."));
    };
    *body = counted;
    Ok(())
}

fn counted(word: &str, left: &SetExpr, right: &SetExpr) -> Option<SetExpr> {
    let shown = names::of_body(left)?;
    let quoted = |name: &str| Ident::with_quote('"', name).to_string();
    let columns: Vec<String> = (0..shown.len()).map(|at| quoted(&format!("\u{1}column{at}"))).collect();
    let columns = columns.join(", ");
    let side = format!(
        "SELECT {columns}, row_number() OVER (PARTITION BY {columns}) AS \"\u{1}number\" FROM (SELECT 1) AS \"\u{1}side\" ({columns})"
    );
    let mut query = parsed(&format!("SELECT {columns} FROM ({side} {word} {side}) AS \"\u{1}counted\""))?;
    let select = select_of(&mut query)?;
    for (item, name) in select.projection.iter_mut().zip(&shown) {
        if let SelectItem::UnnamedExpr(expr) = item {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
        }
    }
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else { return None };
    let SetExpr::SetOperation { left: of_left, right: of_right, .. } = subquery.body.as_mut() else { return None };
    put(of_left, left)?;
    put(of_right, right)?;
    Some(*query.body)
}

/// Puts what is read into one side.
fn put(side: &mut SetExpr, body: &SetExpr) -> Option<()> {
    let SetExpr::Select(select) = side else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else { return None };
    *subquery.body = body.clone();
    Some(())
}
