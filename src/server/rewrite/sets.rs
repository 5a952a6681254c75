//! Functions that return sets: in the select list, in FROM, and in FROM with columns of what stands before them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, ExcludeSelectItem, Expr, Function, FunctionArg, FunctionArgExpr, Ident, JoinConstraint,
    JoinOperator, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, Value, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::sources::{Replace, factors, source};
use super::{arguments, call, called, series};
use crate::server::error::PgError;
use crate::server::names::{identifier, type_name};
use crate::server::ordinality;
use crate::server::pg_catalog::{self, Set};

/// Functions of lists that the engine has itself.
const OF_ENGINE: &[&str] = &["unnest", "regexp_split_to_table", series::NAME];

/// Behind the name of a set: the column that holds its rows.
const ROWS: &str = "\u{1}rows";

pub(super) fn last(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(|part| part.as_ident()).map(identifier)
}

/// A function in the select list: a row for each element of its list.
pub(super) fn in_select_list(name: &str, function: &Function) -> Option<Function> {
    pg_catalog::set_of(name)?;
    Some(called("unnest", vec![Expr::Function(Function { name: ObjectName::from(Ident::new(name)), ..function.clone() })]))
}

/// The same for functions that PostgreSQL has for rows only, and the engine, or we, for lists.
pub(super) fn unnested(name: &str, function: &Function) -> Option<Function> {
    let list = match name {
        "regexp_split_to_table" => {
            Expr::Function(Function { name: ObjectName::from(Ident::new("regexp_split_to_array")), ..function.clone() })
        }
        series::NAME => series::list(arguments(function).cloned().collect()),
        _ => return None,
    };
    Some(called("unnest", vec![list]))
}

/// A set that is the same for every call is read as a relation.
pub(super) fn of_relation(factor: &mut TableFactor) -> bool {
    let TableFactor::Table { name, args: args @ Some(_), alias, .. } = factor else { return false };
    let Some(function) = last(name) else { return false };
    let Some((_, relation)) = pg_catalog::SETS.iter().find(|(known, _)| *known == function) else { return false };
    *args = None;
    *name = ObjectName::from(vec![Ident::new(pg_catalog::SCHEMA), Ident::new(*relation)]);
    alias.get_or_insert_with(|| alias_of(Ident::new(function)));
    true
}

fn alias_of(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}

fn columns(set: Set, function: &str, alias: &Ident) -> Vec<Ident> {
    match set {
        Set::Rows(columns) => columns.iter().map(|(name, _)| Ident::with_quote('"', *name)).collect(),
        Set::Values(_) if function.contains("array_elements") => vec![Ident::with_quote('"', "value")],
        Set::Values(_) => vec![alias.clone()],
    }
}

/// A call in FROM.
pub(super) struct Called<'a> {
    pub(super) function: String,
    pub(super) args: Vec<&'a FunctionArg>,
    pub(super) alias: Option<&'a TableAlias>,
}

pub(super) fn called_in_from(factor: &TableFactor) -> Option<Called<'_>> {
    match factor {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } => {
            Some(Called { function: last(name)?, args: args.args.iter().collect(), alias: alias.as_ref() })
        }
        TableFactor::Function { name, args, alias, with_ordinality: false, .. } => {
            Some(Called { function: last(name)?, args: args.iter().collect(), alias: alias.as_ref() })
        }
        _ => None,
    }
}

/// A query of our own making.
pub(super) fn parsed(sql: &str) -> Option<Box<Query>> {
    Parser::new(&PostgreSqlDialect {}).with_recursion_limit(256).try_with_sql(sql).ok()?.parse_query().ok()
}

/// A list in FROM WITH ORDINALITY.
struct NumberedList {
    list: Expr,
    name: Ident,
    /// The columns: of the values and of their numbers.
    columns: Vec<(Ident, Part)>,
}

