//! Transactions: what a session sees and has changed, and the statements that begin, mark, end and undo it.
//!
//! The first statement of a transaction pins what it sees: the scratch schemas, and through the engine's configuration the files of the
//! lake. What the transaction writes is a newer state that only it sees; COMMIT makes it everybody's, ROLLBACK forgets it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::PgError;
use super::reader::Reader;
use super::scratch::Scratch;
use super::scratch::space::{Object, OnCommit, Space, State, TEMP, Table};
use super::settings::{Mark, Settings};
use super::statement::Statement;

/// Savepoints that a transaction may hold, so that a client cannot fill the memory with them.
const MAX_SAVEPOINTS: usize = 10_000;

/// What BEGIN and SET TRANSACTION may say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    pub(crate) isolation: Option<&'static str>,
    pub(crate) read_only: Option<bool>,
    pub(crate) deferrable: Option<bool>,
}

impl Modes {
    /// The settings that say so, without what stands in front of their names.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let truth = |value: bool| if value { "on" } else { "off" };
        let isolation = self.isolation.map(|level| ("isolation", level));
        let read_only = self.read_only.map(|value| ("read_only", truth(value)));
        let deferrable = self.deferrable.map(|value| ("deferrable", truth(value)));
        isolation.into_iter().chain(read_only).chain(deferrable)
    }

    /// What is not said is as the session's defaults say.
    pub(crate) fn or_default(self, settings: &Settings) -> Self {
        let default = settings.get("default_transaction_isolation").unwrap_or_default();
        let level = ISOLATION_LEVELS.into_iter().find(|level| *level == default);
        Self {
            isolation: self.isolation.or(level),
            read_only: self.read_only.or_else(|| Some(settings.is_on("default_transaction_read_only"))),
            deferrable: self.deferrable.or_else(|| Some(settings.is_on("default_transaction_deferrable"))),
        }
    }
}

/// The levels of PostgreSQL. Here every transaction reads one state, whichever it names.
pub(crate) const ISOLATION_LEVELS: [&str; 4] = ["serializable", "repeatable read", "read committed", "read uncommitted"];

/// What a session sees and has changed.
#[derive(Debug)]
pub(crate) struct Work {
    scratch: Arc<Scratch>,
    temp: Arc<Space>,
    block: Option<Block>,
}

/// A transaction of more than one statement.
#[derive(Debug)]
struct Block {
    started: DateTime<Utc>,
    /// The lasting schemas as they were when they were first looked at, and all of them as they are in here.
    seen: Option<(Arc<Space>, State)>,
    savepoints: Vec<Savepoint>,
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    state: Option<State>,
    settings: Mark,
}

/// A state to be made everybody's.
#[derive(Debug)]
pub(crate) struct Pending {
    base: Arc<Space>,
    state: State,
}

impl Work {
    pub(crate) fn new(scratch: Arc<Scratch>) -> Self {
        Self { scratch, temp: Arc::default(), block: None }
    }

    pub(crate) fn scratch(&self) -> &Arc<Scratch> {
        &self.scratch
    }

    pub(crate) fn begin(&mut self) {
        self.block.get_or_insert_with(|| Block { started: Utc::now(), seen: None, savepoints: Vec::new() });
    }

    pub(crate) fn in_block(&self) -> bool {
        self.block.is_some()
    }

    /// When the transaction began, if the statement is in one of several.
    pub(crate) fn started(&self) -> Option<DateTime<Utc>> {
        self.block.as_ref().map(|block| block.started)
    }

