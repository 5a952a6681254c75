//! The start of a connection: encryption asked for, a cancel request, or a session with its settings.

use std::net::SocketAddr;
use std::sync::Arc;

use pgwire::messages::response::TransactionStatus;

use super::auth::authenticate;
use super::error::{PgError, sqlstate};
use super::message::{Opening, Parameters, options, take_opening};
use super::places::Place;
use super::principal::{Principal, SessionUser};
use super::registry::Entry;
use super::session::Session;
use super::settings::{REPORTED, Settings};
use super::wire::{Interruption, Wire};
use super::{Identity, Server};

/// A client that has been let in.
pub(crate) struct Admitted {
    pub(crate) parameters: Parameters,
    pub(crate) user: Arc<SessionUser>,
    pub(crate) place: Place,
}

/// Reads up to the start-up message, finds out who the client is, and takes one of the places for sessions. Nothing is returned for
/// a client that is done.
pub(crate) async fn admit(server: &Server, wire: &mut Wire, peer: SocketAddr) -> Result<Option<Admitted>, PgError> {
    let parameters = match start(server, wire).await {
        Ok(Some(parameters)) => parameters,
        Ok(None) | Err(Interruption::Gone) => return Ok(None),
        Err(Interruption::Failed(error)) => return Err(error),
    };
    let user = parameter(&parameters, "user");
    let Some(user) = user.filter(|user| !user.is_empty()) else {
        return Err(PgError::fatal("28000", "no PostgreSQL user name specified in startup packet"));
    };
    let database = parameter(&parameters, "database").filter(|name| !name.is_empty()).unwrap_or(user);
    let Some(user) = authenticate(server, wire, peer, user, database).await? else { return Ok(None) };
    if !wire.is_serving() {
        return Err(PgError::fatal("57P03", "the server is shutting down"));
    }
    let limit = user.access.roles().get(&user.name).and_then(|role| role.connection_limit);
    let place = server.places.take(&user.name, user.is_superuser(&user.name), limit)?;
    Ok(Some(Admitted { parameters, user: Arc::new(user), place }))
}

fn parameter<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Reads up to the start-up message. Nothing is returned for a client that is done.
async fn start(server: &Server, wire: &mut Wire) -> Result<Option<Parameters>, Interruption> {
    let tls = server.security.tls.as_ref();
    if let Some(tls) = tls
        && wire.begins_with_tls().await
    {
        wire.encrypt(&tls.now(), false).await?;
    }
    // A client may ask for TLS and for GSSAPI before it starts; whoever asks for more does not mean to.
    for _ in 0..4 {
        let opening = loop {
            match take_opening(&mut wire.inbox)? {
                Some(opening) => break opening,
                None => {
                    if !wire.fill().await {
                        return Ok(None);
                    }
                }
            }
        };
        match opening {
            Opening::Tls if wire.is_encrypted() => {
                return Err(PgError::fatal("08P01", "the connection is encrypted already").into());
            }
            Opening::Tls => match tls {
                Some(tls) => wire.encrypt(&tls.now(), true).await?,
                None => wire.refuse_encryption().await?,
            },
            Opening::Gss => wire.refuse_encryption().await?,
            Opening::Cancel { pid, key } => {
                server.registry.cancel(pid, &key);
                return Ok(None);
            }
            Opening::Startup { major: 3, minor, parameters } => {
                let unknown: Vec<String> =
                    parameters.iter().map(|(name, _)| name.clone()).filter(|name| name.starts_with("_pq_.")).collect();
                if minor > 0 || !unknown.is_empty() {
                    wire.outbox.negotiate(unknown);
                }
                if !wire.is_serving() {
                    return Err(PgError::fatal("57P03", "the server is shutting down").into());
                }
                return Ok(Some(parameters));
            }
            Opening::Startup { major, minor, .. } => {
                return Err(PgError::fatal(
                    "0A000",
                    format!("unsupported frontend protocol {major}.{minor}: server supports 3.0"),
                )
                .into());
            }
        }
    }
    Err(PgError::fatal("08P01", "too many requests for encryption").into())
}

/// Opens the session and greets the client.
pub(crate) fn greet(
    server: &Arc<Server>,
    wire: &mut Wire,
    entry: &Entry,
    parameters: &Parameters,
    owner: &Arc<SessionUser>,
) -> Result<Session, PgError> {
    let parameter = |name: &str| parameter(parameters, name);
    let user = owner.name.as_str();
    let fatal = PgError::into_fatal;
    let mut given: Parameters =
        parameters.iter().filter(|(name, _)| !matches!(name.as_str(), "user" | "database" | "options")).cloned().collect();
    given.extend(parameter("options").map(options).unwrap_or_default());
    let state = server.sessions.open().map_err(|error| fatal(sqlstate(&error)))?.state();
    let options = &state.config_options().catalog;
    let database = options.default_catalog.clone();
    let settings = Settings::new(user, &options.default_schema, &given).map_err(fatal)?;
    let wanted = parameter("database").filter(|name| !name.is_empty()).unwrap_or(user);
    // Drivers that are told no database ask for one of the user's name, or for postgres.
    if wanted != database && wanted != user && wanted != "postgres" {
        return Err(PgError::fatal("3D000", format!("database \"{wanted}\" does not exist"))
            .with_hint(format!("The database of this server is \"{database}\".")));
    }
    let identity =
        Arc::new(Identity { user: user.to_owned(), database, pid: entry.pid, server_start_micros: server.start_micros });
    settings.limit_query_memory(server.limits.query_memory);
    settings.belong_to(Arc::clone(owner));
    entry.belongs_to(user, &settings);
    let principal = Arc::new(Principal::new(Arc::clone(owner), settings.clone()));
    let mut session = Session::open(server, state, identity, settings, principal).map_err(fatal)?;
    if let Some(zone) = session.settings.get("timezone") {
        session.set("timezone", Some(&zone), false).map_err(fatal)?;
    }
    wire.outbox.authenticated();
    for (name, spelled) in REPORTED {
        wire.outbox.parameter(spelled, session.settings.get(name).unwrap_or_default());
    }
    wire.outbox.key(entry.pid, entry.secret);
    wire.outbox.ready(TransactionStatus::Idle);
    Ok(session)
}
