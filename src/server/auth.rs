//! Showing who one is: the rule that fits, the certificate, the password.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Server;
use super::error::PgError;
use super::message::{sasl_initial, sasl_text, take_password};
use super::principal::SessionUser;
use super::wire::Wire;
use super::x509;
use crate::access::roles::Roles;
use crate::access::rules::{CertificateCheck, Method, Visitor};
use crate::access::scram::{self, Broken, Exchange, Offer};

/// What guessing a password costs, whether the user exists or not, where nothing else is said.
pub(crate) const DELAY: Duration = Duration::from_millis(500);

/// Finds out who a client is. Nothing is returned for one that is gone.
pub(crate) async fn authenticate(
    server: &Server,
    wire: &mut Wire,
    peer: SocketAddr,
    user: &str,
    database: &str,
) -> Result<Option<SessionUser>, PgError> {
    let access = &server.security.access;
    access.refresh();
    let roles = access.roles();
    let visitor = Visitor { address: peer.ip(), encrypted: wire.is_encrypted(), user, database };
    let seen = || {
        let encryption = if visitor.encrypted { "SSL encryption" } else { "no encryption" };
        format!("host \"{}\", user \"{user}\", database \"{database}\", {encryption}", visitor.from())
    };
    let refused = |message: String| {
        tracing::warn!(%peer, ?user, "a connection was refused: {message}");
        PgError::fatal("28000", message)
    };
    let Some(demand) = access.rules().find(visitor, &roles) else {
        let told = refused(format!("no pg_hba.conf entry for {}", seen()));
        return Err(match visitor.encrypted || visitor.from().is_loopback() {
            true => told,
            false => {
                told.with_hint("From other machines connections have to be encrypted: sslmode=require, or better verify-full.")
            }
        });
    };
    if demand.method == Method::Reject {
        return Err(refused(format!("pg_hba.conf rejects connection for {}", seen())));
    }
    if let Some(check) = demand.certificate {
        let Some(certificate) = wire.client_certificate() else {
            return Err(refused("connection requires a valid client certificate".to_owned()));
        };
        if check == CertificateCheck::Named && x509::common_name(certificate).as_deref() != Some(user) {
            return Err(refused(format!("certificate authentication failed for user \"{user}\"")));
        }
    }
    if demand.method == Method::Scram && !password(wire, peer, user, &roles, server).await? {
        return Ok(None);
    }
    // Roles may have come while the client thought about its password.
    let roles = access.roles();
    // Before there are users, who works on this machine may do everything; a rule that trusts others does not give them that.
    let trusted =
        demand.method == Method::Trust && !roles.is_closed() && visitor.from().is_loopback() && roles.get(user).is_none();
    match roles.get(user) {
        None if !trusted => Err(refused(format!("role \"{user}\" does not exist"))),
        Some(role) if !role.login => Err(refused(format!("role \"{user}\" is not permitted to log in"))),
        _ => Ok(Some(SessionUser { access: Arc::clone(access), name: user.to_owned(), trusted })),
    }
}

/// Asks for the password. False when the client is gone.
async fn password(wire: &mut Wire, peer: SocketAddr, user: &str, roles: &Roles, server: &Server) -> Result<bool, PgError> {
    let end_point = wire.end_point().map(<[u8]>::to_vec);
    let mut mechanisms = vec![scram::PLAIN.to_owned()];
    if end_point.is_some() {
        mechanisms.insert(0, scram::PLUS.to_owned());
    }
    wire.outbox.sasl(mechanisms);
    let Some(first) = answer(wire).await? else { return Ok(false) };
    let (mechanism, first) = sasl_initial(&first)?;
    let plus = match mechanism {
        scram::PLAIN => false,
        scram::PLUS if end_point.is_some() => true,
        _ => return Err(PgError::fatal("08P01", "client selected an invalid SASL authentication mechanism")),
    };
    let now = chrono::Utc::now().timestamp_micros();
    let role = roles.get(user).filter(|role| role.valid_until.is_none_or(|end| now < end));
    let verifier = role.and_then(|role| role.password.clone());
    let offer = Offer { plus, end_point: end_point.as_deref() };
    let (exchange, challenge) = Exchange::begin(first, offer, user, verifier, roles.secret()).map_err(|error| broken(&error))?;
    wire.outbox.sasl_continue(challenge);
    let Some(last) = answer(wire).await? else { return Ok(false) };
    match exchange.finish(sasl_text(&last)?).map_err(|error| broken(&error))? {
        Some(proof) => {
            wire.outbox.sasl_final(proof);
            Ok(true)
        }
        None => {
            tracing::warn!(%peer, ?user, "a password was refused");
            tokio::time::sleep(server.limits.failed_login_delay).await;
            Err(PgError::fatal("28P01", format!("password authentication failed for user \"{user}\"")))
        }
    }
}

/// Sends what there is to say, and waits for a message of the client.
async fn answer(wire: &mut Wire) -> Result<Option<bytes::Bytes>, PgError> {
    if wire.flush(None).await.is_err() {
        return Ok(None);
    }
    loop {
        if let Some(body) = take_password(&mut wire.inbox)? {
            return Ok(Some(body));
        }
        if !wire.fill().await {
            return Ok(None);
        }
    }
}

fn broken(error: &Broken) -> PgError {
    let code = match error {
        Broken::Malformed(_) => "08P01",
        Broken::Unsupported(_) => "0A000",
        Broken::Negotiation(_) | Broken::Binding => "28000",
        Broken::NoRandom(_) => "58000",
    };
    PgError::fatal(code, error.to_string())
}
