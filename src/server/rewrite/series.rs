//! `generate_series`: with whole numbers as literals in FROM the engine's own, which holds no more than a part of its rows at a time;
//! everywhere else a list of ours ([`pg_catalog::SERIES`]), which the engine unnests.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Ident, Query, Select, SelectItem, TableAlias, TableAliasColumnDef, TableFactor,
    UnaryOperator, Value, ValueWithSpan,
};

use super::call;
use super::sets::{called_in_from, last, parsed, plain};
use super::sources::select_of;
use crate::server::{pg_catalog, spelling};

/// The function as it is written.
pub(super) const NAME: &str = "generate_series";

/// The list of a series, of its arguments.
pub(super) fn list(mut arguments: Vec<Expr>) -> Expr {
    arguments.iter_mut().for_each(numeric);
    call(pg_catalog::SERIES, arguments)
}

/// A decimal as the `numeric` that it is in PostgreSQL.
fn numeric(value: &mut Expr) {
    match value {
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: inner } => numeric(inner),
        value => spelling::as_numeric(value, false),
    }
}

/// Names the series in a FROM, and their columns: before anything asks what they are called.
pub(super) fn name(select: &mut Select) {
    let tables = select.from.iter_mut();
    let factors = tables
        .flat_map(|table| std::iter::once(&mut table.relation).chain(table.joins.iter_mut().map(|join| &mut join.relation)));
    for factor in factors {
        let (alias, numbered) = match factor {
            TableFactor::Table { name, args: Some(_), alias, with_ordinality, .. }
            | TableFactor::Function { name, alias, with_ordinality, .. }
                if last(name).as_deref() == Some(NAME) =>
            {
                (alias, *with_ordinality)
            }
            _ => continue,
        };
        let of_function = || TableAlias { explicit: true, name: Ident::new(NAME), columns: Vec::new(), at: None };
        let alias = alias.get_or_insert_with(of_function);
        if alias.columns.is_empty() && !numbered {
            alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
        }
    }
}

/// The same in a query.
pub(super) fn name_in(query: &mut Query) {
    if let Some(select) = select_of(query) {
        name(select);
    }
}

/// Makes of a series in FROM a query of its column. Its arguments have been rewritten.
pub(super) fn rewrite(factor: &mut TableFactor) {
    if let Some(derived) = in_from(factor) {
        *factor = derived;
    }
}

fn in_from(factor: &TableFactor) -> Option<TableFactor> {
    let called = called_in_from(factor).filter(|called| called.function == NAME)?;
    let arguments = plain(&called.args.into_iter().cloned().collect::<Vec<_>>())?;
    let mut alias = called.alias.cloned().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new(NAME),
        columns: Vec::new(),
        at: None,
    });
    let column = alias.columns.first().map_or_else(|| alias.name.clone(), |column| column.name.clone());
    if alias.columns.len() == 1 {
        alias.columns.clear();
    }
    let subquery = match bounds(&arguments) {
        Some(Bounds { written, small }) => {
            let value = if small { format!("CAST({column} AS INTEGER)") } else { column.to_string() };
            parsed(&format!("SELECT {value} AS {column} FROM {NAME}({written}) AS \"{NAME}\" ({column})"))?
        }
        None => {
            let mut query = parsed(&format!("SELECT 1 AS {column}"))?;
            match select_of(&mut query)?.projection.first_mut()? {
                SelectItem::ExprWithAlias { expr, .. } => *expr = call("unnest", vec![list(arguments)]),
                _ => return None,
            }
            query
        }
    };
    Some(TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None })
}

/// The bounds of a series, and its step, as the engine reads them.
struct Bounds {
    written: String,
    /// Whether it is one of `integer`.
    small: bool,
}

/// The bounds of a series of whole numbers that the engine makes by itself.
fn bounds(arguments: &[Expr]) -> Option<Bounds> {
    let constants = arguments.iter().map(constant).collect::<Option<Vec<_>>>()?;
    let usual = matches!(constants.as_slice(), [_, _] | [_, _, Whole { value: ..=-1 | 1.., .. }]);
    // The engine reads a sign apart from its number, which for this one is too large without.
    if !usual || constants.iter().any(|whole| whole.value == i64::MIN) {
        return None;
    }
    let written = constants.iter().map(|whole| whole.value.to_string()).collect::<Vec<_>>().join(", ");
    Some(Bounds { written, small: constants.iter().all(|whole| whole.small) })
}

