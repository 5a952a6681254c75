//! The layers: files of SQL, one view each, checked, ordered and ready to be registered.
//!
//! A file holds one query. Its path is its name: `silver/zernike.sql` is the view `silver.zernike`. Comments at its top are its
//! header: a summary, then `key: value` lines:
//!
//! ```text
//! -- Zernike coefficients of the elevation residuals, OSA/ANSI order, µm, 6 mm zone.
//! --
//! -- grain:        scan_id
//! -- materialize:  by lake, or by exam where no row depends on another exam
//! -- column z_*:   comment of the columns whose names match
//! ```

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::TableReference;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::order::{FLOORS, Node, OrderError, order};

/// A file below the layers' folder.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Path with `/`, such as `silver/zernike.sql`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// How the rows of a view that is kept are made anew when files of the lake change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Materialize {
    /// All of them.
    ByLake,
    /// Those of the exams in these files. The grain begins with the key of the exam (or, of a measurement without one, its own
    /// key), and no row depends on what was measured at another exam.
    ByExam,
}

/// A view of the layers.
#[derive(Debug, Clone)]
pub struct View {
    /// Its layer: `bronze`, `silver`, `gold` or `serving`.
    pub schema: String,
    /// Its name inside the layer.
    pub name: String,
    /// The query, without the header.
    pub sql: String,
    /// The first paragraph of the header; the comment of the view.
    pub summary: String,
    /// Columns that together are unique; empty if the header names none.
    pub grain: Vec<String>,
    /// Whether and how its rows are kept as Parquet.
    pub materialize: Option<Materialize>,
    /// Who may read it, as the header says.
    pub readers: Vec<String>,
    /// Patterns of column names (`*` stands for anything) with their comments, in order; the first match counts.
    pub comments: Vec<(String, String)>,
    /// The tables and views that it names, as `schema.name`, sorted.
    pub references: Vec<String>,
    /// The file.
    pub file: String,
    /// A digest of the query and of all queries below it.
    pub fingerprint: String,
}

impl View {
    /// `schema.name`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The comment of a column, if a pattern of the header matches it.
    pub fn column_comment(&self, column: &str) -> Option<&str> {
        self.comments.iter().find(|(pattern, _)| matches(pattern, column)).map(|(_, comment)| comment.as_str())
    }
}

/// The views, each after those that it names.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    views: Vec<View>,
}

impl Layers {
    /// Parses, checks and orders the files. `base_tables` are the tables that are no views, as `schema.name`.
    ///
    /// # Errors
    /// File and line of the first mistake: a path that is no layer, a header that is not understood, SQL that does not parse, an
    /// unknown name, an upward reference, a cycle.
    pub fn parse(files: &[SourceFile], base_tables: &BTreeSet<String>) -> Result<Self> {
        let mut parsed: Vec<View> = files.iter().map(parse).collect::<Result<_>>()?;
        parsed.sort_by(|a, b| a.file.cmp(&b.file));
        let nodes: Vec<Node> =
            parsed.iter().map(|view| Node { name: view.full_name(), references: view.references.clone() }).collect();
        let places = order(&nodes, base_tables).map_err(|error| order_error(&error, files, &parsed))?;

        let mut views: Vec<View> = places.iter().filter_map(|at| parsed.get(*at).cloned()).collect();
        let mut fingerprints = BTreeMap::new();
        for view in &mut views {
            let mut digest = Sha256::new();
            digest.update(view.sql.as_bytes());
            for reference in &view.references {
                digest.update(fingerprints.get(reference).unwrap_or(reference).as_bytes());
            }
            view.fingerprint = hex::encode(digest.finalize());
            fingerprints.insert(view.full_name(), view.fingerprint.clone());
        }
        Ok(Self { views })
    }

    /// The views in their order.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The view of that name.
    pub fn view(&self, schema: &str, name: &str) -> Option<&View> {
        self.views.iter().find(|view| view.schema == schema && view.name == name)
    }
}

