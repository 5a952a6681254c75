//! One map from what went wrong to what a client is told: SQLSTATE, message, hint and position.
//!
//! The codes are PostgreSQL's (its manual, appendix A). Messages speak of the user's SQL, never of the engine's parts.

use std::borrow::Cow;
use std::fmt;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::Location;

use super::reader::position;
use super::{inputs, memory, no_function, planning_error};
use crate::runtime::Ended;

/// An error as PostgreSQL's clients understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgError {
    /// SQLSTATE, five characters.
    pub code: Cow<'static, str>,
    /// One sentence: what went wrong, and where.
    pub message: String,
    /// Most errors say no more, and every result has room for one.
    more: Option<Box<More>>,
    severity: Severity,
}

/// What few errors have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct More {
    detail: Option<String>,
    hint: Option<String>,
    context: Option<String>,
    position: Option<usize>,
    /// The same before the text is at hand.
    location: Option<Location>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    Error,
    Fatal,
}

impl PgError {
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), more: None, severity: Severity::Error }
    }

    /// An error after which the connection is closed.
    pub(crate) fn fatal(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, ..Self::new(code, message) }
    }

    fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.more_mut().hint = Some(hint.into());
        self
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.more_mut().detail = Some(detail.into());
        self
    }

    pub(crate) fn with_context(mut self, context: impl Into<String>) -> Self {
        self.more_mut().context = Some(context.into());
        self
    }

    pub(crate) fn with_position(mut self, position: Option<usize>) -> Self {
        if position.is_some() || self.more.is_some() {
            self.more_mut().position = position;
        }
        self
    }

    /// Where in the text it is, by line and column.
    pub(crate) fn with_location(mut self, location: Location) -> Self {
        self.more_mut().location = Some(location);
        self
    }

    /// Finds the place in the text that was sent. An error about another text, such as that of a view, has none in it.
    pub(crate) fn located(mut self, sql: &str) -> Self {
        if let Some(more) = &mut self.more
            && let Some(location) = more.location.take()
        {
            more.position = position(sql, location);
        }
        self
    }

    /// The same error where the text is not the client's.
    pub(crate) fn unlocated(mut self) -> Self {
        if let Some(more) = &mut self.more {
            (more.location, more.position) = (None, None);
        }
        self
    }

    /// More about it, such as what stands in the way.
    pub fn detail(&self) -> Option<&str> {
        self.more.as_ref()?.detail.as_deref()
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.more.as_ref()?.hint.as_deref()
    }

    /// Where in the data, such as the line of a COPY.
    pub fn context(&self) -> Option<&str> {
        self.more.as_ref()?.context.as_deref()
    }

    /// Where in the statement, in characters from 1.
    pub fn position(&self) -> Option<usize> {
        self.more.as_ref()?.position
    }

    /// The same error where it keeps a session from beginning.
    pub(crate) fn into_fatal(self) -> Self {
        Self { severity: Severity::Fatal, ..self }
    }

    /// Whether the connection ends with this error.
    pub fn is_fatal(&self) -> bool {
        self.severity == Severity::Fatal
    }

    /// The word that clients print in front: `ERROR` or `FATAL`.
    pub fn severity(&self) -> &'static str {
        match self.severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        if let Some(hint) = self.hint() {
            write!(f, "\nHINT: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PgError {}

impl From<Ended> for PgError {
    fn from(_: Ended) -> Self {
        PgError::new("XX000", "the statement ended without a result; the server's log says more")
    }
}

impl From<PgError> for DataFusionError {
    /// Carries a finished error through the engine; [`sqlstate`] finds it again.
    fn from(error: PgError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

/// What a client is told about an error of the engine. A pure function of the error.
///
/// Only a bug becomes `XX000`; the details of such an error are in the message, because nobody can act without them.
pub fn sqlstate(error: &DataFusionError) -> PgError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => sqlstate(inner),
        DataFusionError::Shared(inner) => sqlstate(inner),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => sqlstate(first),
            None => PgError::new("XX000", "an error without a description"),
        },
        DataFusionError::SQL(parser, _) => syntax(parser),
        DataFusionError::SchemaError(schema, _) => schema_error(schema),
        DataFusionError::ArrowError(arrow, _) => arrow_error(arrow),
        DataFusionError::Plan(message) => planning_error::of_message(message),
        DataFusionError::NotImplemented(message) => not_supported(message),
        DataFusionError::Configuration(message) => PgError::new("22023", sentence(message)),
        DataFusionError::Execution(message) => execution(message),
        DataFusionError::ResourcesExhausted(message) => {
            let told = PgError::new("53200", format!("out of memory: {}", sentence(message)));
            told.with_hint(match message.contains(memory::USED_UP) {
                true => "Ask for fewer rows or columns at a time, or set query_memory to more, as far as the server allows it.",
                false => "Ask for fewer rows or columns at a time, or raise the server's memory limit.",
            })
        }
        DataFusionError::External(inner) => external(inner.as_ref()),
        DataFusionError::IoError(inner) => PgError::new("58030", format!("could not read or write data: {inner}")),
        DataFusionError::ObjectStore(_) => unreadable_file(),
        DataFusionError::ParquetError(inner) => {
            PgError::new("XX001", format!("a stored table cannot be read: {}", sentence(&inner.to_string())))
        }
        DataFusionError::Internal(message) => {
            no_function::of_message(message).unwrap_or_else(|| PgError::new("XX000", sentence(&error.strip_backtrace())))
        }
        DataFusionError::ExecutionJoin(inner) if inner.is_cancelled() => cancelled("user request"),
        other => PgError::new("XX000", sentence(&other.strip_backtrace())),
    }
}

/// [`sqlstate`], completed with what only the session knows: the nearest table or function for an unknown one.
pub fn sqlstate_in(error: &DataFusionError, state: &SessionState) -> PgError {
    let mut told = sqlstate(error);
    if let Some(missing) = told.message.strip_prefix("function ").and_then(|rest| rest.strip_suffix(" does not exist"))
        && !missing.ends_with(')')
    {
        let scalar = state.scalar_functions().keys();
        let known = scalar.chain(state.aggregate_functions().keys()).chain(state.window_functions().keys());
        if let Some(near) = nearest(missing, known.map(String::as_str)) {
            told = told.with_hint(format!("Perhaps you meant {near}()."));
        }
    }
    if told.code == "42P01"
        && told.hint().is_none()
        && let Some(missing) = told.message.split('"').nth(1)
        && let Some(name) = nearest_table(missing, state)
    {
        return told.with_hint(format!("Perhaps you meant \"{name}\"."));
    }
    told
}

/// The store's own words name files, and the names of devices' files carry patients' names.
fn unreadable_file() -> PgError {
    PgError::new("58030", "a file of the lake could not be read").with_hint("`placido check` says which one, and why.")
}

/// The statement was stopped, by whom `reason` says.
pub(crate) fn cancelled(reason: &str) -> PgError {
    PgError::new("57014", format!("canceling statement due to {reason}"))
}

/// The candidate most similar to `name`, if any is similar at all.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate)
}

