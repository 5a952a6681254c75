//! Rows as text, for `placido sql` and the reference pages.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::DataFrame;
use futures::StreamExt as _;

use crate::error::{Error, Result};

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Boxes, for people; long cells are cut.
    Table,
    /// A table of a Markdown page.
    Markdown,
    /// Comma-separated, nothing cut, streamed.
    Csv,
}

/// Characters of a cell that are shown to people: a map has 7,936 numbers.
const CELL_CHARS: usize = 72;

/// Prints all rows to standard output.
///
/// # Errors
/// When the query fails.
pub async fn print(rows: DataFrame, format: Format) -> Result<()> {
    match format {
        Format::Csv => {
            let mut stream = rows.execute_stream().await?;
            let names: Vec<String> = stream.schema().fields().iter().map(|field| csv_cell(field.name())).collect();
            println!("{}", names.join(","));
            while let Some(batch) = stream.next().await.transpose()? {
                print!("{}", csv(&batch)?);
            }
        }
        Format::Table => println!("{}", table(rows).await?),
        Format::Markdown => print!("{}", markdown(rows).await?),
    }
    Ok(())
}

/// The rows in boxes.
///
/// # Errors
/// When the query fails.
pub async fn table(rows: DataFrame) -> Result<String> {
    let (names, batches) = collect(rows).await?;
    let schema = Arc::new(Schema::new(names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>()));
    let mut shown = Vec::new();
    let mut count = 0;
    for batch in &batches {
        count += batch.num_rows();
        let columns = (0..batch.num_columns())
            .map(|column| Ok(Arc::new(StringArray::from(cells(batch.column(column))?)) as ArrayRef))
            .collect::<Result<Vec<_>>>()?;
        let options = datafusion::arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        shown.push(RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options).map_err(arrow_error)?);
    }
    if shown.is_empty() {
        shown.push(RecordBatch::new_empty(schema));
    }
    let text = pretty_format_batches(&shown).map_err(arrow_error)?;
    Ok(format!("{text}\n({count} {})", if count == 1 { "row" } else { "rows" }))
}

/// The rows as a table of a Markdown page.
///
/// # Errors
/// When the query fails.
pub async fn markdown(rows: DataFrame) -> Result<String> {
    let (names, batches) = collect(rows).await?;
    let mut text = format!("| {} |\n|{}\n", names.join(" | "), " --- |".repeat(names.len()));
    for batch in &batches {
        let columns: Vec<Vec<Option<String>>> = batch.columns().iter().map(cells).collect::<Result<_>>()?;
        for row in 0..batch.num_rows() {
            let row = columns.iter().map(|column| column.get(row).cloned().flatten().unwrap_or_default().replace('|', "\\|"));
            let _ = writeln!(text, "| {} |", row.collect::<Vec<_>>().join(" | "));
        }
    }
    Ok(text)
}

async fn collect(rows: DataFrame) -> Result<(Vec<String>, Vec<RecordBatch>)> {
    let names = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    Ok((names, rows.collect().await?))
}

/// The cells of a column as people read them, cut where too long; `None` for NULL.
fn cells(column: &ArrayRef) -> Result<Vec<Option<String>>> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options).map_err(arrow_error)?;
    let cell = |row: usize| {
        if column.is_null(row) {
            return None;
        }
        let text = formatter.value(row).to_string();
        // A plan has lines, and all of them are wanted.
        match text.char_indices().nth(CELL_CHARS).filter(|_| !text.contains('\n')) {
            Some((at, _)) => Some(format!("{}…", text.get(..at).unwrap_or_default())),
            None => Some(text),
        }
    };
    Ok((0..column.len()).map(cell).collect())
}

fn csv(batch: &RecordBatch) -> Result<String> {
    let options = FormatOptions::default();
    let formatters: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).map_err(arrow_error))
        .collect::<Result<_>>()?;
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for (at, formatter) in formatters.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&csv_cell(&formatter.value(row).to_string()));
        }
        text.push('\n');
    }
    Ok(text)
}

fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn arrow_error(error: datafusion::arrow::error::ArrowError) -> Error {
    Error::Sql(Box::new(error.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn long_cells_are_cut_and_plans_are_not() {
        let (long, plan) = ("x".repeat(100), format!("Projection\n  {}", "y".repeat(100)));
        let column: ArrayRef = Arc::new(StringArray::from(vec![Some(long.as_str()), Some(plan.as_str()), None]));
        assert_eq!(cells(&column).unwrap(), [Some(format!("{}…", "x".repeat(CELL_CHARS))), Some(plan), None]);
    }
}
