//! What can be wrong with the grids of a file, and whether they have the values that its header states.

use super::grid::Found;
use super::header::Header;
use super::{Grid, Layout, Map};
use crate::issue::{Issue, IssueCode};

const THICKNESS: &str = "corneal_thickness_um";
const SAGITTAL: &str = "sagittal_anterior_mm";
const ELEVATIONS: [&str; 2] = ["elevation_anterior_um", "elevation_posterior_um"];
/// Radius in mm to power in dioptres and back, with the keratometric index 1.3375.
const KERATOMETRIC: f64 = 337.5;

/// Issues of the grids. `unknown` counts those that the layout does not know or that stand twice.
pub(super) fn grids(layout: &Layout, kind: Option<&str>, found: &[Option<Found>], unknown: usize, issues: &mut Vec<Issue>) {
    if unknown > 0 {
        let detail = format!("{unknown} grids are not known to the layout or stand twice and were left out");
        issues.push(Issue::new(IssueCode::MapUnknown, detail));
    }
    let Some(kind) = kind else {
        let detail = "no grid tells by a number whether it is one of curvature, elevation or pachymetry";
        issues.push(Issue::new(IssueCode::DataAbsent, detail));
        return;
    };
    let cut = found.iter().flatten().any(|found| found.cut);
    for (map, found) in layout.maps.iter().zip(found).filter(|(map, _)| map.export == kind) {
        match found {
            Some(found) => one(layout, map, found, issues),
            None if cut => {}
            None => issues.push(Issue::new(IssueCode::MapMissing, map.column.clone())),
        }
    }
}

fn one(layout: &Layout, map: &Map, found: &Found, issues: &mut Vec<Issue>) {
    let (grid, name) = (layout.grid, map.column.as_str());
    let mut add = |code, detail: String| issues.push(Issue::new(code, detail));
    let Some(cells) = &found.cells else {
        let detail = format!("{name}: the coordinates are not those of {0} by {0} cells {1} mm apart", grid.size, grid.step_mm);
        add(IssueCode::LayoutUnknown, detail);
        return;
    };
    if let Some((count, cell)) = found.unreadable.met() {
        add(IssueCode::CellUnreadable, format!("{name}: {count} cells are no numbers, first {}", at(grid, cell)));
    }
    if let Some((count, cell)) = found.out_of_range.met() {
        let (low, high) = map.range;
        add(IssueCode::CellOutOfRange, format!("{name}: {count} cells are outside {low} to {high}, first {}", at(grid, cell)));
    }
    if let Some((count, row)) = found.long.met() {
        add(IssueCode::CellsExtra, format!("{name}: {count} rows have more cells than coordinates, first {}", row_at(grid, row)));
    }
    if found.cut {
        let detail = format!("the file ends after {} of {} rows of {name}", found.rows, grid.size);
        add(IssueCode::FileTruncated, detail);
        return;
    }
    if found.unplaced > 0 {
        let detail = format!(
            "{name}: {} rows have no coordinate of the grid, or one that stands twice; they were left out",
            found.unplaced
        );
        add(IssueCode::CellUnreadable, detail);
    }
    if let Some((count, row)) = found.short.met() {
        add(
            IssueCode::RowTruncated,
            format!("{name}: {count} rows have fewer cells than coordinates, first {}", row_at(grid, row)),
        );
    } else if found.rows + found.unplaced < grid.size {
        add(IssueCode::RowTruncated, format!("{name}: {} rows in place of {}; the others are missing", found.rows, grid.size));
    }
    let mut values = cells.iter().filter(|cell| !cell.is_nan());
    let Some(first) = values.next() else {
        add(IssueCode::MapEmpty, name.to_owned());
        return;
    };
    if values.clone().next().is_some() && values.all(|value| value == first) {
        add(IssueCode::MapConstant, format!("{name}: all cells are {first}"));
    }
    let zone = layout.tolerance.zone_radius_mm;
    let (mut all, mut missing) = (0usize, 0usize);
    for (row, cells) in cells.chunks(grid.size.max(1)).enumerate() {
        let y = grid.place(row * grid.size).1;
        // Half of the chord that the zone cuts from this row.
        let half = zone * zone - y * y;
        let within = cells.iter().enumerate().filter(|(column, _)| grid.place(*column).0.powi(2) <= half);
        for (_, cell) in within.take(if half >= 0.0 { cells.len() } else { 0 }) {
            all += 1;
            missing += usize::from(cell.is_nan());
        }
    }
    if missing as f64 > layout.tolerance.missing_fraction * all as f64 {
        add(IssueCode::CellsMissing, format!("{name}: {missing} of {all} cells within {zone} mm of the apex"));
    }
}

