//! What can be wrong with the maps of a file: one issue for each kind and map.

use super::cells::{Found, Place};
use super::{Grid, Layout, Map};
use crate::issue::{Issue, IssueCode};

const THICKNESS: &str = "corneal_thickness_um";
const STROMA: &str = "stromal_thickness_um";
const EPITHELIUM: &str = "epithelial_thickness_um";
const SAGITTAL: &str = "sagittal_anterior_mm";
const ELEVATIONS: [&str; 2] = ["elevation_anterior_mm", "elevation_posterior_mm"];
/// Radius, power and what people call the surface.
const SURFACES: [(&str, &str, &str); 2] = [
    (SAGITTAL, "refractive_power_anterior_d", "anterior"),
    ("sagittal_posterior_mm", "refractive_power_posterior_d", "posterior"),
];
/// Keratometric power in dioptres of a radius of 1 mm.
const KERATOMETRIC: f64 = 337.5;
/// Keratometers read a zone of this diameter.
const KERATOMETER_MM: f64 = 3.0;

/// Issues of all maps. `unknown` counts maps that the layout does not know; `repeated` are those that stand twice.
pub(super) fn maps(layout: &Layout, found: &[Option<Found>], unknown: usize, repeated: &[usize], issues: &mut Vec<Issue>) {
    if !found.iter().flatten().any(|found| found.rows > 0) {
        issues.push(Issue::new(IssueCode::DataAbsent, "no map in the file has a row"));
        return;
    }
    let cut = found.iter().position(|found| found.as_ref().is_some_and(|found| found.cut));
    if let Some((index, map, rows)) =
        cut.and_then(|index| Some((index, layout.maps.get(index)?, found.get(index)?.as_ref()?.rows)))
    {
        let lost = found.iter().skip(index + 1).filter(|found| found.is_none()).count();
        let detail =
            format!("the file ends in row {rows} of {} of {}; {lost} maps after it are lost", layout.grid.rings, map.column);
        issues.push(Issue::new(IssueCode::FileTruncated, detail));
    }
    if unknown > 0 {
        issues.push(Issue::new(IssueCode::MapUnknown, format!("{unknown} maps are not known to the layout and were left out")));
    }
    for map in repeated.iter().filter_map(|index| layout.maps.get(*index)) {
        issues.push(Issue::new(IssueCode::MapUnknown, format!("{} stands more than once; the first was taken", map.column)));
    }
    for (index, (map, found)) in layout.maps.iter().zip(found).enumerate() {
        match found {
            Some(found) => one(layout, map, found, issues),
            None if cut.is_some_and(|cut| index > cut) => {}
            None => issues.push(Issue::new(IssueCode::MapMissing, map.column.clone())),
        }
    }
    layers(layout, found, issues);
    elevations(layout, found, issues);
    powers(layout, found, issues);
}

