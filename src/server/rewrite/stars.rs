//! What stands in a FROM as a whole: `t.*`, which the engine knows by the full name of `t` only, and `t` as a row.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Select, SelectItem,
    SelectItemQualifiedWildcardKind,
};

use super::Rewriter;
use super::json::whole_row;
use crate::server::names::identifier;

fn last(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(|part| part.as_ident()).map(identifier)
}

impl Rewriter<'_> {
    /// `t.*` and `t` in a select list.
    pub(super) fn rows_and_stars(&self, select: &mut Select) {
        for item in &mut select.projection {
            match item {
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    if let Some(full) = last(name).and_then(|name| self.full_source(&name)) {
                        *name = full.clone();
                    }
                }
                SelectItem::UnnamedExpr(Expr::Identifier(name)) if self.names_own_source(&identifier(name)) => {
                    let name = identifier(name);
                    *item = SelectItem::ExprWithAlias { expr: whole_row(&name), alias: Ident::with_quote('"', name) };
                }
                SelectItem::ExprWithAlias { expr, .. } => {
                    if let Expr::Identifier(name) = expr
                        && self.names_own_source(&identifier(name))
                    {
                        *expr = whole_row(&identifier(name));
                    }
                }
                _ => {}
            }
        }
    }

    /// `count(t)` and `count(t.*)`: of rows.
    pub(super) fn rows_of_sources(&self, function: &mut Function) {
        let FunctionArguments::List(list) = &mut function.args else { return };
        for argument in &mut list.args {
            let FunctionArg::Unnamed(argument) = argument else { continue };
            let name = match argument {
                FunctionArgExpr::Expr(Expr::Identifier(name)) => Some(identifier(name)),
                FunctionArgExpr::QualifiedWildcard(name) => last(name),
                _ => None,
            };
            if let Some(name) = name.filter(|name| self.names_own_source(name)) {
                *argument = FunctionArgExpr::Expr(whole_row(&name));
            }
        }
    }

    /// `(t).x`
    pub(super) fn column_of_row(&self, root: &Expr, access: &[AccessExpr]) -> Option<Expr> {
        let (Expr::Nested(inner), [AccessExpr::Dot(Expr::Identifier(column))]) = (root, access) else { return None };
        let Expr::Identifier(name) = inner.as_ref() else { return None };
        self.names_own_source(&identifier(name)).then(|| Expr::CompoundIdentifier(vec![name.clone(), column.clone()]))
    }
}
