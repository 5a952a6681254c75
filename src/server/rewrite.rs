//! PostgreSQL's SQL → what the engine plans: names found along the search path, spellings of the catalog, and catalog
//! queries that the engine could not plan but whose answer is known, because their relations are empty for good.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, JoinOperator, LimitClause, ObjectName,
    OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, Value, Visit, VisitMut,
    Visitor, VisitorMut,
};

use super::error::PgError;
use super::names::identifier;
use super::pg_catalog::{self, PgCatalog, is_always_empty};
use super::spelling;

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
    let mut rewriter = Rewriter { catalog, search_path, local_names: scan.local_names, asks_catalog: shows };
    let _ = VisitMut::visit(statement, &mut rewriter);
    name_objects(statement);
    Ok(rewriter.asks_catalog)
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
    asks_catalog: bool,
}

/// Columns of the catalog that are arrays and always NULL here, so that unnesting them gives no rows.
const NULL_ARRAYS: &[&str] = &[
    "reloptions",
    "nspacl",
    "attacl",
    "attoptions",
    "proacl",
    "proconfig",
    "evttags",
    "setconfig",
    "datacl",
    "spcacl",
    "lanacl",
    "typacl",
    "rolconfig",
    "spcoptions",
    "relacl",
];

/// Functions that give a row for each element of an array.
const EXPLODING: &[&str] = &["unnest", "aclexplode", "pg_options_to_table"];

fn is_null_array(expr: &Expr) -> bool {
    match expr {
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|last| NULL_ARRAYS.contains(&last.value.as_str())),
        Expr::Identifier(ident) => NULL_ARRAYS.contains(&ident.value.as_str()),
        _ => false,
    }
}

/// Functions that make a query an aggregate even over no rows.
const AGGREGATES: &[&str] =
    &["count", "sum", "min", "max", "avg", "array_agg", "string_agg", "bool_and", "bool_or", "every", "json_agg", "jsonb_agg"];

