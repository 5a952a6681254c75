//! Ophthalmic SQL functions and model inference for any DataFusion program.
//!
//! ```no_run
//! # async fn run(ctx: datafusion::prelude::SessionContext) -> datafusion::common::Result<()> {
//! placido_udfs::register_all(&ctx);
//! ctx.sql("select zernike_rms(zernike_fit(conic_map(7.8, -0.3)), 'spherical')").await?.show().await
//! # }
//! ```
//!
//! The map of the crate:
//!
//! * [`optics`]: floor 0, the mathematics; numbers in, numbers out.
//! * One file a family of SQL functions over it, each with a `FUNCTIONS` list: `zernike`, `grid`, `statistics`, `shape`,
//!   `keratometry`, `astigmatism`, `units`, `indices`. [`FAMILIES`] joins them; registration, reference and tests follow from it.
//! * `function` (a SQL function as a value), `args` (constants, columns, NULLs), [`geometry`] (grid and unit in metadata).
//! * [`predict`] and [`models`]: model inference.
//!
//! **Adding a function**: write the formula in [`optics`] with a test against somebody else's number, add a [`Function`] to a
//! family's list with an example. The tests check that the example runs, that the name is new and that nothing panics.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;

mod args;
mod astigmatism;
mod function;
pub mod geometry;
mod grid;
mod indices;
mod keratometry;
pub mod models;
pub mod optics;
pub mod predict;
mod recent;
mod shape;
mod statistics;
mod units;
mod zernike;

pub use args::{Call, FixedLists, Lists, Numbers, Settings, Texts};
pub use function::{Example, Function, Kind, Parameter};

/// Functions that belong together: one file, one section of the reference.
pub struct Family {
    /// Name, also the section's title.
    pub name: &'static str,
    /// One line for the reference.
    pub about: &'static str,
    /// The functions.
    pub functions: &'static [Function],
}

/// Every family of pure functions; the one list from which everything else follows.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "zernike",
        about: "Zernike coefficients in OSA/ANSI order: fit, families, transforms, refraction.",
        functions: zernike::FUNCTIONS,
    },
    Family {
        name: "grid",
        about: "Maps on the polar grid: rasters, points, rings, sectors, mirror image, difference.",
        functions: grid::FUNCTIONS,
    },
    Family { name: "statistics", about: "Statistics of a map within a zone.", functions: statistics::FUNCTIONS },
    Family { name: "shape", about: "Best-fit sphere and conic, elevation over them.", functions: shape::FUNCTIONS },
    Family { name: "keratometry", about: "Corneal power and simulated keratometry.", functions: keratometry::FUNCTIONS },
    Family {
        name: "astigmatism",
        about: "Power vectors, prescriptions, vertex distance, Alpins analysis.",
        functions: astigmatism::FUNCTIONS,
    },
    Family { name: "units", about: "Visual acuity and units.", functions: units::FUNCTIONS },
    Family { name: "indices", about: "Published indices with public formulas.", functions: indices::FUNCTIONS },
];

/// All functions of [`FAMILIES`], ready for a session state. `predict` needs a set of models: see [`predict`].
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let of = |family: &'static Family| {
        family.functions.iter().map(|f| Arc::new(ScalarUDF::new_from_impl(function::Udf::new(f, family.name))))
    };
    FAMILIES.iter().flat_map(of).collect()
}

/// Registers all functions of [`FAMILIES`] in a session.
pub fn register_all(context: &SessionContext) {
    for function in functions() {
        context.register_udf(function.as_ref().clone());
    }
}

/// The reference of all functions as Markdown, printed from [`FAMILIES`].
pub fn reference() -> String {
    let mut page = String::from(
        "# Functions\n\nPrinted from the registry. An option in `name => default` form may be left out or NULL; named arguments must \
         leave no gap before them. A NULL argument gives NULL.\n",
    );
    for family in FAMILIES {
        page += &format!("\n## {}\n\n{}\n", family.name, family.about);
        for function in family.functions {
            page += &format!(
                "\n### `{}`\n\n`{}` → `{}`\n\n{}\n",
                function.name,
                function.signature(),
                function.returns,
                function.about
            );
            if !function.parameters.is_empty() {
                page += "\n| argument | type | default | |\n| --- | --- | --- | --- |\n";
            }
            for p in function.parameters {
                page += &format!("| `{}` | `{}` | {} | {} |\n", p.name, p.kind.sql_type(), p.default, p.about);
            }
            page += &format!("\n```sql\nselect {};\n-- {}\n```\n", function.example.sql, function.example.output);
        }
    }
    page
}
