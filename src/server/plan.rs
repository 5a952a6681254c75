//! Planning one statement: PostgreSQL's spellings, the types of its parameters, the plan of the engine.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::format::{ExplainFormat, ExplainStatementOptions};
use datafusion::execution::TaskContext;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{ExplainStatement, Statement as EngineStatement};
use datafusion::sql::sqlparser::ast::{self, Visit, VisitMut, Visitor, VisitorMut};
use pgwire::api::Type;

use super::columns::parse;
use super::error::{PgError, sqlstate, sqlstate_in, too_complex};
use super::guard::Guard;
use super::kept_plan::KeptPlan;
use super::pg_catalog::PgCatalog;
use super::relation_names::Names;
use super::scratch::overlay::{Overlay, renamed};
use super::settings::Zone;
use super::{lookup, names, pg_catalog, result_types, rewrite, types, write};

/// Views inside of each other.
const MAX_VIEWS: usize = 32;

/// A planned statement: what `Describe` tells and `Execute` runs.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    pub(crate) schema: Arc<Schema>,
    /// The columns' names as PostgreSQL gives them.
    pub(crate) names: Vec<String>,
    /// The parameters' types, on the wire and in the plan.
    pub(crate) parameters: Vec<(Type, DataType)>,
    /// The one column of the plan that is sent, where it is not all of them.
    pub(crate) only: Option<usize>,
    /// Physical plans for the next executions, where they may be kept.
    pub(crate) kept: Option<KeptPlan>,
    /// How often a kept plan served an execution, and how often one was made for it.
    pub(crate) runs: Runs,
    /// The description of the columns, in text, as it is sent.
    pub(crate) description: OnceLock<Bytes>,
}

/// What `pg_prepared_statements` counts. Sessions that share a plan count together.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) generic: AtomicI64,
    pub(crate) custom: AtomicI64,
}

impl Planned {
    /// The plan alone, as PostgreSQL answers EXPLAIN (FORMAT JSON): one column of one type.
    fn into_query_plan(self) -> Self {
        const NAME: &str = "QUERY PLAN";
        let Some(only) = self.schema.fields().len().checked_sub(1) else { return self };
        let metadata = HashMap::from([(types::PG_TYPE_KEY.to_owned(), "json".to_owned())]);
        let field = self.schema.field(only).clone().with_name(NAME).with_metadata(metadata);
        Self { schema: Arc::new(Schema::new(vec![field])), names: vec![NAME.to_owned()], only: Some(only), ..self }
    }
}

/// A session's state at the moment when a statement begins.
#[derive(Clone)]
pub(crate) struct Planner {
    pub(crate) state: Arc<SessionState>,
    pub(crate) catalog: Arc<PgCatalog>,
    /// What clients made, as the statement sees it.
    pub(crate) scratch: Arc<Overlay>,
    pub(crate) guard: Guard,
    pub(crate) user: String,
    pub(crate) database: String,
    /// How many views the statement is inside of.
    pub(crate) depth: usize,
    pub(crate) search_path: Vec<String>,
    pub(crate) zone: Zone,
    /// What operators need when they run.
    pub(crate) context: Arc<TaskContext>,
}

