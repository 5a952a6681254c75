//! Tests of the tables of exams. The header rows are those of real exports; the rows are made up.

use super::super::super::sheet::SheetTable;
use super::super::tables::{ECTASIA, INDICES, SUMMARY, ZERNIKE};
use super::*;

const FIRST: &str = "Last Name:;First Name:;Pat-ID:;D.o.Birth:;Exam Date:;Exam Time:;Exam Eye:;Exam Type:;Exam Comment:";
const FIRST_ROW: &str = "DÉMO;ZOÉ;P01;14/07/1990;26/03/2024;15:27:01;Right;Pentacam;";
const ECTASIA_HEADER: &str = "Status:;Error:;Comment1:;Comment2:;Comment3:;Comment4:;Comment5:;K1 (D):;K2 (D):;Axis (K1):;Astig (D):;BAD D Reference Database:;BAD Df:;BAD Db:;BAD Dp:;BAD Dt:;BAD Dam:;BAD Dy:;BAD D:;BAD Db hyp:;BFS Front 8mm:;BFS Back 8mm:;Pachy Prog Index Min.:;Pachy Prog Index Min. Axis:;Pachy Prog Index Max.:;Pachy Prog Index Max. Axis:;Pachy Prog Index Avg.:;ART Min.:;ART Max.:;ART Avg.:;Pachy Min.:;Dist. Apex-Thin.Loc. [mm]:;Pachy Min Loc Orientation:;";
const ECTASIA_ROW: &str = "OK;0;;;;;;43.1;44.2;12.0;1.1;Myopic;0.71;1.22;0.5;-0.31;0.4;0.1;1.64;0.9;7.81;6.42;0.72;45;1.31;180;0.98;580;401;520;521;0.62;IT;";

fn ectasia(row: &str) -> String {
    format!("{FIRST};{ECTASIA_HEADER}\r\n{FIRST_ROW};{row}\r\n")
}

fn all() -> [(&'static SheetTable, &'static str); 4] {
    [
        (&ECTASIA, include_str!("../badisplay.toml")),
        (&INDICES, include_str!("../index.toml")),
        (&ZERNIKE, include_str!("../zernike.toml")),
        (&SUMMARY, include_str!("../summary.toml")),
    ]
}

#[test]
fn the_layouts_are_sound() {
    for (device, text) in all() {
        let sheet = layout::parse::<super::super::super::sheet::Sheet>(device.name(), text).unwrap();
        assert!(sheet.columns.iter().any(|column| column.telling), "{}", device.name());
        // No empty table: a broken layout would be one.
        assert!(only_table(device).schema.fields().len() > 18, "{}", device.name());
    }
}

#[test]
fn a_row_of_the_ectasia_display_is_read() {
    let (batch, reading) = read(&ECTASIA, ectasia(ECTASIA_ROW).as_bytes());
    assert_eq!(codes(&reading, 0), []);
    assert_eq!(reading.layout.as_deref(), Some("load"));
    for (column, value) in [
        ("k1_d", 43.1),
        ("k2_d", 44.2),
        ("bad_df", 0.71),
        ("bad_dt", -0.31),
        ("bad_d", 1.64),
        ("bfs_back_mm", 6.42),
        ("ppi_avg", 0.98),
        ("ppi_max_axis_deg", 180.0),
        ("art_max_um", 401.0),
        ("pachy_min_um", 521.0),
        ("apex_to_thinnest_mm", 0.62),
    ] {
        assert_eq!(number(&batch, column, 0), Some(value), "{column}");
    }
    assert_eq!(text(&batch, "eye", 0).as_deref(), Some("OD"));
    assert_eq!(text(&batch, "bad_reference", 0).as_deref(), Some("Myopic"));
    assert_eq!(text(&batch, "pachy_min_orientation", 0).as_deref(), Some("IT"));
    assert_eq!(day(&batch, "exam_date", 0).as_deref(), Some("2024-03-26"));
    assert_eq!(reading.subjects[0].patient.as_deref(), Some("P01"));
    // A value below a blank header is kept.
    let (batch, _) = read(&ECTASIA, ectasia(&format!("{}x;", ECTASIA_ROW)).as_bytes());
    let extra = batch.column_by_name("extra").unwrap().as_map().value(0);
    assert_eq!(extra.column(0).as_string::<i32>().value(0), "column_43");
}

