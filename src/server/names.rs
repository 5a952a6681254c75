//! The column names of a result, as PostgreSQL would name them.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, ArrayElemTypeDef, BinaryOperator, DataType, ExactNumberInfo, Expr, FunctionArguments, GroupByExpr, Ident,
    OrderBy, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr, Statement, TrimWhereField, Value, VisitMut, VisitorMut,
};

/// Names for the columns of `statement`, or nothing where the engine's own names are right or the number of columns is
/// not known from the text (`*`).
pub(crate) fn output_names(statement: &Statement) -> Option<Vec<String>> {
    match statement {
        Statement::Query(query) => of_query(query),
        _ => None,
    }
}

fn of_query(query: &Query) -> Option<Vec<String>> {
    of_body(&query.body)
}

/// The names of the columns of a query's body; none beside a wildcard.
pub(crate) fn of_body(body: &SetExpr) -> Option<Vec<String>> {
    match body {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .map(|item| match item {
                SelectItem::UnnamedExpr(expr) => Some(name_of(expr).unwrap_or_else(|| "?column?".to_owned())),
                SelectItem::ExprWithAlias { alias, .. } => Some(identifier(alias)),
                _ => None,
            })
            .collect(),
        SetExpr::Query(query) => of_query(query),
        SetExpr::SetOperation { left, .. } => of_body(left),
        _ => None,
    }
}

/// Names the columns of a query in FROM or WITH as PostgreSQL does, where the engine would give them names of its own: what is around
/// the query calls them by these names.
pub(crate) fn name_columns(query: &mut Query) {
    name_columns_of(&mut query.body, None);
}

/// The same for columns without AS that ORDER BY calls by their names: `select count(*) … order by count`.
pub(crate) fn name_ordered(query: &mut Query) {
    let Some(OrderByKind::Expressions(order)) = query.order_by.as_ref().map(|order| &order.kind) else { return };
    let called = |key: &OrderByExpr| match &key.expr {
        Expr::Identifier(name) => Some(identifier(name)),
        _ => None,
    };
    let called: Vec<String> = order.iter().filter_map(called).collect();
    if !called.is_empty() {
        name_columns_of(&mut query.body, Some(&called));
    }
}

/// Writes out what GROUP BY calls by the name that it has without AS: `select date_trunc(…) … group by date_trunc`. A column that is read
/// comes first, so this is for names that nothing else has. Returns whether there are any.
pub(crate) fn write_grouped(statement: &mut Statement) -> bool {
    let Statement::Query(query) = statement else { return false };
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let GroupByExpr::Expressions(keys, _) = &mut select.group_by else { return false };
    let mut written = false;
    for key in keys {
        let Expr::Identifier(name) = &*key else { continue };
        let name = identifier(name);
        let named = select.projection.iter().filter_map(|item| match item {
            SelectItem::UnnamedExpr(expr) if name_of(expr).as_ref() == Some(&name) => Some(expr),
            SelectItem::ExprWithAlias { expr, alias } if identifier(alias) == name => Some(expr),
            _ => None,
        });
        let mut named = named.fuse();
        if let (Some(expr), None) = (named.next(), named.next())
            && expr != key
        {
            *key = expr.clone();
            written = true;
        }
    }
    written
}

fn name_columns_of(body: &mut SetExpr, called: Option<&[String]>) {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::Query(query) => return name_columns_of(&mut query.body, called),
        SetExpr::SetOperation { left, .. } => return name_columns_of(left, called),
        _ => return,
    };
    let given = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => Some(name_of(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(Some(shown(&identifier(alias)).to_owned())),
        _ => None,
    };
    let names: Vec<Option<Option<String>>> = select.projection.iter().map(given).collect();
    // Beside a wildcard it is not known which names there are.
    if called.is_none() && names.iter().any(Option::is_none) {
        return;
    }
    for (item, name) in select.projection.iter_mut().zip(&names) {
        let unnamed = match item {
            SelectItem::UnnamedExpr(expr) if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => expr,
            SelectItem::ExprWithAlias { expr, alias } if called.is_some() && alias.value.contains(MARK) => expr,
            _ => continue,
        };
        if let Some(Some(only)) = name
            && called.is_none_or(|called| called.contains(only))
            && names.iter().filter(|other| *other == name).count() == 1
        {
            let alias = Ident::with_quote('"', only);
            *item = SelectItem::ExprWithAlias { expr: unnamed.clone(), alias };
        }
    }
}

