//! The resources of a file: lines, Bundles and their entries; and those that Observations point to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use memchr::memmem;
use serde_json::Value;

use super::layout::{Layout, Numbers};

/// A longer line is no Observation; parsed JSON takes many times its bytes.
const MAX_LINE: usize = 4 * 1024 * 1024;
/// A file that is one document may be so long.
const MAX_DOCUMENT: usize = 32 * 1024 * 1024;
/// Bundles in Bundles in Bundles are not opened.
const MAX_NESTING: usize = 2;

/// What stands at one place of a file.
pub(super) enum Found<'a> {
    /// A resource.
    Resource(&'a Value),
    /// A text that is no resource, and why.
    Unreadable(&'a str, &'static str),
}

/// The text of a file as documents of JSON: its lines, or the whole.
pub(super) fn documents(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let whole = is_one(text);
    let lines = (1..).zip(if whole { "" } else { text }.lines()).filter(|(_, line)| !line.trim().is_empty());
    whole.then_some((1, text)).into_iter().chain(lines)
}

/// Whether a text is one document: its first line is not one by itself.
pub(super) fn is_one(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    !is_document(first) && text.len() <= MAX_DOCUMENT && is_document(text)
}

fn is_document(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Calls `each` for every resource of a document.
pub(super) fn visit(document: &str, whole: bool, mut each: impl FnMut(Found<'_>)) {
    if document.len() > if whole { MAX_DOCUMENT } else { MAX_LINE } {
        let cut = document.char_indices().nth(200).map_or(document, |(at, _)| document.get(..at).unwrap_or_default());
        return each(Found::Unreadable(cut, "is too long"));
    }
    match serde_json::from_str::<Value>(document) {
        Ok(value) if value.get("resourceType").is_some_and(Value::is_string) => entries(&value, MAX_NESTING, &mut each),
        Ok(_) => each(Found::Unreadable(document, "is JSON, but no FHIR resource")),
        Err(_) => each(Found::Unreadable(document, "is not JSON")),
    }
}

fn entries(resource: &Value, nesting: usize, each: &mut impl FnMut(Found<'_>)) {
    if text(resource, "resourceType") != Some("Bundle") || nesting == 0 {
        return each(Found::Resource(resource));
    }
    for entry in items(resource, "entry") {
        if let Some(inner) = entry.get("resource").filter(|inner| inner.is_object()) {
            entries(inner, nesting - 1, each);
        }
    }
}

/// A field that is a text with something in it.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.trim().is_empty())
}

/// The items of a list; none where it is no list.
pub(super) fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// System and code of a concept's codings.
pub(super) fn codings(concept: &Value) -> impl Iterator<Item = (Option<&str>, &str)> {
    items(concept, "coding").filter_map(|coding| Some((text(coding, "system"), text(coding, "code")?)))
}

/// A patient as the file has it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// The hospital's number.
    pub(super) number: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) birth_date: Option<String>,
    pub(super) sex: Option<String>,
}

impl Person {
    fn of(patient: &Value, numbers: &Numbers) -> Self {
        let name =
            items(patient, "name").find(|name| text(name, "use") == Some("official")).or_else(|| items(patient, "name").next());
        Self {
            number: number(items(patient, "identifier"), numbers),
            last_name: name.and_then(|name| text(name, "family")).map(str::to_owned),
            first_name: name.and_then(|name| items(name, "given").next()).and_then(Value::as_str).map(str::to_owned),
            birth_date: text(patient, "birthDate").map(str::to_owned),
            sex: text(patient, "gender").map(str::to_owned),
        }
    }
}

/// The hospital's number among identifiers. Where several could be it and none is marked as the usual one, none is: two patients
/// must never become one.
pub(super) fn number<'a>(identifiers: impl Iterator<Item = &'a Value>, numbers: &Numbers) -> Option<String> {
    let wanted = |identifier: &&Value| {
        if numbers.number_systems.is_empty() {
            let concept = identifier.get("type").unwrap_or(&Value::Null);
            codings(concept).any(|(_, code)| numbers.number_types.iter().any(|own| own == code))
        } else {
            text(identifier, "system").is_some_and(|system| numbers.number_systems.iter().any(|own| own == system))
        }
    };
    let found: Vec<&Value> = identifiers.filter(wanted).filter(|identifier| text(identifier, "use") != Some("old")).collect();
    let value = |identifier: &Value| text(identifier, "value").map(|number| number.trim().to_owned());
    match found.as_slice() {
        [only] => value(only),
        several => {
            let mut usual = several.iter().filter(|identifier| text(identifier, "use") == Some("usual"));
            usual.next().filter(|_| usual.next().is_none()).and_then(|identifier| value(identifier))
        }
    }
}

/// What Observations of a file may point to.
#[derive(Default)]
pub(super) struct Targets {
    people: HashMap<String, Person>,
    /// Codes of places of the body.
    sites: HashMap<String, Vec<String>>,
    /// Those of other files of the folder.
    beside: Option<Arc<Self>>,
}

