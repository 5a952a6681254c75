//! Corneal thickness from its thinnest point outwards, and corneal volume.

use arrow::array::ArrayRef;
use arrow::datatypes::Field;
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::{Call, FixedLists, Lists, Numbers};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, Geometry, MERIDIANS, RING_STEP, RINGS, list_type, require_unit, with_unit};
use crate::indices::{float, number, numbers};
use crate::optics::pachymetry::{self, CIRCLES, SpatialProfile};

const THICKNESS: Parameter =
    Parameter::required("map", Kind::List, "polar map of corneal thickness, ring after ring, NULL where missing");
const X: Parameter =
    Parameter::optional("x_mm", Kind::Number, "the thinnest point", "centre of the circles, to the examiner's right, mm")
        .in_unit("mm");
const Y: Parameter =
    Parameter::optional("y_mm", Kind::Number, "the thinnest point", "centre of the circles, upwards, mm").in_unit("mm");

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "ctsp",
        about: "Corneal thickness spatial profile (Ambrósio et al. 2006): mean thickness on 22 circles, 0.4 to 8.8 mm in diameter, \
                around the thinnest cell within 8 mm, in the unit of the map. NULL elements where less than three quarters of a \
                circle was measured; NULL where less than three quarters of the 8 mm zone was, because the thinnest point may lie in \
                the rest.",
        parameters: &[THICKNESS, X, Y, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[22]",
        result: |s| {
            let geometry = geometry::geometry(s, 0)?;
            Ok(with_unit(Field::new("", list_type(CIRCLES), true), geometry.unit.as_deref().unwrap_or("")))
        },
        compute: |call| circles(call, |profile| profile.ctsp()),
        example: Example { sql: "round(ctsp(array_repeat(540.0, 7936))[22], 6)", output: "540.0" },
    },
    Function {
        name: "pti",
        about: "Percentage of thickness increase (Ambrósio et al. 2006) on the circles of ctsp: 100 (CTSP − centre) / centre, where the \
                centre is the thinnest point or the given one. NULL as there.",
        parameters: &[THICKNESS, X, Y, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[22]",
        result: |s| {
            geometry::geometry(s, 0)?;
            Ok(with_unit(Field::new("", list_type(CIRCLES), true), "%"))
        },
        compute: |call| circles(call, |profile| profile.pti_percent()),
        example: Example { sql: "abs(pti(array_repeat(540.0, 7936))[22]) < 1e-9", output: "true" },
    },
    Function {
        name: "ctsp_diameters",
        about: "Diameters of the circles of ctsp and pti in mm, in their order.",
        parameters: &[],
        returns: "float8[22]",
        result: |_| Ok(with_unit(Field::new("", list_type(CIRCLES), true), "mm")),
        compute: |call| {
            let diameters: Vec<f64> = (1..=CIRCLES).map(|i| 0.4 * i as f64).collect();
            let mut out = FixedLists::new(call.settings.name(), CIRCLES, call.rows)?;
            (0..call.rows).for_each(|_| out.push(Some(&diameters)));
            out.finish()
        },
        example: Example { sql: "round(ctsp_diameters()[22], 1)", output: "8.8" },
    },
    Function {
        name: "ppi_like",
        about: "Pachymetric progression in % per mm, ours: the least-squares slope of the thickness increase over the distance from \
                the thinnest point in 64 directions, their average, minimum or maximum. The Pentacam's progression index relates to a \
                profile of normal eyes that is not public, so that neither its values nor its limits apply. NULL as in ctsp, and where \
                less than three quarters of the directions was measured far enough.",
        parameters: &[
            THICKNESS,
            Parameter::optional("statistic", Kind::Text, "'average'", "'average', 'minimum' or 'maximum' of the directions"),
            X,
            Y,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8",
        result: |s| {
            geometry::geometry(s, 0)?;
            s.choice("statistic", STATISTICS)?;
            Ok(float("%/mm"))
        },
        compute: |call| {
            let statistic = call.settings.choice("statistic", STATISTICS)?;
            let maps = Maps::of(call, 2)?;
            let mut buffer = Vec::new();
            call.each_number(|row| {
                Ok(maps.profile(call, row, &mut buffer)?.and_then(|p| p.progression()).map(|p| match statistic {
                    Statistic::Average => p.average,
                    Statistic::Minimum => p.minimum,
                    Statistic::Maximum => p.maximum,
                }))
            })
        },
        example: Example { sql: "abs(ppi_like(array_repeat(540.0, 7936), statistic => 'maximum')) < 1e-9", output: "true" },
    },
    Function {
        name: "art",
        about: "Ambrósio relational thickness in µm: the thinnest point over a pachymetric progression index that the device gives \
                (maximum, average or horizontal: ARTmax, ARTavg, ARTh). NULL where the index is not positive.",
        parameters: &[
            number("thinnest_um", "um", "thickness of the thinnest point in µm"),
            number("ppi", "", "pachymetric progression index"),
        ],
        returns: "float8",
        result: |_| Ok(float("um")),
        compute: |call| numbers(call, |[thinnest, ppi]| pachymetry::art_um(thinnest, ppi)),
        example: Example { sql: "art(540, 1.6)", output: "337.5" },
    },
    Function {
        name: "corneal_volume",
        about: "Corneal volume of a zone around the vertex in mm³: the integral of a thickness map in µm over the disc, each cell by \
                its area. A missing cell counts as the mean of its ring; NULL where less than three quarters of a ring was measured. \
                The definition is this project's own.",
        parameters: &[
            THICKNESS.in_unit("um"),
            Parameter::optional("zone_mm", Kind::Number, "8", "diameter of the zone in mm"),
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8",
        result: |s| {
            let geometry = geometry::geometry(s, 0)?;
            require_unit(s, &geometry, "um")?;
            match geometry.grid.zone_rings(0.5 * s.number("zone_mm", ZONE_MM)?) {
                Ok(_) => Ok(float("mm3")),
                Err(error) => plan_err!("{}: {error}", s.name()),
            }
        },
        compute: |call| {
            let zone = call.settings.number("zone_mm", ZONE_MM)?;
            let (geometry, lists, mut buffer) = (geometry::geometry(&call.settings, 0)?, call.lists(0)?, Vec::new());
            call.each_number(|row| {
                if !geometry::check_length(call.settings.name(), geometry.grid, &lists, row)? {
                    return Ok(None);
                }
                let Some(map) = lists.get(row, usize::MAX, &mut buffer) else { return Ok(None) };
                match pachymetry::corneal_volume_mm3(geometry.grid, map, zone) {
                    Ok(volume) => Ok(volume),
                    Err(error) => exec_err!("{}: {error}", call.settings.name()),
                }
            })
        },
        example: Example { sql: "round(corneal_volume(array_repeat(540.0, 7936), zone_mm => 6), 6)", output: "15.26814" },
    },
];

const ZONE_MM: f64 = 8.0;

#[derive(Debug, Clone, Copy)]
enum Statistic {
    Average,
    Minimum,
    Maximum,
}

const STATISTICS: &[(&str, Statistic)] =
    &[("average", Statistic::Average), ("minimum", Statistic::Minimum), ("maximum", Statistic::Maximum)];

/// Thickness maps with the centres of their profiles.
struct Maps {
    geometry: Geometry,
    lists: Lists,
    x: Numbers,
    y: Numbers,
}

impl Maps {
    /// The maps of a call whose centre is given from the argument `centre` on.
    fn of(call: &Call, centre: usize) -> Result<Self> {
        let geometry = geometry::geometry(&call.settings, 0)?;
        if call.settings.field(centre).is_some() != call.settings.field(centre + 1).is_some() {
            return exec_err!("{}: give both x_mm and y_mm or neither", call.settings.name());
        }
        Ok(Self { geometry, lists: call.lists(0)?, x: call.numbers(centre)?, y: call.numbers(centre + 1)? })
    }

    fn profile(&self, call: &Call, row: usize, buffer: &mut Vec<f64>) -> Result<Option<SpatialProfile>> {
        let (name, grid) = (call.settings.name(), self.geometry.grid);
        if !geometry::check_length(name, grid, &self.lists, row)? {
            return Ok(None);
        }
        let Some(map) = self.lists.get(row, usize::MAX, buffer) else { return Ok(None) };
        let centre = if self.x.is_null(row) && self.y.is_null(row) {
            pachymetry::thinnest(grid, map).map(|t| (t.x_mm, t.y_mm))
        } else {
            // Half of a position is none.
            self.x.get(row).zip(self.y.get(row))
        };
        let Some((x, y)) = centre else { return Ok(None) };
        match SpatialProfile::of_map(grid, map, x, y) {
            Ok(profile) => Ok(profile),
            Err(error) => exec_err!("{name}: {error}"),
        }
    }
}

fn circles(call: &Call, f: impl Fn(&SpatialProfile) -> [Option<f64>; CIRCLES]) -> Result<ArrayRef> {
    let (maps, mut buffer) = (Maps::of(call, 1)?, Vec::new());
    let mut out = FixedLists::new(call.settings.name(), CIRCLES, call.rows)?;
    for row in 0..call.rows {
        let profile = maps.profile(call, row, &mut buffer)?;
        let values = profile.as_ref().map(|p| f(p).map(|v| v.unwrap_or(f64::NAN)));
        out.push(values.as_ref().map(|v| v.as_slice()));
    }
    out.finish()
}
