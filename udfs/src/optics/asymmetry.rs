//! Asymmetry and irregularity of a map: indices whose words are public.
//!
//! The opposite and differential sector indices follow Maeda et al. (1994). Functions whose name ends in `_like` carry the idea
//! that a vendor describes in words; weights, zones and scaling are this project's own, so that their values and limits are not
//! the vendor's. As in [`super::zone`], an average needs three quarters of its area measured.

use super::grid::{GridError, PolarGrid, SAME_RADIUS_MM};
use super::keratometry::interpolate_ring;
use super::linalg::NormalEquations;
use super::zone::{COVERAGE, Mean, zone_of};

/// How the eight sectors of [`sectors`] lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sectors {
    /// From 0° to 45° and on, each with the semi-meridian it begins at and without the one it ends at: an eye and its mirror image
    /// can differ by those.
    Fixed,
    /// Turned by one semi-meridian at a time, each index at the turn where it is largest (Maeda et al. 1994).
    Turning,
}

/// Opposite and differential sector index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SectorIndices {
    /// Largest difference between the means of two opposite sectors.
    pub opposite: f64,
    /// Difference between the largest and the smallest mean of a sector.
    pub differential: f64,
}

/// Opposite and differential sector index of Maeda et al. (1994), in the unit of the map, from eight sectors of 45° of a zone.
///
/// A sector's mean counts every sample once, the vertex not at all. `Ok(None)` where less than three quarters of a sector was
/// measured, and on a grid whose number of meridians is not a multiple of 8.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn sectors(grid: PolarGrid, power_d: &[f64], zone_mm: f64, lie: Sectors) -> Result<Option<SectorIndices>, GridError> {
    let meridians = grid.meridians();
    let mut along = vec![(0.0, 0.0); meridians];
    let mut rings = 0.0;
    for (_, _, row) in zone_of(grid, power_d, zone_mm)?.skip(1) {
        rings += 1.0;
        for ((sum, count), v) in along.iter_mut().zip(row).filter(|(_, v)| v.is_finite()) {
            *sum += v;
            *count += 1.0;
        }
    }
    if !meridians.is_multiple_of(8) {
        return Ok(None);
    }
    let width = meridians / 8;
    let needed = COVERAGE * rings * width as f64;
    let of = |turn: usize| -> Option<SectorIndices> {
        let mean = |s: usize| {
            let cells = along.iter().cycle().skip(turn + s * width).take(width);
            let (sum, count) = cells.fold((0.0, 0.0), |(sum, count), cell| (sum + cell.0, count + cell.1));
            (count > 0.0 && count >= needed).then(|| sum / count)
        };
        let means = (0..8).map(mean).collect::<Option<Vec<f64>>>()?;
        let opposite = means.iter().zip(means.iter().skip(4)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let largest = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let smallest = means.iter().copied().fold(f64::INFINITY, f64::min);
        Some(SectorIndices { opposite, differential: largest - smallest })
    };
    let turns = if lie == Sectors::Fixed { 1 } else { width };
    let all = (0..turns).map(of).collect::<Option<Vec<_>>>();
    Ok(all.and_then(|all| {
        all.into_iter().reduce(|a, b| SectorIndices {
            opposite: a.opposite.max(b.opposite),
            differential: a.differential.max(b.differential),
        })
    }))
}

