//! PostgreSQL's SQL → what the engine plans: names found along the search path ([`Rewriter`]), spellings of the catalog ([`casts`],
//! [`system_columns`]), functions that return sets ([`sets`], [`series`]), values as JSON ([`json`]), queries where the engine knows only values ([`values`]), and catalog queries that the engine could not plan
//! but whose answer is known, because their relations are empty for good ([`empty`]).

mod casts;
mod empty;
mod fed;
mod json;
mod lateral;
mod quantified;
mod rows;
mod scalars;
mod series;
mod set_all;
mod sets;
mod sources;
mod stars;
mod system_columns;
mod using;
mod values;

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Query, Select, SetExpr, Statement, TableFactor, TimezoneInfo, UnaryOperator, Value,
    Visit, VisitMut, Visitor, VisitorMut,
};

use super::error::PgError;
use super::names::{self, identifier};
use super::pg_catalog::{self, PgCatalog};
use super::{ordered_sets, similar, single, spelling};
pub(crate) use json::WHOLE_ROW;

/// Rewrites a statement for the engine. Returns whether it asks for the catalog, which then has to be loaded.
pub(crate) fn rewrite(statement: &mut Statement, catalog: &PgCatalog, search_path: &[String]) -> Result<bool, PgError> {
    let mut scan = Scan::default();
    let _ = Visit::visit(&*statement, &mut scan);
    if let Some(error) = scan.refused {
        return Err(error);
    }
    if matches!(statement, Statement::ShowFunctions { .. }) {
        return Err(PgError::new("0A000", "SHOW FUNCTIONS is not supported")
            .with_hint("Read information_schema.routines, or use \\df in psql."));
    }
    let shows = matches!(statement, Statement::ShowTables { .. } | Statement::ShowColumns { .. });
    let (local_names, scopes) = (scan.local_names, Vec::new());
    let mut rewriter = Rewriter { catalog, search_path, local_names, scopes, asks_catalog: shows, refused: None };
    let _ = VisitMut::visit(statement, &mut rewriter);
    match rewriter.refused {
        Some(error) => Err(error),
        None => Ok(rewriter.asks_catalog),
    }
}

/// What must be known before anything is changed.
#[derive(Default)]
struct Scan {
    /// Names of WITH queries, which hide relations.
    local_names: HashSet<String>,
    refused: Option<PgError>,
}

