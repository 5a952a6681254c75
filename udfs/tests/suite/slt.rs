//! The functions' SQL scripts, run in a plain session.

use std::path::Path;

use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use sqllogictest::{DBOutput, DefaultColumnType, Runner};

struct Session(SessionContext);

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for Session {
    type Error = DataFusionError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DataFusionError> {
        let batches = self.0.sql(sql).await?.collect().await?;
        let columns = batches.first().map_or(0, RecordBatch::num_columns);
        let mut rows = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let cell = |column| {
                    array_value_to_string(batch.column(column), row).map(|t| if t.is_empty() { "NULL".into() } else { t })
                };
                rows.push((0..columns).map(cell).collect::<Result<Vec<String>, _>>()?);
            }
        }
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows })
    }

    async fn shutdown(&mut self) {}
}

#[tokio::test]
async fn scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sqllogictest/functions");
    let mut scripts: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    scripts.retain(|p| p.extension().is_some_and(|e| e == "slt"));
    scripts.sort();
    let families: Vec<&str> = placido_udfs::FAMILIES.iter().map(|f| f.name).collect();
    let names: Vec<_> = scripts.iter().map(|p| p.file_stem().unwrap().to_str().unwrap()).collect();
    assert!(families.iter().all(|f| names.contains(f)), "a family without a script: {families:?}, {names:?}");
    for script in &scripts {
        let text = std::fs::read_to_string(script).unwrap();
        if let Some(family) = placido_udfs::FAMILIES.iter().find(|f| script.file_stem().is_some_and(|n| n == f.name)) {
            for entry in family.entries() {
                let name = entry.head.name;
                assert!(text.contains(&format!("{name}(")), "{name} is not in {}", script.display());
            }
        }
        let mut runner = Runner::new(|| async {
            let context = SessionContext::new();
            placido_udfs::register_all(&context);
            Ok(Session(context))
        });
        runner.run_file_async(script).await.unwrap_or_else(|e| panic!("{e}"));
    }
}
