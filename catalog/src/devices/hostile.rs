//! What every reader promises, whatever the bytes: checked by the ordinary tests on damaged exports, and by the fuzzers of
//! `catalog/fuzz`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};

pub use super::workbook::hostile::{Workbook, workbook_keeps_the_promises};
use crate::device::{Device, Reading, Request, Sample, Step, Table};

/// Bytes of a script for one edit.
const EDIT: usize = 8;
/// Edits of a script.
const MAX_EDITS: usize = 24;
/// What an edit may put in at once.
const MAX_RUN: usize = 1 << 16;
/// A damaged file is no larger.
const MAX_BYTES: usize = 8 << 20;

/// What the builder of a column takes before its first value, at most.
const FIRST_ROOM: usize = 1 << 15;

/// Tokens that have broken readers of tables elsewhere: marks, numbers beyond all bounds, quotes, sizes, line ends.
const TOKENS: [&[u8]; 24] = [
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"\0",
    b"\r\r\n",
    b"\r",
    b"\n\n\n\n",
    b"\"",
    b"\"\"\"\"",
    b";;;;;;;;;;;;;;;;",
    b"1e308",
    b"-1e-400",
    b"99999999999999999999999999999999999999999999999999999999999999999999",
    b"NaN",
    b"inf",
    b"-1000",
    b"-0",
    b"1000000000",
    b"4294967296",
    b"18446744073709551616",
    b"0x7f",
    b"31/02/2024",
    b"\xE2\x80\x8B",
    b"\xC3",
    b"[SYSTEM];;\r\nMatrixsize X;1000000000;\r\n",
];

/// `seed` damaged as `script` says: bytes flipped, parts deleted, doubled, moved and overwritten, long runs and tokens put in, the end
/// cut off. The same script gives the same file.
pub fn mutated(seed: &[u8], script: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for edit in script.chunks_exact(EDIT).take(MAX_EDITS) {
        let &[kind, a, b, c, d, e, f, byte] = edit else { break };
        let place = |high: u8, mid: u8, low: u8, bound: usize| {
            usize::from_le_bytes([low, mid, high, 0, 0, 0, 0, 0]) * bound.max(1) / (1 << 24)
        };
        let at = place(a, b, c, bytes.len() + 1);
        let length = (usize::from(d) << 8 | usize::from(e)).min(bytes.len() - at);
        match kind % 10 {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|target| *target ^= byte | 1),
            1 => drop(bytes.drain(at..at + length)),
            2 => {
                let part = bytes[at..at + length].to_vec();
                bytes.splice(at..at, part);
            }
            3 => {
                let part = bytes[at..at + length].to_vec();
                let to = place(f, byte, d, bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            4 => bytes[at..at + length].fill(byte),
            5 => drop(bytes.splice(at..at, std::iter::repeat_n(byte, usize::from(d) << 8 | usize::from(f)).take(MAX_RUN))),
            6 => drop(bytes.splice(at..at, TOKENS[usize::from(byte) % TOKENS.len()].iter().copied())),
            7 => {
                let token = TOKENS[usize::from(byte) % TOKENS.len()];
                let end = (at + usize::from(f % 8)).min(bytes.len());
                bytes.splice(at..end, token.iter().copied());
            }
            8 => {
                // A line lost, or a line twice.
                let start = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
                let end = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |end| at + end + 1);
                let line = bytes[start..end].to_vec();
                let again = if byte.is_multiple_of(2) { Vec::new() } else { line.repeat(2) };
                bytes.splice(start..end, again);
            }
            _ if byte < 64 => bytes.truncate(at),
            _ => {}
        }
        bytes.truncate(MAX_BYTES);
    }
    bytes
}

/// Reads `bytes` as [`keeps_its_promises_for`] does, of a device whose files stand for what they are and no more.
pub fn keeps_its_promises(device: &dyn Device, bytes: &[u8]) {
    keeps_its_promises_for(device, bytes, bytes.len());
}

