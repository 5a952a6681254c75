//! Snapshots of a SQLite file.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement};

use super::{Order, Outcome, Shelf, Wanted, at, csv, error};
use crate::devices::decoded;
use crate::error::{Error, Result};
use crate::order::nearest;

/// How long another program may hold the file.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn copy(order: &Order) -> Result<Vec<Outcome>> {
    let path = Path::new(&order.source);
    if !path.is_file() {
        let message = format!("{} is no file; name a SQLite file or a postgresql:// URL", path.display());
        return Err(error(message));
    }
    // Opened for reading only: the file is neither changed nor made.
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(PATIENCE)?;
        // One transaction for all tables: they are seen as of one moment.
        connection.execute_batch("begin; select count(*) from sqlite_schema;")?;
        Ok(connection)
    };
    let connection = open().map_err(|error| told(path, &error))?;
    let tables = tables(&connection).map_err(|error| told(path, &error))?;
    let mut wanted = order.wanted();
    if wanted.is_empty() {
        wanted = tables.iter().map(|table| Wanted::Table(table)).collect();
    }
    if wanted.is_empty() {
        return Err(error(format!("{} has no table", path.display())));
    }
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("sqlite");
    let mut shelf = Shelf::new(&order.folder, order.name.as_deref().unwrap_or(stem));
    for wanted in &wanted {
        let plan = match wanted {
            Wanted::Table(name) => of_table(&connection, &tables, name)?,
            Wanted::Query(name, sql) => of_query(&connection, name, sql)?,
        };
        let rows = copy_rows(&connection, &mut shelf, wanted.name(), &plan)?;
        shelf.stage(rows.0, rows.1)?;
    }
    shelf.publish()
}

fn told(path: &Path, error: &rusqlite::Error) -> Error {
    let path = path.display();
    super::error(match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => format!("{path} is not a SQLite database, or it is encrypted"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{path} is held by another program; try again when it has finished")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => format!(
            "{path} can't be opened; a database that another program has open in WAL mode needs write permission on its folder"
        ),
        Some(ErrorCode::DatabaseCorrupt) => format!("{path} is damaged; SQLite's `.recover` may save what is left"),
        _ => format!("{path} can't be read: {error}"),
    })
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql =
        "select name from sqlite_schema where type in ('table', 'view') and name not like 'sqlite\\_%' escape '\\' order by name";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// What is selected, and the columns with their declared types.
struct Plan {
    sql: String,
    columns: Vec<(String, String)>,
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn of_table(connection: &Connection, tables: &[String], name: &str) -> Result<Plan> {
    let same = |table: &&String| table.eq_ignore_ascii_case(name);
    let Some(table) = tables.iter().find(same) else {
        let hint = match nearest(name, tables.iter().map(String::as_str)) {
            Some(table) => format!("did you mean {table}?"),
            None => format!("there are {}", tables.join(", ")),
        };
        return Err(error(format!("the database has no table {name}; {hint}")));
    };
    /// Names and types of the columns, and the columns of the key.
    type Described = (Vec<(String, String)>, Vec<String>);
    let describe = || -> rusqlite::Result<Described> {
        let mut statement = connection.prepare("select name, type, pk from pragma_table_info(?1) order by cid")?;
        let rows =
            statement.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)));
        let rows: Vec<(String, String, i64)> = rows?.collect::<rusqlite::Result<_>>()?;
        let mut keys: Vec<(i64, String)> =
            rows.iter().filter(|(_, _, pk)| *pk > 0).map(|(name, _, pk)| (*pk, quoted(name))).collect();
        keys.sort();
        Ok((
            rows.into_iter().map(|(name, kind, _)| (name, kind.to_lowercase())).collect(),
            keys.into_iter().map(|(_, key)| key).collect(),
        ))
    };
    let (columns, keys) = describe().map_err(|error| super::error(format!("{name} can't be described: {error}")))?;
    let order = if keys.is_empty() { every(columns.len()) } else { keys.join(", ") };
    Ok(Plan { sql: format!("select * from {} order by {order}", quoted(table)), columns })
}

fn of_query(connection: &Connection, name: &str, sql: &str) -> Result<Plan> {
    let sql = sql.trim().trim_end_matches(';');
    let wrong = |error: rusqlite::Error| super::error(format!("the query {name} can't be run: {error}"));
    let statement = connection.prepare(sql).map_err(wrong)?;
    if statement.column_count() == 0 || !statement.readonly() {
        return Err(error(format!("the query {name} gives no rows; write a select")));
    }
    let columns: Vec<(String, String)> =
        statement.column_names().into_iter().map(|name| (name.to_owned(), String::new())).collect();
    // Ordered, so that the same rows are the same bytes.
    Ok(Plan { sql: format!("select * from ({sql}\n) order by {}", every(columns.len())), columns })
}

/// All columns by their places.
fn every(columns: usize) -> String {
    (1..=columns).map(|column| column.to_string()).collect::<Vec<_>>().join(", ")
}

fn copy_rows(connection: &Connection, shelf: &mut Shelf, name: &str, plan: &Plan) -> Result<(super::Draft, u64)> {
    let wrong = |error: rusqlite::Error| super::error(format!("{name} can't be read: {error}"));
    let mut draft = shelf.begin(name, &plan.columns)?;
    let write =
        |draft: &mut super::Draft, line: &str| draft.write_all(line.as_bytes()).map_err(|error| at(&draft.part.clone(), error));
    write(&mut draft, &csv::line(plan.columns.iter().map(|(name, _)| Some(name.as_str()))))?;
    let mut statement: Statement<'_> = connection.prepare(&plan.sql).map_err(wrong)?;
    let columns = statement.column_count();
    let mut rows = statement.query([]).map_err(wrong)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(wrong)? {
        let fields: Vec<Option<String>> =
            (0..columns).map(|column| row.get_ref(column).map(text)).collect::<Result<_, _>>().map_err(wrong)?;
        write(&mut draft, &csv::line(fields.iter().map(Option::as_deref)))?;
        count += 1;
    }
    Ok((draft, count))
}

/// A value as text that tells its type as far as text can: 1 and 1.0 differ, and bytes are marked.
fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(format!("{number:?}")),
        ValueRef::Text(bytes) => Some(decoded(bytes).into_owned()),
        ValueRef::Blob(bytes) => Some(format!("\\x{}", hex::encode(bytes))),
    }
}