fn nearest_table(missing: &str, state: &SessionState) -> Option<String> {
    let options = &state.config_options().catalog;
    let catalog = state.catalog_list().catalog(&options.default_catalog)?;
    let mut known: Vec<(String, String)> = Vec::new();
    for schema in catalog.schema_names() {
        if let Some(provider) = catalog.schema(&schema) {
            known.extend(provider.table_names().into_iter().map(|table| (schema.clone(), table)));
        }
    }
    let (schema, table) = match missing.rsplit_once('.') {
        Some((schema, table)) => (Some(schema.rsplit('.').next().unwrap_or(schema)), table),
        None => (None, missing),
    };
    // The same name elsewhere is a better guess than a similar name here.
    if let Some((found, name)) = known.iter().find(|(found, name)| name == table && found != "pg_catalog") {
        return Some(format!("{found}.{name}"));
    }
    let qualified: Vec<String> = known
        .into_iter()
        .filter(|(found, _)| found != "pg_catalog" || schema == Some("pg_catalog"))
        .map(|(found, name)| format!("{found}.{name}"))
        .collect();
    let wanted = format!("{}.{table}", schema.unwrap_or(&options.default_schema));
    nearest(&wanted, qualified.iter().map(String::as_str)).map(str::to_owned)
}

fn syntax(error: &ParserError) -> PgError {
    let text = match error {
        ParserError::RecursionLimitExceeded => return too_complex(),
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.as_str(),
    };
    let text = text.split(" at Line:").next().unwrap_or(text);
    match text.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: ")) {
        Some((expected, "EOF")) => {
            PgError::new("42601", "syntax error at end of input").with_hint(format!("Expected {expected}."))
        }
        Some((expected, found)) => {
            PgError::new("42601", format!("syntax error at or near \"{found}\"")).with_hint(format!("Expected {expected}."))
        }
        None => PgError::new("42601", format!("syntax error: {}", sentence(text))),
    }
}