impl Visitor for Scan {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) = query.body.as_ref() {
            self.refused = Some(
                PgError::new("0A000", "INSERT, UPDATE and DELETE in WITH are not supported")
                    .with_hint("Send them as a statement of their own, with RETURNING."),
            );
        }
        if let Some(with) = &query.with {
            self.local_names.extend(with.cte_tables.iter().map(|cte| identifier(&cte.alias.name)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.into.is_some() {
            self.refused = Some(PgError::new("0A000", "SELECT INTO is not possible: the server is read-only"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        // The engine would ignore both and answer with something else than what was asked.
        if let TableFactor::Table { version, sample, .. } = factor {
            if version.is_some() {
                self.refused = Some(PgError::new("0A000", "AS OF is not supported: tables have one version here"));
            }
            if sample.is_some() {
                self.refused =
                    Some(PgError::new("0A000", "TABLESAMPLE is not supported").with_hint("Use ORDER BY random() LIMIT n."));
            }
        }
        ControlFlow::Continue(())
    }
}

struct Rewriter<'a> {
    catalog: &'a PgCatalog,
    search_path: &'a [String],
    local_names: HashSet<String>,
    /// What the SELECTs read that are being visited, the innermost last.
    scopes: Vec<system_columns::Scope>,
    asks_catalog: bool,
    refused: Option<PgError>,
}

impl Rewriter<'_> {
    /// `array_lower` and `array_upper` of the search path: the bounds of a set of rows have to be known to the planner.
    fn bound_of_search_path(&self, function: &Function) -> Option<usize> {
        let name_of = |function: &Function| function.name.0.last().and_then(|part| part.as_ident()).map(identifier);
        let upper = match name_of(function)?.as_str() {
            "array_upper" => true,
            "array_lower" => false,
            _ => return None,
        };
        let argument = arguments(function).next()?;
        let Expr::Function(inner) = argument else { return None };
        match (name_of(inner)?.as_str(), upper) {
            ("current_schemas" | "string_to_array", false) => return Some(1),
            ("current_schemas", true) => {}
            ("string_to_array", true) => {
                let Some(Expr::Function(setting)) = arguments(inner).next() else { return None };
                let known = name_of(setting)? == "current_setting"
                    && arguments(setting).next().is_some_and(|name| name.to_string() == "'search_path'");
                return known.then_some(self.search_path.len());
            }
            _ => return None,
        }
        let implicit = matches!(arguments(inner).next(), Some(Expr::Value(value)) if value.value == Value::Boolean(true));
        let listed = self.search_path.iter().filter(|schema| self.catalog.has_schema(schema)).count();
        Some(listed + usize::from(implicit))
    }

    /// SIMILAR TO as the regular expression that it is short for.
    fn similar_to(&mut self, expr: &mut Expr) {
        let Expr::SimilarTo { negated, expr: text, pattern, escape_char } = expr else { return };
        let escape = match escape_char.as_ref().map(|escape| &escape.value) {
            None => Some('\\'),
            Some(Value::SingleQuotedString(escape)) => escape.chars().next(),
            Some(_) => return,
        };
        let regex = match pattern.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(pattern) => similar::regular_expression(pattern, escape),
                _ => return,
            },
            _ => Err(PgError::new("0A000", "SIMILAR TO takes a constant pattern here")
                .with_hint("A regular expression need not be one: x ~ pattern.")),
        };
        match regex {
            Ok(regex) => {
                let op = if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
                let left = Box::new(std::mem::replace(text.as_mut(), null()));
                let right = Box::new(Expr::Value(Value::SingleQuotedString(regex).into()));
                *expr = Expr::Nested(Box::new(Expr::BinaryOp { left, op, right }));
            }
            Err(error) => self.refused = self.refused.take().or(Some(error)),
        }
    }

    fn function(&mut self, function: &mut Function) {
        let Some(last) = function.name.0.last().and_then(|part| part.as_ident()).cloned() else { return };
        let qualifier = match function.name.0.as_slice() {
            [schema, _] => schema.as_ident().map(identifier),
            _ => None,
        };
        if matches!(qualifier.as_deref(), Some("pg_catalog" | "public" | "information_schema")) {
            function.name = ObjectName::from(last.clone());
        }
        let name = identifier(&last);
        if matches!(name.as_str(), "statement_timestamp" | "transaction_timestamp") {
            function.name = ObjectName::from(Ident::new("now"));
        }
        if name == "variance" {
            function.name = ObjectName::from(Ident::new("var_samp"));
        }
        if name == "coalesce"
            && let Some(list) = spelling::coalesce(function)
            && let Expr::Function(replacement) = list
        {
            *function = replacement;
            return;
        }
        if matches!(name.as_str(), "coalesce" | "nullif" | "greatest" | "least") {
            spelling::literals_beside(function);
        }
        if let Some(rows) = sets::unnested(&name, function) {
            *function = rows;
            return;
        }
        if let Some(replacement) = self.json_function(&name, function).or_else(|| sets::in_select_list(&name, function)) {
            self.asks_catalog |= pg_catalog::asks_objects(&name);
            *function = replacement;
            return;
        }
        self.rows_of_sources(function);
        match ordered_sets::plain(&name, function) {
            Ok(Some(plain)) => {
                *function = plain;
                return;
            }
            Ok(None) => {}
            Err(error) => self.refused = self.refused.take().or(Some(error)),
        }
        spelling::renamed(&name, function);
        spelling::substring(&name, function);
        spelling::make_interval(&name, function);
        spelling::times(&name, function);
        spelling::moment_of_number(&name, function);
        let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or(name);
        if pg_catalog::is_catalog_function(&name) {
            self.asks_catalog |= pg_catalog::asks_objects(&name);
            if matches!(function.args, FunctionArguments::None) {
                function.args = no_arguments();
            }
        }
    }
}