impl Planner {
    /// Names as the session means them.
    pub(crate) fn names(&self) -> Names<'_> {
        Names {
            overlay: &self.scratch,
            guard: &self.guard,
            search_path: &self.search_path,
            database: &self.database,
            user: &self.user,
        }
    }

    /// Plans the queries of the views of clients that a statement names, so that the engine finds them.
    async fn plan_views(&self, statement: &ast::Statement) -> Result<(), PgError> {
        let mut named = Relations(Vec::new());
        let _ = Visit::visit(statement, &mut named);
        for (schema, name) in named.0 {
            let Some(view) = self.scratch.view(&schema, &name).filter(|view| view.plan.get().is_none()) else { continue };
            if self.depth >= MAX_VIEWS {
                return Err(too_complex());
            }
            let inside = Planner { depth: self.depth + 1, ..self.clone() };
            let planned = Box::pin(inside.plan(parse(&view.view.query)?, &[])).await?;
            let fits = planned.schema.fields().len() == view.view.names.len()
                && planned.schema.fields().iter().zip(view.view.schema.fields()).all(|(a, b)| a.data_type() == b.data_type());
            if !fits {
                return Err(PgError::new("42P16", format!("the view \"{name}\" no longer fits what it reads"))
                    .with_hint("Create it again."));
            }
            let plan = renamed(planned.plan, &view.view.names).map_err(|error| sqlstate(&error))?;
            let _ = view.plan.set(plan);
        }
        Ok(())
    }

    /// Plans a statement. `declared` are the parameter types that the client names.
    pub(crate) async fn plan(&self, mut statement: ast::Statement, declared: &[Option<Type>]) -> Result<Planned, PgError> {
        let explain = explain(&mut statement)?;
        if is_write(&statement) {
            write::complete(self, &mut statement)?;
        }
        placido_udfs::fill_defaults(&mut statement);
        let shown = names::output_names(&statement);
        let announced = result_types::of_statement(&statement);
        names::make_unique(&mut statement);
        let mut types = declared.to_vec();
        // Before anything is rewritten: a parameter of a part that is left out still has its number.
        let any = Placeholders::complete(&mut statement, &mut types)?;
        let asks_catalog = rewrite::rewrite(&mut statement, &self.catalog, &self.search_path)?;
        if asks_catalog {
            self.catalog.load(&self.state).await.map_err(|error| sqlstate(&error))?;
        }
        self.plan_views(&statement).await?;
        if any {
            self.type_elements(&statement, &mut types).await?;
        }
        let (plan, mut inferred) = self.plan_typed(&statement, &types, explain.as_ref()).await?;
        // PostgreSQL takes a parameter of which nothing is known for text; the plan has to know it too.
        let unknown: Vec<usize> =
            (0..types.len()).filter(|index| types[*index].is_none() && inferred[*index].is_none()).collect();
        let plan = if unknown.is_empty() {
            plan
        } else {
            for index in unknown {
                types[index] = Some(Type::TEXT);
            }
            let (plan, again) = self.plan_typed(&statement, &types, explain.as_ref()).await?;
            inferred = again;
            plan
        };
        let parameters = types
            .into_iter()
            .zip(inferred)
            .map(|(declared, inferred)| {
                let pg_type = declared.or_else(|| inferred.as_ref().map(types::of_data_type)).unwrap_or(Type::TEXT);
                let arrow = inferred.or_else(|| types::to_arrow(&pg_type)).unwrap_or(DataType::Utf8);
                (pg_type, arrow)
            })
            .collect();
        let schema = Arc::new(result_types::announce(plan.schema().as_arrow(), &announced, asks_catalog));
        let names = match shown {
            Some(names) if names.len() == schema.fields().len() => names,
            _ => schema.fields().iter().map(|field| names::shown(field.name()).to_owned()).collect(),
        };
        // The catalog's relations and functions answer for the session.
        let kept = if asks_catalog || explain.is_some() { None } else { KeptPlan::of(&plan) };
        let planned =
            Planned { plan, schema, names, parameters, only: None, kept, runs: Runs::default(), description: OnceLock::new() };
        Ok(match explain {
            Some(ExplainStatementOptions { format: Some(ExplainFormat::PostgresJSON), .. }) => planned.into_query_plan(),
            _ => planned,
        })
    }

    /// Finds the types of parameters that stand alone in `x = ANY ($1)`: arrays of what `x` is.
    async fn type_elements(&self, statement: &ast::Statement, types: &mut [Option<Type>]) -> Result<(), PgError> {
        let mut probe = statement.clone();
        let mut elements = AnyAsElement { types, found: Vec::new() };
        let _ = VisitMut::visit(&mut probe, &mut elements);
        let found = elements.found;
        let (_, inferred) = self.plan_typed(&probe, types, None).await?;
        for index in found {
            if let (Some(slot), Some(Some(element))) = (types.get_mut(index), inferred.get(index)) {
                *slot = types::array_of(&types::of_data_type(element));
            }
        }
        Ok(())
    }

    /// Plans with the known parameter types written into the statement; returns what the engine found for each.
    async fn plan_typed(
        &self,
        statement: &ast::Statement,
        types: &[Option<Type>],
        explain: Option<&ExplainStatementOptions>,
    ) -> Result<(LogicalPlan, Vec<Option<DataType>>), PgError> {
        let mut statement = statement.clone();
        if types.iter().any(Option::is_some) {
            let _ = VisitMut::visit(&mut statement, &mut TypedPlaceholders(types));
        }
        let told = |error| sqlstate_in(&error, &self.state);
        let lookup = match explain {
            Some(_) => None,
            None => lookup::plan(&statement, &self.state).await,
        };
        let statement = EngineStatement::Statement(Box::new(statement));
        let statement = match explain.cloned() {
            Some(options) => EngineStatement::Explain(ExplainStatement { options, statement: Box::new(statement) }),
            None => statement,
        };
        let plan = match lookup {
            Some(plan) => plan,
            None => self.state.statement_to_plan(statement).await.map_err(told)?,
        };
        let writes = matches!(&plan, LogicalPlan::Dml(_));
        let allowed = SQLOptions::new().with_allow_ddl(false).with_allow_dml(writes).with_allow_statements(false);
        allowed
            .verify_plan(&plan)
            .map_err(|_| PgError::new("0A000", "the server is read-only: the statement would change something"))?;
        let found = plan.get_parameter_types().map_err(|_| {
            PgError::new("42P08", "a parameter is used with different types")
                .with_hint("Cast it where it stands, as in $1::float8.")
        })?;
        let inferred = (1..=types.len())
            .map(|number| found.get(&format!("${number}")).cloned().flatten().filter(|inferred| *inferred != DataType::Null))
            .collect();
        Ok((plan, inferred))
    }
}

