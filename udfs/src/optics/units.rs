//! Conversions between the units of the clinic, named by their UCUM codes.

use thiserror::Error;

/// The keratometric index: the fictitious index with which a corneal radius is read as dioptres.
pub const KERATOMETRIC_INDEX: f64 = 1.3375;
/// Refractive index of the cornea (Gullstrand).
pub const CORNEA_INDEX: f64 = 1.376;
/// Refractive index of the aqueous humour (Gullstrand).
pub const AQUEOUS_INDEX: f64 = 1.336;

/// A conversion that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnitError {
    /// A code that is not known here.
    #[error("unit '{0}' is not known; known UCUM codes: {known}", known = known_units())]
    Unknown(String),
    /// Two units of different kinds.
    #[error("a value in '{from}' cannot be given in '{to}': they measure different things")]
    Kind {
        /// Unit of the value.
        from: String,
        /// Unit asked for.
        to: String,
    },
}

/// A known unit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    /// A multiple of a kind's base unit.
    Scale(Kind, f64),
    /// Base-10 logarithm of the minimum angle of resolution.
    LogMar,
    /// Decimal acuity, the reciprocal of the minimum angle of resolution.
    Decimal,
    /// ETDRS letter score.
    Letters,
    /// Dioptres; also a corneal radius through an index.
    Dioptre,
    /// Prism dioptres: 100 times the tangent of an angle.
    PrismDioptre,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Length,
    Pressure,
    Time,
    Angle,
    Speed,
    Ratio,
    Area,
}

const UNITS: [(&str, Unit); 26] = [
    ("m", Unit::Scale(Kind::Length, 1.0)),
    ("cm", Unit::Scale(Kind::Length, 1e-2)),
    ("mm", Unit::Scale(Kind::Length, 1e-3)),
    ("um", Unit::Scale(Kind::Length, 1e-6)),
    ("nm", Unit::Scale(Kind::Length, 1e-9)),
    ("[ft_i]", Unit::Scale(Kind::Length, 0.3048)),
    ("[in_i]", Unit::Scale(Kind::Length, 0.0254)),
    ("mm2", Unit::Scale(Kind::Area, 1e-6)),
    ("Pa", Unit::Scale(Kind::Pressure, 1.0)),
    ("kPa", Unit::Scale(Kind::Pressure, 1e3)),
    ("mm[Hg]", Unit::Scale(Kind::Pressure, 133.322387415)),
    ("s", Unit::Scale(Kind::Time, 1.0)),
    ("ms", Unit::Scale(Kind::Time, 1e-3)),
    ("min", Unit::Scale(Kind::Time, 60.0)),
    ("rad", Unit::Scale(Kind::Angle, 1.0)),
    ("deg", Unit::Scale(Kind::Angle, std::f64::consts::PI / 180.0)),
    ("'", Unit::Scale(Kind::Angle, std::f64::consts::PI / 10_800.0)),
    ("m/s", Unit::Scale(Kind::Speed, 1.0)),
    ("mm/ms", Unit::Scale(Kind::Speed, 1.0)),
    ("%", Unit::Scale(Kind::Ratio, 1e-2)),
    ("1", Unit::Scale(Kind::Ratio, 1.0)),
    ("[diop]", Unit::Dioptre),
    ("[p'diop]", Unit::PrismDioptre),
    ("[logMAR]", Unit::LogMar),
    ("[decimal]", Unit::Decimal),
    ("[letters]", Unit::Letters),
];

fn known_units() -> String {
    UNITS.map(|(code, _)| code).join(", ")
}

fn find(code: &str) -> Result<Unit, UnitError> {
    UNITS.iter().find(|(known, _)| *known == code).map(|(_, unit)| *unit).ok_or_else(|| UnitError::Unknown(code.to_owned()))
}

/// A value in another unit. A length becomes dioptres (and back) through `index`: `(n − 1)/r`, the keratometric reading of a
/// corneal radius. `Ok(None)` where the value has no counterpart (a radius of 0, an acuity of 0).
///
/// # Errors
/// [`UnitError`] for an unknown code or units of different kinds.
pub fn convert(value: f64, from: &str, to: &str, index: f64) -> Result<Option<f64>, UnitError> {
    let (source, target) = (find(from)?, find(to)?);
    let positive = |v: f64| (v > 0.0).then_some(v);
    // In millimetres, where the common numbers are exact: 337.5 / 7.5.
    let inverse_mm = |v: f64| (v != 0.0).then(|| (1000.0 * index - 1000.0) / v);
    let to_logmar = |unit: Unit| match unit {
        Unit::LogMar => Some(Some(value)),
        Unit::Decimal => Some(positive(value).map(|d| -d.log10())),
        Unit::Letters => Some(Some(super::acuity::letters_to_logmar(value))),
        _ => None,
    };
    let kind = || UnitError::Kind { from: from.to_owned(), to: to.to_owned() };
    let converted = match (source, target) {
        (a, b) if a == b => Some(value),
        (Unit::Scale(a, from), Unit::Scale(b, to)) if a == b => Some(value * (from / to)),
        (Unit::Scale(Kind::Length, metres), Unit::Dioptre) => inverse_mm(value * (metres / 1e-3)),
        (Unit::Dioptre, Unit::Scale(Kind::Length, metres)) => inverse_mm(value).map(|mm| mm * (1e-3 / metres)),
        (Unit::Scale(Kind::Angle, radians), Unit::PrismDioptre) => Some(100.0 * (value * radians).tan()),
        (Unit::PrismDioptre, Unit::Scale(Kind::Angle, radians)) => Some((value / 100.0).atan() / radians),
        (source, target) => {
            let logmar = to_logmar(source).ok_or_else(kind)?;
            match target {
                Unit::LogMar => logmar,
                Unit::Decimal => logmar.map(|l| 10f64.powf(-l)),
                Unit::Letters => logmar.map(super::acuity::logmar_to_letters),
                _ => return Err(kind()),
            }
        }
    };
    Ok(converted.filter(|v| v.is_finite()))
}
