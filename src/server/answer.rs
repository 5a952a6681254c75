//! Statements with rows: queries, portals and cursors, EXECUTE, COPY. And those that are planned for later: PREPARE, DECLARE.

use std::sync::Arc;
use std::time::Instant;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::sqlparser::ast;
use pgwire::api::Type;
use pgwire::messages::response::TransactionStatus;

use super::change::Returned;
use super::connection::{Connection, FLUSH_AT};
use super::copy::Copy;
use super::cursor::{Declare, Fetch};
use super::encode::{Formats, RowEncoder};
use super::error::PgError;
use super::plan::Planned;
use super::prepared::Prepared;
use super::registry::Source;
use super::run::{Demand, Event, Output, Running, without_parameters};
use super::scroll::Scrolled;
use super::session::{Hold, Portal, Progress};
use super::statement::Statement;
use super::wire::{Interruption, Watch};
use super::{arguments, scope, types, writing};

impl Connection<'_> {
    /// Answers one statement of the simple protocol, the columns first.
    pub(crate) async fn answer(&mut self, statement: Statement) -> Result<(), Interruption> {
        self.refuse_in_failed(&statement)?;
        if statement.looks() {
            self.session.pin().await?;
        }
        match &statement {
            Statement::Query(query) => {
                let planner = self.session.planner();
                let running = Running::query(&self.server.runtime, planner, query.as_ref().clone());
                let count = self.described(running, None).await?;
                self.wire.outbox.complete(&tag(&statement, count));
                Ok(())
            }
            Statement::Execute { name, arguments } => {
                if let Some(prepared) = self.prepared_write(name)? {
                    let returned = self.execute_write(name, &prepared, arguments).await?;
                    return self.give_returned(returned).await;
                }
                let (running, prepared) = self.begin_execute(name, arguments).await?;
                let count = self.described(running, prepared.planned.as_ref()).await?;
                self.wire.outbox.complete(&prepared.statement.as_ref().map_or_else(String::new, |run| tag(run, count)));
                Ok(())
            }
            Statement::Fetch(fetch) => {
                let cursor = self.session.cursor(&fetch.cursor)?;
                if cursor.scrolled.is_none() {
                    fetch.step.rows(cursor.position, cursor.at_end())?;
                }
                let (prepared, formats) = (Arc::clone(&cursor.prepared), cursor.formats.clone());
                if !fetch.only_move
                    && let Some(planned) = self.columns_of(&prepared)
                {
                    self.wire.outbox.columns(&planned, &formats);
                }
                let (count, _) = self.fetch(fetch, formats, None, usize::MAX).await?;
                self.wire.outbox.complete(&fetched(fetch, count));
                Ok(())
            }
            Statement::Declare(declare) => {
                self.check_declare(declare)?;
                let planned = without_parameters(self.plan(declare.query.clone(), Vec::new()).await?)?;
                self.declare(declare, planned, Vec::new()).await?;
                self.wire.outbox.complete("DECLARE CURSOR");
                Ok(())
            }
            Statement::Write(write) => {
                let planned = without_parameters(self.plan(write.as_ref().clone(), Vec::new()).await?)?;
                let returned = self.write(write, &planned, Vec::new()).await?;
                self.give_returned(returned).await
            }
            Statement::ExplainExecute { explain, name, arguments } => {
                let explained = self.explained(explain.as_ref().clone(), name, arguments.clone())?;
                Box::pin(self.answer(explained)).await
            }
            other => self.perform(other, true).await,
        }
    }

    /// The prepared statement of a name, if it is one that writes.
    fn prepared_write(&self, name: &str) -> Result<Option<Arc<Prepared>>, PgError> {
        let prepared = self.session.prepared.get(name)?;
        Ok(matches!(prepared.statement, Some(Statement::Write(_))).then_some(prepared))
    }

    /// EXPLAIN EXECUTE as the EXPLAIN of the query with its arguments in it.
    pub(crate) fn explained(&self, explain: ast::Statement, name: &str, arguments: Vec<ast::Expr>) -> Result<Statement, PgError> {
        let prepared = self.session.prepared.get(name)?;
        let (Some(Statement::Query(query)), Some(planned)) = (&prepared.statement, &prepared.planned) else {
            return Err(PgError::new(
                "0A000",
                format!("prepared statement \"{name}\" is not a query; EXPLAIN shows only queries"),
            ));
        };
        super::prepare::explained(explain, query, name, &planned.parameters, arguments)
    }

    /// Does a statement that gives no rows as such. `with_columns` is for the simple protocol, where nobody describes.
    async fn perform(&mut self, statement: &Statement, with_columns: bool) -> Result<(), Interruption> {
        match statement {
            Statement::Copy(copy) => self.copy(copy).await,
            Statement::CopyIn(copy) => {
                self.refuse_in_failed(statement)?;
                self.copy_in(copy).await
            }
            Statement::Define(define) => self.define(define).await,
            Statement::Role(statement) => self.role_statement(statement, with_columns).await,
            Statement::Commit { chain } => self.end_transaction(true, *chain).await,
            Statement::Rollback { chain } => self.end_transaction(false, *chain).await,
            Statement::Prepare { name, types, query } => {
                let scope = Arc::clone(&self.session.frame().scope);
                let planned = self.plan(query.as_ref().clone(), types.clone()).await?;
                let statement = match query.as_ref() {
                    write if writing::is_write(write) => Some(Statement::Write(query.clone())),
                    _ => Some(Statement::Query(query.clone())),
                };
                let source = format!("PREPARE {name} AS {query}");
                let declared = types.clone();
                let prepared = Prepared { statement, planned: Some(planned), source, from_sql: true, declared, scope };
                self.session.prepared.insert(name.clone(), Arc::new(prepared))?;
                self.wire.outbox.complete("PREPARE");
                Ok(())
            }
            other => Ok(self.command(other, with_columns)?),
        }
    }

    /// Runs a portal, for at most `max_rows` rows if that is not 0.
    pub(crate) async fn execute(&mut self, name: &str, max_rows: usize) -> Result<(), Interruption> {
        let limit = if max_rows == 0 { usize::MAX } else { max_rows };
        let portal = self.session.portal(name)?;
        let prepared = Arc::clone(&portal.prepared);
        self.entry.works_on(Source::Prepared(Arc::clone(&prepared)));
        let Some(statement) = &prepared.statement else {
            self.wire.outbox.empty();
            return Ok(());
        };
        let formats = portal.formats.clone();
        self.refuse_in_failed(statement)?;
        if statement.looks() {
            self.session.pin().await?;
        }
        if statement.changes().is_some() {
            self.begin_implicit();
        }
        match statement {
            Statement::Write(_) => {
                let portal = self.session.portal(name)?;
                let ready = matches!(portal.progress, Progress::Ready);
                let mut returned = None;
                if ready {
                    portal.progress = Progress::Done;
                    let values = std::mem::take(&mut portal.values);
                    let prepared = self.current(Arc::clone(&prepared)).await?;
                    if let (Some(Statement::Write(write)), Some(planned)) = (&prepared.statement, &prepared.planned) {
                        returned = self.write(write, planned, values).await?;
                    }
                }
                self.give_some(name, returned, !ready, limit, formats).await?;
            }
            Statement::Execute { name: executed, arguments } if self.prepared_write(executed)?.is_some() => {
                self.begin_implicit();
                let portal = self.session.portal(name)?;
                let ready = matches!(portal.progress, Progress::Ready);
                let mut returned = None;
                if ready {
                    portal.progress = Progress::Done;
                    if let Some(write) = self.prepared_write(executed)? {
                        returned = self.execute_write(executed, &write, arguments).await?;
                    }
                }
                self.give_some(name, returned, !ready, limit, formats).await?;
            }
            Statement::Query(_) | Statement::Execute { .. } => {
                let of = self.runs(&prepared);
                let (count, ended) = self.take(name, limit, Output::Rows(formats)).await?;
                let ran = of.as_ref().and_then(|prepared| prepared.statement.as_ref());
                match ended {
                    true => self.wire.outbox.complete(&ran.map_or_else(|| format!("SELECT {count}"), |ran| tag(ran, count))),
                    false => self.wire.outbox.suspended(),
                }
            }
            Statement::Fetch(fetch) => {
                let left = match portal_progress(self.session.portal(name)?) {
                    Progress::Ready => None,
                    Progress::Fetching(left) => Some(left),
                    Progress::Running(_) | Progress::Done => Some(0),
                };
                let limit = if fetch.only_move { usize::MAX } else { limit };
                match self.fetch(fetch, formats, left, limit).await? {
                    (count, None) => self.wire.outbox.complete(&fetched(fetch, count)),
                    (_, Some(left)) => {
                        self.wire.outbox.suspended();
                        if let Ok(portal) = self.session.portal(name) {
                            portal.progress = Progress::Fetching(left);
                        }
                    }
                }
            }
            Statement::Declare(declare) => {
                self.check_declare(declare)?;
                let planned = prepared.planned.clone().ok_or_else(|| PgError::new("XX000", "a cursor without a plan"))?;
                let values = self.session.portal(name)?.values.clone();
                self.declare(declare, planned, values).await?;
                self.wire.outbox.complete("DECLARE CURSOR");
            }
            other => self.perform(other, false).await?,
        }
        Ok(())
    }

    /// Gives rows of RETURNING in the extended protocol: those of a statement that has just run, or more of them.
    async fn give_some(
        &mut self,
        name: &str,
        returned: Option<Returned>,
        more: bool,
        limit: usize,
        formats: Formats,
    ) -> Result<(), Interruption> {
        if returned.is_none() && !more {
            return Ok(());
        }
        if let Some(Returned { running, planned }) = returned {
            let portal = self.session.portal(name)?;
            portal.progress = Progress::Running(Box::new(running));
            portal.writes = planned.writing.as_ref().map(|writing| writing.verb);
        }
        let (_, ended) = self.take(name, limit, Output::Rows(formats)).await?;
        let portal = self.session.portal(name)?;
        let (position, verb) = (portal.position, portal.writes);
        match (ended, verb) {
            (false, _) => self.wire.outbox.suspended(),
            (true, Some(verb)) => self.wire.outbox.complete(&verb.tag(position)),
            (true, None) => return Err(PgError::new("55000", format!("portal \"{name}\" cannot be run")).into()),
        }
        Ok(())
    }

    /// The columns that a statement gives when it runs now, if it gives any.
    pub(crate) fn columns_of(&self, prepared: &Arc<Prepared>) -> Option<Arc<Planned>> {
        let source = match &prepared.statement {
            Some(Statement::Fetch(fetch)) if fetch.only_move => return None,
            Some(Statement::Fetch(fetch)) => self.session.prepared_of_portal(&fetch.cursor)?,
            _ => Arc::clone(prepared),
        };
        self.runs(&source)?.planned.clone()
    }

    /// The query that a statement runs: itself, or the one that it executes.
    fn runs(&self, prepared: &Arc<Prepared>) -> Option<Arc<Prepared>> {
        match &prepared.statement {
            Some(Statement::Query(_)) => Some(Arc::clone(prepared)),
            Some(Statement::Write(_)) => Some(Arc::clone(prepared)).filter(gives_rows),
            Some(Statement::Execute { name, .. }) => self.session.prepared.get(name).ok().filter(gives_rows),
            _ => None,
        }
    }

    async fn begin_execute(&mut self, name: &str, arguments: &[ast::Expr]) -> Result<(Running, Arc<Prepared>), Interruption> {
        let prepared = self.session.prepared.get(name)?;
        if !matches!(&prepared.statement, Some(Statement::Query(_))) {
            return Err(PgError::new(
                "0A000",
                format!("prepared statement \"{name}\" is not a query; EXECUTE runs only queries"),
            )
            .into());
        }
        let prepared = self.current(prepared).await?;
        let Some(planned) = prepared.planned.clone() else {
            return Err(PgError::new("XX000", "a prepared query without a plan").into());
        };
        super::prepare::check_count(name, planned.parameters.len(), arguments.len())?;
        if let Some(values) = arguments::constants(&planned.parameters, arguments) {
            return Ok((self.run_planned(&planned, values?), prepared));
        }
        let running = Running::execute(&self.server.runtime, self.session.planner(), planned, arguments.to_vec());
        Ok((running, prepared))
    }

    /// Begins a planned statement, on this task where it is done in next to no time.
    pub(crate) fn run_planned(&mut self, planned: &Arc<Planned>, mut values: Vec<ScalarValue>) -> Running {
        let frame = self.session.frame();
        Running::quick(planned, &mut values, &frame.context, frame.zone)
            .unwrap_or_else(|| Running::planned(&self.server.runtime, self.session.planner(), Arc::clone(planned), values))
    }

    /// The same statement, planned anew where what its plan was made for has changed since: settings, rights or data.
    pub(crate) async fn current(&mut self, prepared: Arc<Prepared>) -> Result<Arc<Prepared>, Interruption> {
        let frame = self.session.frame();
        let (Some(Statement::Query(query) | Statement::Write(query)), Some(before)) = (&prepared.statement, &prepared.planned)
        else {
            return Ok(prepared);
        };
        if scope::equal(&prepared.scope, &frame.scope) {
            return Ok(prepared);
        }
        let planned = self.plan(query.as_ref().clone(), prepared.declared.clone()).await?;
        let types = |planned: &Planned| planned.schema.fields().iter().map(|field| types::of_field(field)).collect::<Vec<_>>();
        if types(&planned) != types(before) || planned.names != before.names || planned.parameters != before.parameters {
            return Err(PgError::new("0A000", "cached plan must not change result type").into());
        }
        let new = Arc::new(Prepared {
            statement: prepared.statement.clone(),
            planned: Some(planned),
            source: prepared.source.clone(),
            from_sql: prepared.from_sql,
            declared: prepared.declared.clone(),
            scope: Arc::clone(&frame.scope),
        });
        self.session.prepared.renew(&prepared, &new);
        Ok(new)
    }

    /// Sends the columns of a statement that begins, and all its rows. Returns their number.
    pub(crate) async fn described(
        &mut self,
        mut running: Running,
        planned: Option<&Arc<Planned>>,
    ) -> Result<usize, Interruption> {
        running.ask(Demand::all(Output::Rows(Formats::default())));
        let mut watch = self.watch();
        let mut described = None;
        let sent = async {
            let planned = match planned {
                Some(planned) => Some(Arc::clone(planned)),
                None => match self.wire.wait(&mut watch, running.next()).await?? {
                    Event::Planned(planned) => Some(planned),
                    _ => None,
                },
            };
            if let Some(planned) = planned {
                let before = self.wire.outbox.0.len();
                self.wire.outbox.columns(&planned, &Formats::default());
                // As in PostgreSQL, what needs no table and does not depend on the moment fails before it is described.
                described = is_constant(&planned).then_some((before, self.wire.outbox.0.len()));
            }
            self.rows(&mut running, &mut watch).await
        }
        .await;
        self.entry.end();
        if let (Err(Interruption::Failed(_)), Some((before, after))) = (&sent, described)
            && self.wire.outbox.0.len() == after
        {
            self.wire.outbox.0.truncate(before);
        }
        sent.map(|(count, _)| count)
    }

    /// Takes rows of a portal. Returns how many, and whether they were its last.
    async fn take(&mut self, name: &str, rows: usize, output: Output) -> Result<(usize, bool), Interruption> {
        let portal = self.session.portal(name)?;
        let mut running = match portal_progress(portal) {
            Progress::Ready => {
                let (prepared, values) = (Arc::clone(&portal.prepared), std::mem::take(&mut portal.values));
                Box::new(self.begin(name, prepared, values).await?)
            }
            Progress::Running(running) => running,
            Progress::Fetching(_) | Progress::Done => return Ok((0, true)),
        };
        running.ask(Demand { rows, output });
        let mut watch = self.watch();
        let taken = self.rows(&mut running, &mut watch).await;
        self.entry.end();
        match &taken {
            Ok((count, ended)) => {
                if let Ok(portal) = self.session.portal(name) {
                    portal.position += count;
                    if !ended {
                        portal.progress = Progress::Running(running);
                    }
                }
            }
            // What has failed half-way cannot go on.
            Err(_) => {
                self.session.close_portal(name);
            }
        }
        taken
    }

    async fn begin(&mut self, name: &str, prepared: Arc<Prepared>, values: Vec<ScalarValue>) -> Result<Running, Interruption> {
        match &prepared.statement {
            Some(Statement::Query(_)) if prepared.planned.is_some() => {
                let prepared = self.current(prepared).await?;
                match &prepared.planned {
                    Some(planned) => Ok(self.run_planned(planned, values)),
                    None => Err(PgError::new("XX000", "a prepared query without a plan").into()),
                }
            }
            Some(Statement::Execute { name, arguments }) => Ok(self.begin_execute(name, arguments).await?.0),
            _ => Err(PgError::new("55000", format!("portal \"{name}\" cannot be run")).into()),
        }
    }

    /// Takes rows of a cursor: those that a FETCH still has to give (`left`; nothing at its beginning), at most `limit`. Returns how
    /// many came, and how many remain when the limit was in the way.
    async fn fetch(
        &mut self,
        fetch: &Fetch,
        formats: Formats,
        left: Option<usize>,
        limit: usize,
    ) -> Result<(usize, Option<usize>), Interruption> {
        let zone = self.session.frame().zone;
        let cursor = self.session.cursor(&fetch.cursor)?;
        if let (Some(scrolled), Some(planned)) = (&mut cursor.scrolled, &cursor.prepared.planned) {
            let stretch = scrolled.go(fetch.step);
            if !fetch.only_move {
                let encoder = RowEncoder::new(planned.types(), formats, zone);
                scrolled.write(stretch, &encoder, &mut self.wire.outbox.0)?;
            }
            return Ok((stretch.count, None));
        }
        let (position, at_end) = (cursor.position, cursor.at_end());
        let rows = match left {
            Some(left) => left,
            None => {
                let (skip, rows) = fetch.step.rows(position, at_end)?;
                if skip > 0 {
                    self.take(&fetch.cursor, skip, Output::Nothing).await?;
                }
                rows
            }
        };
        let wanted = rows.min(limit);
        if wanted == 0 {
            return Ok((0, None));
        }
        let output = if fetch.only_move { Output::Nothing } else { Output::Rows(formats) };
        let (count, ended) = self.take(&fetch.cursor, wanted, output).await?;
        Ok((count, (!ended && wanted < rows).then(|| rows - count)))
    }

    fn check_declare(&self, declare: &Declare) -> Result<(), PgError> {
        if !declare.hold && self.session.transaction == TransactionStatus::Idle && !self.session.implicit_block {
            return Err(PgError::new("25P01", "DECLARE CURSOR can only be used in transaction blocks")
                .with_hint("BEGIN first, or declare the cursor WITH HOLD."));
        }
        Ok(())
    }

    async fn declare(&mut self, declare: &Declare, planned: Arc<Planned>, values: Vec<ScalarValue>) -> Result<(), Interruption> {
        // The rows are those of now, whatever is written before they are read.
        let (mut progress, mut scrolled, mut kept) = (Progress::Ready, None, values);
        if declare.scroll {
            let (mut planner, planned, values) = (self.session.planner(), Arc::clone(&planned), std::mem::take(&mut kept));
            scrolled = Some(Box::new(
                self.task(planner.stopping(), async move { Scrolled::read(planner, &planned, values).await }).await?,
            ));
        } else if self.session.sees_tables() {
            let (planner, values) = (self.session.planner(), std::mem::take(&mut kept));
            let running = Running::planned(&self.server.runtime, planner, Arc::clone(&planned), values);
            progress = Progress::Running(Box::new(running));
        }
        let values = kept;
        let statement = Some(Statement::Query(Box::new(declare.query.clone())));
        let scope = Arc::clone(&self.session.frame().scope);
        let prepared =
            Prepared { statement, planned: Some(planned), source: String::new(), from_sql: true, declared: Vec::new(), scope };
        let formats = if declare.binary { Formats::new(vec![1]) } else { Formats::default() };
        let mut portal = Portal::new(Arc::new(prepared), values, formats);
        if declare.hold {
            portal.hold = Hold::AtCommit;
        }
        (portal.progress, portal.scrolled) = (progress, scrolled);
        self.session.bind(declare.name.clone(), portal)?;
        let cursors = &self.session.prepared.cursors;
        cursors.insert(&declare.name, declare.source.clone(), declare.hold, declare.binary, declare.scroll);
        Ok(())
    }

    async fn copy(&mut self, copy: &Copy) -> Result<(), Interruption> {
        self.refuse_in_failed(&Statement::Accepted("COPY"))?;
        let planner = self.session.planner();
        let mut running = Running::query(&self.server.runtime, planner, copy.query.clone());
        let mut watch = self.watch();
        let sent = async {
            if let Event::Planned(planned) = self.wire.wait(&mut watch, running.next()).await?? {
                copy.options.forced(&planned.names)?;
                self.wire.outbox.copy_out(copy.options.format, planned.schema.fields().len())?;
            }
            running.ask(Demand::all(Output::Copy(Arc::clone(&copy.options))));
            self.rows(&mut running, &mut watch).await
        }
        .await;
        self.entry.end();
        let (count, _) = sent?;
        self.wire.outbox.copy_done();
        self.wire.outbox.complete(&format!("COPY {count}"));
        Ok(())
    }

    /// Sends the rows that a running statement was asked for. Returns how many, and whether they were the last.
    async fn rows(&mut self, running: &mut Running, watch: &mut Watch) -> Result<(usize, bool), Interruption> {
        let mut sent = 0;
        loop {
            let (bytes, count, last) = match self.wire.wait(watch, running.next()).await?? {
                Event::Planned(_) => continue,
                Event::Rows { bytes, count } => (bytes, count, None),
                Event::Paused { bytes, count } => (bytes, count, Some(false)),
                Event::End { bytes, count } => (bytes, count, Some(true)),
            };
            self.wire.outbox.0.unsplit(bytes);
            sent += count;
            if let Some(ended) = last {
                return Ok((sent, ended));
            }
            if self.wire.outbox.0.len() >= FLUSH_AT / 2 {
                self.wire.flush(Some(watch)).await?;
            }
        }
    }

    /// Plans a query, to be run later.
    pub(crate) async fn plan(
        &mut self,
        query: ast::Statement,
        declared: Vec<Option<Type>>,
    ) -> Result<Arc<Planned>, Interruption> {
        self.refuse_in_failed(&Statement::Accepted(""))?;
        let mut running = Running::plan(&self.server.runtime, self.session.planner(), query, declared);
        let mut watch = self.watch();
        let event = self.wire.wait(&mut watch, running.next()).await;
        self.entry.end();
        match event?? {
            Event::Planned(planned) => Ok(planned),
            _ => Err(PgError::new("XX000", "rows came before their plan").into()),
        }
    }

    /// What may interrupt the statement that begins now.
    pub(crate) fn watch(&mut self) -> Watch {
        let timeout = self.session.frame().statement_timeout;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Watch { cancel: self.entry.begin(), deadline: deadline.map(tokio::time::Instant::from_std) }
    }
}