pub(crate) fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

/// The plain arguments of a call.
pub(crate) fn arguments(function: &Function) -> impl Iterator<Item = &Expr> {
    let list = match &function.args {
        FunctionArguments::List(list) => list.args.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

/// The arguments of a call, if all of them are plain.
pub(crate) fn arguments_mut(function: &mut Function) -> Option<Vec<&mut Expr>> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let plain = list.args.iter_mut().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    plain.collect()
}

/// The type of LOCALTIMESTAMP and LOCALTIME, what the clocks of the session's zone show now, and of the clocks with digits.
fn local_clock(function: &Function) -> Option<DataType> {
    let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier)?;
    let plain = matches!(function.args, FunctionArguments::None);
    match name.as_str() {
        "localtimestamp" if plain || digits_of_seconds(function).is_some() => {
            Some(DataType::Timestamp(Some(6), TimezoneInfo::None))
        }
        "localtime" if plain || digits_of_seconds(function).is_some() => Some(DataType::Time(None, TimezoneInfo::None)),
        "current_timestamp" if !plain && digits_of_seconds(function).is_some() => {
            Some(DataType::Timestamp(Some(6), TimezoneInfo::WithTimeZone))
        }
        _ => None,
    }
}

/// The digits that a clock's seconds shall have: `current_timestamp(0)`.
fn digits_of_seconds(function: &Function) -> Option<u8> {
    match arguments(function).collect::<Vec<_>>().as_slice() {
        [Expr::Value(value)] => match &value.value {
            Value::Number(digits, _) => digits.parse().ok().filter(|digits| *digits <= 6),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a call is `mod(x, y)`, which is another spelling of an operator.
fn is_modulo(function: &Function) -> bool {
    let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier);
    name.as_deref() == Some("mod") && arguments(function).count() == 2
}

fn no_arguments() -> FunctionArguments {
    FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args: Vec::new(), clauses: Vec::new() })
}

pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(called(name, arguments))
}

