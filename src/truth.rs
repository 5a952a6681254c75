//! `placido check --truth`: the issues that the engine raises beside those that are known to be there.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray as _, Float64Array, Int64Array, Int64Builder, RecordBatch, StringArray, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use placido_catalog::synthetic::{EXPECTED_ISSUES, ExpectedIssue, expected_issues};

use crate::error::{Error, Result};
use crate::output;

/// So many missed and so many spurious flags are listed one by one.
const LISTED: usize = 50;
/// What stands for the device of a file that no device reads.
const UNKNOWN: &str = "unknown";
/// Begins what stands for the key of a file that the lake does not have. Keys begin with F.
const ABSENT: &str = "absent ";

/// Where a flag stands, and its code: what makes two flags the same. A row that has a code twice has it once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Flag {
    /// Key of the file.
    file_id: String,
    /// Row from 0, as in `system.issues`.
    row: Option<i64>,
    code: String,
}

/// What is known about a flag besides.
#[derive(Debug, Clone, Default)]
struct About {
    device: String,
    /// Why it is expected, or what the engine says.
    detail: String,
}

/// How the engine's flags compare with the expected ones.
#[derive(Debug, Default)]
pub struct Comparison {
    expected: BTreeMap<Flag, About>,
    found: BTreeMap<Flag, About>,
    /// Expected issues of files that the lake does not have.
    absent: usize,
}

/// Counts of one code, one device, or all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Flags that should be there.
    pub expected: usize,
    /// Flags that are there, expected or not.
    pub found: usize,
    /// Expected and not found.
    pub missed: usize,
    /// Found and not expected.
    pub spurious: usize,
}

impl Counts {
    /// The part of the expected flags that is found; none where nothing is expected.
    pub fn recall(self) -> Option<f64> {
        ratio(self.expected - self.missed, self.expected)
    }

    /// The part of the found flags that is expected; none where nothing is found.
    pub fn precision(self) -> Option<f64> {
        ratio(self.found - self.spurious, self.found)
    }
}

fn ratio(part: usize, all: usize) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

/// Compares `system.issues` with the list of expected issues at `path`: a file, or a folder that has it as `issues.csv`.
///
/// # Errors
/// When the list can't be read, or the issues can't be computed.
pub async fn compare(ctx: &SessionContext, path: &Path) -> Result<Comparison> {
    let expected = expected_issues(&list_at(path)?)?;
    let keys = file_keys(ctx).await?;
    let found = found(ctx).await?;
    Ok(Comparison::of(expected, &keys, found))
}

/// The list itself.
fn list_at(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    // A simulated hospital as a whole does as well as the folder of its truth.
    let places = [path.join(EXPECTED_ISSUES), path.join("truth").join(EXPECTED_ISSUES)];
    places.into_iter().find(|place| place.is_file()).ok_or_else(|| {
        Error::Setting(format!(
            "--truth {}: the folder has no {EXPECTED_ISSUES}; name the list itself, or its folder",
            path.display()
        ))
    })
}

/// Keys of the files by path.
async fn file_keys(ctx: &SessionContext) -> Result<HashMap<String, String>> {
    let mut keys = HashMap::new();
    for batch in ctx.sql("select path, file_id from raw.files").await?.collect().await? {
        let (paths, ids) = (texts(&batch, 0)?, texts(&batch, 1)?);
        keys.extend(paths.into_iter().flatten().zip(ids.into_iter().flatten()));
    }
    Ok(keys)
}

async fn found(ctx: &SessionContext) -> Result<Vec<(Flag, About)>> {
    let query = "select file_id, cast(row as bigint), code, device, detail from system.issues";
    let mut found = Vec::new();
    for batch in ctx.sql(query).await?.collect().await? {
        let (files, codes, devices, details) = (texts(&batch, 0)?, texts(&batch, 2)?, texts(&batch, 3)?, texts(&batch, 4)?);
        let rows = batch.column(1).as_primitive_opt::<Int64Type>().ok_or_else(unexpected)?;
        for ((((file_id, row), code), device), detail) in files.into_iter().zip(rows).zip(codes).zip(devices).zip(details) {
            let flag = Flag { file_id: file_id.unwrap_or_default(), row, code: code.unwrap_or_default() };
            found.push((flag, About { device: device.unwrap_or_default(), detail: detail.unwrap_or_default() }));
        }
    }
    Ok(found)
}

/// A column of texts, whatever their encoding.
fn texts(batch: &RecordBatch, column: usize) -> Result<Vec<Option<String>>> {
    let cast = datafusion::arrow::compute::cast(batch.column(column), &DataType::Utf8);
    let cast = cast.map_err(|error| Error::from(DataFusionError::from(error)))?;
    let texts = cast.as_string_opt::<i32>().ok_or_else(unexpected)?;
    Ok(texts.iter().map(|text| text.map(str::to_owned)).collect())
}

