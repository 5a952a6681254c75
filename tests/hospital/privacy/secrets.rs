//! What must not be told: names, numbers, days of birth and file names, in any spelling that a device has for them.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::NaiveDate;
use placido::engine::Engine;

/// What kind of secret a text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Number,
    Birth,
    File,
}

/// All that names somebody.
#[derive(Debug)]
pub(super) struct Secrets {
    /// As they are written.
    names: BTreeSet<String>,
    /// In small letters without accents.
    folded: BTreeSet<String>,
    numbers: BTreeSet<String>,
    births: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Secrets {
    /// The secrets of a lake, from what `raw` says and from the names on disk.
    pub(super) async fn of(engine: &Engine, lake: &Path) -> Self {
        let mut secrets = Self {
            names: BTreeSet::new(),
            folded: BTreeSet::new(),
            numbers: BTreeSet::new(),
            births: BTreeSet::new(),
            files: BTreeSet::new(),
        };
        for table in ["ms39", "clinic_visit", "corvis_st", "corvis_st_curve", "pentacam"] {
            let query = format!(
                "select distinct patient_last_name, patient_first_name, patient_number, cast(patient_birth_date as varchar) \
                 from raw.{table}"
            );
            for batch in engine.session().sql(&query).await.unwrap().collect().await.unwrap() {
                let column = |at: usize, each: &mut dyn FnMut(&str)| super::texts(batch.column(at), each);
                column(0, &mut |name| secrets.name(name));
                column(1, &mut |name| secrets.name(name));
                column(2, &mut |number| secrets.numbers.extend([number.to_owned()]));
                column(3, &mut |day| secrets.birth(day));
            }
        }
        for name in super::file_names(lake) {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            secrets.files.insert(stem.to_owned());
            // As object stores and addresses write it.
            secrets.files.insert(stem.replace('^', "%5E"));
        }
        let enough = [&secrets.names, &secrets.numbers, &secrets.births, &secrets.files].iter().all(|all| !all.is_empty());
        assert!(enough, "the lake names nobody");
        secrets
    }

    fn name(&mut self, name: &str) {
        let name = name.trim();
        if name.chars().count() > 2 {
            self.folded.insert(fold(name));
            self.names.insert(name.to_owned());
        }
    }

    fn birth(&mut self, iso: &str) {
        let day: NaiveDate = iso.parse().unwrap();
        // ISO, French, American, with periods and hyphens, bare, unpadded, with two digits of the year, and with a month's name.
        for format in [
            "%Y-%m-%d",
            "%Y/%m/%d",
            "%Y.%m.%d",
            "%Y%m%d",
            "%d/%m/%Y",
            "%m/%d/%Y",
            "%d.%m.%Y",
            "%d-%m-%Y",
            "%m-%d-%Y",
            "%d%m%Y",
            "%-d/%-m/%Y",
            "%-m/%-d/%Y",
            "%d/%m/%y",
            "%m/%d/%y",
            "%d.%m.%y",
            "%d %B %Y",
            "%B %-d, %Y",
            "%d-%b-%Y",
        ] {
            self.births.insert(day.format(format).to_string());
        }
    }

    /// The name of some MS-39 file.
    pub(super) fn a_file(&self) -> &str {
        self.files.iter().find(|file| file.starts_with("MS39^")).unwrap()
    }

    /// Every kind of secret that stands in a text. Names in any spelling with `any_spelling`, else as they are written: French
    /// and English words are among them.
    pub(super) fn kinds(&self, text: &str, any_spelling: bool) -> Vec<Kind> {
        let mut kinds = Vec::new();
        let named = if any_spelling {
            let folded = fold(text);
            self.folded.iter().any(|name| has_word(&folded, name))
        } else {
            self.names.iter().any(|name| has_word(text, name))
        };
        for (kind, found) in [
            (Kind::Name, named),
            (Kind::Number, self.numbers.iter().any(|number| text.contains(number.as_str()))),
            (Kind::Birth, self.births.iter().any(|day| has_word(text, day))),
            (Kind::File, self.files.iter().any(|file| text.contains(file.as_str()))),
        ] {
            if found {
                kinds.push(kind);
            }
        }
        kinds
    }

    pub(super) fn find(&self, text: &str, any_spelling: bool) -> Option<Kind> {
        self.kinds(text, any_spelling).first().copied()
    }
}

/// Whether `word` stands in `text` and is no part of a longer word or number.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// Small letters without accents.
fn fold(text: &str) -> String {
    let plain = |letter: char| match letter {
        'à' | 'á' | 'â' | 'ä' | 'ã' | 'å' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ò' | 'ó' | 'ô' | 'ö' | 'õ' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ÿ' | 'ý' => 'y',
        '’' => '\'',
        other => other,
    };
    text.to_lowercase().chars().map(plain).collect()
}

#[test]
fn words_are_found_as_wholes_and_in_any_spelling() {
    assert!(has_word("MS39^ÉCHO^Zoé", "ÉCHO") && !has_word("ÉCHOS", "ÉCHO") && !has_word("19850312a", "19850312"));
    assert_eq!(fold("D’ÉTÉ Noël"), "d'ete noel");
}