pub(crate) fn called(name: &str, arguments: Vec<Expr>) -> Function {
    Function {
        name: ObjectName::from(Ident::new(name)),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

/// `OPERATOR(pg_catalog.~)` as the operator that it names.
fn named_operator(parts: &[String]) -> Option<BinaryOperator> {
    Some(match parts.last()?.as_str() {
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "=" => BinaryOperator::Eq,
        "<>" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        ">" => BinaryOperator::Gt,
        "<=" => BinaryOperator::LtEq,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "||" => BinaryOperator::StringConcat,
        _ => return None,
    })
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        spelling::fetch_first(query);
        values::distinct_apart(query);
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            names::name_columns(&mut cte.query);
        }
        // Before the parts are visited, because what the engine lacks stands in them.
        if query.with.is_none() && self.fold(query.body.as_mut()) {
            query.order_by = None;
            self.asks_catalog = true;
        }
        names::name_ordered(query);
        self.order_by_queries(query);
        if let Err(error) = set_all::count(query.body.as_mut()).and_then(|()| using::merge(query)) {
            self.refused = self.refused.take().or(Some(error));
        }
        series::name_in(query);
        lateral::unnest(query);
        sets::values_by_alias(query);
        sets::of_other_columns(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.queries_as_values(select);
        if let Err(error) = using::merge_in_select(select) {
            self.refused = self.refused.take().or(Some(error));
        }
        series::name(select);
        lateral::unnest_in_select(select);
        scalars::join(select);
        fed::in_order(select);
        self.enter(select);
        self.rows_and_stars(select);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Derived { subquery, .. } = factor {
            names::name_columns(subquery);
        }
        if sets::of_relation(factor) {
            return ControlFlow::Continue(());
        }
        match sets::records(factor) {
            Ok(Some(derived)) => {
                *factor = derived;
                return ControlFlow::Continue(());
            }
            Ok(None) => {}
            Err(error) => self.refused = self.refused.take().or(Some(error)),
        }
        if let Some(derived) = sets::in_from(factor).or_else(|| spelling::function_in_from(factor)) {
            *factor = derived;
            return ControlFlow::Continue(());
        }
        sets::without_schema(factor);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        series::rewrite(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(identifier).collect();
        match parts.as_slice() {
            [.., schema, _] if schema == pg_catalog::SCHEMA || schema == pg_catalog::INFORMATION_SCHEMA => {
                self.asks_catalog = true
            }
            [table] if !self.local_names.contains(table) => {
                let schema = if pg_catalog::is_relation(table) {
                    self.asks_catalog = true;
                    Some(pg_catalog::SCHEMA.to_owned())
                } else {
                    self.catalog.find(table, self.search_path)
                };
                if let Some(schema) = schema {
                    *name = ObjectName::from(vec![Ident::with_quote('"', schema), Ident::with_quote('"', table)]);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        spelling::column_of_table(expr);
        if let Some(compared) = rows::compared(expr) {
            *expr = compared;
        }
        // Subqueries over empty relations, before their parts are looked at.
        match expr {
            Expr::Subquery(query) if self.query_is_empty(query) => {
                self.asks_catalog = true;
                *expr = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(null()),
                    data_type: DataType::Text,
                    array: false,
                    format: None,
                };
            }
            Expr::Exists { subquery, negated } if self.query_is_empty(subquery) => {
                *expr = Expr::Value(Value::Boolean(*negated).into());
            }
            // How many rows there are in a relation that has none.
            Expr::Subquery(query) if self.counts_nothing(query) => {
                self.asks_catalog = true;
                *expr = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(Expr::Value(Value::Number("0".to_owned(), false).into())),
                    data_type: DataType::BigInt(None),
                    array: false,
                    format: None,
                };
            }
            Expr::Exists { subquery, .. } => values::without_needless_limit(subquery),
            Expr::InSubquery { subquery, negated, .. } if self.query_is_empty(subquery) => {
                *expr = Expr::Value(Value::Boolean(*negated).into());
            }
            Expr::Function(function) => {
                if let Some(replacement) = self.array_of_query(function) {
                    self.asks_catalog = true;
                    *expr = replacement;
                } else if let Some(bound) = self.bound_of_search_path(function) {
                    *expr = Expr::Value(Value::Number(bound.to_string(), false).into());
                }
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                if let Some(value) = self.system_column(expr) {
                    self.asks_catalog = true;
                    *expr = value;
                }
            }
            Expr::UnaryOp { .. } => spelling::sign_of_base(expr),
            Expr::Case { .. } => self.without_absent_kinds(expr),
            Expr::Like { .. } | Expr::ILike { .. } => spelling::like(expr),
            Expr::AnyOp { .. } | Expr::AllOp { .. } => {
                spelling::any_of_literal(expr);
                quantified::compare(expr);
            }
            Expr::Cast { .. } => {
                spelling::array_cast(expr);
                spelling::bytes_cast(expr);
                spelling::date_cast(expr);
                spelling::time_cast(expr);
                spelling::special_time(expr);
            }
            Expr::TypedString(_) => {
                spelling::time_cast(expr);
                spelling::special_time(expr);
            }
            Expr::BinaryOp { op: BinaryOperator::Overlaps, .. } => spelling::overlaps(expr),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) if is_modulo(function) => {
                let sides = arguments_mut(function).unwrap_or_default().into_iter().map(|side| std::mem::replace(side, null()));
                let mut sides = sides.map(|side| Box::new(Expr::Nested(Box::new(side))));
                if let (Some(left), Some(right)) = (sides.next(), sides.next()) {
                    *expr = Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::Modulo, right }));
                }
            }
            Expr::Function(function) => match local_clock(function) {
                Some(data_type) => {
                    let now = call("now", Vec::new());
                    let unit = match digits_of_seconds(function) {
                        Some(0) => Some("second"),
                        Some(1..=3) => Some("millisecond"),
                        _ => None,
                    };
                    let now = Box::new(match unit {
                        Some(unit) => {
                            call("date_trunc", vec![Expr::Value(Value::SingleQuotedString(unit.to_owned()).into()), now])
                        }
                        None => now,
                    });
                    *expr = Expr::Cast { kind: CastKind::Cast, expr: now, data_type, array: false, format: None };
                }
                None => self.function(function),
            },
            Expr::Cast { .. } => self.cast(expr),
            Expr::CompoundFieldAccess { root, access_chain } => {
                if let Some(column) = self.column_of_row(root, access_chain) {
                    *expr = column;
                    return ControlFlow::Continue(());
                }
                let fields = access_chain.iter().map_while(|access| match access {
                    AccessExpr::Dot(Expr::Identifier(field)) => Some(identifier(field)),
                    _ => None,
                });
                let fields: Vec<String> = fields.collect();
                // A name in front may be a table's: the engine tells columns from fields.
                if fields.is_empty() || matches!(root.as_ref(), Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
                    return ControlFlow::Continue(());
                }
                let mut value = std::mem::replace(root.as_mut(), null());
                let rest = access_chain.split_off(fields.len());
                for field in fields {
                    value = call("get_field", vec![value, Expr::Value(Value::SingleQuotedString(field).into())]);
                }
                *expr = match rest.is_empty() {
                    true => value,
                    false => Expr::CompoundFieldAccess { root: Box::new(value), access_chain: rest },
                };
            }
            Expr::Collate { expr: inner, .. } => {
                let inner = std::mem::replace(inner.as_mut(), null());
                *expr = inner;
            }
            Expr::Substring { .. } => spelling::substring_of_pattern(expr),
            Expr::AtTimeZone { timestamp, time_zone } => {
                let zone = std::mem::replace(time_zone.as_mut(), null());
                *expr = call("timezone", vec![zone, std::mem::replace(timestamp.as_mut(), null())]);
            }
            Expr::UnaryOp { op: UnaryOperator::BitwiseNot, .. } | Expr::BinaryOp { op: BinaryOperator::PGOverlap, .. } => {
                spelling::bits_and_arrays(expr);
            }
            Expr::BinaryOp { left, op, right } => {
                if let Some(name) = json::operator(op) {
                    let sides = [left, right].map(|side| std::mem::replace(side.as_mut(), null()));
                    *expr = call(name, sides.into());
                    return ControlFlow::Continue(());
                }
                if let BinaryOperator::PGCustomBinaryOperator(parts) = op
                    && let Some(named) = named_operator(parts)
                {
                    *op = named;
                }
            }
            Expr::Identifier(name)
                if name.quote_style.is_none() && matches!(identifier(name).as_str(), "current_schema" | "current_role") =>
            {
                self.asks_catalog = true;
                *expr = call(&identifier(name), Vec::new());
            }
            // A correlated subquery of the catalog: at most one row fits, which the engine wants to see as an aggregate.
            Expr::Subquery(query) if self.asks_catalog => {
                values::aggregate_projection(query, "max");
            }
            Expr::Subquery(query) if values::is_correlated(query) && !values::reads_correlated(query) => {
                let one_row = query.limit_clause.is_some();
                if values::aggregate_projection(query, single::ONE) && !one_row {
                    let query = std::mem::replace(expr, null());
                    *expr = call(single::ONLY, vec![query]);
                }
            }
            // The engine plans EXTRACT as its own function of the same name.
            Expr::Extract { field, expr: of, .. } => {
                let part = Expr::Value(Value::SingleQuotedString(field.to_string().to_lowercase()).into());
                *expr = call("date_part", vec![part, std::mem::replace(of.as_mut(), null())]);
            }
            Expr::SimilarTo { .. } => self.similar_to(expr),
            Expr::TypedString(typed) => casts::microseconds(&mut typed.data_type),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
