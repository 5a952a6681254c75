//! Floor 0: the mathematics of the cornea. Numbers in, numbers out.
//!
//! Nothing here knows of columns, SQL or files, so every formula can be read and tested alone. Conventions, everywhere:
//!
//! * Angles are counter-clockwise as the examiner sees the eye, 0 at the examiner's right (TABO), for both eyes.
//! * A map is a slice of `rings × meridians` numbers, ring after ring; a cell that is not finite (`NaN`) is missing.
//! * Sag `z` is in millimetres, positive into the eye. Device elevation is `z_reference − z`: positive in front of it.
//! * Zernike terms follow OSA/ANSI (ISO 24157): single index, normalised so that a coefficient is an RMS.

pub mod acuity;
pub mod astigmatism;
pub mod asymmetry;
pub mod biomechanics;
pub mod conic;
pub mod curvature;
pub mod derivatives;
pub mod grid;
pub mod indices;
pub mod keratoconus;
pub mod keratometry;
pub(crate) mod linalg;
mod moments;
pub mod pachymetry;
pub mod picture;
mod quadric;
pub mod resample;
pub mod shape;
pub mod square;
pub mod square_fit;
pub mod statistics;
pub mod topography;
pub mod toric;
pub mod units;
pub mod wavefront;
pub mod zernike;
pub mod zernike_fit;
pub mod zernike_transform;
pub mod zone;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    #[allow(clippy::unwrap_used)]
    fn the_mathematics_does_not_know_the_engine() {
        let mut found = Vec::new();
        for folder in ["src/optics", "src/sample"] {
            sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
        }
        assert!(found.len() > 10, "the folders were not found");
        for (path, text) in found {
            for engine in ["arrow", "datafusion"] {
                assert!(!text.contains(&format!("{engine}::")), "{path} names {engine}");
            }
        }
    }
}
