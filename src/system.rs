//! System tables about what this crate joins: functions and models.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Int32Array, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use placido_catalog::field::field;
use placido_catalog::system::LazyTable;
use placido_udfs::models::{Model, ModelResolver as _, ModelStore};
use placido_udfs::{Entry, FAMILIES, Family};

/// `system.functions`, `ml.models` and `ml.signature`, as schema, name and table.
pub(crate) fn tables(models: &Arc<ModelStore>) -> Vec<(String, String, Arc<dyn TableProvider>)> {
    let entry = |schema: &str, name: &str, table: LazyTable| {
        (schema.to_owned(), name.to_owned(), Arc::new(table) as Arc<dyn TableProvider>)
    };
    vec![
        entry("system", "functions", functions()),
        entry("ml", "models", model_table(Arc::clone(models))),
        entry("ml", "signature", signature_table(Arc::clone(models))),
    ]
}

fn functions() -> LazyTable {
    let fields = vec![
        field("name", DataType::Utf8, "", "Name"),
        field("kind", DataType::Utf8, "", "function, aggregate or window function"),
        field("family", DataType::Utf8, "", "What it belongs to"),
        field("signature", DataType::Utf8, "", "How it is called"),
        field("returns", DataType::Utf8, "", "Type of what it gives"),
        field("description", DataType::Utf8, "", "What it gives"),
        field("example", DataType::Utf8, "", "A statement that runs"),
    ];
    LazyTable::new(fields, || {
        let all = || FAMILIES.iter().flat_map(|family| family.entries().map(move |entry| (family, entry)));
        let column = |value: &dyn Fn(&Family, &Entry) -> String| -> ArrayRef {
            Arc::new(all().map(|(family, entry)| Some(value(family, &entry))).collect::<StringArray>())
        };
        let columns = vec![
            column(&|_, entry| entry.head.name.to_owned()),
            column(&|_, entry| entry.kind.to_owned()),
            column(&|family, _| family.name.to_owned()),
            column(&|_, entry| entry.head.signature()),
            column(&|_, entry| entry.returns.to_owned()),
            column(&|_, entry| entry.about.to_owned()),
            column(&|_, entry| format!("select {}", entry.example.sql)),
        ];
        Box::pin(async move { Ok(columns) })
    })
}

/// Every model that can be resolved, with its name, under its champion version.
fn champions(models: &ModelStore) -> Vec<Arc<Model>> {
    models.names().iter().filter_map(|name| models.resolve(name).ok()).collect()
}

fn model_table(models: Arc<ModelStore>) -> LazyTable {
    let fields = vec![
        field("name", DataType::Utf8, "", "Name"),
        field("version", DataType::Int32, "", "Version behind the alias champion"),
        field("digest", DataType::Utf8, "", "SHA-256 over the model's files"),
        field("target", DataType::Utf8, "", "Column that it was trained to predict"),
        field("inputs", DataType::Int32, "", "How many columns it reads"),
        field("classes", DataType::Utf8, "", "Labels, where it gives labels"),
        field("card", DataType::Utf8, "", "What it was trained on, how well it does, and its limits"),
    ];
    LazyTable::new(fields, move || {
        let models = champions(&models);
        let text = |value: &dyn Fn(&Model) -> Option<String>| -> ArrayRef {
            Arc::new(models.iter().map(|model| value(model)).collect::<StringArray>())
        };
        let number = |value: &dyn Fn(&Model) -> Option<i32>| -> ArrayRef {
            Arc::new(models.iter().map(|model| value(model)).collect::<Int32Array>())
        };
        let columns = vec![
            text(&|model| Some(model.name().to_owned())),
            number(&|model| i32::try_from(model.version()).ok()),
            text(&|model| Some(model.digest().to_owned())),
            text(&|model| model.signature().target.clone()),
            number(&|model| i32::try_from(model.signature().inputs.len()).ok()),
            text(&|model| Some(model.signature().classes()?.join(", "))),
            text(&|model| model.card().map(str::to_owned)),
        ];
        Box::pin(async move { Ok(columns) })
    })
}

fn signature_table(models: Arc<ModelStore>) -> LazyTable {
    let fields = vec![
        field("model", DataType::Utf8, "", "Name of the model"),
        field("position", DataType::Int32, "", "Place among the inputs, from 1"),
        field("input", DataType::Utf8, "", "Column that is bound by this name"),
        field("unit", DataType::Utf8, "", "UCUM code of the unit"),
        field("optional", DataType::Boolean, "", "Whether it may be missing from a row"),
    ];
    LazyTable::new(fields, move || {
        let models = champions(&models);
        let inputs = || {
            models.iter().flat_map(|model| model.signature().inputs.iter().enumerate().map(move |(at, input)| (model, at, input)))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(inputs().map(|(model, ..)| Some(model.name().to_owned())).collect::<StringArray>()),
            Arc::new(inputs().map(|(_, at, _)| i32::try_from(at + 1).ok()).collect::<Int32Array>()),
            Arc::new(inputs().map(|(.., input)| Some(input.name.clone())).collect::<StringArray>()),
            Arc::new(inputs().map(|(.., input)| input.unit.clone()).collect::<StringArray>()),
            Arc::new(inputs().map(|(.., input)| Some(input.optional)).collect::<BooleanArray>()),
        ];
        Box::pin(async move { Ok(columns) })
    })
}
