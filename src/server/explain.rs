//! EXPLAIN as PostgreSQL answers it: one column, `QUERY PLAN`, a tree of nodes with estimates in PostgreSQL's units, which tools read
//! and draw. Under each node stands what the engine says of the operator.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::format::ExplainFormat;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, SendableRecordBatchStream, displayable, execute_stream,
};
use datafusion::sql::sqlparser::ast;
use futures::StreamExt;

use super::error::PgError;
use super::explain_formats::{Member, Tree};
use super::plan::Planned;
use super::{explain_formats, types};
use crate::runtime;

/// PostgreSQL's default costs of a row, of an operator on it, and of a page that is read.
const ROW: f64 = 0.01;
const OPERATOR: f64 = 0.0025;
const PAGE_BYTES: f64 = 8192.0;
/// Rows of a relation of which nothing is known.
const UNKNOWN_ROWS: f64 = 1000.0;
/// The width that PostgreSQL takes for values of unknown length.
const UNKNOWN_WIDTH: usize = 32;

/// What an EXPLAIN asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Explain {
    analyze: bool,
    verbose: bool,
    costs: bool,
    timing: bool,
    summary: Option<bool>,
    format: Option<Format>,
    /// How long the planning of the statement took.
    planning: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Xml,
    Yaml,
    /// The engine's drawing of boxes.
    Tree,
}

impl Explain {
    /// Takes the EXPLAIN off a statement.
    pub(crate) fn take(statement: &mut ast::Statement) -> Result<Option<Self>, PgError> {
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
        if format.is_some() {
            return Err(PgError::new("42601", "syntax error in EXPLAIN").with_hint("Write EXPLAIN (FORMAT JSON) …."));
        }
        let mut found = Self {
            analyze: *analyze,
            verbose: *verbose,
            costs: true,
            timing: true,
            summary: None,
            format: None,
            planning: Duration::ZERO,
        };
        let mut timing = None;
        for option in options.take().unwrap_or_default() {
            let argument = option.arg.as_ref().map(|argument| argument.to_string().trim_matches('\'').to_lowercase());
            let name = option.name.value.to_lowercase();
            let on = || match argument.as_deref() {
                None | Some("true" | "on" | "1") => Ok(true),
                Some("false" | "off" | "0") => Ok(false),
                Some(_) => Err(PgError::new("42601", format!("{name} requires a Boolean value"))),
            };
            match name.as_str() {
                "analyze" | "analyse" => found.analyze = on()?,
                "verbose" => found.verbose = on()?,
                "costs" => found.costs = on()?,
                "timing" => timing = Some(on()?),
                "summary" => found.summary = Some(on()?),
                "format" => match argument.as_deref() {
                    Some("text") => found.format = Some(Format::Text),
                    Some("json") => found.format = Some(Format::Json),
                    Some("tree") => found.format = Some(Format::Tree),
                    Some("xml") => found.format = Some(Format::Xml),
                    Some("yaml") => found.format = Some(Format::Yaml),
                    other => {
                        let value = other.unwrap_or_default();
                        return Err(PgError::new(
                            "22023",
                            format!("unrecognized value for EXPLAIN option \"format\": \"{value}\""),
                        ));
                    }
                },
                // There are no shared buffers, no write-ahead log and no parameters without values here.
                "buffers" | "settings" | "wal" | "generic_plan" => {
                    on()?;
                }
                other => return Err(PgError::new("42601", format!("unrecognized EXPLAIN option \"{other}\""))),
            }
        }
        if timing == Some(true) && !found.analyze {
            return Err(PgError::new("22023", "EXPLAIN option TIMING requires ANALYZE"));
        }
        found.timing = timing.unwrap_or(true);
        *statement = std::mem::replace(inner.as_mut(), ast::Statement::UnlockTables);
        Ok(Some(found))
    }

    /// What is answered in place of the rows of a query. The session's settings decide the format where the statement does not.
    pub(crate) fn of(mut self, planned: Planned, default: ExplainFormat, planning: Duration) -> Planned {
        self.format.get_or_insert(match default {
            ExplainFormat::PostgresJSON => Format::Json,
            ExplainFormat::Tree => Format::Tree,
            ExplainFormat::Indent | ExplainFormat::Graphviz => Format::Text,
        });
        self.planning = planning;
        let schema = self.schema();
        let names = schema.fields().iter().map(|field| field.name().clone()).collect();
        Planned { explain: Some(self), ..Planned::new(planned.plan, schema, names, planned.parameters) }
    }

