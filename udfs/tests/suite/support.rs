//! Surfaces and noise from which the golden values were made.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use placido_udfs::optics::{grid::PolarGrid, zernike};
use serde_json::Value;

pub const GRID: PolarGrid = PolarGrid::MS39;

/// The text of one golden file.
pub fn golden(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// One golden JSON file.
pub fn json(name: &str) -> Value {
    serde_json::from_str(&golden(name)).unwrap()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

pub fn close(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((got - expected).abs() <= tolerance, "{what}: got {got}, expected {expected}, tolerance {tolerance}");
}

pub fn all_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        close(*g, *e, tolerance, &format!("{what} [{i}]"));
    }
}

/// splitmix64 as a number in [0, 1).
pub fn hash01(i: u64, k: u64) -> f64 {
    let mut z = (i * 65536 + k).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

pub fn map_of(grid: PolarGrid, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    (0..grid.rings())
        .flat_map(|i| (0..grid.meridians()).map(move |k| (i, k)))
        .map(|(i, k)| f(grid.radius_mm(i), grid.angle(k)))
        .collect()
}

pub fn conic(r: f64, radius: f64, q: f64) -> f64 {
    r * r / (radius + (radius * radius - (1.0 + q) * r * r).sqrt())
}

/// The sag of a test surface by its name in the golden files, at any point.
pub fn sag(surface: &str, r: f64, t: f64) -> f64 {
    let (x, y) = (r * t.cos(), r * t.sin());
    match surface.get(..2) {
        Some("S1") => conic(r, 7.8, 0.0),
        Some("S2") => conic(r, 7.8, -0.25),
        Some("S3") => {
            let axis = 10f64.to_radians();
            let (u, v) = (x * axis.cos() + y * axis.sin(), -x * axis.sin() + y * axis.cos());
            let (c1, c2): (f64, f64) = (1.0 / 7.9, 1.0 / 7.5);
            let (q1, q2) = (-0.2, -0.3);
            let root = 1.0 - (1.0 + q1) * c1 * c1 * u * u - (1.0 + q2) * c2 * c2 * v * v;
            (c1 * u * u + c2 * v * v) / (1.0 + root.sqrt())
        }
        Some("S4") => conic(r, 7.8, -0.25) - 0.05 * (-((x - 0.6).powi(2) + (y + 1.2).powi(2)) / (2.0 * 0.81)).exp(),
        _ => panic!("unknown surface {surface}"),
    }
}

/// The golden eyelid mask: true where measured.
pub fn eyelid() -> Vec<bool> {
    let text = golden("map_S4_masked.csv");
    text.lines().skip(1).flat_map(|line| line.split(',').skip(2).map(|cell| !cell.is_empty()).collect::<Vec<_>>()).collect()
}

pub fn masked(map: &[f64], mask: &[bool]) -> Vec<f64> {
    assert_eq!(map.len(), mask.len());
    map.iter().zip(mask).map(|(v, keep)| if *keep { *v } else { f64::NAN }).collect()
}

pub fn zernike_map(coefficients: &[f64], radius_mm: f64) -> Vec<f64> {
    map_of(GRID, |r, t| zernike::surface(coefficients, r / radius_mm, t))
}

/// An axial power map by the parameters of `indices.json`, D.
pub fn axial_map_d(p: &Value) -> Vec<f64> {
    let n = |key: &str| number(&p[key]);
    map_of(GRID, |r, t| {
        let cylinder = if r == 0.0 { 0.0 } else { 0.5 * n("cyl") * (2.0 * (t - n("steep").to_radians())).cos() };
        let distance = (r * t.cos() - n("x0")).powi(2) + (r * t.sin() - n("y0")).powi(2);
        let cone = n("cone") * (-distance / (2.0 * n("s").powi(2))).exp();
        n("A0") + n("A2") * r * r + cylinder + cone - n("ias") * t.sin() * r / 3.0
    })
}

/// The real exports, where they are present: their folder is not part of the project.
pub fn real(name: &str) -> Option<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/realdata").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("skipped: the real file {name} is absent");
    }
    text
}

/// A CSO EyeTop export: radii and heights (NaN where missing) and the two SIM-k lines (power, axis).
pub fn eyetop(text: &str) -> (Vec<f64>, Vec<f64>, [(f64, f64); 2]) {
    let decimal = |s: &str| s.trim().replace(',', ".").parse::<f64>();
    let mut sim_k = Vec::new();
    for line in text.lines().filter(|l| l.starts_with('K') && l.contains('@')) {
        let (power, axis) = line.split_once('=').unwrap().1.split_once("D @").unwrap();
        sim_k.push((decimal(power).unwrap(), decimal(axis.trim().trim_end_matches('°')).unwrap()));
    }
    let values: Vec<f64> = text.lines().skip(22).filter_map(|l| decimal(l).ok()).collect();
    assert_eq!(values.len(), 2 * 6144);
    let missing: Vec<bool> = values[..6144].iter().map(|r| *r == -1.0).collect();
    let clean = |half: &[f64]| half.iter().zip(&missing).map(|(v, m)| if *m { f64::NAN } else { *v }).collect();
    (clean(&values[..6144]), clean(&values[6144..]), [sim_k[0], sim_k[1]])
}
