//! The settings of one session: what `SET`, `SHOW`, `RESET` and `current_setting` speak of.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use pgwire::messages::response::TransactionStatus;

use super::error::PgError;
use super::memory;
use super::principal::SessionUser;
use super::transaction::ISOLATION_LEVELS;
pub(crate) use super::zone::{Zone, zone};

/// The version that clients are told; they choose their catalog queries by it.
pub(crate) const SERVER_VERSION: &str = "16.6";

/// What a client may keep here.
const MAX_TEXT: usize = 4_096;
const MAX_SETTINGS: usize = 500;

/// Name, value at the start of a session, description.
const KNOWN: &[(&str, &str, &str)] = &[
    ("application_name", "", "Sets the application name to be reported in statistics and logs."),
    ("bytea_output", "hex", "Sets the output format for bytea."),
    ("check_function_bodies", "on", "Check routine bodies during CREATE FUNCTION."),
    ("client_encoding", "UTF8", "Sets the client's character set encoding."),
    ("client_min_messages", "notice", "Sets the message levels that are sent to the client."),
    ("datestyle", "ISO, MDY", "Sets the display format for date and time values."),
    ("default_table_access_method", "heap", "Sets the default table access method for new tables."),
    ("default_tablespace", "", "Sets the default tablespace to create tables and indexes in."),
    ("default_transaction_isolation", "read committed", "Sets the transaction isolation level of each new transaction."),
    ("default_transaction_deferrable", "off", "Sets the default deferrable status of new transactions."),
    ("default_transaction_read_only", "off", "Sets the default read-only status of new transactions."),
    ("extra_float_digits", "1", "Sets the number of digits displayed for floating-point values."),
    ("idle_session_timeout", "0", "Sets the maximum allowed idle time between statements outside of a transaction."),
    ("idle_in_transaction_session_timeout", "0", "Sets the maximum allowed idle time in a transaction."),
    ("in_hot_standby", "off", "Shows whether hot standby is currently active."),
    ("integer_datetimes", "on", "Shows whether datetimes are integer based."),
    ("intervalstyle", "postgres", "Sets the display format for interval values."),
    ("is_superuser", "off", "Shows whether the current user is a superuser."),
    ("jit", "off", "Allow JIT compilation."),
    ("lc_collate", "C", "Shows the collation order locale."),
    ("lc_ctype", "C", "Shows the character classification and case conversion locale."),
    ("lc_messages", "C", "Sets the language in which messages are displayed."),
    ("lc_monetary", "C", "Sets the locale for formatting monetary amounts."),
    ("lock_timeout", "0", "Sets the maximum allowed duration of any wait for a lock."),
    ("max_identifier_length", "63", "Shows the maximum identifier length."),
    ("max_index_keys", "32", "Shows the maximum number of index keys."),
    ("query_memory", "0", "Sets the maximum memory of one statement; 0 is all that the server has."),
    ("role", "none", "Sets the current role."),
    ("row_security", "on", "Enable row security."),
    ("search_path", "public", "Sets the schema search order for names that are not schema-qualified."),
    ("server_encoding", "UTF8", "Shows the server (database) character set encoding."),
    ("server_version", SERVER_VERSION, "Shows the server version."),
    ("server_version_num", "160006", "Shows the server version as an integer."),
    ("session_authorization", "", "Shows the session user name."),
    ("standard_conforming_strings", "on", "Causes '...' strings to treat backslashes literally."),
    ("statement_timeout", "0", "Sets the maximum allowed duration of any statement."),
    ("synchronous_commit", "on", "Sets the current transaction's synchronization level."),
    ("timezone", "UTC", "Sets the time zone for displaying and interpreting time stamps."),
    ("transaction_deferrable", "off", "Whether a transaction may wait until it can read without conflicts."),
    ("transaction_isolation", "read committed", "Sets the current transaction's isolation level."),
    ("transaction_read_only", "off", "Sets the current transaction's read-only status."),
    ("work_mem", "4MB", "Sets the maximum memory to be used for query workspaces."),
];

/// Settings that describe the server and cannot be changed.
const FIXED: &[&str] = &[
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "max_identifier_length",
    "max_index_keys",
    "server_encoding",
    "server_version",
    "server_version_num",
];

