//! What a client is told of a statement that the engine could not plan: its messages, read.

use super::error::{PgError, between, nearest, not_supported, sentence, without_catalog};
use super::no_function;

/// The error that a message of the engine's planner stands for.
pub(super) fn of_message(message: &str) -> PgError {
    if let Some(name) = between(message, "table '", "' not found").or_else(|| between(message, "No table named '", "'")) {
        return PgError::new("42P01", format!("relation \"{}\" does not exist", without_catalog(name)));
    }
    if let Some(name) = between(message, "table function '", "' not found") {
        return PgError::new("42883", format!("table function {name} does not exist"));
    }
    if let Some(name) = between(message, "Invalid function '", "'") {
        let told = PgError::new("42883", format!("function {name} does not exist"));
        return match between(message, "Did you mean '", "'") {
            // The engine always names something, however far away.
            Some(near) if nearest(name, [near]).is_some() => told.with_hint(format!("Perhaps you meant {near}().")),
            _ => told.with_hint("\\df lists the functions of this server."),
        };
    }
    // What a function itself says about its arguments is better than what the engine makes of it.
    if let Some(said) = between(message, "user-defined coercion failed with: ", " No function matches") {
        if let Some(told) = no_function::of_message(message).filter(|_| said.contains("match any signature")) {
            return told;
        }
        return PgError::new("42883", sentence(said));
    }
    if message.starts_with("permission denied for model") {
        return PgError::new("42501", sentence(message));
    }
    if message.starts_with("there is no model") {
        return PgError::new("42704", sentence(message));
    }
    if let Some(told) = no_function::of_message(message) {
        return told;
    }
    if message.contains("No function matches the given name and argument types")
        || message.contains("does not support") && message.contains("argument")
    {
        return PgError::new("42883", sentence(message.split("Candidate functions").next().unwrap_or(message)))
            .with_hint("Check the number and the types of the arguments; a cast such as value::float8 may be needed.");
    }
    if message.contains("already exists") {
        return PgError::new("42P07", sentence(message));
    }
    if let Some(column) = between(message, "column \"", "\" must appear in the GROUP BY clause") {
        let parts: Vec<&str> = column.rsplitn(3, '.').take(2).collect();
        let column = parts.into_iter().rev().collect::<Vec<_>>().join(".");
        let told = format!("column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function");
        return PgError::new("42803", told);
    }
    if message.contains("must appear in the GROUP BY clause") || message.contains("must be part of GROUP BY") {
        return PgError::new("42803", sentence(message));
    }
    if message.contains("Projections require unique expression names") {
        return PgError::new("42701", "two columns of the result have the same name")
            .with_hint("Give one of them another name with AS.");
    }
    if message.contains("require") && message.contains("same number of columns")
        || message.contains("UNION") && message.contains("columns")
    {
        return PgError::new("42601", sentence(message));
    }
    if message.contains("annot coerce") || message.contains("annot infer common") || message.contains("Cannot get result type") {
        return PgError::new("42804", sentence(message)).with_hint("Cast one side to the type of the other.");
    }
    if message.contains("Unsupported") || message.contains("not supported") || message.contains("not implemented") {
        return not_supported(message);
    }
    if let Some(name) = between(message, "Schema error: No field named ", ".") {
        return PgError::new("42703", format!("column \"{}\" does not exist", name.trim_matches('"')));
    }
    PgError::new("42000", sentence(message))
}