impl Rewriter<'_> {
    /// Whether a name stands for a relation of the catalog that never has rows.
    fn names_empty_relation(&self, name: &ObjectName) -> bool {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(identifier).collect();
        match parts.as_slice() {
            [.., schema, table] => is_always_empty(schema, table),
            [table] => !self.local_names.contains(table) && is_always_empty(pg_catalog::SCHEMA, table),
            [] => false,
        }
    }

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

    fn factor_is_empty(&self, factor: &TableFactor) -> bool {
        match factor {
            TableFactor::Table { name, args: None, .. } => self.names_empty_relation(name),
            TableFactor::Table { name, args: Some(args), .. } => {
                let unnest = name
                    .0
                    .last()
                    .and_then(|part| part.as_ident())
                    .is_some_and(|name| EXPLODING.contains(&identifier(name).as_str()));
                unnest
                    && args
                        .args
                        .iter()
                        .any(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if is_null_array(expr)))
            }
            TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter().any(is_null_array),
            TableFactor::NestedJoin { table_with_joins, .. } => self.joined_is_empty(table_with_joins),
            TableFactor::Derived { subquery, .. } => self.query_is_empty(subquery),
            _ => false,
        }
    }

    fn joined_is_empty(&self, table: &TableWithJoins) -> bool {
        let mut empty = self.factor_is_empty(&table.relation);
        for join in &table.joins {
            empty = match &join.join_operator {
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                    empty || self.factor_is_empty(&join.relation)
                }
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => empty,
                _ => return false,
            };
        }
        empty
    }

    /// Whether a SELECT returns no rows whatever its conditions are.
    fn select_is_empty(&self, select: &Select) -> bool {
        let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
        let aggregates = select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_aggregate(expr),
            _ => false,
        });
        let unnests_null = select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(Expr::Function(function))
            | SelectItem::ExprWithAlias { expr: Expr::Function(function), .. } => {
                let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier);
                name.is_some_and(|name| EXPLODING.contains(&name.as_str()))
                    && arguments(function).next().is_some_and(is_null_array)
            }
            _ => false,
        });
        (unnests_null || select.from.iter().any(|table| self.joined_is_empty(table))) && (grouped || !aggregates)
    }

    /// Whether a query counts the rows of relations that never have any.
    fn counts_nothing(&self, query: &Query) -> bool {
        let SetExpr::Select(select) = query.body.as_ref() else { return false };
        let [
            SelectItem::UnnamedExpr(Expr::Function(function)) | SelectItem::ExprWithAlias { expr: Expr::Function(function), .. },
        ] = select.projection.as_slice()
        else {
            return false;
        };
        let counts = function.name.0.last().and_then(|part| part.as_ident()).is_some_and(|name| identifier(name) == "count");
        let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
        counts && !grouped && select.having.is_none() && select.from.iter().any(|table| self.joined_is_empty(table))
    }

    fn body_is_empty(&self, body: &SetExpr) -> bool {
        match body {
            SetExpr::Select(select) => self.select_is_empty(select),
            SetExpr::Query(query) => self.query_is_empty(query),
            SetExpr::SetOperation { left, right, .. } => self.body_is_empty(left) && self.body_is_empty(right),
            _ => false,
        }
    }

    fn query_is_empty(&self, query: &Query) -> bool {
        query.with.is_none() && self.body_is_empty(&query.body)
    }

    /// Replaces an empty SELECT by one of the same columns that the engine can plan.
    fn fold(&mut self, body: &mut SetExpr) -> bool {
        match body {
            SetExpr::Select(select) if self.select_is_empty(select) => {
                let mut seen = HashSet::new();
                let names = select.projection.iter().enumerate().map(|(position, item)| {
                    let name = match item {
                        SelectItem::UnnamedExpr(Expr::Identifier(name)) | SelectItem::ExprWithAlias { alias: name, .. } => {
                            Some(identifier(name))
                        }
                        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(identifier),
                        SelectItem::UnnamedExpr(_) => None,
                        // The columns of a wildcard are the engine's to find.
                        _ => return None,
                    };
                    let name = name.unwrap_or_else(|| format!("column {}", position + 1));
                    Some(if seen.insert(name.clone()) { name } else { format!("column {}", position + 1) })
                });
                let Some(names) = names.collect::<Option<Vec<_>>>() else { return false };
                select.projection = names
                    .into_iter()
                    .map(|name| SelectItem::ExprWithAlias { expr: null(), alias: Ident::with_quote('"', name) })
                    .collect();
                select.from.clear();
                select.selection = Some(Expr::Value(Value::Boolean(false).into()));
                select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
                select.having = None;
                select.distinct = None;
                true
            }
            SetExpr::SetOperation { left, right, .. } => {
                let left = self.fold(left);
                self.fold(right) && left
            }
            _ => false,
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
        if name == "coalesce"
            && let Some(list) = spelling::coalesce(function)
            && let Expr::Function(replacement) = list
        {
            *function = replacement;
            return;
        }
        if pg_catalog::is_catalog_function(&name) {
            self.asks_catalog = true;
            if matches!(function.args, FunctionArguments::None) {
                function.args = no_arguments();
            }
        }
    }

    fn cast(&mut self, expr: &mut Expr) {
        let Expr::Cast { expr: inner, data_type, .. } = expr else { return };
        if let DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) = data_type
            && let Some(name) = pg_type_name(element)
        {
            **element = match name.as_str() {
                "int2" => DataType::SmallInt(None),
                "int4" => DataType::Integer(None),
                "int8" | "oid" | "xid" => DataType::BigInt(None),
                "float4" => DataType::Real,
                "float8" => DataType::DoublePrecision,
                "bool" => DataType::Boolean,
                "text" | "name" | "char" | "varchar" | "bpchar" | "aclitem" | "json" | "jsonb" | "uuid" => DataType::Text,
                _ => return,
            };
            return;
        }
        let Some(name) = pg_type_name(data_type) else {
            // regtype::text and its relatives show names, not numbers.
            if matches!(data_type, DataType::Text | DataType::Varchar(_)) {
                self.reg_to_text(expr);
            }
            return;
        };
        let plain = match name.as_str() {
            "text" | "name" | "char" | "json" | "jsonb" | "uuid" | "citext" | "bpchar" | "varchar" | "cstring"
            | "pg_node_tree" | "unknown" => DataType::Text,
            "int2" => DataType::SmallInt(None),
            "int4" => DataType::Integer(None),
            "int8" | "oid" | "xid" | "cid" => DataType::BigInt(None),
            "float4" => DataType::Real,
            "float8" => DataType::DoublePrecision,
            "bool" => DataType::Boolean,
            "numeric" => DataType::Numeric(datafusion::sql::sqlparser::ast::ExactNumberInfo::None),
            "regclass" | "regtype" | "regnamespace" | "regproc" | "regprocedure" | "regrole" => {
                let function = match name.as_str() {
                    "regprocedure" => "placido_regproc".to_owned(),
                    name => format!("placido_{name}"),
                };
                self.asks_catalog = true;
                let argument = std::mem::replace(inner.as_mut(), null());
                *expr = call(&function, vec![argument]);
                return;
            }
            _ => return,
        };
        let to_text = plain == DataType::Text;
        *data_type = plain;
        if to_text {
            self.reg_to_text(expr);
        }
    }

    fn reg_to_text(&mut self, expr: &mut Expr) {
        let Expr::Cast { expr: inner, .. } = expr else { return };
        let Some(shown) = shown_as(inner) else { return };
        let oid = std::mem::replace(inner.as_mut(), null());
        let arguments = if shown == "format_type" { vec![oid, null()] } else { vec![oid] };
        *expr = call(shown, arguments);
    }

    /// `ARRAY(SELECT x …)` as an aggregate, which the engine can plan.
    fn array_of_query(&mut self, function: &Function) -> Option<Expr> {
        let FunctionArguments::Subquery(query) = &function.args else { return None };
        if !function.name.to_string().eq_ignore_ascii_case("array") {
            return None;
        }
        if self.query_is_empty(query) {
            return Some(Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(call("make_array", Vec::new())),
                data_type: DataType::Array(datafusion::sql::sqlparser::ast::ArrayElemTypeDef::SquareBracket(
                    Box::new(DataType::Text),
                    None,
                )),
                array: false,
                format: None,
            });
        }
        let mut query = query.as_ref().clone();
        aggregate_projection(&mut query, "array_agg").then(|| Expr::Subquery(Box::new(query)))
    }
}

