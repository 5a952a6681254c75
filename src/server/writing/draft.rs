//! A statement on the way to its queries, and the queries on the way to plans.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::can_cast_types;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{self, Ident, Visit, Visitor};
use pgwire::api::Type;

use super::rewritten::{carried_name, query_of, quoted};
use super::work::{AFFECTED, EXCLUDED, Slot, SlotTable, TARGET, WORK, beside};
use super::{Conflict, Returning, Verb, Writing};
use crate::server::columns::{parse, type_name};
use crate::server::error::{PgError, sqlstate};
use crate::server::names::identifier;
use crate::server::plan::{Planned, Planner};
use crate::server::scratch::exec::ROW;
use crate::server::scratch::overlay::ScratchTable;
use crate::server::scratch::space::{Table, unique};
use crate::server::types;
use crate::server::write::{name, target, written};

/// The column that tells in which order RETURNING gives its rows.
pub(super) const ORDER: &str = "\u{1}order";

/// A statement, and what its queries have in common.
pub(super) struct Draft<'a> {
    pub(super) planner: &'a Planner,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) table: Arc<Table>,
    /// The name by which the statement speaks of the table.
    pub(super) alias: Ident,
    declared: Vec<Option<Type>>,
    /// Literals that are given to the engine as values.
    literals: Vec<(Type, ScalarValue)>,
}

/// The queries of a statement.
pub(super) struct Shape {
    pub(super) verb: Verb,
    pub(super) rows: Rows,
    /// See [`Writing::columns`]. An INSERT may name more than come.
    pub(super) columns: Vec<usize>,
    /// Whether the columns were named, so that all have to come.
    pub(super) named: bool,
    pub(super) carried: usize,
    pub(super) conflict: Option<OnConflict>,
    pub(super) returning: Option<Vec<ast::SelectItem>>,
}

/// Where the rows come from.
pub(super) enum Rows {
    Query(Box<ast::Query>),
    /// Literals.
    Values(RecordBatch),
}