fn numbered(factor: &TableFactor) -> Option<NumberedList> {
    let (function, args, alias) = match factor {
        TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality: true, .. } => {
            ("unnest".to_owned(), array_exprs.clone(), alias.as_ref())
        }
        TableFactor::Table { name, args: Some(args), alias, with_ordinality: true, .. } => {
            (last(name)?, plain(&args.args)?, alias.as_ref())
        }
        TableFactor::Function { name, args, alias, with_ordinality: true, .. } => (last(name)?, plain(args)?, alias.as_ref()),
        _ => return None,
    };
    let list = match (function.as_str(), pg_catalog::set_of(&function)) {
        ("unnest", _) if args.len() == 1 => args.into_iter().next()?,
        (series::NAME, _) => series::list(args),
        ("regexp_split_to_table", _) => call("regexp_split_to_array", args),
        (function, Some(Set::Values(_))) => call(function, args),
        _ => return None,
    };
    let name = alias.map_or_else(|| Ident::new(&function), |alias| alias.name.clone());
    let mut columns = vec![
        (name.clone(), Part::Field(ordinality::VALUE)),
        (Ident::new(ordinality::ORDINALITY), Part::Field(ordinality::ORDINALITY)),
    ];
    for (column, given) in columns.iter_mut().zip(alias.iter().flat_map(|alias| &alias.columns)) {
        column.0 = given.name.clone();
    }
    Some(NumberedList { list: call(ordinality::NAME, vec![list]), name, columns })
}

/// The arguments of a call, if all of them are plain.
pub(super) fn plain(args: &[FunctionArg]) -> Option<Vec<Expr>> {
    let plain = args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    plain.collect()
}

/// The name of a function in FROM without a schema that every session has.
pub(super) fn without_schema(factor: &mut TableFactor) {
    if let TableFactor::Table { name, args: Some(_), .. } = factor
        && let [schema, function] = name.0.as_slice()
        && schema.as_ident().is_some_and(|schema| matches!(identifier(schema).as_str(), "pg_catalog" | "public"))
        && let Some(function) = function.as_ident().cloned()
    {
        *name = ObjectName::from(function);
    }
}

/// A function in FROM: a query of its columns.
pub(super) fn in_from(factor: &TableFactor) -> Option<TableFactor> {
    if let Some(NumberedList { list, name, columns }) = numbered(factor) {
        let row = Expr::Identifier(Ident::new("set_row"));
        let fields = columns.iter().map(|(column, part)| format!("{} AS {column}", part.of(row.clone())));
        let fields = fields.collect::<Vec<_>>().join(", ");
        let subquery = parsed(&format!("SELECT {fields} FROM (SELECT unnest({list}) AS set_row) AS made"))?;
        return Some(TableFactor::Derived { lateral: false, subquery, alias: Some(alias_of(name)), sample: None });
    }
    let Called { function, args, alias } = called_in_from(factor)?;
    let set = pg_catalog::set_of(&function)?;
    let args = args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let name = alias.map_or_else(|| Ident::new(&function), |alias| alias.name.clone());
    let columns = columns(set, &function, &name);
    let sql = match (set, columns.as_slice()) {
        (Set::Values(_), [column]) => format!("SELECT {function}({args}) AS {column}"),
        _ => {
            let fields = columns.iter().map(|column| format!("get_field(set_row, '{}') AS {column}", column.value));
            let fields = fields.collect::<Vec<_>>().join(", ");
            format!("SELECT {fields} FROM (SELECT {function}({args}) AS set_row) AS made")
        }
    };
    let alias = alias.cloned().unwrap_or_else(|| alias_of(name));
    Some(TableFactor::Derived { lateral: false, subquery: parsed(&sql)?, alias: Some(alias), sample: None })
}

/// The function behind those that return rows whose columns are defined beside them.
const RECORDS: &str = "placido_json_records";

/// Functions whose columns are defined beside them.
const DEFINED: &[&str] = &["json_to_record", "json_to_recordset", "jsonb_to_record", "jsonb_to_recordset"];

/// The columns of an alias that defines them.
fn defined(alias: Option<&TableAlias>) -> Result<Vec<(Ident, Part)>, PgError> {
    let columns = alias.map(|alias| alias.columns.as_slice()).unwrap_or_default();
    if columns.is_empty() {
        return Err(PgError::new("42601", "a column definition list is required for functions returning \"record\""));
    }
    let part = |column: &TableAliasColumnDef| match &column.data_type {
        None => Err(PgError::new("42601", "a column definition list is required for functions returning \"record\"")),
        Some(DataType::Array(_)) => {
            let told = format!("column \"{}\" cannot be an array here", identifier(&column.name));
            Err(PgError::new("0A000", told).with_hint("Define it as jsonb, and use jsonb_array_elements_text()."))
        }
        Some(data_type) => Ok((column.name.clone(), Part::Member(identifier(&column.name), data_type.clone()))),
    };
    columns.iter().map(part).collect()
}

