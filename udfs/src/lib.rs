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
//! * [`optics`] and [`sample`]: floor 0, the mathematics of the eye and of samples; numbers in, numbers out.
//! * One file a family of SQL functions over it, with its lists of functions, aggregates and window functions. [`FAMILIES`] joins
//!   them; registration, reference and tests follow from it.
//! * `function` (a SQL function as a value), `args` (constants, columns, NULLs), [`geometry`] (grid and unit in metadata).
//! * [`predict`] and [`models`]: model inference.
//!
//! **Adding a function**: write the formula in [`optics`] with a test against somebody else's number, add a [`Function`] to a
//! family's list with an example. The tests check that the example runs, that the name is new and that nothing panics.

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use datafusion::prelude::SessionContext;

mod aggregate;
mod agreement;
mod args;
mod astigmatism;
mod biomechanics;
mod bivariate;
mod calibration;
mod conformal;
mod curvature;
mod drift;
mod function;
pub mod geometry;
mod grid;
mod indices;
mod keratometry;
pub mod models;
mod named;
pub mod optics;
mod pachymetry;
mod picture;
pub mod predict;
mod recent;
mod record;
mod resample;
mod robust;
pub mod sample;
mod samples;
mod shape;
pub(crate) mod state;
mod statistics;
mod summary;
mod topography;
mod units;
mod vectors;
mod waiting;
mod wavefront;
mod window;
mod zernike;

pub use aggregate::{Accumulation, Aggregate, Memory};
pub use args::{Call, FixedLists, Flags, Lists, Numbers, Settings, Texts};
pub use function::{Example, Function, Head, Kind, Parameter};
pub use named::{fill_defaults, parameters};
pub use waiting::{Stop, Stops};

/// Functions that belong together: one file, one section of the reference.
pub struct Family {
    /// Name, also the section's title.
    pub name: &'static str,
    /// One line for the reference.
    pub about: &'static str,
    /// The scalar functions.
    pub functions: &'static [Function],
    /// The aggregates, which also work over windows.
    pub aggregates: &'static [Aggregate],
    /// The functions that only work over a window: their `compute` sees a partition in the window's order.
    pub windows: &'static [Function],
}

impl Family {
    const fn scalar(name: &'static str, about: &'static str, functions: &'static [Function]) -> Self {
        Self { name, about, functions, aggregates: &[], windows: &[] }
    }

    /// What can be said of every function of the family, in the order of the reference.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let function = |kind, f: &'static Function| Entry {
            kind,
            head: f.head(),
            about: f.about,
            returns: f.returns,
            example: f.example,
            memory: None,
        };
        let aggregate = |a: &'static Aggregate| Entry {
            kind: "aggregate",
            head: a.head(),
            about: a.about,
            returns: a.returns,
            example: a.example,
            memory: Some(a.memory),
        };
        let scalars = self.functions.iter().map(move |f| function("function", f));
        let windows = self.windows.iter().map(move |f| function("window function", f));
        scalars.chain(self.aggregates.iter().map(aggregate)).chain(windows)
    }
}

/// What the reference says of a function of any kind.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// `function`, `aggregate` or `window function`.
    pub kind: &'static str,
    /// Name and parameters.
    pub head: Head,
    /// What it gives, with units.
    pub about: &'static str,
    /// Postgres type of the result.
    pub returns: &'static str,
    /// An example that runs.
    pub example: Example,
    /// What an aggregate holds while it runs.
    pub memory: Option<Memory>,
}

