//! The start of a connection: encryption asked for, a cancel request, or a session with its settings.

use std::sync::Arc;

use pgwire::messages::response::TransactionStatus;
use tokio::sync::SemaphorePermit;

use super::error::{PgError, sqlstate};
use super::message::{Opening, take_opening};
use super::registry::Entry;
use super::session::Session;
use super::settings::{REPORTED, Settings};
use super::wire::Wire;
use super::{Identity, Server};

pub(crate) type Parameters = Vec<(String, String)>;

/// Reads up to the start-up message and takes one of the places for sessions. Nothing is returned for a client that is done.
pub(crate) async fn start<'a>(server: &'a Server, wire: &mut Wire) -> Result<Option<(Parameters, SemaphorePermit<'a>)>, PgError> {
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
            Opening::Encryption => {
                if wire.refuse_encryption().await.is_err() {
                    return Ok(None);
                }
            }
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
                    return Err(PgError::fatal("57P03", "the server is shutting down"));
                }
                let permit = server.permits.try_acquire().map_err(|_| {
                    PgError::fatal(
                        "53300",
                        format!("sorry, too many clients already: the limit is {}", server.limits.max_connections),
                    )
                    .with_hint("Close idle connections, or raise the server's limit.")
                })?;
                return Ok(Some((parameters, permit)));
            }
            Opening::Startup { major, minor, .. } => {
                return Err(PgError::fatal(
                    "0A000",
                    format!("unsupported frontend protocol {major}.{minor}: server supports 3.0"),
                ));
            }
        }
    }
    Err(PgError::fatal("08P01", "too many requests for encryption"))
}

/// Opens the session and greets the client.
pub(crate) fn greet(server: &Arc<Server>, wire: &mut Wire, entry: &Entry, parameters: &Parameters) -> Result<Session, PgError> {
    let parameter = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let user = parameter("user").filter(|user| !user.is_empty());
    let Some(user) = user else {
        return Err(PgError::fatal("28000", "no PostgreSQL user name specified in startup packet"));
    };
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
    let mut session = Session::open(server, state, identity, settings).map_err(fatal)?;
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

/// The settings in the start-up option `options`: `-c name=value` and `--name=value`.
fn options(text: &str) -> Parameters {
    let mut words = text.split_whitespace();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let pair = match word {
            "-c" => words.next(),
            word => word.strip_prefix("--").or_else(|| word.strip_prefix("-c")),
        };
        if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    found
}
