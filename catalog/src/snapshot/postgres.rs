//! Snapshots of a PostgreSQL database, by COPY: the server writes the values as text, in settings that give the same text for the
//! same rows, and nothing is held in memory.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt as _;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::tls::{Check, connector};
use super::{Draft, Order, Outcome, Shelf, Wanted, at, csv, error};
use crate::error::{Error, Result};

/// Everything that changes how values are written as text.
const SETTINGS: &str = "set datestyle to 'ISO, YMD'; set timezone to 'UTC'; set intervalstyle to 'iso_8601'; \
     set bytea_output to 'hex'; set extra_float_digits to 1; set client_encoding to 'UTF8'; \
     begin transaction isolation level repeatable read read only";

/// How long a connection may take, unless PGCONNECT_TIMEOUT says otherwise.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whether a source is a PostgreSQL URL or connection string, and no file.
pub(super) fn is_address(source: &str) -> bool {
    let source = source.trim_start();
    let key = |key: &str| source.split_whitespace().any(|word| word.starts_with(key));
    source.starts_with("postgresql://") || source.starts_with("postgres://") || key("dbname=") || key("service=") || key("host=")
}

pub(super) async fn copy(order: &Order) -> Result<Vec<Outcome>> {
    let server = Server::parse(&order.source, &|name| std::env::var(name).ok())?;
    let client = server.connect().await?;
    client.batch_execute(SETTINGS).await.map_err(|error| told("the transaction can't be begun", &error))?;
    let mut wanted = order.wanted();
    let all = if wanted.is_empty() { all_tables(&client).await? } else { Vec::new() };
    wanted.extend(all.iter().map(|table| Wanted::Table(table)));
    if wanted.is_empty() {
        return Err(error(format!("the database {} has no table that you may read", server.database())));
    }
    let mut shelf = Shelf::new(&order.folder, order.name.as_deref().unwrap_or(server.database()));
    for wanted in &wanted {
        let plan = match wanted {
            Wanted::Table(name) => of_table(&client, name).await?,
            Wanted::Query(name, sql) => of_query(&client, name, sql).await?,
        };
        let (draft, rows) = copy_rows(&client, &shelf, wanted.name(), &plan).await?;
        shelf.stage(draft, rows)?;
    }
    // Only read from: whether the end is heard of does not matter.
    let _ = client.batch_execute("commit").await;
    shelf.publish()
}

/// What a failure of the server means; never the connection string, which may hold a password.
fn told(what: &str, failure: &tokio_postgres::Error) -> Error {
    let Some(db) = failure.as_db_error() else {
        let mut reason = failure.to_string();
        let mut source = std::error::Error::source(failure);
        while let Some(inner) = source {
            let _ = write!(reason, ": {inner}");
            source = inner.source();
        }
        return error(format!("{what}: {reason}"));
    };
    let hint = match *db.code() {
        SqlState::INVALID_PASSWORD => "; the password comes from PGPASSWORD, ~/.pgpass or the URL",
        SqlState::INSUFFICIENT_PRIVILEGE => "; the user needs SELECT on it",
        _ => "",
    };
    error(format!("{what}: {} (SQLSTATE {}){hint}", db.message(), db.code().code()))
}

/// Where the database is and how it is reached.
struct Server {
    config: Config,
    mode: Mode,
    roots: Option<PathBuf>,
}

/// libpq's sslmode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return Err(error("sslmode is one of disable, allow, prefer, require, verify-ca and verify-full")),
        })
    }
}

