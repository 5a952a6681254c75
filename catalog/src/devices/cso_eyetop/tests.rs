//! Tests of the EyeTop reader and writer: on a sample put together here, and on real exports where they are at hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use proptest::prelude::*;

use super::super::layout;
use super::super::testing::{cells, codes, damage, damaged, differing, number, only_table, project, quoted, read};
use super::{CsoEyetop, EyeFlag, Layout, NAME, reader};
use crate::device::{Confidence, Device, Eye, Request, Sample};
use crate::issue::IssueCode::{self, *};

/// Issues of every file of this kind: it names neither patient, nor eye, nor day in a documented way.
const ALWAYS: [IssueCode; 3] = [PatientMissing, EyeMissing, DateMissing];

const HEADER: &str = "Paziente :\r\nEsame :\r\nOcchio : True\r\n----\r\nNote : prova\r\n----\r\nSIM-k : \r\nK1 = 43,67 D @ 121°\r\nK2 = 52,59 D @ 31°\r\n----\r\nDiametro Corneale = 14\r\nDecentramento Pupillare Orizzontale = 0\r\nDecentramento Pupillare Verticale = -1\r\nDiametro Pupillare Medio = 3\r\nPotere Pupillare Medio = 7,65 D\r\n----\r\nsph -1000 cyl -1000 ax -1000 @ -1000\r\n----\r\nDato misurato : Elevazioni\r\nN° Anelli : 24\r\nN° Semimeridiani : 256\r\n----\r\n";

/// Radii and heights of a sphere of 7.8 mm as lines; every 50th cell of the outer twelve rings is missing.
fn lines() -> Vec<String> {
    let gone = |cell: usize| cell >= 12 * 256 && cell.is_multiple_of(50);
    let rho = |cell: usize| 0.2 + (cell / 256) as f64 * 0.21 + (cell % 256) as f64 * 1e-5;
    let radii = (0..6144).map(|cell| if gone(cell) { "-1".to_owned() } else { rho(cell).to_string().replace('.', ",") });
    let heights = (0..6144).map(|cell| {
        if gone(cell) {
            "-1".to_owned()
        } else {
            ((7.8f64.powi(2) - rho(cell).powi(2)).sqrt() - 7.8).to_string().replace('.', ",")
        }
    });
    radii.chain(heights).collect()
}

fn file(lines: &[String]) -> String {
    HEADER.chars().chain(lines.iter().flat_map(|line| line.chars().chain("\r\n".chars()))).collect()
}

fn extra_issues(text: &str) -> Vec<IssueCode> {
    let (_, reading) = read(&CsoEyetop, text.as_bytes());
    let issues = codes(&reading, 0);
    assert_eq!(issues[..3], ALWAYS);
    issues[3..].to_vec()
}

#[test]
fn header_and_cells_are_read() {
    let (batch, reading) = read(&CsoEyetop, file(&lines()).as_bytes());
    assert_eq!(codes(&reading, 0), ALWAYS);
    let expected = [
        ("sim_k1_d", 43.67),
        ("sim_k1_axis_deg", 121.0),
        ("sim_k2_d", 52.59),
        ("sim_k2_axis_deg", 31.0),
        ("corneal_diameter_mm", 14.0),
        ("pupil_decentration_x", 0.0),
        ("pupil_decentration_y", -1.0),
        ("pupil_diameter_mm", 3.0),
        ("pupil_power_d", 7.65),
    ];
    for (column, value) in expected {
        assert_eq!(number(&batch, column, 0), Some(value), "{column}");
    }
    assert_eq!(number(&batch, "sphere_d", 0), None);
    assert!(batch.column_by_name("occhio").unwrap().as_boolean().value(0));
    assert!(batch.column_by_name("eye").unwrap().is_null(0));
    assert_eq!(batch.column_by_name("rings").unwrap().as_primitive::<Int32Type>().value(0), 24);
    let (rho, z) = (cells(&batch, "rho_mm", 0).unwrap(), cells(&batch, "z_mm", 0).unwrap());
    for (cell, line) in lines().iter().enumerate() {
        let expected = (line != "-1").then(|| line.replace(',', ".").parse::<f64>().unwrap());
        assert_eq!(if cell < 6144 { rho[cell] } else { z[cell - 6144] }, expected);
    }
}

