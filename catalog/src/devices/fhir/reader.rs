//! Reads a file of FHIR resources: one row for each measure of an Observation, and for each line that is none.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use serde_json::Value;

use super::super::columns::{Rows, unreadable};
use super::super::common::Identity;
use super::super::date::Order;
use super::super::text::{NoText, check_text, decode, decode_head, lost_tail, without_mark};
use super::layout::Layout;
use super::observation::{Row, Side, rows};
use super::resources::{Found, Person, Targets, codings, documents, number, text, visit};
use crate::device::{Confidence, Eye, Reading, Request, Sample, Subject};
use crate::issue::{Issue, IssueCode};

/// More rows are not read.
const MAX_ROWS: usize = 1_000_000;
/// What follows resources of so many bytes is not read.
const MAX_TEXT: usize = 512 * 1024 * 1024;
/// A resource stands in each of its rows while all that stand there again take no more than the file so often: one of a thousand
/// components would fill the memory.
const MOST_AGAIN: usize = 3;

/// Judges by the types of the first resources.
pub(crate) fn recognises(sample: &Sample<'_>) -> Confidence {
    let text = decode_head(sample.head, sample.size);
    if !text.trim_start().starts_with('{') {
        return Confidence::No;
    }
    if types(&text).any(|name| name == "Observation") {
        Confidence::Certain
    } else if types(&text).any(is_told_of) {
        Confidence::Likely
    } else {
        Confidence::No
    }
}

/// Whether the first resources are such as Observations of other files point to.
pub(crate) fn tells(sample: &Sample<'_>) -> bool {
    types(&decode_head(sample.head, sample.size)).any(is_told_of)
}

/// The types of the resources in the beginning of a file.
fn types(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("\"resourceType\"").filter_map(|(at, mark)| {
        let after = text.get(at + mark.len()..)?.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        after.split_once('"').map(|(name, _)| name)
    })
}

fn is_told_of(name: &str) -> bool {
    matches!(name, "Bundle" | "Patient" | "BodyStructure")
}

/// What Observations of a folder with these files may point to.
pub(super) fn said(layout: &Layout, files: &[Bytes]) -> Targets {
    Targets::of_all(files.iter().map(|bytes| Targets::find(layout, &decode(&without_mark(bytes)))))
}

/// Reads the file; what its Observations point to and it does not hold itself is looked for `beside` it.
pub(super) fn read(
    layout: &Layout,
    schema: &SchemaRef,
    bytes: &[u8],
    request: &Request<'_>,
    beside: Option<Arc<Targets>>,
) -> Reading {
    let tail = lost_tail(bytes);
    let bytes = without_mark(bytes);
    match check_text(&bytes) {
        Err(NoText::Empty) => return unreadable(schema, request, IssueCode::FileEmpty, "the file is empty"),
        Err(NoText::Binary) => return unreadable(schema, request, IssueCode::FileUnreadable, "the file is not text"),
        Ok(()) => {}
    }
    let body = decode(&bytes);
    let targets = Targets::find(layout, &body).beside(beside);
    let mut reader =
        Reader { layout, targets, rows: Rows::new(schema, request), others: 0, text: 0, again: MOST_AGAIN * body.len() };
    let mut cut = None;
    for (line, document) in documents(&body) {
        if reader.rows.len() >= MAX_ROWS || reader.text > MAX_TEXT {
            cut = Some(reader.rows.len());
            break;
        }
        let place = format!(" in line {line}");
        visit(document, document.len() == body.len(), |found| reader.take(&found, &place));
    }
    let Reader { mut rows, others, .. } = reader;
    let mut issues: Vec<Issue> = tail.into_iter().collect();
    if others > 0 {
        let detail = format!("{others} resources are no Observations and not rows of this table");
        issues.push(Issue::new(IssueCode::ResourceSkipped, detail));
    }
    if let Some(rows) = cut {
        let detail = format!("what follows the first {rows} rows was not read; split the file");
        issues.push(Issue::new(IssueCode::FileTruncated, detail));
    }
    if rows.len() == 0 {
        issues.push(Issue::new(IssueCode::DataAbsent, "no Observation in the file"));
        rows.end_row(Subject::default(), Vec::new());
    }
    rows.file_issues(issues);
    rows.finish(layout.versions.first().map(|version| version.name.as_str()))
}

struct Reader<'a> {
    layout: &'a Layout,
    targets: Targets,
    rows: Rows,
    /// Resources that are no Observations, nor anything that these point to.
    others: usize,
    /// Bytes of resources that are kept, and how many more may be kept a second time.
    text: usize,
    again: usize,
}

