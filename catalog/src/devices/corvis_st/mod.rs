//! Oculus Corvis ST: a table of exams, and the curves of single ones. No such export is public; see NOTES.md for what is guessed.

pub mod curves;
#[cfg(test)]
mod tests;

use super::sheet::{Export, SheetTable};

pub(crate) const NAME: &str = "corvis_st";

/// Oculus Corvis ST dynamic Scheimpflug tonometer: table of exams, one exam a line.
pub static CORVIS_ST: SheetTable =
    SheetTable::new(NAME, "Oculus Corvis ST dynamic Scheimpflug tonometer: table of exams, one exam a line", || {
        Export::new(
            NAME,
            "Corvis ST exams, one row an exam: tonometry and the dynamic response of the cornea",
            include_str!("layout.toml"),
        )
    });