fn unexpected() -> Error {
    DataFusionError::Internal("system.issues has other columns than are known here".to_owned()).into()
}

impl Comparison {
    fn of(expected: Vec<ExpectedIssue>, keys: &HashMap<String, String>, found: Vec<(Flag, About)>) -> Self {
        let mut comparison = Self::default();
        let mut devices: HashMap<String, String> = HashMap::new();
        for issue in expected {
            let key = keys.get(&issue.file);
            comparison.absent += usize::from(key.is_none());
            let flag = Flag {
                // Files that are not there are told apart by their path, which is printed nowhere.
                file_id: key.cloned().unwrap_or_else(|| format!("{ABSENT}{}", issue.file)),
                row: issue.row.and_then(|row| i64::try_from(row).ok()?.checked_sub(1)),
                code: issue.code.as_str().to_owned(),
            };
            if !issue.device.is_empty() {
                devices.insert(flag.file_id.clone(), issue.device.clone());
            }
            comparison.expected.entry(flag).or_insert(About { device: issue.device, detail: issue.reason });
        }
        for (flag, mut about) in found {
            // An empty file is no export to the engine; the truth knows whose it should have been.
            if let Some(device) = devices.get(&flag.file_id).filter(|_| about.device.is_empty()) {
                about.device.clone_from(device);
            }
            comparison.found.entry(flag).or_insert(about);
        }
        for about in comparison.expected.values_mut().chain(comparison.found.values_mut()).filter(|about| about.device.is_empty())
        {
            UNKNOWN.clone_into(&mut about.device);
        }
        comparison
    }

    fn missed(&self) -> impl Iterator<Item = (&Flag, &About)> {
        self.expected.iter().filter(|(flag, _)| !self.found.contains_key(flag))
    }

    fn spurious(&self) -> impl Iterator<Item = (&Flag, &About)> {
        self.found.iter().filter(|(flag, _)| !self.expected.contains_key(flag))
    }

    /// Counts by what `of` says of a flag.
    fn counts<'a>(&'a self, of: impl Fn(&'a Flag, &'a About) -> &'a str) -> BTreeMap<&'a str, Counts> {
        let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
        for (flag, about) in &self.expected {
            counts.entry(of(flag, about)).or_default().expected += 1;
        }
        for (flag, about) in &self.found {
            // A flag that was expected counts for the device of the truth.
            counts.entry(of(flag, self.expected.get(flag).unwrap_or(about))).or_default().found += 1;
        }
        for (flag, about) in self.missed() {
            counts.entry(of(flag, about)).or_default().missed += 1;
        }
        for (flag, about) in self.spurious() {
            counts.entry(of(flag, about)).or_default().spurious += 1;
        }
        counts
    }

    /// Counts of all flags.
    pub fn total(&self) -> Counts {
        self.counts(|_, _| "").into_values().next().unwrap_or_default()
    }

    /// Whether every expected issue is found and no other.
    pub fn is_exact(&self) -> bool {
        self.missed().next().is_none() && self.spurious().next().is_none()
    }

    /// The comparison as tables: by code, by device, in all, and the flags that are wrong, by key of their file.
    ///
    /// # Errors
    /// When Arrow refuses a table.
    pub async fn report(&self, ctx: &SessionContext) -> Result<String> {
        let total = [("all", self.total())];
        let by_code = self.counts(|flag, _| &flag.code);
        let by_device = self.counts(|_, about| &about.device);
        let mut text = String::new();
        for (name, counts) in [
            ("code", by_code.into_iter().collect::<Vec<_>>()),
            ("device", by_device.into_iter().collect()),
            ("in all", total.to_vec()),
        ] {
            let _ = writeln!(text, "{}", table(ctx, counts_batch(name, &counts)?).await?);
        }
        if !self.is_exact() {
            let _ = writeln!(text, "Flags that are wrong; rows count from 0, as in system.issues");
            let _ = writeln!(text, "{}", table(ctx, self.wrong()?).await?);
            for (what, count) in [("missed", self.missed().count()), ("spurious", self.spurious().count())] {
                if count > LISTED {
                    let _ = writeln!(text, "and {} more {what}", count - LISTED);
                }
            }
        }
        if self.absent > 0 {
            let _ = writeln!(text, "{} expected issues are of files that the lake does not have.", self.absent);
        }
        Ok(text)
    }

