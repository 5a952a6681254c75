//! Pictures of maps: colour-coded, with scale, rings, axis and eye, as PNG.
//!
//! Angles are TABO, as everywhere: 0° at the examiner's right, counter-clockwise. The nose is at the examiner's right for a right
//! eye and at the left for a left one. Values share a colour within a band of the [`Scale`]; missing cells are grey.

mod canvas;
mod layout;
mod palette;
mod scale;

use thiserror::Error;

use super::grid::Grid;
use super::resample::{Interpolation, MissingRule, Raster, RasterError};
use super::square::SquareSampler;
use super::units::KERATOMETRIC_INDEX;
use canvas::{BANDS, Canvas, MISSING, PAGE, encode};
use layout::{Layout, Page};
pub use palette::{Palette, Rgb};
pub use scale::{MAX_BANDS, Scale, ScaleKind, Unit};

/// Pixels a side.
pub const SIZES: std::ops::RangeInclusive<usize> = 64..=2048;

/// A picture that cannot be made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PictureError {
    /// The size is out of range.
    #[error("the size of a picture is 64 to 2048 pixels, got {0}")]
    Size(usize),
    /// The shown zone is not a length.
    #[error("diameter_mm is the shown zone in mm, above 0 and at most 100; got {0}")]
    Diameter(f64),
    /// A scale for another unit.
    #[error("the scale '{scale}' is for values in {expected}, this map is in {given}")]
    Unit {
        /// Name of the scale.
        scale: &'static str,
        /// What it is for.
        expected: &'static str,
        /// What the map has.
        given: String,
    },
    /// Powers are asked of values that are not radii.
    #[error("powers are computed from radii in mm, this map is in {0}")]
    Power(String),
    /// A step that does not divide the scale into a reasonable number of bands.
    #[error(
        "a step of {step} does not fit the scale '{scale}': smolek_klyce has steps of 1.5 D; the steps of the other fixed scales \
         divide their range into 2 to 60 bands"
    )]
    Step {
        /// Name of the scale.
        scale: &'static str,
        /// What was asked for.
        step: f64,
    },
    /// The raster of the map cannot be made.
    #[error(transparent)]
    Raster(#[from] RasterError),
    /// The PNG cannot be written.
    #[error("the PNG could not be written: {0}")]
    Encoding(String),
}

/// What stands around the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decoration {
    /// Colour bar, rings, cross, degrees and labels, as far as the size has room for them.
    Auto,
    /// Nothing: the map fills the picture.
    None,
}

/// Which eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Eye {
    /// Oculus dexter: nasal is at the examiner's right.
    Right,
    /// Oculus sinister: nasal is at the examiner's left.
    Left,
}

/// What all pictures of a series share.
#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    /// Pixels a side, [`SIZES`].
    pub size: usize,
    /// Colours.
    pub palette: Palette,
    /// Bands.
    pub scale: ScaleKind,
    /// Width of a band; `None` for the usual one.
    pub step: Option<f64>,
    /// UCUM code of the map's values, if known.
    pub unit: Option<String>,
    /// Whether radii in mm are shown as keratometric power, 337.5/r D.
    pub power: bool,
    /// Diameter of the shown zone, mm; `None` for the whole grid.
    pub diameter_mm: Option<f64>,
    /// What stands around the map.
    pub decoration: Decoration,
    /// How values between the cells are found; `None` for bicubic where a polar grid allows it, and bilinear on a raster, whose
    /// pixels lie as close as those of a picture.
    pub interpolation: Option<Interpolation>,
}

/// What each picture has of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Labels<'a> {
    /// Which eye; without it nasal and temporal are not known.
    pub eye: Option<Eye>,
    /// A meridian to draw, degrees TABO.
    pub axis_deg: Option<f64>,
    /// First line of the picture; what does not fit is left out.
    pub title: Option<&'a str>,
}