/// Stands between the name of a column and what makes it unique inside the engine.
const MARK: char = '\u{1}';

/// The name that a client reads of a column of the engine.
pub(crate) fn shown(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Names what a statement computes beside a wildcard, where [`output_names`] tells nothing. The statement must not have been rewritten.
pub(crate) fn name_beside_wildcard(statement: &mut Statement) {
    if let Statement::Query(query) = statement {
        name_beside_wildcard_in(&mut query.body);
    }
}

fn name_beside_wildcard_in(body: &mut SetExpr) {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::Query(query) => return name_beside_wildcard_in(&mut query.body),
        SetExpr::SetOperation { left, .. } => return name_beside_wildcard_in(left),
        _ => return,
    };
    let is_wildcard = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    if !select.projection.iter().any(is_wildcard) {
        return;
    }
    for (position, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item
            && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        {
            let name = name_of(expr).unwrap_or_else(|| "?column?".to_owned());
            let alias = Ident::with_quote('"', format!("{name}{MARK}{position}"));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// Gives result columns that have a name in common others inside the engine, which wants them unique, in this query and in those inside of
/// it; the client still reads the name that [`output_names`] gives.
pub(crate) fn make_unique(statement: &mut Statement) {
    let Statement::Query(query) = statement else { return };
    free_order_by(query);
    name_positions(query);
    let _ = VisitMut::visit(query, &mut Unique { depth: 0 });
}

/// Gives all that a statement computes names of its own, where the engine's are the same for different expressions. Returns whether any was
/// given.
pub(crate) fn name_all(statement: &mut Statement) -> bool {
    let Statement::Query(query) = statement else { return false };
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let names: Vec<Option<String>> = select
        .projection
        .iter()
        .map(|item| match item {
            SelectItem::UnnamedExpr(expr) => Some(name_of(expr).unwrap_or_else(|| "?column?".to_owned())),
            _ => None,
        })
        .collect();
    let mut named = false;
    for (position, (item, shown)) in select.projection.iter_mut().zip(&names).enumerate() {
        let (SelectItem::UnnamedExpr(expr), Some(shown)) = (&*item, shown) else { continue };
        // A column alone keeps the name by which ORDER BY may call it.
        let alone = names.iter().flatten().filter(|other| *other == shown).count() == 1;
        if !alone || !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            let alias = Ident::with_quote('"', format!("{shown}{MARK}{position}"));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            named = true;
        }
    }
    named
}

struct Unique {
    depth: usize,
}

impl VisitorMut for Unique {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        make_unique_in(&mut query.body, if self.depth > 0 { Place::Inner } else { Place::Outermost });
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// Where a SELECT stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outermost,
    /// In FROM, WITH or an expression, where others call its columns by their names.
    Inner,
    /// On the right of a set operation: its columns have the names of those on the left, and must have none of them before.
    Right,
}

fn make_unique_in(body: &mut SetExpr, place: Place) {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { left, right, .. } => {
            make_unique_in(left, place);
            return make_unique_in(right, Place::Right);
        }
        _ => return,
    };
    let wildcard =
        select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    // A column's qualifier, and the name by which it meets others.
    let of_engine = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            let (last, qualifier) = parts.split_last()?;
            Some((Some(qualifier.iter().map(identifier).collect::<Vec<_>>()), identifier(last)))
        }
        SelectItem::UnnamedExpr(expr) => Some((None, engine_name(expr))),
        SelectItem::ExprWithAlias { alias, .. } => Some((None, identifier(alias))),
        _ => None,
    };
    let names: Vec<_> = select.projection.iter().map(of_engine).collect();
    let of_client = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => name_of(expr),
        SelectItem::ExprWithAlias { alias, .. } => Some(identifier(alias)),
        _ => None,
    };
    let shown_names: Vec<_> = select.projection.iter().map(of_client).collect();
    for (position, item) in select.projection.iter_mut().enumerate() {
        let Some(Some(name)) = names.get(position) else { continue };
        let (unnamed, is_column) = match item {
            SelectItem::UnnamedExpr(expr) => {
                (Some(name_of(expr)), matches!(expr, Expr::CompoundIdentifier(_) | Expr::Identifier(_)))
            }
            _ => (None, false),
        };
        // Beside a wildcard a column may come twice: `select t.oid, t.*`.
        let beside = wildcard && is_column;
        // What is around a query must not take the first of two columns for the one that it means.
        let all = place == Place::Inner && unnamed.is_none();
        let others = if all { names.len() } else { position };
        let same = |other: &(Option<Vec<String>>, String)| {
            other.1 == name.1 && (other.0.is_none() || name.0.is_none() || other.0 == name.0)
        };
        let again = names.iter().take(others).enumerate().any(|(at, other)| at != position && other.as_ref().is_some_and(same));
        let nameless = place == Place::Inner && !is_column && unnamed == Some(None);
        if !beside && !again && !nameless && (place != Place::Right || wildcard) {
            // The engine names a cast as what is cast, and would take the one for the other.
            if place == Place::Outermost
                && let (SelectItem::UnnamedExpr(expr @ Expr::Cast { .. }), Some(Some(own))) = (&*item, &unnamed)
            {
                let alone = shown_names.iter().filter(|shown| shown.as_ref() == Some(own)).count() == 1;
                let alias = if alone { own.clone() } else { format!("{own}{MARK}{position}") };
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', alias) };
            }
            continue;
        }
        let (expr, shown) = match item {
            SelectItem::UnnamedExpr(expr) => (expr.clone(), unnamed.flatten().unwrap_or_else(|| "?column?".to_owned())),
            SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), identifier(alias)),
            _ => continue,
        };
        let alias = Ident::with_quote('"', format!("{shown}{MARK}{position}"));
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
}