/// Reads `bytes` as `device` with and without checks, all columns and each alone, and panics where a promise of the trait is
/// broken: at least one row, columns of the declared types and of one length, subjects and issues for every row, the same values
/// with and without checks and from the beginning alone, and memory in proportion to the bytes that the file stands for.
pub fn keeps_its_promises_for(device: &dyn Device, bytes: &[u8], held: usize) {
    let head = &bytes[..bytes.len().min(usize::try_from(Sample::LEN).unwrap())];
    let sample = Sample { head, size: bytes.len() as u64 };
    assert_eq!(device.recognises(&sample), device.recognises(&sample));
    for table in device.tables() {
        let all: Vec<usize> = (0..table.schema.fields().len()).collect();
        let checked = read(device, table, bytes, &all, true);
        let unchecked = read(device, table, bytes, &all, false);
        assert_eq!(checked.issues.len(), checked.rows, "{}", device.name());
        assert_eq!(checked.rows, unchecked.rows, "{}", device.name());
        assert_eq!(checked.layout, unchecked.layout, "{}", device.name());
        assert_eq!(checked.subjects, unchecked.subjects, "{}", device.name());
        assert!(same(&checked.columns, &unchecked.columns), "{}: checking changes a value", device.name());
        // Every row has its own cells, every file its text, every column the first room of its builder: nothing that a file only
        // announces.
        let row: usize = table.schema.fields().iter().map(|field| width(field.data_type())).sum();
        let memory: usize = checked.columns.iter().map(|column| column.get_buffer_memory_size()).sum();
        let bound = (all.len() + 1) * FIRST_ROOM + 8 * held + 4 * checked.rows * (row + 64);
        assert!(memory <= bound, "{}: {memory} bytes for a file of {}", device.name(), bytes.len());
        assert!(checked.rows <= 1 + held, "{}: {} rows", device.name(), checked.rows);
        parts_are_the_whole(device, table, bytes, &checked);
        // Some of the columns, and none.
        let some: Vec<usize> = all.iter().copied().filter(|column| (column + bytes.len()).is_multiple_of(5)).collect();
        let few = read(device, table, bytes, &some, false);
        let of_all: Vec<ArrayRef> = some.iter().map(|column| checked.columns[*column].clone()).collect();
        assert!(same(&few.columns, &of_all), "{}: a column differs when read alone", device.name());
        read(device, table, bytes, &[], false);
        // What is taken from the beginning alone is what the whole file gives.
        for columns in [&some, &Vec::new()] {
            let request = Request { table: table.name, columns, check: false };
            if let Some(from_head) = device.read_head(head, &request) {
                let whole = device.read(bytes, &request);
                assert_eq!(from_head.rows, whole.rows, "{}", device.name());
                assert_eq!(from_head.layout, whole.layout, "{}", device.name());
                assert_eq!(from_head.subjects, whole.subjects, "{}", device.name());
                assert!(same(&from_head.columns, &whole.columns), "{}: the head gives another value", device.name());
            }
        }
    }
}

/// The parts of a file that comes in pieces of so many bytes; nothing where the device reads no pieces of it.
pub fn in_pieces(device: &dyn Device, bytes: &[u8], request: &Request<'_>, rows: usize, piece: usize) -> Option<Vec<Reading>> {
    let head = &bytes[..bytes.len().min(usize::try_from(Sample::LEN).unwrap())];
    let mut reader = device.pieces(&Sample { head, size: bytes.len() as u64 }, request, rows)?;
    let (mut parts, mut at, mut passes) = (Vec::new(), 0, 0);
    loop {
        match reader.next() {
            Step::Part(part) => parts.push(part),
            Step::End => return Some(parts),
            Step::Again => {
                (at, passes) = (0, passes + 1);
                assert!(passes < 4, "{}: reads a file again and again", device.name());
            }
            Step::More => {
                assert!(at < bytes.len(), "{}: reads behind the end", device.name());
                let end = (at + piece).min(bytes.len());
                reader.take(&bytes[at..end], end == bytes.len());
                at = end;
            }
        }
    }
}

/// Reads a file in parts of a few rows, which together are `whole`.
fn parts_are_the_whole(device: &dyn Device, table: &Table, bytes: &[u8], whole: &Reading) {
    let columns: Vec<usize> = (0..table.schema.fields().len()).collect();
    let request = Request { table: table.name, columns: &columns, check: true };
    let rows = 2 + whole.rows / 3;
    let mut at = 0;
    for part in device.parts(bytes.to_vec().into(), &request, rows) {
        assert!(part.rows > 0, "{}", device.name());
        assert_eq!(part.layout, whole.layout, "{}", device.name());
        assert_eq!(part.subjects, whole.subjects[at..at + part.rows], "{}", device.name());
        assert_eq!(part.issues, whole.issues[at..at + part.rows], "{}", device.name());
        let own: Vec<ArrayRef> = whole.columns.iter().map(|column| column.slice(at, part.rows)).collect();
        assert!(same(&part.columns, &own), "{}: a part differs from the whole", device.name());
        at += part.rows;
    }
    assert_eq!(at, whole.rows, "{}", device.name());
    let pieces = (!bytes.is_empty()).then(|| in_pieces(device, bytes, &request, rows, 1 + bytes.len() / 5)).flatten();
    for part in pieces.iter().flatten() {
        assert!(part.rows > 0, "{}", device.name());
        assert_eq!((part.subjects.len(), part.issues.len()), (part.rows, part.rows), "{}", device.name());
    }
    assert!(pieces.is_none_or(|parts| !parts.is_empty()), "{}: pieces give no row", device.name());
}

