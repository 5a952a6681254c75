//! What can be wrong with a file or a row: one list of codes, from which documentation and tests are derived.

use std::fmt;

/// How much an issue takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is lost; somebody may want to know.
    Note,
    /// Part of the data is missing or doubtful.
    Warning,
    /// The row or the file can't be used for what it is.
    Error,
}

impl Severity {
    /// The word in `system.issues`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that is wrong with a row or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// What kind of thing.
    pub code: IssueCode,
    /// Where and what, for people. Never a name, a birth date or a file name; never the offending text of a personal field.
    pub detail: String,
}

impl Issue {
    /// An issue with its detail.
    pub fn new(code: IssueCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl fmt::Display for Issue {
    /// `code: detail`, as in the column `_issues`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

macro_rules! issue_codes {
    ($($variant:ident, $code:literal, $severity:ident, $about:literal;)*) => {
        /// The kinds of issue.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum IssueCode { $(#[doc = $about] $variant,)* }

        impl IssueCode {
            /// All codes, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it stands in `_issues` and `system.issues`.
            pub fn as_str(self) -> &'static str { match self { $(Self::$variant => $code,)* } }

            /// How much it takes away.
            pub fn severity(self) -> Severity { match self { $(Self::$variant => Severity::$severity,)* } }

            /// One sentence for people.
            pub fn about(self) -> &'static str { match self { $(Self::$variant => $about,)* } }
        }
    };
}

issue_codes! {
    FileEmpty, "file_empty", Error, "The file has no bytes, or nothing but blanks.";
    FileUnknown, "file_unknown", Error, "The file has the marks of no known device.";
    FileUnreadable, "file_unreadable", Error, "The file can't be opened, is too large, or is not text.";
    FileArriving, "file_arriving", Note, "The file is still being written; it is taken once it has been still for a while.";
    ArchiveUnreadable, "archive_unreadable", Error, "The zip archive is damaged, empty or over a limit: its members are not known.";
    ArchiveMemberRefused, "archive_member_refused", Error, "A member of a zip archive is not read: encrypted, too large, damaged, or its name is a trick.";
    FileTruncated, "file_truncated", Error, "The file ends inside a block.";
    ExamsExtra, "exams_extra", Error, "A file that should hold one exam goes on with another; only the first was read.";
    LayoutUnknown, "layout_unknown", Error, "No version of the device's layout fits the file.";
    DataAbsent, "data_absent", Error, "The file has a header and no measurement.";
    ResourceUnreadable, "resource_unreadable", Error, "A line of a FHIR export is no resource; nothing of it can be read.";
    ResourceSkipped, "resource_skipped", Note, "A FHIR export has resources of other kinds than those that are read.";
    CodeUnknown, "code_unknown", Note, "What a FHIR Observation measures is none of the codes that the layout knows; it is kept.";
    StatusVoid, "status_void", Warning, "A FHIR Observation was withdrawn or entered in error; it is kept, and not used above bronze.";
    PatientMissing, "patient_missing", Error, "No patient number: the exam can't be joined with others.";
    EyeMissing, "eye_missing", Error, "The file does not say which eye was measured.";
    EyeUnreadable, "eye_unreadable", Error, "What stands for the eye is not known.";
    EyeAssumed, "eye_assumed", Warning, "The eye is a digit; it was read in the order that the digits of the column show, the right eye first.";
    DateMissing, "date_missing", Error, "No exam date: the exam can't be joined with others.";
    DateUnreadable, "date_unreadable", Error, "What stands for a date is not one.";
    DateFuture, "date_future", Error, "The exam date lies after the day on which the file was read; it is missing.";
    DateSerial, "date_serial", Warning, "A date stands as a spreadsheet's day number; it was read in the workbook's date system, from 1900 where it names none.";
    DateAmbiguous, "date_ambiguous", Warning, "Day and month can't be told apart; the file's usual order was taken.";
    MapMissing, "map_missing", Warning, "A map that this layout has is not in the file.";
    MapEmpty, "map_empty", Warning, "A map is there and all its cells are missing.";
    MapUnknown, "map_unknown", Note, "The file has a map that the layout does not know.";
    RingMissing, "ring_missing", Warning, "A ring inside the measured zone has no cell; radii are not shifted.";
    RingsUnplaced, "rings_unplaced", Warning, "Rows of a map were lost, doubled or broken; the rings whose radius is not certain are missing.";
    EndMissing, "end_missing", Warning, "The last line of a table has no end, so that its last value may be cut; a number there is missing.";
    RowTruncated, "row_truncated", Warning, "A ring or row has fewer cells than the grid; the rest is missing.";
    CellsExtra, "cells_extra", Note, "A ring or row has more cells than the grid; the rest was left out.";
    CellsMissing, "cells_missing", Warning, "More than 40 % of the measured zone of a map is missing.";
    CellUnreadable, "cell_unreadable", Warning, "A cell is not a number; it is missing.";
    CellOutOfRange, "cell_out_of_range", Warning, "A cell is outside what the instrument can measure; it is missing.";
    MapConstant, "map_constant", Warning, "A map has the same value in all its cells.";
    LayersDisagree, "layers_disagree", Warning, "Stroma and epithelium do not add up to the thickness.";
    ElevationsDisagree, "elevations_disagree", Warning, "The posterior elevation does not lie the thickness behind the anterior one.";
    PowerDisagrees, "power_disagrees", Warning, "Power and radius of a surface do not belong together.";
    HeaderDisagrees, "header_disagrees", Warning, "A map does not have the value that the file's own header states for it.";
    ColumnMissing, "column_missing", Warning, "A column that this layout has is not in the file.";
    ColumnUnknown, "column_unknown", Note, "The file has a column that the layout does not know; it is kept.";
    SheetUnknown, "sheet_unknown", Note, "A sheet of the workbook has no header row that the layout knows; it was not read.";
    CellError, "cell_error", Warning, "A cell holds an error of a formula, such as #N/A, in place of a value; it is missing.";
    NumberUnreadable, "number_unreadable", Warning, "A field is not a number; it is missing.";
    ValueOutOfRange, "value_out_of_range", Warning, "A value is outside what is physically possible; it is missing.";
    ValueMangled, "value_mangled", Warning, "A spreadsheet has turned the value into something else, such as a date.";
    ValuesDisagree, "values_disagree", Warning, "Two places state different values of the same thing: of two cells of a row, the one with a column of its own was taken; of two lines that say whose exam it is, none.";
    AcuityUnreadable, "acuity_unreadable", Warning, "What stands for a visual acuity can't be read with certainty.";
    DiagnosisUnknown, "diagnosis_unknown", Warning, "The diagnosis is none of the known words.";
    OrderImplausible, "order_implausible", Warning, "Events are not in their physical order.";
}