#[test]
fn the_comma_in_a_header_shifts_no_column() {
    let header = "ISV:;IVA:;KI:;CKI:;IHA:;IHD:;ABCD D:;Chord Mu (polar vector, rel. to pupil center) [mm]:;KISA:;AngleAlphaRadius:;Chord Mu (angle) [°];";
    let row = "23;0.14;1.03;1.01;3.1;0.011;0.2;0.21 @ 196;12.5;0.3;196.0;";
    let text = format!("{FIRST};{header}\r\n{FIRST_ROW};{row}\r\n");
    let quoted = text.replace(
        "Chord Mu (polar vector, rel. to pupil center) [mm]:",
        "\"Chord Mu (polar vector, rel. to pupil center) [mm]:\"",
    );
    for (text, what) in [
        (text.clone(), "semicolons"),
        (text.replace(';', ","), "commas, the header not quoted"),
        (quoted.replace(';', ","), "commas, the header quoted"),
        (text.replace(';', "\t"), "tabs"),
    ] {
        let (batch, reading) = read(&INDICES, text.as_bytes());
        let unexpected: Vec<IssueCode> = codes(&reading, 0).into_iter().filter(|code| *code != ColumnMissing).collect();
        assert_eq!(unexpected, [], "{what}");
        assert_eq!(number(&batch, "isv", 0), Some(23.0), "{what}");
        assert_eq!(number(&batch, "kisa_percent", 0), Some(12.5), "{what}");
        assert_eq!(number(&batch, "chord_mu_angle_deg", 0), Some(196.0), "{what}");
        assert_eq!(super::text(&batch, "chord_mu_text", 0).as_deref(), Some("0.21 @ 196"), "{what}");
    }
}

#[test]
fn coefficients_are_placed_by_their_label() {
    let header = "Rf (mm):;Rs (mm):;Calc. Dia (mm):;Order:;RMS (CF):;RMS HOA (CF):;RMS LOA (CF):;;Z 0 0 (CF):;Z 1 1 (CF):;Z 1 -1 (CF):;Z 2 2 (CF):;Z 2 0 (CF):;Z 2 -2 (CF):;Z 8 -8 (CF):;Diff. (CB);Z 3 -1 (CB):;";
    let row = "7.71;7.52;6.0;8;3.1;0.4;3.0;;-12.5;0.11;-0.22;0.33;0.44;-0.55;0.088;;-0.31;";
    let (batch, reading) = read(&ZERNIKE, format!("{FIRST};{header}\r\n{FIRST_ROW};{row}\r\n").as_bytes());
    assert_eq!(codes(&reading, 0), []);
    let front = cells(&batch, "zernike_front", 0).unwrap();
    // OSA/ANSI indices: 1 is (1, −1), 2 is (1, 1), 3 is (2, −2), 4 is (2, 0), 5 is (2, 2), 36 is (8, −8).
    assert_eq!(front.len(), 45);
    assert_eq!(front[..7], [Some(-12.5), Some(-0.22), Some(0.11), Some(-0.55), Some(0.44), Some(0.33), None]);
    assert_eq!(front[36], Some(0.088));
    assert_eq!(cells(&batch, "zernike_back", 0).unwrap()[7], Some(-0.31));
    assert_eq!(cells(&batch, "zernike_cornea", 0), None);
}

#[test]
fn encodings_dates_and_eyes_of_other_regions() {
    let text = ectasia(ECTASIA_ROW);
    let good = read(&ECTASIA, text.as_bytes()).0;
    for bytes in [
        text.chars().map(|c| u32::from(c) as u8).collect(),
        [b"\xEF\xBB\xBF".as_slice(), text.as_bytes()].concat(),
        text.replace("\r\n", "\r\r\n").into_bytes(),
        ectasia(&ECTASIA_ROW.replace('.', ",")).into_bytes(),
        text.replace("14/07/1990", "07/14/1990").replace("26/03/2024", "03/26/2024").into_bytes(),
        text.replace("14/07/1990", "14.07.1990").replace("26/03/2024", "26.03.2024").into_bytes(),
        text.replace("Right", "OD").into_bytes(),
    ] {
        let (batch, reading) = read(&ECTASIA, &bytes);
        assert_eq!(codes(&reading, 0), []);
        assert_eq!(differing(&good, &batch), Vec::<String>::new());
    }
    let (batch, _) = read(&ECTASIA, text.replace("Right", "Left").as_bytes());
    assert_eq!(super::text(&batch, "eye", 0).as_deref(), Some("OS"));
    let unclear = text.replace("14/07/1990", "04/07/1990").replace("26/03/2024", "06/03/2024");
    assert_eq!(codes(&read(&ECTASIA, unclear.as_bytes()).1, 0), [DateAmbiguous, DateAmbiguous]);
}

#[test]
fn what_is_wrong_is_an_issue_of_its_row() {
    let issue = |from: &str, to: &str| codes(&read(&ECTASIA, ectasia(ECTASIA_ROW).replacen(from, to, 1).as_bytes()).1, 0);
    assert_eq!(issue(";Right;", ";2;"), [EyeUnreadable]);
    assert_eq!(issue(";P01;", ";;"), [PatientMissing]);
    assert_eq!(issue(";43.1;", ";431;"), [ValueOutOfRange]);
    assert_eq!(issue(";43.1;", ";4x.1;"), [NumberUnreadable]);
    assert_eq!(issue(";43.1;", ";-;"), []);
    assert_eq!(issue("BAD D:", "BAD Q:"), [ColumnMissing, ColumnUnknown]);
    assert_eq!(codes(&read(&ECTASIA, ectasia("OK;0;;").as_bytes()).1, 0), [RowTruncated]);
    assert_eq!(codes(&read(&ECTASIA, b"").1, 0), [FileEmpty]);
    assert_eq!(codes(&read(&ECTASIA, b"a;b\n1;2\n").1, 0), [LayoutUnknown]);
}

