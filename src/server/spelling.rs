//! Expressions that PostgreSQL's users write and the engine would refuse, or read as something else.

use datafusion::sql::sqlparser::ast::{
    Array, ArrayElemTypeDef, CastKind, DataType, Expr, Function, Ident, TableAlias, TableAliasColumnDef, TableFactor,
    UnaryOperator, Value, ValueWithSpan,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::names::identifier;
use super::params::array_parts;
use super::pg_catalog;
use super::rewrite::{arguments_mut, call, null};

/// LIKE and ILIKE with an escape character other than the backslash: a call of a function of our own.
pub(crate) fn like(expr: &mut Expr) {
    let (negated, value, pattern, escape, folded) = match expr {
        Expr::Like { negated, any: false, expr, pattern, escape_char: Some(escape) } => (*negated, expr, pattern, escape, false),
        Expr::ILike { negated, any: false, expr, pattern, escape_char: Some(escape) } => (*negated, expr, pattern, escape, true),
        _ => return,
    };
    if matches!(&escape.value, Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) if text == "\\") {
        return;
    }
    let arguments = vec![
        std::mem::replace(value.as_mut(), null()),
        std::mem::replace(pattern.as_mut(), null()),
        Expr::Value(escape.clone()),
        Expr::Value(Value::Boolean(folded).into()),
    ];
    let found = call("placido_like", arguments);
    *expr = if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) } } else { found };
}

/// The text of a string literal.
fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text), .. }) => {
            Some(text)
        }
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

/// `'{a,b}'::text[]` as the array that it means: the engine would make an array of one text of it.
pub(crate) fn array_cast(expr: &mut Expr) {
    let Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, .. } = expr else { return };
    let DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) = &*data_type else { return };
    if let Some(parts) = literal(inner).and_then(array_parts) {
        let element = element.as_ref().clone();
        **inner = array(parts, |part| Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(part),
            data_type: element.clone(),
            array: false,
            format: None,
        });
    }
}

/// `'\\x00ff'::bytea` as the bytes that it means, not those of its text.
pub(crate) fn bytes_cast(expr: &mut Expr) {
    if let Expr::Cast { expr: inner, data_type: DataType::Bytea, .. } = expr
        && let Some(digits) = literal(inner).and_then(|text| text.strip_prefix("\\x"))
        && digits.len() % 2 == 0
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        *expr = Expr::Value(Value::HexStringLiteral(digits.to_owned()).into());
    }
}

/// `x = ANY ('{a,b}')`: the array of what `x` is; numbers stay numbers.
pub(crate) fn any_of_literal(expr: &mut Expr) {
    let (Expr::AnyOp { right, .. } | Expr::AllOp { right, .. }) = expr else { return };
    if let Some(parts) = literal(right).and_then(array_parts) {
        let numbers = parts.iter().flatten().all(|part| part.parse::<i64>().is_ok());
        let element = |part: Expr| match &part {
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(digits), .. }) if numbers => {
                Expr::Value(Value::Number(digits.clone(), false).into())
            }
            _ => part,
        };
        **right = array(parts, element);
    }
}

/// A literal that is compared with a function's identifier is the function's name. Returns whether it was one.
pub(crate) fn function_name(expr: &mut Expr) -> bool {
    let named = literal(expr).is_some_and(|text| text.parse::<u32>().is_err());
    if named {
        let name = std::mem::replace(expr, null());
        *expr = call("placido_regproc", vec![name]);
    }
    named
}

/// Functions of one value that PostgreSQL allows in FROM, as a row.
const IN_FROM: &[&str] = &["string_to_array", "parse_ident", "now", "upper", "lower", "concat", "coalesce"];

/// A function in FROM whose alias names its column: a set's only column gets that name, a single value becomes a query of one row.
pub(crate) fn function_in_from(factor: &mut TableFactor) -> Option<TableFactor> {
    let TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } = factor else { return None };
    let function = name.0.last()?.as_ident().map(identifier)?;
    if function == "generate_series" {
        if let Some(alias) = alias
            && alias.columns.is_empty()
        {
            alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
        }
        return None;
    }
    if !IN_FROM.contains(&function.as_str()) && !pg_catalog::is_catalog_function(&function) {
        return None;
    }
    let column = match alias {
        Some(TableAlias { columns, .. }) if columns.len() == 1 => columns.first()?.name.clone(),
        Some(alias) => alias.name.clone(),
        None => Ident::new(function.clone()),
    };
    let arguments = args.args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let text = format!("SELECT {function}({arguments}) AS {column}");
    let query = Parser::new(&PostgreSqlDialect {}).with_recursion_limit(256).try_with_sql(&text).ok()?.parse_query().ok()?;
    let alias = TableAlias {
        explicit: true,
        name: alias.as_ref().map_or_else(|| Ident::new(function), |alias| alias.name.clone()),
        columns: Vec::new(),
        at: None,
    };
    Some(TableFactor::Derived { lateral: false, subquery: query, alias: Some(alias), sample: None })
}

fn array(parts: Vec<Option<String>>, element: impl Fn(Expr) -> Expr) -> Expr {
    if parts.is_empty() {
        return call("make_array", Vec::new());
    }
    let of_part = |part: Option<String>| match part {
        Some(text) => element(Expr::Value(Value::SingleQuotedString(text).into())),
        None => null(),
    };
    Expr::Array(Array { elem: parts.into_iter().map(of_part).collect(), named: true })
}

/// `coalesce(list, '{}')`: the literal is an empty list where the first argument is one.
pub(crate) fn coalesce(function: &mut Function) -> Option<Expr> {
    let [first, second] = arguments_mut(function)?.try_into().ok()?;
    (literal(second)? == "{}").then(|| call("placido_or_empty", vec![std::mem::replace(first, null())]))
}
