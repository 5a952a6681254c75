//! A session: the engine's state, settings, transaction, prepared statements and portals of one connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProviderList};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use pgwire::messages::response::TransactionStatus;
use placido_udfs::models::ModelResolver;

use super::arithmetic::PostgresArithmetic;
use super::encode::Formats;
use super::error::{PgError, sqlstate};
use super::guard::{Guard, GuardedCatalog, GuardedModels};
use super::literals::Literals;
use super::notify::Ears;
use super::pg_catalog::{self, Backend, PgCatalog, WithPgCatalog};
use super::plan::Planner;
use super::prepared::{Prepared, PreparedStatements};
use super::principal::Principal;
use super::run::Running;
use super::scope::Scope;
use super::scratch::overlay::{Overlay, OverlayCatalog, Seen};
use super::scratch::space::{State, TEMP};
use super::scroll::Scrolled;
use super::session_zone::SessionZone;
use super::settings::{Mark, Settings, Zone};
use super::transaction::Work;
use super::writing::Verb;
use super::{
    Identity, Server, date_parts, lengths, long_texts, moments, ordered_sets, ordinality, rounding, single, sums, unknown,
};

/// Functions of the engine that tell the moment or the day.
const CLOCKS: &[&str] = &["current_date", "current_time", "now"];

/// Portals that a session may hold, so that a client that never closes them cannot fill the memory.
const MAX_PORTALS: usize = 1_000;

/// A prepared statement with its values, and how far its rows have been taken: a portal, which SQL calls a cursor.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) values: Vec<ScalarValue>,
    pub(crate) formats: Formats,
    pub(crate) progress: Progress,
    /// Rows that have been taken.
    pub(crate) position: usize,
    pub(crate) hold: Hold,
    /// The rows of a SCROLL cursor.
    pub(crate) scrolled: Option<Box<Scrolled>>,
    /// What the statement has done, where its rows are those of RETURNING.
    pub(crate) writes: Option<Verb>,
}

impl Portal {
    pub(crate) fn new(prepared: Arc<Prepared>, values: Vec<ScalarValue>, formats: Formats) -> Self {
        Self { prepared, values, formats, progress: Progress::Ready, position: 0, hold: Hold::No, scrolled: None, writes: None }
    }

    /// Whether it has been read to its end.
    pub(crate) fn at_end(&self) -> bool {
        matches!(self.progress, Progress::Done)
    }
}

/// How far a portal is.
#[derive(Debug)]
pub(crate) enum Progress {
    Ready,
    Running(Box<Running>),
    /// A FETCH that still has to give this many rows of its cursor.
    Fetching(usize),
    Done,
}

/// Whether a portal outlives its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    No,
    /// It will, if the transaction commits.
    AtCommit,
    /// It has.
    Held,
}

/// What follows from the settings, found once for as long as they stay.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The states of the settings, of the grants and of what clients made from which it follows.
    stamp: (u64, u64, (u64, u64)),
    pub(crate) scope: Arc<Scope>,
    pub(crate) search_path: Vec<String>,
    pub(crate) zone: Zone,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) query_memory: Option<usize>,
    /// What operators need when they run. The functions are left out: plans hold those that they call.
    pub(crate) context: Arc<TaskContext>,
}

/// The session of one connection.
pub(crate) struct Session {
    pub(crate) settings: Settings,
    pub(crate) transaction: TransactionStatus,
    /// Whether the statement is one of several in a string, which form a transaction of their own.
    pub(crate) implicit_block: bool,
    pub(crate) prepared: Arc<PreparedStatements>,
    pub(crate) guard: Guard,
    /// What the session sees and has changed.
    pub(crate) work: Work,
    pub(crate) ears: Ears,
    /// Whether the transaction's data are fixed.
    pinned: bool,
    identity: Arc<Identity>,
    server: Arc<Server>,
    /// The engine's catalogue, without what clients made.
    inner: Arc<dyn CatalogProvider>,
    /// The catalogues that the engine looks into for this session.
    catalogs: Arc<MemoryCatalogProviderList>,
    overlay: Arc<Overlay>,
    /// The role, and the version of its grants, for which views of clients have been planned.
    views_of: (String, u64),
    state: Arc<SessionState>,
    /// The engine's options when the session began; what is set stands on top of them.
    initial: Arc<ConfigOptions>,
    catalog: Arc<PgCatalog>,
    portals: HashMap<String, Portal>,
    frame: Option<Arc<Frame>>,
}

