//! `placido check`: what is wrong with lake, layers and models, and where.

use std::path::Path;
use std::process::ExitCode;

use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::prelude::SessionContext;
use placido_catalog::catalog::Refresh;
use placido_catalog::layers::View;
use placido_udfs::models::ModelResolver as _;

use crate::engine::{Engine, Opening};
use crate::error::Result;
use crate::output;
use crate::settings::Settings;
use crate::truth;

/// Runs all checks and prints what they found. The exit code tells whether layers and models are sound; faulty exports are
/// reported, but a lake with faulty exports is a lake. With `truth`, a list of expected issues, it also tells whether exactly
/// these are raised.
///
/// # Errors
/// When lake, layers or models can't be opened at all, the list of `truth` can't be read, or a check can't be run.
pub async fn run(settings: &Settings, truth: Option<&Path>) -> Result<ExitCode> {
    let engine = Engine::open(settings, Opening { refresh: Refresh::Never, write: false }, &|_| {}).await?;
    let ctx = engine.session();

    println!("Lake {}", settings.lake_location()?);
    println!("{}", section(&ctx, "select coalesce(device, 'unknown') as device, status, count(*) as files, sum(size_bytes) as bytes from system.files group by 1, 2 order by 1").await?);
    println!("Files that no device knows");
    println!(
        "{}",
        section(
            &ctx,
            "select file_id, status, extension, size_bytes, reason from system.files where status <> 'recognised' order by file_id limit 50"
        )
        .await?
    );
    println!("Issues");
    println!("{}", section(&ctx, "select code, severity, coalesce(device, 'unknown') as device, count(*) as found, count(distinct file_id) as files from system.issues group by 1, 2, 3 order by 2, 4 desc, 1").await?);

    let mut wrong = 0;
    println!("Layers: {} views", engine.catalog().layers().views().len());
    for mounted in engine.catalog().mounted() {
        let view = &mounted.view;
        if let Some(reason) = &mounted.broken {
            wrong += 1;
            println!("  {}: {} can't be planned: {reason}", view.file, view.full_name());
            continue;
        }
        match grain(&ctx, view).await {
            Ok(0) => {}
            Ok(repeated) => {
                wrong += 1;
                println!(
                    "  {}: {} has {repeated} values of its grain ({}) more than once",
                    view.file,
                    view.full_name(),
                    view.grain.join(", ")
                );
            }
            Err(error) => {
                wrong += 1;
                println!("  {}: {}: {error}", view.file, view.full_name());
            }
        }
    }

    println!("Models");
    for (name, error) in engine.models().problems() {
        wrong += 1;
        println!("  {name}: {error}");
    }
    for name in engine.models().names() {
        let checked = engine.models().resolve(&name).map_err(|error| error.to_string()).and_then(|model| {
            model.check().map_err(|error| error.to_string())?;
            Ok(model)
        });
        match checked {
            Ok(model) => println!("  {}: {} inputs, runs", model.identity(), model.signature().inputs.len()),
            Err(error) => {
                wrong += 1;
                println!("  {name}: {error}");
            }
        }
    }
    let mut exact = true;
    if let Some(path) = truth {
        let comparison = truth::compare(&ctx, path).await?;
        exact = comparison.is_exact();
        println!("Issues raised beside those expected");
        print!("{}", comparison.report(&ctx).await?);
        println!(
            "{}",
            if exact { "Exactly the expected issues are raised." } else { "Issues are missed or spurious, see above." }
        );
    }
    println!("{}", if wrong == 0 { "Layers and models are sound." } else { "Layers or models need work, see above." });
    Ok(if wrong == 0 && exact { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn section(ctx: &SessionContext, query: &str) -> Result<String> {
    output::table(ctx.sql(query).await?).await
}

/// How many values of the grain stand in more than one row.
async fn grain(ctx: &SessionContext, view: &View) -> Result<i64> {
    if view.grain.is_empty() {
        return Ok(0);
    }
    let grain = view.grain.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
    let query = format!(
        "select count(*) from (select {grain} from {} group by {grain} having count(*) > 1) as repeated",
        view.full_name()
    );
    let batches = ctx.sql(&query).await?.collect().await?;
    Ok(batches
        .first()
        .and_then(|batch| batch.column(0).as_primitive_opt::<Int64Type>().map(|counts| counts.value(0)))
        .unwrap_or_default())
}
