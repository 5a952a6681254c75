//! SCRAM-SHA-256 (RFC 5802, RFC 7677): verifiers in the form that PostgreSQL stores, and the server's side of a login.
//!
//! The password itself is never kept. A verifier can be copied from `pg_authid.rolpassword` of a PostgreSQL server and back.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

/// PostgreSQL's default of `scram_iterations`.
const ITERATIONS: u32 = 4096;
/// More rounds than this make a login a burden on the client; nobody stores such a verifier by intention.
const MAX_ITERATIONS: u32 = 10_000_000;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 18;
const KEY_BYTES: usize = 32;

/// The name of the mechanism without channel binding.
pub const PLAIN: &str = "SCRAM-SHA-256";
/// The name of the mechanism with channel binding.
pub const PLUS: &str = "SCRAM-SHA-256-PLUS";

/// What the server keeps of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// Prints nothing that helps to guess the password.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

/// As PostgreSQL stores it: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] = [&self.salt, &self.stored_key, &self.server_key].map(|bytes| BASE64.encode(bytes));
        write!(f, "{PLAIN}${}:{salt}${stored}:{server}", self.iterations)
    }
}

impl Verifier {
    /// The verifier of a password, with a new salt.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn of(password: &str) -> Result<Self, NoRandom> {
        Ok(Self::salted(password, &random::<SALT_BYTES>()?, ITERATIONS))
    }

    fn salted(password: &str, salt: &[u8], iterations: u32) -> Self {
        // As PostgreSQL: a password that SASLprep does not accept is taken byte by byte.
        let prepared = stringprep::saslprep(password);
        let password = prepared.as_deref().unwrap_or(password);
        let mut salted = [0; KEY_BYTES];
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, password.as_bytes(), &mut salted);
        let client_key = sign(&salted, b"Client Key");
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: digest::digest(&digest::SHA256, client_key.as_ref()).as_ref().to_vec(),
            server_key: sign(&salted, b"Server Key").as_ref().to_vec(),
        }
    }

    /// Reads what [`fmt::Display`] writes; nothing for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let (rounds, keys) = text.strip_prefix(PLAIN)?.strip_prefix('$')?.split_once('$')?;
        let (iterations, salt) = rounds.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| BASE64.decode(text).ok().filter(|bytes| bytes.len() == KEY_BYTES);
        Some(Self {
            iterations: iterations.parse().ok().filter(|rounds| (1..=MAX_ITERATIONS).contains(rounds))?,
            salt: BASE64.decode(salt).ok().filter(|salt| (1..=1024).contains(&salt.len()))?,
            stored_key: key(stored)?,
            server_key: key(server)?,
        })
    }

    /// Whether a password is the one that this was made of.
    pub fn accepts(&self, password: &str) -> bool {
        equal(&Self::salted(password, &self.salt, self.iterations).stored_key, &self.stored_key)
    }

    /// What an unknown user is met with: the salt is always the same for a name, as that of a known one is.
    fn mock(secret: &[u8], user: &str) -> Self {
        let salt = sign(secret, user.as_bytes()).as_ref().iter().take(SALT_BYTES).copied().collect();
        Self { iterations: ITERATIONS, salt, stored_key: vec![0; KEY_BYTES], server_key: vec![0; KEY_BYTES] }
    }
}

/// The operating system has no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandom;

/// Random bytes of the operating system.
///
/// # Errors
/// When it has none.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// Why an exchange cannot go on. A wrong password is none of these: it is what [`Exchange::finish`] says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The client does not follow RFC 5802.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// The client asks for what is not done here.
    #[error("{0}")]
    Unsupported(&'static str),
    /// Client and server disagree on channel binding: somebody may stand between them.
    #[error("SCRAM channel binding negotiation error: {0}")]
    Negotiation(&'static str),
    /// The client is bound to another TLS connection than this one.
    #[error("SCRAM channel binding check failed")]
    Binding,
    /// No random bytes.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
}

/// What a client and the server have in common before an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// Whether the client chose the mechanism with channel binding.
    pub plus: bool,
    /// The hash of the server's certificate, where the connection is encrypted: the mechanism with channel binding was offered.
    pub end_point: Option<&'a [u8]>,
}

/// A login in progress, after the client's first message.
#[derive(Debug)]
pub struct Exchange {
    verifier: Verifier,
    /// Whether the verifier is that of a user who may log in by password at all.
    real: bool,
    /// What the last message of the client must repeat.
    binding: String,
    nonce: String,
    /// Both first messages, joined as the proof covers them.
    transcript: String,
}