impl Session {
    /// Adds to a session of the engine what clients of PostgreSQL expect in it.
    pub(crate) fn open(
        server: &Arc<Server>,
        mut state: SessionState,
        identity: Arc<Identity>,
        settings: Settings,
        principal: Arc<Principal>,
    ) -> Result<Self, PgError> {
        let database = state.config_options().catalog.default_catalog.clone();
        let inner = state
            .catalog_list()
            .catalog(&database)
            .ok_or_else(|| PgError::fatal("3D000", format!("database \"{database}\" does not exist")))?;
        let models = server.sessions.models();
        let mut work = Work::new(Arc::clone(&server.scratch));
        let overlay = Arc::new(Overlay::new(Arc::clone(&inner), work.state(), temp_name(&identity)));
        let (definitions, catalog) = server.catalog_of(&overlay, &database);
        let guard = Guard::new(principal, definitions, models.clone());
        // Sessions of the engine share one list; what is added here must stay in this session.
        let catalogs = Arc::new(MemoryCatalogProviderList::new());
        for name in state.catalog_list().catalog_names() {
            if let Some(other) = state.catalog_list().catalog(&name).filter(|_| name != database) {
                catalogs.register_catalog(name, Arc::new(GuardedCatalog::new(other, guard.clone())));
            }
        }
        state.register_catalog_list(Arc::clone(&catalogs) as Arc<dyn CatalogProviderList>);
        // The engine has an information_schema of its own, in which types have the engine's names.
        state.config_mut().options_mut().catalog.information_schema = false;
        state.register_expr_planner(Arc::new(Literals)).map_err(|error| sqlstate(&error))?;
        state.add_analyzer_rule(Arc::new(SessionZone));
        state.add_analyzer_rule(Arc::new(PostgresArithmetic));
        for register in [lengths::register, long_texts::register, rounding::register, sums::register, date_parts::register] {
            register(&mut state).map_err(|error| sqlstate(&error))?;
        }
        let (one, only) = single::functions();
        state.register_udaf(Arc::new(one)).map_err(|error| sqlstate(&error))?;
        for function in [only, moments::function(), ordinality::function(), unknown::function()] {
            state.register_udf(Arc::new(function)).map_err(|error| sqlstate(&error))?;
        }
        for function in ordered_sets::functions() {
            state.register_udaf(Arc::new(function)).map_err(|error| sqlstate(&error))?;
        }
        if let Some(models) = models {
            let models: Arc<dyn ModelResolver> = Arc::new(GuardedModels::new(models, guard.clone()));
            for function in placido_udfs::predict::functions(&models) {
                state.register_udf(Arc::new(function)).map_err(|error| sqlstate(&error))?;
            }
        }
        let mut session = Self {
            settings,
            transaction: TransactionStatus::Idle,
            implicit_block: false,
            views_of: guard.principal().key(),
            guard,
            initial: Arc::clone(state.config_options()),
            state: Arc::new(state),
            catalog,
            prepared: Arc::new(PreparedStatements::default()),
            portals: HashMap::new(),
            frame: None,
            work,
            ears: Ears::default(),
            pinned: false,
            identity,
            server: Arc::clone(server),
            inner,
            catalogs,
            overlay,
        };
        session.show_catalog()?;
        session.show_rows();
        Ok(session)
    }

    /// Lets the engine see the session's catalogue as it is now.
    fn show_catalog(&mut self) -> Result<(), PgError> {
        let backend = self.backend();
        pg_catalog::register(Arc::make_mut(&mut self.state), &backend).map_err(|error| sqlstate(&error))?;
        self.frame = None;
        Ok(())
    }

    fn backend(&self) -> Backend {
        Backend {
            identity: Arc::clone(&self.identity),
            settings: self.settings.clone(),
            catalog: Arc::clone(&self.catalog),
            guard: self.guard.clone(),
            registry: Arc::clone(&self.server.registry),
        }
    }

    fn show_rows(&mut self) {
        let scratch = Arc::new(OverlayCatalog(Arc::clone(&self.overlay)));
        let guarded = Arc::new(GuardedCatalog::new(scratch, self.guard.clone()));
        let catalog = WithPgCatalog::new(&self.backend(), guarded, &self.prepared);
        self.catalogs.register_catalog(self.identity.database.clone(), Arc::new(catalog));
        let seen = Arc::new(Seen(self.overlay.state.clone()));
        Arc::make_mut(&mut self.state).config_mut().set_extension(seen);
    }

    /// Looks at a state of the scratch schemas and temporary tables from now on.
    fn look_at(&mut self, state: State) {
        let role = self.guard.principal().key();
        let other_role = role != self.views_of;
        if !other_role && state.same_rows(&self.overlay.state) {
            return;
        }
        self.views_of = role;
        let defined = state.definitions() != self.overlay.state.definitions();
        let overlay = Arc::new(Overlay::new(Arc::clone(&self.inner), state, temp_name(&self.identity)));
        // Views hold the plans of what they read, and those their tables' definitions and what a role may read.
        if !defined && !other_role {
            overlay.take_views(&self.overlay);
        }
        self.overlay = overlay;
        if defined {
            let (definitions, catalog) = self.server.catalog_of(&self.overlay, &self.identity.database);
            self.catalog = catalog;
            self.guard = self.guard.over(definitions);
            // It has been done once; only a name that is taken could fail, and these are the same names.
            if let Err(error) = self.show_catalog() {
                tracing::error!(%error, "the catalog's functions could not be registered");
            }
        }
        self.show_rows();
    }