/// A whole number, and whether it is an `integer` in PostgreSQL.
#[derive(Clone, Copy)]
struct Whole {
    value: i64,
    small: bool,
}

impl Whole {
    /// A number that is of its type.
    fn of(value: i64, small: bool) -> Option<Self> {
        (!small || i32::try_from(value).is_ok()).then_some(Self { value, small })
    }

    fn literal(digits: &str) -> Option<Self> {
        let value = digits.parse::<i64>().ok()?;
        Some(Self { value, small: i32::try_from(value).is_ok() })
    }
}

/// What an expression of literals is; nothing where PostgreSQL would refuse it.
fn constant(expr: &Expr) -> Option<Whole> {
    use BinaryOperator::{Divide, Minus, Modulo, Multiply, Plus};
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => Whole::literal(digits),
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Plus, expr: inner } => constant(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => match inner.as_ref() {
            Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => Whole::literal(&format!("-{digits}")),
            inner => {
                let Whole { value, small } = constant(inner)?;
                Whole::of(value.checked_neg()?, small)
            }
        },
        Expr::BinaryOp { left, op, right } => {
            let (left, right) = (constant(left)?, constant(right)?);
            let value = match op {
                Plus => left.value.checked_add(right.value),
                Minus => left.value.checked_sub(right.value),
                Multiply => left.value.checked_mul(right.value),
                Divide => left.value.checked_div(right.value),
                Modulo => left.value.checked_rem(right.value),
                _ => None,
            };
            Whole::of(value?, left.small && right.small)
        }
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, .. } => {
            let small = match data_type {
                DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => true,
                DataType::BigInt(None) | DataType::Int8(None) => false,
                _ => return None,
            };
            Whole::of(constant(inner)?.value, small)
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    fn bounds_of(arguments: &str) -> Option<(String, bool)> {
        let expr = Parser::new(&PostgreSqlDialect {}).try_with_sql(&format!("f({arguments})")).unwrap().parse_expr().unwrap();
        let Expr::Function(function) = expr else { panic!("no call") };
        let arguments: Vec<Expr> = super::super::arguments(&function).cloned().collect();
        bounds(&arguments).map(|bounds| (bounds.written, bounds.small))
    }

    #[test]
    fn columns_have_the_names_of_postgres() {
        let rewritten = |sql: &str| {
            let mut query = parsed(sql).unwrap();
            name_in(&mut query);
            select_of(&mut query).unwrap().from.iter_mut().for_each(|table| rewrite(&mut table.relation));
            query.to_string()
        };
        for (sql, expected) in [
            (
                "select * from generate_series(1, 3)",
                "select * from (select cast(generate_series as integer) as generate_series \
                 from generate_series(1, 3) as \"generate_series\" (generate_series)) as generate_series",
            ),
            (
                "select * from generate_series(1, 3000000000) as g",
                "select * from (select g as g from generate_series(1, 3000000000) as \"generate_series\" (g)) as g",
            ),
            (
                "select * from lateral generate_series(1, x) as g (n)",
                "select * from (select unnest(placido_generate_series(1, x)) as n) as g",
            ),
            (
                "select * from generate_series(1, x) with ordinality as g",
                "select * from generate_series(1, x) with ordinality as g",
            ),
        ] {
            assert_eq!(rewritten(sql), parsed(expected).unwrap().to_string(), "{sql}");
        }
    }

    #[test]
    fn literals_are_for_the_engine() {
        for (arguments, written, small) in [
            ("1, 3", "1, 3", true),
            ("-2147483648, +(2 * 5) - 1, -(-2)", "-2147483648, 9, 2", true),
            ("1, 2147483648", "1, 2147483648", false),
            ("1::bigint, 3::int", "1, 3", false),
            ("7 / 2, -7 % 4", "3, -3", true),
            ("3, 1, -1", "3, 1, -1", true),
        ] {
            assert_eq!(bounds_of(arguments), Some((written.to_owned(), small)), "{arguments}");
        }
    }

    #[test]
    fn the_rest_is_for_our_function() {
        for arguments in [
            "1",
            "1, x",
            "1, $1",
            "1, 3, 0",
            "1, 2.5",
            "1, 1 / 0",
            "2147483647 + 1, 5",
            "3000000000::int, 5",
            "-9223372036854775808, 1",
            "null, 3",
            "'1', 3",
        ] {
            assert_eq!(bounds_of(arguments), None, "{arguments}");
        }
    }
}
