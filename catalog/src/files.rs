//! The files of the lake as tables: `system.files`, where they are known by key, and `raw.files`, which names them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Builder, Int64Array, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::field::field;
use crate::issue::IssueCode;
use crate::lake::facts::{Depth, Facts, RowFacts};
use crate::lake::{Lake, LakeFile, Refused};
use crate::system::LazyTable;

/// What stands behind the last period of a name may be part of a patient's; these may not.
const EXTENSIONS: [&str; 13] = ["csv", "txt", "xml", "json", "ndjson", "pdf", "dcm", "zip", "jpg", "png", "xls", "xlsx", "ods"];

/// The columns that are known only of files that were read.
const OF_CONTENT: [&str; 8] = ["sha256", "layout", "issues", "rows", "patient_ids", "exam_ids", "eyes", "exam_dates"];

/// `system.files`. Files that were not inspected yet are, if a query asks for what is in them.
pub(crate) fn table(lake: &Arc<Lake>) -> LazyTable {
    let inspecting = Arc::clone(lake);
    LazyTable::of_files(fields(), Arc::clone(lake), move |snapshot, wanted| {
        let lake = Arc::clone(&inspecting);
        Box::pin(async move {
            let asked = |name: &&str| wanted.column_with_name(name).is_some();
            if OF_CONTENT.iter().any(asked) {
                lake.know(snapshot.files(), Depth::Content, &|_, _| {}).await;
            }
            let facts: Vec<Option<Arc<Facts>>> = snapshot.files().iter().map(|file| file.facts()).collect();
            Ok(wanted.fields().iter().map(|field| column(field.name(), snapshot.files(), &facts)).collect())
        })
    })
}

fn fields() -> Vec<Field> {
    let timestamp = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let list = |of: DataType| DataType::List(Arc::new(Field::new_list_field(of, true)));
    vec![
        field("file_id", DataType::Utf8, "", "Key of the file; raw.files has its path"),
        field("extension", DataType::Utf8, "", "Ending of the file's name, where it is a usual one"),
        field("size_bytes", DataType::Int64, "By", "Size"),
        field("modified", timestamp(), "", "When the file was last changed"),
        field("sha256", DataType::Utf8, "", "SHA-256 of its bytes"),
        field("device", DataType::Utf8, "", "The device whose export it is"),
        field("layout", DataType::Utf8, "", "Version of the device's layout that it follows"),
        field(
            "status",
            DataType::Utf8,
            "",
            "recognised, unknown, arriving: still being written, or unreadable: a file, folder or archive that can't be read",
        ),
        field("issue", DataType::Utf8, "", "Code of the issue, where the file is not recognised"),
        field("reason", DataType::Utf8, "", "Why the file is not recognised"),
        field("issues", list(DataType::Utf8), "", "What is wrong with its rows, each as code: how often"),
        field("rows", DataType::Int64, "", "Rows that it gives"),
        field("patient_ids", list(DataType::Utf8), "", "Keys of the patients whose exams it holds"),
        field("exam_ids", list(DataType::Utf8), "", "Keys of the visits"),
        field("eyes", list(DataType::Utf8), "", "Eyes: OD, OS"),
        field("exam_dates", list(DataType::Date32), "", "Days of the exams"),
        field("first_seen", timestamp(), "", "When it was first listed"),
    ]
}

