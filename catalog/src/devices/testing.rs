//! What the tests of all devices share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Float64Type, Schema};
use proptest::prelude::*;

use super::hostile::in_pieces;
use crate::device::{Device, Reading, Request, Table};
use crate::issue::IssueCode;

/// Reads all columns of the device's only table and checks what the trait promises about shapes.
pub(crate) fn read(device: &dyn Device, bytes: &[u8]) -> (RecordBatch, Reading) {
    let table = only_table(device);
    let columns: Vec<usize> = (0..table.schema.fields().len()).collect();
    let reading = device.read(bytes, &Request { table: table.name, columns: &columns, check: true });
    assert!(reading.rows > 0);
    assert_eq!(reading.issues.len(), reading.rows);
    assert_eq!(reading.subjects.len(), reading.rows);
    let batch = RecordBatch::try_new(table.schema.clone(), reading.columns.clone()).unwrap();
    assert_eq!(batch.num_rows(), reading.rows);
    (batch, reading)
}

/// Reads a file in pieces of many sizes, and checks that what comes is what the whole file gives.
pub(crate) fn pieces_are_the_whole(device: &dyn Device, bytes: &[u8]) {
    let table = only_table(device);
    let columns: Vec<usize> = (0..table.schema.fields().len()).collect();
    let request = Request { table: table.name, columns: &columns, check: true };
    let whole = device.read(bytes, &request);
    for (piece, rows) in [(1, 1), (7, 3), (4096, 100), (70_000, 8192), (bytes.len(), 8192)] {
        let mut at = 0;
        for part in in_pieces(device, bytes, &request, rows, piece).unwrap() {
            assert_eq!(part.layout, whole.layout, "{piece}: {:?}, {:?}", part.issues.first(), whole.issues.first());
            assert_eq!(part.subjects, whole.subjects[at..at + part.rows], "{piece}");
            assert_eq!(part.issues, whole.issues[at..at + part.rows], "{piece}");
            for (column, array) in part.columns.iter().enumerate() {
                assert_eq!(array, &whole.columns[column].slice(at, part.rows), "{piece}");
            }
            at += part.rows;
        }
        assert_eq!(at, whole.rows, "{piece}");
    }
}

/// Reads some columns by name, without checks.
pub(crate) fn project(device: &dyn Device, bytes: &[u8], names: &[&str]) -> RecordBatch {
    let table = only_table(device);
    let columns: Vec<usize> = names.iter().map(|name| table.schema.index_of(name).unwrap()).collect();
    let reading = device.read(bytes, &Request { table: table.name, columns: &columns, check: false });
    let fields: Vec<_> = columns.iter().map(|&i| table.schema.field(i).clone()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(reading.rows));
    RecordBatch::try_new_with_options(Schema::new(fields).into(), reading.columns, &options).unwrap()
}

pub(crate) fn only_table(device: &dyn Device) -> &Table {
    let [table] = device.tables() else { panic!("one table expected") };
    table
}

/// Codes of the issues of a row.
pub(crate) fn codes(reading: &Reading, row: usize) -> Vec<IssueCode> {
    reading.issues[row].iter().map(|issue| issue.code).collect()
}

pub(crate) fn text(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let array = batch.column_by_name(column).unwrap().as_string::<i32>();
    array.is_valid(row).then(|| array.value(row).to_owned())
}

pub(crate) fn number(batch: &RecordBatch, column: &str, row: usize) -> Option<f64> {
    let array = batch.column_by_name(column).unwrap().as_primitive::<Float64Type>();
    array.is_valid(row).then(|| array.value(row))
}

/// The date of a row as `yyyy-mm-dd`.
pub(crate) fn day(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let array = batch.column_by_name(column).unwrap().as_primitive::<arrow::datatypes::Date32Type>();
    array.is_valid(row).then(|| array.value_as_date(row).unwrap().to_string())
}

/// Cells of a map; `None` where the map is null.
pub(crate) fn cells(batch: &RecordBatch, column: &str, row: usize) -> Option<Vec<Option<f64>>> {
    let lists = batch.column_by_name(column).unwrap().as_fixed_size_list();
    lists.is_valid(row).then(|| lists.value(row).as_primitive::<Float64Type>().iter().collect())
}

/// Columns whose values differ between two batches of the same schema.
pub(crate) fn differing(a: &RecordBatch, b: &RecordBatch) -> Vec<String> {
    let schema = a.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    names.filter(|name| a.column_by_name(name).unwrap().as_ref() != b.column_by_name(name).unwrap().as_ref()).collect()
}

/// Numbers without an order that one could see, from 0 up, the same for the same seed.
pub(crate) fn draws(seed: u64) -> impl FnMut() -> i64 {
    let mut state = seed | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64
    }
}

/// Damage to a file: bytes put in place of others, then a cut.
pub(crate) fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, Option<prop::sample::Index>)> {
    let bytes = prop_oneof![any::<u8>(), prop::sample::select(b";,\"\r\n.-0 #A\0".to_vec())];
    (prop::collection::vec((any::<prop::sample::Index>(), bytes), 0..40), prop::option::of(any::<prop::sample::Index>()))
}

pub(crate) fn damaged(good: &[u8], (edits, cut): &(Vec<(prop::sample::Index, u8)>, Option<prop::sample::Index>)) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for (at, byte) in edits {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}

/// A text as a spreadsheet saves it again: every line padded with delimiters to the widest.
pub(crate) fn padded(text: &str, delimiter: char) -> String {
    let width = text.lines().map(|line| line.matches(delimiter).count()).max().unwrap_or(0);
    let pad = |line: &str| delimiter.to_string().repeat(width - line.matches(delimiter).count());
    text.lines().map(|line| format!("{line}{}\r\n", pad(line))).collect()
}

/// A text as programs save it that put every field in quotes.
pub(crate) fn quoted(text: &str, delimiter: char) -> String {
    let field = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
    let line = |line: &str| line.split(delimiter).map(field).collect::<Vec<_>>().join(&delimiter.to_string());
    text.lines().map(|text| line(text) + "\r\n").collect()
}

/// A text as a spreadsheet saves it again, in all ways.
pub(crate) fn resaved(text: &str, delimiter: char) -> [String; 3] {
    [padded(text, delimiter), quoted(text, delimiter), quoted(&padded(text, delimiter), delimiter)]
}
