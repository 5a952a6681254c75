//! What stands in a FROM, and how a SELECT names it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use crate::server::names::{identifier, name_of};

/// The name by which a relation is called.
pub(super) fn source(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { name, args: None, alias, .. } => {
            alias.as_ref().map(|alias| alias.name.clone()).or_else(|| name.0.last()?.as_ident().cloned())
        }
        TableFactor::Derived { alias, .. } => alias.as_ref().map(|alias| alias.name.clone()),
        TableFactor::Table { alias, .. } | TableFactor::UNNEST { alias, .. } | TableFactor::Function { alias, .. } => {
            alias.as_ref().map(|alias| alias.name.clone())
        }
        _ => None,
    }
}

/// The factors of one part of a FROM, in their order.
pub(super) fn factors(table: &TableWithJoins) -> impl Iterator<Item = &TableFactor> {
    std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation))
}

/// The condition of a join that has one.
pub(super) fn constraint(join: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match join {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => Some(constraint),
        _ => None,
    }
}

/// Both conditions.
pub(super) fn and(left: Option<Expr>, right: Expr) -> Expr {
    use datafusion::sql::sqlparser::ast::BinaryOperator::And;
    let nested = |expr: Expr| Box::new(Expr::Nested(Box::new(expr)));
    match left {
        None => right,
        Some(Expr::Value(value)) if value.value == Value::Boolean(true) => right,
        Some(left) => Expr::BinaryOp { left: nested(left), op: And, right: nested(right) },
    }
}

/// A column of a relation.
pub(super) fn column(source: &Ident, name: &Ident) -> Expr {
    Expr::CompoundIdentifier(vec![source.clone(), name.clone()])
}

/// `source.*`
pub(super) fn all_of(source: &Ident, options: WildcardAdditionalOptions) -> SelectItem {
    SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(source.clone())), options)
}

/// The name before the star, if an item is `source.*` without more.
pub(super) fn wildcard_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            name.0.last().and_then(|part| part.as_ident()).map(identifier)
        }
        _ => None,
    }
}

/// `*` as the stars of all that is read. Returns whether none is left.
pub(super) fn stars_by_source(select: &mut Select) -> bool {
    let is_star = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_));
    if !select.projection.iter().any(is_star) {
        return true;
    }
    let sources: Option<Vec<Ident>> = select.from.iter().flat_map(factors).map(source).collect();
    let Some(sources) = sources else { return false };
    let items = std::mem::take(&mut select.projection);
    for item in items {
        match item {
            SelectItem::Wildcard(options) => {
                select.projection.extend(sources.iter().map(|source| all_of(source, options.clone())));
            }
            other => select.projection.push(other),
        }
    }
    true
}

/// The SELECT of a query that is no set operation.
pub(super) fn select_of(query: &mut Query) -> Option<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

/// Writes something else for columns: `replacement` is asked with qualifier and name, without a qualifier only outside of the queries inside.
pub(super) struct Replace<'a> {
    /// Not a type of its own for each: a walk through the whole syntax would be compiled for it.
    replacement: &'a dyn Fn(Option<&str>, &str) -> Option<Expr>,
    depth: usize,
}

impl<'a> Replace<'a> {
    pub(super) fn new(replacement: &'a dyn Fn(Option<&str>, &str) -> Option<Expr>) -> Self {
        Self { replacement, depth: 0 }
    }

    /// In everything that a SELECT computes. What is shown keeps its name.
    pub(super) fn in_select(&mut self, select: &mut Select) {
        for item in &mut select.projection {
            let before = item.clone();
            let _ = VisitMut::visit(item, self);
            if let SelectItem::UnnamedExpr(expr) = item
                && SelectItem::UnnamedExpr(expr.clone()) != before
                && let SelectItem::UnnamedExpr(before) = &before
                && let Some(name) = name_of(before)
                && (!matches!(expr, Expr::CompoundIdentifier(_)) || name_of(expr).as_ref() != Some(&name))
            {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
            }
        }
        let _ = VisitMut::visit(&mut select.distinct, self);
        let _ = VisitMut::visit(&mut select.selection, self);
        let _ = VisitMut::visit(&mut select.group_by, self);
        let _ = VisitMut::visit(&mut select.having, self);
        let _ = VisitMut::visit(&mut select.named_window, self);
        for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
            let _ = VisitMut::visit(&mut join.join_operator, self);
        }
        // Queries in FROM see what stands before them, by its qualified names.
        self.depth += 1;
        for table in &mut select.from {
            let _ = VisitMut::visit(&mut table.relation, self);
            for join in &mut table.joins {
                let _ = VisitMut::visit(&mut join.relation, self);
            }
        }
        self.depth -= 1;
    }

    /// In the order of a query whose result has columns of these names: those alone mean the result.
    pub(super) fn in_order(&mut self, query: &mut Query) {
        let shown: Vec<String> = match query.body.as_ref() {
            SetExpr::Select(select) => select
                .projection
                .iter()
                .filter_map(|item| match item {
                    SelectItem::UnnamedExpr(expr) => name_of(expr),
                    SelectItem::ExprWithAlias { alias, .. } => Some(identifier(alias)),
                    _ => None,
                })
                .collect(),
            _ => return,
        };
        let Some(OrderByKind::Expressions(order)) = query.order_by.as_mut().map(|order| &mut order.kind) else { return };
        for key in order {
            if !matches!(&key.expr, Expr::Identifier(name) if shown.contains(&identifier(name))) {
                let _ = VisitMut::visit(&mut key.expr, self);
            }
        }
    }
}

impl VisitorMut for Replace<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let replaced = match expr {
            Expr::Identifier(name) if self.depth == 0 => (self.replacement)(None, &identifier(name)),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., table, name] => (self.replacement)(Some(&identifier(table)), &identifier(name)),
                _ => None,
            },
            // `(t).x`
            Expr::CompoundFieldAccess { root, access_chain } => match (root.as_ref(), access_chain.as_slice()) {
                (Expr::Nested(inner), [AccessExpr::Dot(Expr::Identifier(name))]) => match inner.as_ref() {
                    Expr::Identifier(table) => (self.replacement)(Some(&identifier(table)), &identifier(name)),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        };
        if let Some(replaced) = replaced {
            *expr = replaced;
        }
        ControlFlow::Continue(())
    }
}

/// Whether an expression is about to be walked through, or has been.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Enter,
    Leave,
}

/// Goes through expressions, but not into the queries in them.
pub(super) struct Walk<'a> {
    /// Not a type of its own for each, as in [`Replace`].
    change: &'a mut dyn FnMut(&mut Expr, Step),
    depth: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(change: &'a mut dyn FnMut(&mut Expr, Step)) -> Self {
        Self { change, depth: 0 }
    }
}

impl VisitorMut for Walk<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            (self.change)(expr, Step::Enter);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            (self.change)(expr, Step::Leave);
        }
        ControlFlow::Continue(())
    }
}
