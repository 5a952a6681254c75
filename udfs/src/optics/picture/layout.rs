//! Where things stand in a picture of a given size.

use embedded_graphics::mono_font::{MonoFont, iso_8859_1 as fonts};

use super::canvas::Pen;

/// Below this many pixels a side there is a map and nothing else.
pub(super) const BARE_BELOW: usize = 96;
/// From this many pixels a side on, the degrees stand around the map.
const DEGREES_FROM: usize = 288;
/// From this many pixels a side on, rings carry their diameter.
const DIAMETERS_FROM: usize = 256;

/// Places of all parts, in pixels.
pub(super) struct Layout {
    /// Centre of the map.
    pub(super) cx: f64,
    /// Centre of the map.
    pub(super) cy: f64,
    /// Pixels across the map.
    pub(super) diameter: usize,
    /// What stands around the map; `None` for a bare map.
    pub(super) page: Option<Page>,
}

/// Places around the map.
pub(super) struct Page {
    pub(super) pen: Pen,
    pub(super) bold: Pen,
    /// Distance between things.
    pub(super) pad: usize,
    /// Width of lines over the map.
    pub(super) line: f64,
    /// Length of the ticks around the map.
    pub(super) tick: f64,
    pub(super) degrees: bool,
    pub(super) diameters: bool,
    /// Characters that a number beside the colour bar may have.
    pub(super) label_chars: usize,
    pub(super) bar_x: usize,
    pub(super) bar_y: usize,
    pub(super) bar_width: usize,
    pub(super) bar_height: usize,
    /// Upper edge of the last line of text.
    pub(super) footer_y: usize,
}

fn pens(size: usize) -> (Pen, Pen) {
    let pen = |font: &'static MonoFont<'static>, factor| Pen { font, factor };
    match size {
        ..200 => (pen(&fonts::FONT_4X6, 1), pen(&fonts::FONT_6X9, 1)),
        200..320 => (pen(&fonts::FONT_5X8, 1), pen(&fonts::FONT_6X13_BOLD, 1)),
        320..480 => (pen(&fonts::FONT_6X10, 1), pen(&fonts::FONT_7X13_BOLD, 1)),
        480..680 => (pen(&fonts::FONT_7X13, 1), pen(&fonts::FONT_8X13_BOLD, 1)),
        680..960 => (pen(&fonts::FONT_9X15, 1), pen(&fonts::FONT_9X18_BOLD, 1)),
        960..1300 => (pen(&fonts::FONT_10X20, 1), pen(&fonts::FONT_7X13_BOLD, 2)),
        1300..1800 => (pen(&fonts::FONT_8X13, 2), pen(&fonts::FONT_9X18_BOLD, 2)),
        _ => (pen(&fonts::FONT_9X15, 2), pen(&fonts::FONT_8X13_BOLD, 3)),
    }
}

impl Layout {
    pub(super) fn bare(size: usize) -> Self {
        let middle = 0.5 * size as f64;
        Self { cx: middle, cy: middle, diameter: size, page: None }
    }

    pub(super) fn decorated(size: usize) -> Self {
        if size < BARE_BELOW {
            return Self::bare(size);
        }
        let (pen, bold) = pens(size);
        let pad = (size / 100).clamp(2, 20);
        let (degrees, diameters) = (size >= DEGREES_FROM, size >= DIAMETERS_FROM);
        let tick = if degrees { (size as f64 / 90.0).max(3.0) } else { 2.0 };
        let line = (size as f64 / 400.0).max(1.0);

        let header = bold.height() + 2 * pad;
        let footer = pen.height() + 2 * pad;
        let bar_width = (size / 26).max(6);
        let label_chars = if size < 320 { 5 } else { 6 };
        let bar_area = 2 * pad + bar_width + label_chars * pen.char_width() + pad;
        // Beside the map stand the degrees or, without them, nasal and temporal.
        let beside = tick as usize + pad + if degrees { 3 * pen.char_width() } else { bold.char_width() };
        let above = tick as usize + if degrees { pen.height() + pad } else { 1 };
        let width = size.saturating_sub(bar_area + 2 * beside);
        let height = size.saturating_sub(header + footer + 2 * above);
        let diameter = width.min(height).max(16);
        let bar_y = header + pen.height() + pad;
        let bar_height = size.saturating_sub(bar_y + footer + pen.height() / 2 + pad).max(8);
        Self {
            cx: 0.5 * (size.saturating_sub(bar_area)) as f64,
            cy: header as f64 + 0.5 * (size.saturating_sub(header + footer)) as f64,
            diameter,
            page: Some(Page {
                pen,
                bold,
                pad,
                line,
                tick,
                degrees,
                diameters,
                label_chars,
                bar_x: size.saturating_sub(bar_area) + pad,
                bar_y,
                bar_width,
                bar_height,
                footer_y: size.saturating_sub(pad + pen.height()),
            }),
        }
    }
}