    fn format(&self) -> Format {
        self.format.unwrap_or(Format::Text)
    }

    /// The one column.
    fn schema(&self) -> SchemaRef {
        let field = Field::new("QUERY PLAN", DataType::Utf8, true);
        let labelled = |name: &str| HashMap::from([(types::PG_TYPE_KEY.to_owned(), name.to_owned())]);
        let field = match self.format() {
            Format::Json => field.with_metadata(labelled("json")),
            Format::Xml => field.with_metadata(labelled("xml")),
            Format::Text | Format::Yaml | Format::Tree => field,
        };
        Arc::new(Schema::new(vec![field]))
    }

    /// The rows of the answer; with ANALYZE the plan is run to its end first.
    pub(crate) async fn run(&self, plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut took = None;
        if self.analyze {
            let begun = Instant::now();
            let mut batches = execute_stream(Arc::clone(&plan), context)?;
            while let Some(batch) = batches.next().await {
                batch?;
            }
            took = Some(begun.elapsed());
        }
        let lines = self.lines(&plan, took)?;
        let schema = self.schema();
        let column: ArrayRef = Arc::new(StringArray::from(lines));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column])?;
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter([Ok(batch)]))))
    }

    fn lines(&self, plan: &Arc<dyn ExecutionPlan>, took: Option<Duration>) -> Result<Vec<String>> {
        if self.format() == Format::Tree {
            return Ok(displayable(plan.as_ref()).tree_render().to_string().lines().map(str::to_owned).collect());
        }
        let root = Node::of(plan, self, &StatisticsContext::new());
        let planning = self.summary.unwrap_or(took.is_some()).then(|| milliseconds(self.planning));
        let execution = took.filter(|_| self.summary.unwrap_or(true)).map(milliseconds);
        let times = [("Planning Time", planning), ("Execution Time", execution)];
        let times: Vec<_> = times.into_iter().filter_map(|(name, took)| Some((name, took?))).collect();
        match self.format() {
            Format::Json => return Ok(vec![explain_formats::json(&self.tree(&root, None), &times)]),
            Format::Xml => return Ok(vec![explain_formats::xml(&self.tree(&root, None), &times)]),
            Format::Yaml => return Ok(vec![explain_formats::yaml(&self.tree(&root, None), &times)]),
            Format::Text | Format::Tree => {}
        }
        let mut lines = Vec::new();
        self.text(&root, 0, &mut lines);
        lines.extend(planning.map(|took| format!("Planning Time: {took:.3} ms")));
        lines.extend(execution.map(|took| format!("Execution Time: {took:.3} ms")));
        Ok(lines)
    }

    fn text(&self, node: &Node, level: usize, lines: &mut Vec<String>) {
        let mut line = match level {
            0 => node.kind.clone(),
            _ => format!("{:indent$}->  {}", "", node.kind, indent = 6 * level - 4),
        };
        if self.costs {
            let Estimate { startup, total, rows, width } = node.estimate;
            let _ = write!(line, "  (cost={startup:.2}..{total:.2} rows={rows:.0} width={width})");
        }
        if let Some(actual) = &node.actual {
            let separator = if self.costs { " " } else { "  " };
            let _ = match self.timing {
                true => write!(line, "{separator}(actual time=0.000..{:.3} rows={} loops=1)", actual.milliseconds, actual.rows),
                false => write!(line, "{separator}(actual rows={} loops=1)", actual.rows),
            };
        }
        lines.push(line);
        let indent = 6 * level + 2;
        let mut detail = |detail: &str| lines.push(format!("{:indent$}{detail}", ""));
        if self.verbose {
            detail(&format!("Output: {}", node.output.join(", ")));
        }
        node.operator.lines().for_each(&mut detail);
        if let Some(metrics) = node.actual.as_ref().map(|actual| &actual.metrics).filter(|metrics| !metrics.is_empty()) {
            detail(&format!("Metrics: {metrics}"));
        }
        for child in &node.children {
            self.text(child, level + 1, lines);
        }
    }

    /// What the formats for programs say of a node.
    fn tree(&self, node: &Node, relationship: Option<&str>) -> Tree {
        let string = |value: &str| Member::Text(value.to_owned());
        let plain = |value: String| Member::Plain(value);
        let mut members = vec![("Node Type", string(&node.kind))];
        members.extend(relationship.map(|relationship| ("Parent Relationship", string(relationship))));
        members.extend([("Parallel Aware", plain("false".to_owned())), ("Async Capable", plain("false".to_owned()))]);
        if self.costs {
            let Estimate { startup, total, rows, width } = node.estimate;
            members.extend([
                ("Startup Cost", plain(format!("{startup:.2}"))),
                ("Total Cost", plain(format!("{total:.2}"))),
                ("Plan Rows", plain(format!("{rows:.0}"))),
                ("Plan Width", plain(width.to_string())),
            ]);
        }
        if let Some(actual) = &node.actual {
            if self.timing {
                members.push(("Actual Startup Time", plain("0.000".to_owned())));
                members.push(("Actual Total Time", plain(format!("{:.3}", actual.milliseconds))));
            }
            members.extend([("Actual Rows", plain(actual.rows.to_string())), ("Actual Loops", plain("1".to_owned()))]);
        }
        if self.verbose {
            members.push(("Output", Member::List(node.output.clone())));
        }
        members.push(("Operator", string(&node.operator)));
        if let Some(actual) = node.actual.as_ref().filter(|actual| !actual.metrics.is_empty()) {
            members.push(("Metrics", string(&actual.metrics)));
        }
        let child = |(position, child)| self.tree(child, Some(if position == 0 { "Outer" } else { "Inner" }));
        Tree { members, children: node.children.iter().enumerate().map(child).collect() }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// What is expected of a node, in PostgreSQL's units.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    startup: f64,
    total: f64,
    rows: f64,
    width: usize,
}