/// Bytes that one row of a column takes at least.
fn width(data_type: &arrow::datatypes::DataType) -> usize {
    match data_type {
        arrow::datatypes::DataType::FixedSizeList(_, length) => usize::try_from(*length).unwrap_or(0) * 9,
        _ => 16,
    }
}

fn same(a: &[ArrayRef], b: &[ArrayRef]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.as_ref() == b.as_ref())
}

fn read(device: &dyn Device, table: &Table, bytes: &[u8], columns: &[usize], check: bool) -> Reading {
    let reading = device.read(bytes, &Request { table: table.name, columns, check });
    assert!(reading.rows > 0, "{} gives no row", device.name());
    assert_eq!(reading.subjects.len(), reading.rows, "{}", device.name());
    assert!(reading.issues.is_empty() || reading.issues.len() == reading.rows, "{}", device.name());
    let schema = table.schema.project(columns).unwrap();
    let options = RecordBatchOptions::new().with_row_count(Some(reading.rows));
    RecordBatch::try_new_with_options(schema.into(), reading.columns.clone(), &options).unwrap();
    reading
}

/// The readers of single fields: whatever they are given, and numbers that they print are numbers that they read.
pub fn fields_are_read(text: &str) {
    use super::{date, number, refraction, spreadsheet, text as words};
    if let Some(value) = number::parse(text) {
        assert!(value.is_finite());
        let printed = number::shortest(value, b'.');
        assert_eq!(number::parse(&printed).or(Some(value)), Some(value), "{printed}");
    }
    if let Some(readings) = date::Readings::of(text) {
        for order in [date::Order::Dmy, date::Order::Mdy] {
            assert!(readings.resolve(order).is_some());
        }
    }
    spreadsheet::mangled(text);
    refraction::parse(text);
    let label = words::label(text);
    assert_eq!(words::label(&label), label);
    words::words(text);
    crate::device::Eye::parse(text);
    let bytes = text.as_bytes();
    for delimiter in [b';', b','] {
        if let Some((shape, _)) = number::Shape::detect(bytes, b'.', delimiter) {
            shape.read(bytes, delimiter);
        }
    }
}

