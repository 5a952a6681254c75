//! Colours of a scale.

/// A way from the flat, thin or low end of a scale to its steep, thick or high end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Palette {
    /// Violet and blue for flat, green for the middle of the scale, yellow, orange and red for steep, pink at the end: the order
    /// of colours that corneal topographers use (Maguire, Singer and Klyce 1987; ANSI Z80.23). The standard names no exact
    /// colours; these are ours.
    Clinical,
    /// viridis of matplotlib (van der Walt and Smith 2015, CC0): even steps for the eye, also with a colour vision deficiency
    /// and in black and white.
    Viridis,
    /// cividis (Nuñez, Anderton and Renslow 2018): looks alike with and without a red-green deficiency.
    Cividis,
    /// Blue over white to brown, even on both sides of the middle and told apart with a red-green deficiency. Ours.
    Diverging,
}

/// Red, green and blue.
pub type Rgb = [u8; 3];

/// Supports of the clinical palette: place on the way and colour. Green lies in the middle.
const CLINICAL: &[(f64, Rgb)] = &[
    (0.00, [44, 0, 96]),
    (0.10, [28, 20, 150]),
    (0.20, [16, 60, 214]),
    (0.30, [0, 122, 248]),
    (0.38, [0, 176, 240]),
    (0.44, [0, 200, 176]),
    (0.50, [24, 176, 60]),
    (0.545, [130, 206, 16]),
    (0.58, [210, 230, 0]),
    (0.61, [255, 228, 0]),
    (0.655, [255, 160, 0]),
    (0.70, [248, 84, 0]),
    (0.76, [218, 8, 8]),
    (0.84, [150, 0, 36]),
    (0.90, [186, 30, 130]),
    (0.95, [228, 112, 192]),
    (1.00, [255, 214, 242]),
];

const DIVERGING: &[(f64, Rgb)] = &[
    (0.00, [12, 42, 110]),
    (0.25, [62, 124, 200]),
    (0.42, [178, 208, 236]),
    (0.50, [246, 246, 244]),
    (0.58, [240, 206, 164]),
    (0.75, [206, 120, 40]),
    (1.00, [102, 40, 4]),
];

/// Every eighth colour of the published table.
const VIRIDIS: &[Rgb] = &[
    [68, 1, 84],
    [71, 13, 96],
    [72, 24, 106],
    [72, 35, 116],
    [71, 45, 123],
    [69, 55, 129],
    [66, 64, 134],
    [62, 73, 137],
    [59, 82, 139],
    [55, 91, 141],
    [51, 99, 141],
    [47, 107, 142],
    [44, 114, 142],
    [41, 122, 142],
    [38, 130, 142],
    [35, 137, 142],
    [33, 145, 140],
    [31, 151, 139],
    [31, 159, 136],
    [33, 166, 133],
    [39, 173, 129],
    [49, 181, 123],
    [61, 188, 116],
    [76, 194, 108],
    [92, 200, 99],
    [110, 206, 88],
    [129, 211, 77],
    [149, 216, 64],
    [170, 220, 50],
    [192, 223, 37],
    [213, 226, 26],
    [234, 229, 26],
    [253, 231, 37],
];

/// Every eighth colour of the published table.
const CIVIDIS: &[Rgb] = &[
    [0, 34, 78],
    [0, 40, 91],
    [0, 46, 106],
    [5, 51, 113],
    [26, 56, 111],
    [39, 62, 110],
    [50, 67, 109],
    [59, 73, 108],
    [67, 78, 108],
    [75, 84, 108],
    [83, 90, 109],
    [90, 95, 110],
    [97, 101, 111],
    [104, 106, 113],
    [111, 112, 115],
    [118, 118, 118],
    [125, 124, 120],
    [131, 129, 121],
    [139, 135, 120],
    [146, 141, 120],
    [154, 147, 118],
    [162, 153, 117],
    [170, 160, 115],
    [179, 166, 112],
    [187, 173, 109],
    [195, 179, 105],
    [204, 186, 100],
    [212, 193, 95],
    [221, 200, 88],
    [230, 208, 81],
    [239, 215, 72],
    [248, 223, 60],
    [254, 232, 56],
];

impl Palette {
    /// The colour at a place on the way, 0 to 1; places beyond the ends have the colour of the end.
    pub fn color(self, place: f64) -> Rgb {
        let place = if place.is_nan() { 0.5 } else { place.clamp(0.0, 1.0) };
        match self {
            Self::Clinical => between(CLINICAL, place),
            Self::Diverging => between(DIVERGING, place),
            Self::Viridis => evenly(VIRIDIS, place),
            Self::Cividis => evenly(CIVIDIS, place),
        }
    }

    /// Whether the middle of the palette stands for the middle of the scale, be it the normal value or zero.
    pub fn is_centred(self) -> bool {
        matches!(self, Self::Clinical | Self::Diverging)
    }
}

/// A colour between two others.
pub(super) fn mix(a: Rgb, b: Rgb, share: f64) -> Rgb {
    let channel = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round().clamp(0.0, 255.0) as u8;
    [channel(a[0], b[0]), channel(a[1], b[1]), channel(a[2], b[2])]
}

/// Perceived brightness (ITU-R BT.601 weights), 0 to 255.
pub(super) fn luma([r, g, b]: Rgb) -> f64 {
    0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)
}

fn between(supports: &[(f64, Rgb)], place: f64) -> Rgb {
    for pair in supports.windows(2) {
        if let [(from, a), (to, b)] = pair
            && place <= *to
        {
            return mix(*a, *b, ((place - from) / (to - from)).clamp(0.0, 1.0));
        }
    }
    supports.last().map_or([0; 3], |(_, color)| *color)
}

fn evenly(colors: &[Rgb], place: f64) -> Rgb {
    let position = place * (colors.len() - 1) as f64;
    let index = position as usize;
    let (Some(a), b) = (colors.get(index), colors.get(index + 1)) else { return [0; 3] };
    mix(*a, *b.unwrap_or(a), position - index as f64)
}