/// What a node did.
#[derive(Debug)]
struct Actual {
    rows: usize,
    /// Computing, with what is below it.
    milliseconds: f64,
    metrics: String,
}

/// An operator with what is below it.
#[derive(Debug)]
struct Node {
    kind: String,
    operator: String,
    output: Vec<String>,
    estimate: Estimate,
    actual: Option<Actual>,
    children: Vec<Node>,
}

impl Node {
    fn of(plan: &Arc<dyn ExecutionPlan>, explain: &Explain, statistics: &StatisticsContext) -> Self {
        if let ([child], true) = (plan.children().as_slice(), runtime::OPERATORS.contains(&plan.name())) {
            return Self::of(child, explain, statistics);
        }
        let children: Vec<Node> = plan.children().into_iter().map(|child| Node::of(child, explain, statistics)).collect();
        let actual = explain.analyze.then(|| actual(plan.as_ref(), &children));
        Node {
            kind: kind(plan.name()),
            operator: Operator(plan.as_ref(), explain.verbose).to_string().trim_end().to_owned(),
            output: plan.schema().fields().iter().map(|field| super::names::shown(field.name()).to_owned()).collect(),
            estimate: estimate(plan.as_ref(), &children, statistics),
            actual,
            children,
        }
    }
}

/// The engine's own description of an operator.
struct Operator<'a>(&'a dyn ExecutionPlan, bool);

impl std::fmt::Display for Operator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        DisplayAs::fmt_as(self.0, if self.1 { DisplayFormatType::Verbose } else { DisplayFormatType::Default }, f)
    }
}