impl Exchange {
    /// Takes the client's first message. `verifier` is nothing for a user who is unknown or has no password; the exchange is the
    /// same as with a wrong password. Returns the exchange and the server's first message.
    ///
    /// # Errors
    /// When the message is not one of SCRAM, or does not fit what was offered.
    pub fn begin(
        first: &str,
        offer: Offer<'_>,
        user: &str,
        verifier: Option<Verifier>,
        secret: &[u8],
    ) -> Result<(Self, String), Broken> {
        let nonce = BASE64.encode(random::<NONCE_BYTES>()?);
        Self::begin_with(first, offer, user, verifier, secret, &nonce)
    }

    fn begin_with(
        first: &str,
        offer: Offer<'_>,
        user: &str,
        verifier: Option<Verifier>,
        secret: &[u8],
        server_nonce: &str,
    ) -> Result<(Self, String), Broken> {
        let (flag, rest) = first.split_once(',').ok_or(Broken::Malformed("it has no header"))?;
        let (authorised, bare) = rest.split_once(',').ok_or(Broken::Malformed("its header is incomplete"))?;
        if !authorised.is_empty() {
            return Err(Broken::Unsupported("client uses authorization identity, but it is not supported"));
        }
        let end_point = match (flag, offer.plus) {
            ("n", false) => None,
            ("y", false) if offer.end_point.is_some() => {
                return Err(Broken::Negotiation("the client supports channel binding but thinks the server does not"));
            }
            ("y", false) => None,
            ("p=tls-server-end-point", true) => {
                Some(offer.end_point.ok_or(Broken::Negotiation("the connection is not encrypted"))?)
            }
            (flag, true) if flag.starts_with("p=") => {
                return Err(Broken::Unsupported("unsupported SCRAM channel-binding type; tls-server-end-point is supported"));
            }
            (_, true) => return Err(Broken::Malformed("the client selected channel binding and does not use it")),
            (flag, false) if flag.starts_with("p=") => {
                return Err(Broken::Malformed("the client uses channel binding without having selected it"));
            }
            _ => return Err(Broken::Malformed("its channel-binding flag is unknown")),
        };
        let mut attributes = bare.split(',');
        let name = attributes.next().unwrap_or_default();
        if name.starts_with("m=") {
            return Err(Broken::Unsupported("client requires an unsupported SCRAM extension"));
        }
        // The name of the start-up message counts; the one in here is ignored, as PostgreSQL does.
        if !name.starts_with("n=") {
            return Err(Broken::Malformed("the user's name is missing"));
        }
        let client_nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).unwrap_or_default();
        if client_nonce.is_empty() || !client_nonce.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
            return Err(Broken::Malformed("its nonce is missing or not printable"));
        }
        let header = format!("{flag},,");
        let binding = BASE64.encode([header.as_bytes(), end_point.unwrap_or_default()].concat());
        let real = verifier.is_some();
        let verifier = verifier.unwrap_or_else(|| Verifier::mock(secret, user));
        let nonce = format!("{client_nonce}{server_nonce}");
        let answer = format!("r={nonce},s={},i={}", BASE64.encode(&verifier.salt), verifier.iterations);
        let transcript = format!("{bare},{answer}");
        Ok((Self { verifier, real, binding, nonce, transcript }, answer))
    }

    /// Takes the client's last message. Returns the server's last message when the password is right, nothing when it is wrong.
    ///
    /// # Errors
    /// When the message is not one of SCRAM, or comes through another connection.
    pub fn finish(&self, last: &str) -> Result<Option<String>, Broken> {
        let (without_proof, proof) = last.rsplit_once(",p=").ok_or(Broken::Malformed("the proof is missing"))?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|binding| binding.strip_prefix("c="));
        let binding = binding.ok_or(Broken::Malformed("the channel binding is missing"))?;
        if !equal(binding.as_bytes(), self.binding.as_bytes()) {
            return Err(Broken::Binding);
        }
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r="));
        if nonce != Some(self.nonce.as_str()) {
            return Err(Broken::Malformed("the nonce is not the one of this exchange"));
        }
        let proof = BASE64.decode(proof).ok().filter(|proof| proof.len() == KEY_BYTES);
        let proof = proof.ok_or(Broken::Malformed("the proof has the wrong form"))?;
        let transcript = format!("{},{without_proof}", self.transcript);
        let signature = sign(&self.verifier.stored_key, transcript.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(signature.as_ref()).map(|(proof, signed)| proof ^ signed).collect();
        let right = equal(digest::digest(&digest::SHA256, &client_key).as_ref(), &self.verifier.stored_key);
        // Computed for a wrong password, too, so that both take the same time.
        let answer = format!("v={}", BASE64.encode(sign(&self.verifier.server_key, transcript.as_bytes())));
        Ok((right && self.real).then_some(answer))
    }
}

