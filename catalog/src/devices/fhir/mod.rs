//! FHIR Observations of visual acuity and refraction, as servers export them: NDJSON, Bundles, single resources.

mod layout;
mod observation;
mod pieces;
mod reader;
mod resources;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;

use self::layout::Layout;
use self::pieces::Resources;
use self::resources::Targets;
use super::columns::unreadable;
use super::{common, layout as layouts};
use crate::device::{Confidence, Device, Pieces, Reading, Request, Said, Sample, Table, Together};
use crate::error::Result;
use crate::field::field;
use crate::issue::IssueCode;

pub(crate) const NAME: &str = "fhir";
const TABLE: &str = "fhir_observation";

/// FHIR Observations of visual acuity and refraction.
#[derive(Debug)]
pub struct Fhir;

struct Export {
    layout: Layout,
    tables: [Table; 1],
}

static EXPORT: LazyLock<Export> = LazyLock::new(|| Export {
    layout: layouts::load(NAME, include_str!("layout.toml")),
    tables: [Table {
        name: TABLE,
        about: "FHIR Observations, one row a measure of an eye: acuity as text with its notation, refraction in dioptres and degrees",
        schema: schema(),
    }],
});

fn schema() -> SchemaRef {
    let text = |name, about| field(name, DataType::Utf8, "", about);
    let number = |name, unit, about| field(name, DataType::Float64, unit, about);
    let mut fields: Vec<Field> = common::fields();
    fields.extend([
        text("observation_id", "Id of the resource on its server"),
        text("status", "Status of the Observation: final, amended, entered-in-error, ..."),
        text("subject_reference", "What the Observation says of its patient; personal"),
        text("effective_text", "When it was measured, as the resource has it"),
        text(
            "measure",
            "What is measured, by the codes of layout.toml: udva, cdva, va, pinhole_va, near_va, refraction; null if unknown",
        ),
        text("code_system", "System of the code that says it, or of the first one"),
        text("code", "That code"),
        text("code_text", "Its display or text"),
        text("method_code", "Code of the method"),
        text("value_text", "The value as the resource has it, with its unit"),
        number("value_number", "", "The number of the value; its unit is in value_unit"),
        text("value_unit", "Unit of the number as the resource has it"),
        text("value_code", "Code of a coded value"),
        text("absent_reason", "Why there is no value, as a code"),
        text("acuity_text", "The acuity with its notation, as parse_acuity reads it"),
        number("sphere_d", "[diop]", "Sphere"),
        number("cylinder_d", "[diop]", "Cylinder, in the sign that the server uses"),
        number("axis_deg", "deg", "Axis of the cylinder (TABO)"),
        text("resource", "The whole resource, or the line that is none; a large one of many measures stands in the first of their rows; personal"),
    ]);
    Arc::new(Schema::new(fields))
}

/// A bulk export has a file of Patients and one of Observations.
impl Together for Fhir {
    fn tells(&self, sample: &Sample<'_>) -> bool {
        reader::tells(sample)
    }

    fn said(&self, files: &[Bytes]) -> Said {
        Arc::new(reader::said(&EXPORT.layout, files))
    }

    fn parts<'a>(
        &'a self,
        bytes: Bytes,
        request: &Request<'_>,
        rows: usize,
        said: &Said,
    ) -> Box<dyn Iterator<Item = Reading> + Send + 'a> {
        reader::read(&EXPORT.layout, &EXPORT.tables[0].schema, &bytes, request, rows, targets(said))
    }

    fn pieces<'a>(
        &'a self,
        _sample: &Sample<'_>,
        request: &Request<'_>,
        rows: usize,
        said: &Said,
    ) -> Option<Box<dyn Pieces + 'a>> {
        Some(Box::new(Resources::new(&EXPORT.layout, &EXPORT.tables[0].schema, request, rows, targets(said))))
    }
}

fn targets(said: &Said) -> Option<Arc<Targets>> {
    Arc::clone(said).downcast().ok()
}

impl Device for Fhir {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "FHIR Observations of visual acuity and refraction: NDJSON, Bundles and single resources"
    }

    fn tables(&self) -> &[Table] {
        &EXPORT.tables
    }

    fn recognises(&self, sample: &Sample<'_>) -> Confidence {
        reader::recognises(sample)
    }

    fn read(&self, bytes: &[u8], request: &Request<'_>) -> Reading {
        let bytes = Bytes::copy_from_slice(bytes);
        let mut all = reader::read(&EXPORT.layout, &EXPORT.tables[0].schema, &bytes, request, usize::MAX, None);
        all.next()
            .unwrap_or_else(|| unreadable(&EXPORT.tables[0].schema, request, IssueCode::DataAbsent, "no Observation in the file"))
    }

    fn parts<'a>(&'a self, bytes: Bytes, request: &Request<'_>, rows: usize) -> Box<dyn Iterator<Item = Reading> + Send + 'a> {
        reader::read(&EXPORT.layout, &EXPORT.tables[0].schema, &bytes, request, rows, None)
    }

    fn pieces<'a>(&'a self, _sample: &Sample<'_>, request: &Request<'_>, rows: usize) -> Option<Box<dyn Pieces + 'a>> {
        Some(Box::new(Resources::new(&EXPORT.layout, &EXPORT.tables[0].schema, request, rows, None)))
    }

    fn together(&self) -> Option<&dyn Together> {
        Some(self)
    }

    fn write(&self, table: &str, rows: &RecordBatch, layout: &str) -> Result<Vec<u8>> {
        let [own] = &EXPORT.tables;
        layouts::check_table(NAME, table, own.name)?;
        writer::write(&EXPORT.layout, &own.schema, rows, layout)
    }
}