impl Targets {
    /// The patients and places of the body in a file.
    pub(super) fn find(layout: &Layout, body: &str) -> Self {
        let mut targets = Self::default();
        for (_, document) in documents(body) {
            targets.add(layout, document, document.len() == body.len());
        }
        targets
    }

    /// Adds those of a document.
    pub(super) fn add(&mut self, layout: &Layout, document: &str, whole: bool) {
        let has = |name: &[u8]| memmem::find(document.as_bytes(), name).is_some();
        if document.len() > if whole { MAX_DOCUMENT } else { MAX_LINE } || !has(b"\"Patient\"") && !has(b"\"BodyStructure\"") {
            return;
        }
        if let Ok(value) = serde_json::from_str::<Value>(document) {
            self.take(layout, &value, None, MAX_NESTING);
        }
    }

    /// The same, with those of other files.
    pub(super) fn beside(self, beside: Option<Arc<Self>>) -> Self {
        Self { beside, ..self }
    }

    /// Those of several files. What means one thing in one file and another in the next means nothing: two patients must never
    /// become one.
    pub(super) fn of_all(files: impl Iterator<Item = Self>) -> Self {
        let mut all = Self::default();
        let mut doubtful: HashSet<String> = HashSet::new();
        for file in files {
            for (name, person) in file.people {
                let same = |known: &Person| *known == person || known.number.is_some() && known.number == person.number;
                if all.people.get(&name).is_some_and(|known| !same(known)) {
                    doubtful.insert(name);
                } else {
                    all.people.entry(name).or_insert(person);
                }
            }
            for (name, codes) in file.sites {
                if all.sites.get(&name).is_some_and(|known| *known != codes) {
                    doubtful.insert(name);
                } else {
                    all.sites.entry(name).or_insert(codes);
                }
            }
        }
        all.people.retain(|name, _| !doubtful.contains(name));
        all.sites.retain(|name, _| !doubtful.contains(name));
        all
    }

    fn take(&mut self, layout: &Layout, resource: &Value, url: Option<&str>, nesting: usize) {
        let kind = text(resource, "resourceType").unwrap_or_default();
        let names = || {
            let local = text(resource, "id").map(|id| format!("{kind}/{id}"));
            local.into_iter().chain(url.map(str::to_owned))
        };
        match kind {
            "Bundle" if nesting > 0 => {
                for entry in items(resource, "entry") {
                    if let Some(inner) = entry.get("resource") {
                        self.take(layout, inner, text(entry, "fullUrl"), nesting - 1);
                    }
                }
            }
            "Patient" => {
                let person = Person::of(resource, &layout.identity);
                self.people.extend(names().map(|name| (name, person.clone())));
            }
            "BodyStructure" => {
                let codes = site_codes(resource);
                self.sites.extend(names().map(|name| (name, codes.clone())));
            }
            _ => {}
        }
    }

    /// The patient that an Observation points to, in it or beside it.
    pub(super) fn person(&self, layout: &Layout, observation: &Value, reference: &str) -> Option<Person> {
        match contained(observation, reference) {
            Some(patient) => Some(Person::of(patient, &layout.identity)),
            None => self.named(reference).cloned(),
        }
    }

    fn named(&self, reference: &str) -> Option<&Person> {
        let own = self.people.get(local(reference)).or_else(|| self.people.get(reference));
        own.or_else(|| self.beside.as_ref()?.named(reference))
    }

    fn site_named(&self, reference: &str) -> Option<&Vec<String>> {
        let own = self.sites.get(local(reference)).or_else(|| self.sites.get(reference));
        own.or_else(|| self.beside.as_ref()?.site_named(reference))
    }

    /// The codes of the place of the body that an Observation points to.
    pub(super) fn site(&self, observation: &Value, reference: &str) -> Vec<String> {
        match contained(observation, reference) {
            Some(site) => site_codes(site),
            None => self.site_named(reference).cloned().unwrap_or_default(),
        }
    }
}

/// A reference without the version of the resource.
fn local(reference: &str) -> &str {
    reference.split_once("/_history/").map_or(reference, |(local, _)| local)
}

fn contained<'a>(observation: &'a Value, reference: &str) -> Option<&'a Value> {
    let id = reference.strip_prefix('#')?;
    items(observation, "contained").find(|resource| text(resource, "id") == Some(id))
}

fn site_codes(site: &Value) -> Vec<String> {
    let own = |value: &Value| codings(value).map(|(_, code)| code.to_owned()).collect::<Vec<_>>();
    let included = items(site, "includedStructure")
        .flat_map(|structure| ["laterality", "structure"].into_iter().filter_map(|name| structure.get(name)).flat_map(own));
    let location = site.get("location").into_iter().flat_map(own);
    location.chain(items(site, "locationQualifier").flat_map(own)).chain(included).collect()
}