/// `json_to_recordset(…) AS t (a int, b text)` as a query of these columns.
pub(super) fn records(factor: &TableFactor) -> Result<Option<TableFactor>, PgError> {
    let Some(Called { function, args, alias }) = called_in_from(factor) else { return Ok(None) };
    if !DEFINED.contains(&function.as_str()) {
        return Ok(None);
    }
    let columns = defined(alias)?;
    let args = args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let rows = Expr::Identifier(Ident::new("set_row"));
    let fields: Vec<String> = columns.iter().map(|(name, part)| format!("{} AS {name}", part.of(rows.clone()))).collect();
    let fields = fields.join(", ");
    let sql = format!("SELECT {fields} FROM (SELECT {RECORDS}({args}, '{function}') AS set_row) AS made");
    let alias = alias.map(|alias| TableAlias { columns: Vec::new(), ..alias.clone() });
    let derived = |subquery| TableFactor::Derived { lateral: false, subquery, alias, sample: None };
    Ok(parsed(&sql).map(derived))
}

/// What a column is of the rows of a set.
#[derive(Clone)]
enum Part {
    All,
    Field(&'static str),
    /// A member of an object, as a type.
    Member(String, DataType),
}

impl Part {
    fn of(&self, rows: Expr) -> Expr {
        let text = |text: &str| Expr::Value(Value::SingleQuotedString(text.to_owned()).into());
        match self {
            Part::All => rows,
            Part::Field(field) => call("get_field", vec![rows, text(field)]),
            Part::Member(key, data_type) => {
                let is_json = matches!(type_name(data_type).as_str(), "json" | "jsonb");
                let get = if is_json { "placido_json_get" } else { "placido_json_get_text" };
                Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(call(get, vec![rows, text(key)])),
                    data_type: data_type.clone(),
                    array: false,
                    format: None,
                }
            }
        }
    }
}

/// A set in FROM of the columns of one relation that stands before it.
struct Lateral {
    /// What the set is called.
    name: String,
    /// The names of its columns; for values the only one.
    columns: Vec<(Ident, Part)>,
    /// The relation, and how it is called.
    source: Ident,
    call: Expr,
}

/// The alias of a set of values means the value, as that of a table means its row: `FROM jsonb_array_elements(…) AS e` has the column
/// `value`, and `e ->> 'key'` is of that value.
pub(super) fn values_by_alias(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let values: Vec<(Ident, Ident)> = select.from.iter().flat_map(factors).filter_map(value_of).collect();
    if values.is_empty() {
        return;
    }
    let column = |qualifier: Option<&str>, name: &str| {
        let (alias, value) = values.iter().find(|(alias, _)| qualifier.is_none() && identifier(alias) == name)?;
        Some(Expr::CompoundIdentifier(vec![alias.clone(), value.clone()]))
    };
    Replace::new(&column).in_select(select);
    Replace::new(&column).in_order(query);
}

/// The alias of a set of values and the name of its column, where they differ.
fn value_of(factor: &TableFactor) -> Option<(Ident, Ident)> {
    let (function, alias) = match factor {
        TableFactor::UNNEST { alias, with_offset: false, with_ordinality: false, .. } => ("unnest".to_owned(), alias.as_ref()?),
        other => {
            let Called { function, alias, .. } = called_in_from(other)?;
            (function, alias?)
        }
    };
    let set = pg_catalog::set_of(&function);
    let column = match alias.columns.as_slice() {
        [] => columns(set?, &function, &alias.name).into_iter().next()?,
        [only] => only.name.clone(),
        _ => return None,
    };
    let values = matches!(set, Some(Set::Values(_))) || set.is_none() && OF_ENGINE.contains(&function.as_str());
    (values && identifier(&column) != identifier(&alias.name)).then(|| (alias.name.clone(), column))
}