    /// The first missed and spurious flags, each by the key of its file.
    fn wrong(&self) -> Result<RecordBatch> {
        let mut kinds = StringBuilder::new();
        let (mut devices, mut codes, mut files, mut details) =
            (StringBuilder::new(), StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
        let mut rows = Int64Builder::new();
        let missed = self.missed().take(LISTED).map(|flag| ("missed", flag));
        let spurious = self.spurious().take(LISTED).map(|flag| ("spurious", flag));
        for (kind, (flag, about)) in missed.chain(spurious) {
            kinds.append_value(kind);
            devices.append_value(&about.device);
            codes.append_value(&flag.code);
            files.append_option((!flag.file_id.starts_with(ABSENT)).then_some(&flag.file_id));
            rows.append_option(flag.row);
            details.append_option((!about.detail.is_empty()).then_some(&about.detail));
        }
        batch(vec![
            ("flag", Arc::new(kinds.finish())),
            ("device", Arc::new(devices.finish())),
            ("code", Arc::new(codes.finish())),
            ("file_id", Arc::new(files.finish())),
            ("row", Arc::new(rows.finish())),
            ("detail", Arc::new(details.finish())),
        ])
    }
}

fn counts_batch(name: &'static str, counts: &[(&str, Counts)]) -> Result<RecordBatch> {
    let number = |value: &dyn Fn(Counts) -> usize| -> ArrayRef {
        Arc::new(counts.iter().map(|(_, counts)| i64::try_from(value(*counts)).ok()).collect::<Int64Array>())
    };
    // Rounded down, so that 1 means all.
    let part = |value: &dyn Fn(Counts) -> Option<f64>| -> ArrayRef {
        Arc::new(counts.iter().map(|(_, counts)| Some((value(*counts)? * 1e4).floor() / 1e4)).collect::<Float64Array>())
    };
    batch(vec![
        (name, Arc::new(counts.iter().map(|(name, _)| Some(*name)).collect::<StringArray>())),
        ("expected", number(&|counts| counts.expected)),
        ("found", number(&|counts| counts.found)),
        ("missed", number(&|counts| counts.missed)),
        ("spurious", number(&|counts| counts.spurious)),
        ("recall", part(&Counts::recall)),
        ("precision", part(&Counts::precision)),
    ])
}

fn batch(columns: Vec<(&'static str, ArrayRef)>) -> Result<RecordBatch> {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .map_err(|error| DataFusionError::from(error).into())
}

async fn table(ctx: &SessionContext, batch: RecordBatch) -> Result<String> {
    output::table(ctx.read_batch(batch)?).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use placido_catalog::issue::IssueCode;

    use super::*;

    fn expected(file: &str, row: Option<usize>, device: &str, code: IssueCode) -> ExpectedIssue {
        ExpectedIssue { file: file.to_owned(), row, device: device.to_owned(), code, reason: String::new() }
    }

    fn flag(file_id: &str, row: Option<i64>, code: IssueCode, device: &str) -> (Flag, About) {
        let flag = Flag { file_id: file_id.to_owned(), row, code: code.as_str().to_owned() };
        (flag, About { device: device.to_owned(), detail: String::new() })
    }

    #[test]
    fn flags_are_compared_by_file_row_and_code() {
        use IssueCode::{EyeMissing, FileEmpty, MapEmpty};
        let keys = HashMap::from([("a".to_owned(), "F1".to_owned()), ("b".to_owned(), "F2".to_owned())]);
        let truth = vec![
            expected("a", Some(1), "ms39", EyeMissing),
            expected("a", Some(2), "ms39", EyeMissing),
            expected("b", None, "clinic", FileEmpty),
            expected("gone", Some(1), "clinic", EyeMissing),
        ];
        let found = vec![
            flag("F1", Some(0), EyeMissing, "ms39"),
            flag("F1", Some(0), EyeMissing, "ms39"),
            flag("F1", Some(0), MapEmpty, "ms39"),
            flag("F2", None, FileEmpty, ""),
        ];
        let comparison = Comparison::of(truth, &keys, found);
        assert_eq!(comparison.total(), Counts { expected: 4, found: 3, missed: 2, spurious: 1 });
        assert_eq!((comparison.total().recall(), comparison.total().precision()), (Some(0.5), Some(2.0 / 3.0)));
        let by_device = comparison.counts(|_, about| &about.device);
        assert_eq!(by_device["clinic"], Counts { expected: 2, found: 1, missed: 1, spurious: 0 });
        assert_eq!(by_device["ms39"], Counts { expected: 2, found: 2, missed: 1, spurious: 1 });
        assert_eq!(comparison.absent, 1);
        assert!(!comparison.is_exact());
    }

    #[test]
    fn nothing_expected_and_nothing_found_is_exact() {
        let nothing = Comparison::of(Vec::new(), &HashMap::new(), Vec::new());
        assert!(nothing.is_exact());
        assert_eq!((nothing.total().recall(), nothing.total().precision()), (None, None));
    }
}