/// Whether a query is what PostgreSQL computes when it plans: it reads no table and no function with rows, and calls nothing that is
/// not immutable. Names of objects that are cast to their identifiers are looked up before that.
fn is_constant(planned: &Planned) -> bool {
    let mut looks_up = false;
    let mut calls = false;
    let mut look = |expr: &Expr| {
        if let Expr::ScalarFunction(call) = expr {
            let own = call.func.name().starts_with("placido_");
            looks_up |= call.func.name().starts_with("placido_reg");
            calls |= !own && !call.args.is_empty() && call.func.signature().volatility != Volatility::Immutable;
        }
        Ok(TreeNodeRecursion::Continue)
    };
    let scans = planned.plan.exists(|plan| {
        plan.apply_expressions(|expr| expr.apply(&mut look))?;
        Ok(matches!(plan, LogicalPlan::TableScan(_) | LogicalPlan::Extension(_)))
    });
    !scans.unwrap_or(true) && (looks_up || !calls)
}

/// Whether a prepared statement is a query, or one that writes and returns.
fn gives_rows(prepared: &Arc<Prepared>) -> bool {
    matches!(&prepared.statement, Some(Statement::Query(_) | Statement::Write(_)))
        && prepared.planned.as_ref().is_some_and(|planned| planned.has_rows())
}

/// Takes the progress out of a portal, which is done unless it is put back.
fn portal_progress(portal: &mut Portal) -> Progress {
    std::mem::replace(&mut portal.progress, Progress::Done)
}

fn fetched(fetch: &Fetch, count: usize) -> String {
    format!("{} {count}", if fetch.only_move { "MOVE" } else { "FETCH" })
}

/// The tag that ends a query.
pub(crate) fn tag(statement: &Statement, rows: usize) -> String {
    use datafusion::sql::sqlparser::ast::Statement as S;
    match statement {
        Statement::Query(query) => match query.as_ref() {
            S::Explain { .. } | S::ExplainTable { .. } => "EXPLAIN".to_owned(),
            S::Query(_) => format!("SELECT {rows}"),
            _ => "SHOW".to_owned(),
        },
        _ => String::new(),
    }
}