fn at(grid: Grid, cell: usize) -> String {
    let (x, y) = grid.place(cell);
    format!("at x {x:.1} mm, y {y:.1} mm")
}

fn row_at(grid: Grid, row: usize) -> String {
    format!("at y {:.1} mm", grid.place(row * grid.size).1)
}

/// Compares the grids with what the header states of them: thickness at the apex, smallest thickness and highest power with
/// their places, height at the apex, and the astigmatism with the two radii.
pub(super) fn stated(layout: &Layout, header: &Header, found: &[Option<Found>], issues: &mut Vec<Issue>) {
    let tolerance = layout.tolerance;
    let stated = |column: &str| {
        let key = layout.keys.iter().find(|key| key.column.as_deref() == Some(column))?;
        Some(super::super::number::parse(header.given(layout, &key.key)?)? / key.per_unit)
    };
    let cells = |column: &str| {
        let index = layout.maps.iter().position(|map| map.column == column)?;
        let found = found.get(index)?.as_ref().filter(|found| !found.cut)?;
        found.cells.as_deref()
    };
    let mut add = |detail: String| issues.push(Issue::new(IssueCode::HeaderDisagrees, detail));
    let value =
        |cells: &[f64], cell: Option<usize>| cell.and_then(|cell| cells.get(cell)).copied().filter(|value| !value.is_nan());
    let smallest = |cells: &[f64]| cells.iter().copied().filter(|value| !value.is_nan()).min_by(f64::total_cmp);

    if let Some(cells) = cells(THICKNESS) {
        if let (Some(stated), Some(apex)) = (stated("pachy_apex_um"), value(cells, layout.grid.cell_at(0.0, 0.0)))
            && (apex - stated).abs() > tolerance.thickness_um
        {
            add(format!("the thickness at the apex is {apex} um in the grid, {stated} um in the header"));
        }
        if let (Some(stated_min), Some(least)) = (stated("pachy_min_um"), smallest(cells)) {
            if (least - stated_min).abs() > tolerance.thickness_um {
                add(format!("the smallest thickness is {least} um in the grid, {stated_min} um in the header"));
            } else if let (Some(x), Some(y)) = (stated("pachy_min_x_mm"), stated("pachy_min_y_mm"))
                && value(cells, layout.grid.cell_at(x, y)).is_none_or(|value| value - least > tolerance.thickness_um)
            {
                add("the grid is not thinnest where the header states it".to_owned());
            }
        }
    }
    if let Some(cells) = cells(SAGITTAL)
        && let (Some(k_max), Some(least)) = (stated("k_max_front_d").filter(|k| *k > 0.0), smallest(cells))
    {
        if (KERATOMETRIC / k_max - least).abs() > tolerance.radius_mm {
            add(format!("the highest power is {:.2} D in the grid, {k_max} D in the header", KERATOMETRIC / least));
        } else if let (Some(x), Some(y)) = (stated("k_max_front_x_mm"), stated("k_max_front_y_mm"))
            && value(cells, layout.grid.cell_at(x, y)).is_none_or(|value| value - least > tolerance.radius_mm)
        {
            add("the grid is not steepest where the header states it".to_owned());
        }
    }
    for column in ELEVATIONS {
        if let Some(cells) = cells(column)
            && let Some(apex) = value(cells, layout.grid.cell_at(0.0, 0.0))
            && apex.abs() > tolerance.apex_height_um
        {
            add(format!("{column} is {apex} um at the apex, where it has to be 0"));
        }
    }
    if let (Some(h), Some(v), Some(astigmatism)) =
        (stated("cornea_front_rh_mm"), stated("cornea_front_rv_mm"), stated("cornea_front_astigmatism_d"))
        && h > 0.0
        && v > 0.0
    {
        let own = (KERATOMETRIC / v - KERATOMETRIC / h).abs();
        if (own - astigmatism.abs()).abs() > tolerance.astigmatism_d {
            add(format!("the two radii differ by {own:.1} D, the header states an astigmatism of {astigmatism} D"));
        }
    }
}

/// Issues of the edge of the pupil; a file without one is in order.
pub(super) fn contour(layout: &Layout, header: &Header, issues: &mut Vec<Issue>) {
    let (points, all) = (header.contour.len(), layout.header.contour_points);
    if header.odd_points > 0 {
        let detail = format!("{} lines of the pupil's edge are no points or too many", header.odd_points);
        issues.push(Issue::new(IssueCode::NumberUnreadable, detail));
    }
    if (1..all).contains(&(points + header.odd_points)) {
        issues.push(Issue::new(IssueCode::FileTruncated, format!("{points} of {all} points of the pupil's edge")));
    }
}