/// Sets of the columns of one relation before them become a column of that relation, which the engine unnests.
pub(super) fn of_other_columns(query: &mut Query) {
    for _ in 0..MAX_SETS {
        let SetExpr::Select(select) = query.body.as_mut() else { return };
        let Some((found, condition)) = take(select) else { return };
        if let Some(condition) = condition {
            select.selection = Some(match select.selection.take() {
                Some(before) => Expr::BinaryOp {
                    left: Box::new(Expr::Nested(Box::new(before))),
                    op: BinaryOperator::And,
                    right: Box::new(Expr::Nested(Box::new(condition))),
                },
                None => condition,
            });
        }
        expand(select, &found);
        let column = |qualifier: Option<&str>, name: &str| match qualifier {
            Some(qualifier) if qualifier != found.name => None,
            _ => found.column(name),
        };
        Replace::new(&column).in_select(select);
        Replace::new(&column).in_order(query);
        let SetExpr::Select(select) = query.body.as_mut() else { return };
        if !give(&mut select.from, &found) {
            return;
        }
    }
}

/// More sets than this are nobody's.
const MAX_SETS: usize = 8;

/// Takes the first such set out of a FROM, with the condition of its join.
fn take(select: &mut Select) -> Option<(Lateral, Option<Expr>)> {
    let mut before: Vec<Ident> = Vec::new();
    for at in 0..select.from.len() {
        let table = select.from.get(at)?;
        if let Some(found) = lateral(&table.relation, &before, false).filter(|_| at > 0) {
            let TableWithJoins { joins, .. } = select.from.get(at)?;
            if !joins.is_empty() {
                return None;
            }
            select.from.remove(at);
            return Some((found, None));
        }
        before.extend(source(&table.relation));
        for join in 0..table.joins.len() {
            let Some(joined) = table.joins.get(join) else { break };
            let (outer, constraint) = match &joined.join_operator {
                JoinOperator::CrossJoin(constraint) | JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                    (false, constraint)
                }
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (true, constraint),
                _ => {
                    before.extend(source(&joined.relation));
                    continue;
                }
            };
            let condition = match constraint {
                JoinConstraint::On(Expr::Value(value)) if value.value == Value::Boolean(true) => Some(None),
                JoinConstraint::None => Some(None),
                JoinConstraint::On(condition) if !outer => Some(Some(condition.clone())),
                _ => None,
            };
            if let Some(found) = lateral(&joined.relation, &before, outer)
                && let Some(condition) = condition
            {
                select.from.get_mut(at)?.joins.remove(join);
                return Some((found, condition));
            }
            before.extend(source(&joined.relation));
        }
    }
    None
}

/// What a factor is, where it is a set of the columns of one of the relations before it.
fn lateral(factor: &TableFactor, before: &[Ident], outer: bool) -> Option<Lateral> {
    if let Some(NumberedList { list, name, columns }) = numbered(factor) {
        let source = read_from(std::slice::from_ref(&list), before)?;
        let list = if outer { call("placido_or_one", vec![list]) } else { list };
        return Some(Lateral { name: identifier(&name), columns, source, call: call("unnest", vec![list]) });
    }
    let (function, args, alias): (String, Vec<Expr>, Option<&TableAlias>) = match factor {
        TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality: false, .. } => {
            ("unnest".to_owned(), array_exprs.clone(), alias.as_ref())
        }
        other => {
            let Called { function, args, alias } = called_in_from(other)?;
            (function, plain(&args.into_iter().cloned().collect::<Vec<_>>())?, alias)
        }
    };
    let records = DEFINED.contains(&function.as_str()).then(|| defined(alias).ok()).flatten();
    let set = if records.is_some() { Some(Set::Values("json")) } else { pg_catalog::set_of(&function) };
    if set.is_none() && !OF_ENGINE.contains(&function.as_str()) || args.is_empty() {
        return None;
    }
    let source = read_from(&args, before)?;
    let name = alias.map_or_else(|| Ident::new(&function), |alias| alias.name.clone());
    let is_defined = records.is_some();
    let mut columns: Vec<(Ident, Part)> = match (records, set) {
        (Some(records), _) => records,
        (None, Some(Set::Rows(columns))) => {
            columns.iter().map(|(name, _)| (Ident::with_quote('"', *name), Part::Field(name))).collect()
        }
        (None, Some(set)) => columns(set, &function, &name).into_iter().map(|column| (column, Part::All)).collect(),
        (None, None) => vec![(name.clone(), Part::All)],
    };
    for (column, given) in columns.iter_mut().zip(alias.iter().flat_map(|alias| &alias.columns)) {
        column.0 = given.name.clone();
    }
    let mut args = args;
    if is_defined {
        args.push(Expr::Value(Value::SingleQuotedString(function.clone()).into()));
    }
    let (list, made) = match function.as_str() {
        _ if is_defined => (RECORDS, args),
        "regexp_split_to_table" => ("regexp_split_to_array", args),
        series::NAME => ("", vec![series::list(args)]),
        "unnest" => ("", args),
        other => (other, args),
    };
    let mut value = match list {
        "" => made.into_iter().next()?,
        list => call(list, made),
    };
    if outer {
        value = call("placido_or_one", vec![value]);
    }
    // The functions of the catalog are unnested wherever they stand alone.
    let call = match (outer, set) {
        (false, Some(_)) => value,
        _ => call("unnest", vec![value]),
    };
    Some(Lateral { name: identifier(&name), columns, source, call })
}

