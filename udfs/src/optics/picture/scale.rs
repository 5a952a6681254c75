//! Bands of values that share a colour.

use super::PictureError;

/// Bands of one scale at most: the palette of a PNG holds 256 colours, of which lines over the map take three quarters.
pub const MAX_BANDS: usize = 60;

/// What a map's values are, as far as scales care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Dioptres, `[diop]`.
    Dioptre,
    /// Micrometres, `um`.
    Micrometre,
    /// Millimetres, `mm`.
    Millimetre,
    /// Anything else, or unknown.
    Other,
}

impl Unit {
    /// The unit of a UCUM code.
    pub fn of(code: &str) -> Self {
        match code {
            "[diop]" => Self::Dioptre,
            "um" => Self::Micrometre,
            "mm" => Self::Millimetre,
            _ => Self::Other,
        }
    }

    /// As it stands over the colour bar; empty where unknown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Dioptre => "D",
            Self::Micrometre => "µm",
            Self::Millimetre => "mm",
            Self::Other => "",
        }
    }
}

/// A named scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScaleKind {
    /// Chosen from unit and values: see [`ScaleKind::resolve`].
    Auto,
    /// The universal standard scale of Smolek, Klyce and Hovis (Ophthalmology 2002;109:361–369) for corneal power: 26 colours in
    /// steps of 1.5 D, the lowest from 30.0 D and the highest from 67.5 D. A colour stands for the values from its number up
    /// to the next. Range and steps are published, the exact colours are not.
    SmolekKlyce,
    /// 26 bands around 44 D, by default of 1 D; steps of 0.5, 1 and 1.5 D are customary (ANSI Z80.23). Ours.
    Power,
    /// Radius of curvature from 5 to 11 mm, by default in steps of 0.2 mm; steep is warm. Ours.
    Radius,
    /// Elevation over a reference surface from −75 to +75 µm, by default in steps of 5 µm; 2.5 µm gives 60 bands. The range is
    /// customary in elevation-based screening (Belin and Khachikian 2009), the bands are ours.
    Elevation,
    /// Corneal thickness from 300 to 900 µm, by default in steps of 20 µm; thin is warm. Ours.
    Pachymetry,
    /// Round steps over the map's own range, from the 1st to the 99th percentile of its cells: fine, and not comparable between
    /// maps.
    Normalized,
    /// Round steps on both sides of zero, as far as the map's own range needs: differences.
    Difference,
}

impl ScaleKind {
    /// The unit that the scale is for; `None` for any.
    pub fn unit(self) -> Option<Unit> {
        match self {
            Self::SmolekKlyce | Self::Power => Some(Unit::Dioptre),
            Self::Radius => Some(Unit::Millimetre),
            Self::Elevation | Self::Pachymetry => Some(Unit::Micrometre),
            Self::Auto | Self::Normalized | Self::Difference => None,
        }
    }

    /// As it stands under the map and in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::SmolekKlyce => "smolek_klyce",
            Self::Power => "power",
            Self::Radius => "radius",
            Self::Elevation => "elevation",
            Self::Pachymetry => "pachymetry",
            Self::Normalized => "normalized",
            Self::Difference => "difference",
        }
    }

    /// What [`ScaleKind::Auto`] means for a map whose cells have that median and 1st percentile: the standard scale of the
    /// quantity that such values are, else [`ScaleKind::Normalized`]. Powers with a median of 20 D and more are those of an
    /// anterior surface or a whole cornea; thicknesses have a median of 200 µm and more; elevations have both signs; radii have
    /// a median of 4.5 mm and more.
    pub fn resolve(self, unit: Unit, low: f64, median: f64) -> Self {
        match (self, unit) {
            (Self::Auto, Unit::Dioptre) if median >= 20.0 => Self::SmolekKlyce,
            (Self::Auto, Unit::Millimetre) if median >= 4.5 => Self::Radius,
            (Self::Auto, Unit::Micrometre) if median >= 200.0 => Self::Pachymetry,
            (Self::Auto, Unit::Micrometre) if low < 0.0 => Self::Elevation,
            (Self::Auto, _) => Self::Normalized,
            (kind, _) => kind,
        }
    }

    /// First and last limit, customary step and centre of a scale with fixed limits.
    fn limits(self) -> Option<(f64, f64, f64, f64)> {
        match self {
            Self::SmolekKlyce => Some((30.0, 69.0, 1.5, 44.25)),
            Self::Power => Some((31.0, 57.0, 1.0, 44.0)),
            Self::Radius => Some((5.0, 11.0, 0.2, 7.8)),
            Self::Elevation => Some((-75.0, 75.0, 5.0, 0.0)),
            Self::Pachymetry => Some((300.0, 900.0, 20.0, 560.0)),
            Self::Auto | Self::Normalized | Self::Difference => None,
        }
    }
}

/// Bands of equal width; values beyond the ends belong to the first or the last band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Which scale.
    pub kind: ScaleKind,
    /// Lower limit of the first band.
    pub first: f64,
    /// Width of a band.
    pub step: f64,
    /// Number of bands, 2 to [`MAX_BANDS`].
    pub bands: usize,
    /// The value that a palette's middle stands for, where the scale has one.
    pub centre: Option<f64>,
    /// Whether small values are warm: radii, thicknesses, negative powers.
    pub reversed: bool,
}

