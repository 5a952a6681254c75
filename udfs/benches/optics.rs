//! The mathematics on one thread: maps of 31 × 256 cells.
//!
//! What limits each: a fit reads the 16 rings within 3 mm (32 kB) and is bound by multiplications; with missing cells the Gram
//! matrix and its factorisation cost more than the data. A raster is bound by gathers from a map that fits the first-level
//! cache. Statistics are bound by passes over the 43 kB of the 8 mm zone. `benches/peers.py` times the fit in numpy.
#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use placido_udfs::optics::{
    acuity,
    asymmetry::{self, Sectors},
    curvature::{self, Curvature},
    derivatives::{DerivativeWork, Differentiator, WINDOW_MM},
    grid::PolarGrid,
    keratoconus,
    keratometry::{self, SimKMethod},
    pachymetry::{self, SpatialProfile},
    picture::{Decoration, Eye, Labels, Painter, Palette, ScaleKind, Style, Workspace as Sheets},
    resample::{Interpolation, MissingRule, Raster},
    shape::{self, SphereMode},
    statistics::ZoneStatistics,
    toric::{Asphericity, Position, toric_fit},
    wavefront::{self, Cornea, CornealSurface, TotalWork},
    zernike_fit::{Weighting, Workspace, ZernikeFitter},
};

const GRID: PolarGrid = PolarGrid::MS39;
/// Maps of a batch: more than the second-level cache holds.
const BATCH: usize = 64;

/// A cornea-like sag map, different for each seed; cells above the lid line are missing.
fn map(seed: usize, lid_mm: f64) -> Vec<f64> {
    let cells = (0..GRID.rings()).flat_map(|i| (0..GRID.meridians()).map(move |k| (GRID.radius_mm(i), GRID.angle(k))));
    let steep = 7.6 + 0.01 * (seed % 40) as f64;
    let sag = |(r, t): (f64, f64)| {
        let cone = 0.02 * (-(r * t.cos() - 0.5).powi(2) - (r * t.sin() + 1.0).powi(2)).exp();
        if r * t.sin() > lid_mm { f64::NAN } else { r * r / (steep + (steep * steep - 0.75 * r * r).sqrt()) - cone }
    };
    cells.map(sag).collect()
}

fn zernike(c: &mut Criterion) {
    let mut group = c.benchmark_group("zernike_fit");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, radius, lid) in
        [("full_3mm", 3.0, 9.0), ("full_6mm", 6.0, 9.0), ("masked_3mm", 3.0, 2.4), ("masked_6mm", 6.0, 5.0)]
    {
        let maps: Vec<Vec<f64>> = (0..BATCH).map(|seed| map(seed, lid)).collect();
        let fitter = ZernikeFitter::new(GRID, radius, 6, Weighting::Area).expect("the disc fits the grid");
        let (mut out, mut work) = (vec![0.0; fitter.terms()], Workspace::default());
        group.bench_function(name, |b| {
            b.iter(|| {
                for map in &maps {
                    black_box(fitter.fit(black_box(map), &mut out, &mut work));
                }
            });
        });
    }
    group.finish();
}

fn rasters(c: &mut Criterion) {
    let mut group = c.benchmark_group("polar_to_cartesian_256");
    let map = map(1, 9.0);
    for (name, method) in [("bilinear", Interpolation::Bilinear), ("bicubic", Interpolation::Bicubic)] {
        let raster = Raster::new(GRID, 256, 12.0, method, MissingRule::Strict).expect("the raster fits");
        let (mut pixels, mut padded) = (Vec::new(), Vec::new());
        group.bench_function(name, |b| {
            b.iter(|| {
                pixels.clear();
                raster.apply(black_box(&map), &mut pixels, &mut padded);
                black_box(&pixels);
            });
        });
    }
    group.finish();
}

fn maps(c: &mut Criterion) {
    let map = map(3, 9.0);
    let mut statistics = ZoneStatistics::new(GRID, 8.0).expect("the zone fits the grid");
    c.bench_function("map_statistics_8mm", |b| b.iter(|| statistics.of(black_box(&map))));
    c.bench_function("elevation_residual_8mm", |b| {
        b.iter(|| shape::elevation_residual(GRID, black_box(&map), 8.0, SphereMode::Float, Weighting::Area));
    });
    let radii = vec![7.8; GRID.cells()];
    c.bench_function("sim_k", |b| b.iter(|| keratometry::sim_k(GRID, black_box(&radii), 3.0, SimKMethod::Harmonic)));
    c.bench_function("parse_acuity", |b| b.iter(|| acuity::parse(black_box("8/10 P3"), &acuity::SCHEMES[0], None)));
}