impl Reader<'_> {
    fn take(&mut self, found: &Found<'_>, place: &str) {
        match found {
            Found::Unreadable(line, why) => {
                self.rows.set("resource", Some((*line).to_owned()));
                let issue = Issue::new(IssueCode::ResourceUnreadable, format!("what stands{place} {why}"));
                self.rows.end_row(Subject::default(), vec![issue]);
            }
            Found::Resource(resource) => match text(resource, "resourceType") {
                Some("Observation") => self.observation(resource, place),
                Some("Patient" | "BodyStructure") => {}
                _ => self.others += 1,
            },
        }
    }

    fn observation(&mut self, observation: &Value, place: &str) {
        let subject = observation.get("subject").unwrap_or(&Value::Null);
        let reference = text(subject, "reference");
        let person = reference.and_then(|reference| self.targets.person(self.layout, observation, reference)).unwrap_or_default();
        let patient = self.patient(subject, reference, &person);
        let effective = text(observation, "effectiveDateTime")
            .or_else(|| text(observation, "effectiveInstant"))
            .or_else(|| text(observation.get("effectivePeriod")?, "start"));
        let method = observation.get("method").and_then(|method| codings(method).next()).map(|(_, code)| code);
        let resource = self.rows.wants("resource").then(|| observation.to_string());
        let size = resource.as_ref().map_or(0, String::len);
        self.text += size;
        for (at, row) in rows(self.layout, observation, &self.targets, place).into_iter().enumerate() {
            let Row { measure, side, system, code, code_text, value, acuity, sphere, cylinder, axis, mut issues } = row;
            let left = if at == 0 { Some(self.again) } else { self.again.checked_sub(size) };
            self.again = left.unwrap_or(self.again);
            let columns = [
                ("observation_id", text(observation, "id").map(str::to_owned)),
                ("status", text(observation, "status").map(str::to_owned)),
                ("subject_reference", reference.map(str::to_owned)),
                ("effective_text", effective.map(str::to_owned)),
                ("measure", measure.map(|measure| measure.name().to_owned())),
                ("code_system", system),
                ("code", code),
                ("code_text", code_text),
                ("method_code", method.map(str::to_owned)),
                ("value_text", value.text),
                ("value_unit", value.unit),
                ("value_code", value.code),
                ("absent_reason", value.absent),
                ("acuity_text", acuity),
                ("resource", left.and_then(|_| resource.clone())),
            ];
            for (column, text) in columns {
                self.rows.set(column, text);
            }
            for (column, number) in
                [("value_number", value.number), ("sphere_d", sphere), ("cylinder_d", cylinder), ("axis_deg", axis)]
            {
                self.rows.set(column, number);
            }
            let identity = Identity {
                patient_number: patient.as_deref(),
                last_name: person.last_name.as_deref(),
                first_name: person.first_name.as_deref(),
                birth_date: person.birth_date.as_deref(),
                sex: person.sex.as_deref(),
                eye: side.eye().map(Eye::code),
                exam_date: effective,
            };
            let mut of_identity = Vec::new();
            let subject = identity.store(&mut self.rows, Order::Dmy, false, place, &mut of_identity);
            let why = match side {
                Side::Both => Some("the Observation is of both eyes together"),
                Side::Contradictory => Some("codes say different eyes"),
                Side::One(_) | Side::Unsaid => None,
            };
            if let Some(why) = why {
                of_identity.retain(|issue| issue.code != IssueCode::EyeMissing);
                of_identity.push(Issue::new(IssueCode::EyeUnreadable, format!("{why}{place}")));
            }
            issues.extend(of_identity);
            if text(observation, "status").is_some_and(|status| self.layout.status.void.iter().any(|void| void == status)) {
                issues.push(Issue::new(IssueCode::StatusVoid, format!("the Observation was withdrawn{place}")));
            }
            self.rows.end_row(subject, issues);
        }
    }

    /// The hospital's number of the patient; where it is not said, the server's name for the patient, in a namespace of its own, so
    /// that it is the number of no other patient.
    fn patient(&self, subject: &Value, reference: Option<&str>, person: &Person) -> Option<String> {
        let numbers = &self.layout.identity;
        let identifier = subject.get("identifier");
        let own = || number(identifier.into_iter(), numbers);
        let by_reference = || {
            let reference = reference?;
            match reference.strip_prefix("Patient/").filter(|_| numbers.reference_is_number) {
                Some(id) => Some(id.to_owned()),
                None if reference.starts_with('#') => None,
                None => Some(format!("fhir:{reference}")),
            }
        };
        let by_identifier = || {
            let identifier = identifier?;
            Some(format!("fhir:{}|{}", text(identifier, "system").unwrap_or_default(), text(identifier, "value")?))
        };
        own().or_else(|| person.number.clone()).or_else(by_reference).or_else(by_identifier)
    }
}
