//! Files that other programs have handled: saved again by a spreadsheet, put together from several, copied in part.

use super::super::super::testing::resaved;
use super::*;

/// The columns that differ from those of the sound file, without the lines that are kept as they stand, and the issues.
fn against_sound(bytes: &[u8]) -> (Vec<String>, Vec<IssueCode>) {
    let good = read(&MS39, new_file().text().as_bytes()).0;
    let (batch, reading) = read(&MS39, bytes);
    let changed = differing(&good, &batch).into_iter().filter(|column| column != "preamble").collect();
    (changed, codes(&reading, 0))
}

const SAME: (Vec<String>, Vec<IssueCode>) = (Vec::new(), Vec::new());

fn confidence(text: &str) -> Confidence {
    let head = &text.as_bytes()[..text.len().min(16_384)];
    MS39.recognises(&Sample { head, size: text.len() as u64 })
}

#[test]
fn what_a_spreadsheet_saved_again_reads_as_the_original() {
    for (delimiter, text) in [(';', new_file().text()), (',', sample(',', 32, "-1000").text())] {
        for again in resaved(&text, delimiter) {
            assert_eq!(against_sound(again.as_bytes()), SAME, "{}", &again[..200]);
            assert_eq!(confidence(&again), Confidence::Certain);
            // The beginning alone says whose exam it is as well.
            let names = ["patient_number", "eye", "sim_k_flat_radius_mm"];
            let table = only_table(&MS39);
            let columns: Vec<usize> = names.iter().map(|name| table.schema.index_of(name).unwrap()).collect();
            let request = crate::device::Request { table: NAME, columns: &columns, check: false };
            let head = MS39.read_head(&again.as_bytes()[..65_536], &request).unwrap();
            assert_eq!(head.subjects, MS39.read(again.as_bytes(), &request).subjects);
            assert_eq!(head.subjects[0].patient.as_deref(), Some("P0000000001"));
        }
    }
    // Only the headers of the maps, by few and by many.
    for count in [1, 7, 8, 20, 255] {
        let text = edited(|file| file.maps.iter_mut().for_each(|map| map[0].push_str(&";".repeat(count))));
        assert_eq!(against_sound(&text), SAME, "{count}");
    }
}

fn edited(edit: impl FnOnce(&mut File)) -> Vec<u8> {
    let mut file = new_file();
    edit(&mut file);
    file.text().into_bytes()
}

#[test]
fn a_map_is_known_by_its_name_anywhere_in_the_line() {
    for (before, after) in [("# ", ""), ("Map: ", ""), ("[", "]"), ("Map_3 ", ""), ("OD - ", " (export)")] {
        let text = edited(|file| file.maps.iter_mut().for_each(|map| map[0] = format!("{before}{}{after}", map[0])));
        assert_eq!(against_sound(&text), SAME, "{before}");
        assert_eq!(confidence(std::str::from_utf8(&text).unwrap()), Confidence::Certain, "{before}");
    }
    // A line that names two maps is neither, and a name inside a word or above no row is none.
    let two = edited(|file| file.map("CornealThickness")[0] = "# CornealThickness and StromalThickness [um]".into());
    assert_eq!(against_sound(&two).0, ["corneal_thickness_um"]);
    let inside = edited(|file| file.map("CornealThickness")[0] = "DeltaCornealThickness [um]".into());
    assert_eq!(against_sound(&inside), (vec!["corneal_thickness_um".to_owned()], vec![MapUnknown, MapMissing]));
    let above = edited(|file| file.preamble.push("# CornealThickness follows".into()));
    assert_eq!(against_sound(&above), SAME);
}

/// Maps of the second exam must not fill those that the first lacks.
#[test]
fn a_second_exam_in_the_file_is_told_and_not_mixed_in() {
    let mut first = new_file();
    first.maps.drain(9..12);
    let mut second = new_file();
    second.preamble[0] = "Patient_ID;P0000000002".into();
    second.preamble[6] = "Exam_Eye;OS".into();
    let text = first.text() + &second.text();
    let (changed, issues) = against_sound(text.as_bytes());
    assert_eq!(changed, ["elevation_anterior_mm", "elevation_posterior_mm", "elevation_stromal_mm"]);
    assert_eq!(issues, [ExamsExtra, MapMissing, MapMissing, MapMissing]);
    let alone = project(&MS39, text.as_bytes(), &["elevation_anterior_mm"]);
    assert!(alone.column(0).is_null(0));
    assert_eq!(against_sound((new_file().text() + &second.text()).as_bytes()), (vec![], vec![ExamsExtra]));
    // Lines of two exams above one set of maps: it is nobody's.
    let headers: String = first.preamble.iter().map(|line| format!("{line}\r\n")).collect();
    let (batch, reading) = read(&MS39, (headers + &second.text()).as_bytes());
    assert_eq!(codes(&reading, 0), [ValuesDisagree, ValuesDisagree, PatientMissing, EyeMissing]);
    assert_eq!((text_of(&batch, "patient_number"), text_of(&batch, "eye")), (None, None));
}

fn text_of(batch: &RecordBatch, column: &str) -> Option<String> {
    text(batch, column, 0)
}

