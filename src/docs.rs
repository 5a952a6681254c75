//! The reference pages, printed from the program, so that they can't tell anything else than it does.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::ValueEnum;
use object_store::memory::InMemory;
use placido_catalog::catalog::{Refresh, SCHEMAS};
use placido_catalog::devices::DEVICES;
use placido_catalog::field::{COMMENT, UNIT};
use placido_catalog::identity::IdentityKey;
use placido_catalog::issue::IssueCode;
use placido_catalog::lake::Lake;
use placido_catalog::layers::View;

use crate::engine::Engine;
use crate::error::Result;
use crate::settings::Settings;

/// A page of `docs/reference/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// SQL functions, by family
    Functions,
    /// Schemas and the views of the layers
    Views,
    /// Devices, their raw tables and columns
    Devices,
    /// Codes of issues
    Issues,
}

impl Page {
    /// The file of the page below `docs/reference/`.
    pub fn file(self) -> &'static str {
        match self {
            Self::Functions => "functions.md",
            Self::Views => "views.md",
            Self::Devices => "devices.md",
            Self::Issues => "issues.md",
        }
    }
}

/// The text of a page. It depends on the program, not on anybody's data.
///
/// # Errors
/// When the layers do not plan.
pub async fn render(page: Page, settings: &Settings) -> Result<String> {
    match page {
        Page::Functions => Ok(placido_udfs::reference()),
        Page::Views => views(settings).await,
        Page::Devices => Ok(devices()),
        Page::Issues => Ok(issues()),
    }
}

async fn views(settings: &Settings) -> Result<String> {
    let lake = Lake::new(Arc::new(InMemory::new()), IdentityKey::random(), settings.pace());
    let engine = Engine::over(settings, Some(Arc::new(lake)), None, Refresh::Never, &|_| {}).await?;
    let mut text =
        "# Schemas and views\n\nPrinted by `placido docs views`. Columns that share a comment stand in one line.\n".to_owned();
    for (schema, about) in SCHEMAS {
        let _ = write!(text, "\n## {schema}\n\n{about}.\n");
        for view in engine.catalog().layers().views().iter().filter(|view| view.schema == *schema) {
            let provider = engine.catalog().provider().schema(schema);
            let table = match provider {
                Some(provider) => provider.table(&view.name).await?,
                None => None,
            };
            let _ = write!(text, "\n### {}\n\n{}\n", view.full_name(), view.summary);
            let _ = write!(
                text,
                "\nGrain: {}. ",
                view.grain.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
            );
            let _ = writeln!(
                text,
                "Reads: {}.{}",
                view.references.join(", "),
                if view.materialize.is_some() { " Kept as Parquet." } else { "" }
            );
            if let Some(table) = table {
                text.push_str(&columns(view, &table.schema()));
            }
        }
    }
    Ok(text)
}

/// The columns of a view: runs of columns with one comment and type in one line.
fn columns(view: &View, schema: &datafusion::arrow::datatypes::SchemaRef) -> String {
    let mut text = "\n| columns | type | comment |\n| --- | --- | --- |\n".to_owned();
    let mut lines: Vec<(Vec<String>, String, String)> = Vec::new();
    for field in schema.fields() {
        let comment = view.column_comment(field.name()).or_else(|| field.metadata().get(COMMENT).map(String::as_str));
        let unit = field.metadata().get(UNIT).map(|unit| format!(" ({unit})")).unwrap_or_default();
        let (data_type, comment) = (type_name(field.data_type()), format!("{}{unit}", comment.unwrap_or_default()));
        match lines.iter_mut().find(|line| line.1 == data_type && line.2 == comment && !comment.is_empty()) {
            Some(line) => line.0.push(field.name().clone()),
            None => lines.push((vec![field.name().clone()], data_type, comment)),
        }
    }
    for (names, data_type, comment) in lines {
        let names = match names.as_slice() {
            [first, .., last] if names.len() > 4 => format!("`{first}` … `{last}` ({} columns)", names.len()),
            names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        };
        let _ = writeln!(text, "| {names} | {data_type} | {} |", comment.replace('|', "\\|"));
    }
    text
}

/// The type as psql shows it, near enough to know what to expect.
fn type_name(data_type: &datafusion::arrow::datatypes::DataType) -> String {
    use datafusion::arrow::datatypes::DataType as T;
    match data_type {
        T::Utf8 | T::LargeUtf8 | T::Utf8View => "text".to_owned(),
        T::Float64 => "float8".to_owned(),
        T::Float32 => "float4".to_owned(),
        T::Int64 | T::UInt64 => "int8".to_owned(),
        T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 | T::UInt32 => "int4".to_owned(),
        T::Boolean => "bool".to_owned(),
        T::Date32 => "date".to_owned(),
        T::Timestamp(..) => "timestamptz".to_owned(),
        T::List(inner) | T::LargeList(inner) => format!("{}[]", type_name(inner.data_type())),
        T::FixedSizeList(inner, length) => format!("{}[{length}]", type_name(inner.data_type())),
        T::Map(..) => "json".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

fn devices() -> String {
    let mut text = "# Devices\n\nPrinted by `placido docs devices`. How sure each fact about a format is stands in the device's `NOTES.md`.\n".to_owned();
    for device in DEVICES {
        let _ = write!(text, "\n## {}\n\n{}\n", device.name(), device.about());
        for table in device.tables() {
            let _ = write!(
                text,
                "\n### raw.{}\n\n{}\n\n| column | type | unit | comment |\n| --- | --- | --- | --- |\n",
                table.name, table.about
            );
            let provenance = placido_catalog::scan::provenance_fields();
            for field in provenance.iter().chain(table.schema.fields().iter().map(AsRef::as_ref)) {
                let of = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
                let _ =
                    writeln!(text, "| `{}` | {} | {} | {} |", field.name(), type_name(field.data_type()), of(UNIT), of(COMMENT));
            }
        }
    }
    text
}

fn issues() -> String {
    let mut text = "# Issues\n\nPrinted by `placido docs issues`. A row keeps its issues in `issues`; `system.issues` lists them all.\n\n| code | severity | meaning |\n| --- | --- | --- |\n".to_owned();
    for code in IssueCode::ALL {
        let _ = writeln!(text, "| `{}` | {} | {} |", code.as_str(), code.severity().as_str(), code.about());
    }
    text
}