/// Memory that pictures of a series share.
#[derive(Debug, Default)]
pub struct Workspace {
    cells: Vec<f64>,
    sorted: Vec<f64>,
    values: Vec<f64>,
    padded: Vec<f64>,
    pixels: Vec<u8>,
}

/// From cells to pixels.
enum Source {
    Polar(Raster),
    Square(SquareSampler),
}

/// A prepared series of pictures.
pub struct Painter {
    grid: Grid,
    style: Style,
    unit: Unit,
    fixed: Option<Scale>,
    diameter_mm: f64,
    layout: Layout,
    source: Source,
}

impl Painter {
    /// Bytes that it holds.
    pub fn held_bytes(&self) -> usize {
        match &self.source {
            Source::Polar(raster) => raster.held_bytes(),
            Source::Square(_) => 0,
        }
    }

    /// Prepares pictures of maps on a grid.
    ///
    /// # Errors
    /// [`PictureError`] for a style that cannot be drawn: sizes out of range, a scale for another unit.
    pub fn new(grid: impl Into<Grid>, style: Style) -> Result<Self, PictureError> {
        check(&style)?;
        let grid = grid.into();
        let unit = shown_unit(&style);
        let whole_mm = match grid {
            Grid::Polar(grid) => 2.0 * grid.max_radius_mm(),
            Grid::Square(grid) => grid.extent_mm(),
        };
        let diameter_mm = style.diameter_mm.unwrap_or(whole_mm);
        let layout = match style.decoration {
            Decoration::Auto => Layout::decorated(style.size),
            Decoration::None => Layout::bare(style.size),
        };
        // The outermost pixels' outer edges, not their centres, lie on the rim of the zone.
        let extent_mm = diameter_mm * (layout.diameter as f64 - 1.0) / layout.diameter as f64;
        let source = match grid {
            Grid::Polar(grid) => {
                let raster = |method| Raster::new(grid, layout.diameter, extent_mm, method, MissingRule::Lenient);
                Source::Polar(match style.interpolation {
                    Some(method) => raster(method)?,
                    None => raster(Interpolation::Bicubic).or_else(|error| match error {
                        RasterError::Grid => raster(Interpolation::Bilinear),
                        other => Err(other),
                    })?,
                })
            }
            Grid::Square(grid) => {
                let method = style.interpolation.unwrap_or(Interpolation::Bilinear);
                Source::Square(SquareSampler::new(grid, method, MissingRule::Lenient))
            }
        };
        let fixed = Scale::fixed(style.scale, style.step)?;
        Ok(Self { grid, style, unit, fixed, diameter_mm, layout, source })
    }

    /// The PNG of a map; missing cells are not finite. `Ok(None)` for a map of another length than the grid has cells.
    ///
    /// # Errors
    /// [`PictureError::Step`] where the scale follows from the map and the step does not fit it.
    pub fn paint(&self, map: &[f64], labels: Labels, work: &mut Workspace) -> Result<Option<Vec<u8>>, PictureError> {
        if map.len() != self.grid.cells() {
            return Ok(None);
        }
        let Workspace { cells, sorted, values, padded, pixels } = work;
        let map = if self.style.power {
            let power = |r: &f64| (1000.0 * KERATOMETRIC_INDEX - 1000.0) / r;
            cells.clear();
            cells.extend(map.iter().map(|r| if *r > 0.0 { power(r) } else { f64::NAN }));
            cells.as_slice()
        } else {
            map
        };
        let scale = match self.fixed {
            Some(scale) => Some(scale),
            None => self.scale_of(map, sorted)?,
        };
        let color = |scale: &Scale, band| self.style.palette.color(scale.place(band, self.style.palette.is_centred()));
        let bands: Vec<Rgb> = scale.iter().flat_map(|scale| (0..scale.bands).map(move |band| color(scale, band))).collect();

        values.clear();
        self.resample(map, values, padded);
        let scale = scale.as_ref();
        let background = if self.layout.page.is_some() { PAGE } else { MISSING };
        let mut canvas = Canvas::new(self.style.size, background, pixels);
        self.paint_map(&mut canvas, values, scale);
        if let Some(page) = &self.layout.page {
            self.paint_rings(&mut canvas, page);
            self.paint_axis(&mut canvas, page, labels);
            self.paint_degrees(&mut canvas, page, labels.eye);
            if let Some(scale) = scale {
                self.paint_bar(&mut canvas, page, scale);
            }
            self.paint_lines(&mut canvas, page, scale, labels);
        }
        encode(self.style.size, pixels, &bands, &self.notes(scale)).map(Some)
    }