/// Settings whose value a client is told whenever it changes, in PostgreSQL's spelling.
pub(crate) const REPORTED: &[(&str, &str)] = &[
    ("application_name", "application_name"),
    ("client_encoding", "client_encoding"),
    ("datestyle", "DateStyle"),
    ("default_transaction_read_only", "default_transaction_read_only"),
    ("in_hot_standby", "in_hot_standby"),
    ("integer_datetimes", "integer_datetimes"),
    ("intervalstyle", "IntervalStyle"),
    ("is_superuser", "is_superuser"),
    ("server_encoding", "server_encoding"),
    ("server_version", "server_version"),
    ("session_authorization", "session_authorization"),
    ("standard_conforming_strings", "standard_conforming_strings"),
    ("timezone", "TimeZone"),
];

/// Settings of the engine that a session may change for itself. The others reach beyond the session, to files or to memory.
fn engine_setting_allowed(name: &str) -> bool {
    name.starts_with("datafusion.optimizer.")
        || name.starts_with("datafusion.explain.")
        || matches!(name, "datafusion.execution.batch_size" | "datafusion.execution.target_partitions")
}

/// The name of a setting as PostgreSQL spells it: a few have capitals.
pub(crate) fn spelled(name: &str) -> &str {
    match name {
        "datestyle" => "DateStyle",
        "intervalstyle" => "IntervalStyle",
        "timezone" => "TimeZone",
        other => other,
    }
}

/// The least that a statement can do anything with.
const MIN_QUERY_MEMORY: usize = 1024 * 1024;

/// Shared between the connection and the functions that read settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings(Arc<RwLock<Values>>);

#[derive(Debug)]
struct Values {
    start: BTreeMap<String, String>,
    now: BTreeMap<String, String>,
    /// Values when the running transaction began.
    before_transaction: Option<BTreeMap<String, String>>,
    /// What `SET LOCAL` hides: values that come back when the transaction ends, whether it commits or not.
    local: BTreeMap<String, String>,
    /// Counts the changes, so that what follows from the values need not be found again.
    changes: u64,
    /// Whose session it is; nobody's before its beginning.
    owner: Option<Arc<SessionUser>>,
    /// Bytes that a statement may use at most, whatever is set.
    most_memory: Option<usize>,
}

impl Values {
    /// `is_superuser` is that of the role that the session acts as.
    fn follow_role(&mut self) {
        if let Some(owner) = &self.owner {
            let session = self.now.get("session_authorization").unwrap_or(&owner.name);
            let role = self.now.get("role").filter(|role| *role != "none").unwrap_or(session);
            let superuser = on_off(owner.is_superuser(role));
            self.now.insert("is_superuser".into(), superuser);
        }
    }
}

/// The values at a savepoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mark {
    now: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
}

impl Settings {
    /// The settings of a session that begins with `given` ones; unknown names are ignored, as drivers send many.
    /// Unqualified names are looked up in `schema` first.
    pub(crate) fn new(user: &str, schema: &str, given: &[(String, String)]) -> Result<Self, PgError> {
        let mut start: BTreeMap<_, _> = KNOWN.iter().map(|(name, value, _)| ((*name).to_owned(), (*value).to_owned())).collect();
        start.insert("search_path".to_owned(), format!("\"$user\", {schema}, public"));
        let settings = Settings(Arc::new(RwLock::new(Values {
            start,
            now: BTreeMap::new(),
            before_transaction: None,
            local: BTreeMap::new(),
            changes: 0,
            owner: None,
            most_memory: None,
        })));
        for (name, value) in given {
            let name = name.to_lowercase();
            // Who the session acts as is decided when it is known whose it is.
            if KNOWN.iter().any(|(known, _, _)| *known == name) && name != "role" && name != "is_superuser" {
                let value = checked(&name, value)?;
                settings.write(|values| values.start.insert(name, value));
            }
        }
        settings.write(|values| {
            values.start.insert("session_authorization".into(), user.to_owned());
            values.now = values.start.clone();
        });
        Ok(settings)
    }

