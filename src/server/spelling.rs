//! Expressions that PostgreSQL's users write and the engine would refuse, or read as something else.

use std::borrow::Cow;

use datafusion::sql::sqlparser::ast::{
    Array, ArrayElemTypeDef, BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Fetch, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, LimitClause, ObjectName, Query, TableAlias, TableAliasColumnDef, TableFactor,
    UnaryOperator, Value, ValueWithSpan,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::names::{identifier, type_name};
use super::params::{array_parts, day, with_seconds};
use super::rewrite::{arguments, arguments_mut, call, null};
use super::{moments, pg_catalog, unknown};

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

/// Whether the second argument of `substring` may be a pattern: its type is looked at when it runs.
fn may_be_pattern(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => may_be_pattern(inner),
        Expr::Value(value) => matches!(
            value.value,
            Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_) | Value::DollarQuotedString(_) | Value::Placeholder(_)
        ),
        Expr::BinaryOp { op, .. } => *op == BinaryOperator::StringConcat,
        Expr::Cast { data_type, .. } => {
            matches!(data_type, DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_))
        }
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        _ => false,
    }
}

/// `substring(text FROM pattern)`, and the same with a comma: the part that a regular expression finds.
pub(crate) fn substring_of_pattern(expr: &mut Expr) {
    if let Expr::Substring { expr: value, substring_from: Some(from), substring_for: None, .. } = expr
        && may_be_pattern(from)
    {
        let parts = [value, from].map(|part| std::mem::replace(part.as_mut(), null()));
        *expr = call("placido_substring", parts.into());
    }
}

/// The same, called as a function.
pub(crate) fn substring(name: &str, function: &mut Function) {
    if name == "substring" {
        let pattern =
            arguments_mut(function).is_some_and(|arguments| matches!(arguments.as_slice(), [_, from] if may_be_pattern(from)));
        function.name = ObjectName::from(Ident::new(if pattern { "placido_substring" } else { "substr" }));
    }
}

/// Functions that the engine has in another way: PostgreSQL's patterns have no `%`, which those of the engine are made of.
pub(crate) fn times(name: &str, function: &mut Function) {
    let Some(arguments) = arguments_mut(function) else { return };
    let of_postgres = match (name, arguments.as_slice()) {
        ("make_date" | "make_time", [_, _, _]) => true,
        ("to_timestamp" | "to_date" | "to_char", [_, pattern]) => !literal(pattern).is_some_and(|pattern| pattern.contains('%')),
        _ => false,
    };
    if of_postgres {
        function.name = ObjectName::from(Ident::new(format!("placido_{name}")));
    }
}

/// `to_timestamp(seconds)`: a moment, which the engine gives as clocks in UTC show it.
pub(crate) fn moment_of_number(name: &str, function: &mut Function) {
    let is_number = |value: &Expr| literal(value).is_none();
    let of_number = arguments_mut(function).is_some_and(|arguments| matches!(arguments.as_slice(), [only] if is_number(only)));
    if name == "to_timestamp" && of_number {
        let utc = Expr::Value(Value::SingleQuotedString("UTC".to_owned()).into());
        let clock = Expr::Function(function.clone());
        if let Expr::Function(moment) = call("timezone", vec![utc, clock]) {
            *function = moment;
        }
    }
}