#[test]
fn name_and_day_are_read_where_they_stand_and_written_back() {
    let text = file(&lines()).replace("Paziente :", "Paziente : PROVA").replace("Esame :", "Esame : 26/03/2024");
    let (batch, reading) = read(&CsoEyetop, text.as_bytes());
    assert_eq!(codes(&reading, 0), [PatientMissing, EyeMissing]);
    assert_eq!(reading.subjects[0].exam_date.unwrap().to_string(), "2024-03-26");
    let again = read(&CsoEyetop, &CsoEyetop.write(NAME, &batch, "placido-it").unwrap()).0;
    assert_eq!(differing(&batch, &again), Vec::<String>::new());
}

/// The maker's other sign for a cell that was not measured, in both of its numbers; in one of them it is a fault.
#[test]
fn minus_a_thousand_is_no_cell_either() {
    let good = read(&CsoEyetop, file(&lines()).as_bytes()).0;
    let other: Vec<String> = lines().into_iter().map(|line| if line == "-1" { "-1000".to_owned() } else { line }).collect();
    let (batch, reading) = read(&CsoEyetop, file(&other).as_bytes());
    assert_eq!(codes(&reading, 0), ALWAYS);
    assert_eq!(differing(&good, &batch), Vec::<String>::new());
    let mut one = lines();
    one[300] = "-1000".to_owned();
    assert_eq!(extra_issues(&file(&one)), [CellOutOfRange]);
    // The first sign is the one that is written.
    let written = CsoEyetop.write(NAME, &batch, "placido-it").unwrap();
    assert!(!String::from_utf8(written).unwrap().lines().any(|line| line == "-1000"));
}

/// Which eye the flag means is not documented; a site that knows it says so in the layout.
#[test]
fn the_flag_is_an_eye_where_the_layout_names_it() {
    let mut layout: Layout = layout::parse(NAME, include_str!("layout.toml")).unwrap();
    layout.eye = EyeFlag { when_true: "OD".to_owned(), when_false: "OS".to_owned() };
    let table = only_table(&CsoEyetop);
    let columns = [table.schema.index_of("eye").unwrap()];
    let request = Request { table: NAME, columns: &columns, check: true };
    for (flag, eye) in [("True", Some(Eye::Od)), ("False", Some(Eye::Os)), ("?", None)] {
        let text = file(&lines()).replace("Occhio : True", &format!("Occhio : {flag}"));
        let reading = reader::read(&layout, &table.schema, text.as_bytes(), &request);
        assert_eq!(reading.subjects[0].eye, eye, "{flag}");
        assert_eq!(codes(&reading, 0).contains(&EyeMissing), eye.is_none(), "{flag}");
    }
}

#[test]
fn a_height_of_minus_one_is_a_height() {
    let mut changed = lines();
    changed[6144 + 300] = "-1".to_owned();
    let (batch, _) = read(&CsoEyetop, file(&changed).as_bytes());
    assert_eq!(cells(&batch, "z_mm", 0).unwrap()[300], Some(-1.0));
    assert!(cells(&batch, "rho_mm", 0).unwrap()[300].is_some());
}

#[test]
fn faults_are_named() {
    let with = |edit: &dyn Fn(&mut Vec<String>)| {
        let mut all = lines();
        edit(&mut all);
        extra_issues(&file(&all))
    };
    assert_eq!(with(&|all| all[300] = "x".into()), [CellUnreadable]);
    assert_eq!(with(&|all| all[0] = "x".into()), [CellUnreadable]);
    assert_eq!(with(&|all| all[300] = "99,5".into()), [CellOutOfRange]);
    assert_eq!(with(&|all| all[300] = "-1".into()), [CellOutOfRange]);
    assert_eq!(with(&|all| all.push("0,5".into())), [CellsExtra]);
    assert_eq!(with(&|all| all.truncate(9000)), [FileTruncated, RingsUnplaced]);
    assert_eq!(with(&|all| all.clear()), [DataAbsent]);
    assert_eq!(with(&|all| all.fill("-1".into())), [MapEmpty]);
    assert_eq!(
        with(&|all| (0..256).for_each(|at| {
            all[512 + at] = "-1".into();
            all[6144 + 512 + at] = "-1".into();
        })),
        [RingMissing]
    );
    assert_eq!(
        with(&|all| (0..2600).for_each(|at| {
            all[at * 2] = "-1".into();
            all[6144 + at * 2] = "-1".into();
        })),
        [CellsMissing]
    );
    assert_eq!(
        with(&|all| all.iter_mut().skip(6144).filter(|line| *line != "-1").for_each(|line| *line = "-0,5".into())),
        [MapConstant]
    );
    assert_eq!(extra_issues(&file(&lines()).replace("Anelli : 24", "Anelli : 99999999")), [LayoutUnknown]);
    assert_eq!(extra_issues(&file(&lines()).replace("K1 = 43,67", "K1 = 4367")), [ValueOutOfRange]);
    assert_eq!(extra_issues(&file(&lines()).replace("K1 = 43,67", "K1 = ?")), [NumberUnreadable]);
}

