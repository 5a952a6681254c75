//! The tables to which the Pentacam's AutoCSV appends a line for every exam. Each is a sheet of its own; what it holds stands
//! in its TOML file.

use super::super::sheet::{Export, SheetTable};

pub(crate) const INDEX_NAME: &str = "pentacam_index";
pub(crate) const ECTASIA_NAME: &str = "pentacam_badisplay";
pub(crate) const ZERNIKE_NAME: &str = "pentacam_zernike";
pub(crate) const SUMMARY_NAME: &str = "pentacam_summary";

/// Topographic indices, progression of thickness, ABCD grades.
pub static INDICES: SheetTable =
    SheetTable::new(INDEX_NAME, "Oculus Pentacam: table of indices (INDEX-LOAD.CSV), one exam a line", || {
        Export::new(
            INDEX_NAME,
            "Pentacam indices, one row an exam: keratometry, topographic indices, thickness on rings, ABCD grades",
            include_str!("index.toml"),
        )
    });

/// The enhanced ectasia display of Belin and Ambrosio.
pub static ECTASIA: SheetTable = SheetTable::new(
    ECTASIA_NAME,
    "Oculus Pentacam: table of the enhanced ectasia display (BADisplay-LOAD.CSV), one exam a line",
    || {
        Export::new(
            ECTASIA_NAME,
            "Pentacam enhanced ectasia display, one row an exam: deviations, best-fit spheres, progression of thickness",
            include_str!("badisplay.toml"),
        )
    },
);

/// Zernike coefficients of both surfaces and of the cornea.
pub static ZERNIKE: SheetTable =
    SheetTable::new(ZERNIKE_NAME, "Oculus Pentacam: table of wavefront coefficients (ZERNIKE-WFA.CSV), one exam a line", || {
        Export::new(
            ZERNIKE_NAME,
            "Pentacam wavefront, one row an exam: Zernike coefficients of both surfaces and of the cornea",
            include_str!("zernike.toml"),
        )
    });

/// Keratometry of the anterior surface.
pub static SUMMARY: SheetTable =
    SheetTable::new(SUMMARY_NAME, "Oculus Pentacam: table of summaries (SUMMARY-LOAD.CSV), one exam a line", || {
        Export::new(
            SUMMARY_NAME,
            "Pentacam summaries, one row an exam: radii and powers of the anterior surface",
            include_str!("summary.toml"),
        )
    });