/// A statement nested so deeply or chained so long that following it would need unbounded stack.
pub(crate) fn too_complex() -> PgError {
    PgError::new("54001", "the statement is too deeply nested or chains too many operators").with_hint(
        "Write long lists of alternatives as IN (…), = ANY ('{…}') or a join with VALUES; split deep nesting into WITH queries.",
    )
}

fn column_text(column: &Column) -> String {
    match &column.relation {
        Some(relation) => format!("{}.{}", relation.table(), column.name),
        // PostgreSQL quotes a name that stands alone.
        None => format!("\"{}\"", column.name),
    }
}

fn schema_error(error: &SchemaError) -> PgError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            if let Some(table) = &field.relation
                && !valid_fields.iter().any(|known| known.relation.as_ref().is_some_and(|known| known.table() == table.table()))
            {
                let told = PgError::new("42P01", format!("missing FROM-clause entry for table \"{}\"", table.table()));
                let known = valid_fields.iter().filter_map(|known| known.relation.as_ref()).map(|known| known.table());
                return match nearest(table.table(), known) {
                    Some(found) => told.with_hint(format!("Perhaps you meant the table \"{found}\".")),
                    None => told,
                };
            }
            let told = PgError::new("42703", format!("column {} does not exist", column_text(field)));
            match nearest(&field.name, valid_fields.iter().map(|known| known.name.as_str())) {
                Some(found) => {
                    let found = valid_fields
                        .iter()
                        .find(|known| known.name == found)
                        .map_or_else(|| found.to_owned(), |known| column_text(known).trim_matches('"').to_owned());
                    told.with_hint(format!("Perhaps you meant the column \"{found}\"."))
                }
                None => told,
            }
        }
        SchemaError::AmbiguousReference { field } => {
            PgError::new("42702", format!("column reference \"{}\" is ambiguous", field.name))
                .with_hint("Put the table's name or alias and a dot in front of it.")
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            PgError::new("42701", format!("column \"{name}\" is specified more than once"))
                .with_hint("Give one of them another name with AS.")
        }
    }
}

fn arrow_error(error: &ArrowError) -> PgError {
    match error {
        ArrowError::DivideByZero => PgError::new("22012", "division by zero"),
        ArrowError::ArithmeticOverflow(message) => PgError::new("22003", format!("value out of range: {}", sentence(message))),
        ArrowError::CastError(message) | ArrowError::ParseError(message) => cast(message),
        ArrowError::ComputeError(message) | ArrowError::InvalidArgumentError(message) => execution(message),
        ArrowError::NotYetImplemented(message) => not_supported(message),
        ArrowError::ExternalError(inner) => external(inner.as_ref()),
        ArrowError::MemoryError(message) => PgError::new("53200", format!("out of memory: {}", sentence(message))),
        other => PgError::new("XX000", sentence(&other.to_string())),
    }
}

