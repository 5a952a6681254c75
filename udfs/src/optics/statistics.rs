//! Fourteen statistics of a map within a circular zone.
//!
//! Every cell counts by its area, clipped to the zone. The definition is this project's own; where a rule exists in the
//! field it is named at the statistic.

use super::grid::{Grid, GridError, PolarGrid, SAME_RADIUS_MM};
use super::square::SquareGrid;

/// Names of the statistics, in the order in which [`ZoneStatistics::of`] gives them.
pub const NAMES: [&str; 14] =
    ["mean", "sd", "min", "max", "p05", "p25", "p50", "p75", "p95", "skew", "kurt", "grad_rms", "entropy", "si_asym"];

const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
/// Bins of the entropy.
const ENTROPY_BINS: usize = 32;
/// Buckets that order the cells coarsely, so that only the cells around a quantile are sorted.
const BUCKETS: usize = 1024;

/// The cells of a zone and their areas in mm².
enum Zone {
    /// The leading rings; one area a ring.
    Polar { grid: PolarGrid, rings: usize, area: Vec<f64> },
    /// Pixels with their areas.
    Square { grid: SquareGrid, pixels: Vec<(usize, f64)> },
}

/// The statistics of one zone of one grid; holds the weights and the buffers that maps share.
pub struct ZoneStatistics {
    zone: Zone,
    values: Vec<f64>,
    weights: Vec<f64>,
    bucket: Vec<u16>,
    sorted: Vec<(f64, f64)>,
}

impl ZoneStatistics {
    /// Statistics of the disc of `zone_mm` diameter: of the cells whose centres lie in it.
    ///
    /// # Errors
    /// [`GridError::Zone`] where the zone does not fit the grid.
    pub fn new(grid: impl Into<Grid>, zone_mm: f64) -> Result<Self, GridError> {
        let radius = 0.5 * zone_mm;
        let zone = match grid.into() {
            Grid::Polar(grid) => {
                let rings = grid.zone_rings(radius)?;
                Zone::Polar { grid, rings, area: (0..rings).map(|i| grid.cell_area_mm2(i, radius)).collect() }
            }
            Grid::Square(grid) => Zone::Square { grid, pixels: grid.disc(radius)? },
        };
        Ok(Self { zone, values: Vec::new(), weights: Vec::new(), bucket: Vec::new(), sorted: Vec::new() })
    }

