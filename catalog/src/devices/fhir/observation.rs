//! What one Observation says: its measures, each of one eye, with their values.

use serde_json::Value;

use super::layout::{Codes, Layout, Measure};
use super::resources::{Targets, codings, items, text};
use crate::device::Eye;
use crate::issue::{Issue, IssueCode};

/// What an Observation says of its eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    One(Eye),
    Both,
    /// Different codes say different eyes.
    Contradictory,
    Unsaid,
}

impl Side {
    fn of(layout: &Layout, codes: impl Iterator<Item = impl AsRef<str>>) -> Self {
        let has = |list: &[String], code: &str| list.iter().any(|own| own == code);
        codes.fold(Self::Unsaid, |side, code| {
            let code = code.as_ref();
            side.and(if has(&layout.eyes.right, code) {
                Self::One(Eye::Od)
            } else if has(&layout.eyes.left, code) {
                Self::One(Eye::Os)
            } else if has(&layout.eyes.both, code) {
                Self::Both
            } else {
                Self::Unsaid
            })
        })
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (side, Self::Unsaid) | (Self::Unsaid, side) => side,
            (a, b) if a == b => a,
            _ => Self::Contradictory,
        }
    }

    pub(super) fn eye(self) -> Option<Eye> {
        if let Self::One(eye) = self { Some(eye) } else { None }
    }
}

/// The eye of an Observation: by the place of the body in it, one it points to, or the word for it.
fn side(layout: &Layout, observation: &Value, targets: &Targets) -> Side {
    let site = observation.get("bodySite").unwrap_or(&Value::Null);
    let mut side = Side::of(layout, codings(site).map(|(_, code)| code));
    for extension in items(site, "extension") {
        if let Some(concept) = extension.get("valueCodeableConcept") {
            side = side.and(Side::of(layout, codings(concept).map(|(_, code)| code)));
        }
        if let Some(reference) = extension.get("valueReference").and_then(|reference| text(reference, "reference")) {
            side = side.and(Side::of(layout, targets.site(observation, reference).iter()));
        }
    }
    if let Some(reference) = observation.get("bodyStructure").and_then(|reference| text(reference, "reference")) {
        side = side.and(Side::of(layout, targets.site(observation, reference).iter()));
    }
    match (side, text(site, "text").and_then(Eye::parse)) {
        (Side::Unsaid, Some(eye)) => Side::One(eye),
        _ => side,
    }
}

/// One measure of an Observation: a row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) measure: Option<Measure>,
    pub(super) side: Side,
    pub(super) system: Option<String>,
    pub(super) code: Option<String>,
    pub(super) code_text: Option<String>,
    pub(super) value: Measured,
    pub(super) acuity: Option<String>,
    pub(super) sphere: Option<f64>,
    pub(super) cylinder: Option<f64>,
    pub(super) axis: Option<f64>,
    pub(super) issues: Vec<Issue>,
}

/// A value as the resource has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    pub(super) text: Option<String>,
    pub(super) number: Option<f64>,
    pub(super) unit: Option<String>,
    pub(super) code: Option<String>,
    pub(super) absent: Option<String>,
}