/// Every family of pure functions; the one list from which everything else follows.
pub const FAMILIES: &[Family] = &[
    Family::scalar(
        "zernike",
        "Zernike coefficients in OSA/ANSI order: fit, families, transforms, refraction.",
        zernike::FUNCTIONS,
    ),
    Family::scalar("grid", "Cells of maps: how lists are read, extremes, rings, sectors, differences.", grid::FUNCTIONS),
    Family::scalar("resample", "Maps on another grid, at points, turned, moved and mirrored.", resample::FUNCTIONS),
    Family::scalar("statistics", "Statistics of a map within a zone.", statistics::FUNCTIONS),
    Family::scalar("shape", "Best-fit sphere, conic and toric asphere, elevation over them.", shape::FUNCTIONS),
    Family::scalar(
        "curvature",
        "Curvature and refractive power of a surface from its elevation, and elevation from curvature.",
        curvature::FUNCTIONS,
    ),
    Family::scalar("wavefront", "Wavefront error of the cornea from the elevation of its surfaces.", wavefront::FUNCTIONS),
    Family::scalar("keratometry", "Corneal power and simulated keratometry.", keratometry::FUNCTIONS),
    Family {
        name: "astigmatism",
        about: "Power vectors, prescriptions, vertex distance, Alpins analysis; samples of astigmatisms and of axes.",
        functions: astigmatism::FUNCTIONS,
        aggregates: bivariate::AGGREGATES,
        windows: &[],
    },
    Family {
        name: "vectors",
        about: "Feature vectors: profiles and normalisation, products and distances, principal components. A model or profile is \
                fitted once, stored in a table and handed over as `(select … )`, which is read once a statement; a cross join \
                instead copies it into every row.",
        functions: vectors::FUNCTIONS,
        aggregates: vectors::AGGREGATES,
        windows: &[],
    },
    Family::scalar("units", "Visual acuity and units.", units::FUNCTIONS),
    Family::scalar("picture", "Colour-coded pictures of maps.", picture::FUNCTIONS),
    Family::scalar(
        "indices",
        "Published indices that weigh other numbers. Not here, because their coefficients or normal data are not public: \
         Belin/Ambrósio D, TBI, bIOP, SSI, CSO's BCV, the Pentacam's progression index. Take the device's number for those.",
        indices::FUNCTIONS,
    ),
    Family::scalar(
        "topography",
        "Indices of keratoconus that are read off a map. A function whose name ends in _like follows the words with which a vendor \
         describes its index; weights and scaling are this project's own. An average is NULL where less than three quarters of \
         its area was measured. Up and down are the same for both eyes; a left eye needs no mirroring.",
        topography::FUNCTIONS,
    ),
    Family::scalar(
        "pachymetry",
        "Corneal thickness from its thinnest point outwards, and corneal volume.",
        pachymetry::FUNCTIONS,
    ),
    Family::scalar(
        "biomechanics",
        "Corneal biomechanics from the curves of an air-puff tonometer: one value a frame, displacement positive into the eye. bIOP, \
         SSI and TBI have no public formula: take the device's number.",
        biomechanics::FUNCTIONS,
    ),
    Family {
        name: "robust",
        about: "Location, spread and outliers that a few wild values do not move.",
        functions: robust::FUNCTIONS,
        aggregates: robust::AGGREGATES,
        windows: robust::WINDOWS,
    },
    Family {
        name: "drift",
        about: "How far a current sample has moved from its reference. Judge by effect size and p-value, adjusted over all features.",
        functions: drift::FUNCTIONS,
        aggregates: drift::AGGREGATES,
        windows: drift::WINDOWS,
    },
    Family {
        name: "calibration",
        about: "Whether predicted probabilities mean what they say. Rows with a missing probability or outcome are left out.",
        functions: &[],
        aggregates: calibration::AGGREGATES,
        windows: &[],
    },
    Family {
        name: "conformal",
        about: "Split-conformal prediction: sets and intervals that cover the truth as often as promised.",
        functions: conformal::FUNCTIONS,
        aggregates: conformal::AGGREGATES,
        windows: &[],
    },
    Family {
        name: "agreement",
        about: "Agreement of two measurements of the same eyes, or of two raters.",
        functions: &[],
        aggregates: agreement::AGGREGATES,
        windows: &[],
    },
];

/// The scalar functions of [`FAMILIES`], ready for a session state. `predict` needs a set of models: see [`predict`].
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let of = |family: &'static Family| {
        family.functions.iter().map(|f| Arc::new(ScalarUDF::new_from_impl(function::Udf::new(f, family.name))))
    };
    FAMILIES.iter().flat_map(of).collect()
}

/// The aggregates of [`FAMILIES`], ready for a session state.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let of = |family: &'static Family| {
        family.aggregates.iter().map(|a| Arc::new(AggregateUDF::new_from_impl(aggregate::Udaf::new(a, family.name))))
    };
    FAMILIES.iter().flat_map(of).collect()
}

/// The window functions of [`FAMILIES`], ready for a session state.
pub fn windows() -> Vec<Arc<WindowUDF>> {
    let of = |family: &'static Family| {
        family.windows.iter().map(|f| Arc::new(WindowUDF::new_from_impl(window::Udwf::new(f, family.name))))
    };
    FAMILIES.iter().flat_map(of).collect()
}

/// Registers all functions of [`FAMILIES`] in a session.
pub fn register_all(context: &SessionContext) {
    for function in functions() {
        context.register_udf(function.as_ref().clone());
    }
    for aggregate in aggregates() {
        context.register_udaf(aggregate.as_ref().clone());
    }
    for window in windows() {
        context.register_udwf(window.as_ref().clone());
    }
}

/// The reference of all functions as Markdown, printed from [`FAMILIES`].
pub fn reference() -> String {
    let mut page = String::from(
        "# Functions\n\nPrinted from the registry. An option in `name => default` form may be left out, NULL or named: \
         `f(x, third => 1)`. In the files of the layers, and in programs that do not call `fill_defaults`, named arguments leave no gap. \
         A NULL argument gives NULL.\n\nAn aggregate also works over a window. Over a frame that moves all of \
         the frame's rows are added up anew for each row; over one that grows, which `over (order by …)` alone means, the answer is \
         computed anew for each row.\n",
    );
    for family in FAMILIES {
        page += &format!("\n## {}\n\n{}\n", family.name, family.about);
        for entry in family.entries() {
            let kind = match (entry.kind, entry.memory) {
                ("function", _) => String::new(),
                (kind, Some(Memory::Collects)) => format!(" ({kind}; holds every value of its group)"),
                (kind, _) => format!(" ({kind})"),
            };
            let head = entry.head;
            page += &format!("\n### `{}`{kind}\n\n`{}` → `{}`\n\n{}\n", head.name, head.signature(), entry.returns, entry.about);
            if !head.parameters.is_empty() {
                page += "\n| argument | type | unit | default | |\n| --- | --- | --- | --- | --- |\n";
            }
            for p in head.parameters {
                page += &format!("| `{}` | `{}` | {} | {} | {} |\n", p.name, p.kind.sql_type(), p.unit, p.default, p.about);
            }
            page += &format!("\n```sql\nselect {};\n-- {}\n```\n", entry.example.sql, entry.example.output);
        }
    }
    page
}
