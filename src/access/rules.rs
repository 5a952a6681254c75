//! Who may connect from where, and how they show who they are: rules in the format of `pg_hba.conf`.
//!
//! The first rule that fits decides; where none fits, nobody gets in. A file with a mistake is refused as a whole.

use std::fmt;
use std::net::IpAddr;

use super::roles::Roles;

/// Longer files are a mistake.
const MAX_RULES: usize = 10_000;

/// How a user shows who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Not at all.
    Trust,
    /// By a password, which is never sent.
    Scram,
    /// By a certificate of the client whose common name is the user's.
    Certificate,
    /// Nobody gets in.
    Reject,
}

/// Which connections a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Encrypted,
    Plain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Database {
    All,
    /// The one with the user's name.
    SameUser,
    Named(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum User {
    All,
    Named(String),
    /// Members of a role.
    Member(String),
}

/// Addresses with a common beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        // Bits beyond the prefix are shifted out; a shift by the whole width leaves nothing to compare.
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let away = 32 - u32::from(self.bits.min(32));
                base.to_bits().checked_shr(away) == address.to_bits().checked_shr(away)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let away = 128 - u32::from(self.bits.min(128));
                base.to_bits().checked_shr(away) == address.to_bits().checked_shr(away)
            }
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    All,
    In(Network),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    kind: Kind,
    databases: Vec<Database>,
    users: Vec<User>,
    address: Address,
    method: Method,
    /// Whether a verified certificate of the client is wanted beside the method, and whether it must carry the user's name.
    certificate: Option<CertificateCheck>,
}

/// What is wanted of a client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateCheck {
    /// That one of the configured authorities issued it.
    Issued,
    /// That it also carries the user's name.
    Named,
}

/// Somebody who wants to connect.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// Where from.
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// As whom.
    pub user: &'a str,
    /// Where to.
    pub database: &'a str,
}

impl Visitor<'_> {
    /// The address as people write it.
    pub fn from(&self) -> IpAddr {
        self.address.to_canonical()
    }

    /// Whether nobody can listen in: the connection is encrypted or does not leave this machine.
    fn is_private(&self) -> bool {
        self.encrypted || self.from().is_loopback()
    }
}

/// What a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// How the user shows who they are.
    pub method: Method,
    /// What is wanted of the client's certificate.
    pub certificate: Option<CertificateCheck>,
}

/// A line of the rules that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct Mistake {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// The rules, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// Before there are users: this machine is trusted.
const OPEN: &str = "host all all 127.0.0.0/8 trust\nhost all all ::1/128 trust";
/// Once there are: everybody has a password, and from elsewhere connections are encrypted.
const CLOSED: &str = "host all all all scram-sha-256";

impl Rules {
    /// The rules where none are configured.
    pub fn default_for(roles: &Roles) -> Self {
        // Both texts are constant; what cannot be read lets nobody in.
        Self::parse(if roles.is_closed() { CLOSED } else { OPEN }).unwrap_or(Self(Vec::new()))
    }

    /// Reads rules.
    ///
    /// # Errors
    /// The first line that is not understood.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let words = words(line).map_err(|message| Mistake { line: index + 1, message })?;
            if words.is_empty() {
                continue;
            }
            rules.push(rule(&words).map_err(|message| Mistake { line: index + 1, message })?);
            if rules.len() > MAX_RULES {
                return Err(Mistake { line: index + 1, message: format!("more than {MAX_RULES} rules") });
            }
        }
        Ok(Self(rules))
    }

    /// What is asked of a visitor; nothing where no rule fits. Passwords and data do not cross a network in the clear, whatever the
    /// rules say.
    pub fn find(&self, visitor: Visitor<'_>, roles: &Roles) -> Option<Demand> {
        let rule = self.0.iter().find(|rule| rule.fits(visitor, roles))?;
        let demand = Demand { method: rule.method, certificate: rule.certificate };
        (visitor.is_private() || rule.method == Method::Reject).then_some(demand)
    }

    /// Whether any rule asks for a certificate of the client.
    pub fn want_certificates(&self) -> bool {
        self.0.iter().any(|rule| rule.certificate.is_some())
    }

    /// Whether any rule lets somebody in from elsewhere than this machine.
    pub fn let_others_in(&self) -> bool {
        self.0.iter().any(|rule| {
            let beyond = match rule.address {
                Address::All => true,
                Address::In(network) => !network.base.to_canonical().is_loopback() || network.bits < 8,
            };
            beyond && rule.method != Method::Reject && rule.kind != Kind::Plain
        })
    }
}

