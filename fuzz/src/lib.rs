//! What reads bytes of clients, for fuzzing: the sources as they are, without the engine above them.
#![allow(dead_code, reason = "what runs statements is not here")]

#[path = "../../src/access/mod.rs"]
pub mod access;
pub mod server;

use access::roles::Roles;
use access::rules::{Rules, Visitor};
use access::scram::{Exchange, Offer, Verifier};
use bytes::BytesMut;
use server::message::{options, sasl_initial, sasl_text, take_message, take_opening, take_password};

/// Reads bytes as the start of a connection, as a password, and as messages until no more can be taken.
pub fn messages(data: &[u8]) {
    for from in [0, 1] {
        let mut buffer = BytesMut::from(data.get(from..).unwrap_or_default());
        if let Ok(Some(server::message::Opening::Startup { parameters, .. })) = take_opening(&mut buffer) {
            for (_, value) in parameters {
                let _ = options(&value);
            }
        }
        if let Ok(Some(body)) = take_password(&mut buffer) {
            let _ = sasl_initial(&body);
            let _ = sasl_text(&body);
        }
        loop {
            let before = buffer.len();
            match take_message(&mut buffer) {
                Ok(Some(_)) => assert!(buffer.len() < before, "a message takes bytes"),
                Ok(None) => {
                    assert_eq!(buffer.len(), before, "half a message waits");
                    break;
                }
                Err(error) if error.is_fatal() => break,
                Err(_) => assert!(buffer.len() < before, "what is wrong is passed over"),
            }
        }
    }
}

/// A login by SCRAM: the client's two messages, separated by a line's end. Nobody gets in who does not know the password.
pub fn login(data: &[u8]) {
    let Some((flags, data)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, last) = text.split_once('\n').unwrap_or((text, ""));
    let verifier = Verifier::parse(
        "SCRAM-SHA-256$4096:FBFYN0yzqXN9P316OdsVuw==$ZqvfHZ2JAdDTmVIl/J0olKzUy1eE7CqUI1GQvtkBcaE=:\
         KYSPrAIP77qXnYPlPmKk/jBINJyu0H5t/X9HHTGO+vc=",
    );
    assert!(verifier.is_some());
    let end_point: &[u8] = &[7; 32];
    let offer = Offer { plus: flags & 1 == 1, end_point: (flags & 2 == 2).then_some(end_point) };
    let verifier = verifier.filter(|_| flags & 4 == 4);
    if let Ok((exchange, challenge)) = Exchange::begin(first, offer, "anna", verifier, b"secret") {
        // The nonce is not known to whoever wrote the bytes; a message that answers it is made of theirs.
        let nonce = challenge.split(',').find_map(|part| part.strip_prefix("r=")).unwrap_or_default();
        for last in [last.to_owned(), last.replace("NONCE", nonce)] {
            assert!(!matches!(exchange.finish(&last), Ok(Some(_))), "a login without the password");
        }
    }
    let _ = Verifier::parse(text);
    let _ = server::x509::common_name(data);
    let _ = server::x509::end_point(data);
}

/// The file of the rules, and the file of the roles, and somebody who comes by.
pub fn rules(text: &str) {
    let roles = Roles::new(vec![1]);
    if let Ok(rules) = Rules::parse(text) {
        let _ = (rules.want_certificates(), rules.let_others_in());
        for (address, encrypted) in [("127.0.0.1", false), ("10.20.9.7", true), ("::ffff:10.0.0.1", true), ("fe80::1", false)] {
            let Ok(address) = address.parse() else { continue };
            let _ = rules.find(Visitor { address, encrypted, user: "anna", database: "placido" }, &roles);
        }
    }
    if let Ok(roles) = toml::from_str::<Roles>(text) {
        let names: Vec<String> = roles.iter().map(|(name, _)| name.clone()).collect();
        for name in &names {
            let _ = roles.rights(name);
            let _ = roles.may_become(name, "anna");
        }
    }
}

/// A value that is bound to a parameter, in both formats, as each type.
pub fn values(data: &[u8]) {
    server::decoded(data);
}

/// The data of a COPY, in pieces: what comes of them does not depend on where they are cut.
pub fn copy(data: &[u8]) {
    server::copied(data);
}