    /// From now on the settings are those of a session of this user.
    pub(crate) fn belong_to(&self, user: Arc<SessionUser>) {
        self.write(|values| {
            let superuser = on_off(user.is_superuser(&user.name));
            values.start.insert("is_superuser".into(), superuser.clone());
            values.now.insert("is_superuser".into(), superuser);
            values.owner = Some(user);
        });
    }

    /// Nothing that is set lets a statement use more than this.
    pub(crate) fn limit_query_memory(&self, most: Option<usize>) {
        let Some(most) = most.map(|most| most.max(MIN_QUERY_MEMORY)) else { return };
        self.write(|values| {
            values.most_memory = Some(most);
            let given = values.start.get("query_memory").and_then(|value| memory::parsed(value)).filter(|given| *given > 0);
            let value = memory::shown(given.map_or(most, |given| given.min(most)));
            values.start.insert("query_memory".into(), value.clone());
            values.now.insert("query_memory".into(), value);
        });
    }

    /// Bytes that a statement may use; nothing for all that the server has.
    pub(crate) fn query_memory(&self) -> Option<usize> {
        memory::parsed(&self.get("query_memory")?).filter(|bytes| *bytes > 0)
    }

    /// Name, value and description of every setting at the start of a session.
    pub(crate) fn defaults() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        KNOWN.iter().map(|(name, value, about)| (spelled(name), *value, *about))
    }

    fn read<T>(&self, look: impl FnOnce(&Values) -> T) -> T {
        look(&self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Values) -> T) -> T {
        let mut values = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        values.changes += 1;
        change(&mut values)
    }

    /// A number that is another one after each change.
    pub(crate) fn stamp(&self) -> u64 {
        self.read(|values| values.changes)
    }

    /// The value of a setting, if there is one of that name.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        self.read(|values| values.now.get(&name).cloned())
    }

    /// Name, value and description of every setting.
    pub(crate) fn all(&self) -> Vec<(String, String, String)> {
        self.read(|values| {
            let about = |name: &str| KNOWN.iter().find(|(known, _, _)| *known == name).map_or("", |(_, _, about)| about);
            values.now.iter().map(|(name, value)| (name.clone(), value.clone(), about(name).to_owned())).collect()
        })
    }

    /// Changes a setting; `None` sets it back to where the session began. Returns the new value.
    pub(crate) fn set(&self, name: &str, value: Option<&str>, local: bool) -> Result<String, PgError> {
        let name = name.to_lowercase();
        if name.len() > MAX_TEXT || value.is_some_and(|value| value.len() > MAX_TEXT) {
            return Err(PgError::new("22023", format!("names and values of settings have at most {MAX_TEXT} characters")));
        }
        let custom = name.contains('.');
        if custom && self.read(|values| values.now.len()) > MAX_SETTINGS {
            return Err(PgError::new("53400", format!("more than {MAX_SETTINGS} settings in one session")));
        }
        if !custom && !KNOWN.iter().any(|(known, _, _)| *known == name) {
            return Err(unknown(&name));
        }
        if FIXED.contains(&name.as_str()) {
            return Err(PgError::new("55P02", format!("parameter \"{name}\" cannot be changed")));
        }
        if name.starts_with("datafusion.") && !engine_setting_allowed(&name) {
            return Err(PgError::new("42501", format!("permission denied to set parameter \"{name}\""))
                .with_hint("It concerns the whole server, not only this session."));
        }
        let owner = self.read(|values| values.owner.clone());
        let becomes = (name == "role").then(|| value.unwrap_or("none").to_owned());
        if let (Some(role), Some(owner)) = (&becomes, &owner) {
            owner.may_become(&self.get("session_authorization").unwrap_or_default(), role)?;
        }
        let session = name == "session_authorization";
        if let (true, Some(user), Some(owner)) = (session, value, &owner) {
            owner.may_be(user)?;
        }
        if name == "query_memory"
            && let Some(bytes) = value.and_then(memory::parsed)
        {
            self.check_memory(bytes)?;
        }
        let value = match value {
            Some(value) => Some(checked(&name, value)?),
            None => self.read(|values| values.start.get(&name).cloned()),
        };
        self.write(|values| {
            if values.before_transaction.is_some() && local {
                let old = values.now.get(&name).cloned().unwrap_or_default();
                values.local.entry(name.clone()).or_insert(old);
            } else {
                // A SET behind a SET LOCAL is what stays.
                values.local.remove(&name);
            }
            match value {
                Some(value) => {
                    values.now.insert(name, value.clone());
                    if session {
                        // Another user has taken no role yet.
                        values.now.insert("role".into(), "none".into());
                    }
                    values.follow_role();
                    Ok(value)
                }
                None => {
                    values.now.remove(&name);
                    Ok(String::new())
                }
            }
        })
    }

    /// All settings back to where the session began, except those of the transaction, and who the session acts as.
    pub(crate) fn reset_all(&self) {
        const KEPT: &[&str] = &["is_superuser", "role", "session_authorization"];
        self.write(|values| {
            let kept = values.now.iter().filter(|(name, _)| name.starts_with("transaction_") || KEPT.contains(&name.as_str()));
            let kept: Vec<_> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
            values.now = values.start.clone();
            values.now.extend(kept);
        });
    }

    fn check_memory(&self, bytes: usize) -> Result<(), PgError> {
        let most = self.read(|values| values.most_memory);
        let fits = match most {
            Some(most) => (MIN_QUERY_MEMORY..=most).contains(&bytes),
            None => bytes == 0 || bytes >= MIN_QUERY_MEMORY,
        };
        if fits {
            return Ok(());
        }
        let range = (MIN_QUERY_MEMORY / 1024, most.unwrap_or(usize::MAX) / 1024);
        Err(PgError::new(
            "22023",
            format!(
                "{} kB is outside the valid range for parameter \"query_memory\" ({} kB .. {} kB)",
                bytes / 1024,
                range.0,
                range.1
            ),
        ))
    }

    /// The values of this moment of a transaction.
    pub(crate) fn mark(&self) -> Mark {
        self.read(|values| Mark { now: values.now.clone(), local: values.local.clone() })
    }

    /// Back to the values of an earlier moment of the transaction.
    pub(crate) fn back_to(&self, mark: Mark) {
        self.write(|values| (values.now, values.local) = (mark.now, mark.local));
    }

    /// Whether a transaction or a statement may not change anything.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == "on")
    }

    /// Begins a transaction, unless one has begun.
    pub(crate) fn begin(&self) {
        self.write(|values| {
            if values.before_transaction.is_none() {
                values.before_transaction = Some(values.now.clone());
            }
        });
    }

    /// Ends a transaction: `SET LOCAL` ends with it, `SET` only when it is rolled back.
    pub(crate) fn end(&self, committed: bool) {
        self.write(|values| {
            let before = values.before_transaction.take();
            if committed {
                let local = std::mem::take(&mut values.local);
                values.now.extend(local);
            } else if let Some(before) = before {
                values.now = before;
            }
            values.local.clear();
            values.follow_role();
        });
    }

    /// The schemas in which an unqualified name is looked up, in order.
    pub(crate) fn search_path(&self) -> Vec<String> {
        let user = self.user();
        let of_user = |schema: String| if schema == "$user" { user.clone() } else { schema };
        path_entries(&self.get("search_path").unwrap_or_default()).into_iter().map(of_user).collect()
    }

    /// The user whose schema `$user` is.
    pub(crate) fn user(&self) -> String {
        let role = self.get("role").filter(|role| role != "none" && !role.is_empty());
        role.or_else(|| self.get("session_authorization")).unwrap_or_default()
    }

    /// How long a statement may run; nothing for no limit.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        let millis = milliseconds(&self.get("statement_timeout")?)?;
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// How long a session may be idle, and the error that ends it then.
    pub(crate) fn idle_timeout(&self, transaction: TransactionStatus) -> Option<(Duration, PgError)> {
        let (name, code, what) = match transaction {
            TransactionStatus::Idle => ("idle_session_timeout", "57P05", "idle-session timeout"),
            _ => ("idle_in_transaction_session_timeout", "25P03", "idle-in-transaction timeout"),
        };
        let millis = self.read(|values| milliseconds(values.now.get(name)?)).filter(|millis| *millis > 0)?;
        Some((Duration::from_millis(millis), PgError::fatal(code, format!("terminating connection due to {what}"))))
    }

    /// The zone in which `timestamptz` values are shown.
    pub(crate) fn zone(&self) -> Zone {
        zone(&self.get("timezone").unwrap_or_default()).unwrap_or_default()
    }
}

