//! A session: the engine's state, settings, transaction, prepared statements and portals of one connection.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use pgwire::messages::response::TransactionStatus;
use placido_udfs::models::ModelResolver;

use super::encode::Formats;
use super::error::{PgError, sqlstate};
use super::guard::{Guard, GuardedCatalog, GuardedModels};
use super::pg_catalog::{self, Backend, PgCatalog, WithPgCatalog};
use super::plan::Planner;
use super::prepared::{Prepared, PreparedStatements};
use super::principal::Principal;
use super::run::Running;
use super::scope::Scope;
use super::settings::{Settings, Zone};
use super::{Identity, Server};

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
}

impl Portal {
    pub(crate) fn new(prepared: Arc<Prepared>, values: Vec<ScalarValue>, formats: Formats) -> Self {
        Self { prepared, values, formats, progress: Progress::Ready, position: 0, hold: Hold::No }
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
    /// The states of the settings and of the grants from which it follows.
    stamp: (u64, u64),
    pub(crate) scope: Arc<Scope>,
    pub(crate) search_path: Vec<String>,
    pub(crate) zone: Zone,
    pub(crate) statement_timeout: Option<Duration>,
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
        server: &Server,
        mut state: SessionState,
        identity: Arc<Identity>,
        settings: Settings,
        principal: Arc<Principal>,
    ) -> Result<Self, PgError> {
        let told = |error| sqlstate(&error);
        let database = state.config_options().catalog.default_catalog.clone();
        let inner = state
            .catalog_list()
            .catalog(&database)
            .ok_or_else(|| PgError::fatal("3D000", format!("database \"{database}\" does not exist")))?;
        let catalog = {
            let mut last = server.catalog.lock().unwrap_or_else(PoisonError::into_inner);
            match &*last {
                Some(known) if known.is_of(&inner) => Arc::clone(known),
                _ => {
                    let new = PgCatalog::new(Arc::clone(&inner), Arc::clone(&server.sessions), database.clone());
                    *last = Some(Arc::clone(&new));
                    new
                }
            }
        };
        let guard = Guard::new(principal, Arc::clone(&server.sessions));
        // Sessions of the engine share one list; what is added here must stay in this session.
        let list = MemoryCatalogProviderList::new();
        for name in state.catalog_list().catalog_names() {
            if let Some(other) = state.catalog_list().catalog(&name).filter(|_| name != database) {
                list.register_catalog(name, Arc::new(GuardedCatalog::new(other, guard.clone())));
            }
        }
        let prepared = Arc::new(PreparedStatements::default());
        let guarded = Arc::new(GuardedCatalog::new(inner, guard.clone()));
        let backend = Backend { identity, settings: settings.clone(), catalog: Arc::clone(&catalog), guard: guard.clone() };
        list.register_catalog(database, Arc::new(WithPgCatalog::new(&backend, guarded, &prepared)));
        state.register_catalog_list(Arc::new(list));
        // The engine has an information_schema of its own, in which types have the engine's names.
        state.config_mut().options_mut().catalog.information_schema = false;
        if let Some(models) = server.sessions.models() {
            let models: Arc<dyn ModelResolver> = Arc::new(GuardedModels::new(models, guard.clone()));
            for function in placido_udfs::predict::functions(&models) {
                state.register_udf(Arc::new(function)).map_err(told)?;
            }
        }
        pg_catalog::register(&mut state, &backend).map_err(told)?;
        Ok(Self {
            settings,
            transaction: TransactionStatus::Idle,
            implicit_block: false,
            guard,
            initial: Arc::clone(state.config_options()),
            state: Arc::new(state),
            catalog,
            prepared,
            portals: HashMap::new(),
            frame: None,
        })
    }

    /// What follows from the settings as they are.
    pub(crate) fn frame(&mut self) -> Arc<Frame> {
        let grants = self.guard.principal().user.access.version();
        let stamp = (self.settings.stamp(), grants);
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
                    // As in PostgreSQL, schemas that may not be used are passed over.
                    search_path: self.settings.search_path().into_iter().filter(|schema| self.guard.may_use(schema)).collect(),
                    zone: self.settings.zone(),
                    statement_timeout: self.settings.statement_timeout(),
                    context: Arc::new(context),
                });
                self.frame = Some(Arc::clone(&frame));
                frame
            }
        }
    }

    /// The state for a statement that begins now.
    pub(crate) fn planner(&mut self) -> Planner {
        let frame = self.frame();
        // Nobody else holds the state between statements, so that nothing is copied.
        Arc::make_mut(&mut self.state).mark_start_execution();
        Planner {
            state: Arc::clone(&self.state),
            catalog: Arc::clone(&self.catalog),
            search_path: frame.search_path.clone(),
            zone: frame.zone,
            context: Arc::clone(&frame.context),
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
        self.apply()
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
        *Arc::make_mut(&mut self.state).config_mut().options_mut() = options;
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
        self.portals.remove(name).is_some()
    }

    /// Closes all portals, held ones too.
    pub(crate) fn close_all_portals(&mut self) {
        self.portals.clear();
    }

    /// Portals end with their transaction, which outside of a block is the one up to the next `Sync`; those WITH HOLD only when it
    /// is rolled back.
    pub(crate) fn end_portals(&mut self, committed: bool) {
        self.portals.retain(|_, portal| match portal.hold {
            Hold::No => false,
            Hold::AtCommit => {
                portal.hold = Hold::Held;
                committed
            }
            Hold::Held => true,
        });
    }

    /// An error fails the transaction that is open.
    pub(crate) fn fail(&mut self) {
        if self.transaction == TransactionStatus::Transaction {
            self.transaction = TransactionStatus::Error;
        }
    }
}
