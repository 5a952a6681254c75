//! Corneal power and simulated keratometry.

use std::borrow::Cow;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::{Call, Lists, Settings, number_fields};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, Geometry, MERIDIANS, RING_STEP, RINGS, map_field};
use crate::grid::{MAP, each_map};
use crate::optics::keratometry::{self, SimK, SimKMethod, ThickCornea};
use crate::optics::topography::{self, Extreme};
use crate::optics::units::KERATOMETRIC_INDEX;

/// Units in which a map of corneal curvature may be given.
pub(crate) const RADII: &str = "mm or [diop]";
const AXIAL: Parameter = Parameter { about: "axial radii in mm, or powers where the column says '[diop]'", unit: RADII, ..MAP };
const DIAMETER: Parameter = Parameter::optional("diameter_mm", Kind::Number, "3", "diameter of the ring in mm");
const METHOD: Parameter = Parameter::optional(
    "method",
    Kind::Text,
    "'harmonic'",
    "'harmonic' (second harmonic of the ring), 'ring' (steepest meridian of the ring and its perpendicular), 'meridian' (the same \
     with means along 1.0 to 1.6 mm)",
);
const RETURNS: &str = "struct(k_flat_d, k_steep_d, axis_flat_deg, axis_steep_deg, m_d, j0_d, j45_d)";

