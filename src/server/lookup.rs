//! Rows of a kept view asked for by key: planned by hand.
//!
//! Gold has hundreds of columns, and planning `select *` costs the engine time with the square of their number: far more than
//! finding the row. A statement of exactly the form `select <columns> from <kept view> where <column> = <text> and …`, the key among
//! the columns, says all that a plan needs. Any other form is left to the engine.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use datafusion::sql::sqlparser::ast::{self, BinaryOperator, SelectItem, SetExpr, TableFactor, Value};
use placido_catalog::kept::KeptTable;

use super::names::identifier;

/// The plan of a lookup, or nothing where the statement is something else. It is one scan that does all the work, so that the
/// optimizer has nothing to add: see [`is_lookup`].
pub(crate) async fn plan(statement: &ast::Statement, state: &SessionState) -> Option<LogicalPlan> {
    let ast::Statement::Query(query) = statement else { return None };
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let ([from], Some(selection)) = (select.from.as_slice(), &select.selection) else { return None };
    let TableFactor::Table { name, .. } = &from.relation else { return None };

    // Whatever else a query can say would show in its text.
    let items: Vec<String> = select.projection.iter().map(ToString::to_string).collect();
    if query.to_string() != format!("SELECT {} FROM {name} WHERE {selection}", items.join(", ")) {
        return None;
    }

    let parts: Vec<String> = name.0.iter().map(|part| part.as_ident().map(identifier)).collect::<Option<_>>()?;
    let reference = match parts.as_slice() {
        [table] => TableReference::bare(table.as_str()),
        [schema, table] => TableReference::partial(schema.as_str(), table.as_str()),
        _ => return None,
    };
    let provider = state.schema_for_ref(reference.clone()).ok()?.table(reference.table()).await.ok()??;
    let key = provider.downcast_ref::<KeptTable>()?.key()?.to_owned();
    let schema = provider.schema();
    let mut comparisons = Vec::new();
    collect(selection, &reference, &schema, &mut comparisons)?;
    comparisons.iter().find(|(column, _)| *column == key)?;
    let filters = comparisons.into_iter().map(|(_, filter)| filter).collect();
    let columns = projection(&select.projection, &schema)?;
    let scan = LogicalPlanBuilder::scan_with_filters(reference, provider_as_source(provider), columns, filters);
    scan.ok()?.build().ok()
}

/// Whether a plan is one that [`plan`] made.
pub(crate) fn is_lookup(plan: &LogicalPlan) -> bool {
    // The engine's own plans have filters inside a scan only after optimization.
    matches!(plan, LogicalPlan::TableScan(scan) if !scan.filters.is_empty())
}

/// Indices of the selected columns; `None` inside stands for all of them.
#[expect(clippy::option_option, reason = "outside: not a lookup; inside: what a scan takes for all columns")]
fn projection(items: &[SelectItem], schema: &Schema) -> Option<Option<Vec<usize>>> {
    if let [SelectItem::Wildcard(options)] = items {
        return options.to_string().is_empty().then_some(None);
    }
    let mut seen = HashSet::new();
    let index = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(ast::Expr::Identifier(name)) => {
            schema.index_of(&identifier(name)).ok().filter(|index| seen.insert(*index))
        }
        _ => None,
    };
    items.iter().map(index).collect::<Option<Vec<usize>>>().map(Some)
}

/// Takes `a = 'x' and b = $1 and …` apart; nothing where a part is something else or the column holds no text.
fn collect(condition: &ast::Expr, table: &TableReference, schema: &Schema, found: &mut Vec<(String, Expr)>) -> Option<()> {
    match condition {
        ast::Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            collect(left, table, schema, found)?;
            collect(right, table, schema, found)
        }
        ast::Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let (ast::Expr::Identifier(name), value) = (left.as_ref(), right.as_ref()) else { return None };
            let name = identifier(name);
            schema.field_with_name(&name).ok().filter(|field| *field.data_type() == DataType::Utf8)?;
            let column = Expr::Column(Column::new(Some(table.clone()), name.clone()));
            found.push((name, column.eq(text(value)?)));
            Some(())
        }
        _ => None,
    }
}

/// A text, or the parameter that will be one.
fn text(value: &ast::Expr) -> Option<Expr> {
    // A client that names the type of a parameter has it written as a cast.
    let value = match value {
        ast::Expr::Cast {
            kind: ast::CastKind::Cast,
            expr,
            data_type: ast::DataType::Text | ast::DataType::Varchar(None),
            ..
        } if matches!(expr.as_ref(), ast::Expr::Value(inner) if matches!(inner.value, Value::Placeholder(_))) => expr.as_ref(),
        value => value,
    };
    let ast::Expr::Value(value) = value else { return None };
    match &value.value {
        Value::SingleQuotedString(text) => Some(lit(text.clone())),
        Value::Placeholder(id) => {
            let field = Arc::new(Field::new("", DataType::Utf8, true));
            Some(Expr::Placeholder(Placeholder { id: id.clone(), field: Some(field) }))
        }
        _ => None,
    }
}