    /// The scale of a map whose scale is not fixed; `None` where nothing was measured.
    fn scale_of(&self, map: &[f64], sorted: &mut Vec<f64>) -> Result<Option<Scale>, PictureError> {
        let radius = 0.5 * self.diameter_mm;
        sorted.clear();
        match self.grid {
            Grid::Polar(grid) => {
                let shown = grid.rings_within(radius) * grid.meridians();
                sorted.extend(map.iter().take(shown).filter(|v| v.is_finite()));
            }
            Grid::Square(grid) => {
                let shown = |cell| {
                    let (x, y) = grid.position_mm(cell);
                    x.hypot(y) <= radius
                };
                sorted.extend(map.iter().enumerate().filter(|(cell, v)| v.is_finite() && shown(*cell)).map(|(_, v)| *v));
            }
        }
        if sorted.is_empty() {
            return Ok(None);
        }
        let mut quantile = |share: f64| {
            let at = (share * (sorted.len() - 1) as f64).round() as usize;
            *sorted.select_nth_unstable_by(at, f64::total_cmp).1
        };
        let (low, median, high) = (quantile(0.01), quantile(0.5), quantile(0.99));
        let kind = self.style.scale.resolve(self.unit, low, median);
        // A step that the standard scale cannot have asks for one that can.
        let kind = match (self.style.scale, kind, self.style.step) {
            (ScaleKind::Auto, ScaleKind::SmolekKlyce, Some(step)) if step != 1.5 => ScaleKind::Power,
            _ => kind,
        };
        let fixed = Scale::fixed(kind, self.style.step)?;
        Ok(Some(fixed.unwrap_or_else(|| Scale::of_range(kind, self.style.step, low, high))))
    }

    /// The values of the pixels of the map, row after row.
    fn resample(&self, map: &[f64], values: &mut Vec<f64>, padded: &mut Vec<f64>) {
        match &self.source {
            Source::Polar(raster) => raster.apply(map, values, padded),
            Source::Square(sampler) => {
                let diameter = self.layout.diameter;
                let mm = |pixel: usize| self.diameter_mm * ((pixel as f64 + 0.5) / diameter as f64 - 0.5);
                for row in 0..diameter {
                    for column in 0..diameter {
                        let (x, y) = (mm(column), -mm(row));
                        let inside = x.hypot(y) <= 0.5 * self.diameter_mm;
                        values.push(if inside { sampler.at(map, x, y) } else { f64::NAN });
                    }
                }
            }
        }
    }

    fn paint_map(&self, canvas: &mut Canvas, values: &[f64], scale: Option<&Scale>) {
        let diameter = self.layout.diameter;
        let radius = 0.5 * diameter as f64;
        let (left, top) = ((self.layout.cx - radius).round() as usize, (self.layout.cy - radius).round() as usize);
        for (row, line) in values.chunks_exact(diameter).enumerate() {
            let dy = row as f64 + 0.5 - radius;
            let half = (radius * radius - dy * dy).max(0.0).sqrt();
            let (from, to) = ((radius - half).round() as usize, (radius + half).round() as usize);
            let pixels = canvas.run(left + from, top + row, to.saturating_sub(from));
            for (pixel, value) in pixels.iter_mut().zip(line.iter().skip(from)) {
                let band = scale.and_then(|scale| scale.band(*value));
                *pixel = band.map_or(MISSING, |band| BANDS + band as u8);
            }
        }
    }

