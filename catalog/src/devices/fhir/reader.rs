//! Reads a file of FHIR resources: one row for each measure of an Observation, and for each line that is none.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use serde_json::Value;

use super::super::columns::{Rows, unreadable};
use super::super::common::Identity;
use super::super::date::Order;
use super::super::text::{NoText, check_text, decode, decode_head, lost_tail, with_line_feeds, without_mark};
use super::layout::Layout;
use super::observation::{Row, Side, rows};
use super::resources::{Found, Person, Targets, codings, is_one, number, text, visit};
use crate::device::{Confidence, Eye, Reading, Request, Sample, Subject};
use crate::issue::{Issue, IssueCode};

/// A part has no row more once its resources take so many bytes.
const PART_BYTES: usize = 32 * 1024 * 1024;
/// A resource stands in each of its rows while all that stand there again take no more than the file so often, and of a large file
/// no more than each stretch of it: one of a thousand components would fill the memory.
const MOST_AGAIN: usize = 3;
const STRETCH: usize = 32 * 1024 * 1024;

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
    Targets::of_all(files.iter().map(|bytes| Targets::find(layout, &with_line_feeds(decode(&without_mark(bytes))))))
}

/// Reads the file part by part; what its Observations point to and it does not hold itself is looked for `beside` it.
pub(super) fn read<'l>(
    layout: &'l Layout,
    schema: &SchemaRef,
    bytes: &Bytes,
    request: &Request<'_>,
    rows: usize,
    beside: Option<Arc<Targets>>,
) -> Box<dyn Iterator<Item = Reading> + Send + 'l> {
    let tail = lost_tail(bytes);
    let bytes = without_mark(bytes);
    let (code, why) = match check_text(&bytes) {
        Err(NoText::Empty) => (IssueCode::FileEmpty, "the file is empty"),
        Err(NoText::Binary) => (IssueCode::FileUnreadable, "the file is not text"),
        Ok(()) => {
            let body = with_line_feeds(decode(&bytes)).into_owned();
            let targets = Targets::find(layout, &body).beside(beside);
            let mut parts = Parts::new(layout, schema, request, rows, targets, body.len());
            parts.begin(tail);
            parts.body = Body { one: is_one(&body), text: body, last: true, ..Body::default() };
            return Box::new(std::iter::from_fn(move || parts.next()));
        }
    };
    Box::new(std::iter::once(unreadable(schema, request, code, why)))
}

/// What of the text of a file is in memory.
#[derive(Default)]
pub(super) struct Body {
    text: String,
    /// Whether it is one document, not lines of them.
    one: bool,
    last: bool,
    /// Bytes and lines before the next line, and bytes before the text.
    offset: usize,
    line: usize,
    before: usize,
}

impl Body {
    /// Forgets what was read and adds what follows.
    pub(super) fn extend(&mut self, more: &str, last: bool) {
        self.before += self.offset;
        self.text.drain(..self.offset.min(self.text.len()));
        self.offset = 0;
        self.text.push_str(more);
        self.last = last;
    }

    /// The next document and its line, if it is whole: or as much of it as is more than any.
    pub(super) fn next(&mut self) -> Option<(usize, &str)> {
        loop {
            let rest = self.text.get(self.offset..).filter(|rest| !rest.is_empty())?;
            self.line += 1;
            let length = match rest.find('\n') {
                _ if self.one => rest.len(),
                Some(end) => end + 1,
                None if self.last || rest.len() > STRETCH => rest.len(),
                None => {
                    self.line -= 1;
                    return None;
                }
            };
            let start = self.offset;
            self.offset += length;
            let line = self.text.get(start..self.offset).unwrap_or_default();
            let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
            if !line.trim().is_empty() {
                let line = start..start + line.len();
                return self.text.get(line).map(|line| (self.line, line));
            }
        }
    }

    /// Bytes of the text up to the last document.
    fn read(&self) -> usize {
        self.before + self.offset
    }
}

/// A file of which the documents up to a place were read.
pub(super) struct Parts<'l> {
    reader: Reader<'l>,
    pub(super) body: Body,
    /// Bytes of the text, and how many were read when resources could last be kept again.
    size: usize,
    refilled: Option<usize>,
    most: usize,
    /// Of the whole file, until its first row takes them.
    issues: Vec<Issue>,
    /// A part that is the last one unless another follows.
    held: Option<Reading>,
    ended: bool,
}

