//! From files to answers: the simulated hospital, whose ground truth is known, seen through the layers.

mod layers;
mod plans;
mod privacy;
mod program;
mod real;
mod scripts;
mod truth;
mod unreadable;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::util::display::array_value_to_string;

use crate::support::hospital;

/// Rows of a query over the hospital, each cell as text; NULL is the empty string.
async fn rows(sql: &str) -> Vec<Vec<String>> {
    let batches = hospital().await.engine.session().sql(sql).await.unwrap().collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect());
        }
    }
    rows
}

/// The one number that a query over the hospital gives.
async fn number(sql: &str) -> i64 {
    let batches = hospital().await.engine.session().sql(sql).await.unwrap().collect().await.unwrap();
    batches.first().unwrap().column(0).as_primitive::<Int64Type>().value(0)
}

/// A file of the ground truth, as maps from column to value.
async fn truth(file: &str) -> Vec<std::collections::HashMap<String, String>> {
    let text = std::fs::read_to_string(hospital().await.settings.data.join("truth").join(file)).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().unwrap();
    lines.map(|line| header.iter().cloned().zip(line).collect()).collect()
}