/// Whether a statement changes rows.
fn is_write(statement: &ast::Statement) -> bool {
    matches!(statement, ast::Statement::Insert(_) | ast::Statement::Update(_) | ast::Statement::Delete(_))
}

/// The relations that a statement names with their schemas.
struct Relations(Vec<(String, String)>);

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ast::ObjectName) -> ControlFlow<()> {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(names::identifier).collect();
        if let [.., schema, table] = parts.as_slice() {
            self.0.push((schema.clone(), table.clone()));
        }
        ControlFlow::Continue(())
    }
}

/// Finds the parameters of a statement: `$3` means that there are three, `$3::date` that the third is a date.
struct Placeholders<'a> {
    types: &'a mut Vec<Option<Type>>,
    /// Whether one of unknown type stands alone in ANY or ALL.
    any: bool,
    error: Option<PgError>,
}

impl Placeholders<'_> {
    fn complete(statement: &mut ast::Statement, types: &mut Vec<Option<Type>>) -> Result<bool, PgError> {
        let mut finder = Placeholders { types, any: false, error: None };
        let _ = VisitMut::visit(statement, &mut finder);
        finder.error.map_or(Ok(finder.any), Err)
    }

    /// Notes the type of an expression that is a parameter.
    fn is(&mut self, expr: Option<&ast::Expr>, pg_type: &Type) {
        if let Some(number) = expr.and_then(placeholder)
            && let Some(slot @ None) = self.types.get_mut(number - 1)
        {
            *slot = Some(pg_type.clone());
        }
    }
}

/// The number of the parameter that an expression is.
fn placeholder(expr: &ast::Expr) -> Option<usize> {
    match expr {
        ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Placeholder(name), .. }) => number(name),
        ast::Expr::Nested(inner) => placeholder(inner),
        _ => None,
    }
}