    /// Whether the transaction has looked at anything.
    pub(crate) fn has_looked(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.seen.is_some())
    }

    /// What a statement would see, without pinning it.
    pub(crate) fn peek(&self) -> State {
        match self.block.as_ref().and_then(|block| block.seen.as_ref()) {
            Some((_, state)) => state.clone(),
            None => State { durable: self.scratch.current(), temp: Arc::clone(&self.temp) },
        }
    }

    /// What a statement that begins now sees.
    pub(crate) fn state(&mut self) -> State {
        let state = self.peek();
        if let Some(block) = &mut self.block
            && block.seen.is_none()
        {
            block.seen = Some((Arc::clone(&state.durable), state.clone()));
        }
        state
    }

    /// Takes over what a statement changed, which saw `before`. Outside of a block it has to be committed.
    pub(crate) fn change(&mut self, before: &State, after: State) -> Option<Pending> {
        match &mut self.block {
            Some(block) => {
                let base = block.seen.as_ref().map_or_else(|| Arc::clone(&before.durable), |(base, _)| Arc::clone(base));
                block.seen = Some((base, after));
                None
            }
            None => Some(Pending { base: Arc::clone(&before.durable), state: ended(after) }),
        }
    }

    /// Ends the block; what it changed is to be committed.
    pub(crate) fn end(&mut self) -> Option<Pending> {
        let (base, state) = self.block.take()?.seen?;
        let unchanged = Arc::ptr_eq(&base, &state.durable) && Arc::ptr_eq(&self.temp, &state.temp);
        let state = ended(state);
        (!unchanged || !Arc::ptr_eq(&self.temp, &state.temp)).then_some(Pending { base, state })
    }

    /// Ends the block and forgets what it changed.
    pub(crate) fn undo(&mut self) {
        self.block = None;
    }

    /// The session's own part of what has been committed.
    pub(crate) fn committed(&mut self, pending: Pending) {
        self.temp = pending.state.temp;
    }

    /// Forgets all temporary tables.
    pub(crate) fn drop_temp(&mut self) {
        self.temp = Arc::default();
        if let Some(Block { seen: Some((_, state)), .. }) = &mut self.block {
            state.temp = Arc::default();
        }
    }

    pub(crate) fn savepoint(&mut self, name: String, settings: Mark) -> Result<(), PgError> {
        let Some(block) = &mut self.block else { return Err(only_in_block("SAVEPOINT")) };
        if block.savepoints.len() >= MAX_SAVEPOINTS {
            return Err(PgError::new("53400", format!("more than {MAX_SAVEPOINTS} savepoints in one transaction")));
        }
        let state = block.seen.as_ref().map(|(_, state)| state.clone());
        block.savepoints.push(Savepoint { name, state, settings });
        Ok(())
    }

    pub(crate) fn release(&mut self, name: &str) -> Result<(), PgError> {
        let Some(block) = &mut self.block else { return Err(only_in_block("RELEASE SAVEPOINT")) };
        let at = block.position(name)?;
        block.savepoints.truncate(at);
        Ok(())
    }

    /// Back to a savepoint, which stays. Returns the settings of that moment.
    pub(crate) fn rollback_to(&mut self, name: &str) -> Result<Mark, PgError> {
        let Some(block) = &mut self.block else { return Err(only_in_block("ROLLBACK TO SAVEPOINT")) };
        let at = block.position(name)?;
        block.savepoints.truncate(at + 1);
        let savepoint = block.savepoints.last().ok_or_else(|| no_savepoint(name))?;
        if let Some((base, state)) = &mut block.seen {
            // Nothing had been looked at when it was set, so nothing had been changed.
            *state = savepoint.state.clone().unwrap_or_else(|| State { durable: Arc::clone(base), temp: Arc::clone(&self.temp) });
        }
        Ok(savepoint.settings.clone())
    }
}

impl Pending {
    /// Makes it everybody's. Writes files: not for a thread that others wait for.
    pub(crate) fn commit(&self, scratch: &Scratch) -> Result<(), PgError> {
        scratch.commit(&self.base, &self.state.durable)
    }

    /// Whether other sessions are concerned.
    pub(crate) fn is_shared(&self) -> bool {
        !Arc::ptr_eq(&self.base, &self.state.durable)
    }
}

impl Block {
    fn position(&self, name: &str) -> Result<usize, PgError> {
        self.savepoints.iter().rposition(|savepoint| savepoint.name == name).ok_or_else(|| no_savepoint(name))
    }
}

fn no_savepoint(name: &str) -> PgError {
    PgError::new("3B001", format!("savepoint \"{name}\" does not exist"))
}

/// What a statement says outside of the block that it needs.
pub(crate) fn only_in_block(what: &str) -> PgError {
    PgError::new("25P01", format!("{what} can only be used in transaction blocks"))
}