fn cast(message: &str) -> PgError {
    let lower = message.to_lowercase();
    // arrow: Can't cast value 40000 to type Int16
    if let Some(word) = message.rsplit_once(" to type ").map(|(_, target)| type_word(target))
        && lower.contains("can't cast value")
        && matches!(word, "smallint" | "integer" | "bigint")
    {
        return out_of_range(word);
    }
    if lower.contains("overflow") || lower.contains("out of range") || lower.contains("can't cast value") {
        return PgError::new("22003", format!("value out of range: {}", sentence(message)));
    }
    // arrow: Cannot cast string 'abc' to value of Int32 type
    if let Some(rest) = message.split("annot cast string '").nth(1)
        && let Some((value, target)) = rest.rsplit_once("' to value of ")
    {
        let target = type_word(target.trim_end_matches(" type"));
        // The engine says the same of digits that are too many and of no digits at all.
        if matches!(target, "smallint" | "integer" | "bigint") && is_whole(value) {
            return PgError::new("22003", format!("value \"{value}\" is out of range for type {target}"));
        }
        return inputs::invalid_input(target, value);
    }
    if lower.contains("timestamp") || lower.contains("date") || lower.contains("time") {
        return PgError::new("22007", format!("invalid date or time: {}", sentence(message)));
    }
    PgError::new("22P02", sentence(message))
}

/// An integer that its type can't hold.
pub(crate) fn out_of_range(type_name: &str) -> PgError {
    PgError::new("22003", format!("{type_name} out of range"))
}

fn is_whole(text: &str) -> bool {
    let digits = text.trim().trim_start_matches(['+', '-']);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The SQL name of an Arrow type as it appears in messages.
fn type_word(arrow: &str) -> &str {
    match arrow {
        "Int8" | "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" | "UInt32" | "UInt64" => "bigint",
        "Float32" => "real",
        "Float64" => "double precision",
        "Boolean" => "boolean",
        "Date32" | "Date64" => "date",
        other if other.starts_with("Timestamp") => "timestamp",
        other if other.starts_with("Time") => "time",
        other => other,
    }
}

pub(super) fn not_supported(message: &str) -> PgError {
    PgError::new("0A000", format!("not supported: {}", sentence(message)))
}

fn execution(message: &str) -> PgError {
    let lower = message.to_lowercase();
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return PgError::new("22012", "division by zero");
    }
    if lower.contains("overflow") || lower.contains("out of range") {
        return PgError::new("22003", sentence(message));
    }
    if lower.contains("cannot cast")
        || lower.contains("error parsing")
        || lower.contains("invalid input")
        || lower.contains("failed to parse")
    {
        return cast(message);
    }
    if lower.contains("more than one row") {
        return PgError::new("21000", "more than one row returned by a subquery used as an expression");
    }
    if lower.contains("regular expression") || lower.contains("regex") {
        return PgError::new("2201B", sentence(message));
    }
    PgError::new("22023", sentence(message))
}

fn external(error: &(dyn std::error::Error + 'static)) -> PgError {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(known) = current.downcast_ref::<PgError>() {
            return known.clone();
        }
        if let Some(inner) = current.downcast_ref::<DataFusionError>() {
            return sqlstate(inner);
        }
        if let Some(inner) = current.downcast_ref::<ArrowError>() {
            return arrow_error(inner);
        }
        if let Some(changed @ placido_catalog::Error::LakeChanged) = current.downcast_ref() {
            return PgError::new("40001", changed.to_string())
                .with_hint("Begin the transaction again; it will see the lake as it is now.");
        }
        if let Some(placido_catalog::Error::Io { .. } | placido_catalog::Error::Store(_)) = current.downcast_ref() {
            return unreadable_file();
        }
        cause = current.source();
    }
    PgError::new("58000", sentence(&error.to_string()))
}

/// The message of the engine without the words that only its authors need.
pub(super) fn sentence(message: &str) -> String {
    let message = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let mut text = message.trim();
    const PREFIXES: [&str; 12] = [
        "Error during planning: ",
        "Execution error: ",
        "This feature is not implemented: ",
        "Arrow error: ",
        "External error: ",
        "SQL error: ",
        "Schema error: ",
        "Invalid argument error: ",
        "Cast error: ",
        "Compute error: ",
        "Parser error: ",
        "Resources exhausted: ",
    ];
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest.trim_start();
    }
    text.split("This issue was likely caused by a bug").next().unwrap_or(text).trim_end().to_owned()
}

pub(super) fn without_catalog(name: &str) -> &str {
    match name.match_indices('.').count() {
        2 => name.split_once('.').map_or(name, |(_, rest)| rest),
        _ => name,
    }
}

