//! Pixels as indices into a palette, lines and text on them, and their PNG.

use embedded_graphics::{
    Drawable, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoFont, MonoTextStyle},
    pixelcolor::BinaryColor,
    text::{Baseline, Text},
};

use super::PictureError;
use super::palette::{Rgb, luma, mix};

/// Colours of a picture: those without a line over them. Each comes in four shades, from plain to line.
const COLORS: usize = 64;
const SHADES: u8 = 3;

/// Background of the page.
pub(super) const PAGE: u8 = 0;
/// A place without a value.
pub(super) const MISSING: u8 = 1;
/// Text.
pub(super) const INK: u8 = 2;
/// Around text and lines that lie on the map.
pub(super) const WHITE: u8 = 3;
/// The first band of the scale.
pub(super) const BANDS: u8 = 4;

const PAGE_RGB: Rgb = [255, 255, 255];
/// The grey of missing values: no palette has a grey of that brightness.
pub(super) const MISSING_RGB: Rgb = [190, 190, 190];

/// A square of palette indices.
pub(super) struct Canvas<'a> {
    size: usize,
    pixels: &'a mut Vec<u8>,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(size: usize, background: u8, pixels: &'a mut Vec<u8>) -> Self {
        pixels.clear();
        pixels.resize(size * size, background);
        Self { size, pixels }
    }

    /// A run of pixels of one row; empty where it would leave the canvas.
    pub(super) fn run(&mut self, x: usize, y: usize, length: usize) -> &mut [u8] {
        let from = y * self.size + x;
        if x + length > self.size {
            return &mut [];
        }
        self.pixels.get_mut(from..from + length).unwrap_or_default()
    }

    fn pixel(&mut self, x: i32, y: i32) -> Option<&mut u8> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        if x >= self.size { None } else { self.pixels.get_mut(y * self.size + x) }
    }

    pub(super) fn set(&mut self, x: i32, y: i32, color: u8) {
        if let Some(pixel) = self.pixel(x, y) {
            *pixel = color;
        }
    }

    /// Covers a pixel with a line by a share of 0 to 1; what lies there stays visible as tint.
    fn cover(&mut self, x: i32, y: i32, share: f64) {
        let shade = (share.clamp(0.0, 1.0) * f64::from(SHADES)).round() as u8;
        if let Some(pixel) = self.pixel(x, y) {
            let present = *pixel / COLORS as u8;
            *pixel = *pixel % COLORS as u8 + COLORS as u8 * shade.max(present);
        }
    }

    pub(super) fn rectangle(&mut self, x: usize, y: usize, width: usize, height: usize, color: u8) {
        for row in y..y + height {
            self.run(x, row, width).fill(color);
        }
    }

    /// The outline of a rectangle, one line wide, within it.
    pub(super) fn frame(&mut self, x: usize, y: usize, width: usize, height: usize, line: usize) {
        let line = line.min(width).min(height);
        self.rectangle(x, y, width, line, INK);
        self.rectangle(x, y + height - line, width, line, INK);
        self.rectangle(x, y, line, height, INK);
        self.rectangle(x + width - line, y, line, height, INK);
    }

    /// A circle as a line of that width, tinting what lies below.
    pub(super) fn circle(&mut self, cx: f64, cy: f64, radius: f64, width: f64) {
        let (outer, inner) = (radius + 0.5 * width + 1.0, (radius - 0.5 * width - 1.0).max(0.0));
        for y in self.within(cy - outer, cy + outer) {
            let dy = f64::from(y) + 0.5 - cy;
            let half = (outer * outer - dy * dy).max(0.0).sqrt();
            let hole = (inner * inner - dy * dy).max(0.0).sqrt();
            let mut span = |from: f64, to: f64| {
                for x in self.within(from, to) {
                    let dx = f64::from(x) + 0.5 - cx;
                    self.cover(x, y, 0.5 * width + 0.5 - (dx.hypot(dy) - radius).abs());
                }
            };
            if hole > 1.0 {
                span(cx - half, cx - hole);
                span(cx + hole, cx + half);
            } else {
                span(cx - half, cx + half);
            }
        }
    }

    /// The rows or columns between two positions, as far as the canvas has them.
    fn within(&self, from: f64, to: f64) -> std::ops::Range<i32> {
        let limit = self.size as f64;
        from.floor().clamp(0.0, limit) as i32..(to.ceil() + 1.0).clamp(0.0, limit) as i32
    }

    /// Calls for the pixels near a straight line with their distance from it.
    fn near(&mut self, from: (f64, f64), to: (f64, f64), reach: f64, mut f: impl FnMut(&mut Self, i32, i32, f64)) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy).max(1e-9);
        let (ux, uy) = (dx / length, dy / length);
        let steep = dy.abs() > dx.abs();
        let (start, end) = if steep { (from.1, to.1) } else { (from.0, to.0) };
        let slope = if steep { dx / dy } else { dy / dx.abs().max(1e-9).copysign(dx) };
        // Along the other coordinate the line is at most √2 times as wide as across.
        let reach_along = 1.5 * reach + 1.0;
        for major in self.within(start.min(end) - reach, start.max(end) + reach) {
            let offset = f64::from(major) + 0.5 - start;
            let centre = if steep { from.0 + slope * offset } else { from.1 + slope * offset };
            for minor in self.within(centre - reach_along, centre + reach_along) {
                let (x, y) = if steep { (minor, major) } else { (major, minor) };
                let (px, py) = (f64::from(x) + 0.5 - from.0, f64::from(y) + 0.5 - from.1);
                let along = (px * ux + py * uy).clamp(0.0, length);
                f(self, x, y, (px - along * ux).hypot(py - along * uy));
            }
        }
    }

    /// A straight line that tints what lies below.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64) {
        self.near(from, to, 0.5 * width, |canvas, x, y, distance| canvas.cover(x, y, 0.5 * width + 0.5 - distance));
    }

    /// A black line with white sides, visible on every colour.
    pub(super) fn bold_line(&mut self, from: (f64, f64), to: (f64, f64), width: f64) {
        self.near(from, to, width, |canvas, x, y, distance| {
            if distance <= width {
                canvas.set(x, y, WHITE);
            }
        });
        self.line(from, to, width);
    }

    /// Text with its upper left corner there; control characters become spaces. With a halo it is legible on the map.
    pub(super) fn text(&mut self, text: &str, x: i32, y: i32, pen: Pen, halo: bool) {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let factor = pen.factor.max(1);
        let mut write = |dx: i32, dy: i32, color: u8| {
            let mut target = Ink { canvas: self, x: x + dx, y: y + dy, factor, color };
            let style = MonoTextStyle::new(pen.font, BinaryColor::On);
            // Drawing on pixels cannot fail.
            let _ = Text::with_baseline(&line, Point::zero(), style, Baseline::Top).draw(&mut target);
        };
        if halo {
            for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
                write(dx * factor, dy * factor, WHITE);
            }
        }
        write(0, 0, INK);
    }
}

