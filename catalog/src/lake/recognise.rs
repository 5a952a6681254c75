//! Which device a file is of, judged by its first bytes.

use crate::device::{Confidence, Device, Sample};
use crate::devices::DEVICES;
use crate::issue::IssueCode;

/// Why a file is read by no device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `file_empty`, `file_unknown`, `file_unreadable` or `file_arriving`.
    pub code: IssueCode,
    /// Why, in words that do not name the file.
    pub reason: String,
}

impl Refused {
    pub(crate) fn new(code: IssueCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// The device that is surest that the file is its own, or why there is none.
pub fn recognise(sample: &Sample<'_>) -> Result<&'static dyn Device, Refused> {
    if sample.head.iter().all(u8::is_ascii_whitespace) && sample.head.len() as u64 >= sample.size {
        return Err(Refused::new(IssueCode::FileEmpty, "the file holds nothing but blanks"));
    }
    DEVICES
        .iter()
        .copied()
        .map(|device| (device.recognises(sample), device))
        .filter(|(confidence, _)| *confidence > Confidence::No)
        .max_by_key(|(confidence, _)| *confidence)
        .map(|(_, device)| device)
        .ok_or_else(|| {
            let names: Vec<&str> = DEVICES.iter().map(|device| device.name()).collect();
            let kind = if sample.head.contains(&0) { "a binary file" } else { "a text file" };
            let reason = format!("{kind} without the marks of a known device ({})", names.join(", "));
            Refused::new(IssueCode::FileUnknown, reason)
        })
}