/// The node type, by PostgreSQL's word where it has one for the same thing.
fn kind(name: &str) -> String {
    let plain = name.strip_suffix("Exec").unwrap_or(name);
    let known = match plain {
        "DataSource" => "Seq Scan",
        "GlobalLimit" | "LocalLimit" => "Limit",
        "NestedLoopJoin" | "CrossJoin" => "Nested Loop",
        "SortMergeJoin" => "Merge Join",
        "Union" => "Append",
        "SortPreservingMerge" => "Gather Merge",
        "CoalescePartitions" => "Gather",
        "WindowAgg" | "BoundedWindowAgg" => "WindowAgg",
        "PlaceholderRow" | "Empty" => "Result",
        "RecursiveQuery" => "Recursive Union",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let mut words = String::new();
    for (position, c) in plain.char_indices() {
        if position > 0 && c.is_uppercase() {
            words.push(' ');
        }
        words.push(c);
    }
    words
}

/// Whether an operator reads everything before it gives the first row.
fn blocks(kind: &str) -> bool {
    matches!(kind, "Sort" | "Aggregate" | "Hash Join" | "WindowAgg" | "Nested Loop")
}

fn estimate(plan: &dyn ExecutionPlan, children: &[Node], statistics: &StatisticsContext) -> Estimate {
    let kind = kind(plan.name());
    let below = |of: fn(&Estimate) -> f64| children.iter().map(|child| of(&child.estimate)).fold(0.0, |sum, each| sum + each);
    let known = statistics.compute(plan, &StatisticsArgs::new()).ok().and_then(|found| found.num_rows.get_value().copied());
    let most = children.iter().map(|child| child.estimate.rows).fold(f64::NAN, f64::max);
    let rows = match known {
        Some(rows) => rows as f64,
        None if children.is_empty() => UNKNOWN_ROWS,
        // PostgreSQL's guess for a condition of which it knows nothing.
        None if kind == "Filter" => (most / 3.0).ceil(),
        None => most,
    };
    let rows = plan.fetch().map_or(rows, |fetch| rows.min(fetch as f64));
    let width = plan.schema().fields().iter().map(|field| width(field.data_type())).sum::<usize>();
    let handled = if children.is_empty() { rows } else { below(|estimate| estimate.rows) };
    let mut own = handled * ROW;
    if children.is_empty() {
        own += (rows * width as f64 / PAGE_BYTES).floor();
    }
    if kind == "Sort" {
        own += 2.0 * OPERATOR * handled * handled.max(2.0).log2();
    }
    let (before, all) = (below(|estimate| estimate.startup), below(|estimate| estimate.total));
    let (startup, total) = match children {
        // What is behind the limit is never asked for.
        [child] if kind == "Limit" && child.estimate.rows > 0.0 => {
            (before, before + (all - before) * (rows / child.estimate.rows).min(1.0))
        }
        _ if blocks(&kind) => (all + own - rows.min(handled) * ROW, all + own),
        _ => (before, all + own),
    };
    Estimate { startup, total, rows, width }
}

/// The bytes of a value on average, as PostgreSQL's planner takes them for types of which it has no statistics.
fn width(data_type: &DataType) -> usize {
    let size = types::size(&types::of_data_type(data_type));
    usize::try_from(size).unwrap_or(UNKNOWN_WIDTH)
}

fn actual(plan: &dyn ExecutionPlan, children: &[Node]) -> Actual {
    let metrics = plan.metrics().unwrap_or_default();
    let below = |of: fn(&Actual) -> f64| {
        children.iter().filter_map(|child| child.actual.as_ref()).map(of).fold(0.0, |sum, each| sum + each)
    };
    let own = metrics.elapsed_compute().map_or(0.0, |nanoseconds| nanoseconds as f64 / 1e6);
    // What only hands rows on does not count them.
    let handed_on = || children.iter().filter_map(|child| child.actual.as_ref()).map(|actual| actual.rows).sum();
    Actual {
        rows: metrics.output_rows().unwrap_or_else(handed_on),
        milliseconds: own + below(|actual| actual.milliseconds),
        metrics: metrics.aggregate_by_name().sorted_for_display().timestamps_removed().to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    fn taken(sql: &str) -> Result<Option<Explain>, PgError> {
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        Explain::take(&mut statement)
    }

    #[test]
    fn options_are_those_of_postgres() {
        assert!(taken("select 1").unwrap().is_none());
        let found = taken("explain (analyze, costs off, timing false, format json) select 1").unwrap().unwrap();
        assert!(found.analyze && !found.costs && !found.timing && found.format() == Format::Json);
        for (sql, code) in [
            ("explain (nonsense) select 1", "42601"),
            ("explain (costs maybe) select 1", "42601"),
            ("explain (format nonsense) select 1", "22023"),
            ("explain (timing) select 1", "22023"),
        ] {
            assert_eq!(taken(sql).unwrap_err().code, code, "{sql}");
        }
    }

    #[test]
    fn nodes_are_named_as_in_postgres_where_they_are_the_same() {
        for (name, expected) in [
            ("DataSourceExec", "Seq Scan"),
            ("HashJoinExec", "Hash Join"),
            ("SortExec", "Sort"),
            ("CoalescePartitionsExec", "Gather"),
            ("RowLookupExec", "Row Lookup"),
        ] {
            assert_eq!(kind(name), expected);
        }
    }
}