/// The public lists of header cells, where they are beside the project: every one is known or blank.
#[test]
fn every_column_of_real_headers_is_known() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/realdata/pentacam-load-columns");
    if !folder.is_dir() {
        eprintln!("skipped: there is no folder of real header lists beside the project");
        return;
    }
    for (device, file) in [(&ECTASIA, "BADisplay-LOAD"), (&INDICES, "INDEX-LOAD"), (&ZERNIKE, "ZERNIKE-WFA")] {
        let list = std::fs::read_to_string(folder.join(format!("{file}_columns.txt"))).unwrap();
        let header: Vec<&str> = list.lines().map(|cell| if cell.starts_with("Unnamed") { "" } else { cell }).collect();
        let text = format!("{}\r\n{FIRST_ROW}{}\r\n", header.join(";"), ";".repeat(header.len() - 9));
        let (_, reading) = read(device, text.as_bytes());
        assert_eq!(codes(&reading, 0), [], "{file}");
        let sample = Sample { head: text.as_bytes(), size: text.len() as u64 };
        assert_eq!(crate::lake::recognise(&sample).unwrap().name(), device.name());
        // What is written has the same header cells in the same order.
        let batch = read(device, text.as_bytes()).0;
        let written = device.write(device.name(), &batch, "load").unwrap();
        let first: Vec<u8> = written.split(|b| *b == b'\r').next().unwrap().to_vec();
        let first: String = first.into_iter().map(char::from).collect();
        assert_eq!(first.split(';').collect::<Vec<_>>(), header, "{file}");
    }
}

/// Exams whose numbers lie inside the ranges, with as many decimals as every column keeps.
fn random_rows(device: &SheetTable, toml: &str, rows: usize, seed: u64) -> RecordBatch {
    let sheet = layout::parse::<super::super::super::sheet::Sheet>(device.name(), toml).unwrap();
    let table = only_table(device);
    let mut next = draws(seed);
    let columns = table.schema.fields().iter().map(|field| -> ArrayRef {
        let column = sheet.columns.iter().find(|column| &column.name == field.name());
        let mut numbers = |count: usize| -> Float64Array {
            let (low, high) = column.and_then(|column| column.range).unwrap_or((-2.0, 2.0));
            let scale = 10f64.powi(column.map_or(3, |column| column.decimals) as i32);
            let (low, high) = ((low * scale).ceil() as i64, (high * scale).floor() as i64);
            (0..count).map(|_| (next() % 4 != 0).then(|| (low + next() % (high - low + 1)) as f64 / scale)).collect()
        };
        match field.data_type() {
            DataType::Float64 => Arc::new(numbers(rows)),
            DataType::FixedSizeList(item, length) => {
                let cells = numbers(rows * usize::try_from(*length).unwrap());
                Arc::new(FixedSizeListArray::new(Arc::clone(item), *length, Arc::new(cells), None))
            }
            DataType::Date32 => Arc::new(arrow::array::Date32Array::from(vec![19_808; rows])),
            DataType::Utf8 => Arc::new(
                (0..rows)
                    .map(|row| match field.name().as_str() {
                        "eye" => Some(if row % 2 == 0 { "OD" } else { "OS" }.to_owned()),
                        "patient_sex" => None,
                        name => Some(format!("{name}; \"é\" {row}")),
                    })
                    .collect::<StringArray>(),
            ),
            other => new_null_array(other, rows),
        }
    });
    RecordBatch::try_new(Arc::clone(&table.schema), columns.collect()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn rows_that_are_written_are_read(seed: u64, rows in 1usize..8) {
        for (device, toml) in all() {
            let exams = random_rows(device, toml, rows, seed);
            let (batch, reading) = read(device, &device.write(device.name(), &exams, "load").unwrap());
            prop_assert!(reading.issues.iter().all(Vec::is_empty), "{} {:?}", device.name(), reading.issues);
            prop_assert_eq!(differing(&exams, &batch), Vec::<String>::new(), "{}", device.name());
        }
    }

    #[test]
    fn damaged_tables_are_read_without_panic(damage in damage()) {
        read(&ECTASIA, &damaged(ectasia(ECTASIA_ROW).as_bytes(), &damage));
    }

    #[test]
    fn any_rows_are_read_without_panic(rows in prop::collection::vec("[-0-9;,.\"/ A-Za-zé]{0,60}", 0..20), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&ECTASIA, ectasia(&rows.join("\n")).as_bytes());
        for (device, _) in all() {
            read(device, &bytes);
        }
    }
}
