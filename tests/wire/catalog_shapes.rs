//! What tools ask the catalog: the constructs of their statements, written anew in `catalog_queries/*.sql`, with the columns that
//! PostgreSQL 15.18 describes for them (`psql`'s `\gdesc`), one line a statement, in `catalog_queries/*.shape`. Names agree exactly;
//! types agree up to the width of integers and the kind of text, which expressions of the engine widen.

use std::path::PathBuf;

use tokio_postgres::types::Type;

use super::TestServer;

/// A type as `format_type` spells it.
fn spelled(known: &Type) -> String {
    let element = known.name().strip_prefix('_');
    let word = match element.unwrap_or(known.name()) {
        "bool" => "boolean",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "varchar" => "character varying",
        "char" => "\"char\"",
        "timestamptz" => "timestamp with time zone",
        other => other,
    };
    if element.is_some() { format!("{word}[]") } else { word.to_owned() }
}

/// The types of a shape without what the engine widens in expressions.
fn widened(shape: &str) -> Vec<(String, String)> {
    let column = |column: &str| {
        let (name, known) = column.rsplit_once(": ").unwrap();
        let (word, list) = known.strip_suffix("[]").map_or((known, ""), |element| (element, "[]"));
        let family = match word.split('(').next().unwrap() {
            "smallint" | "integer" | "bigint" | "oid" => "integer",
            "text" | "name" | "\"char\"" | "character varying" | "regclass" | "regtype" | "regnamespace" => "text",
            other => other,
        };
        (name.to_owned(), format!("{family}{list}"))
    };
    shape.split(", ").map(column).collect()
}

/// Statements of a file with the shapes beside them.
fn statements(file: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire/catalog_queries");
    let text = std::fs::read_to_string(folder.join(format!("{file}.sql"))).unwrap();
    let text: String = text.lines().filter(|line| !line.starts_with("-- ")).flat_map(|line| [line, "\n"]).collect();
    let shapes = std::fs::read_to_string(folder.join(format!("{file}.shape"))).unwrap();
    let statements: Vec<&str> = text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).collect();
    assert_eq!(statements.len(), shapes.lines().count(), "{file}");
    statements.into_iter().zip(shapes.lines()).map(|(sql, shape)| (sql.to_owned(), shape.to_owned())).collect()
}

fn check(file: &str) {
    let server = TestServer::start();
    server.run(|client| async move {
        let mut wrong = Vec::new();
        for (sql, expected) in statements(file) {
            let statement = match client.prepare(&sql).await {
                Ok(statement) => statement,
                Err(error) => {
                    wrong.push(format!("{sql}\n  is not planned: {:?}", error.as_db_error().map(|told| told.message())));
                    continue;
                }
            };
            let columns = statement.columns().iter().map(|column| format!("{}: {}", column.name(), spelled(column.type_())));
            let found = columns.collect::<Vec<_>>().join(", ");
            // Between versions 15 and 16 catalogs gained columns.
            if !sql.contains(".*") && widened(&found) != widened(&expected) {
                wrong.push(format!("{sql}\n  has the columns {found}\n  PostgreSQL's are {expected}"));
            }
            if let Err(error) = client.query(&statement, &[]).await {
                wrong.push(format!("{sql}\n  does not run: {:?}", error.as_db_error().map(|told| told.message())));
            }
        }
        assert!(wrong.is_empty(), "{file}:\n{}", wrong.join("\n"));
    });
}

macro_rules! tools {
    ($($tool:ident)*) => {$(
        #[test]
        fn $tool() {
            check(stringify!($tool));
        }
    )*};
}

tools! { dbeaver dbt drivers grafana metabase npgsql pgadmin }
