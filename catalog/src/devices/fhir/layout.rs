//! What the `layout.toml` of FHIR says: codes, units, and which identifier is the hospital's number.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::device::Eye;

/// A `layout.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    #[serde(rename = "version")]
    pub(super) versions: Vec<Version>,
    pub(super) identity: Numbers,
    pub(super) eyes: Eyes,
    pub(super) status: Status,
    pub(super) units: Units,
    pub(super) ranges: Ranges,
    #[serde(rename = "code")]
    pub(super) codes: Vec<Codes>,
    /// Codes of low vision and the words for them.
    pub(super) low_vision: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    pub(super) name: String,
    /// For people only.
    #[serde(rename = "about")]
    pub(super) _about: String,
}

/// Which identifier is the hospital's number.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbers {
    pub(super) number_types: Vec<String>,
    pub(super) number_systems: Vec<String>,
    pub(super) reference_is_number: bool,
}

/// Codes of the eyes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Eyes {
    pub(super) right: Vec<String>,
    pub(super) left: Vec<String>,
    pub(super) both: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Status {
    pub(super) void: Vec<String>,
}

/// Units in lower case.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Units {
    pub(super) logmar: Vec<String>,
    pub(super) decimal: Vec<String>,
    pub(super) letters: Vec<String>,
    pub(super) dioptre: Vec<String>,
    pub(super) degree: Vec<String>,
}

/// What is physically possible.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ranges {
    pub(super) sphere: (f64, f64),
    pub(super) cylinder: (f64, f64),
    pub(super) axis: (f64, f64),
}

/// What an Observation or a component measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Measure {
    Udva,
    Cdva,
    /// Distance acuity; whether corrected or not is not said.
    Va,
    PinholeVa,
    NearVa,
    Sphere,
    Cylinder,
    Axis,
    /// Sphere, cylinder and axis as components.
    Refraction,
    /// Acuities as components.
    Panel,
}

impl Measure {
    /// The word in the column `measure`; parts of a refraction are one.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Udva => "udva",
            Self::Cdva => "cdva",
            Self::Va => "va",
            Self::PinholeVa => "pinhole_va",
            Self::NearVa => "near_va",
            Self::Sphere | Self::Cylinder | Self::Axis | Self::Refraction => "refraction",
            Self::Panel => "panel",
        }
    }

    pub(super) fn is_acuity(self) -> bool {
        matches!(self, Self::Udva | Self::Cdva | Self::Va | Self::PinholeVa | Self::NearVa)
    }
}

/// Codes that mean the same.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Codes {
    pub(super) system: String,
    pub(super) measure: Measure,
    /// The eye that these codes say, if they do: OD or OS.
    pub(super) eye: Option<String>,
    pub(super) codes: Vec<String>,
}

impl Codes {
    pub(super) fn eye(&self) -> Option<Eye> {
        self.eye.as_deref().and_then(Eye::parse)
    }
}

impl Layout {
    /// What a code means; one without a system is looked for in all.
    pub(super) fn code(&self, system: Option<&str>, code: &str) -> Option<&Codes> {
        let same =
            |codes: &&Codes| system.is_none_or(|system| system == codes.system) && codes.codes.iter().any(|own| own == code);
        self.codes.iter().find(same)
    }
}