impl Server {
    /// Reads a URL or connection string; what it does not say comes from the environment, as for psql.
    fn parse(source: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let mut mode = environment("PGSSLMODE");
        let mut roots = environment("PGSSLROOTCERT");
        let rest = without_tls(source, &mut mode, &mut roots);
        // The library's words may repeat the string.
        let mut config: Config = rest
            .parse()
            .map_err(|_| error("that is no connection string of PostgreSQL; write postgresql://USER@HOST:PORT/DATABASE"))?;
        let from = |name: &str| environment(name).filter(|value| !value.is_empty());
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host(from("PGHOST").unwrap_or_else(|| "localhost".to_owned()));
        }
        if config.get_ports().is_empty()
            && let Some(port) = from("PGPORT")
        {
            config.port(port.parse().map_err(|_| error("PGPORT is no port"))?);
        }
        if config.get_user().is_none() {
            let user = from("PGUSER").or_else(|| from("USER"));
            config.user(user.ok_or_else(|| error("no user is named; write postgresql://USER@HOST/DATABASE or set PGUSER"))?);
        }
        if config.get_dbname().is_none() {
            let name = from("PGDATABASE").or_else(|| config.get_user().map(str::to_owned));
            config.dbname(name.unwrap_or_default());
        }
        if config.get_connect_timeout().is_none() {
            let seconds = from("PGCONNECT_TIMEOUT").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
            config.connect_timeout(seconds.filter(|time| !time.is_zero()).unwrap_or(PATIENCE));
        }
        if config.get_password().is_none() {
            let file = || {
                let home = || from("HOME").map(|home| PathBuf::from(home).join(".pgpass"));
                password_in(from("PGPASSFILE").map(PathBuf::from).or_else(home)?, &config)
            };
            if let Some(password) = from("PGPASSWORD").or_else(file) {
                config.password(password);
            }
        }
        config.application_name("placido snapshot");
        let mode = mode.as_deref().map_or(Ok(Mode::Prefer), Mode::parse)?;
        Ok(Self { config, mode, roots: roots.map(PathBuf::from) })
    }

    fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or("postgres")
    }

    async fn connect(&self) -> Result<Client> {
        let attempts = match self.mode {
            Mode::Disable => vec![SslMode::Disable],
            Mode::Allow => vec![SslMode::Disable, SslMode::Require],
            Mode::Prefer => vec![SslMode::Prefer],
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => vec![SslMode::Require],
        };
        let mut failure = error("no connection");
        for attempt in attempts {
            match self.attempt(attempt).await {
                Ok(client) => return Ok(client),
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }

    async fn attempt(&self, mode: SslMode) -> Result<Client> {
        let mut config = self.config.clone();
        config.ssl_mode(mode);
        let place = config.get_hosts().first().map_or_else(String::new, |host| match host {
            Host::Tcp(name) => format!(" at {name}"),
            #[cfg(unix)]
            Host::Unix(path) => format!(" at {}", path.display()),
        });
        let what =
            format!("no connection to the database {}{place} as {}", self.database(), self.config.get_user().unwrap_or_default());
        if mode == SslMode::Disable {
            let (client, connection) = config.connect(NoTls).await.map_err(|error| told(&what, &error))?;
            tokio::spawn(connection);
            return Ok(client);
        }
        let check = match self.mode {
            Mode::VerifyFull => Check::Host,
            Mode::VerifyCa => Check::Authority,
            // As libpq: a root certificate that is named is not named for nothing.
            Mode::Require if self.roots.is_some() => Check::Authority,
            _ => Check::Nothing,
        };
        let connector = connector(check, self.roots.as_deref())?;
        let (client, connection) = config.connect(connector).await.map_err(|error| told(&what, &error))?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// A source without its sslmode and sslrootcert, which the library knows in part only.
fn without_tls(source: &str, mode: &mut Option<String>, roots: &mut Option<String>) -> String {
    let mut take = |word: &str| match word.split_once('=') {
        Some(("sslmode", value)) => {
            *mode = Some(value.to_owned());
            false
        }
        Some(("sslrootcert", value)) => {
            *roots = Some(value.replace("%2F", "/").replace("%2f", "/"));
            false
        }
        _ => true,
    };
    if source.contains("://") {
        let Some((base, query)) = source.split_once('?') else { return source.to_owned() };
        let kept: Vec<&str> = query.split('&').filter(|word| take(word)).collect();
        return if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    }
    source.split_whitespace().filter(|word| take(word)).collect::<Vec<_>>().join(" ")
}

/// The password that a `.pgpass` has for this server: the first line whose host, port, database and user fit.
fn password_in(file: PathBuf, config: &Config) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if std::fs::metadata(&file).ok()?.permissions().mode() & 0o077 != 0 {
            warn_of_rights();
            return None;
        }
    }
    let text = std::fs::read_to_string(file).ok()?;
    let host = config.get_hosts().first().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(_) => "localhost".to_owned(),
    })?;
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let wanted = [host.as_str(), &port, config.get_dbname()?, config.get_user()?];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = parts(line);
        let (password, names) = fields.split_last()?;
        let fits = names.len() == 4 && names.iter().zip(wanted).all(|(field, name)| field == "*" || field == name);
        fits.then(|| password.clone())
    })
}

