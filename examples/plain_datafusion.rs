//! The ophthalmic functions in a plain DataFusion program: `cargo run --example plain_datafusion`.
//!
//! Two maps of elevation are made, kept in a table whose field says what they are, and asked about in SQL.
#![allow(clippy::disallowed_methods)]

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, FixedSizeListArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::error::Result;
use datafusion::prelude::SessionContext;
use placido_udfs::geometry::map_field;
use placido_udfs::optics::grid::PolarGrid;

/// Sag in mm of a cornea with an apical radius of 7.8 mm, and with a cone of that height in mm below the vertex.
fn cornea(grid: PolarGrid, cone_mm: f64) -> Vec<Option<f64>> {
    let cells = (0..grid.rings()).flat_map(|ring| (0..grid.meridians()).map(move |k| (ring, k)));
    let sag = |(ring, k)| {
        let (r, (sin, cos)) = (grid.radius_mm(ring), grid.angle(k).sin_cos());
        let conic = r * r / (7.8 + (7.8_f64.powi(2) - 0.75 * r * r).sqrt());
        Some(conic - cone_mm * (-(r * cos - 0.5).powi(2) - (r * sin + 1.2).powi(2)).exp())
    };
    cells.map(sag).collect()
}

/// What the program prints.
pub(crate) async fn run() -> Result<String> {
    let grid = PolarGrid::MS39;
    let names: ArrayRef = Arc::new(StringArray::from(vec!["regular", "with a cone"]));
    let maps = [Some(cornea(grid, 0.0)), Some(cornea(grid, 0.03))];
    let cells = i32::try_from(grid.cells()).unwrap_or(i32::MAX);
    let maps: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(maps, cells));
    let schema = Schema::new(vec![Field::new("eye", DataType::Utf8, false), map_field(grid, "mm").with_name("front")]);

    let context = SessionContext::new();
    placido_udfs::register_all(&context);
    context.register_batch("exam", RecordBatch::try_new(Arc::new(schema), vec![names, maps])?)?;

    // The functions read the grid and the unit from the column: nothing has to be said again.
    let question = "
        select eye,
               round(best_fit_sphere(front)['radius_mm'], 2) as sphere_mm,
               round(map_maximum(elevation_residual(front), 6)['value'], 1) as highest_um,
               round(1000 * zernike_rms(zernike_fit(front, 3), 'coma'), 2) as coma_um
        from exam order by eye";
    let answer = context.sql(question).await?.collect().await?;

    // A unit that does not fit is refused before a row is read.
    let wrong = "select best_fit_sphere(elevation_residual(front)) from exam";
    let refused = context.sql(wrong).await.map_or_else(|error| error.strip_backtrace(), |_| String::new());
    Ok(format!("{}\n{refused}", pretty_format_batches(&answer)?))
}

#[tokio::main]
async fn main() -> Result<()> {
    println!("{}", run().await?);
    Ok(())
}