const THICK: [Parameter; 3] = [
    Parameter::required("anterior_mm", Kind::Number, "radius of the anterior surface in mm").in_unit("mm"),
    Parameter::required("posterior_mm", Kind::Number, "radius of the posterior surface in mm").in_unit("mm"),
    Parameter::required("thickness_um", Kind::Number, "central thickness in µm").in_unit("um"),
];

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "radius_to_power",
        about: "Powers in D of a map of radii in mm: 1000 (index_to − index_from) / r. The defaults give keratometric power \
                (337.5/r); 1.376 and 1.336 give the posterior surface (−40/r). NULL where r is not positive.",
        parameters: &[
            Parameter { about: "radii of curvature in mm", unit: "mm", ..MAP },
            Parameter::optional("index_from", Kind::Number, "1", "refractive index in front of the surface"),
            Parameter::optional("index_to", Kind::Number, "1.3375", "refractive index behind the surface"),
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: |s| {
            let geometry = geometry::geometry(s, 0)?;
            Ok(map_field(geometry.grid, "[diop]"))
        },
        compute: |call| {
            let s = &call.settings;
            let (from, to) = (s.number("index_from", 1.0)?, s.number("index_to", KERATOMETRIC_INDEX)?);
            let power = |r: &f64| keratometry::surface_power_d(*r, from, to).unwrap_or(f64::NAN);
            each_map(call, |_, map| Ok(Some(map.iter().map(power).collect())))
        },
        example: Example { sql: "radius_to_power(array_repeat(7.5, 7936))[1]", output: "45.0" },
    },
    Function {
        name: "total_corneal_power",
        about: "Power in D of the whole cornea as a thick lens (Gullstrand): Fa + Fp − (t/n) Fa Fp with n = 1.376 and aqueous 1.336. \
                NULL where a radius is not positive.",
        parameters: &THICK,
        returns: "float8",
        result: |_| Ok(geometry::with_unit(Field::new("", DataType::Float64, true), "[diop]")),
        compute: |call| {
            let cornea = thick(call)?;
            call.each_number(|row| Ok(cornea(row).map(|c| c.total_d)))
        },
        example: Example { sql: "round(total_corneal_power(7.7, 6.8, 500), 3)", output: "43.053" },
    },
    Function {
        name: "total_corneal_power_detail",
        about: "The cornea as a thick lens: power of its surfaces, total power and power at the posterior vertex in D, and the \
                distance in mm from the second principal plane to the focus in the aqueous.",
        parameters: &THICK,
        returns: "struct(anterior_d, posterior_d, total_d, back_vertex_d, focal_length_mm)",
        result: |_| {
            let powers = ["anterior_d", "posterior_d", "total_d", "back_vertex_d"].map(|n| (n, "[diop]"));
            let fields = number_fields(&[&powers[..], &[("focal_length_mm", "mm")]].concat());
            Ok(Field::new("", DataType::Struct(fields), true))
        },
        compute: |call| {
            let cornea = thick(call)?;
            call.each_struct(|row| {
                let values = |c: ThickCornea| [c.anterior_d, c.posterior_d, c.total_d, c.back_vertex_d, c.focal_length_mm];
                Ok(cornea(row).map(|c| values(c).map(Some)))
            })
        },
        example: Example { sql: "round(total_corneal_power_detail(7.7, 6.8, 500)['back_vertex_d'], 3)", output: "43.831" },
    },
    Function {
        name: "sim_k",
        about: "Simulated keratometry of a map of axial (sagittal) radii in mm, with n = 1.3375: flat and steep reading in D with \
                their meridians in degrees, and the power vector (J0 > 0 with the rule). NULL where less than half of the ring \
                was measured.",
        parameters: &[AXIAL, DIAMETER, METHOD, RINGS, RING_STEP, MERIDIANS],
        returns: RETURNS,
        result: |s| {
            let geometry = geometry::geometry(s, 0)?;
            s.choice("method", METHODS)?;
            let radius = 0.5 * s.number("diameter_mm", 3.0)?;
            if !(radius > 0.0 && radius <= geometry.grid.max_radius_mm()) {
                return plan_err!(
                    "{}: a ring of {} mm diameter does not fit a grid that ends at {} mm",
                    s.name(),
                    2.0 * radius,
                    geometry.grid.max_radius_mm()
                );
            }
            Ok(sim_k_field())
        },
        compute: |call| {
            let geometry = geometry::geometry(&call.settings, 0)?;
            let (diameter, method) = ring_settings(&call.settings)?;
            let (lists, mut buffer) = (call.lists(0)?, Vec::new());
            call.each_struct(|row| {
                let present = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?;
                let Some(map) = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten() else { return Ok(None) };
                let radii = if is_power(&geometry) { Cow::Owned(inverted(map)) } else { Cow::Borrowed(map) };
                match keratometry::sim_k(geometry.grid, &radii, diameter, method) {
                    Ok(reading) => Ok(reading.map(values)),
                    Err(error) => exec_err!("{}: {error}", call.settings.name()),
                }
            })
        },
        example: Example { sql: "sim_k(array_repeat(7.5, 7936))['k_steep_d']", output: "45.0" },
    },
    Function {
        name: "kmax",
        about: "Largest keratometric power within a zone of a map of radii in mm, in D, and where it lies. NULL where less than three quarters of the zone was \
                measured.",
        parameters: &[
            Parameter { about: "axial or tangential radii in mm, or powers where the column says '[diop]'", unit: RADII, ..MAP },
            Parameter::optional("zone_mm", Kind::Number, "8", "diameter of the zone in mm"),
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "struct(k_d, x_mm, y_mm)",
        result: |s| {
            plan_radii(s)?;
            let fields = number_fields(&[("k_d", "[diop]"), ("x_mm", "mm"), ("y_mm", "mm")]);
            Ok(Field::new("", DataType::Struct(fields), true))
        },
        compute: |call| {
            let zone = call.settings.number("zone_mm", 8.0)?;
            let (geometry, lists, mut buffer) = (plan_radii(&call.settings)?, call.lists(0)?, Vec::new());
            call.each_struct(|row| {
                let power = row_power(call, &geometry, &lists, row, &mut buffer)?;
                let top = match power.map(|p| topography::extreme(geometry.grid, &p, zone, Extreme::Maximum)).transpose() {
                    Ok(top) => top.flatten(),
                    Err(error) => return exec_err!("{}: {error}", call.settings.name()),
                };
                Ok(top.map(|l| [l.value, l.x_mm, l.y_mm].map(Some)))
            })
        },
        example: Example { sql: "kmax(array_repeat(7.5, 7936))['k_d']", output: "45.0" },
    },
    Function {
        name: "inferior_superior",
        about: "I−S value in D of a map of axial radii in mm (Rabinowitz 1995): mean of five points below minus five above, 3 mm \
                from the vertex. NULL where one of the ten is missing.",
        parameters: &[AXIAL, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| {
            plan_radii(s)?;
            Ok(geometry::with_unit(Field::new("", DataType::Float64, true), "[diop]"))
        },
        compute: |call| of_power(call, |geometry, power| topography::inferior_superior(geometry.grid, power)),
        example: Example { sql: "inferior_superior(array_repeat(7.5, 7936))", output: "0.0" },
    },
    Function {
        name: "srax",
        about: "Skew of the steepest radial axes in degrees of a map of axial radii in mm (Rabinowitz and Rasheed 1999), with means \
                of the semi-meridians from 0.5 to 2.5 mm.",
        parameters: &[AXIAL, RINGS, RING_STEP, MERIDIANS],
        returns: "float8",
        result: |s| {
            plan_radii(s)?;
            Ok(geometry::with_unit(Field::new("", DataType::Float64, true), "deg"))
        },
        compute: |call| of_power(call, |geometry, power| topography::srax_deg(geometry.grid, power)),
        example: Example { sql: "srax(array_repeat(NULL, 7936)) is null", output: "true" },
    },
    Function {
        name: "sim_k_from_elevation",
        about: "Simulated keratometry from the scattered elevations of a Placido device (n = 1.3375): distances from the vertex \
                and heights in mm (either sign), ring after ring. The axial radius comes from the slope of a cubic fitted to the \
                seven points of a semi-meridian that are nearest to the ring.",
        parameters: &[
            Parameter::required("rho_mm", Kind::List, "distance of each point from the vertex in mm").in_unit("mm"),
            Parameter::required("z_mm", Kind::List, "height of each point in mm, 0 at the vertex").in_unit("mm"),
            Parameter::optional("meridians", Kind::Number, "256", "points of one ring"),
            DIAMETER,
            METHOD,
        ],
        returns: RETURNS,
        result: |s| {
            s.choice("method", METHODS)?;
            meridians(s)?;
            Ok(sim_k_field())
        },
        compute: sim_k_from_elevation,
        example: Example {
            sql: "round(sim_k_from_elevation(array_concat(array_repeat(0.5, 4), array_repeat(0.9, 4), array_repeat(1.2, 4), \
                  array_repeat(1.5, 4), array_repeat(1.8, 4), array_repeat(2.1, 4)), array_concat(array_repeat(0.0167, 4), \
                  array_repeat(0.0542, 4), array_repeat(0.0966, 4), array_repeat(0.1515, 4), array_repeat(0.2192, 4), \
                  array_repeat(0.2998, 4)), meridians => 4)['m_d'], 0)",
            output: "45.0",
        },
    },
];

const METHODS: &[(&str, SimKMethod)] =
    &[("harmonic", SimKMethod::Harmonic), ("ring", SimKMethod::Ring), ("meridian", SimKMethod::Meridian)];

/// The corneas of a batch, by row.
fn thick(call: &Call) -> Result<impl Fn(usize) -> Option<ThickCornea>> {
    let (anterior, posterior, thickness) = (call.numbers(0)?, call.numbers(1)?, call.numbers(2)?);
    Ok(move |row| ThickCornea::new(anterior.get(row)?, posterior.get(row)?, 1e-3 * thickness.get(row)?))
}

fn plan_radii(s: &Settings) -> Result<Geometry> {
    geometry::geometry(s, 0)
}

/// Whether a map of curvature holds keratometric powers instead of radii.
pub(crate) fn is_power(geometry: &Geometry) -> bool {
    geometry.unit.as_deref() == Some("[diop]")
}

/// Keratometric powers of a row's radii or powers.
fn row_power(call: &Call, geometry: &Geometry, lists: &Lists, row: usize, buffer: &mut Vec<f64>) -> Result<Option<Vec<f64>>> {
    let present = geometry::check_length(call.settings.name(), geometry.grid, lists, row)?;
    let map = present.then(|| lists.get(row, usize::MAX, buffer)).flatten();
    if is_power(geometry) {
        return Ok(map.map(<[f64]>::to_vec));
    }
    Ok(map.map(inverted))
}

/// Radii of keratometric powers, or powers of radii: 337.5 divided by them; `NaN` where they are not positive.
fn inverted(map: &[f64]) -> Vec<f64> {
    map.iter().map(|v| keratometry::surface_power_d(*v, 1.0, KERATOMETRIC_INDEX).unwrap_or(f64::NAN)).collect()
}

fn of_power(call: &Call, f: impl Fn(&Geometry, &[f64]) -> Option<f64>) -> Result<ArrayRef> {
    let (geometry, lists, mut buffer) = (plan_radii(&call.settings)?, call.lists(0)?, Vec::new());
    call.each_number(|row| {
        let power = row_power(call, &geometry, &lists, row, &mut buffer)?;
        Ok(power.and_then(|power| f(&geometry, &power)))
    })
}

fn sim_k_field() -> Field {
    let fields = [
        ("k_flat_d", "[diop]"),
        ("k_steep_d", "[diop]"),
        ("axis_flat_deg", "deg"),
        ("axis_steep_deg", "deg"),
        ("m_d", "[diop]"),
        ("j0_d", "[diop]"),
        ("j45_d", "[diop]"),
    ];
    Field::new("", DataType::Struct(number_fields(&fields)), true)
}

fn values(k: SimK) -> [Option<f64>; 7] {
    let vector = k.power_vector();
    [k.flat_d, k.steep_d, k.flat_axis_deg, k.steep_axis_deg, vector.m, vector.j0, vector.j45].map(Some)
}

fn ring_settings(s: &Settings) -> Result<(f64, SimKMethod)> {
    Ok((s.number("diameter_mm", 3.0)?, s.choice("method", METHODS)?))
}

fn meridians(s: &Settings) -> Result<usize> {
    match s.number("meridians", 256.0)? {
        m if (4.0..=4096.0).contains(&m) && m % 4.0 == 0.0 => Ok(m as usize),
        m => plan_err!("{}: meridians is a multiple of 4 up to 4096, got {m}", s.name()),
    }
}

fn sim_k_from_elevation(call: &Call) -> Result<ArrayRef> {
    let (diameter, method) = ring_settings(&call.settings)?;
    let meridians = meridians(&call.settings)?;
    if !(diameter > 0.0 && diameter <= 20.0) {
        return exec_err!("{}: diameter_mm is above 0 and at most 20, got {diameter}", call.settings.name());
    }
    let (rho, z) = (call.lists(0)?, call.lists(1)?);
    let (mut rho_buffer, mut z_buffer) = (Vec::new(), Vec::new());
    call.each_struct(|row| {
        let points = rho.get(row, usize::MAX, &mut rho_buffer).zip(z.get(row, usize::MAX, &mut z_buffer));
        let Some((rho, z)) = points else { return Ok(None) };
        if rho.len() != z.len() || !rho.len().is_multiple_of(meridians) {
            return exec_err!(
                "{}: rho_mm and z_mm need one value a point and {meridians} points a ring, got {} and {}",
                call.settings.name(),
                rho.len(),
                z.len()
            );
        }
        Ok(keratometry::sim_k_from_elevation(rho, z, meridians, diameter, method).map(values))
    })
}