#[test]
fn a_cut_number_is_not_taken() {
    let text = file(&lines());
    let cut = text.len() - 5;
    let (batch, reading) = read(&CsoEyetop, &text.as_bytes()[..cut - 12288]);
    assert!(codes(&reading, 0).contains(&FileTruncated));
    let (rho, z) = (cells(&batch, "rho_mm", 0).unwrap(), cells(&batch, "z_mm", 0).unwrap());
    let last = z.iter().rposition(Option::is_some).unwrap();
    let expected = lines()[6144 + last].replace(',', ".").parse::<f64>().unwrap();
    assert_eq!(z[last], Some(expected));
    assert!(rho[6143].is_some());
}

#[test]
fn harmless_variants() {
    let good = read(&CsoEyetop, file(&lines()).as_bytes()).0;
    let text = file(&lines());
    for variant in [
        text.replace("\r\n", "\n"),
        text.replace("\r\n", "\r\r\n"),
        format!("\u{feff}{text}"),
        text.trim_end().to_owned(),
        text.replace("----", "--------------------------------------------------------"),
        text.replace("\r\n", "\n\n"),
    ] {
        assert_eq!(differing(&good, &read(&CsoEyetop, variant.as_bytes()).0), Vec::<String>::new());
    }
    let latin: Vec<u8> = text.chars().map(|c| u32::from(c) as u8).collect();
    assert_eq!(differing(&good, &read(&CsoEyetop, &latin).0), Vec::<String>::new());
}

#[test]
fn fewer_rings_fill_the_inner_ones() {
    let text: String =
        HEADER.replace("Anelli : 24", "Anelli : 2") + &"0,5\r\n".repeat(512) + &"-0,1\r\n".repeat(511) + "-0,2\r\n";
    let (batch, _) = read(&CsoEyetop, text.as_bytes());
    let rho = cells(&batch, "rho_mm", 0).unwrap();
    assert_eq!((rho[511], rho[512], rho.len()), (Some(0.5), None, 6144));
}

#[test]
fn some_columns_are_read_as_if_all_were() {
    let text = file(&lines());
    let all = read(&CsoEyetop, text.as_bytes()).0;
    let some = project(&CsoEyetop, text.as_bytes(), &["z_mm", "occhio"]);
    assert_eq!(some.column(0), all.column_by_name("z_mm").unwrap());
    assert_eq!(some.column(1), all.column_by_name("occhio").unwrap());
}

#[test]
fn recognition_is_by_content() {
    let is = |text: &str| CsoEyetop.recognises(&Sample { head: text.as_bytes(), size: text.len() as u64 });
    assert_eq!(is(HEADER), Confidence::Certain);
    assert_eq!(is("Paziente :\nEsame :\nOcchio : False\n"), Confidence::Likely);
    assert_eq!(is("Patient_ID;1\n"), Confidence::No);
}

/// Real exports, read in place; `None` where they are not at hand.
fn real(name: &str) -> Option<Vec<u8>> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/realdata/cso-eyetop").join(name);
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        println!("skipped: no real export at ../shared/realdata/cso-eyetop");
    }
    bytes
}

/// Keratometry as it stands in the files; missing cells counted by `awk` on the lines below the header.
#[test]
fn real_exports_are_read() {
    for (name, k1, k2, missing) in
        [("K01.txt", 43.67, 52.59, 1292), ("N01.txt", 41.46, 41.98, 760), ("S01.txt", 40.94, 44.73, 938)]
    {
        let Some(bytes) = real(name) else { return };
        let (batch, reading) = read(&CsoEyetop, &bytes);
        assert_eq!(codes(&reading, 0), ALWAYS, "{name}");
        assert_eq!((number(&batch, "sim_k1_d", 0), number(&batch, "sim_k2_d", 0)), (Some(k1), Some(k2)));
        let (rho, z) = (cells(&batch, "rho_mm", 0).unwrap(), cells(&batch, "z_mm", 0).unwrap());
        assert_eq!(rho.iter().filter(|cell| cell.is_none()).count(), missing);
        assert_eq!(z.iter().filter(|cell| cell.is_none()).count(), missing);
        // A corneal radius from each cell: (rho^2 + z^2) / (2 |z|), between 5 and 10 mm for any eye.
        for (rho, z) in rho.iter().zip(&z).filter_map(|(rho, z)| rho.zip(*z)) {
            let radius = (rho * rho + z * z) / (2.0 * z.abs());
            assert!((5.0..10.0).contains(&radius), "{name}: {radius}");
        }
    }
}