impl Measured {
    fn of(holder: &Value) -> Self {
        let absent = holder.get("dataAbsentReason").map(|reason| {
            codings(reason).next().map(|(_, code)| code).or_else(|| text(reason, "text")).unwrap_or("unknown").to_owned()
        });
        let empty = Self { absent, ..Self::default() };
        if let Some(quantity) = holder.get("valueQuantity") {
            let Some(number) = quantity.get("value").and_then(Value::as_f64) else { return empty };
            let unit = text(quantity, "unit").or_else(|| text(quantity, "code")).map(str::to_owned);
            let comparator = text(quantity, "comparator").unwrap_or_default();
            let shown = [Some(format!("{comparator}{number}")), unit.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ");
            // With a comparator the number is a bound and no value.
            return Self { text: Some(shown), number: Some(number).filter(|_| comparator.is_empty()), unit, ..empty };
        }
        if let Some(ratio) = holder.get("valueRatio") {
            let part = |name: &str| ratio.get(name)?.get("value")?.as_f64();
            if let (Some(numerator), Some(denominator)) = (part("numerator"), part("denominator")) {
                return Self { text: Some(format!("{numerator}/{denominator}")), ..empty };
            }
        }
        if let Some(concept) = holder.get("valueCodeableConcept") {
            let display = items(concept, "coding").find_map(|coding| text(coding, "display"));
            return Self {
                text: text(concept, "text").or(display).map(str::to_owned),
                code: codings(concept).next().map(|(_, code)| code.to_owned()),
                ..empty
            };
        }
        if let Some(string) = text(holder, "valueString") {
            return Self { text: Some(string.to_owned()), ..empty };
        }
        if let Some(number) = holder.get("valueInteger").and_then(Value::as_f64) {
            return Self { text: Some(number.to_string()), number: Some(number), ..empty };
        }
        empty
    }

    fn is_there(&self) -> bool {
        self.text.is_some() || self.code.is_some()
    }

    /// The acuity with its notation, where the unit says one.
    fn acuity(&self, layout: &Layout) -> Option<String> {
        if let Some(word) = self.code.as_ref().and_then(|code| layout.low_vision.get(code)) {
            return Some(word.clone());
        }
        let (Some(number), Some(unit)) = (self.number, &self.unit) else { return self.text.clone() };
        let unit = unit.trim().to_lowercase();
        let is = |list: &[String]| list.contains(&unit);
        match () {
            () if is(&layout.units.logmar) => Some(format!("{number} logMAR")),
            () if is(&layout.units.decimal) => Some(format!("{number} decimal")),
            () if is(&layout.units.letters) => Some(format!("{number} letters")),
            // A number without dimension: which notation it is in is not said.
            () if unit == "1" => Some(number.to_string()),
            () => self.text.clone(),
        }
    }
}

/// What a concept means by its codings: the most telling one counts, since some name the method beside the correction.
fn meaning<'a>(layout: &'a Layout, concept: &Value) -> Option<&'a Codes> {
    let known: Vec<&Codes> = codings(concept).filter_map(|(system, code)| layout.code(system, code)).collect();
    known.iter().find(|codes| !matches!(codes.measure, Measure::Va | Measure::Panel)).or_else(|| known.first()).copied()
}

/// The rows of an Observation; `place` ends every detail.
pub(super) fn rows(layout: &Layout, observation: &Value, targets: &Targets, place: &str) -> Vec<Row> {
    let concept = observation.get("code").unwrap_or(&Value::Null);
    let side = side(layout, observation, targets);
    let own = Row::new(layout, concept, meaning(layout, concept), side, Measured::of(observation), place);
    let mut rows: Vec<Row> = Vec::new();
    for component in items(observation, "component") {
        let concept = component.get("code").unwrap_or(&Value::Null);
        // Components without a known code say how it was measured; they stay in the resource.
        let Some(codes) = meaning(layout, concept) else { continue };
        let value = Measured::of(component);
        let of_component = codes.eye().map_or(side, |eye| side.and(Side::One(eye)));
        match codes.measure {
            Measure::Sphere | Measure::Cylinder | Measure::Axis => {
                let at = rows.iter().position(|row| row.measure == Some(Measure::Refraction) && row.side == of_component);
                let at = at.unwrap_or_else(|| {
                    rows.push(Row {
                        measure: Some(Measure::Refraction),
                        side: of_component,
                        value: Measured::default(),
                        ..own.clone()
                    });
                    rows.len() - 1
                });
                if let Some(row) = rows.get_mut(at) {
                    row.part(layout, codes.measure, &value, place);
                }
            }
            measure if measure.is_acuity() => rows.push(Row::new(layout, concept, Some(codes), of_component, value, place)),
            _ => {}
        }
    }
    let only_components = matches!(own.measure, Some(Measure::Panel | Measure::Refraction) | None);
    if rows.is_empty() || own.value.is_there() || own.value.absent.is_some() || !only_components {
        rows.insert(0, own);
    }
    for row in &mut rows {
        row.check(place);
    }
    rows
}