/// Symmetry index of curvature, as the CSO Sirius describes it: the mean power of a disc of 1.5 mm radius centred 1.5 mm below
/// the vertex minus that of the same disc above, of a tangential power map and in its unit; cells weigh by area. `Ok(None)` where
/// less than three quarters of a disc was measured.
///
/// # Errors
/// [`GridError::Zone`] for a grid that ends before 3 mm.
pub fn symmetry_index(grid: PolarGrid, tangential_d: &[f64]) -> Result<Option<f64>, GridError> {
    const DISC_MM: f64 = 1.5;
    // A point r sin t above the vertex lies in the upper disc, which touches the vertex, where r ≤ 2 · 1.5 mm · sin t. Of the
    // vertex, a semi-meridian's share lies on its side.
    let heights: Vec<f64> = (0..grid.meridians()).map(|k| 2.0 * DISC_MM * grid.angle(k).sin()).collect();
    let (mut above, mut below) = (Mean::default(), Mean::default());
    for (radius, area, row) in zone_of(grid, tangential_d, 4.0 * DISC_MM)? {
        for (v, height) in row.iter().zip(&heights) {
            if radius <= height + SAME_RADIUS_MM {
                above.add(*v, area);
            }
            if radius <= SAME_RADIUS_MM - height {
                below.add(*v, area);
            }
        }
    }
    Ok(below.value().zip(above.value()).map(|(b, a)| b - a))
}

/// Index of surface variance, ours: 100 times the standard deviation (mm, population form, weighted by area) of the axial radii
/// of a zone.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn isv_like(grid: PolarGrid, radius_mm: &[f64], zone_mm: f64) -> Result<Option<f64>, GridError> {
    let zone = zone_of(grid, radius_mm, zone_mm)?;
    let mut radius = Mean::default();
    zone.clone().for_each(|(_, area, row)| row.iter().for_each(|r| radius.add(*r, area)));
    let Some(mean) = radius.value() else { return Ok(None) };
    let mut square = Mean::default();
    zone.for_each(|(_, area, row)| row.iter().for_each(|r| square.add((r - mean) * (r - mean), area)));
    Ok(square.value().map(|variance| 100.0 * variance.sqrt()))
}

/// Mean absolute difference between a map and its mirror image in the horizontal meridian, over the pairs of a zone of which both
/// cells were measured, in the unit of the map: of axial powers our likeness of the index of vertical asymmetry (IVA), of heights
/// that of the index of height asymmetry (IHA). A surface of revolution about the vertex that is taken from the heights cancels.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn vertical_asymmetry(grid: PolarGrid, map: &[f64], zone_mm: f64) -> Result<Option<f64>, GridError> {
    let mut difference = Mean::default();
    for (_, area, row) in zone_of(grid, map, zone_mm)? {
        let (Some(first), Some(others)) = (row.first(), row.get(1..)) else { continue };
        // Cells on the horizontal meridian are their own mirror image.
        difference.add(if first.is_finite() { 0.0 } else { f64::NAN }, area);
        others.iter().zip(others.iter().rev()).for_each(|(a, b)| difference.add((a - b).abs(), area));
    }
    Ok(difference.value())
}

/// Which side of the horizontal meridian a cell lies on.
fn side(k: usize, meridians: usize) -> std::cmp::Ordering {
    if k == 0 { std::cmp::Ordering::Equal } else { meridians.cmp(&(2 * k)) }
}

/// Keratoconus index, ours: the mean axial radius of the upper half of a zone over that of the lower half, weighted by area. The
/// vertex and the horizontal meridian belong to neither half, so that a mirrored eye has the same value.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn ki_like(grid: PolarGrid, radius_mm: &[f64], zone_mm: f64) -> Result<Option<f64>, GridError> {
    let (mut superior, mut inferior) = (Mean::default(), Mean::default());
    for (_, area, row) in zone_of(grid, radius_mm, zone_mm)?.skip(1) {
        for (k, r) in row.iter().enumerate() {
            match side(k, grid.meridians()) {
                std::cmp::Ordering::Greater => superior.add(*r, area),
                std::cmp::Ordering::Less => inferior.add(*r, area),
                std::cmp::Ordering::Equal => {}
            }
        }
    }
    Ok(superior.value().zip(inferior.value()).map(|(s, i)| s / i))
}