fn column(name: &str, files: &[Arc<LakeFile>], facts: &[Option<Arc<Facts>>]) -> ArrayRef {
    let text = |value: &dyn Fn(&LakeFile) -> Option<String>| -> ArrayRef {
        Arc::new(files.iter().map(|file| value(file)).collect::<StringArray>())
    };
    let times = |value: &dyn Fn(&LakeFile) -> Option<i64>| -> ArrayRef {
        Arc::new(files.iter().map(|file| value(file)).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let of_facts = |value: &dyn Fn(&Facts) -> Option<String>| -> ArrayRef {
        Arc::new(facts.iter().map(|facts| value(facts.as_ref()?)).collect::<StringArray>())
    };
    let keys = |value: fn(&RowFacts) -> Option<&str>| -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for rows in facts.iter().map(|facts| rows(facts.as_deref())) {
            let values: Option<BTreeSet<&str>> = rows.map(|rows| rows.filter_map(value).collect());
            values.iter().flatten().for_each(|value| lists.values().append_value(value));
            lists.append(values.is_some());
        }
        Arc::new(lists.finish())
    };
    match name {
        "file_id" => text(&|file| Some(file.file_id.clone())),
        "extension" => text(&|file| {
            let extension = file.meta.location.extension().map(str::to_lowercase);
            extension.filter(|extension| EXTENSIONS.contains(&extension.as_str()))
        }),
        "size_bytes" => {
            let size = |file: &Arc<LakeFile>| i64::try_from(file.meta.size).ok().filter(|_| file.is_listed());
            Arc::new(files.iter().map(size).collect::<Int64Array>())
        }
        "modified" => times(&|file| file.is_listed().then(|| file.meta.last_modified.timestamp_micros())),
        "first_seen" => times(&|file| Some(file.first_seen_us)),
        "sha256" => of_facts(&|facts| Some(facts.content.as_ref()?.sha256.clone())),
        "device" => text(&|file| Some(file.device.as_ref().ok()?.name().to_owned())),
        "layout" => of_facts(&|facts| facts.tables.iter().find_map(|table| table.layout.clone())),
        "status" => text(&|file| Some(status(file.device.as_ref().err()).to_owned())),
        "issue" => text(&|file| Some(file.device.as_ref().err()?.code.as_str().to_owned())),
        "reason" => text(&|file| Some(file.device.as_ref().err()?.reason.clone())),
        "issues" => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for facts in facts {
                let found: Option<&BTreeMap<String, u64>> =
                    facts.as_ref().and_then(|facts| Some(&facts.content.as_ref()?.issues));
                for (code, count) in found.into_iter().flatten() {
                    lists.values().append_value(format!("{code}: {count}"));
                }
                lists.append(found.is_some());
            }
            Arc::new(lists.finish())
        }
        "rows" => {
            let count = |facts: &Option<Arc<Facts>>| {
                let counts = facts.as_ref()?.tables.iter().map(|table| table.count);
                i64::try_from(counts.sum::<u64>()).ok()
            };
            Arc::new(facts.iter().map(count).collect::<Int64Array>())
        }
        "patient_ids" => keys(|row| row.patient_id.as_deref()),
        "exam_ids" => keys(|row| row.exam_id.as_deref()),
        "eyes" => keys(|row| row.eye.as_deref()),
        _ => {
            let mut lists = ListBuilder::new(Date32Builder::new());
            for rows in facts.iter().map(|facts| rows(facts.as_deref())) {
                let days: Option<BTreeSet<i32>> = rows.map(|rows| rows.filter_map(|row| row.exam_date).collect());
                days.iter().flatten().for_each(|day| lists.values().append_value(*day));
                lists.append(days.is_some());
            }
            Arc::new(lists.finish())
        }
    }
}

/// The rows of a file, where they are noted.
fn rows(facts: Option<&Facts>) -> Option<impl Iterator<Item = &RowFacts>> {
    let tables = &facts?.tables;
    let noted = tables.iter().all(|table| table.rows.is_some());
    noted.then(|| tables.iter().flat_map(|table| table.rows.iter().flatten()))
}

fn status(refused: Option<&Refused>) -> &'static str {
    match refused.map(|refused| refused.code) {
        None => "recognised",
        Some(IssueCode::FileUnreadable | IssueCode::ArchiveUnreadable | IssueCode::ArchiveMemberRefused) => "unreadable",
        Some(IssueCode::FileArriving) => "arriving",
        Some(_) => "unknown",
    }
}