/// `make_interval(days => 10)`: the parts in their order.
pub(crate) fn make_interval(name: &str, function: &mut Function) {
    const PARTS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
    let FunctionArguments::List(list) = &mut function.args else { return };
    let is_named = |argument: &FunctionArg| !matches!(argument, FunctionArg::Unnamed(_));
    if name != "make_interval" || !list.args.iter().any(is_named) {
        return;
    }
    let mut parts: Vec<FunctionArg> = PARTS
        .iter()
        .map(|_| FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(Value::Number("0".to_owned(), false).into()))))
        .collect();
    for (position, argument) in list.args.iter().enumerate() {
        let (at, value) = match argument {
            FunctionArg::Unnamed(value) => (Some(position), value),
            FunctionArg::Named { name, arg, .. } => (PARTS.iter().position(|part| *part == identifier(name)), arg),
            FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, .. } => {
                (PARTS.iter().position(|part| *part == identifier(name)), arg)
            }
            FunctionArg::ExprNamed { .. } => return,
        };
        match at.and_then(|at| parts.get_mut(at)) {
            Some(part) => *part = FunctionArg::Unnamed(value.clone()),
            None => return,
        }
    }
    list.args = parts;
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
        && let Some(text) = literal(inner)
    {
        let digits = match text.strip_prefix("\\x") {
            Some(digits) => digits.to_owned(),
            None if text.contains('\\') => pg_catalog::unescaped(text).map(hex::encode).unwrap_or_default(),
            None => return,
        };
        if !digits.is_empty() && digits.len() % 2 == 0 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            *expr = Expr::Value(Value::HexStringLiteral(digits).into());
        }
    }
}

/// A date that carries a time or a zone, as JDBC writes it: PostgreSQL reads the day alone.
pub(crate) fn date_cast(expr: &mut Expr) {
    let value = match expr {
        Expr::Cast { expr, data_type: DataType::Date, .. } => expr.as_mut(),
        _ => return,
    };
    if let Some(text) = literal(value)
        && let plain = day(text.trim())
        && plain != text
    {
        *value = Expr::Value(Value::SingleQuotedString(plain.to_owned()).into());
    }
}

/// A time of day without seconds, in a literal that is read as a time or a timestamp.
pub(crate) fn time_cast(expr: &mut Expr) {
    let is_time = |data_type: &DataType| matches!(data_type, DataType::Time(..) | DataType::Timestamp(..));
    let whole = |text: &str| match with_seconds(text.trim()) {
        Cow::Owned(whole) => Some(Value::SingleQuotedString(whole)),
        Cow::Borrowed(_) => None,
    };
    match expr {
        Expr::Cast { expr, data_type, .. } if is_time(data_type) => {
            if let Some(whole) = literal(expr).and_then(whole) {
                **expr = Expr::Value(whole.into());
            }
        }
        Expr::TypedString(typed) if is_time(&typed.data_type) => {
            if let Value::SingleQuotedString(text) = &typed.value.value
                && let Some(whole) = whole(text)
            {
                typed.value.value = whole;
            }
        }
        _ => {}
    }
}

/// `-2 ^ 2`: to PostgreSQL the sign belongs to the 2, to the engine's parser to the power.
pub(crate) fn sign_of_base(expr: &mut Expr) {
    fn sign(power: &mut Expr) {
        match power {
            Expr::BinaryOp { left, op: BinaryOperator::PGExp, .. } => sign(left),
            base => {
                let inner = Box::new(std::mem::replace(base, null()));
                *base = Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner }));
            }
        }
    }
    if let Expr::UnaryOp { op: UnaryOperator::Minus, expr: power } = expr
        && matches!(power.as_ref(), Expr::BinaryOp { op: BinaryOperator::PGExp, .. })
    {
        sign(power);
        let power = std::mem::replace(power.as_mut(), null());
        *expr = power;
    }
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).into())
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }))
}

fn cast(value: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(value), data_type, array: false, format: None }
}

/// `date 'today'` and its like: a word for a time that goes by when the statement runs, or for the beginning of a count.
pub(crate) fn special_time(expr: &mut Expr) {
    let (written, data_type) = match &*expr {
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, .. } => (literal(inner), data_type),
        Expr::TypedString(typed) => match &typed.value.value {
            Value::SingleQuotedString(text) => (Some(text.as_str()), &typed.data_type),
            _ => return,
        },
        _ => return,
    };
    let Some(word) = written.map(|text| text.trim().to_lowercase()) else { return };
    let kind = type_name(data_type);
    let text = |text: &str| Expr::Value(Value::SingleQuotedString(text.to_owned()).into());
    let today = || cast(call("now", Vec::new()), DataType::Date);
    let value = match (word.as_str(), kind.as_str()) {
        ("now", "date" | "time" | "timestamp" | "timestamptz") => call("now", Vec::new()),
        ("today", "date" | "timestamp" | "timestamptz") => today(),
        ("tomorrow", "date" | "timestamp" | "timestamptz") => binary(today(), BinaryOperator::Plus, number("1")),
        ("yesterday", "date" | "timestamp" | "timestamptz") => binary(today(), BinaryOperator::Minus, number("1")),
        ("epoch", "date" | "timestamp") => text("1970-01-01"),
        ("epoch", "timestamptz") => text("1970-01-01 00:00:00+00"),
        ("allballs", "time") => text("00:00:00"),
        _ => return,
    };
    *expr = cast(value, data_type.clone());
}