pub(super) fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = text.split_once(start)?.1;
    Some(rest.split_once(end)?.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::common::TableReference;

    fn code(error: DataFusionError) -> String {
        sqlstate(&error).code.into_owned()
    }

    #[test]
    fn the_users_mistakes_have_postgres_codes() {
        assert_eq!(code(DataFusionError::Plan("table 'placido.gold.eyes' not found".into())), "42P01");
        assert_eq!(code(DataFusionError::Plan("Invalid function 'zernike_fitt'.\nDid you mean 'zernike_fit'?".into())), "42883");
        assert_eq!(code(DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None)), "22012");
        let cast = ArrowError::CastError("Cannot cast string 'abc' to value of Int32 type".into());
        let told = sqlstate(&DataFusionError::ArrowError(Box::new(cast), None));
        assert_eq!((told.code.as_ref(), told.message.as_str()), ("22P02", "invalid input syntax for type integer: \"abc\""));
        assert_eq!(code(DataFusionError::ResourcesExhausted("Failed to allocate".into())), "53200");
        assert_eq!(code(DataFusionError::NotImplemented("LATERAL".into())), "0A000");
    }

    #[test]
    fn only_a_bug_is_internal() {
        assert_eq!(code(DataFusionError::Internal("impossible".into())), "XX000");
        for error in [
            DataFusionError::Plan("anything".into()),
            DataFusionError::Execution("anything".into()),
            DataFusionError::Configuration("anything".into()),
        ] {
            let told = sqlstate(&error);
            assert!(!told.code.starts_with("XX") && !told.message.to_lowercase().contains("internal"), "{told:?}");
        }
    }

    #[test]
    fn an_unknown_column_names_the_nearest_one() {
        let error = SchemaError::FieldNotFound {
            field: Box::new(Column::new_unqualified("kmax")),
            valid_fields: vec![
                Column::new(Some(TableReference::bare("f")), "k_max_d"),
                Column::new(Some(TableReference::bare("f")), "patient_id"),
            ],
        };
        let told = sqlstate(&DataFusionError::SchemaError(Box::new(error), Box::new(None)));
        assert_eq!(told.code, "42703");
        assert!(told.hint().unwrap().contains("f.k_max_d"));
    }

    #[test]
    fn a_column_of_an_unknown_table_names_the_table() {
        let column = |table: &str| Column::new(Some(TableReference::bare(table)), "a");
        let error = |field: Column| SchemaError::FieldNotFound { field: Box::new(field), valid_fields: vec![column("eyes")] };
        let told = sqlstate(&DataFusionError::SchemaError(Box::new(error(column("eye"))), Box::new(None)));
        assert_eq!((told.code.as_ref(), told.message.as_str()), ("42P01", "missing FROM-clause entry for table \"eye\""));
        assert!(told.hint().unwrap().contains("\"eyes\""));
    }

    #[test]
    fn a_finished_error_survives_the_way_through_the_engine() {
        let finished = PgError::new("42501", "no right").with_hint("ask");
        let wrapped = DataFusionError::Context("optimizer".into(), Box::new(finished.clone().into()));
        assert_eq!(sqlstate(&wrapped), finished);
        let through_arrow = ArrowError::ExternalError(Box::new(DataFusionError::from(finished.clone())));
        assert_eq!(sqlstate(&DataFusionError::ArrowError(Box::new(through_arrow), None)), finished);
    }

    #[test]
    fn syntax_errors_speak_as_postgres_does() {
        let parser = ParserError::ParserError("Expected: an expression, found: FROM at Line: 1, Column: 8".into());
        let told = sqlstate(&DataFusionError::SQL(Box::new(parser), None));
        assert_eq!((told.code.as_ref(), told.message.as_str()), ("42601", "syntax error at or near \"FROM\""));
        let end = ParserError::ParserError("Expected: an expression, found: EOF".into());
        assert_eq!(sqlstate(&DataFusionError::SQL(Box::new(end), None)).message, "syntax error at end of input");
        assert_eq!(code(DataFusionError::SQL(Box::new(ParserError::RecursionLimitExceeded), None)), "54001");
    }
}