fn one(layout: &Layout, map: &Map, found: &Found, issues: &mut Vec<Issue>) {
    let grid = layout.grid;
    let name = map.column.as_str();
    let mut add = |code, detail: String| issues.push(Issue::new(code, detail));
    if let Some((count, place)) = found.unreadable.met() {
        add(IssueCode::CellUnreadable, format!("{name}: {count} cells are no numbers, first {}", at(grid, place)));
    }
    if let Some((count, place)) = found.out_of_range.met() {
        let (low, high) = map.range;
        add(IssueCode::CellOutOfRange, format!("{name}: {count} cells are outside {low} to {high}, first {}", at(grid, place)));
    }
    if let Some((count, ring)) = found.long.met() {
        add(IssueCode::CellsExtra, format!("{name}: {count} rings have more than {} cells, first ring {ring}", grid.meridians));
    }
    if let Some((ring, why)) = found.unplaced {
        let detail = format!("{name}: {why}, {} in all; what belongs from ring {ring} on is not known and missing", found.rows);
        add(IssueCode::RingsUnplaced, detail);
        return;
    }
    // One row more than rings is how some versions pad their blocks.
    if found.rows > grid.rings + 1 {
        add(IssueCode::CellsExtra, format!("{name}: {} rows in place of {}", found.rows, grid.rings));
    }
    if found.cut {
        return;
    }
    if let Some((count, ring)) = found.short.met() {
        add(
            IssueCode::RowTruncated,
            format!("{name}: {count} rings have fewer than {} cells, first ring {ring}", grid.meridians),
        );
    } else if found.rows < grid.rings {
        add(
            IssueCode::RowTruncated,
            format!("{name}: {} rows in place of {}, taken from the centre outwards", found.rows, grid.rings),
        );
    }
    let rings: Vec<usize> =
        found.cells.chunks(grid.meridians).map(|ring| ring.iter().filter(|cell| !cell.is_nan()).count()).collect();
    let Some(outermost) = rings.iter().rposition(|present| *present > 0) else {
        add(IssueCode::MapEmpty, name.to_owned());
        return;
    };
    let missing: Vec<usize> = (0..outermost).filter(|ring| rings.get(*ring) == Some(&0)).collect();
    if found.short.count == 0 && !missing.is_empty() {
        let list: Vec<String> =
            missing.iter().map(|ring| format!("{ring} ({:.1} mm)", *ring as f64 * grid.ring_step_mm)).collect();
        add(IssueCode::RingMissing, format!("{name}: ring {}", list.join(", ")));
    }
    let zone = map.rings.min(grid.rings);
    let present: usize = rings.iter().take(zone).sum();
    let all = zone * grid.meridians;
    if (all.saturating_sub(present)) as f64 > layout.cells.missing_fraction * all as f64 {
        add(IssueCode::CellsMissing, format!("{name}: {} of {all} cells of its {zone} rings", all - present));
    }
    let mut cells = found.cells.iter().filter(|cell| !cell.is_nan());
    // The centre alone is always constant: it is one point, written once for each meridian.
    if let Some(first) = cells.next().filter(|_| outermost > 0)
        && cells.all(|cell| cell == first)
    {
        add(IssueCode::MapConstant, format!("{name}: all cells are {first}"));
    }
}

fn at(grid: Grid, place: Place) -> String {
    let degrees = place.meridian as f64 * 360.0 / grid.meridians as f64;
    format!("at ring {} ({:.1} mm), {degrees:.1} deg", place.ring, place.ring as f64 * grid.ring_step_mm)
}

/// Compares the thickness with the sum of its layers wherever all three are there.
fn layers(layout: &Layout, found: &[Option<Found>], issues: &mut Vec<Issue>) {
    let cells = |column: &str| cells_of(layout, found, column);
    let (Some(total), Some(stroma), Some(epithelium)) = (cells(THICKNESS), cells(STROMA), cells(EPITHELIUM)) else { return };
    let (mut all, mut apart) = (0usize, 0usize);
    for ((total, stroma), epithelium) in total.iter().zip(stroma).zip(epithelium) {
        let difference = (total - stroma - epithelium).abs();
        all += usize::from(!difference.is_nan());
        apart += usize::from(difference > layout.cells.layers_um);
    }
    if apart as f64 > layout.cells.layers_fraction * all as f64 {
        let detail = format!(
            "stroma and epithelium differ from the thickness by more than {} um in {apart} of {all} cells",
            layout.cells.layers_um
        );
        issues.push(Issue::new(IssueCode::LayersDisagree, detail));
    }
}

/// The cells of a map that was read.
fn cells_of<'a>(layout: &Layout, found: &'a [Option<Found>], column: &str) -> Option<&'a [f64]> {
    let index = layout.maps.iter().position(|map| map.column == column)?;
    Some(found.get(index)?.as_ref()?.cells.as_slice())
}

/// The cells near the apex of a map that is no constant: what a constant map says is an issue of its own.
fn near_apex<'a>(layout: &Layout, found: &'a [Option<Found>], column: &str) -> Option<&'a [f64]> {
    let all = cells_of(layout, found, column)?;
    let outside = all.get(layout.grid.meridians..)?;
    let mut present = outside.iter().filter(|cell| !cell.is_nan());
    let first = present.next()?;
    if present.all(|cell| cell == first) {
        return None;
    }
    all.get(..layout.agreement.rings.min(layout.grid.rings) * layout.grid.meridians)
}