impl Rule {
    fn fits(&self, visitor: Visitor<'_>, roles: &Roles) -> bool {
        let kind = match self.kind {
            Kind::Any => true,
            Kind::Encrypted => visitor.encrypted,
            Kind::Plain => !visitor.encrypted,
        };
        let database = self.databases.iter().any(|database| match database {
            Database::All => true,
            Database::SameUser => visitor.database == visitor.user,
            Database::Named(name) => name == visitor.database,
        });
        let user = self.users.iter().any(|user| match user {
            User::All => true,
            User::Named(name) => name == visitor.user,
            User::Member(role) => roles.get(visitor.user).is_some() && roles.is_member(visitor.user, role, |_| true),
        });
        let address = match self.address {
            Address::All => true,
            Address::In(network) => network.contains(visitor.from()) || network.contains(visitor.address),
        };
        kind && database && user && address
    }
}

/// A word of a line; words in quotes have no special meaning.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    text: String,
    quoted: bool,
    /// Whether a comma stands behind it: the next word belongs to the same list.
    more: bool,
}

/// The words of a line, up to a comment.
fn words(line: &str) -> Result<Vec<Word>, String> {
    let mut words: Vec<Word> = Vec::new();
    let mut letters = line.chars().peekable();
    while let Some(&next) = letters.peek() {
        match next {
            '#' => break,
            ',' => {
                letters.next();
                match words.last_mut() {
                    Some(last) => last.more = true,
                    None => return Err("a comma stands at its beginning".to_owned()),
                }
            }
            space if space.is_whitespace() => {
                letters.next();
            }
            _ => {
                let (mut text, mut quoted, mut open) = (String::new(), false, false);
                while let Some(&letter) = letters.peek() {
                    if !open && (letter.is_whitespace() || letter == ',' || letter == '#') {
                        break;
                    }
                    letters.next();
                    if letter == '"' {
                        open = !open;
                        quoted = true;
                    } else {
                        text.push(letter);
                    }
                }
                if open {
                    return Err("a quotation mark is not closed".to_owned());
                }
                words.push(Word { text, quoted, more: false });
            }
        }
    }
    Ok(words)
}

/// Takes a list of words joined by commas.
fn list<'a>(words: &mut &'a [Word], what: &str) -> Result<Vec<&'a Word>, String> {
    let mut found = Vec::new();
    while let Some((first, rest)) = words.split_first() {
        *words = rest;
        found.push(first);
        if !first.more {
            return Ok(found);
        }
    }
    Err(format!("{what} is missing"))
}

fn one<'a>(words: &mut &'a [Word], what: &str) -> Result<&'a Word, String> {
    match list(words, what)?.as_slice() {
        [only] => Ok(only),
        _ => Err(format!("{what} is one word, not a list")),
    }
}

fn rule(mut words: &[Word]) -> Result<Rule, String> {
    let words = &mut words;
    let kind = one(words, "the type of connection")?;
    let kind = match kind.text.as_str() {
        "host" => Kind::Any,
        "hostssl" => Kind::Encrypted,
        "hostnossl" => Kind::Plain,
        "local" => return Err("there are no Unix-domain sockets here; write host … 127.0.0.1/32 …".to_owned()),
        other => return Err(format!("invalid connection type \"{other}\"; write host, hostssl or hostnossl")),
    };
    let databases = list(words, "the database")?.into_iter().map(database).collect::<Result<_, _>>()?;
    let users = list(words, "the user")?.into_iter().map(user).collect::<Result<_, _>>()?;
    let address = address(words)?;
    let method = one(words, "the method")?;
    let (method, own) = match method.text.as_str() {
        "trust" => (Method::Trust, None),
        "scram-sha-256" => (Method::Scram, None),
        "cert" => (Method::Certificate, Some(CertificateCheck::Named)),
        "reject" => (Method::Reject, None),
        other => return Err(format!("invalid authentication method \"{other}\"; write trust, scram-sha-256, cert or reject")),
    };
    let mut certificate = own;
    for option in words.iter() {
        certificate = Some(match option.text.split_once('=') {
            Some(("clientcert", "verify-full")) => CertificateCheck::Named,
            Some(("clientcert", "verify-ca")) if method == Method::Certificate => {
                return Err("clientcert only accepts \"verify-full\" when using \"cert\" authentication".to_owned());
            }
            Some(("clientcert", "verify-ca")) => CertificateCheck::Issued,
            Some((name, _)) => return Err(format!("unrecognized authentication option \"{name}\"; there is clientcert")),
            None => return Err(format!("authentication option not in name=value format: {}", option.text)),
        });
    }
    if certificate.is_some() && kind != Kind::Encrypted {
        return Err("certificates of clients need a line of type hostssl".to_owned());
    }
    Ok(Rule { kind, databases, users, address, method, certificate })
}