    /// A point on the picture at a distance (mm) from the vertex and an angle (degrees).
    fn point(&self, radius_mm: f64, degrees: f64) -> (f64, f64) {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let radius = self.pixels(radius_mm);
        (self.layout.cx + radius * cos, self.layout.cy - radius * sin)
    }

    fn pixels(&self, mm: f64) -> f64 {
        mm / self.diameter_mm * self.layout.diameter as f64
    }

    /// Rings and cross over the map, and its outline.
    fn paint_rings(&self, canvas: &mut Canvas, page: &Page) {
        let (cx, cy) = (self.layout.cx, self.layout.cy);
        let radius = 0.5 * self.layout.diameter as f64;
        let step = ring_step_mm(self.diameter_mm);
        let rings = (self.diameter_mm / step - 1e-9).ceil() as usize;
        let wide_enough = self.pixels(step) >= 16.0;
        for ring in (1..rings).filter(|_| wide_enough) {
            canvas.circle(cx, cy, self.pixels(0.5 * ring as f64 * step), 0.8 * page.line);
        }
        canvas.line((cx - radius, cy), (cx + radius, cy), 0.8 * page.line);
        canvas.line((cx, cy - radius), (cx, cy + radius), 0.8 * page.line);
        canvas.circle(cx, cy, radius, 1.2 * page.line);
        if !page.diameters {
            return;
        }
        for ring in (1..rings).filter(|ring| wide_enough && ring % 2 == 0) {
            let text = format!("{}", ring as f64 * step);
            let (x, y) = self.point(0.5 * ring as f64 * step, 300.0);
            let (width, height) = (page.pen.width(&text) as f64, page.pen.height() as f64);
            canvas.text(&text, (x - 0.5 * width).round() as i32, (y - 0.5 * height).round() as i32, page.pen, true);
        }
    }

    fn paint_axis(&self, canvas: &mut Canvas, page: &Page, labels: Labels) {
        if let Some(axis) = labels.axis_deg.filter(|a| a.is_finite()) {
            let reach = 0.5 * self.diameter_mm;
            canvas.bold_line(self.point(reach, axis), self.point(reach, axis + 180.0), 1.6 * page.line);
        }
    }

    /// Ticks and degrees around the map; the nasal and the temporal side.
    fn paint_degrees(&self, canvas: &mut Canvas, page: &Page, eye: Option<Eye>) {
        let (cx, cy) = (self.layout.cx, self.layout.cy);
        let radius = 0.5 * self.layout.diameter as f64;
        let around = |degrees: f64, distance: f64| {
            let (sin, cos) = degrees.to_radians().sin_cos();
            (cx + distance * cos, cy - distance * sin)
        };
        let gap = 2.0 * page.line;
        for tick in 0..36 {
            let degrees = 10.0 * f64::from(tick);
            let labelled = tick % 3 == 0;
            if labelled || page.degrees {
                let length = if labelled { page.tick } else { 0.5 * page.tick };
                canvas.line(around(degrees, radius), around(degrees, radius + length), page.line);
            }
            if labelled && page.degrees {
                let text = format!("{degrees}");
                let (sin, cos) = degrees.to_radians().sin_cos();
                let (width, height) = (page.pen.width(&text) as f64, page.pen.height() as f64);
                let out = radius + page.tick + gap + 0.5 * (width * cos.abs() + height * sin.abs());
                let (x, y) = around(degrees, out);
                canvas.text(&text, (x - 0.5 * width).round() as i32, (y - 0.5 * height).round() as i32, page.pen, false);
            }
        }
        let Some(eye) = eye else { return };
        let (right, left) = match eye {
            Eye::Right => ("N", "T"),
            Eye::Left => ("T", "N"),
        };
        let width = page.bold.char_width() as f64;
        let height = page.bold.height() as f64;
        let rise = if page.degrees { 0.5 * page.pen.height() as f64 + height } else { 0.5 * height };
        let out = radius + page.tick + gap;
        let top = (cy - rise).round() as i32;
        canvas.text(right, (cx + out).round() as i32, top, page.bold, false);
        canvas.text(left, (cx - out - width).round() as i32, top, page.bold, false);
    }