/// `(begin, end) OVERLAPS (begin, end)`.
pub(crate) fn overlaps(expr: &mut Expr) {
    if let Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } = expr
        && let (Some(left), Some(right)) = (row_parts(left), row_parts(right))
        && let (2, 2) = (left.len(), right.len())
    {
        *expr = call("placido_overlaps", [left, right].concat());
    }
}

/// The values of a row that is written as one.
pub(crate) fn row_parts(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Nested(inner) => row_parts(inner),
        Expr::Tuple(values) => Some(values.clone()),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("row") => {
            Some(arguments(function).cloned().collect())
        }
        _ => None,
    }
}

/// `~x`, and `a && b` of arrays.
pub(crate) fn bits_and_arrays(expr: &mut Expr) {
    match expr {
        Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: value } => {
            let value = Expr::Nested(Box::new(std::mem::replace(value.as_mut(), null())));
            let ones = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number("1")) };
            *expr = binary(value, BinaryOperator::PGBitwiseXor, ones);
        }
        Expr::BinaryOp { left, op: BinaryOperator::PGOverlap, right } => {
            let sides = [left, right].map(|side| {
                array_literal(side);
                std::mem::replace(side.as_mut(), null())
            });
            *expr = call("placido_array_overlap", sides.into());
        }
        _ => {}
    }
}

/// Functions that the engine has by another name, or that are told more than they are given.
pub(crate) fn renamed(name: &str, function: &mut Function) {
    let Some(mut arguments) = arguments_mut(function) else { return };
    let other = match (name, arguments.as_mut_slice()) {
        ("every", _) => "bool_and",
        ("ceiling", _) => "ceil",
        ("sign", _) => "signum",
        ("gen_random_uuid", []) => "uuid",
        ("trunc", [_, _]) => "placido_trunc",
        ("date_trunc", [_, value]) => {
            **value = call(moments::NAME, vec![std::mem::replace(*value, null())]);
            return;
        }
        ("scale" | "min_scale" | "trim_scale", [value]) => {
            as_numeric(value, name == "trim_scale");
            return;
        }
        _ => return,
    };
    function.name = ObjectName::from(Ident::new(other));
}

/// A decimal as the `numeric` that it is in PostgreSQL; the engine makes a floating-point number of it, which has no zeros at its end.
pub(crate) fn as_numeric(value: &mut Expr, trimmed: bool) {
    let Expr::Value(ValueWithSpan { value: Value::Number(written, _), .. }) = &*value else { return };
    let Some((whole, fraction)) = written.split_once('.') else { return };
    let fraction = if trimmed { fraction.trim_end_matches('0') } else { fraction };
    let digits = whole.len() + fraction.len();
    if digits > 38 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return;
    }
    let scale = ExactNumberInfo::PrecisionAndScale(digits.max(1) as u64, i64::try_from(fraction.len()).unwrap_or(0));
    let text = Expr::Value(Value::SingleQuotedString(written.clone()).into());
    *value = cast(text, DataType::Numeric(scale));
}

/// `FETCH FIRST n ROWS ONLY`, which is LIMIT.
pub(crate) fn fetch_first(query: &mut Query) {
    let Some(fetch) = query.fetch.take_if(|fetch| !fetch.with_ties && !fetch.percent) else { return };
    let one = || Expr::Value(Value::Number("1".to_owned(), false).into());
    let limit = Some(fetch.quantity.unwrap_or_else(one));
    query.limit_clause = Some(match query.limit_clause.take() {
        Some(LimitClause::LimitOffset { limit: None, offset, limit_by }) => LimitClause::LimitOffset { limit, offset, limit_by },
        Some(both) => {
            query.fetch = Some(Fetch { with_ties: false, percent: false, quantity: limit });
            both
        }
        None => LimitClause::LimitOffset { limit, offset: None, limit_by: Vec::new() },
    });
}