fn database(word: &Word) -> Result<Database, String> {
    match (word.text.as_str(), word.quoted) {
        ("all", false) => Ok(Database::All),
        ("sameuser", false) => Ok(Database::SameUser),
        ("samerole" | "samegroup" | "replication", false) => Err(format!("the database {} is not supported", word.text)),
        (name, false) if name.starts_with(['@', '/']) => Err(format!("the database {name} is not supported; write names")),
        (name, _) => Ok(Database::Named(name.to_owned())),
    }
}

fn user(word: &Word) -> Result<User, String> {
    match (word.text.as_str(), word.quoted) {
        ("all", false) => Ok(User::All),
        (name, false) if name.starts_with(['@', '/']) => Err(format!("the user {name} is not supported; write names or +role")),
        (name, false) if name.starts_with('+') => Ok(User::Member(name.trim_start_matches('+').to_owned())),
        (name, _) => Ok(User::Named(name.to_owned())),
    }
}

fn address(words: &mut &[Word]) -> Result<Address, String> {
    let word = one(words, "the address")?;
    let text = match word.text.as_str() {
        "all" => return Ok(Address::All),
        "samehost" | "samenet" => return Err(format!("{} is not supported; write a range such as 10.0.0.0/8", word.text)),
        text => text,
    };
    let (base, bits) = match text.split_once('/') {
        Some((base, bits)) => (base, Some(bits)),
        None => (text, None),
    };
    let base: IpAddr = base.parse().map_err(|_| format!("\"{text}\" is no address; names of hosts are not looked up here"))?;
    let width = if base.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => {
            bits.parse().ok().filter(|bits| *bits <= width).ok_or_else(|| format!("invalid CIDR mask in \"{text}\""))?
        }
        // An address alone is followed by its mask.
        None => {
            let mask = one(words, "the mask of the address")?;
            mask_bits(&mask.text, base).ok_or_else(|| {
                format!("\"{}\" is no mask for {base}; write the address as {base}/{width} or with its mask", mask.text)
            })?
        }
    };
    Ok(Address::In(Network { base, bits }))
}