pub(super) struct OnConflict {
    pub(super) keys: Vec<Vec<usize>>,
    pub(super) query: Option<ast::Query>,
    pub(super) updates: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        planner: &'a Planner,
        statement: &ast::Statement,
        with: Option<&ast::With>,
        declared: &[Option<Type>],
    ) -> Result<Self, PgError> {
        let (schema, name, table) = target(planner, written(statement)?, name(statement))?;
        let mut numbers = numbers_of(statement);
        numbers.extend(with.map(|with| numbers_of(&with.cte_tables)).unwrap_or_default());
        let mut declared = declared.to_vec();
        declared.resize(declared.len().max(numbers.into_iter().max().unwrap_or(0)), None);
        let alias = alias_of(statement).unwrap_or_else(|| Ident::with_quote('"', name.clone()));
        Ok(Self { planner, schema, name, table, alias, declared, literals: Vec::new() })
    }

    /// The columns of the table in their order.
    pub(super) fn column_names(&self) -> impl Iterator<Item = &String> {
        self.table.schema.fields().iter().map(|field| field.name())
    }

    /// The place of a column in the table.
    pub(super) fn column(&self, name: &str) -> Result<usize, PgError> {
        self.table
            .schema
            .index_of(name)
            .map_err(|_| PgError::new("42703", format!("column \"{name}\" of relation \"{}\" does not exist", self.name)))
    }

    /// A literal as a value that the engine gets when the statement runs; the expression that stands for it.
    pub(super) fn literal(&mut self, pg_type: Type, value: ScalarValue) -> Result<ast::Expr, PgError> {
        self.literals.push((pg_type, value));
        let number = self.declared.len() + self.literals.len();
        if u16::try_from(number).is_err() {
            return Err(PgError::new("54000", "a statement has more than 65535 values")
                .with_hint("Divide the rows among several statements, or use COPY."));
        }
        Ok(ast::Expr::Value(ast::Value::Placeholder(format!("${number}")).into()))
    }

    /// The types of the parameters for one query: those that the client declares, and those of literals.
    fn types(&self) -> Vec<Option<Type>> {
        self.declared.iter().cloned().chain(self.literals.iter().map(|(pg_type, _)| Some(pg_type.clone()))).collect()
    }

    /// Plans the queries.
    pub(super) async fn finish(self, shape: Shape) -> Result<Planned, PgError> {
        let told = |error| sqlstate(&error);
        let target: Arc<dyn TableProvider> = Arc::new(ScratchTable::numbered(&self.schema, &self.name, &self.table));
        let excluded = Slot::new(&self.table.schema, true);
        let planner = beside(
            self.planner,
            vec![(TARGET, target), (EXCLUDED, Arc::new(SlotTable(Arc::clone(&excluded))) as Arc<dyn TableProvider>)],
        )?;
        let mut parameters = Parameters::new(self.types());
        let plan = match shape.rows {
            Rows::Query(query) => parameters.plan(&planner, *query).await?.plan,
            Rows::Values(batch) => {
                let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(told)?;
                LogicalPlanBuilder::scan("values", provider_as_source(Arc::new(table)), None)
                    .and_then(LogicalPlanBuilder::build)
                    .map_err(told)?
            }
        };
        let columns = self.fitting(&plan, &shape.columns, shape.named, shape.verb, shape.carried)?;
        let conflict = match shape.conflict {
            Some(OnConflict { keys, query, updates }) => {
                let plan = match query {
                    Some(query) => Some(parameters.plan(&planner, query).await?.plan),
                    None => None,
                };
                Some(Conflict { excluded, keys, plan, updates })
            }
            None => None,
        };
        let (mut schema, mut names) = (Arc::new(Schema::empty()), Vec::new());
        let returning = match shape.returning {
            Some(items) => {
                let (planned, affected) = self.returning(items, &plan, shape.carried, &mut parameters).await?;
                (schema, names) = (planned.schema, planned.names);
                Some(Returning { affected, plan: planned.plan })
            }
            None => None,
        };
        let parameters = parameters.found();
        let (own, of_literals) = parameters.split_at(self.declared.len().min(parameters.len()));
        let typed = |((_, value), (_, wanted)): (&(Type, ScalarValue), &(Type, DataType))| value.cast_to(wanted).map_err(told);
        let literals = self.literals.iter().zip(of_literals).map(typed).collect::<Result<_, _>>()?;
        let writing =
            Writing { verb: shape.verb, table: self.table.id, columns, carried: shape.carried, conflict, returning, literals };
        Ok(Planned { writing: Some(writing), ..Planned::new(plan, schema, names, own.to_vec()) })
    }

    /// The columns that come, if there are as many as there should be, and each can be assigned to the one that it is for.
    fn fitting(
        &self,
        plan: &LogicalPlan,
        wanted: &[usize],
        named: bool,
        verb: Verb,
        carried: usize,
    ) -> Result<Vec<usize>, PgError> {
        let numbers = usize::from(verb != Verb::Insert);
        let fields = plan.schema().fields();
        let given = fields.len().saturating_sub(numbers + carried);
        check_width(given, wanted.len(), named)?;
        let columns: Vec<usize> = wanted.iter().copied().take(given).collect();
        if verb == Verb::Delete {
            return Ok(columns);
        }
        for (source, column) in fields.iter().skip(numbers).zip(&columns) {
            let Some(field) = self.table.schema.fields().get(*column) else { continue };
            check_assignable(source, field)?;
        }
        Ok(columns)
    }

    /// Plans RETURNING over the rows that will have been written.
    async fn returning(
        &self,
        items: Vec<ast::SelectItem>,
        rows: &LogicalPlan,
        carried: usize,
        parameters: &mut Parameters,
    ) -> Result<(Planned, Arc<Slot>), PgError> {
        let mut fields: Vec<Field> = self.table.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        let all = rows.schema().fields();
        let behind = all.iter().skip(all.len().saturating_sub(carried)).enumerate();
        fields.extend(behind.map(|(at, field)| field.as_ref().clone().with_name(carried_name(at)).with_nullable(true)));
        fields.push(Field::new(ORDER, DataType::Int64, false));
        let affected = Slot::new(&Arc::new(Schema::new(fields)), false);
        let tables = vec![(AFFECTED, Arc::new(SlotTable(Arc::clone(&affected))) as Arc<dyn TableProvider>)];
        let planner = beside(self.planner, tables)?;
        let alias = &self.alias;
        let from = format!("SELECT 1 FROM {}.{} AS {alias} ORDER BY {alias}.{}", quoted(WORK), quoted(AFFECTED), quoted(ORDER));
        let query = query_of(parse(&from)?, |select| select.projection = items)?;
        Ok((parameters.plan(&planner, query).await?, affected))
    }

    /// The table with the numbers of its rows, as a FROM of a query names it.
    pub(super) fn numbered(&self) -> String {
        format!("{}.{} AS {}", quoted(WORK), quoted(TARGET), self.alias)
    }

    /// The number of a row in such a query.
    pub(super) fn row(&self) -> String {
        format!("{}.{}", self.alias, quoted(ROW))
    }
}