/// Exports of every device as a simulated hospital has them, sound and faulty: seeds for damage. `most` of each device.
pub fn seeds(patients: usize, most: usize) -> Vec<(&'static dyn Device, Vec<u8>)> {
    let dir = std::env::temp_dir().join(format!("placido-seeds-{}", std::process::id()));
    let hospital = crate::synthetic::Hospital { patients, seed: 5 };
    crate::synthetic::generate(&dir, &hospital, &|_| {}).unwrap();
    let mut files: Vec<std::path::PathBuf> = Vec::new();
    let mut folders = vec![dir.join("lake")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut seeds: Vec<(&'static dyn Device, Vec<u8>)> = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        let head = &bytes[..bytes.len().min(usize::try_from(Sample::LEN).unwrap())];
        let sample = Sample { head, size: bytes.len() as u64 };
        let surest = super::DEVICES.iter().copied().max_by_key(|device| device.recognises(&sample)).unwrap();
        if seeds.iter().filter(|(device, _)| device.name() == surest.name()).count() < most {
            seeds.push((surest, bytes));
        }
    }
    std::fs::remove_dir_all(dir).unwrap();
    seeds.push((&super::fhir::Fhir, include_bytes!("fhir/fixtures/resources.ndjson").to_vec()));
    // Devices that the hospital does not have: a row of nulls, as their own writer prints it.
    for device in super::DEVICES.iter().copied() {
        if !seeds.iter().any(|(known, _)| known.name() == device.name()) {
            let table = &device.tables()[0];
            let nulls = table.schema.fields().iter().map(|field| arrow::array::new_null_array(field.data_type(), 3));
            let rows = RecordBatch::try_new(table.schema.clone(), nulls.collect()).unwrap();
            seeds.extend(
                ["load", "fr", "phoenix", "r4"]
                    .iter()
                    .find_map(|layout| Some((device, device.write(table.name, &rows, layout).ok()?))),
            );
        }
    }
    seeds
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::DEVICES;
    use super::*;

    static SEEDS: LazyLock<Vec<(&'static dyn Device, Vec<u8>)>> = LazyLock::new(|| seeds(6, 2));

    #[test]
    fn every_device_has_a_seed_and_keeps_its_promises_on_it() {
        for device in DEVICES {
            let own: Vec<_> = SEEDS.iter().filter(|(known, _)| known.name() == device.name()).collect();
            assert!(!own.is_empty(), "{} has no file to damage", device.name());
            own.iter().for_each(|(device, bytes)| keeps_its_promises(*device, bytes));
        }
    }

    /// Files that announce what they do not hold, and shapes that make careless readers slow or hungry.
    #[test]
    fn what_a_file_only_announces_costs_nothing() {
        let long = |piece: &str, times: usize| piece.repeat(times).into_bytes();
        let eyetop =
            "Paziente :\nEsame :\nOcchio : True\nSIM-k : \nK1 = 43,67 D @ 121°\nK2 = 52,59 D @ 31°\nDato misurato : Elevazioni\n";
        let pairs = "Patient_ID;P1\nExam_Eye;OD\n";
        let files: Vec<Vec<u8>> = vec![
            format!("{eyetop}N° Anelli : 1000000000\nN° Semimeridiani : 1000000000\n0,5\n").into_bytes(),
            format!("{eyetop}N° Anelli : 24\nN° Semimeridiani : 18446744073709551616\n0,5\n").into_bytes(),
            format!("{eyetop}N° Anelli : -1\nN° Semimeridiani : 1e300\n0,5\n").into_bytes(),
            b"[SYSTEM];;\nName;Pentacam;\nMatrixsize X;1000000000;\nMatrixsize Y;1000000000;\n[PATIENT];;\nEye;OD;\n".to_vec(),
            b"placido corvis curves;1\nExam Eye:;OD\nFrame;Time [ms]\n4000000000;1\n1e300;2\n-5;3\n".to_vec(),
            [pairs.as_bytes(), b"CornealThickness [um]\n", &long("1;", 100_000)].concat(),
            [pairs.as_bytes(), &long("CornealThickness [um]\n1;1;1;1;1;1;1;1;1;1\n", 5_000)].concat(),
            [pairs.as_bytes(), &long("Unknown_Map [mm]\n1;1;1;1;1;1;1;1;1;1\n", 5_000)].concat(),
            [pairs.as_bytes(), &long("Key;value\n", 30_000)].concat(),
            [b"FRONT".as_slice(), &long(";-7.000", 60_000), b"\n7.000;1\n"].concat(),
            long(&format!("FRONT{}\n", ";-7.000".repeat(20)), 5_000),
            [b"IPP;Nom;Oeil;AVSC;AVAC;Sph\xe8re;Cylindre;Axe;Diagnostic\n".as_slice(), &long("\"", 100_000)].concat(),
            [b"IPP;Nom;Oeil;AVSC;AVAC;Sph\xe8re;Cylindre;Axe;Diagnostic\n".as_slice(), &long("\"\n", 100_000)].concat(),
            [b"IPP;Nom;Oeil;AVSC;AVAC;Sph\xe8re;Cylindre;Axe;Diagnostic\n".as_slice(), &long("1;\"a\"\"b;", 30_000)].concat(),
            format!(
                "{{\"resourceType\":\"Observation\",\"code\":{{\"coding\":[{{\"code\":\"98497-1\"}}]}},\"component\":[{}]}}",
                vec!["{\"code\":{\"coding\":[{\"code\":\"65893-0\"}]},\"valueString\":\"20/25\"}"; 600].join(",")
            )
            .into_bytes(),
            long("a;", 100_000),
            long("\n", 100_000),
            long("9", 200_000),
            long("\u{feff}", 100_000),
        ];
        for bytes in files {
            for device in DEVICES {
                keeps_its_promises(*device, &bytes);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn damaged_exports_keep_the_promises(seed: prop::sample::Index, script in prop::collection::vec(any::<u8>(), 8..120)) {
            let (device, bytes) = &SEEDS[seed.index(SEEDS.len())];
            keeps_its_promises(*device, &mutated(bytes, &script));
        }

        /// A file is offered to every device, whose ever it is.
        #[test]
        fn exports_of_others_keep_the_promises(seed: prop::sample::Index, reader: prop::sample::Index, script in prop::collection::vec(any::<u8>(), 0..40)) {
            let (_, bytes) = &SEEDS[seed.index(SEEDS.len())];
            keeps_its_promises(DEVICES[reader.index(DEVICES.len())], &mutated(bytes, &script));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn damaged_workbooks_keep_the_promises(book in 0..8usize, part: u8, script in prop::collection::vec(any::<u8>(), 0..60)) {
            static WORKBOOKS: LazyLock<Vec<Workbook>> = LazyLock::new(Workbook::all);
            workbook_keeps_the_promises(&WORKBOOKS[book].damaged(usize::from(part), &script));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_keep_the_promises(reader: prop::sample::Index, bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            keeps_its_promises(DEVICES[reader.index(DEVICES.len())], &bytes);
        }

        #[test]
        fn any_field_is_read(text in "\\PC{0,40}", numeric in "[-+−]?[0-9., eE]{0,80}", dated in "[0-9]{0,4}[-/. T]{0,2}[0-9]{0,4}[-/. ]?[0-9]{0,6}") {
            for text in [text, numeric, dated] {
                fields_are_read(&text);
            }
        }
    }
}