    /// What follows from the settings as they are.
    pub(crate) fn frame(&mut self) -> Arc<Frame> {
        let now = self.work.peek();
        if now.definitions() != self.overlay.state.definitions() {
            self.look_at(now);
        }
        let grants = self.guard.principal().user.access.version();
        let stamp = (self.settings.stamp(), grants, self.overlay.state.definitions());
        match &self.frame {
            Some(frame) if frame.stamp == stamp => Arc::clone(frame),
            before => {
                let mut scope = Arc::new(Scope::new(&self.settings, grants, &self.catalog));
                // The same scope in the same place is compared at once.
                if let Some(same) = before.as_ref().map(|frame| &frame.scope).filter(|known| **known == scope) {
                    scope = Arc::clone(same);
                }
                let context = TaskContext::new(
                    None,
                    String::new(),
                    self.state.config().clone(),
                    HashMap::new(),
                    HashMap::new(),
                    HashMap::new(),
                    HashMap::new(),
                    Arc::clone(self.state.runtime_env()),
                );
                let frame = Arc::new(Frame {
                    stamp,
                    scope,
                    search_path: self.search_path(),
                    zone: self.settings.zone(),
                    statement_timeout: self.settings.statement_timeout(),
                    query_memory: self.settings.query_memory(),
                    context: Arc::new(context),
                });
                self.frame = Some(Arc::clone(&frame));
                frame
            }
        }
    }

    /// Temporary tables come first, unless the path says where.
    fn search_path(&self) -> Vec<String> {
        // As in PostgreSQL, schemas that may not be used are passed over.
        let mut path: Vec<String> = self.settings.search_path().into_iter().filter(|schema| self.guard.may_use(schema)).collect();
        if !path.iter().any(|schema| schema == TEMP) && self.overlay.scratch_schema(TEMP).is_some() {
            path.insert(0, TEMP.to_owned());
        }
        path
    }

    /// Fixes the data that the transaction sees, before its first statement that looks at any.
    pub(crate) async fn pin(&mut self) -> Result<(), PgError> {
        if self.pinned || self.transaction != TransactionStatus::Transaction {
            return Ok(());
        }
        let server = Arc::clone(&self.server);
        let state = Arc::make_mut(&mut self.state);
        server.sessions.pin(state.config_mut()).await.map_err(|error| sqlstate(&error))?;
        self.pinned = true;
        self.frame = None;
        Ok(())
    }

    fn unpin(&mut self) {
        if std::mem::take(&mut self.pinned) {
            let server = Arc::clone(&self.server);
            server.sessions.unpin(Arc::make_mut(&mut self.state).config_mut());
            self.frame = None;
        }
    }

    /// The state for a statement that begins now.
    pub(crate) fn planner(&mut self) -> Planner {
        let now = self.work.state();
        self.look_at(now);
        let frame = self.frame();
        // Nobody else holds the state between statements, so that nothing is copied.
        let state = Arc::make_mut(&mut self.state);
        state.mark_start_execution();
        if let Some(started) = self.work.started() {
            // As in PostgreSQL, now() is when the transaction began.
            state.execution_props_mut().query_execution_start_time = Some(started);
        }
        Planner {
            scratch: Arc::clone(&self.overlay),
            guard: self.guard.clone(),
            asker: None,
            user: self.settings.user(),
            database: self.identity.database.clone(),
            depth: 0,
            state: Arc::clone(&self.state),
            catalog: Arc::clone(&self.catalog),
            search_path: frame.search_path.clone(),
            zone: frame.zone,
            context: Arc::clone(&frame.context),
            query_memory: frame.query_memory,
            stop: None,
        }
    }

    /// The tables and views of a schema, whoever may read them.
    pub(crate) fn relation_names(&self, schema: &str) -> Vec<String> {
        self.catalog.relation_names(schema)
    }

    pub(crate) fn has_schema(&self, name: &str) -> bool {
        self.catalog.has_schema(name)
    }