/// The length of a mask such as 255.255.255.0; nothing where it has gaps.
fn mask_bits(text: &str, base: IpAddr) -> Option<u8> {
    let (ones, zeros, width) = match text.parse().ok()? {
        IpAddr::V4(mask) if base.is_ipv4() => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 32),
        IpAddr::V6(mask) if base.is_ipv6() => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 128),
        _ => return None,
    };
    (ones + zeros == width).then(|| u8::try_from(ones).ok()).flatten()
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trust => "trust",
            Self::Scram => "scram-sha-256",
            Self::Certificate => "cert",
            Self::Reject => "reject",
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::roles::{Actor, Change, Membership, Options};
    use super::*;

    fn roles() -> Roles {
        let mut roles = Roles::new(vec![1]);
        for name in ["anna", "bert", "clinician"] {
            let options = Options { login: Some(true), ..Options::default() };
            roles.change(Actor::Everything, &Change::Create(name.into(), options)).unwrap();
        }
        let (role, member) = ("clinician".into(), "anna".into());
        roles
            .change(Actor::Everything, &Change::Join(Membership { role, member, admin: false, inherit: true, set: true }))
            .unwrap();
        roles
    }

    fn found(rules: &str, address: &str, encrypted: bool, user: &str) -> Option<Method> {
        let visitor = Visitor { address: address.parse().unwrap(), encrypted, user, database: "placido" };
        Rules::parse(rules).unwrap().find(visitor, &roles()).map(|demand| demand.method)
    }

    #[test]
    fn the_first_line_that_fits_decides() {
        let rules = "# comment\n\
            host placido \"all\" 127.0.0.1/32 reject   # a user named all\n\
            host placido,other bert 127.0.0.1/32 reject\n\
            hostssl all +clinician 10.1.0.0/16 scram-sha-256\n\
            hostssl all all 10.1.2.0 255.255.255.0 cert\n\
            host all all ::1/128 trust\n\
            host all all 127.0.0.1/32 scram-sha-256";
        assert_eq!(found(rules, "127.0.0.1", false, "bert"), Some(Method::Reject));
        assert_eq!(found(rules, "127.0.0.1", false, "anna"), Some(Method::Scram));
        assert_eq!(found(rules, "127.0.0.1", false, "all"), Some(Method::Reject));
        assert_eq!(found(rules, "::ffff:127.0.0.1", false, "bert"), Some(Method::Reject));
        assert_eq!(found(rules, "10.1.2.3", true, "anna"), Some(Method::Scram));
        assert_eq!(found(rules, "10.1.2.3", true, "bert"), Some(Method::Certificate));
        assert_eq!(found(rules, "10.1.3.3", true, "bert"), None);
        assert_eq!(found(rules, "10.1.2.3", false, "anna"), None);
        assert_eq!(found(rules, "::1", false, "anyone"), Some(Method::Trust));
        assert_eq!(found(rules, "::2", true, "anyone"), None);
    }

    #[test]
    fn nothing_crosses_a_network_in_the_clear() {
        for rules in ["host all all all trust", "host all all 0.0.0.0/0 scram-sha-256", "hostnossl all all all trust"] {
            assert_eq!(found(rules, "192.168.1.4", false, "anna"), None, "{rules}");
            assert!(found(rules, "127.0.0.1", false, "anna").is_some(), "{rules}");
        }
        assert_eq!(found("host all all all reject", "192.168.1.4", false, "anna"), Some(Method::Reject));
    }

    #[test]
    fn without_configuration_this_machine_is_trusted_until_there_are_users() {
        let visit = |roles: &Roles, address: &str, encrypted| {
            let visitor = Visitor { address: address.parse().unwrap(), encrypted, user: "x", database: "placido" };
            Rules::default_for(roles).find(visitor, roles).map(|demand| demand.method)
        };
        let none = Roles::new(vec![1]);
        assert_eq!(visit(&none, "127.0.0.1", false), Some(Method::Trust));
        assert_eq!(visit(&none, "10.0.0.1", true), None);
        assert_eq!(visit(&roles(), "127.0.0.1", false), Some(Method::Scram));
        assert_eq!(visit(&roles(), "10.0.0.1", true), Some(Method::Scram));
        assert_eq!(visit(&roles(), "10.0.0.1", false), None);
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        for (line, part) in [
            ("local all all trust", "Unix-domain"),
            ("hots all all 10.0.0.0/8 trust", "connection type"),
            ("host all all 10.0.0.0/33 trust", "CIDR"),
            ("host all all clinic.example trust", "no address"),
            ("host all all 10.0.0.0 255.0.255.0 trust", "mask"),
            ("host all all 10.0.0.0/8 md5", "authentication method"),
            ("host all all 10.0.0.0/8", "method is missing"),
            ("host all all", "address is missing"),
            ("host all", "user is missing"),
            ("host \"all all 10.0.0.0/8 trust", "quotation"),
            ("host all all 10.0.0.0/8 cert", "hostssl"),
            ("hostssl all all 10.0.0.0/8 cert map=x", "map"),
            ("hostssl all @names 10.0.0.0/8 trust", "@names"),
        ] {
            let mistake = Rules::parse(&format!("\n# one\n{line}\n")).unwrap_err();
            assert!(mistake.line == 3 && mistake.message.contains(part), "{line}: {mistake}");
        }
    }
}