/// `t.user`: a word that is a function when it stands alone is a column behind the name of a table.
pub(crate) fn column_of_table(expr: &mut Expr) {
    if let Expr::Function(Function { name, args: FunctionArguments::None, over: None, filter: None, .. }) = expr
        && name.0.len() > 1
        && let Some(parts) = name.0.iter().map(|part| part.as_ident().cloned()).collect::<Option<Vec<_>>>()
    {
        *expr = Expr::CompoundIdentifier(parts);
    }
}

/// `x = ANY ('{a,b}')`: the array of what `x` is; numbers stay numbers.
pub(crate) fn any_of_literal(expr: &mut Expr) {
    if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr {
        array_literal(right);
    }
}

fn array_literal(right: &mut Expr) {
    if let Some(parts) = literal(right).and_then(array_parts) {
        let numbers = parts.iter().flatten().all(|part| part.parse::<i64>().is_ok());
        let element = |part: Expr| match &part {
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(digits), .. }) if numbers => {
                Expr::Value(Value::Number(digits.clone(), false).into())
            }
            _ => part,
        };
        *right = array(parts, element);
    }
}

/// Functions of one value that PostgreSQL allows in FROM, as a row.
const IN_FROM: &[&str] = &["string_to_array", "parse_ident", "now", "upper", "lower", "concat", "coalesce", "gen_random_uuid"];

/// A function in FROM whose alias names its column: a set's only column gets that name, a single value becomes a query of one row.
pub(crate) fn function_in_from(factor: &mut TableFactor) -> Option<TableFactor> {
    if let TableFactor::UNNEST { alias: Some(alias), array_exprs, with_offset: false, with_ordinality: false, .. } = factor
        && alias.columns.is_empty()
        && array_exprs.len() == 1
    {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
        return None;
    }
    let TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } = factor else { return None };
    let function = name.0.last()?.as_ident().map(identifier)?;
    if function == "regexp_split_to_table" {
        let plain = args.args.iter().map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        });
        let name = alias.as_ref().map_or_else(|| Ident::new(function.clone()), |alias| alias.name.clone());
        let columns = alias.as_ref().map(|alias| alias.columns.clone()).unwrap_or_default();
        let columns = match columns.is_empty() {
            true => vec![TableAliasColumnDef { name: name.clone(), data_type: None }],
            false => columns,
        };
        return Some(TableFactor::UNNEST {
            alias: Some(TableAlias { explicit: true, name, columns, at: None }),
            array_exprs: vec![call("regexp_split_to_array", plain.collect::<Option<Vec<_>>>()?)],
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: false,
        });
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

/// `coalesce(day, '2024-01-01')`: a literal in quotes has the type of what is beside it.
pub(crate) fn literals_beside(function: &mut Function) {
    let Some(mut values) = arguments_mut(function) else { return };
    let untyped = |value: &Expr| match value {
        Expr::Value(value) => matches!(value.value, Value::SingleQuotedString(_) | Value::Null | Value::Placeholder(_)),
        _ => false,
    };
    let Some(like) = values.iter().find(|value| !untyped(value)).map(|like| (**like).clone()) else { return };
    for value in &mut values {
        if literal(value).is_some() {
            let text = std::mem::replace(*value, null());
            **value = call(unknown::NAME, vec![like.clone(), text]);
        }
    }
}

/// `coalesce(list, '{}')`: the literal is an empty list where the first argument is one.
pub(crate) fn coalesce(function: &mut Function) -> Option<Expr> {
    let [first, second] = arguments_mut(function)?.try_into().ok()?;
    (literal(second)? == "{}").then(|| call("placido_or_empty", vec![std::mem::replace(first, null())]))
}