fn parse(file: &SourceFile) -> Result<View> {
    let mistake = |line: usize, message: String| Error::Layer { file: file.path.clone(), line, message };
    let parts: Vec<&str> = file.path.trim_end_matches(".sql").split('/').collect();
    let &[schema, name] = parts.as_slice() else {
        return Err(mistake(1, "a layer's file is <layer>/<name>.sql".to_owned()));
    };
    if !FLOORS.iter().skip(1).any(|floor| *floor == schema) {
        return Err(mistake(1, format!("{schema} is not a layer; the layers are bronze, silver, gold and serving")));
    }

    let header_lines = file.text.lines().take_while(|line| line.starts_with("--")).count();
    let mut view = View {
        schema: schema.to_owned(),
        name: name.to_owned(),
        sql: file.text.lines().skip(header_lines).collect::<Vec<_>>().join("\n").trim().trim_end_matches(';').to_owned(),
        summary: String::new(),
        grain: Vec::new(),
        materialize: None,
        readers: Vec::new(),
        comments: Vec::new(),
        references: Vec::new(),
        file: file.path.clone(),
        fingerprint: String::new(),
    };
    read_header(&mut view, file.text.lines().take(header_lines)).map_err(|(line, message)| mistake(line, message))?;
    if view.summary.is_empty() {
        return Err(mistake(1, "the file must begin with a comment that says what the view gives".to_owned()));
    }
    view.references = references(&view.sql).map_err(|message| mistake(header_lines + 1, message))?;
    Ok(view)
}

fn read_header<'a>(view: &mut View, lines: impl Iterator<Item = &'a str>) -> Result<(), (usize, String)> {
    let list = |value: &str| value.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    let mut in_summary = true;
    for (at, line) in lines.enumerate() {
        let text = line.trim_start_matches('-').trim();
        if text.is_empty() {
            in_summary = false;
            continue;
        }
        if in_summary {
            if !view.summary.is_empty() {
                view.summary.push(' ');
            }
            view.summary.push_str(text);
            continue;
        }
        let Some((key, value)) = text.split_once(':') else {
            return Err((at + 1, format!("expected `key: value`, found `{text}`")));
        };
        let value = value.trim();
        match key.trim() {
            "grain" => view.grain = list(value),
            "readers" => view.readers = list(value),
            "materialize" if value == "by lake" => view.materialize = Some(Materialize::ByLake),
            "materialize" if value == "by exam" => view.materialize = Some(Materialize::ByExam),
            "materialize" => return Err((at + 1, format!("materialize is `by lake` or `by exam`, not `{value}`"))),
            key => match key.strip_prefix("column ") {
                Some(pattern) => view.comments.push((pattern.trim().to_owned(), value.to_owned())),
                None => {
                    return Err((
                        at + 1,
                        format!("unknown key `{key}`; there are grain, materialize, readers and column <name>"),
                    ));
                }
            },
        }
    }
    Ok(())
}

