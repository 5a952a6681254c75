//! Files that other programs have handled.

use super::super::super::testing::resaved;
use super::*;

#[test]
fn what_a_spreadsheet_saved_again_reads_as_the_original() {
    for file in [curvature(), elevation(), pachymetry()] {
        let text = file.text();
        let (good, original) = read(&Pentacam, text.as_bytes());
        for again in resaved(&text, ';') {
            let (batch, reading) = read(&Pentacam, again.as_bytes());
            assert_eq!(codes(&reading, 0), codes(&original, 0));
            assert_eq!(differing(&good, &batch), Vec::<String>::new());
            assert_eq!(reading.subjects, original.subjects);
            let head = &again.as_bytes()[..16_384];
            assert_eq!(Pentacam.recognises(&Sample { head, size: again.len() as u64 }), Confidence::Certain);
        }
    }
}

/// Headers of a table written one below the other, as lists of columns are, have no values and are no exam.
#[test]
fn a_list_of_headers_is_no_exam() {
    let names: String = header("OD").iter().filter_map(|line| line.split(';').next()).map(|key| format!("{key}\n")).collect();
    assert_eq!(Pentacam.recognises(&Sample { head: names.as_bytes(), size: names.len() as u64 }), Confidence::No);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/realdata/pentacam-load-columns");
    let Ok(folder) = std::fs::read_dir(folder) else {
        return println!("skipped: the lists of columns are not here");
    };
    for path in folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "txt")) {
        let bytes = std::fs::read(&path).unwrap();
        let head = &bytes[..bytes.len().min(16_384)];
        let sample = Sample { head, size: bytes.len() as u64 };
        assert_eq!(Pentacam.recognises(&sample), Confidence::No, "{}", path.display());
    }
}