fn on_off(yes: bool) -> String {
    if yes { "on" } else { "off" }.to_owned()
}

/// The entries of a search path: lower case unless quoted.
fn path_entries(path: &str) -> Vec<String> {
    let entry = |entry: &str| {
        let entry = entry.trim();
        match entry.strip_prefix('"').and_then(|entry| entry.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => entry.to_owned(),
        }
    };
    path.split(',').map(entry).filter(|entry| !entry.is_empty()).collect()
}

fn unknown(name: &str) -> PgError {
    let told = PgError::new("42704", format!("unrecognized configuration parameter \"{name}\""));
    match super::error::nearest(name, KNOWN.iter().map(|(known, _, _)| *known)) {
        Some(near) => told.with_hint(format!("Perhaps you meant \"{near}\".")),
        None => told.with_hint("SHOW ALL lists the settings."),
    }
}

/// The value in the form in which it is shown, or an error that says what would be accepted.
fn checked(name: &str, value: &str) -> Result<String, PgError> {
    let shown = spelled(name);
    let invalid = |hint: &str| {
        Err(PgError::new("22023", format!("invalid value for parameter \"{shown}\": \"{value}\"")).with_hint(hint.to_owned()))
    };
    match name {
        "statement_timeout" | "lock_timeout" | "idle_in_transaction_session_timeout" | "idle_session_timeout" => {
            match milliseconds(value) {
                Some(millis) => Ok(duration(millis)),
                None if value.trim().starts_with('-')
                    && value.trim().trim_start_matches('-').chars().all(|c| c.is_ascii_digit()) =>
                {
                    Err(PgError::new(
                        "22023",
                        format!("{} ms is outside the valid range for parameter \"{name}\" (0 .. 2147483647)", value.trim()),
                    ))
                }
                None => invalid("A number of milliseconds, or one with its unit: ms, s, min, h, d."),
            }
        }
        "query_memory" => match memory::parsed(value) {
            Some(0) => Ok("0".to_owned()),
            Some(bytes) => Ok(memory::shown(bytes)),
            None => invalid("Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\"."),
        },
        "timezone" => match zone(value) {
            Some(_) => Ok(value.to_owned()),
            None => invalid("A name such as Europe/Rome, or an offset such as +02:00."),
        },
        "client_encoding" => match value.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "").as_str() {
            "UTF8" | "UNICODE" => Ok("UTF8".into()),
            _ => invalid("This server speaks UTF8 only."),
        },
        "datafusion.execution.batch_size" => match value.parse::<usize>() {
            Ok(1..=1_048_576) => Ok(value.to_owned()),
            _ => invalid("1 to 1048576 rows."),
        },
        "datafusion.execution.target_partitions" => match value.parse::<usize>() {
            Ok(1..=256) => Ok(value.to_owned()),
            _ => invalid("1 to 256 partitions."),
        },
        "datestyle" => match date_style(value) {
            Some(style) => Ok(style),
            None => invalid("Dates are always shown in ISO style."),
        },
        "client_min_messages" => {
            one_of(name, value, &["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"])
        }
        "default_transaction_isolation" | "transaction_isolation" => one_of(name, value, &ISOLATION_LEVELS),
        "extra_float_digits" => match value.trim().parse::<i32>() {
            Ok(digits @ -15..=3) => Ok(digits.to_string()),
            Ok(digits) => Err(PgError::new(
                "22023",
                format!("{digits} is outside the valid range for parameter \"extra_float_digits\" (-15 .. 3)"),
            )),
            Err(_) => invalid("A whole number from -15 to 3."),
        },
        name if BOOLEANS.contains(&name) => match truth(value) {
            Some(on) => Ok(if on { "on" } else { "off" }.to_owned()),
            None => Err(PgError::new("22023", format!("parameter \"{name}\" requires a Boolean value"))),
        },
        "intervalstyle" if !value.eq_ignore_ascii_case("postgres") => {
            invalid("Intervals are always shown in the style postgres.")
        }
        "bytea_output" if !value.eq_ignore_ascii_case("hex") => invalid("Bytes are always shown as hex."),
        "standard_conforming_strings" if !matches!(value.to_lowercase().as_str(), "on" | "true" | "1" | "yes") => {
            invalid("Backslashes are always literal in '…' strings.")
        }
        _ => Ok(value.to_owned()),
    }
}

