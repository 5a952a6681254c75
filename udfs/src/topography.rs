//! Indices of keratoconus that are read off a map.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::{Call, Lists, Settings, number_fields};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, Geometry, MERIDIANS, RING_STEP, RINGS};
use crate::indices::float;
use crate::keratometry::{RADII, is_power};
use crate::optics::asymmetry::{self, Sectors};
use crate::optics::grid::{GridError, PolarGrid};
use crate::optics::keratometry::surface_power_d;
use crate::optics::units::{AQUEOUS_INDEX, CORNEA_INDEX, KERATOMETRIC_INDEX};
use crate::optics::{indices, keratoconus, zone};

const AXIAL: Parameter =
    Parameter::required("map", Kind::List, "polar map of axial radii in mm, or of powers where the column says '[diop]'")
        .in_unit(RADII);
const HEIGHT: Parameter = Parameter::required(
    "map",
    Kind::List,
    "polar map of heights in mm, or in µm where the column says 'um': sag or elevation, NULL where missing",
);
const ZONE: Parameter = Parameter::optional("zone_mm", Kind::Number, "8", "diameter of the zone in mm");
const SECTORS: Parameter = Parameter::optional(
    "sectors",
    Kind::Text,
    "'fixed'",
    "'fixed': eight sectors from 0° on; 'turning': the largest value over all turns of the sectors by one semi-meridian, as \
     published",
);

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "central_k",
        about: "Central keratometry in D: mean keratometric power of the rings of 2, 3 and 4 mm diameter, as KISA takes it.",
        parameters: &[AXIAL, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| radii_reach(s, 2.0).map(|_| float("[diop]")),
        compute: |call| of_powers(call, keratoconus::central_k),
        example: Example { sql: "central_k(array_repeat(7.5, 7936))", output: "45.0" },
    },
    Function {
        name: "kisa_from_map",
        about: "KISA % (Rabinowitz and Rasheed 1999) of a map: kisa of its central_k, inferior_superior, the astigmatism of sim_k by \
                'meridian' and srax. NULL where one of them is.",
        parameters: &[AXIAL, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| radii_reach(s, 3.0).map(|_| float("%")),
        compute: |call| of_powers(call, keratoconus::kisa),
        example: Example { sql: "kisa_from_map(array_repeat(NULL, 7936)) is null", output: "true" },
    },
    Function {
        name: "clmi",
        about: "Cone location and magnitude index in D (Mahmoud et al. 2008): mean power of the steepest 2 mm spot within the zone \
                over the rest of the zone, minus the same of the opposite spot, which counts less where the spot lies near the \
                vertex. ppk turns it into a probability.",
        parameters: &[AXIAL, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| spot_zone(s).map(|_| float("[diop]")),
        compute: |call| {
            let zone = zone_mm(&call.settings)?;
            of_powers(call, |grid, power| Ok(keratoconus::cone(grid, power, zone)?.map(|c| c.clmi)))
        },
        example: Example { sql: "abs(clmi(array_repeat(7.5, 7936))) < 1e-9", output: "true" },
    },
    Function {
        name: "clmi_detail",
        about: "What clmi is made of: the index, M1 of the steepest spot and M2 of the opposite one in D, the steepest spot's centre \
                (x to the examiner's right, y upwards) and the probability ppk.",
        parameters: &[AXIAL, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "struct(clmi_d, m1_d, m2_d, x_mm, y_mm, ppk)",
        result: |s| {
            spot_zone(s)?;
            let fields = [("clmi_d", D), ("m1_d", D), ("m2_d", D), ("x_mm", "mm"), ("y_mm", "mm"), ("ppk", "")];
            Ok(Field::new("", DataType::Struct(number_fields(&fields)), true))
        },
        compute: |call| {
            let zone = zone_mm(&call.settings)?;
            let mut rows = Rows::of(call)?;
            call.each_struct(|row| {
                let cone = rows.answer(call, row, Form::Power(KERATOMETRIC), |g, power| keratoconus::cone(g, power, zone))?;
                Ok(cone.map(|c| [c.clmi, c.m1, c.m2, c.x_mm, c.y_mm, indices::ppk(c.clmi)].map(Some)))
            })
        },
        example: Example { sql: "round(clmi_detail(array_repeat(7.5, 7936))['ppk'], 6)", output: "0.001581" },
    },
    Function {
        name: "csi",
        about: "Centre/surround index in D (Maeda et al. 1994): mean power within 3 mm diameter minus that from 3 to 6 mm, weighted by \
                area.",
        parameters: &[AXIAL, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| radii_reach(s, 3.0).map(|_| float(D)),
        compute: |call| of_powers(call, keratoconus::center_surround),
        example: Example { sql: "abs(csi(array_repeat(7.5, 7936))) < 1e-9", output: "true" },
    },
    Function {
        name: "osi",
        about: "Opposite sector index in D (Maeda et al. 1994): the largest difference between the mean powers of two opposite sectors \
                of 45°. Every sample counts once.",
        parameters: &[AXIAL, SECTORS, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: sectors_field,
        compute: |call| sector_index(call, |s| s.opposite),
        example: Example {
            sql: "round(osi(flatten(array_repeat(array_concat(array_repeat(7.5, 128), array_repeat(7.2, 128)), 31))), 6)",
            output: "1.875",
        },
    },
    Function {
        name: "dsi",
        about: "Differential sector index in D (Maeda et al. 1994): the difference between the largest and the smallest mean power of \
                eight sectors of 45°. Every sample counts once.",
        parameters: &[AXIAL, SECTORS, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: sectors_field,
        compute: |call| sector_index(call, |s| s.differential),
        example: Example { sql: "abs(dsi(array_repeat(7.5, 7936), sectors => 'turning')) < 1e-9", output: "true" },
    },
    Function {
        name: "sai_like",
        about: "A surface asymmetry index in D, ours: mean absolute difference of power between samples 180° apart within the zone. The \
                weights of the published SAI are not public.",
        parameters: &[AXIAL, Parameter { default: "3", ..ZONE }, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| {
            let geometry = radii_zone(s, SAI_ZONE_MM)?;
            meridians_divide(s, &geometry, 2)?;
            Ok(float(D))
        },
        compute: |call| {
            let zone = call.settings.number("zone_mm", SAI_ZONE_MM)?;
            of_powers(call, |grid, power| asymmetry::sai_like(grid, power, zone))
        },
        example: Example { sql: "sai_like(array_repeat(7.5, 7936)) < 1e-9", output: "true" },
    },
    Function {
        name: "iai_like",
        about: "An irregular astigmatism index in D, ours: mean absolute difference of power between neighbouring rings along the \
                semi-meridians of the zone. It grows with the distance between rings, and is not the IAI of another topographer.",
        parameters: &[AXIAL, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| radii_zone(s, ZONE_MM).map(|_| float(D)),
        compute: |call| {
            let zone = zone_mm(&call.settings)?;
            of_powers(call, |grid, power| asymmetry::iai_like(grid, power, zone))
        },
        example: Example { sql: "iai_like(array_repeat(7.5, 7936)) < 1e-9", output: "true" },
    },
    Function {
        name: "analyzed_area",
        about: "Share of a zone that was measured in % of its area, of a map of anything (the analysed area of Maeda et al. 1994).",
        parameters: &[
            Parameter { about: "polar map, ring after ring, NULL where missing", unit: "", ..AXIAL },
            ZONE,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8",
        result: |s| zone_fits(s, geometry::geometry(s, 0)?, ZONE_MM).map(|_| float("%")),
        compute: |call| {
            let zone = zone_mm(&call.settings)?;
            each(call, Form::AsIs, |grid, map| zone::analyzed_area_percent(grid, map, zone).map(Some))
        },
        example: Example {
            sql: "round(analyzed_area(flatten(array_repeat(array_concat(array_repeat(7.5, 192), array_repeat(NULL::float8, 64)), 31))), 6)",
            output: "75.0",
        },
    },
    Function {
        name: "symmetry_index",
        about: "Symmetry index of curvature in D, as the CSO Sirius describes it (SIf, SIb): mean power of a disc of 1.5 mm radius \
                centred 1.5 mm below the vertex minus that of the disc above. Powers are 337.5/r of the anterior and 40/r of the \
                posterior surface, so that steeper below is positive for both.",
        parameters: &[
            Parameter { about: "polar map of tangential radii in mm, ring after ring, NULL where missing", ..AXIAL },
            Parameter::optional("surface", Kind::Text, "'anterior'", "'anterior' or 'posterior'"),
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8",
        result: |s| {
            s.choice("surface", SURFACES)?;
            radii_reach(s, 3.0).map(|_| float(D))
        },
        compute: |call| {
            let surface = call.settings.choice("surface", SURFACES)?;
            each(call, Form::Power(surface), asymmetry::symmetry_index)
        },
        example: Example { sql: "abs(symmetry_index(array_repeat(6.5, 7936), 'posterior')) < 1e-9", output: "true" },
    },
    Function {
        name: "isv_like",
        about: "An index of surface variance, ours: 100 times the standard deviation in mm of the axial radii of the zone, weighted by \
                area. The scaling of the Pentacam's ISV is not public, so that its limits do not apply.",
        parameters: &[AXIAL, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| radii_zone(s, ZONE_MM).map(|_| float("")),
        compute: |call| {
            let zone = zone_mm(&call.settings)?;
            each(call, Form::Radius, |grid, radius| asymmetry::isv_like(grid, radius, zone))
        },
        example: Example { sql: "isv_like(array_repeat(7.5, 7936)) < 1e-6", output: "true" },
    },
    Function {
        name: "iva_like",
        about: "An index of vertical asymmetry in D, ours: mean absolute difference between the power map and its mirror image in the \
                horizontal meridian, weighted by area. The limits of the Pentacam's IVA do not apply.",
        parameters: &[AXIAL, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| radii_zone(s, ZONE_MM).map(|_| float(D)),
        compute: |call| {
            let zone = zone_mm(&call.settings)?;
            of_powers(call, |grid, power| asymmetry::vertical_asymmetry(grid, power, zone))
        },
        example: Example { sql: "iva_like(array_repeat(7.5, 7936))", output: "0.0" },
    },
    Function {
        name: "ki_like",
        about: "A keratoconus index, ours: mean axial radius of the upper half of the zone over that of the lower half, weighted by \
                area, without the horizontal meridian. The limits of the Pentacam's KI do not apply.",
        parameters: &[AXIAL, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| radii_zone(s, ZONE_MM).map(|_| float("")),
        compute: |call| {
            let zone = zone_mm(&call.settings)?;
            each(call, Form::Radius, |grid, radius| asymmetry::ki_like(grid, radius, zone))
        },
        example: Example {
            sql: "round(ki_like(flatten(array_repeat(array_concat(array_repeat(7.5, 128), array_repeat(6.0, 128)), 31))), 6)",
            output: "1.25",
        },
    },
    Function {
        name: "cki_like",
        about: "A central keratoconus index, ours: mean axial radius from 5 to 8 mm diameter over that within 3 mm, weighted by area. \
                The limits of the Pentacam's CKI do not apply.",
        parameters: &[AXIAL, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| radii_reach(s, 4.0).map(|_| float("")),
        compute: |call| each(call, Form::Radius, asymmetry::cki_like),
        example: Example { sql: "round(cki_like(array_repeat(7.5, 7936)) + 0.5, 6)", output: "1.5" },
    },
    Function {
        name: "iha_like",
        about: "An index of height asymmetry in µm, ours: mean absolute difference between the heights and their mirror image in the \
                horizontal meridian, weighted by area. A sphere around the vertex that is taken off changes nothing. The limits of the \
                Pentacam's IHA do not apply.",
        parameters: &[HEIGHT, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| {
            micrometres(s)?;
            zone_fits(s, geometry::geometry(s, 0)?, ZONE_MM).map(|_| float("um"))
        },
        compute: |call| {
            let (zone, scale) = (zone_mm(&call.settings)?, micrometres(&call.settings)?);
            each(call, Form::AsIs, |grid, height| {
                Ok(asymmetry::vertical_asymmetry(grid, height, zone)?.map(|difference| scale * difference))
            })
        },
        example: Example { sql: "iha_like(conic_map(7.8, -0.3)) < 1e-9", output: "true" },
    },
    Function {
        name: "ihd_like",
        about: "An index of height decentration in mm, ours: amplitude of the vertical first harmonic of the heights on the circle of 3 \
                mm radius, without sign. The limits of the Pentacam's IHD do not apply.",
        parameters: &[HEIGHT, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| {
            micrometres(s)?;
            reach(s, geometry::geometry(s, 0)?, 3.0).map(|_| float("mm"))
        },
        compute: |call| {
            let scale = 1e-3 * micrometres(&call.settings)?;
            each(call, Form::AsIs, |grid, height| Ok(asymmetry::height_decentration(grid, height)?.map(|a| scale * a)))
        },
        example: Example { sql: "ihd_like(conic_map(7.8, -0.3)) < 1e-9", output: "true" },
    },
    Function {
        name: "rmin",
        about: "Smallest radius of the zone in mm. NULL where less than three quarters of the zone was measured: the smallest may lie \
                in the rest.",
        parameters: &[
            Parameter { about: "polar map of axial or tangential radii in mm", ..AXIAL },
            ZONE,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8",
        result: |s| radii_zone(s, ZONE_MM).map(|_| float("mm")),
        compute: |call| {
            let zone = zone_mm(&call.settings)?;
            each(call, Form::Radius, |grid, radius| asymmetry::smallest_radius(grid, radius, zone))
        },
        example: Example { sql: "rmin(array_repeat(7.5, 7936))", output: "7.5" },
    },
];

const D: &str = "[diop]";
const ZONE_MM: f64 = 8.0;
const SAI_ZONE_MM: f64 = 3.0;
const LIES: &[(&str, Sectors)] = &[("fixed", Sectors::Fixed), ("turning", Sectors::Turning)];

/// Refractive indices between which a radius is turned into a power.
type Indices = (f64, f64);
const KERATOMETRIC: Indices = (1.0, KERATOMETRIC_INDEX);
/// The posterior surface's power counts positive here.
const SURFACES: &[(&str, Indices)] = &[("anterior", KERATOMETRIC), ("posterior", (AQUEOUS_INDEX, CORNEA_INDEX))];

/// What an index is computed from.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// The map.
    AsIs,
    /// Radii; one that is not positive is missing.
    Radius,
    /// Powers of radii.
    Power(Indices),
}

/// The maps of a call, row by row.
struct Rows {
    geometry: Geometry,
    lists: Lists,
    buffer: Vec<f64>,
    converted: Vec<f64>,
}

impl Rows {
    fn of(call: &Call) -> Result<Self> {
        let (geometry, lists) = (geometry::geometry(&call.settings, 0)?, call.lists(0)?);
        Ok(Self { geometry, lists, buffer: Vec::new(), converted: Vec::new() })
    }

    /// What an index says of a row's map; `None` for a NULL map.
    fn answer<T>(
        &mut self,
        call: &Call,
        row: usize,
        form: Form,
        f: impl Fn(PolarGrid, &[f64]) -> Result<Option<T>, GridError>,
    ) -> Result<Option<T>> {
        let (name, grid) = (call.settings.name(), self.geometry.grid);
        if !geometry::check_length(name, grid, &self.lists, row)? {
            return Ok(None);
        }
        let Some(map) = self.lists.get(row, usize::MAX, &mut self.buffer) else { return Ok(None) };
        let power = is_power(&self.geometry);
        let map = match form {
            Form::AsIs => map,
            Form::Power(KERATOMETRIC) if power => map,
            Form::Radius if !power && map.iter().all(|r| *r > 0.0) => map,
            Form::Radius | Form::Power(_) => {
                // Keratometric power and radius are each other's inverse by the same factor.
                let radius = |v: f64| if power { surface_power_d(v, KERATOMETRIC.0, KERATOMETRIC.1) } else { Some(v) };
                self.converted.clear();
                self.converted.extend(map.iter().map(|v| {
                    let positive = radius(*v).filter(|r| *r > 0.0);
                    let value = positive.and_then(|r| match form {
                        Form::Power((from, to)) => surface_power_d(r, from, to),
                        _ => Some(r),
                    });
                    value.unwrap_or(f64::NAN)
                }));
                self.converted.as_slice()
            }
        };
        match f(grid, map) {
            Ok(answer) => Ok(answer),
            Err(error) => exec_err!("{name}: {error}"),
        }
    }
}

/// An index of each map.
fn each(call: &Call, form: Form, f: impl Fn(PolarGrid, &[f64]) -> Result<Option<f64>, GridError>) -> Result<ArrayRef> {
    let mut rows = Rows::of(call)?;
    call.each_number(|row| rows.answer(call, row, form, &f))
}

/// An index of the keratometric powers of each map of radii.
fn of_powers(call: &Call, f: impl Fn(PolarGrid, &[f64]) -> Result<Option<f64>, GridError>) -> Result<ArrayRef> {
    each(call, Form::Power(KERATOMETRIC), f)
}

fn zone_mm(s: &Settings) -> Result<f64> {
    s.number("zone_mm", ZONE_MM)
}

/// Refuses a grid that ends before a radius.
fn reach(s: &Settings, geometry: Geometry, radius_mm: f64) -> Result<Geometry> {
    match geometry.grid.zone_rings(radius_mm) {
        Ok(_) => Ok(geometry),
        Err(error) => plan_err!("{}: {error}", s.name()),
    }
}

fn zone_fits(s: &Settings, geometry: Geometry, default_mm: f64) -> Result<Geometry> {
    let zone = s.number("zone_mm", default_mm)?;
    if s.is_settled("zone_mm") { reach(s, geometry, 0.5 * zone) } else { Ok(geometry) }
}

fn radii(s: &Settings) -> Result<Geometry> {
    geometry::geometry(s, 0)
}

fn radii_reach(s: &Settings, radius_mm: f64) -> Result<Geometry> {
    reach(s, radii(s)?, radius_mm)
}

fn radii_zone(s: &Settings, default_mm: f64) -> Result<Geometry> {
    zone_fits(s, radii(s)?, default_mm)
}

/// A zone in which a spot of 2 mm finds room.
fn spot_zone(s: &Settings) -> Result<Geometry> {
    match zone_mm(s)? {
        zone if zone < keratoconus::SPOT_MM => {
            plan_err!("{}: zone_mm is at least {} mm, the width of the spot; got {zone}", s.name(), keratoconus::SPOT_MM)
        }
        _ => radii_zone(s, ZONE_MM),
    }
}

fn meridians_divide(s: &Settings, geometry: &Geometry, by: usize) -> Result<()> {
    match geometry.grid.meridians() {
        m if m.is_multiple_of(by) => Ok(()),
        m => plan_err!("{}: the number of meridians must be a multiple of {by}, this grid has {m}", s.name()),
    }
}

fn sectors_field(s: &Settings) -> Result<Field> {
    s.choice("sectors", LIES)?;
    let geometry = radii_zone(s, ZONE_MM)?;
    meridians_divide(s, &geometry, 8)?;
    Ok(float(D))
}

fn sector_index(call: &Call, of: fn(asymmetry::SectorIndices) -> f64) -> Result<ArrayRef> {
    let (zone, lie) = (zone_mm(&call.settings)?, call.settings.choice("sectors", LIES)?);
    of_powers(call, |grid, power| Ok(asymmetry::sectors(grid, power, zone, lie)?.map(of)))
}

/// How many micrometres a unit of the height map has.
fn micrometres(s: &Settings) -> Result<f64> {
    match geometry::geometry(s, 0)?.unit.as_deref() {
        None | Some("mm") => Ok(1000.0),
        Some("um") => Ok(1.0),
        Some(other) => plan_err!("{}: the map must be in 'mm' or 'um', this column is in '{other}'", s.name()),
    }
}