/// Central keratoconus index, ours: the mean axial radius of the annulus from 5 to 8 mm diameter over that within 3 mm, weighted
/// by area.
///
/// # Errors
/// [`GridError::Zone`] for a grid that ends before 4 mm.
pub fn cki_like(grid: PolarGrid, radius_mm: &[f64]) -> Result<Option<f64>, GridError> {
    let (mut centre, mut periphery) = (Mean::default(), Mean::default());
    for (i, (_, area, row)) in zone_of(grid, radius_mm, 8.0)?.enumerate() {
        let (inner, within) = (grid.cell_area_mm2(i, 1.5), grid.cell_area_mm2(i, 2.5));
        for r in row {
            centre.add(*r, inner);
            periphery.add(*r, area - within);
        }
    }
    Ok(periphery.value().zip(centre.value()).map(|(p, c)| p / c))
}

/// Index of height decentration, ours: the amplitude of the vertical first harmonic `sin t` of the heights on the circle of 3 mm
/// radius, in the unit of the map and without sign. By least squares together with the mean, the horizontal and the second
/// harmonics, so that a gap does not pass for a decentration. `Ok(None)` where less than three quarters of the circle was measured.
///
/// # Errors
/// [`GridError::Zone`] for a grid that ends before 3 mm.
pub fn height_decentration(grid: PolarGrid, height: &[f64]) -> Result<Option<f64>, GridError> {
    let circle = interpolate_ring(grid, height, 3.0)?;
    let mut equations = NormalEquations::<5>::new();
    let mut measured = Mean::default();
    for (k, z) in circle.iter().enumerate() {
        measured.add(*z, 1.0);
        if z.is_finite() {
            let t = grid.angle(k);
            equations.add([1.0, t.cos(), t.sin(), (2.0 * t).cos(), (2.0 * t).sin()], *z, 1.0);
        }
    }
    Ok(measured.value().and_then(|_| equations.solve()).map(|[_, _, vertical, ..]| vertical.abs()))
}

/// Surface asymmetry index, ours: the mean absolute difference between samples 180° apart, over the rings of a zone (3 mm by
/// default) without the vertex; every ring counts the same, so that the centre weighs most by area. In the unit of the map.
/// `Ok(None)` also on a grid with an odd number of meridians.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn sai_like(grid: PolarGrid, power_d: &[f64], zone_mm: f64) -> Result<Option<f64>, GridError> {
    let half = grid.meridians() / 2;
    let mut difference = Mean::default();
    for (_, _, row) in zone_of(grid, power_d, zone_mm)?.skip(1) {
        let (first, second) = row.split_at(half.min(row.len()));
        first.iter().zip(second).for_each(|(a, b)| difference.add((a - b).abs(), 1.0));
    }
    Ok(difference.value().filter(|_| grid.meridians().is_multiple_of(2)))
}

/// Irregular astigmatism index, ours: the mean absolute difference between neighbouring rings along the semi-meridians of a zone
/// (8 mm by default), from the first ring after the vertex. In the unit of the map; it grows with the distance between rings.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn iai_like(grid: PolarGrid, power_d: &[f64], zone_mm: f64) -> Result<Option<f64>, GridError> {
    let zone = zone_of(grid, power_d, zone_mm)?.skip(1);
    let mut difference = Mean::default();
    for ((_, _, inner), (_, _, outer)) in zone.clone().zip(zone.skip(1)) {
        inner.iter().zip(outer).for_each(|(a, b)| difference.add((b - a).abs(), 1.0));
    }
    Ok(difference.value())
}

/// Smallest axial or tangential radius of a zone. `Ok(None)` where less than three quarters of the zone was measured.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn smallest_radius(grid: PolarGrid, radius_mm: &[f64], zone_mm: f64) -> Result<Option<f64>, GridError> {
    let (mut coverage, mut smallest) = (Mean::default(), f64::INFINITY);
    for (_, area, row) in zone_of(grid, radius_mm, zone_mm)? {
        for r in row {
            coverage.add(*r, area);
            smallest = smallest.min(*r);
        }
    }
    Ok(coverage.value().map(|_| smallest))
}