/// Raster, colours of the pixels, lines and labels, PNG.
fn pictures(c: &mut Criterion) {
    let power: Vec<f64> = map(5, 4.2).iter().enumerate().map(|(i, z)| 43.0 + 2.0 * z + 1e-4 * (i % 256) as f64).collect();
    for (name, size, decoration) in [
        ("map_image_224", 224, Decoration::Auto),
        ("map_image_224_bare", 224, Decoration::None),
        ("map_image_400", 400, Decoration::Auto),
    ] {
        let style = Style {
            size,
            palette: Palette::Clinical,
            scale: ScaleKind::SmolekKlyce,
            step: None,
            unit: Some("[diop]".to_owned()),
            power: false,
            diameter_mm: None,
            decoration,
            interpolation: None,
        };
        let painter = Painter::new(GRID, style).expect("the style is one");
        let labels = Labels { eye: Some(Eye::Right), axis_deg: Some(93.0), title: Some("Anterior sagittal curvature") };
        let mut work = Sheets::default();
        c.bench_function(name, |b| b.iter(|| painter.paint(black_box(&power), labels, &mut work)));
    }
}

fn surfaces(c: &mut Criterion) {
    let (front, back, lidded) = (map(3, 9.0), map(20, 9.0), map(3, 4.0));
    let mut work = DerivativeWork::default();
    for (name, map, missing) in [
        ("sag_to_radius", &front, MissingRule::Strict),
        ("sag_to_radius_lid_strict", &lidded, MissingRule::Strict),
        ("sag_to_radius_lid_lenient", &lidded, MissingRule::Lenient),
    ] {
        let prepared = Differentiator::new(GRID, WINDOW_MM, missing).expect("the window fits the grid");
        c.bench_function(name, |b| b.iter(|| curvature::radius_map(&prepared, black_box(map), Curvature::Gaussian, &mut work)));
    }
    let radii = vec![7.8; GRID.cells()];
    c.bench_function("axial_to_sag", |b| b.iter(|| curvature::sag_of_axial(GRID, black_box(&radii))));
    c.bench_function("axial_to_tangential", |b| {
        b.iter(|| curvature::tangential_of_axial(GRID, black_box(&radii), MissingRule::Strict));
    });
    c.bench_function("toric_fit_8mm", |b| {
        b.iter(|| toric_fit(GRID, black_box(&front), 8.0, Asphericity::Separate, Position::Float, Weighting::Area));
    });
    c.bench_function("corneal_wavefront_3mm", |b| {
        b.iter(|| wavefront::surface_map(GRID, black_box(&front), 3.0, CornealSurface::Anterior, None));
    });
    let prepared = Differentiator::new(GRID, WINDOW_MM, MissingRule::Lenient).expect("the window fits the grid");
    let mut work = TotalWork::default();
    c.bench_function("corneal_wavefront_total_3mm", |b| {
        let cornea = Cornea { anterior: &front, posterior: &back, thickness_mm: 0.55 };
        b.iter(|| wavefront::total_map(&prepared, black_box(&cornea), 3.0, &mut work));
    });
}

/// Indices of one map: bound by passes over the 43 kB of the 8 mm zone; the cone by 3,841 spots of up to eleven runs of cells;
/// the thickness profile by the arc tangents of 1,409 points.
fn indices(c: &mut Criterion) {
    let mut group = c.benchmark_group("indices");
    let power: Vec<f64> = map(3, 9.0).iter().map(|z| 43.0 - 4.0 * z).collect();
    let thickness: Vec<f64> = map(3, 9.0).iter().map(|z| 540.0 + 100.0 * z).collect();
    group.bench_function("clmi", |b| b.iter(|| keratoconus::cone(GRID, black_box(&power), 8.0)));
    group.bench_function("kisa_from_map", |b| b.iter(|| keratoconus::kisa(GRID, black_box(&power))));
    group.bench_function("osi_fixed", |b| b.iter(|| asymmetry::sectors(GRID, black_box(&power), 8.0, Sectors::Fixed)));
    group.bench_function("osi_turning", |b| b.iter(|| asymmetry::sectors(GRID, black_box(&power), 8.0, Sectors::Turning)));
    group.bench_function("symmetry_index", |b| b.iter(|| asymmetry::symmetry_index(GRID, black_box(&power))));
    group.bench_function("isv_like", |b| b.iter(|| asymmetry::isv_like(GRID, black_box(&power), 8.0)));
    group.bench_function("iva_like", |b| b.iter(|| asymmetry::vertical_asymmetry(GRID, black_box(&power), 8.0)));
    group.bench_function("ctsp", |b| {
        b.iter(|| SpatialProfile::of_map(GRID, black_box(&thickness), -0.4, -0.3).map(|p| p.map(|p| p.ctsp())));
    });
    group.bench_function("corneal_volume", |b| b.iter(|| pachymetry::corneal_volume_mm3(GRID, black_box(&thickness), 8.0)));
    group.finish();
}

criterion_group!(benches, zernike, rasters, maps, surfaces, pictures, indices);
criterion_main!(benches);
