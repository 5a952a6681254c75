//! Parts of a statement that writes, rewritten for the queries that are made of it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, Expr, Ident, ObjectName, Select, SelectItem, VisitMut, VisitorMut};

use super::draft::{Draft, last};
use crate::server::columns::parse;
use crate::server::error::PgError;
use crate::server::names::{identifier, name_of};

/// The name in quotes.
pub(super) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// The name of a column that only RETURNING needs.
pub(super) fn carried_name(at: usize) -> String {
    format!("\u{1}carried {at}")
}

/// The query that a statement of the server's own making is, with something put into its SELECT.
pub(super) fn query_of(statement: ast::Statement, change: impl FnOnce(&mut Select)) -> Result<ast::Query, PgError> {
    let ast::Statement::Query(mut query) = statement else { return Err(PgError::new("XX000", "not a query")) };
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return Err(PgError::new("XX000", "not a SELECT")) };
    change(select);
    Ok(*query)
}

/// An expression under a name.
pub(super) fn named(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: quoted(name) }
}

/// A column of the table under the name by which the statement speaks of it.
pub(super) fn column(alias: &Ident, name: &str) -> Expr {
    Expr::CompoundIdentifier(vec![alias.clone(), quoted(name)])
}

/// Takes the schema off columns that are named with it: in the queries the table stands under its plain name.
pub(super) fn without_schema(part: &mut impl VisitMut, draft: &Draft<'_>) {
    struct Shortener<'a>(&'a str, &'a str);
    impl VisitorMut for Shortener<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(parts) = expr
                && let [schema, table, _] = parts.as_slice()
                && identifier(schema) == self.0
                && identifier(table) == self.1
            {
                parts.remove(0);
            }
            ControlFlow::Continue(())
        }
    }
    if identifier(&draft.alias) == draft.name {
        let _ = VisitMut::visit(part, &mut Shortener(&draft.schema, &draft.name));
    }
}

/// RETURNING over the rows that have been written.
pub(super) struct Returned {
    pub(super) items: Vec<SelectItem>,
    /// What it names beside the columns of the table; see [`carried_name`].
    pub(super) carried: Vec<Expr>,
}

impl Returned {
    /// Rewrites RETURNING. `from` are the other tables of the statement.
    pub(super) async fn of(draft: &Draft<'_>, items: Vec<SelectItem>, from: &[ast::TableWithJoins]) -> Result<Self, PgError> {
        let mut carrier = Carrier { draft, carried: Vec::new(), alone: from.is_empty() };
        let mut made = Vec::with_capacity(items.len());
        for item in items {
            match item {
                SelectItem::Wildcard(_) => {
                    made.extend(carrier.own());
                    for table in names_of(from) {
                        made.extend(carrier.others(&table, from).await?);
                    }
                }
                SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let table = last(&name);
                    match table == identifier(&draft.alias) {
                        true => made.extend(carrier.own()),
                        false => made.extend(carrier.others(&quoted(&table), from).await?),
                    }
                }
                SelectItem::UnnamedExpr(mut expr) => {
                    let name = name_of(&expr).unwrap_or_else(|| "?column?".to_owned());
                    let _ = VisitMut::visit(&mut expr, &mut carrier);
                    made.push(named(expr, &name));
                }
                SelectItem::ExprWithAlias { mut expr, alias } => {
                    let _ = VisitMut::visit(&mut expr, &mut carrier);
                    made.push(SelectItem::ExprWithAlias { expr, alias });
                }
                _ => return Err(PgError::new("0A000", "this form of RETURNING is not supported")),
            }
        }
        Ok(Self { items: made, carried: carrier.carried })
    }

    /// The columns that the query of the rows gives for it.
    pub(super) fn projection(&self) -> impl Iterator<Item = SelectItem> {
        self.carried.iter().enumerate().map(|(at, expr)| named(expr.clone(), &carried_name(at)))
    }
}

/// The names of the tables of a FROM.
fn names_of(from: &[ast::TableWithJoins]) -> Vec<Ident> {
    let factors =
        from.iter().flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
    factors
        .filter_map(|factor| match factor {
            ast::TableFactor::Table { name, alias, .. } => {
                Some(alias.as_ref().map_or_else(|| quoted(&last(name)), |alias| alias.name.clone()))
            }
            ast::TableFactor::Derived { alias, .. }
            | ast::TableFactor::TableFunction { alias, .. }
            | ast::TableFactor::Function { alias, .. } => alias.as_ref().map(|alias| alias.name.clone()),
            _ => None,
        })
        .collect()
}

/// Finds what the table does not have.
struct Carrier<'a> {
    draft: &'a Draft<'a>,
    carried: Vec<Expr>,
    /// Whether the statement has no other tables.
    alone: bool,
}

impl Carrier<'_> {
    fn own(&self) -> Vec<SelectItem> {
        let alias = &self.draft.alias;
        self.draft.column_names().map(|name| named(column(alias, name), name)).collect()
    }

    /// The columns of another table.
    async fn others(&mut self, table: &Ident, from: &[ast::TableWithJoins]) -> Result<Vec<SelectItem>, PgError> {
        let from = from.to_vec();
        let probe = query_of(parse(&format!("SELECT {table}.* FROM x"))?, |select| select.from = from)?;
        let planned = self.draft.planner.plan(ast::Statement::Query(Box::new(probe)), &[]).await?;
        Ok(planned.names.iter().map(|name| named(self.carry(column(table, name)), name)).collect())
    }

    fn carry(&mut self, expr: Expr) -> Expr {
        let at = self.carried.iter().position(|known| *known == expr).unwrap_or_else(|| {
            self.carried.push(expr);
            self.carried.len() - 1
        });
        column(&self.draft.alias, &carried_name(at))
    }
}

impl VisitorMut for Carrier<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.alone {
            return ControlFlow::Continue(());
        }
        let foreign = match expr {
            Expr::Identifier(name) => self.draft.table.schema.index_of(&identifier(name)).is_err(),
            Expr::CompoundIdentifier(parts) => {
                parts.first().is_some_and(|table| identifier(table) != identifier(&self.draft.alias))
            }
            _ => false,
        };
        if foreign {
            let carried = self.carry(expr.clone());
            *expr = carried;
        }
        ControlFlow::Continue(())
    }
}

/// The column that an assignment is to.
pub(super) fn assigned_column(name: &ObjectName) -> String {
    last(name)
}
