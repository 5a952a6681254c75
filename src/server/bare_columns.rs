//! Columns of a condition that stand without their table.
//!
//! The engine takes such a column for clear where the condition names all others of its name with their tables, as in
//! `t.a = u.a AND a = 1`. In a list of columns it does not, so that it is asked for such a list.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, Ident, Query, SelectItem, SetExpr, Statement, Visit, Visitor};

use super::names::identifier;

/// The columns that a condition names, those of its subqueries left out.
#[derive(Default)]
struct Named {
    depth: usize,
    bare: Vec<Ident>,
    qualified: HashSet<(String, String)>,
}

impl Visitor for Named {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) if self.depth == 0 && !self.bare.contains(name) => self.bare.push(name.clone()),
            Expr::CompoundIdentifier(parts) if self.depth == 0 => {
                if let [.., table, column] = parts.as_slice() {
                    self.qualified.insert((identifier(column), identifier(table)));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// A query that is refused where a column in the condition of `statement` is ambiguous; nothing where the engine sees that itself.
pub(crate) fn probe(statement: &Statement) -> Option<Statement> {
    let Statement::Query(query) = statement else { return None };
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let condition = select.selection.as_ref()?;
    if select.from.iter().map(|table| 1 + table.joins.len()).sum::<usize>() < 2 {
        return None;
    }
    let mut named = Named::default();
    let _ = Visit::visit(condition, &mut named);
    let tables = |column: &Ident| named.qualified.iter().filter(|(name, _)| *name == identifier(column)).count();
    let doubtful: Vec<&Ident> = named.bare.iter().filter(|column| tables(column) > 1).collect();
    if doubtful.is_empty() {
        return None;
    }
    let mut select = select.as_ref().clone();
    let column = |name: &Ident| SelectItem::UnnamedExpr(Expr::Identifier(name.clone()));
    select.projection = doubtful.into_iter().map(column).collect();
    select.distinct = None;
    select.selection = None;
    select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
    select.having = None;
    select.qualify = None;
    select.named_window = Vec::new();
    let mut query = query.as_ref().clone();
    query.body = Box::new(SetExpr::Select(Box::new(select)));
    query.order_by = None;
    query.limit_clause = None;
    query.fetch = None;
    query.locks = Vec::new();
    Some(Statement::Query(Box::new(query)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    #[test]
    fn only_what_the_engine_lets_pass_is_asked_for() {
        let asked = |sql: &str| {
            let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            probe(&statement).map(|probe| probe.to_string())
        };
        assert_eq!(
            asked("select t.b from t, u where t.a = u.a and (A = 1 or a = 2) and b = 3 order by 1 limit 1").as_deref(),
            Some("SELECT A, a FROM t, u")
        );
        for sql in [
            "select t.b from t, u where t.a = u.a and b = 1",
            "select b from t where t.a = a",
            "select 1 from t, u where t.a = u.a and exists (select a from v)",
            "select 1 from t join u on t.a = u.a where a = 1",
            "values (1)",
        ] {
            assert_eq!(asked(sql), None, "{sql}");
        }
    }
}