impl VisitorMut for Placeholders<'_> {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ast::ValueWithSpan) -> ControlFlow<()> {
        if let ast::Value::Placeholder(name) = &value.value {
            match number(name) {
                Some(number) if number > self.types.len() => self.types.resize(number, None),
                Some(_) => {}
                None => {
                    self.error = Some(
                        PgError::new("42P02", format!("there is no parameter {name}")).with_hint("Parameters are $1, $2, …."),
                    )
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        if let Some(ast::LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            self.is(limit.as_ref(), &Type::INT8);
            self.is(offset.as_ref().map(|offset| &offset.value), &Type::INT8);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        match expr {
            ast::Expr::Cast { expr: inner, data_type, .. } => {
                if let Some(known) = named_type(data_type) {
                    self.is(Some(inner), &known);
                }
            }
            ast::Expr::AnyOp { right, .. } | ast::Expr::AllOp { right, .. } => {
                self.any |= placeholder(right).and_then(|number| self.types.get(number - 1)).is_some_and(Option::is_none);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Makes `x = ANY ($1)` the comparison `x = $1`, so that the engine finds the type of an element.
struct AnyAsElement<'a> {
    types: &'a [Option<Type>],
    found: Vec<usize>,
}

impl VisitorMut for AnyAsElement<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        let (ast::Expr::AnyOp { left, compare_op, right, .. } | ast::Expr::AllOp { left, compare_op, right }) = expr else {
            return ControlFlow::Continue(());
        };
        if let Some(index) = placeholder(right).map(|number| number - 1)
            && self.types.get(index).is_some_and(Option::is_none)
        {
            self.found.push(index);
            *expr = ast::Expr::BinaryOp { left: left.clone(), op: compare_op.clone(), right: right.clone() };
        }
        ControlFlow::Continue(())
    }
}

/// The number of a parameter, from 1 to what a message can carry.
fn number(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse::<u16>().ok().filter(|number| *number > 0).map(usize::from)
}

/// Writes the known type of each parameter into the statement, as a cast.
struct TypedPlaceholders<'a>(&'a [Option<Type>]);

impl VisitorMut for TypedPlaceholders<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if matches!(expr, ast::Expr::Value(_))
            && let Some(Some(pg_type)) = placeholder(expr).and_then(|number| self.0.get(number - 1))
            && let Some(data_type) = ast_type(pg_type)
        {
            let inner = expr.clone();
            *expr = ast::Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(inner), data_type, array: false, format: None };
        }
        ControlFlow::Continue(())
    }
}

/// The type that a name in SQL stands for, if values of it can be bound.
pub(crate) fn named_type(data_type: &ast::DataType) -> Option<Type> {
    let array = if matches!(data_type, ast::DataType::Array(_)) { "_" } else { "" };
    let name = format!("{array}{}", names::type_name(data_type));
    pg_catalog::type_oid(&name).and_then(Type::from_oid).filter(|known| types::to_arrow(known).is_some())
}

/// The type of a cast to a type of PostgreSQL.
pub(crate) fn ast_type(pg_type: &Type) -> Option<ast::DataType> {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;
    Parser::new(&PostgreSqlDialect {}).try_with_sql(&types::sql_name(pg_type)?).ok()?.parse_data_type().ok()
}

/// Takes the EXPLAIN off a statement, with its options in PostgreSQL's spelling.
fn explain(statement: &mut ast::Statement) -> Result<Option<ExplainStatementOptions>, PgError> {
    let ast::Statement::Explain {
        describe_alias: ast::DescribeAlias::Explain,
        analyze,
        verbose,
        format,
        options,
        statement: inner,
        ..
    } = statement
    else {
        return Ok(None);
    };
    let mut found = ExplainStatementOptions { analyze: *analyze, verbose: *verbose, ..Default::default() };
    if format.is_some() {
        return Err(PgError::new("42601", "syntax error in EXPLAIN").with_hint("Write EXPLAIN (FORMAT JSON) …."));
    }
    for option in options.take().unwrap_or_default() {
        let argument = option.arg.as_ref().map(|argument| argument.to_string().trim_matches('\'').to_lowercase());
        let on = !matches!(argument.as_deref(), Some("false" | "off" | "0"));
        match option.name.value.to_lowercase().as_str() {
            "analyze" => found.analyze = on,
            "verbose" => found.verbose = on,
            "format" => match argument.as_deref() {
                Some("text") | None => found.format = None,
                Some("json") => found.format = Some(ExplainFormat::PostgresJSON),
                Some("tree") => found.format = Some(ExplainFormat::Tree),
                Some(other) => return Err(PgError::new("0A000", format!("EXPLAIN in the format {other} is not supported"))),
            },
            // What these would add is always or never part of the answer.
            "costs" | "buffers" | "timing" | "summary" | "settings" | "wal" | "generic_plan" => {}
            other => return Err(PgError::new("42601", format!("unrecognized EXPLAIN option \"{other}\""))),
        }
    }
    *statement = std::mem::replace(inner.as_mut(), ast::Statement::UnlockTables);
    Ok(Some(found))
}