/// The name that a statement gives to its table.
fn alias_of(statement: &ast::Statement) -> Option<Ident> {
    let of_factor = |table: &ast::TableWithJoins| match &table.relation {
        ast::TableFactor::Table { alias, .. } => alias.as_ref().map(|alias| alias.name.clone()),
        _ => None,
    };
    match statement {
        ast::Statement::Insert(insert) => insert.table_alias.as_ref().map(|alias| alias.alias.clone()),
        ast::Statement::Update(update) => of_factor(&update.table),
        ast::Statement::Delete(delete) => {
            let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) = &delete.from;
            from.first().and_then(of_factor)
        }
        _ => None,
    }
}

/// The numbers of the parameters in a part of a statement.
fn numbers_of(part: &impl Visit) -> HashSet<usize> {
    struct Finder(HashSet<usize>);
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_value(&mut self, value: &ast::ValueWithSpan) -> ControlFlow<()> {
            if let ast::Value::Placeholder(name) = &value.value
                && let Some(number) = name.strip_prefix('$').and_then(|number| number.parse::<u16>().ok())
            {
                self.0.insert(usize::from(number));
            }
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder(HashSet::new());
    let _ = Visit::visit(part, &mut finder);
    finder.0
}

/// The types of parameters that several queries share: each is found by the first query that has it.
struct Parameters {
    declared: Vec<Option<Type>>,
    found: Vec<Option<(Type, DataType)>>,
}

impl Parameters {
    fn new(declared: Vec<Option<Type>>) -> Self {
        Self { found: vec![None; declared.len()], declared }
    }

    async fn plan(&mut self, planner: &Planner, query: ast::Query) -> Result<Planned, PgError> {
        let statement = ast::Statement::Query(Box::new(query));
        let numbers = numbers_of(&statement);
        let planned = planner.plan(statement, &self.declared).await?;
        for (at, parameter) in planned.parameters.iter().enumerate() {
            if let (Some(slot @ None), true) = (self.found.get_mut(at), numbers.contains(&(at + 1))) {
                *slot = Some(parameter.clone());
                if let Some(declared) = self.declared.get_mut(at) {
                    *declared = Some(parameter.0.clone());
                }
            }
        }
        Ok(planned)
    }

    fn found(self) -> Vec<(Type, DataType)> {
        let typed = |(found, declared): (Option<(Type, DataType)>, Option<Type>)| {
            found.unwrap_or_else(|| {
                let pg_type = declared.unwrap_or(Type::TEXT);
                let data_type = types::to_arrow(&pg_type).unwrap_or(DataType::Utf8);
                (pg_type, data_type)
            })
        };
        self.found.into_iter().zip(self.declared).map(typed).collect()
    }
}

pub(super) fn check_width(given: usize, columns: usize, named: bool) -> Result<(), PgError> {
    if given > columns {
        return Err(PgError::new("42601", "INSERT has more expressions than target columns"));
    }
    if given < columns && named {
        return Err(PgError::new("42601", "INSERT has more target columns than expressions"));
    }
    Ok(())
}

/// Refuses what PostgreSQL has no assignment cast for. Texts that are literals have been read as what they are for.
fn check_assignable(source: &Field, target: &Field) -> Result<(), PgError> {
    let (from, to) = (source.data_type(), target.data_type());
    if from == to || from.is_null() {
        return Ok(());
    }
    let text = |data_type: &DataType| types::of_data_type(data_type) == Type::TEXT;
    let truth = |data_type: &DataType| *data_type == DataType::Boolean;
    let possible = can_cast_types(from, to) && (text(to) || !text(from) && truth(from) == truth(to));
    if possible {
        return Ok(());
    }
    let message =
        format!("column \"{}\" is of type {} but expression is of type {}", target.name(), type_name(target), type_name(source));
    Err(PgError::new("42804", message).with_hint("You will need to rewrite or cast the expression."))
}

/// A new number for a table that only a statement sees.
pub(super) fn fresh(table: &Table, schema: &Arc<Schema>) -> Table {
    Table { id: unique(), schema: Arc::clone(schema), parts: Vec::new(), keys: Arc::default(), ..table.clone() }
}

/// A name of a statement: its last part.
pub(super) fn last(name: &ast::ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default()
}
