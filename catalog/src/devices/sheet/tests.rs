//! What both sheets' layouts must keep to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;

use super::super::text::{label, words};
use super::super::{clinic, corvis_st, layout};
use super::Sheet;

fn sheets() -> [(&'static str, Sheet); 2] {
    let parse = |name, text| (name, layout::parse(name, text).unwrap());
    [parse(clinic::NAME, include_str!("../clinic/layout.toml")), parse(corvis_st::NAME, include_str!("../corvis_st/layout.toml"))]
}

#[test]
fn no_header_means_two_columns() {
    for (name, sheet) in sheets() {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for column in &sheet.columns {
            for text in column.labels.values().chain(&column.aliases) {
                let other = seen.insert(label(text), &column.name);
                assert!(other.is_none_or(|other| other == column.name), "{name}: {text} means {other:?} and {}", column.name);
            }
        }
    }
}

#[test]
fn labels_belong_to_versions_and_ranges_are_ordered() {
    for (name, sheet) in sheets() {
        for column in &sheet.columns {
            assert!(column.labels.keys().all(|label| sheet.versions.iter().any(|v| &v.name == label)), "{name}: {}", column.name);
            assert!(column.range.is_none_or(|(low, high)| low < high), "{name}: {}", column.name);
        }
    }
}

#[test]
fn no_alias_means_two_diagnoses() {
    for (name, sheet) in sheets() {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for (diagnosis, aliases) in &sheet.diagnoses.known {
            for alias in aliases {
                for text in [words(alias).join(" "), sheet.diagnoses.telling(&words(alias))] {
                    assert!(!text.is_empty(), "{name}: {alias} says nothing");
                    let other = seen.insert(text, diagnosis);
                    assert!(other.is_none_or(|other| other == diagnosis), "{name}: {alias} means {other:?} and {diagnosis}");
                }
            }
        }
    }
}