fn sign(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

/// Compares in a time that does not depend on where the difference is.
fn equal(one: &[u8], other: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, PLAIN.as_bytes());
    hmac::verify(&key, one, hmac::sign(&key, other).as_ref()).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const NO_TLS: Offer<'_> = Offer { plus: false, end_point: None };

    /// The exchange of RFC 7677, section 3: user `user`, password `pencil`.
    fn rfc() -> (Exchange, String) {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::salted("pencil", &salt, 4096);
        let nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        Exchange::begin_with("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", NO_TLS, "user", Some(verifier), b"", nonce).unwrap()
    }

    const RFC_LAST: &str =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_example_of_the_rfc_is_reproduced() {
        let (exchange, answer) = rfc();
        assert_eq!(answer, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let last = exchange.finish(RFC_LAST).unwrap();
        assert_eq!(last.as_deref(), Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }

    #[test]
    fn a_wrong_proof_and_an_unknown_user_are_refused_alike() {
        let (exchange, _) = rfc();
        let wrong = RFC_LAST.replace("p=dHzb", "p=eHzb");
        assert_eq!(exchange.finish(&wrong), Ok(None));
        let secret = [7; 32];
        let begin = |user: &str| Exchange::begin_with("n,,n=,r=abc", NO_TLS, user, None, &secret, "def").unwrap();
        let (unknown, first) = begin("nobody");
        assert_eq!(first, begin("nobody").1, "the salt of an unknown user is always the same");
        assert_ne!(first, begin("nobody else").1);
        assert!(first.ends_with(",i=4096"));
        // Even who knows that the keys of the mock are zeros does not get in.
        let proof = "c=biws,r=abcdef,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert_eq!(unknown.finish(proof), Ok(None));
    }

    #[test]
    fn verifiers_are_read_as_postgres_writes_them() {
        // PostgreSQL 15.18: create role eva password 'Lähde 42'; select rolpassword from pg_authid where rolname = 'eva';
        let stored = "SCRAM-SHA-256$4096:FBFYN0yzqXN9P316OdsVuw==$ZqvfHZ2JAdDTmVIl/J0olKzUy1eE7CqUI1GQvtkBcaE=:\
                      KYSPrAIP77qXnYPlPmKk/jBINJyu0H5t/X9HHTGO+vc=";
        let verifier = Verifier::parse(stored).unwrap();
        assert_eq!(verifier.to_string(), stored);
        assert!(verifier.accepts("Lähde 42"));
        // SASLprep: a no-break space is a space, and a combining diaeresis joins its letter.
        assert!(verifier.accepts("La\u{308}hde\u{a0}42"));
        assert!(!verifier.accepts("Lähde 43"));
        for broken in ["", "md5abc", "SCRAM-SHA-256$0:AAAA$x:y", "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA", &stored[..40]] {
            assert_eq!(Verifier::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn channel_binding_can_not_be_talked_away() {
        let bound = Offer { plus: true, end_point: Some(b"hash") };
        let begin =
            |first: &str, offer: Offer<'_>| Exchange::begin(first, offer, "anna", None, b"s").map(|(exchange, _)| exchange);
        let exchange = begin("p=tls-server-end-point,,n=,r=abc", bound).unwrap();
        assert_eq!(exchange.binding, BASE64.encode(b"p=tls-server-end-point,,hash"));
        let other = format!("c={},r=abc,p=AA==", BASE64.encode(b"p=tls-server-end-point,,hush"));
        assert_eq!(exchange.finish(&other), Err(Broken::Binding));
        let downgraded = begin("y,,n=,r=abc", Offer { plus: false, end_point: Some(b"hash") });
        assert!(matches!(downgraded, Err(Broken::Negotiation(_))));
        for (first, offer) in [
            ("p=tls-unique,,n=,r=abc", bound),
            ("n,,n=,r=abc", bound),
            ("p=tls-server-end-point,,n=,r=abc", NO_TLS),
            ("n,a=boss,n=,r=abc", NO_TLS),
            ("n,,m=x,n=,r=abc", NO_TLS),
            ("n,,n=", NO_TLS),
            ("n,,n=,r=", NO_TLS),
            ("", NO_TLS),
            ("x,,n=,r=abc", NO_TLS),
        ] {
            assert!(begin(first, offer).is_err(), "{first}");
        }
    }

    #[test]
    fn half_messages_are_errors() {
        let (exchange, _) = rfc();
        for end in 0..RFC_LAST.len() {
            let answer = exchange.finish(RFC_LAST.get(..end).unwrap());
            assert!(!matches!(answer, Ok(Some(_))), "{end}");
        }
    }
}
