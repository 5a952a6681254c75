//! A simulated hospital: virtual patients whose exams are written as the devices export them.
//!
//! [`generate`] writes two folders. `lake/` holds raw files as a hospital's share would: MS-39 exports by year, Corvis tables
//! by month and some of their curves, hand-typed clinic sheets by year, some EyeTop, Pentacam and Sirius exports, and files that belong to nobody. `truth/`, outside the
//! lake, says what is in them: patients with their diagnoses, every file and row with the fault it was given, and the list of
//! faults with their rates; `issues.csv` lists all issues that a reader should find, those too that are nobody's fault: an
//! EyeTop export never names patient number or eye, a Sirius export nothing of whose it is, and `0,5` may be a decimal acuity or a logMAR.
//!
//! From a seed to a file: `patient` (who, which eyes, when) → `plan` (which exports, which faults) → `eye` (constitution,
//! disease and course as parameters) → `surface` (anterior surface, epithelium and posterior surface with their derivatives)
//! → `maps` (the sixteen maps) → `exam` (noise, gaps and findings) → `corvis`, `clinic`, `eyetop`, `pentacam` (what follows from the
//! findings or from the surfaces) → the device's writer → `fault` (in rows, lines or bytes).
//!
//! Random numbers come from ChaCha streams, one for each patient and purpose, and all arithmetic is plain IEEE 754, so that
//! the same seed gives the same bytes on every machine and with any number of threads. Nothing here describes a real
//! person, and the diseases are drawn to look like the textbook's, not fitted to patients.

mod clinic;
mod corvis;
mod curves;
mod elementary;
mod exam;
mod eye;
mod eyetop;
mod fault;
mod maps;
mod patient;
mod pentacam;
mod plan;
mod random;
mod record;
mod sheets;
mod surface;
#[cfg(test)]
mod tests;
mod truth;
mod write;

use std::fmt;
use std::path::Path;

use crate::error::Result;

pub use truth::{EXPECTED_ISSUES, ExpectedIssue, expected_issues};
pub use write::MARKER;

/// What [`generate`] makes: so many patients from that seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hospital {
    /// Number of patients; each has two eyes and two visits on average, about 4 MB of files.
    pub patients: usize,
    /// The same seed gives the same files. A hospital with more patients has the same first ones, but for the sheets that
    /// patients share.
    pub seed: u64,
}

/// How far [`generate`] has come, in patients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Patients that are done.
    pub done: usize,
    /// All patients.
    pub total: usize,
}

/// What [`generate`] wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Patients.
    pub patients: usize,
    /// Visits of all patients.
    pub visits: usize,
    /// Files in the lake.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files and rows that are unusual without a loss.
    pub harmless: usize,
    /// Files and rows with a fault that a reader should report.
    pub faulty: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = self.bytes as f64 / 1e6;
        writeln!(f, "{} patients, {} visits: {} files, {megabytes:.0} MB", self.patients, self.visits, self.files)?;
        write!(f, "{} files or rows are unusual, {} are faulty; truth/ says which", self.harmless, self.faulty)
    }
}

/// Writes the hospital into `dir`: `dir/lake` and `dir/truth`.
///
/// Uses all cores. `progress` is called from all of them after each patient. A hospital that stands in `dir` already is
/// replaced.
///
/// # Errors
/// When `dir` holds something else, or can't be written.
pub fn generate(dir: &Path, hospital: &Hospital, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    write::hospital(dir, hospital, threads, progress)
}

/// The hospital that stands complete in `dir`, if there is one: an interrupted [`generate`] leaves none.
pub fn present(dir: &Path) -> Option<Hospital> {
    write::present(dir)
}