    /// The statistics of a map, or `None` where less than half of the zone's area was measured:
    ///
    /// mean; standard deviation, skewness and excess kurtosis in population form; extremes; five quantiles by linear
    /// interpolation at mid-weights (Hazen); root mean square gradient per mm by central differences, where all four
    /// neighbours were measured; entropy in bits over 32 equal bins from minimum to maximum; inferior minus superior mean.
    /// A shape statistic of a constant map is 0. The gradient is `NaN` where less than half of the zone's area has all four
    /// neighbours, the asymmetry where less than half of a half was measured. All in the unit of the map (its gradient per mm, skewness and kurtosis
    /// without unit).
    pub fn of(&mut self, map: &[f64]) -> Option<[f64; 14]> {
        let zone_area = self.gather(map)?;
        let (mut total, mut sum, mut lowest, mut highest) = (0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        for (&v, &w) in self.values.iter().zip(&self.weights) {
            total += w;
            sum += w * v;
            lowest = v.min(lowest);
            highest = v.max(highest);
        }
        if total <= 0.0 || total < 0.5 * zone_area {
            return None;
        }
        let mean = sum / total;
        let (mut second, mut third, mut fourth) = (0.0, 0.0, 0.0);
        for (&v, &w) in self.values.iter().zip(&self.weights) {
            let d = v - mean;
            let square = w * d * d;
            second += square;
            third += square * d;
            fourth += square * d * d;
        }
        let variance = second / total;
        let sd = variance.sqrt();
        // Rounding alone gives a constant map a tiny deviation; its shape would be noise.
        let constant = highest <= lowest;
        let (sd, skew, kurt) = if constant {
            (0.0, 0.0, 0.0)
        } else {
            (sd, third / total / (variance * sd), fourth / total / (variance * variance) - 3.0)
        };
        let (quantiles, entropy) = if constant { ([lowest; 5], 0.0) } else { self.order_statistics(lowest, highest, total) };
        let [p05, p25, p50, p75, p95] = quantiles;
        let (gradient, asymmetry) = match &self.zone {
            Zone::Polar { grid, rings, area } => {
                (polar_gradient_rms(*grid, *rings, area, map), polar_inferior_minus_superior(*grid, area, map))
            }
            Zone::Square { grid, pixels } => {
                (square_gradient_rms(*grid, pixels, map), square_inferior_minus_superior(*grid, pixels, map))
            }
        };
        Some([mean, sd, lowest, highest, p05, p25, p50, p75, p95, skew, kurt, gradient, entropy, asymmetry])
    }

    /// Collects the measured cells of the zone with their areas, and gives the area of the zone; `None` for a map of another
    /// length.
    fn gather(&mut self, map: &[f64]) -> Option<f64> {
        self.values.clear();
        self.weights.clear();
        match &self.zone {
            Zone::Polar { grid, rings, area } => {
                let meridians = grid.meridians();
                for (ring, &area) in map.get(..rings * meridians)?.chunks_exact(meridians).zip(area) {
                    if ring.iter().all(|v| v.is_finite()) {
                        self.values.extend_from_slice(ring);
                    } else {
                        self.values.extend(ring.iter().filter(|v| v.is_finite()));
                    }
                    self.weights.resize(self.values.len(), area);
                }
                Some(area.iter().sum::<f64>() * meridians as f64)
            }
            Zone::Square { grid, pixels } => {
                for (cell, area) in pixels.iter().filter(|_| map.len() == grid.cells()) {
                    if let Some(v) = map.get(*cell).filter(|v| v.is_finite()) {
                        self.values.push(*v);
                        self.weights.push(*area);
                    }
                }
                Some(pixels.iter().map(|(_, area)| area).sum())
            }
        }
    }

    /// Quantiles and entropy from one pass over buckets that are exact multiples of the entropy's bins.
    fn order_statistics(&mut self, lowest: f64, highest: f64, total: f64) -> ([f64; 5], f64) {
        let scale = BUCKETS as f64 / (highest - lowest);
        let mut weight = [0.0f64; BUCKETS];
        self.bucket.clear();
        for (&v, &w) in self.values.iter().zip(&self.weights) {
            let b = (((v - lowest) * scale) as usize).min(BUCKETS - 1);
            weight[b] += w;
            self.bucket.push(b as u16);
        }
        let entropy = weight
            .chunks_exact(BUCKETS / ENTROPY_BINS)
            .map(|bin| bin.iter().sum::<f64>() / total)
            .filter(|p| *p > 0.0)
            .map(|p| -p * p.log2())
            .sum();
        // A quantile needs the cells of its own bucket and the nearest cell on either side.
        let mut needed = [false; BUCKETS];
        for q in QUANTILES {
            let mut before = 0.0;
            let mut at = 0;
            while at + 1 < BUCKETS && before + weight[at] < q * total {
                before += weight[at];
                at += 1;
            }
            needed[at] = true;
            if let Some(left) = (0..at).rev().find(|&b| weight[b] > 0.0) {
                needed[left] = true;
            }
            if let Some(right) = (at + 1..BUCKETS).find(|&b| weight[b] > 0.0) {
                needed[right] = true;
            }
        }
        self.sorted.clear();
        for ((&v, &w), &b) in self.values.iter().zip(&self.weights).zip(&self.bucket) {
            if needed[usize::from(b)] {
                self.sorted.push((v, w));
            }
        }
        self.sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut quantiles = [lowest; 5];
        for (quantile, q) in quantiles.iter_mut().zip(QUANTILES) {
            *quantile = self.interpolate(q * total, &weight, &needed, lowest, scale);
        }
        (quantiles, entropy)
    }

    /// The value at which the cumulative weight, counted to the middle of each cell, reaches `target`.
    fn interpolate(&self, target: f64, weight: &[f64; BUCKETS], needed: &[bool; BUCKETS], lowest: f64, scale: f64) -> f64 {
        let mut cumulative = 0.0;
        let mut next_bucket = 0;
        let mut previous: Option<(f64, f64)> = None;
        for &(v, w) in &self.sorted {
            let b = (((v - lowest) * scale) as usize).min(BUCKETS - 1);
            while next_bucket < b {
                if !needed[next_bucket] && weight[next_bucket] > 0.0 {
                    cumulative += weight[next_bucket];
                    previous = None;
                }
                next_bucket += 1;
            }
            let middle = cumulative + 0.5 * w;
            if middle >= target {
                return match previous {
                    Some((position, value)) => value + (v - value) * (target - position) / (middle - position),
                    None => v,
                };
            }
            previous = Some((middle, v));
            cumulative += w;
        }
        previous.map_or(lowest, |(_, value)| value)
    }
}

/// Central differences along and across the meridians, in the map's unit per mm, weighted by area; `NaN` where fewer than half of
/// the cells that could have one do.
fn polar_gradient_rms(grid: PolarGrid, rings: usize, area: &[f64], map: &[f64]) -> f64 {
    let meridians = grid.meridians();
    let across = 1.0 / (2.0 * grid.ring_step_mm());
    let (mut sum, mut total, mut all) = (0.0, 0.0, 0.0);
    for (i, area) in area.iter().enumerate().take(rings).skip(1) {
        let Some(rings) = map.get((i - 1) * meridians..(i + 2) * meridians) else { continue };
        let along = meridians as f64 / (2.0 * std::f64::consts::TAU * grid.radius_mm(i));
        let (inner, rest) = rings.split_at(meridians);
        let (here, outer) = rest.split_at(meridians);
        let square = |k: usize, before: usize, after: usize| {
            let radial = (outer[k] - inner[k]) * across;
            let tangential = (here[after] - here[before]) * along;
            radial * radial + tangential * tangential
        };
        let mut ring_sum = 0.0;
        let mut count = 0u32;
        for (k, centre) in here.iter().enumerate() {
            let before = if k == 0 { meridians - 1 } else { k - 1 };
            let after = if k + 1 == meridians { 0 } else { k + 1 };
            let s = square(k, before, after);
            if s.is_finite() && centre.is_finite() {
                ring_sum += s;
                count += 1;
            }
        }
        sum += ring_sum * area;
        total += f64::from(count) * area;
        all += meridians as f64 * area;
    }
    if total > 0.0 && total >= 0.5 * all { (sum / total).sqrt() } else { f64::NAN }
}

/// Central differences along rows and columns, in the map's unit per mm, weighted by area; `NaN` where fewer than half of the
/// pixels that could have one do.
fn square_gradient_rms(grid: SquareGrid, pixels: &[(usize, f64)], map: &[f64]) -> f64 {
    let (size, across) = (grid.size(), 1.0 / (2.0 * grid.step_mm()));
    let (mut sum, mut total, mut all) = (0.0, 0.0, 0.0);
    for &(cell, area) in pixels {
        let (row, column) = (cell / size, cell % size);
        if row == 0 || column == 0 || row + 1 >= size || column + 1 >= size {
            continue;
        }
        all += area;
        let at = |cell: usize| map.get(cell).copied().unwrap_or(f64::NAN);
        let (dx, dy) = ((at(cell + 1) - at(cell - 1)) * across, (at(cell - size) - at(cell + size)) * across);
        let square = dx * dx + dy * dy;
        if square.is_finite() && at(cell).is_finite() {
            sum += area * square;
            total += area;
        }
    }
    if total > 0.0 && total >= 0.5 * all { (sum / total).sqrt() } else { f64::NAN }
}

/// Mean of the lower half (180°–360°) minus mean of the upper half; the horizontal meridian belongs to neither.
fn polar_inferior_minus_superior(grid: PolarGrid, area: &[f64], map: &[f64]) -> f64 {
    let meridians = grid.meridians();
    let half = meridians.div_ceil(2);
    let (mut superior, mut inferior) = (Half::default(), Half::default());
    for (ring, &area) in map.chunks_exact(meridians).zip(area) {
        ring[1..half].iter().for_each(|v| superior.add(*v, area));
        ring[meridians / 2 + 1..].iter().for_each(|v| inferior.add(*v, area));
    }
    inferior.mean() - superior.mean()
}

/// The mean of one half of a zone.
#[derive(Default)]
struct Half {
    sum: f64,
    measured: f64,
    all: f64,
}

impl Half {
    fn add(&mut self, value: f64, area: f64) {
        self.all += area;
        if value.is_finite() {
            self.sum += area * value;
            self.measured += area;
        }
    }