impl Row {
    fn new(layout: &Layout, concept: &Value, codes: Option<&Codes>, side: Side, value: Measured, place: &str) -> Self {
        let known = codings(concept).find(|(system, code)| {
            codes.is_some_and(|codes| {
                system.is_none_or(|system| system == codes.system) && codes.codes.iter().any(|own| own == code)
            })
        });
        let (system, code) =
            known.or_else(|| codings(concept).next()).map_or((None, None), |(system, code)| (system, Some(code)));
        let display = items(concept, "coding").find_map(|coding| text(coding, "display"));
        let measure = codes.map(|codes| codes.measure);
        let mut row = Self {
            measure,
            side: codes.and_then(Codes::eye).map_or(side, |eye| side.and(Side::One(eye))),
            system: system.map(str::to_owned),
            code: code.map(str::to_owned),
            code_text: text(concept, "text").or(display).map(str::to_owned),
            acuity: measure.filter(|measure| measure.is_acuity()).and_then(|_| value.acuity(layout)),
            value,
            sphere: None,
            cylinder: None,
            axis: None,
            issues: Vec::new(),
        };
        if let Some(part @ (Measure::Sphere | Measure::Cylinder | Measure::Axis)) = measure {
            let value = row.value.clone();
            row.part(layout, part, &value, place);
        }
        row
    }

    /// Takes a part of a refraction.
    fn part(&mut self, layout: &Layout, measure: Measure, value: &Measured, place: &str) {
        let (name, units, range, slot) = match measure {
            Measure::Sphere => ("sphere_d", &layout.units.dioptre, layout.ranges.sphere, &mut self.sphere),
            Measure::Cylinder => ("cylinder_d", &layout.units.dioptre, layout.ranges.cylinder, &mut self.cylinder),
            Measure::Axis => ("axis_deg", &layout.units.degree, layout.ranges.axis, &mut self.axis),
            _ => return,
        };
        let known = value.unit.as_ref().is_none_or(|unit| units.contains(&unit.trim().to_lowercase()));
        let mut issue = |code, detail: String| self.issues.push(Issue::new(code, format!("{name} {detail}{place}")));
        match value.number {
            Some(_) if !known => issue(IssueCode::NumberUnreadable, "is in a unit that is not known".to_owned()),
            Some(number) if !(range.0..=range.1).contains(&number) => {
                issue(IssueCode::ValueOutOfRange, format!("is {number}, outside {} to {}", range.0, range.1));
            }
            Some(number) if slot.is_some_and(|own| own != number) => {
                issue(IssueCode::ValuesDisagree, "stands twice with different values".to_owned());
            }
            Some(number) => *slot = Some(number),
            None if value.is_there() => issue(IssueCode::NumberUnreadable, "is not a number".to_owned()),
            None => {}
        }
    }

    fn check(&mut self, place: &str) {
        let mut issue = |code, detail: &str| self.issues.push(Issue::new(code, format!("{detail}{place}")));
        let Some(measure) = self.measure else {
            return issue(IssueCode::CodeUnknown, "the code is none of those that the layout knows");
        };
        let refracted = self.sphere.is_some() || self.cylinder.is_some() || self.axis.is_some();
        if !self.value.is_there() && self.value.absent.is_none() && !refracted && measure.name() != "refraction"
            || measure == Measure::Refraction && !refracted && self.issues.is_empty() && !self.value.is_there()
        {
            self.issues.push(Issue::new(IssueCode::DataAbsent, format!("the Observation has no value{place}")));
        }
    }
}