/// The one relation before a set whose columns its arguments read.
fn read_from(args: &[Expr], before: &[Ident]) -> Option<Ident> {
    let mut read = Read::default();
    args.iter().for_each(|argument| {
        let _ = Visit::visit(argument, &mut read);
    });
    match (read.queries, read.qualifiers.as_slice(), before) {
        (true, ..) => None,
        (_, [], [only]) if read.bare => Some(only.clone()),
        (_, [first, rest @ ..], _) if !read.bare && rest.iter().all(|other| other == first) => {
            before.iter().find(|known| identifier(known) == *first).cloned()
        }
        _ => None,
    }
}

/// Which relations an expression reads.
#[derive(Default)]
struct Read {
    qualifiers: Vec<String>,
    bare: bool,
    queries: bool,
}

impl Visitor for Read {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries = true;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(_) => self.bare = true,
            Expr::CompoundIdentifier(parts) => {
                let qualifier = parts.len().checked_sub(2).and_then(|at| parts.get(at)).map(identifier);
                self.qualifiers.extend(qualifier);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Lateral {
    fn rows(&self) -> Ident {
        Ident::with_quote('"', format!("{}{ROWS}", self.name))
    }

    /// The value of a column.
    fn value(&self, part: &Part) -> Expr {
        part.of(Expr::CompoundIdentifier(vec![self.source.clone(), self.rows()]))
    }

    fn column(&self, name: &str) -> Option<Expr> {
        self.columns.iter().find(|(column, _)| identifier(column) == name).map(|(_, part)| self.value(part))
    }
}

/// Wildcards do not show the column that holds the rows, but those of the set.
fn expand(select: &mut Select, found: &Lateral) {
    let mut projection = Vec::new();
    let columns = || {
        found.columns.iter().map(|(column, part)| SelectItem::ExprWithAlias { expr: found.value(part), alias: column.clone() })
    };
    let hidden = || Some(ExcludeSelectItem::Multiple(vec![ObjectName::from(found.rows())]));
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(mut options) => {
                options.opt_exclude = hidden();
                projection.push(SelectItem::Wildcard(options));
                projection.extend(columns());
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), mut options) => match last(&name) {
                Some(name) if name == found.name => projection.extend(columns()),
                Some(of) if of == identifier(&found.source) => {
                    options.opt_exclude = hidden();
                    projection.push(SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options));
                }
                _ => projection.push(SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)),
            },
            other => projection.push(other),
        }
    }
    select.projection = projection;
}

/// Gives the relation the column that holds the rows of the set.
fn give(from: &mut [TableWithJoins], found: &Lateral) -> bool {
    let factors = from
        .iter_mut()
        .flat_map(|table| std::iter::once(&mut table.relation).chain(table.joins.iter_mut().map(|join| &mut join.relation)));
    for factor in factors {
        if source(factor).as_ref() != Some(&found.source) {
            continue;
        }
        let Some(mut query) = parsed(&format!("SELECT {source}.*, 1 AS set_row FROM {source}", source = found.source)) else {
            return false;
        };
        let SetExpr::Select(select) = query.body.as_mut() else { return false };
        if let Some(SelectItem::ExprWithAlias { expr, alias }) = select.projection.last_mut() {
            (*expr, *alias) = (found.call.clone(), found.rows());
        }
        if let Some(table) = select.from.first_mut() {
            table.relation = factor.clone();
        }
        *factor =
            TableFactor::Derived { lateral: false, subquery: query, alias: Some(alias_of(found.source.clone())), sample: None };
        return true;
    }
    false
}