/// Bands that a scale of the map's own range aims for.
const USUAL_BANDS: f64 = 16.0;

impl Scale {
    /// A scale with fixed limits. `Ok(None)` for one that depends on the map.
    ///
    /// # Errors
    /// [`PictureError::Step`] for a step that gives too few or too many bands, or another than the published one.
    pub fn fixed(kind: ScaleKind, step: Option<f64>) -> Result<Option<Self>, PictureError> {
        if let Some(step) = step.filter(|s| !(*s >= 1e-6 && *s <= 1e6)) {
            return Err(PictureError::Step { scale: kind.name(), step });
        }
        let Some((first, last, usual, centre)) = kind.limits() else { return Ok(None) };
        let step = step.unwrap_or(usual);
        let refused = PictureError::Step { scale: kind.name(), step };
        if kind == ScaleKind::SmolekKlyce && step != usual {
            return Err(refused);
        }
        let reversed = matches!(kind, ScaleKind::Radius | ScaleKind::Pachymetry);
        if kind == ScaleKind::Power {
            return Ok(Some(Self { kind, first: centre - 13.0 * step, step, bands: 26, centre: Some(centre), reversed }));
        }
        let bands = ((last - first) / step).round();
        if !(2.0..=MAX_BANDS as f64).contains(&bands) || ((last - first) - bands * step).abs() > 1e-6 * step {
            return Err(refused);
        }
        Ok(Some(Self { kind, first, step, bands: bands as usize, centre: Some(centre), reversed }))
    }

    /// A scale of the map's own range: limits are multiples of the step.
    pub fn of_range(kind: ScaleKind, step: Option<f64>, low: f64, high: f64) -> Self {
        // Far beyond any eye, and near enough that no sum overflows and no limit loses its digits.
        let (low, high) = (low.clamp(-1e9, 1e9), high.clamp(-1e9, 1e9));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 0.0) };
        let finest = (low.abs().max(high.abs()) * 1e-5).max(1e-9);
        if kind == ScaleKind::Difference {
            let reach = low.abs().max(high.abs());
            let step = step.unwrap_or_else(|| round_step(2.0 * reach / USUAL_BANDS)).max(finest);
            let side = ((reach / step - 1e-9).ceil()).clamp(3.0, MAX_BANDS as f64 / 2.0);
            return Self { kind, first: -side * step, step, bands: 2 * side as usize, centre: Some(0.0), reversed: false };
        }
        let step = step.unwrap_or_else(|| round_step((high - low) / USUAL_BANDS)).max(finest);
        let mut first = (low / step + 1e-9).floor();
        let mut bands = ((high / step - 1e-9).ceil() - first).max(1.0);
        if bands > MAX_BANDS as f64 {
            // A given step that is too fine for the range: the middle of the range keeps its colours.
            first = (0.5 * (low + high) / step).floor() - MAX_BANDS as f64 / 2.0;
            bands = MAX_BANDS as f64;
        }
        if bands < 4.0 {
            first -= ((4.0 - bands) / 2.0).ceil();
            bands = 4.0;
        }
        Self { kind, first: first * step, step, bands: bands as usize, centre: None, reversed: high < 0.0 }
    }

    /// The band of a value; `None` for one that is not finite.
    pub fn band(&self, value: f64) -> Option<usize> {
        // A limit belongs to the band above it, also where its division by the step falls short by rounding.
        let position = (value - self.first) / self.step + 1e-9;
        value.is_finite().then(|| (position.max(0.0) as usize).min(self.bands - 1))
    }

    /// Lower limit of a band; for the number of bands the upper limit of the last.
    pub fn limit(&self, band: usize) -> f64 {
        self.first + band as f64 * self.step
    }

    /// Where a band lies on the way of a palette, 0 to 1.
    pub fn place(&self, band: usize, centred: bool) -> f64 {
        let middle = self.limit(band) + 0.5 * self.step;
        let (low, high) = (self.first + 0.5 * self.step, self.limit(self.bands) - 0.5 * self.step);
        let share = match self.centre.filter(|_| centred) {
            Some(centre) if centre > low && centre < high => {
                if middle < centre {
                    0.5 * (middle - low) / (centre - low)
                } else {
                    0.5 + 0.5 * (middle - centre) / (high - centre)
                }
            }
            _ => band as f64 / (self.bands - 1).max(1) as f64,
        };
        if self.reversed { 1.0 - share } else { share }
    }

    /// A limit as text, with the decimals that the steps need; as a power of ten where that would not fit `room` characters.
    pub fn label(&self, band: usize, room: usize) -> String {
        let value = self.limit(band);
        let needs = |decimals: &usize| {
            let scaled = self.step * 10f64.powi(*decimals as i32);
            (scaled - scaled.round()).abs() < 1e-6 * scaled.abs() && scaled >= 0.5
        };
        let decimals = (0..=6).find(needs).unwrap_or(2);
        // A zero that rounding made negative.
        let value = if value.abs() < 0.25 * self.step { 0.0 } else { value };
        let text = format!("{value:.decimals$}");
        if text.chars().count() <= room { text } else { format!("{value:.0e}") }
    }
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below a width.
fn round_step(width: f64) -> f64 {
    if !(width > 1e-12 && width.is_finite()) {
        return 1e-3;
    }
    let power = 10f64.powf(width.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= width * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}
