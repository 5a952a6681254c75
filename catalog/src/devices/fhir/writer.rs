//! Writes rows as Observations, one a line.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use serde_json::{Value, json};

use super::super::columns::Source;
use super::super::layout::version;
use super::NAME;
use super::layout::Layout;
use crate::error::Result;

/// Writes all rows of `batch`: what is measured as its first code, the value as a quantity where it is a number, the patient by the
/// hospital's number. `resource` is not looked at.
pub(crate) fn write(layout: &Layout, schema: &Schema, batch: &RecordBatch, name: &str) -> Result<Vec<u8>> {
    version(NAME, &layout.versions, name, |version| &version.name)?;
    let source = Source::new(NAME, schema, batch)?;
    let mut out = Vec::new();
    for row in 0..source.rows() {
        out.extend_from_slice(observation(layout, &source, row).to_string().as_bytes());
        out.push(b'\n');
    }
    Ok(out)
}

fn observation(layout: &Layout, source: &Source<'_>, row: usize) -> Value {
    let mut resource = json!({ "resourceType": "Observation" });
    let Some(fields) = resource.as_object_mut() else { return resource };
    let text = |name: &str| source.text(name, row).map(str::to_owned);
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    set("id", text("observation_id").map(Value::from));
    set("status", Some(text("status").unwrap_or_else(|| "final".to_owned()).into()));
    let coding = json!({ "system": text("code_system"), "code": text("code"), "display": text("code_text") });
    set("code", Some(json!({ "coding": [without_nulls(coding)] })));
    let number = text("patient_number").map(|number| {
        let kind = layout.identity.number_types.first().cloned().unwrap_or_default();
        json!({ "identifier": { "type": { "coding": [{ "code": kind }] }, "value": number } })
    });
    set("subject", number);
    set(
        "effectiveDateTime",
        text("effective_text").map(Value::from).or_else(|| source.day("exam_date", row).map(|day| day.to_string().into())),
    );
    let codes = match text("eye").as_deref() {
        Some("OD") => layout.eyes.right.first(),
        Some("OS") => layout.eyes.left.first(),
        _ => None,
    };
    set("bodySite", codes.map(|code| json!({ "coding": [{ "system": "http://snomed.info/sct", "code": code }] })));
    set("method", text("method_code").map(|code| json!({ "coding": [{ "code": code }] })));
    let quantity =
        source.number("value_number", row).map(|value| without_nulls(json!({ "value": value, "unit": text("value_unit") })));
    match (quantity, text("value_code"), text("value_text")) {
        (Some(quantity), ..) => set("valueQuantity", Some(quantity)),
        (_, Some(code), display) => {
            set("valueCodeableConcept", Some(without_nulls(json!({ "coding": [{ "code": code }], "text": display }))));
        }
        (_, _, Some(string)) => set("valueString", Some(string.into())),
        _ => {}
    }
    set("dataAbsentReason", text("absent_reason").map(|code| json!({ "coding": [{ "code": code }] })));
    let parts = [("sphere_d", "251795007", "[diop]"), ("cylinder_d", "251797004", "[diop]"), ("axis_deg", "251799001", "deg")];
    let components: Vec<Value> = parts
        .into_iter()
        .filter_map(|(column, code, unit)| {
            let value = source.number(column, row)?;
            Some(json!({
                "code": { "coding": [{ "system": "http://snomed.info/sct", "code": code }] },
                "valueQuantity": { "value": value, "unit": unit },
            }))
        })
        .collect();
    set("component", (!components.is_empty()).then(|| components.into()));
    resource
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    value
}