/// A qualified name in ORDER BY means a column of what is read, also where a column of the result has that name; the engine does not know
/// which.
fn free_order_by(query: &mut Query) {
    let Some(OrderBy { kind: OrderByKind::Expressions(order), .. }) = &query.order_by else { return };
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let (mut qualified, mut plain) = (HashSet::new(), HashSet::new());
    for key in order {
        let _ = datafusion::sql::sqlparser::ast::visit_expressions(&key.expr, |expr| {
            match expr {
                Expr::CompoundIdentifier(parts) => qualified.extend(parts.last().map(identifier)),
                Expr::Identifier(name) => {
                    plain.insert(identifier(name));
                }
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
    }
    for (position, item) in select.projection.iter_mut().enumerate() {
        // A cast is named as what is cast.
        if let SelectItem::UnnamedExpr(expr @ Expr::Cast { .. }) = item
            && let Some(name) = name_of(expr).filter(|name| qualified.contains(name))
        {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
        }
        if let SelectItem::ExprWithAlias { alias, .. } = item
            && qualified.contains(&identifier(alias))
            && !plain.contains(&identifier(alias))
        {
            *alias = Ident::with_quote('"', format!("{}{MARK}{position}", identifier(alias)));
        }
    }
}

/// A position in ORDER BY that means a window function: the engine would compute it again for the order, where groups are gone.
fn name_positions(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let Some(OrderByKind::Expressions(order)) = query.order_by.as_mut().map(|order| &mut order.kind) else { return };
    for key in order {
        let position = match &key.expr {
            Expr::Value(value) => match &value.value {
                Value::Number(position, _) => position.parse::<usize>().ok().and_then(|position| position.checked_sub(1)),
                _ => None,
            },
            _ => None,
        };
        let Some((position, item)) = position.and_then(|at| Some((at, select.projection.get_mut(at)?))) else { continue };
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let windows = datafusion::sql::sqlparser::ast::visit_expressions(expr, |expr| match expr {
            Expr::Function(function) if function.over.is_some() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        if windows.is_break() {
            let shown = name_of(expr).unwrap_or_else(|| "?column?".to_owned());
            let alias = Ident::with_quote('"', format!("{shown}{MARK}{position}"));
            key.expr = Expr::Identifier(alias.clone());
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// What the engine's name of an expression depends on: casts are not part of it.
fn engine_name(expr: &Expr) -> String {
    struct Uncast;
    impl VisitorMut for Uncast {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            match expr {
                Expr::Cast { expr: inner, .. } | Expr::Nested(inner) => {
                    let inner = std::mem::replace(inner.as_mut(), Expr::Value(Value::Null.into()));
                    *expr = inner;
                }
                Expr::AtTimeZone { timestamp: inner, .. } => {
                    let inner = std::mem::replace(inner.as_mut(), Expr::Value(Value::Null.into()));
                    *expr = inner;
                }
                Expr::BinaryOp { left, right, .. }
                    if matches!(left.as_ref(), Expr::Interval(_)) || matches!(right.as_ref(), Expr::Interval(_)) =>
                {
                    // Operators on intervals are functions of the engine, whose names have no order of their arguments.
                    *expr = Expr::Value(Value::SingleQuotedString("interval".to_owned()).into());
                }
                Expr::TypedString(typed) => *expr = Expr::Value(typed.value.clone()),
                // The same with its sides exchanged.
                Expr::BinaryOp { left, op: op @ BinaryOperator::ArrowAt, right } => {
                    std::mem::swap(left, right);
                    *op = BinaryOperator::AtArrow;
                }
                // The engine names all queries alike.
                Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => *expr = Expr::Value(Value::Null.into()),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut bare = expr.clone();
    let _ = VisitMut::visit(&mut bare, &mut Uncast);
    bare.to_string()
}

/// An identifier as PostgreSQL stores it: lower case unless quoted.
pub(crate) fn identifier(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// `FigureColname` of PostgreSQL: the name that an expression without AS gives its column, if it gives one.
pub(crate) fn name_of(expr: &Expr) -> Option<String> {
    let word = |word: &str| Some(word.to_owned());
    match expr {
        Expr::Identifier(ident) => Some(identifier(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(identifier),
        Expr::CompoundFieldAccess { root, access_chain } => access_chain
            .iter()
            .rev()
            .find_map(|access| match access {
                AccessExpr::Dot(field) => name_of(field),
                AccessExpr::Subscript(_) => None,
            })
            .or_else(|| name_of(root)),
        Expr::Function(function) => match (&function.args, function.name.0.last().and_then(|part| part.as_ident())) {
            (FunctionArguments::Subquery(query), _) => of_query(query)?.into_iter().next().map(|_| "array".to_owned()),
            (_, name) => name.map(identifier),
        },
        Expr::Cast { expr, data_type, .. } => strong_name(expr).or_else(|| Some(type_name(data_type))),
        Expr::TypedString(typed) => Some(type_name(&typed.data_type)),
        Expr::Case { else_result, .. } => else_result.as_deref().and_then(strong_name).or_else(|| word("case")),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => name_of(inner),
        Expr::Subquery(query) => of_query(query)?.into_iter().next().filter(|name| name != "?column?"),
        Expr::Exists { negated: false, .. } => word("exists"),
        Expr::Array(_) => word("array"),
        Expr::Tuple(_) => word("row"),
        Expr::Extract { .. } => word("extract"),
        Expr::Ceil { .. } => word("ceil"),
        Expr::Floor { .. } => word("floor"),
        Expr::Position { .. } => word("position"),
        Expr::Substring { shorthand: true, .. } => word("substr"),
        Expr::Substring { .. } => word("substring"),
        Expr::Trim { trim_where: Some(TrimWhereField::Leading), .. } => word("ltrim"),
        Expr::Trim { trim_where: Some(TrimWhereField::Trailing), .. } => word("rtrim"),
        Expr::Trim { .. } => word("btrim"),
        Expr::Overlay { .. } => word("overlay"),
        Expr::Interval(_) => word("interval"),
        Expr::AtTimeZone { .. } => word("timezone"),
        Expr::BinaryOp { op: BinaryOperator::Overlaps, .. } => word("overlaps"),
        _ => None,
    }
}

/// A name that outweighs that of an enclosing CASE or cast: of a column or function, not of a type.
fn strong_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Cast { expr: inner, .. } | Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => strong_name(inner),
        Expr::TypedString(_) | Expr::Interval(_) => None,
        Expr::Case { else_result, .. } => else_result.as_deref().and_then(strong_name),
        other => name_of(other),
    }
}

/// `pg_type.typname` of a type in a cast; of an array, that of its elements.
pub(crate) fn type_name(data_type: &DataType) -> String {
    let word = match data_type {
        DataType::Boolean | DataType::Bool => "bool",
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::Float(ExactNumberInfo::Precision(digits)) if *digits <= 24 => "float4",
        DataType::Real | DataType::Float4 => "float4",
        DataType::DoublePrecision | DataType::Double(_) | DataType::Float8 | DataType::Float(_) => "float8",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::Varchar(_) | DataType::CharacterVarying(_) => "varchar",
        DataType::Char(_) | DataType::Character(_) => "bpchar",
        DataType::Timestamp(_, zone) if zone.to_string().contains("WITH TIME ZONE") || zone.to_string() == "TZ" => "timestamptz",
        DataType::Timestamp(..) => "timestamp",
        DataType::Custom(name, _) => {
            return name.0.last().and_then(|part| part.as_ident()).map_or_else(|| name.to_string().to_lowercase(), identifier);
        }
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element)) => {
            return type_name(element);
        }
        other => return other.to_string().to_lowercase(),
    };
    word.to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    fn names(sql: &str) -> Vec<String> {
        output_names(&Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap()[0]).unwrap()
    }

    #[test]
    fn names_are_those_of_postgres() {
        // The header that psql 15 showed for this statement on PostgreSQL 15.18.
        let found = names(
            "select true, 1::int, 'a'::text, case when true then 1 end, case when true then 1 else oid end, array[1,2],
             extract(year from now()), substring('abc' from 1), trim('a'), position('a' in 'a'), (select 1 as x), date '2020-01-01',
             interval '1 day', now() at time zone 'utc', (array[1,2])[1], coalesce(1,2), current_date, exists(select 1), null, not true,
             ceil(1.5), nullif(1,2), 1 in (1), current_user, oid::int8, cast(1+1 as float8), upper('x') || 'a', greatest(1,2),
             '1'::int::text, (case when true then 1 end)::text, interval '1 day'::text, coalesce(1)::text, 'a'::text::varchar,
             upper('x')::text",
        );
        let expected = [
            "?column?",
            "int4",
            "text",
            "case",
            "oid",
            "array",
            "extract",
            "substring",
            "btrim",
            "position",
            "x",
            "date",
            "interval",
            "timezone",
            "array",
            "coalesce",
            "current_date",
            "exists",
            "?column?",
            "?column?",
            "ceil",
            "nullif",
            "?column?",
            "current_user",
            "oid",
            "float8",
            "?column?",
            "greatest",
            "text",
            "text",
            "text",
            "coalesce",
            "varchar",
            "upper",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn equal_names_are_told_apart_inside_only() {
        let mut statement =
            Parser::parse_sql(&PostgreSqlDialect {}, "select count(*), count(*), 1 as a, 2 as a").unwrap().remove(0);
        let shown = output_names(&statement).unwrap();
        make_unique(&mut statement);
        assert_eq!(shown, ["count", "count", "a", "a"]);
        let marked = "SELECT count(*), count(*) AS \"count\u{1}1\", 1 AS a, 2 AS \"a\u{1}3\"";
        assert_eq!(statement.to_string(), marked);
        assert!(statement.to_string().split('"').map(super::shown).any(|name| name == "a"));
    }
}