/// Whether an expression computes an aggregate itself, not in a query inside of it.
fn is_aggregate(expr: &Expr) -> bool {
    struct Finder(usize);
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if self.0 == 0
                && let Expr::Function(function) = expr
                && let Some(name) = function.name.0.last().and_then(|part| part.as_ident())
                && AGGREGATES.contains(&identifier(name).as_str())
            {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    Visit::visit(expr, &mut Finder(0)).is_break()
}

/// Makes the only column of a query an aggregate, where it is a plain SELECT. ORDER BY moves into the aggregate.
fn aggregate_projection(query: &mut Query, function: &str) -> bool {
    let one_row = match &query.limit_clause {
        None => false,
        Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by }) => {
            let one = matches!(limit, Expr::Value(value) if value.value.to_string() == "1") && limit_by.is_empty();
            if !one || function == "array_agg" {
                return false;
            }
            true
        }
        Some(_) => return false,
    };
    if query.with.is_some() {
        return false;
    }
    let order = match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(order)) if function == "array_agg" || one_row => order.clone(),
        Some(OrderByKind::All(_)) => return false,
        _ => Vec::new(),
    };
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let plain = select.distinct.is_none() && matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
    // A position in ORDER BY would mean a constant inside of the aggregate.
    let by_position = order.iter().any(|order| matches!(order.expr, Expr::Value(_)));
    if !plain || by_position {
        return false;
    }
    match select.projection.as_mut_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => {
            if is_aggregate(expr) {
                return false;
            }
            let inner = std::mem::replace(expr, null());
            *expr = match (order.is_empty(), one_row) {
                (false, true) => ordered_call("first_value", inner, order),
                (false, false) => ordered_call(function, inner, order),
                (true, _) => call(function, vec![inner]),
            };
            query.order_by = None;
            query.limit_clause = None;
            true
        }
        _ => false,
    }
}