#[test]
fn an_exam_in_the_future_has_no_date() {
    let day = |date: &str| {
        let (batch, reading) = read(&MS39, &edited(|file| file.preamble[7] = format!("Exam_Scan_Date;{date}")));
        (day(&batch, "exam_date", 0), codes(&reading, 0))
    };
    assert_eq!(day("31/12/2124"), (None, vec![DateFuture]));
    assert_eq!(day("26/03/2024"), (Some("2024-03-26".to_owned()), vec![]));
}

#[test]
fn a_patient_number_that_a_spreadsheet_changed_is_told() {
    let patient = |number: &str| {
        let (_, reading) = read(&MS39, &edited(|file| file.preamble[0] = format!("Patient_ID;{number}")));
        (reading.subjects[0].patient.clone(), codes(&reading, 0))
    };
    assert_eq!(patient("8,00123E+11"), (None, vec![ValueMangled, PatientMissing]));
    assert_eq!(patient("12.0"), (Some("12".to_owned()), vec![ValueMangled]));
    assert_eq!(patient("0012"), (Some("0012".to_owned()), vec![]));
}

#[test]
fn zeros_at_the_end_are_a_file_that_was_not_written_to_its_end() {
    let text = new_file().text();
    let (batch, reading) = read(&MS39, &[text.as_bytes(), &[0; 5000]].concat());
    assert_eq!(codes(&reading, 0), [FileTruncated]);
    assert_eq!(differing(&read(&MS39, text.as_bytes()).0, &batch), Vec::<String>::new());
    let head = new_file().preamble.join("\r\n").into_bytes();
    let (batch, reading) = read(&MS39, &[head, vec![0; 5000]].concat());
    assert_eq!(codes(&reading, 0), [FileTruncated, DataAbsent]);
    assert_eq!(text_of(&batch, "eye").as_deref(), Some("OD"));
}

const THICKNESS: &str = "corneal_thickness_um";

/// The rings of the thickness map that differ from those of the sound file, and the issues; a ring is missing or as it was.
fn rings(edit: impl FnOnce(&mut File)) -> (Vec<usize>, Vec<IssueCode>) {
    let good = cells(&read(&MS39, new_file().text().as_bytes()).0, THICKNESS, 0).unwrap();
    let bytes = edited(edit);
    let (batch, reading) = read(&MS39, &bytes);
    let found = cells(&batch, THICKNESS, 0).unwrap_or_else(|| vec![None; RINGS * MERIDIANS]);
    let alone = cells(&project(&MS39, &bytes, &[THICKNESS]), THICKNESS, 0).unwrap_or_else(|| vec![None; RINGS * MERIDIANS]);
    assert_eq!(alone, found);
    let mut gone = Vec::new();
    for (ring, (good, found)) in good.chunks(MERIDIANS).zip(found.chunks(MERIDIANS)).enumerate() {
        for (good, found) in good.iter().zip(found) {
            assert!(found.is_none() || found == good, "ring {ring} has a value of another");
        }
        if good != found {
            gone.push(ring);
        }
    }
    (gone, codes(&reading, 0))
}

fn with_32_rows(file: &mut File) {
    for map in &mut file.maps {
        map.push(map[RINGS].clone());
    }
}

/// No ring ever has the cells of another, however rows were lost.
#[test]
fn rings_keep_their_radii_or_are_missing() {
    let all: Vec<usize> = (0..26).collect();
    let from = |first: usize| (first..26).collect::<Vec<_>>();
    let lost = |file: &mut File| drop(file.map("CornealThickness").remove(6));
    assert_eq!(rings(lost), (all.clone(), vec![RingsUnplaced]));
    let lost_of_32 = |file: &mut File| {
        with_32_rows(file);
        lost(file);
    };
    assert_eq!(rings(lost_of_32), (all.clone(), vec![RingsUnplaced]));
    let blank_of_32 = |file: &mut File| {
        with_32_rows(file);
        file.map("CornealThickness")[6].clear();
    };
    assert_eq!(rings(blank_of_32), (vec![5], vec![RowTruncated]));
    let doubled = |file: &mut File| {
        let line = file.map("CornealThickness")[6].clone();
        file.map("CornealThickness").insert(7, line);
    };
    assert_eq!(rings(doubled), (from(6), vec![RingsUnplaced]));
    let broken = |at: usize| {
        move |file: &mut File| {
            let line = file.map("CornealThickness")[6].clone();
            let (first, second) = line.split_at(at);
            file.map("CornealThickness").splice(6..7, [first.to_owned(), second.to_owned()]);
        }
    };
    // Inside a number, and behind a delimiter.
    for at in [1000, 1002, 1008] {
        let (gone, issues) = rings(broken(at));
        // What is left of the number may be one that can't be.
        assert_eq!((gone, issues.last()), (from(5), Some(&RingsUnplaced)), "{at}");
    }
    let broken_and_lost = |file: &mut File| {
        broken(1000)(file);
        file.map("CornealThickness").remove(20);
    };
    assert_eq!(rings(broken_and_lost).0, from(5));
    // What all maps lack is how the file is written.
    let all_shorter = |file: &mut File| file.maps.iter_mut().for_each(|map| map.truncate(29));
    assert_eq!(rings(all_shorter).0, Vec::<usize>::new());
    let last_map = edited(|file| drop(file.map("AnteriorChamberDepth").remove(6)));
    let (changed, issues) = against_sound(&last_map);
    assert_eq!(changed, ["anterior_chamber_depth_mm"]);
    assert!(issues.contains(&RingsUnplaced), "{issues:?}");
}