    /// The colour bar with the limits of its bands; warm colours are at the top.
    fn paint_bar(&self, canvas: &mut Canvas, page: &Page, scale: &Scale) {
        let edge = |from_bottom: usize| page.bar_y + page.bar_height - page.bar_height * from_bottom / scale.bands;
        for band in 0..scale.bands {
            let place = if scale.reversed { scale.bands - 1 - band } else { band };
            let (top, bottom) = (edge(place + 1), edge(place));
            canvas.rectangle(page.bar_x, top, page.bar_width, bottom - top, BANDS + band as u8);
        }
        canvas.frame(page.bar_x, page.bar_y, page.bar_width, page.bar_height, page.line as usize);
        let text_height = page.pen.height();
        let room = page.bar_height as f64 / scale.bands as f64;
        let every = [1, 2, 4, 5, 10, 20].into_iter().find(|n| *n as f64 * room >= 1.1 * text_height as f64).unwrap_or(30);
        // The published scale names the lower limit of each colour; the others end with a number as well.
        let last = scale.bands - usize::from(scale.kind == ScaleKind::SmolekKlyce);
        let start = match scale.centre {
            Some(centre) if scale.kind != ScaleKind::SmolekKlyce => {
                (((centre - scale.first) / scale.step).round().max(0.0) as usize) % every
            }
            _ => 0,
        };
        let x = page.bar_x + page.bar_width;
        for limit in (start..=last).step_by(every) {
            let y = edge(if scale.reversed { scale.bands - limit } else { limit });
            canvas.rectangle(x, y.saturating_sub(usize::from(y > page.bar_y)), page.pad, page.line as usize, canvas::INK);
            let top = y as i32 - text_height as i32 / 2;
            canvas.text(&scale.label(limit, page.label_chars), (x + page.pad + page.line as usize) as i32, top, page.pen, false);
        }
        let unit = self.unit_label();
        canvas.text(&unit, page.bar_x as i32, (page.bar_y - page.pad - text_height) as i32, page.pen, false);
    }

    fn unit_label(&self) -> String {
        match (self.unit, &self.style.unit) {
            (Unit::Other, Some(code)) => code.chars().take(8).collect(),
            (unit, _) => unit.label().to_owned(),
        }
    }

    /// Title and eye over the map, scale and axis below it.
    fn paint_lines(&self, canvas: &mut Canvas, page: &Page, scale: Option<&Scale>, labels: Labels) {
        let size = self.style.size;
        let mut right = size.saturating_sub(page.pad);
        if let Some(eye) = labels.eye {
            let text = if eye == Eye::Right { "OD" } else { "OS" };
            right = right.saturating_sub(page.bold.width(text));
            canvas.text(text, right as i32, page.pad as i32, page.bold, false);
            right = right.saturating_sub(page.pad);
        }
        let fit = |text: &str, room: usize| -> String { text.chars().take(room / page.pen.char_width()).collect() };
        if let Some(title) = labels.title {
            let y = page.pad as i32 + (page.bold.height() as i32 - page.pen.height() as i32) / 2;
            canvas.text(&fit(title, right.saturating_sub(page.pad)), page.pad as i32, y, page.pen, false);
        }
        let mut right = size.saturating_sub(page.pad);
        if let Some(axis) = labels.axis_deg.filter(|a| a.is_finite()) {
            let text = format!("{:.0}°", super::astigmatism::wrap_axis(axis));
            right = right.saturating_sub(page.pen.width(&text));
            canvas.text(&text, right as i32, page.footer_y as i32, page.pen, false);
            right = right.saturating_sub(page.pad);
        }
        let room = right.saturating_sub(page.pad);
        let zone = number(self.diameter_mm);
        let texts = match scale {
            Some(scale) => {
                let (name, step, unit) = (title_of(scale.kind), number(scale.step), self.unit_label());
                vec![
                    format!("{name}, steps of {step} {unit}, zone {zone} mm"),
                    format!("{name}, steps of {step} {unit}"),
                    format!("{name} {step} {unit}"),
                    name.to_owned(),
                ]
            }
            None => vec![format!("nothing measured, zone {zone} mm"), "nothing measured".to_owned()],
        };
        let text = texts.iter().find(|t| page.pen.width(t) <= room).or(texts.last());
        canvas.text(&fit(text.map_or("", String::as_str), room), page.pad as i32, page.footer_y as i32, page.pen, false);
    }