impl<'l> Parts<'l> {
    /// Of a text of `size` bytes.
    pub(super) fn new(
        layout: &'l Layout,
        schema: &SchemaRef,
        request: &Request<'_>,
        rows: usize,
        targets: Targets,
        size: usize,
    ) -> Self {
        let reader = Reader { layout, targets, rows: Rows::new(schema, request), others: 0, text: 0, again: 0 };
        let (body, most) = (Body::default(), rows.max(1));
        Self { reader, body, size, refilled: None, most, issues: Vec::new(), held: None, ended: false }
    }

    /// Begins with what the file has lost at its end.
    pub(super) fn begin(&mut self, tail: Option<Issue>) {
        self.issues.extend(tail);
    }

    /// The next rows; none when there are no more, or not in the text that is there.
    pub(super) fn next(&mut self) -> Option<Reading> {
        while !self.ended {
            while self.reader.rows.len() < self.most && self.reader.text < PART_BYTES {
                let stretch = self.body.read() / STRETCH;
                let Some((line, document)) = self.body.next() else {
                    self.ended = self.body.last;
                    break;
                };
                if self.refilled != Some(stretch) {
                    self.refilled = Some(stretch);
                    self.reader.again = MOST_AGAIN * self.size.saturating_sub(stretch * STRETCH).min(STRETCH);
                }
                let (place, one) = (format!(" in line {line}"), document.len() == self.size);
                let reader = &mut self.reader;
                visit(document, one, |found| reader.take(&found, &place));
            }
            let full = self.reader.rows.len() >= self.most || self.reader.text >= PART_BYTES;
            if !full && !self.ended {
                return None;
            }
            if self.reader.rows.len() > 0 {
                let part = self.part();
                if let Some(before) = self.held.replace(part) {
                    return Some(before);
                }
            }
        }
        self.last()
    }

    fn part(&mut self) -> Reading {
        self.reader.text = 0;
        self.reader.rows.file_issues(std::mem::take(&mut self.issues));
        self.reader.rows.part(self.reader.layout.versions.first().map(|version| version.name.as_str()))
    }

    /// The last part, whose last row says what stands in none.
    fn last(&mut self) -> Option<Reading> {
        let others = std::mem::take(&mut self.reader.others);
        let detail = format!("{others} resources are no Observations and not rows of this table");
        let skipped = (others > 0).then(|| Issue::new(IssueCode::ResourceSkipped, detail));
        if self.held.is_none() && self.refilled != Some(usize::MAX) {
            self.issues.extend(skipped);
            self.issues.push(Issue::new(IssueCode::DataAbsent, "no Observation in the file"));
            self.reader.rows.end_row(Subject::default(), Vec::new());
            self.held = Some(self.part());
        } else if let Some(last) = self.held.as_mut().and_then(|part| part.issues.last_mut()) {
            last.extend(skipped);
        }
        // Given once.
        self.refilled = Some(usize::MAX);
        self.held.take()
    }

    /// Whether rows may follow once there is more of the text.
    pub(super) fn goes_on(&self) -> bool {
        !self.ended
    }
}

struct Reader<'a> {
    layout: &'a Layout,
    targets: Targets,
    rows: Rows,
    /// Resources that are no Observations, nor anything that these point to.
    others: usize,
    /// Bytes of resources that are kept in the part, and how many more may be kept a second time.
    text: usize,
    again: usize,
}

impl Reader<'_> {
    fn take(&mut self, found: &Found<'_>, place: &str) {
        match found {
            Found::Unreadable(line, why) => {
                self.text += line.len();
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
        for (at, row) in rows(self.layout, observation, &self.targets, place).into_iter().enumerate() {
            let Row { measure, side, system, code, code_text, value, acuity, sphere, cylinder, axis, mut issues } = row;
            let left = if at == 0 { Some(self.again) } else { self.again.checked_sub(size) };
            self.again = left.unwrap_or(self.again);
            self.text += left.map_or(0, |_| size);
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