/// A font and how many pixels wide one of its dots is.
#[derive(Clone, Copy)]
pub(super) struct Pen {
    pub(super) font: &'static MonoFont<'static>,
    pub(super) factor: i32,
}

impl Pen {
    /// Width of a text in pixels.
    pub(super) fn width(&self, text: &str) -> usize {
        text.chars().count() * self.char_width()
    }

    /// Width of a character in pixels.
    pub(super) fn char_width(&self) -> usize {
        (self.font.character_size.width + self.font.character_spacing) as usize * self.factor.max(1) as usize
    }

    /// Height of a line in pixels.
    pub(super) fn height(&self) -> usize {
        self.font.character_size.height as usize * self.factor.max(1) as usize
    }
}

/// Where a text's dots go.
struct Ink<'a, 'b> {
    canvas: &'a mut Canvas<'b>,
    x: i32,
    y: i32,
    factor: i32,
    color: u8,
}

impl OriginDimensions for Ink<'_, '_> {
    fn size(&self) -> Size {
        let size = u32::try_from(self.canvas.size).unwrap_or(u32::MAX);
        Size::new(size, size)
    }
}

impl DrawTarget for Ink<'_, '_> {
    type Color = BinaryColor;
    type Error = core::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(point, color) in pixels {
            if color == BinaryColor::On {
                for dy in 0..self.factor {
                    for dx in 0..self.factor {
                        self.canvas.set(self.x + point.x * self.factor + dx, self.y + point.y * self.factor + dy, self.color);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The palette of the file: every colour in its shades. Lines are dark, and light on dark colours.
fn shaded(bands: &[Rgb]) -> Vec<u8> {
    let plain = [PAGE_RGB, MISSING_RGB, [0, 0, 0], [255, 255, 255]].into_iter().chain(bands.iter().copied());
    let mut plain: Vec<Rgb> = plain.take(COLORS).collect();
    plain.resize(COLORS, [0, 0, 0]);
    let shade = |level: u8| {
        plain.iter().enumerate().flat_map(move |(index, color)| {
            let paper = index == usize::from(WHITE) || index == usize::from(PAGE);
            let strength = if paper { 0.9 } else { 0.62 };
            let line = if luma(*color) < 70.0 { [255; 3] } else { [0; 3] };
            mix(*color, line, strength * f64::from(level) / f64::from(SHADES))
        })
    };
    (0..=SHADES).flat_map(shade).collect()
}

/// The PNG of a square of palette indices, with notes in Latin-1 as `tEXt` chunks. The same input gives the same bytes.
///
/// # Errors
/// [`PictureError::Encoding`] where the encoder refuses, which no input of [`super::Painter`] makes it do.
pub(super) fn encode(size: usize, pixels: &[u8], bands: &[Rgb], notes: &[(&str, String)]) -> Result<Vec<u8>, PictureError> {
    let fail = |error: png::EncodingError| PictureError::Encoding(error.to_string());
    let side = u32::try_from(size).unwrap_or(u32::MAX);
    let last = pixels.iter().copied().max().unwrap_or(0);
    let mut palette = shaded(bands);
    palette.truncate(3 * (usize::from(last) + 1));
    let mut file = Vec::with_capacity(pixels.len() / 8 + 2048);
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_deflate_compression(png::DeflateCompression::Level(COMPRESSION));
    encoder.set_filter(png::Filter::NoFilter);
    for (keyword, text) in notes {
        encoder.add_text_chunk((*keyword).to_owned(), text.clone()).map_err(fail)?;
    }
    let mut writer = encoder.write_header().map_err(fail)?;
    writer.write_image_data(pixels).map_err(fail)?;
    writer.finish().map_err(fail)?;
    Ok(file)
}

/// Level of deflate: bands compress well at any, and the first is the fastest.
const COMPRESSION: u8 = 1;