    /// What the file says about itself; nothing about a patient.
    fn notes(&self, scale: Option<&Scale>) -> [(&'static str, String); 3] {
        let ascii = |text: &str| text.chars().filter(char::is_ascii_graphic).take(40).collect::<String>();
        let unit = match (self.unit, &self.style.unit) {
            (Unit::Other, code) => ascii(code.as_deref().unwrap_or("unknown")),
            (Unit::Dioptre, _) => "[diop]".to_owned(),
            (Unit::Micrometre, _) => "um".to_owned(),
            (Unit::Millimetre, _) => "mm".to_owned(),
        };
        let bands = scale.map_or("none".to_owned(), |scale| {
            let (first, last) = (number(scale.first), number(scale.limit(scale.bands)));
            format!("{} from {first} to {last} in steps of {}", scale.kind.name(), number(scale.step))
        });
        [("Unit", unit), ("Scale", bands), ("Zone", format!("{} mm", number(self.diameter_mm)))]
    }
}

/// Checks a style without preparing anything.
///
/// # Errors
/// [`PictureError`] for a style that cannot be drawn.
pub fn check(style: &Style) -> Result<(), PictureError> {
    if !SIZES.contains(&style.size) {
        return Err(PictureError::Size(style.size));
    }
    if let Some(diameter) = style.diameter_mm.filter(|d| !(*d > 0.0 && *d <= 100.0)) {
        return Err(PictureError::Diameter(diameter));
    }
    let code = style.unit.as_deref();
    if let Some(code) = code.filter(|code| style.power && *code != "mm") {
        return Err(PictureError::Power(format!("'{code}'")));
    }
    let known = style.power || code.is_some();
    if let Some(expected) = style.scale.unit().filter(|expected| known && *expected != shown_unit(style)) {
        let given = if style.power { "D".to_owned() } else { format!("'{}'", code.unwrap_or_default()) };
        return Err(PictureError::Unit { scale: style.scale.name(), expected: expected.label(), given });
    }
    Scale::fixed(style.scale, style.step).map(|_| ())
}

/// The unit of what is shown: the map's, or dioptres for powers of radii, or that of the scale where the map's is not known.
fn shown_unit(style: &Style) -> Unit {
    match &style.unit {
        _ if style.power => Unit::Dioptre,
        Some(code) => Unit::of(code),
        None => style.scale.unit().unwrap_or(Unit::Other),
    }
}

/// Distance between the diameters of two rings, mm.
fn ring_step_mm(diameter_mm: f64) -> f64 {
    match diameter_mm {
        d if d <= 1.5 => 0.25,
        d if d <= 7.0 => 1.0,
        d if d <= 20.0 => 2.0,
        _ => 10.0,
    }
}

fn title_of(kind: ScaleKind) -> &'static str {
    match kind {
        ScaleKind::Auto | ScaleKind::Normalized => "normalized",
        ScaleKind::SmolekKlyce => "Smolek-Klyce",
        ScaleKind::Power => "absolute",
        ScaleKind::Radius => "radius",
        ScaleKind::Elevation => "elevation",
        ScaleKind::Pachymetry => "pachymetry",
        ScaleKind::Difference => "difference",
    }
}

/// A number without needless digits.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