fn ordered_call(name: &str, argument: Expr, order: Vec<OrderByExpr>) -> Expr {
    let mut made = call(name, vec![argument]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut made {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    made
}

/// Whether an expression is a column of `pg_type` that holds a function.
fn names_function(expr: &Expr) -> bool {
    let last = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    last.is_some_and(|name| {
        matches!(identifier(name).as_str(), "typinput" | "typoutput" | "typreceive" | "typsend" | "typsubscript")
    })
}

/// Identifiers of objects are shown as names where they are results.
fn name_objects(statement: &mut Statement) {
    let Statement::Query(query) = statement else { return };
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
            && let Some(shown) = shown_as(expr)
        {
            let oid = std::mem::replace(expr, null());
            *expr = call(shown, if shown == "format_type" { vec![oid, null()] } else { vec![oid] });
        }
    }
}

/// The function that shows the name behind an identifier that the rewriter made.
fn shown_as(expr: &Expr) -> Option<&'static str> {
    let Expr::Function(function) = expr else { return None };
    Some(match function.name.to_string().as_str() {
        "placido_regclass" => "placido_regclass_text",
        "placido_regnamespace" => "placido_regnamespace_text",
        "placido_regproc" => "placido_regproc_text",
        "placido_regrole" => "placido_regrole_text",
        "placido_regtype" => "format_type",
        _ => return None,
    })
}

/// The name of a type that is written as PostgreSQL's catalog names it.
fn pg_type_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, _) => {
            let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(identifier).collect();
            match parts.as_slice() {
                [schema, name] if schema == pg_catalog::SCHEMA => Some(name.clone()),
                [name] => Some(name.clone()),
                _ => None,
            }
        }
        DataType::Regclass => Some("regclass".into()),
        DataType::JSON | DataType::JSONB => Some("json".into()),
        DataType::Uuid => Some("uuid".into()),
        _ => None,
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

fn no_arguments() -> FunctionArguments {
    FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args: Vec::new(), clauses: Vec::new() })
}

pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(Function {
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
    })
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
        // Before the parts are visited, because what the engine lacks stands in them.
        if query.with.is_none() && self.fold(query.body.as_mut()) {
            query.order_by = None;
            self.asks_catalog = true;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: args @ Some(_), .. } = factor
            && name.0.last().and_then(|part| part.as_ident()).is_some_and(|last| identifier(last) == pg_catalog::KEYWORDS)
        {
            // A set that is the same for every call is read as a relation.
            *args = None;
            *name = ObjectName::from(vec![Ident::new(pg_catalog::SCHEMA), Ident::new(pg_catalog::KEYWORDS)]);
            return ControlFlow::Continue(());
        }
        if let Some(derived) = spelling::function_in_from(factor) {
            *factor = derived;
            return ControlFlow::Continue(());
        }
        if let TableFactor::Table { name, args: Some(_), .. } = factor
            && let [schema, function] = name.0.as_slice()
            && schema.as_ident().is_some_and(|schema| matches!(identifier(schema).as_str(), "pg_catalog" | "public"))
            && let Some(function) = function.as_ident().cloned()
        {
            *name = ObjectName::from(function);
        }
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
                *expr = Expr::Value(Value::Number("0".to_owned(), false).into());
            }
            // Whether there is a row does not depend on how many would be given.
            Expr::Exists { subquery, .. } if matches!(&subquery.limit_clause, Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, .. }) if limit.to_string() == "1") =>
            {
                subquery.limit_clause = None;
                subquery.order_by = None;
            }
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
            Expr::Like { .. } | Expr::ILike { .. } => spelling::like(expr),
            Expr::AnyOp { .. } | Expr::AllOp { .. } => spelling::any_of_literal(expr),
            Expr::Cast { .. } => {
                spelling::array_cast(expr);
                spelling::bytes_cast(expr);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::Cast { .. } => self.cast(expr),
            Expr::CompoundFieldAccess { root, access_chain } => {
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
            Expr::BinaryOp { op, left, right } => {
                if names_function(left) {
                    self.asks_catalog |= spelling::function_name(right);
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
                aggregate_projection(query, "max");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