/// libpq says so too, and goes on without the file.
fn warn_of_rights() {
    eprintln!("note: the password file can be read by others and is left out; take their rights away with chmod 0600");
}

/// The fields of a line, parted by colons; a backslash takes the next letter as it is.
fn parts(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ':' => fields.push(String::new()),
            letter => {
                let letter = if letter == '\\' { letters.next() } else { Some(letter) };
                if let (Some(field), Some(letter)) = (fields.last_mut(), letter) {
                    field.push(letter);
                }
            }
        }
    }
    fields
}

async fn all_tables(client: &Client) -> Result<Vec<String>> {
    let sql = "select format('%s.%s', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema') \
         and n.nspname not like 'pg\\_toast%' and has_table_privilege(c.oid, 'select') order by 1";
    let rows = client.query(sql, &[]).await.map_err(|error| told("the tables can't be listed", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What is selected, and the columns with their types.
struct Plan {
    sql: String,
    columns: Vec<(String, String)>,
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn of_table(client: &Client, name: &str) -> Result<Plan> {
    let wrong = |error: tokio_postgres::Error| told(&format!("{name} can't be described"), &error);
    let (schema, table) = name.rsplit_once('.').unwrap_or(("", name));
    // As typed or, like any SQL, in lower case.
    let sql = "select c.oid, n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname::text in ($1::text, lower($1::text)) \
         and case when $2::text = '' then pg_table_is_visible(c.oid) else n.nspname::text in ($2::text, lower($2::text)) end \
         order by c.relname::text = $1::text desc limit 1";
    let Some(found) = client.query_opt(sql, &[&table, &schema]).await.map_err(wrong)? else {
        let tables = all_tables(client).await?;
        let hint = match crate::order::nearest(name, tables.iter().map(String::as_str)) {
            Some(table) => format!("did you mean {table}?"),
            None => format!("there are {}", tables.join(", ")),
        };
        return Err(error(format!("the database has no table {name}; {hint}")));
    };
    let (oid, schema, table): (u32, String, String) = (found.get(0), found.get(1), found.get(2));
    let keys = "select a.attname::text, a.attcollation <> 0 from pg_index i \
         join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, place) on true \
         join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum \
         where i.indrelid = $1 and i.indisprimary order by k.place";
    let keys: Vec<String> =
        client.query(keys, &[&oid]).await.map_err(wrong)?.iter().map(|row| key(row.get(0), row.get(1))).collect();
    let select = format!("select * from {}.{}", quoted(&schema), quoted(&table));
    plan(client, &select, keys).await.map_err(wrong)
}

async fn of_query(client: &Client, name: &str, sql: &str) -> Result<Plan> {
    let select = format!("select * from ({}\n) as query", sql.trim().trim_end_matches(';'));
    plan(client, &select, Vec::new()).await.map_err(|error| told(&format!("the query {name} can't be run"), &error))
}

/// A column to order by. Texts by their bytes: the order of a language may change with the system.
fn key(name: &str, is_text: bool) -> String {
    if is_text { format!("{} collate \"C\"", quoted(name)) } else { quoted(name) }
}

/// Ordered by the key or, without one, by all columns as texts, since not every type has an order of its own.
async fn plan(client: &Client, select: &str, keys: Vec<String>) -> std::result::Result<Plan, tokio_postgres::Error> {
    let statement = client.prepare(select).await?;
    let columns: Vec<(String, String)> =
        statement.columns().iter().map(|column| (column.name().to_owned(), column.type_().name().to_owned())).collect();
    let keys = if keys.is_empty() {
        columns.iter().map(|(name, _)| format!("{}::text collate \"C\"", quoted(name))).collect()
    } else {
        keys
    };
    let order = if keys.is_empty() { String::new() } else { format!(" order by {}", keys.join(", ")) };
    Ok(Plan { sql: format!("{select}{order}"), columns })
}

async fn copy_rows(client: &Client, shelf: &Shelf, name: &str, plan: &Plan) -> Result<(Draft, u64)> {
    let wrong = |error: tokio_postgres::Error| told(&format!("{name} can't be read"), &error);
    let mut draft = shelf.begin(name, &plan.columns)?;
    let copy = format!("copy ({}) to stdout with (format csv, header true)", plan.sql);
    let mut pieces = Box::pin(client.copy_out(&copy).await.map_err(wrong)?);
    let mut counter = csv::Counter::default();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(wrong)?;
        counter.add(&piece);
        draft.write_all(&piece).map_err(|error| at(&draft.part, error))?;
    }
    Ok((draft, counter.rows()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn sources_are_told_apart() {
        for source in ["postgresql://a@b/c", "postgres://b", "host=b dbname=c", "dbname=c"] {
            assert!(is_address(source), "{source}");
        }
        for source in ["clinic.sqlite", "/data/host.db", "./dbname", "C:\\clinic.db"] {
            assert!(!is_address(source), "{source}");
        }
    }

    #[test]
    fn modes_of_libpq_are_understood() {
        let server = |source: &str| Server::parse(source, &nothing).unwrap();
        let found = server("postgresql://u@h:5/d?sslmode=verify-full&sslrootcert=%2Fa%2Fb.crt&application_name=x");
        assert_eq!((found.mode, found.roots.as_deref()), (Mode::VerifyFull, Some(std::path::Path::new("/a/b.crt"))));
        assert_eq!((found.config.get_ports(), found.database()), ([5].as_slice(), "d"));
        assert_eq!(server("host=h user=u dbname=d sslmode=allow").mode, Mode::Allow);
        assert_eq!(server("postgresql://u@h/d").mode, Mode::Prefer);
        assert!(Server::parse("postgresql://u@h/d?sslmode=sometimes", &nothing).is_err());
    }

    #[test]
    fn what_is_not_said_comes_from_the_environment() {
        let environment = |name: &str| match name {
            "PGHOST" => Some("h".to_owned()),
            "PGPORT" => Some("6000".to_owned()),
            "PGUSER" => Some("u".to_owned()),
            "PGPASSWORD" => Some("secret".to_owned()),
            "PGSSLMODE" => Some("require".to_owned()),
            _ => None,
        };
        let server = Server::parse("postgresql:///d", &environment).unwrap();
        assert_eq!(
            (server.config.get_ports(), server.config.get_user(), server.mode),
            ([6000].as_slice(), Some("u"), Mode::Require)
        );
        assert_eq!(server.config.get_password(), Some("secret".as_bytes()));
    }

    #[test]
    fn passwords_are_in_no_message() {
        let failure = Server::parse("postgresql://u:hunter2@h:port/d", &nothing).err().unwrap().to_string();
        assert!(!failure.contains("hunter2"), "{failure}");
    }

    #[test]
    fn a_password_file_is_read_as_libpq_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        std::fs::write(&file, "# comment\nother:*:*:*:no\nh:5432:d:u:se\\:cr\\\\et\n*:*:*:*:late\n").unwrap();
        let mut config = Config::new();
        config.host("h").dbname("d").user("u");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(password_in(file.clone(), &config), None);
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        assert_eq!(password_in(file.clone(), &config).as_deref(), Some("se:cr\\et"));
        assert_eq!(password_in(file, config.user("v")).as_deref(), Some("late"));
    }
}