    /// Changes a setting, in the engine too where it has one of that meaning.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<String, PgError> {
        let before = self.settings.get(name);
        let new = self.settings.set(name, value, local)?;
        if let Err(error) = self.apply() {
            self.settings.set(name, before.as_deref(), local)?;
            return Err(error);
        }
        Ok(new)
    }

    /// All settings back to where the session began.
    pub(crate) fn reset_all(&mut self) -> Result<(), PgError> {
        self.settings.reset_all();
        self.apply()
    }

    /// Ends a transaction; what was set in it alone, or is rolled back, ends in the engine too.
    pub(crate) fn end_transaction(&mut self, committed: bool) -> Result<(), PgError> {
        self.settings.end(committed);
        self.transaction = TransactionStatus::Idle;
        self.unpin();
        self.ears.ended(committed, self.identity.pid, &self.server.hub);
        self.apply()
    }

    /// Back to the settings of a savepoint.
    pub(crate) fn back_to(&mut self, mark: Mark) -> Result<(), PgError> {
        self.settings.back_to(mark);
        self.apply()
    }

    /// Whether there is any table that a client could write to.
    pub(crate) fn sees_tables(&self) -> bool {
        let State { durable, temp } = &self.overlay.state;
        durable.schemas.values().chain(temp.schemas.values()).any(|schema| !schema.objects.is_empty())
    }

    pub(crate) fn pid(&self) -> i32 {
        self.identity.pid
    }

    /// The engine's options: those of the beginning, and on top of them what is set now.
    fn apply(&mut self) -> Result<(), PgError> {
        let mut options = self.initial.as_ref().clone();
        for (name, value, _) in self.settings.all() {
            let name = match name.as_str() {
                "timezone" => "datafusion.execution.time_zone",
                other if other.starts_with("datafusion.") && !value.is_empty() => other,
                _ => continue,
            };
            options.set(name, &value).map_err(|error| sqlstate(&error))?;
        }
        let state = Arc::make_mut(&mut self.state);
        let zone_before = state.config_options().execution.time_zone.clone();
        *state.config_mut().options_mut() = options;
        if state.config_options().execution.time_zone != zone_before {
            // These are made for a zone.
            let options = Arc::clone(state.config_options());
            let functions = state.scalar_functions().values();
            let clocks = functions.filter(|function| CLOCKS.contains(&function.name()));
            let remade: Vec<_> = clocks.filter_map(|function| function.inner().with_updated_config(&options)).collect();
            for function in remade {
                state.register_udf(Arc::new(function)).map_err(|error| sqlstate(&error))?;
            }
        }
        self.frame = None;
        Ok(())
    }

    pub(crate) fn bind(&mut self, name: String, portal: Portal) -> Result<(), PgError> {
        if !name.is_empty() && self.portals.contains_key(&name) {
            return Err(PgError::new("42P03", format!("cursor \"{name}\" already exists")));
        }
        if self.portals.len() >= MAX_PORTALS {
            return Err(PgError::new("53400", format!("more than {MAX_PORTALS} portals in one session")));
        }
        self.portals.insert(name, portal);
        Ok(())
    }

    pub(crate) fn portal(&mut self, name: &str) -> Result<&mut Portal, PgError> {
        self.portals.get_mut(name).ok_or_else(|| PgError::new("34000", format!("portal \"{name}\" does not exist")))
    }

    /// A portal as SQL speaks of it.
    pub(crate) fn cursor(&mut self, name: &str) -> Result<&mut Portal, PgError> {
        self.portals.get_mut(name).ok_or_else(|| {
            PgError::new("34000", format!("cursor \"{name}\" does not exist"))
                .with_hint("Cursors end with their transaction unless they are declared WITH HOLD.")
        })
    }

    /// The statement of a portal, if there is one of this name.
    pub(crate) fn prepared_of_portal(&self, name: &str) -> Option<Arc<Prepared>> {
        self.portals.get(name).map(|portal| Arc::clone(&portal.prepared))
    }

    pub(crate) fn close_portal(&mut self, name: &str) -> bool {
        let closed = self.portals.remove(name).is_some();
        if closed {
            self.prepared.cursors.retain(|cursor| cursor != name);
        }
        closed
    }

    /// Closes all portals, held ones too.
    pub(crate) fn close_all_portals(&mut self) {
        self.portals.clear();
        self.prepared.cursors.retain(|_| false);
    }

    /// Portals end with their transaction, which outside of a block is the one up to the next `Sync`; those WITH HOLD only when it
    /// is rolled back.
    pub(crate) fn end_portals(&mut self, committed: bool) {
        if self.portals.is_empty() {
            return;
        }
        self.portals.retain(|_, portal| match portal.hold {
            Hold::No => false,
            Hold::AtCommit => {
                portal.hold = Hold::Held;
                committed
            }
            Hold::Held => true,
        });
        self.prepared.cursors.retain(|cursor| self.portals.contains_key(cursor));
    }

    /// An error fails the transaction that is open.
    pub(crate) fn fail(&mut self) {
        if self.transaction == TransactionStatus::Transaction {
            self.transaction = TransactionStatus::Error;
        }
    }
}

/// The name under which catalogs show the temporary tables of a session.
fn temp_name(identity: &Identity) -> String {
    format!("{TEMP}_{}", identity.pid)
}