#[test]
fn real_exports_are_written_back_byte_for_byte() {
    for name in ["K01.txt", "N01.txt", "S01.txt"] {
        let Some(bytes) = real(name) else { return };
        let batch = read(&CsoEyetop, &bytes).0;
        let written = CsoEyetop.write(NAME, &batch, "placido-it").unwrap();
        let line = written.split(|b| *b == b'\n').zip(bytes.split(|b| *b == b'\n')).position(|(a, b)| a != b);
        assert_eq!((line, written.len()), (None, bytes.len()), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn damaged_files_are_read_without_panic(damage in damage()) {
        read(&CsoEyetop, &damaged(file(&lines()).as_bytes(), &damage));
    }

    #[test]
    fn any_lines_are_read_without_panic(lines in prop::collection::vec("(K1 = [0-9,]{0,5} D @|Paziente :|N° Anelli : [0-9]{0,12}|[-0-9,]{0,12}|[ -~]{0,20})", 0..60), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&CsoEyetop, lines.join("\n").as_bytes());
        read(&CsoEyetop, &bytes);
    }
}

#[test]
fn what_is_written_is_read() {
    let exam = read(&CsoEyetop, file(&lines()).as_bytes()).0;
    let (batch, _) = read(&CsoEyetop, &CsoEyetop.write(NAME, &exam, "placido-it").unwrap());
    assert_eq!(differing(&exam, &batch), Vec::<String>::new());
}

#[test]
fn what_a_spreadsheet_saved_again_reads_as_the_original() {
    let text = file(&lines());
    let good = read(&CsoEyetop, text.as_bytes()).0;
    for again in [quoted(&text, ';'), quoted(&text, '|'), text.replace("\r\n", ";;;\r\n"), text.replace("\r\n", "\t\r\n")] {
        let (batch, reading) = read(&CsoEyetop, again.as_bytes());
        assert_eq!((codes(&reading, 0), differing(&good, &batch)), (ALWAYS.to_vec(), vec![]));
        let head = &again.as_bytes()[..16_384];
        assert_eq!(CsoEyetop.recognises(&Sample { head, size: again.len() as u64 }), Confidence::Certain);
    }
}

/// Radii and heights stand by their numbers alone: one that is lost would give every later cell the values of its neighbour.
#[test]
fn a_number_that_is_lost_gives_no_cell_the_values_of_another() {
    let good = read(&CsoEyetop, file(&lines()).as_bytes()).0;
    let column = |batch: &RecordBatch, name: &str| cells(batch, name, 0).unwrap();
    for lost in [0, 978, 6143, 6144, 9000] {
        let mut all = lines();
        all.remove(lost);
        let (batch, reading) = read(&CsoEyetop, file(&all).as_bytes());
        assert_eq!(codes(&reading, 0)[3..], [FileTruncated, RingsUnplaced], "{lost}");
        for name in ["rho_mm", "z_mm"] {
            let kept = name == "rho_mm" && lost >= 6144;
            for (good, found) in column(&good, name).iter().zip(column(&batch, name)) {
                assert!(if kept { found == *good } else { found.is_none() }, "{lost} {name}");
            }
        }
    }
    // One too many, likewise.
    let mut all = lines();
    all.insert(978, all[977].clone());
    let (batch, reading) = read(&CsoEyetop, file(&all).as_bytes());
    assert_eq!(codes(&reading, 0)[3..], [CellsExtra, RingsUnplaced]);
    assert!(column(&batch, "rho_mm").iter().all(Option::is_none));
    let mut all = lines();
    all.insert(9000, all[8999].clone());
    let (batch, reading) = read(&CsoEyetop, file(&all).as_bytes());
    assert_eq!(codes(&reading, 0)[3..], [CellsExtra, RingsUnplaced]);
    assert_eq!(column(&batch, "rho_mm"), column(&good, "rho_mm"));
    assert!(column(&batch, "z_mm").iter().all(Option::is_none));
}
