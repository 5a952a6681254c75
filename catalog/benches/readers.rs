//! How fast an MS-39 file of about 1 MB and a Pentacam file of about 120 kB are read and written on one core, next to the `csv`
//! crate with the standard library's number parser on the same bytes in the same run.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, FixedSizeListArray, Float64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::DataType;
use criterion::{Criterion, Throughput};
use placido_catalog::device::{Device, Reading, Request, Table};
use placido_catalog::devices::ms39::MS39;
use placido_catalog::devices::pentacam::Pentacam;

const RINGS: usize = 31;
const MERIDIANS: usize = 256;

fn table() -> &'static Table {
    MS39.tables().first().unwrap()
}

/// An exam with maps on 26 of 31 rings, cells as wide as real ones: radii, powers, heights and thicknesses.
fn exam() -> RecordBatch {
    let columns = table().schema.fields().iter().map(|field| -> ArrayRef {
        let DataType::FixedSizeList(item, length) = field.data_type() else {
            return new_null_array(field.data_type(), 1);
        };
        let centre = match field.name().as_str() {
            name if name.ends_with("thickness_um") => 540.0,
            name if name.starts_with("refractive_power_posterior") => -6.2,
            name if name.starts_with("refractive_power") => 43.0,
            name if name.starts_with("elevation") => 0.05,
            _ => 7.8,
        };
        let cell = |at: usize| (at < 26 * MERIDIANS).then(|| centre * (1.0 + (at as f64 * 0.7).sin() / 50.0));
        let cells: Float64Array = (0..RINGS * MERIDIANS).map(cell).collect();
        Arc::new(FixedSizeListArray::new(Arc::clone(item), *length, Arc::new(cells), None))
    });
    RecordBatch::try_new(Arc::clone(&table().schema), columns.collect()).unwrap()
}

fn read(bytes: &[u8], columns: &[usize], check: bool) -> Reading {
    MS39.read(bytes, &Request { table: table().name, columns, check })
}

/// What a program without a reader of its own would do: split with the `csv` crate, parse each field with the standard library.
fn peer(bytes: &[u8]) -> Vec<f64> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').has_headers(false).flexible(true).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut cells = Vec::with_capacity(16 * RINGS * MERIDIANS);
    while reader.read_byte_record(&mut record).unwrap() {
        if record.len() == MERIDIANS {
            cells.extend(record.iter().map(|field| std::str::from_utf8(field).unwrap().parse::<f64>().unwrap()));
        }
    }
    cells
}

/// A curvature export of the Pentacam: two grids of 141 × 141 cells, measured within 5.5 mm of the apex as real ones are.
fn pentacam() -> Vec<u8> {
    const SIZE: usize = 141;
    let table = Pentacam.tables().first().unwrap();
    let columns = table.schema.fields().iter().map(|field| -> ArrayRef {
        match (field.name().as_str(), field.data_type()) {
            ("export_kind", _) => Arc::new(StringArray::from(vec!["curvature"])),
            ("sagittal_anterior_mm" | "sagittal_posterior_mm", DataType::FixedSizeList(item, length)) => {
                let cell = |at: usize| {
                    let (x, y) = ((at % SIZE) as f64 / 10.0 - 7.0, 7.0 - (at / SIZE) as f64 / 10.0);
                    (x.hypot(y) < 5.5).then_some(7.4 + 0.02 * (x * x + y * y))
                };
                let cells: Float64Array = (0..SIZE * SIZE).map(cell).collect();
                Arc::new(FixedSizeListArray::new(Arc::clone(item), *length, Arc::new(cells), None))
            }
            (_, data_type) => new_null_array(data_type, 1),
        }
    });
    let exam = RecordBatch::try_new(Arc::clone(&table.schema), columns.collect()).unwrap();
    Pentacam.write("pentacam", &exam, "1.16").unwrap()
}

/// Median time of alternating runs, so that a change of the machine's pace meets both sides.
fn medians(runs: usize, sides: &mut [&mut dyn FnMut()]) -> Vec<Duration> {
    let mut times = vec![Vec::with_capacity(runs); sides.len()];
    for _ in 0..runs {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let start = Instant::now();
            side();
            times.push(start.elapsed());
        }
    }
    times
        .iter_mut()
        .map(|times| {
            times.sort_unstable();
            times[runs / 2]
        })
        .collect()
}

fn main() {
    let exam = exam();
    let bytes = MS39.write("ms39", &exam, "2025").unwrap();
    let all: Vec<usize> = (0..table().schema.fields().len()).collect();
    let one = [table().schema.index_of("corneal_thickness_um").unwrap()];
    let preamble = [table().schema.index_of("patient_number").unwrap(), table().schema.index_of("exam_date").unwrap()];
    assert_eq!(peer(&bytes).len(), 16 * RINGS * MERIDIANS);

    // Other programs read the same bytes: benches/reader_peers.py.
    let grids = pentacam();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "../target".into(), std::path::PathBuf::from);
    let folder = target.join("placido-bench");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ms39.csv"), &bytes).unwrap();
    std::fs::write(folder.join("pentacam.csv"), &grids).unwrap();

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("ms39");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("all_maps", |b| b.iter(|| read(black_box(&bytes), &all, false)));
    group.bench_function("all_maps_checked", |b| b.iter(|| read(black_box(&bytes), &all, true)));
    group.bench_function("one_map", |b| b.iter(|| read(black_box(&bytes), &one, false)));
    group.bench_function("preamble", |b| b.iter(|| read(black_box(&bytes), &preamble, false)));
    group.bench_function("write", |b| b.iter(|| MS39.write("ms39", black_box(&exam), "2025").unwrap()));
    group.bench_function("peer_csv_and_std", |b| b.iter(|| peer(black_box(&bytes))));
    group.finish();

    let table = Pentacam.tables().first().unwrap();
    let read_grids = |columns: &[usize], check| Pentacam.read(black_box(&grids), &Request { table: table.name, columns, check });
    let whole: Vec<usize> = (0..table.schema.fields().len()).collect();
    let header = [table.schema.index_of("eye").unwrap(), table.schema.index_of("k_max_front_d").unwrap()];
    let mut group = criterion.benchmark_group("pentacam");
    group.throughput(Throughput::Bytes(grids.len() as u64));
    group.bench_function("all_columns", |b| b.iter(|| read_grids(&whole, false)));
    group.bench_function("all_columns_checked", |b| b.iter(|| read_grids(&whole, true)));
    group.bench_function("header", |b| b.iter(|| read_grids(&header, false)));
    group.finish();
    criterion.final_summary();

    let medians = medians(
        101,
        &mut [
            &mut || drop(black_box(read(&bytes, &all, false))),
            &mut || drop(black_box(read(&bytes, &one, false))),
            &mut || drop(black_box(read(&bytes, &preamble, false))),
            &mut || drop(black_box(peer(&bytes))),
        ],
    );
    let [whole, one, preamble, peer] = medians.as_slice() else { return };
    let ratio = |a: &Duration, b: &Duration| a.as_secs_f64() / b.as_secs_f64();
    println!("{} bytes: all maps {whole:?}, one map {one:?}, preamble {preamble:?}, csv crate and std {peer:?}", bytes.len());
    println!(
        "all maps {:.1} times as fast as the csv crate and std; one map {:.1} times as fast as all maps",
        ratio(peer, whole),
        ratio(whole, one)
    );
}