/// Settings that are on or off.
const BOOLEANS: &[&str] = &[
    "check_function_bodies",
    "default_transaction_deferrable",
    "default_transaction_read_only",
    "jit",
    "row_security",
    "transaction_deferrable",
    "transaction_read_only",
];

fn truth(value: &str) -> Option<bool> {
    match value.trim().to_lowercase().as_str() {
        "on" | "true" | "t" | "yes" | "y" | "1" => Some(true),
        "off" | "of" | "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

fn one_of(name: &str, value: &str, known: &[&str]) -> Result<String, PgError> {
    let value = value.trim().to_lowercase();
    match known.iter().find(|known| **known == value) {
        Some(known) => Ok((*known).to_owned()),
        None => Err(PgError::new("22023", format!("invalid value for parameter \"{name}\": \"{value}\""))
            .with_hint(format!("Available values: {}.", known.join(", ")))),
    }
}

/// The style as it is shown: ISO, and in which order ambiguous dates are read.
fn date_style(value: &str) -> Option<String> {
    let mut order = "MDY";
    let mut iso = true;
    for word in value.split(',').map(|word| word.trim().to_uppercase()) {
        match word.as_str() {
            "ISO" => iso = true,
            "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => order = "MDY",
            "DMY" | "EURO" | "EUROPEAN" => order = "DMY",
            "YMD" => order = "YMD",
            "DEFAULT" => {}
            _ => iso = false,
        }
    }
    iso.then(|| format!("ISO, {order}"))
}

/// A time in the largest unit that needs no fraction, as PostgreSQL shows it.
fn duration(millis: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    match units.into_iter().find(|(unit, _)| millis.is_multiple_of(*unit)) {
        Some((unit, word)) if millis > 0 => format!("{}{word}", millis / unit),
        _ => "0".to_owned(),
    }
}

fn milliseconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let split = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(split);
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|millis| i32::try_from(*millis).is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_carry_units() {
        let settings = Settings::new("anna", "gold", &[]).unwrap();
        assert_eq!(settings.statement_timeout(), None);
        settings.set("statement_timeout", Some("2s"), false).unwrap();
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(2)));
        assert_eq!(settings.set("statement_timeout", Some("soon"), false).unwrap_err().code, "22023");
    }

    #[test]
    fn rollback_takes_settings_back_and_commit_keeps_them() {
        let settings = Settings::new("anna", "gold", &[("application_name".into(), "psql".into())]).unwrap();
        settings.begin();
        settings.set("application_name", Some("a"), false).unwrap();
        settings.end(false);
        assert_eq!(settings.get("application_name").unwrap(), "psql");
        settings.begin();
        settings.set("application_name", Some("b"), false).unwrap();
        settings.set("timezone", Some("+02:00"), true).unwrap();
        settings.end(true);
        assert_eq!(settings.get("application_name").unwrap(), "b");
        assert_eq!(settings.get("timezone").unwrap(), "UTC");
        settings.set("application_name", None, false).unwrap();
        assert_eq!(settings.get("application_name").unwrap(), "psql");
    }

    #[test]
    fn what_reaches_beyond_the_session_is_refused() {
        let settings = Settings::new("anna", "gold", &[]).unwrap();
        assert_eq!(settings.set("datafusion.runtime.memory_limit", Some("1G"), false).unwrap_err().code, "42501");
        assert_eq!(settings.set("server_version", Some("9"), false).unwrap_err().code, "55P02");
        let error = settings.set("statement_timout", Some("1"), false).unwrap_err();
        assert_eq!(error.code, "42704");
        assert!(error.hint().unwrap().contains("statement_timeout"));
    }
}