/// The tables that a query names, CTEs left out.
fn references(sql: &str) -> Result<Vec<String>, String> {
    let parse = || DFParserBuilder::new(sql).with_dialect(&PostgreSqlDialect {}).build()?.parse_statements();
    let statements: Vec<Statement> = parse().map_err(|error| error.strip_backtrace())?.into();
    let [statement @ Statement::Statement(_)] = statements.as_slice() else {
        return Err("a layer's file holds one query".to_owned());
    };
    let (tables, _) = resolve_table_references(statement, true).map_err(|error| error.strip_backtrace())?;
    let mut names: Vec<String> = tables.iter().map(name_of).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// `schema.name` of a reference; a bare name stays bare, and is then unknown.
fn name_of(reference: &TableReference) -> String {
    match reference.schema() {
        Some(schema) => format!("{schema}.{}", reference.table()),
        None => reference.table().to_owned(),
    }
}

fn order_error(error: &OrderError, files: &[SourceFile], views: &[View]) -> Error {
    let place = |view: &str, word: &str| {
        let file =
            views.iter().find(|candidate| candidate.full_name() == view).map(|view| view.file.as_str()).unwrap_or_default();
        let text = files.iter().find(|candidate| candidate.path == file).map(|file| file.text.as_str()).unwrap_or_default();
        let line = text.lines().position(|line| !line.starts_with("--") && line.contains(word)).unwrap_or_default() + 1;
        (file.to_owned(), line)
    };
    let (view, word, message) = match error {
        OrderError::Unknown { view, reference, nearest } => {
            let hint = nearest.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default();
            (view, reference, format!("{view} names {reference}, which does not exist{hint}"))
        }
        OrderError::Upward { view, reference } => {
            (view, reference, format!("{view} names {reference} of a higher layer; a layer stands on those below it"))
        }
        OrderError::Cycle(cycle) => {
            let (Some(view), Some(word)) = (cycle.first(), cycle.get(1)) else {
                return Error::Layer { file: String::new(), line: 1, message: "views name each other".to_owned() };
            };
            (view, word, format!("views need each other: {}", cycle.join(" → ")))
        }
    };
    let (file, line) = place(view, word);
    Error::Layer { file, line, message }
}

/// Whether `name` matches `pattern`, in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn base() -> BTreeSet<String> {
        BTreeSet::from(["raw.ms39".to_owned()])
    }

    const BRONZE: &str = "-- Exams.\n--\n-- grain: scan_id\n-- column k_*_d: dioptres\nselect 1 as k_max_d from raw.ms39";

    #[test]
    fn a_header_is_read() {
        let layers = Layers::parse(&[file("bronze/ms39.sql", BRONZE)], &base()).unwrap();
        let view = layers.view("bronze", "ms39").unwrap();
        assert_eq!((view.summary.as_str(), view.grain.as_slice()), ("Exams.", ["scan_id".to_owned()].as_slice()));
        assert_eq!(view.column_comment("k_max_d"), Some("dioptres"));
        assert_eq!(view.column_comment("k_max_mm"), None);
    }

    #[test]
    fn mistakes_are_placed() {
        let at = |path: &str, text: &str| Layers::parse(&[file(path, text)], &base()).unwrap_err().to_string();
        assert!(at("bronze/a.sql", "-- A.\n--\n-- grian: x\nselect 1").starts_with("bronze/a.sql:3: unknown key `grian`"));
        assert!(at("bronze/a.sql", "select 1").contains("must begin with a comment"));
        assert!(at("iron/a.sql", "-- A.\nselect 1").contains("iron is not a layer"));
        assert!(at("bronze/a.sql", "-- A.\nselect 1\nfrom raw.ms93").starts_with("bronze/a.sql:3: bronze.a names raw.ms93"));
        assert!(at("bronze/a.sql", "-- A.\nselect from where").starts_with("bronze/a.sql:2:"));
    }

    #[test]
    fn a_change_below_changes_the_fingerprint_above() {
        let silver = file("silver/a.sql", "-- A.\nselect * from bronze.ms39");
        let before = Layers::parse(&[file("bronze/ms39.sql", BRONZE), silver.clone()], &base()).unwrap();
        let after = Layers::parse(&[file("bronze/ms39.sql", &BRONZE.replace("1 as", "2 as")), silver], &base()).unwrap();
        let fingerprint = |layers: &Layers| layers.view("silver", "a").unwrap().fingerprint.clone();
        assert_ne!(fingerprint(&before), fingerprint(&after));
    }

    #[test]
    fn ctes_are_no_references() {
        let text = "-- A.\nwith exams as (select 1 as x from raw.ms39) select x from exams union select x from exams";
        let layers = Layers::parse(&[file("bronze/a.sql", text)], &base()).unwrap();
        assert_eq!(layers.view("bronze", "a").unwrap().references, ["raw.ms39"]);
    }
}