/// The median of what is there, if that is at least half: single damaged cells must not decide.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let all: Vec<f64> = values.collect();
    let mut present: Vec<f64> = all.iter().copied().filter(|value| !value.is_nan()).collect();
    if present.is_empty() || present.len() * 2 < all.len() {
        return None;
    }
    let middle = present.len() / 2;
    Some(*present.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// The posterior surface lies the thickness behind the anterior one.
fn elevations(layout: &Layout, found: &[Option<Found>], issues: &mut Vec<Issue>) {
    let [anterior, posterior] = ELEVATIONS.map(|column| near_apex(layout, found, column));
    let (Some(anterior), Some(posterior), Some(thickness)) = (anterior, posterior, near_apex(layout, found, THICKNESS)) else {
        return;
    };
    let apart = anterior.iter().zip(posterior).zip(thickness).map(|((front, back), um)| (back - front) * 1000.0 - um);
    let tolerance = layout.agreement.elevation_um;
    if let Some(apart) = median(apart).filter(|apart| apart.abs() > tolerance) {
        let detail = format!(
            "near the apex the posterior elevation lies {apart:.0} um deeper than the anterior one and the thickness together, \
             beyond {tolerance} um"
        );
        issues.push(Issue::new(IssueCode::ElevationsDisagree, detail));
    }
}

/// Power times radius of a surface is the step of its refractive index.
fn powers(layout: &Layout, found: &[Option<Found>], issues: &mut Vec<Issue>) {
    let agreement = &layout.agreement;
    for ((radius, power, name), steps) in SURFACES.iter().zip([&agreement.anterior_steps, &agreement.posterior_steps]) {
        let (Some(radii), Some(powers)) = (near_apex(layout, found, radius), near_apex(layout, found, power)) else { continue };
        let product = median(radii.iter().zip(powers).map(|(radius, power)| radius * power));
        let fits = |product: &f64| steps.iter().any(|step| (product / step - 1.0).abs() <= agreement.power_fraction);
        if let Some(product) = product.filter(|product| !steps.is_empty() && !fits(product)) {
            let known: Vec<String> = steps.iter().map(f64::to_string).collect();
            let detail =
                format!("{name} surface: power times radius near the apex is {product:.1} in place of {}", known.join(" or "));
            issues.push(Issue::new(IssueCode::PowerDisagrees, detail));
        }
    }
}

/// Compares the sagittal map with the simulated keratometry that stands before the maps: mean power of the keratometer's zone.
/// `stated` gives the number of a column.
pub(super) fn keratometry(
    layout: &Layout,
    found: &[Option<Found>],
    stated: impl Fn(&str) -> Option<f64>,
    issues: &mut Vec<Issue>,
) {
    let grid = layout.grid;
    let (Some(flat), Some(steep)) = (stated("sim_k_flat_radius_mm"), stated("sim_k_steep_radius_mm")) else { return };
    if near_apex(layout, found, SAGITTAL).is_none() {
        return;
    }
    let Some(cells) = cells_of(layout, found, SAGITTAL) else { return };
    let zone = |ring: usize| (ring as f64 * grid.ring_step_mm - KERATOMETER_MM / 2.0).abs() < 0.6 * grid.ring_step_mm;
    let (mut sum, mut present, mut all) = (0.0, 0usize, 0usize);
    for (_, ring) in cells.chunks(grid.meridians.max(1)).enumerate().filter(|(ring, _)| zone(*ring)) {
        all += ring.len();
        for radius in ring.iter().filter(|radius| !radius.is_nan()) {
            present += 1;
            sum += KERATOMETRIC / radius;
        }
    }
    // Where the lid covers part of the zone its mean is another.
    if present == 0 || present * 10 < all * 9 {
        return;
    }
    let (own, header) = (sum / present as f64, 0.5 * (KERATOMETRIC / flat + KERATOMETRIC / steep));
    if (own - header).abs() > layout.agreement.sim_k_d {
        let detail = format!("mean power of the 3 mm zone is {own:.2} D in the map, {header:.2} D before the maps");
        issues.push(Issue::new(IssueCode::HeaderDisagrees, detail));
    }
}