/// The state at the end of a transaction: what ON COMMIT says has been done.
fn ended(mut state: State) -> State {
    let temporary = state.temp.schemas.get(TEMP);
    let concerned: Vec<(String, Arc<Table>)> = temporary
        .into_iter()
        .flat_map(|schema| &schema.objects)
        .filter_map(|(name, object)| match object {
            Object::Table(table) if table.on_commit != OnCommit::PreserveRows => Some((name.clone(), Arc::clone(table))),
            _ => None,
        })
        .collect();
    for (name, table) in concerned {
        if table.on_commit == OnCommit::Drop {
            let gone = state.readers(TEMP, &name);
            state.space_mut(TEMP).change(TEMP, |schema| {
                schema.objects.remove(&name);
                schema.objects.retain(|name, _| !gone.contains(&(TEMP.to_owned(), name.clone())));
            });
        } else if !table.parts.is_empty() {
            state.space_mut(TEMP).replace_rows(TEMP, &name, Table { parts: Vec::new(), ..table.as_ref().clone() });
        }
    }
    state
}

/// Reads BEGIN and START TRANSACTION.
pub(crate) fn begin(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    let start = reader.word("START");
    if start {
        reader.expect_word("TRANSACTION")?;
    } else {
        reader.expect_word("BEGIN")?;
        let _ = reader.word("WORK") || reader.word("TRANSACTION");
    }
    Ok(Statement::Begin(modes(&mut reader)?, if start { "START TRANSACTION" } else { "BEGIN" }))
}

/// Reads COMMIT, END, ROLLBACK and ABORT.
pub(crate) fn end(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    let commit = reader.word("COMMIT") || reader.word("END");
    let rollback = !commit && reader.word("ROLLBACK");
    if !commit && !rollback {
        reader.expect_word("ABORT")?;
    }
    if matches!(reader.peek(), Some(Token::Word(word)) if word.value.eq_ignore_ascii_case("prepared")) {
        return Err(PgError::new("0A000", "prepared transactions are not supported"));
    }
    let _ = reader.word("WORK") || reader.word("TRANSACTION");
    if rollback && reader.word("TO") {
        reader.word("SAVEPOINT");
        let name = reader.name()?;
        reader.end()?;
        return Ok(Statement::RollbackTo(name));
    }
    let mut chain = false;
    if reader.word("AND") {
        chain = !reader.word("NO");
        reader.expect_word("CHAIN")?;
    }
    reader.end()?;
    Ok(if commit { Statement::Commit { chain } } else { Statement::Rollback { chain } })
}

/// Reads SAVEPOINT and RELEASE.
pub(crate) fn savepoint(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    let release = reader.word("RELEASE");
    if release {
        // SAVEPOINT may be left out, and may be the name.
        if !reader.at_last() {
            reader.expect_word("SAVEPOINT")?;
        }
    } else {
        reader.expect_word("SAVEPOINT")?;
    }
    let name = reader.name()?;
    reader.end()?;
    Ok(if release { Statement::Release(name) } else { Statement::Savepoint(name) })
}

/// Reads what stands behind SET TRANSACTION and SET SESSION CHARACTERISTICS AS TRANSACTION.
pub(crate) fn set_modes(reader: &mut Reader<'_>, session: bool) -> Result<Statement, PgError> {
    if reader.word("SNAPSHOT") {
        return Err(PgError::new("0A000", "SET TRANSACTION SNAPSHOT is not supported"));
    }
    if reader.at_end() {
        return Err(reader.unexpected());
    }
    Ok(Statement::SetTransaction { modes: modes(reader)?, session })
}

fn modes(reader: &mut Reader<'_>) -> Result<Modes, PgError> {
    let mut modes = Modes::default();
    while !reader.at_end() {
        if reader.word("ISOLATION") {
            reader.expect_word("LEVEL")?;
            modes.isolation = Some(if reader.word("SERIALIZABLE") {
                "serializable"
            } else if reader.word("REPEATABLE") {
                reader.expect_word("READ")?;
                "repeatable read"
            } else {
                reader.expect_word("READ")?;
                if reader.word("UNCOMMITTED") {
                    "read uncommitted"
                } else {
                    reader.expect_word("COMMITTED")?;
                    "read committed"
                }
            });
        } else if reader.word("READ") {
            modes.read_only = Some(if reader.word("WRITE") {
                false
            } else {
                reader.expect_word("ONLY")?;
                true
            });
        } else if reader.word("NOT") {
            reader.expect_word("DEFERRABLE")?;
            modes.deferrable = Some(false);
        } else {
            reader.expect_word("DEFERRABLE")?;
            modes.deferrable = Some(true);
        }
        reader.token(&Token::Comma);
    }
    Ok(modes)
}