    /// `NaN` where less than half of it was measured.
    fn mean(&self) -> f64 {
        if self.measured >= 0.5 * self.all { self.sum / self.measured } else { f64::NAN }
    }
}

/// The same of a raster; pixels on the horizontal meridian belong to neither half.
fn square_inferior_minus_superior(grid: SquareGrid, pixels: &[(usize, f64)], map: &[f64]) -> f64 {
    let (mut superior, mut inferior) = (Half::default(), Half::default());
    for &(cell, area) in pixels {
        let (_, y) = grid.position_mm(cell);
        let side = if y > 0.0 { &mut superior } else { &mut inferior };
        if let Some(v) = map.get(cell).filter(|_| y != 0.0) {
            side.add(*v, area);
        }
    }
    inferior.mean() - superior.mean()
}

/// Means of equally wide rings of a map: ring `k` covers radii from `k · width` to `(k+1) · width`, `None` where less than
/// half of its area was measured.
///
/// # Errors
/// [`GridError::Zone`] where the rings reach beyond the grid.
pub fn ring_means(grid: PolarGrid, map: &[f64], width_mm: f64, count: usize) -> Result<Vec<Option<f64>>, GridError> {
    grid.zone_rings(width_mm * count as f64)?;
    Ok(sector_or_ring(grid, map, count, |r, _| {
        let ring = ((r + SAME_RADIUS_MM) / width_mm).floor();
        (ring >= 0.0 && ring < count as f64).then_some(ring as usize)
    }))
}

/// Means of equal sectors between two radii, the first centred on 0° and the others following counter-clockwise; `None`
/// where less than half of a sector was measured.
///
/// # Errors
/// [`GridError::Zone`] where the sectors reach beyond the grid, [`GridError::Band`] for an inner radius that is not within them.
pub fn sector_means(
    grid: PolarGrid,
    map: &[f64],
    inner_mm: f64,
    outer_mm: f64,
    count: usize,
) -> Result<Vec<Option<f64>>, GridError> {
    grid.zone_rings(outer_mm)?;
    if !(inner_mm >= 0.0 && inner_mm < outer_mm) {
        return Err(GridError::Band { inner_mm, outer_mm });
    }
    Ok(sector_or_ring(grid, map, count, |r, degrees| {
        let inside = r + SAME_RADIUS_MM >= inner_mm && r <= outer_mm + SAME_RADIUS_MM;
        let turn = degrees / 360.0 * count as f64 + 0.5;
        inside.then_some(turn as usize % count)
    }))
}

fn sector_or_ring(grid: PolarGrid, map: &[f64], count: usize, place: impl Fn(f64, f64) -> Option<usize>) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0, 0.0); count];
    for (i, ring) in map.chunks_exact(grid.meridians()).enumerate().take(grid.rings()) {
        let (radius, area) = (grid.radius_mm(i), grid.cell_area_mm2(i, f64::INFINITY));
        for (k, v) in ring.iter().enumerate() {
            let degrees = 360.0 * k as f64 / grid.meridians() as f64;
            let Some((sum, measured, all)) = place(radius, degrees).and_then(|at| sums.get_mut(at)) else { continue };
            *all += area;
            if v.is_finite() {
                *sum += area * v;
                *measured += area;
            }
        }
    }
    sums.into_iter().map(|(sum, measured, all)| (measured > 0.0 && measured >= 0.5 * all).then(|| sum / measured)).collect()
}
