//! Pictures of maps, read back by a PNG decoder.
use std::collections::BTreeSet;

use arrow::array::{Array, AsArray, ListArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use datafusion::prelude::SessionContext;
use placido_udfs::geometry;
use placido_udfs::optics::{
    grid::PolarGrid,
    picture::{Decoration, Eye, Labels, MAX_BANDS, Painter, Palette, Rgb, SIZES, Scale, ScaleKind, Style, Unit, Workspace},
    shape::{self, SphereMode},
    square::SquareGrid,
    zernike_fit::Weighting,
};
use proptest::prelude::*;
use std::sync::Arc;

use crate::support::*;

const GREY: Rgb = [190, 190, 190];

fn style(size: usize, unit: &str) -> Style {
    Style {
        size,
        palette: Palette::Clinical,
        scale: ScaleKind::Auto,
        step: None,
        unit: Some(unit.to_owned()),
        power: false,
        diameter_mm: None,
        decoration: Decoration::Auto,
        interpolation: None,
    }
}

fn bare(size: usize, unit: &str) -> Style {
    Style { decoration: Decoration::None, ..style(size, unit) }
}

/// What a decoder makes of a file.
struct Decoded {
    size: usize,
    rgb: Vec<u8>,
    texts: Vec<(String, String)>,
}

impl Decoded {
    fn of(file: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((frame.width, frame.color_type), (frame.height, png::ColorType::Rgb));
        reader.finish().unwrap();
        let texts = reader.info().uncompressed_latin1_text.iter().map(|t| (t.keyword.clone(), t.text.clone())).collect();
        Self { size: frame.width as usize, rgb, texts }
    }

    fn at(&self, x: usize, y: usize) -> Rgb {
        let from = 3 * (y * self.size + x);
        self.rgb[from..from + 3].try_into().unwrap()
    }

    /// The colour at a place of a bare picture of the whole grid, mm from the vertex.
    fn at_mm(&self, x: f64, y: f64) -> Rgb {
        let pixel = |v: f64| ((v / 12.0 + 0.5) * self.size as f64) as usize;
        self.at(pixel(x), pixel(-y))
    }

    fn text(&self, keyword: &str) -> &str {
        &self.texts.iter().find(|(k, _)| k == keyword).unwrap().1
    }

    /// Pixels that differ from another picture of that size.
    fn differences(&self, other: &Self) -> BTreeSet<(usize, usize)> {
        let size = self.size;
        (0..size * size).map(|i| (i % size, i / size)).filter(|&(x, y)| self.at(x, y) != other.at(x, y)).collect()
    }
}

fn painted(style: Style, map: &[f64], labels: Labels) -> Decoded {
    let painter = Painter::new(GRID, style).unwrap();
    Decoded::of(&painter.paint(map, labels, &mut Workspace::default()).unwrap().unwrap())
}

fn color_of(style: Style, value: f64) -> Rgb {
    painted(style, &vec![value; GRID.cells()], Labels::default()).at_mm(1.0, 1.0)
}

#[test]
fn the_published_scale_has_26_colours_from_30_to_67_5_dioptres() {
    // Smolek, Klyce and Hovis 2002: 1.5 D a colour.
    let limits: Vec<f64> = (0..26).map(|i| 30.0 + 1.5 * f64::from(i)).collect();
    assert_eq!(limits.last(), Some(&67.5));
    let scale = Scale::fixed(ScaleKind::SmolekKlyce, None).unwrap().unwrap();
    for (band, limit) in limits.iter().enumerate() {
        assert_eq!(scale.band(*limit), Some(band), "{limit}");
        assert_eq!(scale.band(limit + 1.499), Some(band), "{limit}");
        assert_eq!(scale.label(band, 6), format!("{limit:.1}"));
    }
    assert_eq!([scale.band(-5.0), scale.band(29.9), scale.band(90.0)], [Some(0), Some(0), Some(25)]);
    assert_eq!([scale.band(f64::NAN), scale.band(f64::INFINITY)], [None, None]);
    assert_eq!(scale.bands, 26);
    assert!(Scale::fixed(ScaleKind::SmolekKlyce, Some(1.0)).is_err());
}

#[test]
fn the_published_scale_on_a_picture() {
    let color = |d: f64| color_of(bare(64, "[diop]"), d);
    let colors: Vec<Rgb> = (0..26).map(|i| color(30.75 + 1.5 * f64::from(i))).collect();
    assert_eq!(colors.iter().collect::<BTreeSet<_>>().len(), 26);
    assert_eq!(color(43.5), color(44.9));
    assert_ne!(color(43.4), color(43.6));
    assert_eq!([color(20.5), color(80.0)], [colors[0], colors[25]]);
    // The order of the colours by which topographers are read.
    let [r, g, b] = color(44.0);
    assert!(g > 2 * r && g > 2 * b, "normal is green: {r} {g} {b}");
    let [r, g, b] = color(37.0);
    assert!(b > 2 * r && b > g, "flat is blue: {r} {g} {b}");
    let [r, g, b] = color(48.5);
    assert!(r > 200 && g > 200 && b < 60, "48.5 D is yellow: {r} {g} {b}");
    let [r, g, b] = color(56.0);
    assert!(r > 200 && g < 80 && b < 40, "steep is red: {r} {g} {b}");
}

#[test]
fn fixed_scales_begin_end_and_lie_as_they_say() {
    for (kind, step, first, last, bands) in [
        (ScaleKind::Power, None, 31.0, 57.0, 26),
        (ScaleKind::Power, Some(0.5), 37.5, 50.5, 26),
        (ScaleKind::Radius, None, 5.0, 11.0, 30),
        (ScaleKind::Elevation, None, -75.0, 75.0, 30),
        (ScaleKind::Elevation, Some(2.5), -75.0, 75.0, 60),
        (ScaleKind::Pachymetry, None, 300.0, 900.0, 30),
        (ScaleKind::Pachymetry, Some(10.0), 300.0, 900.0, 60),
    ] {
        let scale = Scale::fixed(kind, step).unwrap().unwrap();
        assert_eq!((scale.first, scale.bands), (first, bands), "{kind:?}");
        close(scale.limit(bands), last, 1e-9, "last limit");
        for band in 0..bands {
            // Limits are not exact in binary, and still belong to the band above them.
            assert_eq!(scale.band(scale.limit(band)), Some(band), "{kind:?} {band}");
        }
    }
    // 2 µm would be 75 bands, 1000 µm none, 7 µm does not divide the range.
    for step in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 2.0, 7.0, 1000.0] {
        assert!(Scale::fixed(ScaleKind::Elevation, Some(step)).is_err(), "{step}");
    }
    // Thin and steep are warm.
    let [r, _, b] = color_of(bare(64, "um"), 410.0);
    assert!(r > b, "a thin cornea is warm");
    let [r, _, b] = color_of(bare(64, "mm"), 6.2);
    assert!(r > b, "a steep radius is warm");
}

#[test]
fn scales_of_the_own_range_have_round_limits() {
    let own = |low, high| Scale::of_range(ScaleKind::Normalized, None, low, high);
    let s = own(41.23, 44.71);
    assert_eq!((s.step, s.bands), (0.25, 15));
    close(s.first, 41.0, 1e-12, "first limit");
    let labels: Vec<String> = (0..=15).map(|i| s.label(i, 6)).collect();
    assert_eq!((labels[0].as_str(), labels[1].as_str(), labels[15].as_str()), ("41.00", "41.25", "44.75"));
    let s = Scale::of_range(ScaleKind::Difference, None, -1.0, 6.1);
    assert_eq!((s.step, s.bands, s.first, s.label(7, 6).as_str()), (1.0, 14, -7.0, "0"));
    // Negative powers, as those of posterior surfaces: the stronger is the warmer.
    assert!(own(-7.0, -5.0).reversed);
    for (low, high) in
        [(5.0, 5.0), (0.0, 0.0), (1.0, 0.0), (-1e300, 1e300), (1e9, 1e9 + 1e-6), (f64::MIN_POSITIVE, 2.0 * f64::MIN_POSITIVE)]
    {
        for (kind, step) in
            [(ScaleKind::Normalized, None), (ScaleKind::Normalized, Some(0.5)), (ScaleKind::Difference, Some(1e-6))]
        {
            let s = Scale::of_range(kind, step, low, high);
            assert!((2..=MAX_BANDS).contains(&s.bands) && s.step > 0.0 && s.first.is_finite(), "{low} {high}: {s:?}");
            assert!((0..s.bands).all(|b| s.limit(b + 1) > s.limit(b)), "{low} {high}: {s:?}");
            assert!((0..=s.bands).all(|b| s.label(b, 6).chars().count() <= 6), "{low} {high}: {s:?}");
        }
    }
}

#[test]
fn palettes_that_need_no_red_green_vision() {
    // Values of the tables that matplotlib publishes, at these places.
    for (palette, place, expected) in [
        (Palette::Viridis, 0.0, [68, 1, 84]),
        (Palette::Viridis, 0.25, [59, 82, 139]),
        (Palette::Viridis, 0.5, [33, 145, 140]),
        (Palette::Viridis, 0.75, [94, 201, 98]),
        (Palette::Viridis, 1.0, [253, 231, 37]),
        (Palette::Cividis, 0.0, [0, 34, 78]),
        (Palette::Cividis, 0.25, [67, 78, 108]),
        (Palette::Cividis, 0.5, [125, 124, 120]),
        (Palette::Cividis, 0.75, [188, 174, 108]),
        (Palette::Cividis, 1.0, [254, 232, 56]),
    ] {
        let got = palette.color(place);
        let off = got.iter().zip(expected).map(|(a, b)| (i32::from(*a) - b).abs()).max().unwrap();
        assert!(off <= 2, "{palette:?} at {place}: {got:?}, published {expected:?}");
    }
    let brightness = |[r, g, b]: Rgb| 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b);
    for palette in [Palette::Viridis, Palette::Cividis] {
        let steps: Vec<f64> = (0..=40).map(|i| brightness(palette.color(f64::from(i) / 40.0))).collect();
        assert!(steps.windows(2).all(|w| w[1] > w[0]), "{palette:?} grows brighter all the way");
    }
    // Blue against yellow is what red-green deficiencies leave.
    let yellow = |[r, g, b]: Rgb| 0.5 * (f64::from(r) + f64::from(g)) - f64::from(b);
    for i in 1..=20 {
        let away = f64::from(i) / 40.0;
        let (low, high) = (Palette::Diverging.color(0.5 - away), Palette::Diverging.color(0.5 + away));
        assert!(yellow(low) < -5.0 && yellow(high) > 5.0, "{away}: {low:?} {high:?}");
    }
}

#[test]
fn no_palette_has_the_grey_of_missing_values() {
    for palette in [Palette::Clinical, Palette::Viridis, Palette::Cividis, Palette::Diverging] {
        for i in 0..=200 {
            let color = palette.color(f64::from(i) / 200.0);
            let distance: i32 = color.iter().zip(GREY).map(|(a, b)| (i32::from(*a) - i32::from(b)).pow(2)).sum();
            assert!(distance > 40 * 40, "{palette:?} {color:?}");
        }
    }
}

#[test]
fn missing_cells_and_the_outside_are_grey() {
    // Nothing above y = 2 mm, nothing beyond 4 mm.
    let map = map_of(GRID, |r, t| if r > 4.05 || r * t.sin() > 2.0 { f64::NAN } else { 44.0 });
    let picture = painted(bare(240, "[diop]"), &map, Labels::default());
    let value = color_of(bare(64, "[diop]"), 44.0);
    for (x, y, expected) in [
        (0.0, 0.0, value),
        (3.8, 0.0, value),
        (-2.7, -2.7, value),
        (0.0, 1.5, value),
        (0.0, 2.5, GREY),
        (1.0, 3.0, GREY),
        (4.4, 0.0, GREY),
        (0.0, -5.5, GREY),
        (-5.9, 5.9, GREY),
    ] {
        assert_eq!(picture.at_mm(x, y), expected, "{x} {y}");
    }
    let colors: BTreeSet<Rgb> = (0..240 * 240).map(|i| picture.at(i % 240, i / 240)).collect();
    assert_eq!(colors, BTreeSet::from([value, GREY]));
}

#[test]
fn an_infinite_cell_counts_as_missing() {
    let mut map = vec![44.0; GRID.cells()];
    map[20 * 256] = f64::INFINITY;
    map[20 * 256 + 128] = f64::NEG_INFINITY;
    let picture = painted(bare(240, "[diop]"), &map, Labels::default());
    assert_eq!([picture.at_mm(4.0, 0.01), picture.at_mm(-4.0, 0.01)], [GREY, GREY]);
    assert_eq!(picture.at_mm(0.0, 4.0), color_of(bare(64, "[diop]"), 44.0));
}

#[test]
fn angles_are_tabo_and_up_is_superior() {
    // A steep spot at 30° and 4 mm: to the examiner's right and above.
    let (sx, sy) = (4.0 * 30f64.to_radians().cos(), 4.0 * 30f64.to_radians().sin());
    let spot = |r: f64, t: f64| 43.0 + 15.0 * (-((r * t.cos() - sx).powi(2) + (r * t.sin() - sy).powi(2)) / 0.5).exp();
    let picture = painted(bare(400, "[diop]"), &map_of(GRID, spot), Labels::default());
    let [r, g, b] = picture.at_mm(sx, sy);
    assert!(r > 150 && g < 80 && b < 60, "{r} {g} {b}");
    let elsewhere = color_of(bare(64, "[diop]"), 43.0);
    for (x, y) in [(-sx, sy), (sx, -sy), (-sx, -sy), (sy, sx)] {
        assert_eq!(picture.at_mm(x, y), elsewhere);
    }
}

/// Rows of a letter: for each, how many separate runs of black there are.
fn runs(pixels: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let rows: BTreeSet<usize> = pixels.iter().map(|p| p.1).collect();
    let starts = |y: usize| pixels.iter().filter(|p| p.1 == y && (p.0 == 0 || !pixels.contains(&(p.0 - 1, y)))).count();
    rows.into_iter().map(starts).collect()
}

#[test]
fn nasal_is_at_the_right_of_a_right_eye() {
    let map = vec![44.0; GRID.cells()];
    for size in [128, 224, 400, 512] {
        let without = painted(style(size, "[diop]"), &map, Labels::default());
        for (eye, right_is_nasal) in [(Eye::Right, true), (Eye::Left, false)] {
            let with = painted(style(size, "[diop]"), &map, Labels { eye: Some(eye), ..Labels::default() });
            let letters: BTreeSet<_> =
                with.differences(&without).into_iter().filter(|p| p.1 > size / 4 && with.at(p.0, p.1) == [0; 3]).collect();
            let (left, right): (BTreeSet<_>, BTreeSet<_>) = letters.into_iter().partition(|p| p.0 < size / 2);
            let (nasal, temporal) = if right_is_nasal { (right, left) } else { (left, right) };
            // A T ends in one stem, an N in two.
            assert_eq!(runs(&temporal).last(), Some(&1), "{size} {eye:?}: T");
            assert_eq!(runs(&nasal).last(), Some(&2), "{size} {eye:?}: N");
            assert_eq!(runs(&nasal).first(), Some(&2), "{size} {eye:?}: N");
        }
    }
}

#[test]
fn the_axis_is_drawn_where_it_lies() {
    let map = vec![44.0; GRID.cells()];
    let without = painted(style(400, "[diop]"), &map, Labels::default());
    let line = |axis: f64| -> Vec<(f64, f64)> {
        let with = painted(style(400, "[diop]"), &map, Labels { axis_deg: Some(axis), ..Labels::default() });
        with.differences(&without).into_iter().filter(|p| p.1 < 370).map(|(x, y)| (x as f64, y as f64)).collect()
    };
    let spread =
        |values: Vec<f64>| values.iter().fold(f64::MIN, |a, b| a.max(*b)) - values.iter().fold(f64::MAX, |a, b| a.min(*b));
    let vertical = line(90.0);
    assert!(spread(vertical.iter().map(|p| p.0).collect()) < 6.0 && spread(vertical.iter().map(|p| p.1).collect()) > 250.0);
    // 45° rises to the right: where x grows, y on the picture falls.
    let rising = line(45.0);
    assert!(spread(rising.iter().map(|p| p.0 + p.1).collect()) < 8.0 && rising.len() > 300);
    assert_eq!(line(225.0), rising);
    assert!(line(f64::NAN).is_empty());
}

#[test]
fn pictures_of_every_size_are_decoded_and_repeat_exactly() {
    let map = map_of(GRID, |r, t| 43.0 + 0.3 * r * (t - 4.5).cos());
    let labels = Labels { eye: Some(Eye::Left), axis_deg: Some(37.0), title: Some("Sagittal curvature, 31 rings\n\u{1F441} é") };
    let mut sizes: Vec<usize> = (64..=330).collect();
    sizes.extend([479, 480, 679, 681, 959, 961, 1299, 1301, 1799, 2048]);
    let mut work = Workspace::default();
    for size in sizes {
        let painter = Painter::new(GRID, style(size, "[diop]")).unwrap();
        let file = painter.paint(&map, labels, &mut work).unwrap().unwrap();
        assert_eq!(Decoded::of(&file).size, size);
        if size % 50 == 0 {
            let again = Painter::new(GRID, style(size, "[diop]")).unwrap();
            assert_eq!(again.paint(&map, labels, &mut Workspace::default()).unwrap().unwrap(), file);
        }
    }
    for size in [0, 63, 2049, usize::MAX] {
        assert!(!SIZES.contains(&size) && Painter::new(GRID, style(size, "[diop]")).is_err());
    }
}

#[test]
fn a_map_without_values_and_one_of_another_grid() {
    let picture = painted(style(300, "[diop]"), &vec![f64::NAN; GRID.cells()], Labels::default());
    let coloured = |c: Rgb| c.iter().max() != c.iter().min();
    assert!((0..300 * 300).all(|i| !coloured(picture.at(i % 300, i / 300))), "nothing is coloured");
    assert_eq!(picture.text("Scale"), "none");
    let painter = Painter::new(GRID, style(300, "[diop]")).unwrap();
    assert_eq!(painter.paint(&[44.0; 100], Labels::default(), &mut Workspace::default()), Ok(None));
    // Two rings have no bicubic interpolation.
    let grid = PolarGrid::new(2, 5, 3.0).unwrap();
    let painter = Painter::new(grid, style(200, "[diop]")).unwrap();
    let file = painter.paint(&[44.0; 10], Labels::default(), &mut Workspace::default()).unwrap().unwrap();
    assert_eq!(Decoded::of(&file).text("Zone"), "6 mm");
}

#[test]
fn a_raster_is_painted_as_the_map_it_came_from() {
    let value = |x: f64, y: f64| if x.hypot(y) > 5.05 { f64::NAN } else { 43.0 + 0.8 * x + 0.4 * y };
    let polar = map_of(GRID, |r, t| value(r * t.cos(), r * t.sin()));
    let square = SquareGrid::PENTACAM;
    let raster: Vec<f64> = (0..square.cells()).map(|c| square.position_mm(c)).map(|(x, y)| value(x, y)).collect();
    for scale in [ScaleKind::Auto, ScaleKind::Normalized] {
        let style = Style { diameter_mm: Some(10.0), scale, ..bare(300, "[diop]") };
        let from_polar = painted(style.clone(), &polar, Labels::default());
        let file = Painter::new(square, style).unwrap().paint(&raster, Labels::default(), &mut Workspace::default());
        let from_square = Decoded::of(&file.unwrap().unwrap());
        assert_eq!(from_square.text("Scale"), from_polar.text("Scale"));
        // Band edges may lie a pixel apart where the two grids interpolate.
        let different = from_polar.differences(&from_square).len();
        assert!(different < 300 * 300 / 100, "{scale:?}: {different} pixels differ");
    }
    let painter = Painter::new(square, bare(64, "[diop]")).unwrap();
    assert_eq!(painter.paint(&polar, Labels::default(), &mut Workspace::default()), Ok(None));
}

#[test]
fn the_scale_follows_from_unit_and_values() {
    for (unit, value, expected) in [
        ("[diop]", 44.0, "smolek_klyce from 30 to 69 in steps of 1.5"),
        ("[diop]", -6.2, "normalized"),
        ("mm", 7.8, "radius from 5 to 11 in steps of 0.2"),
        ("mm", 0.6, "normalized"),
        ("um", 540.0, "pachymetry from 300 to 900 in steps of 20"),
        ("um", -3.0, "elevation from -75 to 75 in steps of 5"),
        ("um", 53.0, "normalized"),
        ("mm[Hg]", 15.0, "normalized"),
    ] {
        let picture = painted(style(128, unit), &vec![value; GRID.cells()], Labels::default());
        assert!(picture.text("Scale").starts_with(expected), "{unit} {value}: {}", picture.text("Scale"));
        assert_eq!(picture.text("Unit"), unit);
    }
    let radii = vec![7.5; GRID.cells()];
    let power = Style { power: true, ..bare(64, "mm") };
    assert_eq!(painted(power.clone(), &radii, Labels::default()).text("Unit"), "[diop]");
    assert_eq!(color_of(power, 7.5), color_of(bare(64, "[diop]"), 45.0));
    assert_eq!(Unit::of("um").label(), "µm");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_input_panics(
        size in 64usize..500,
        rings in 2usize..8,
        meridians in 4usize..12,
        ring_step in prop_oneof![Just(0.2), Just(1e-300), Just(1e300), 0.01..30.0f64],
        cells in proptest::collection::vec(prop_oneof![any::<f64>(), -100.0..1000.0f64], 96),
        unit in prop_oneof![Just(None), Just(Some("mm")), Just(Some("um")), Just(Some("[diop]")), Just(Some("\u{7}µ¥é"))],
        scale in 0usize..8,
        step in proptest::option::of(prop_oneof![any::<f64>(), 0.1..50.0f64]),
        diameter in proptest::option::of(prop_oneof![any::<f64>(), 1e-6..100.0f64]),
        axis in proptest::option::of(any::<f64>()),
        title in proptest::option::of(".{0,300}"),
        power in any::<bool>(),
    ) {
        let Ok(grid) = PolarGrid::new(rings, meridians, ring_step) else { return Ok(()) };
        let scales = [
            ScaleKind::Auto, ScaleKind::SmolekKlyce, ScaleKind::Power, ScaleKind::Radius, ScaleKind::Elevation,
            ScaleKind::Pachymetry, ScaleKind::Normalized, ScaleKind::Difference,
        ];
        let style = Style {
            scale: scales[scale], step, unit: unit.map(str::to_owned), power, diameter_mm: diameter, ..style(size, "")
        };
        if let Ok(painter) = Painter::new(grid, style) {
            let labels = Labels { eye: Some(Eye::Right), axis_deg: axis, title: title.as_deref() };
            let map = &cells[..grid.cells().min(cells.len())];
            if let Ok(Some(file)) = painter.paint(map, labels, &mut Workspace::default()) {
                prop_assert_eq!(Decoded::of(&file).size, size);
            }
        }
    }
}

/// A table `t` with one column `m` of maps in a unit.
fn context(maps: &[Option<Vec<f64>>], unit: &str) -> SessionContext {
    let context = SessionContext::new();
    placido_udfs::register_all(&context);
    let cells = |m: &Vec<f64>| m.iter().map(|v| v.is_finite().then_some(*v)).collect::<Vec<_>>();
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(maps.iter().map(|m| m.as_ref().map(cells)));
    let column = arrow::compute::cast(&lists, &geometry::list_type(GRID.cells())).unwrap();
    let field = geometry::map_field(GRID, unit).with_name("m");
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![Arc::new(field)])), vec![column]).unwrap();
    context.register_batch("t", batch).unwrap();
    context
}

async fn pictures(context: &SessionContext, call: &str) -> Result<Vec<Option<Vec<u8>>>, String> {
    let frame = context.sql(&format!("select {call} as p from t")).await.map_err(|e| e.strip_backtrace())?;
    let plan: &Field = frame.schema().field(0);
    assert_eq!(plan.data_type(), &DataType::Binary);
    let batches = frame.collect().await.map_err(|e| e.strip_backtrace())?;
    let column = batches[0].column(0).as_binary::<i32>();
    Ok((0..column.len()).map(|i| column.is_valid(i).then(|| column.value(i).to_vec())).collect())
}

#[tokio::test]
async fn sql_paints_what_the_library_paints() {
    let map = map_of(GRID, |r, t| if r > 5.0 { f64::NAN } else { 43.0 + r * t.sin() });
    let context = context(&[Some(map.clone()), None, Some(vec![f64::NAN; GRID.cells()])], "[diop]");
    let got = pictures(&context, "map_image(m)").await.unwrap();
    let painter = Painter::new(GRID, style(400, "[diop]")).unwrap();
    let expected = painter.paint(&map, Labels::default(), &mut Workspace::default()).unwrap();
    assert_eq!(got[0], expected);
    assert_eq!(got[1], None);
    assert_eq!(Decoded::of(got[2].as_ref().unwrap()).text("Scale"), "none");
    assert_eq!(pictures(&context, "map_image(m, NULL, NULL, NULL, NULL, NULL, NULL)").await.unwrap()[0], expected);

    let call = "map_image(m, palette => 'viridis', size => 500, eye => lower('OS'), scale => 'power', axis_deg => 12, \
                title => 'Sagittal', decoration => 'auto', step => 0.5, diameter_mm => 9)";
    let chosen = Style {
        palette: Palette::Viridis,
        scale: ScaleKind::Power,
        step: Some(0.5),
        diameter_mm: Some(9.0),
        ..style(500, "[diop]")
    };
    let labels = Labels { eye: Some(Eye::Left), axis_deg: Some(12.0), title: Some("Sagittal") };
    let expected = Painter::new(GRID, chosen).unwrap().paint(&map, labels, &mut Workspace::default()).unwrap();
    assert_eq!(pictures(&context, call).await.unwrap()[0], expected);
}

#[tokio::test]
async fn wrong_pictures_say_what_is_wrong() {
    let context = context(&[Some(vec![44.0; GRID.cells()])], "[diop]");
    for (call, expected) in [
        (
            "map_image(m, 'clinical', 400, NULL, 'elevation')",
            "the scale 'elevation' is for values in µm, this map is in '[diop]'",
        ),
        ("map_image(m, 'clinical', 400, NULL, 'smolek_klyce', NULL, NULL, NULL, 1)", "smolek_klyce has steps of 1.5 D"),
        ("map_image(m, 'clinical', 63)", "64 to 2048 pixels, got 63"),
        ("map_image(m, 'clinical', 2049)", "64 to 2048 pixels, got 2049"),
        ("map_image(m, 'clinical', 100.5)", "whole number of pixels"),
        ("map_image(m, 'clinical', -1)", "whole number of pixels"),
        ("map_image(m, 'rainbow')", "palette is one of 'clinical', 'viridis'"),
        ("map_image(m, 'clinical', 400, NULL, NULL, NULL, NULL, NULL, NULL, 0)", "diameter_mm is the shown zone"),
        (
            "map_image(m, 'clinical', 400, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'power')",
            "powers are computed from radii in mm",
        ),
        ("map_image(m, 'clinical', 400, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'mm')", "this column is in '[diop]'"),
        ("map_image(array_repeat(1.0, 5))", "this list has 5"),
    ] {
        let got = pictures(&context, call).await.expect_err(call);
        assert!(got.contains(expected), "{call}: {got}");
    }
    // A text in the place of the eye may be a name: it is not repeated.
    let got = pictures(&context, "map_image(m, 'clinical', 64, 'Ann Example')").await.unwrap_err();
    assert!(got.contains("eye is 'OD'") && !got.contains("Example"), "{got}");
}

/// Height of the cone of the keratoconic pictures.
const CONE_MM: f64 = 0.045;

/// A cornea in closed form: toric conics, and a cone where `cone_mm` is not zero. Sag in mm, positive into the eye.
fn cornea(x: f64, y: f64, cone_mm: f64) -> f64 {
    let axis = 4f64.to_radians();
    let (u, v) = (x * axis.cos() + y * axis.sin(), -x * axis.sin() + y * axis.cos());
    let (cu, cv): (f64, f64) = (1.0 / 7.86, 1.0 / 7.68);
    let root = (1.0 - 0.75 * (cu * cu * u * u + cv * cv * v * v)).sqrt();
    let cone = cone_mm * (-((x + 0.35).powi(2) + (y + 0.8).powi(2)) / (2.0 * 1.1 * 1.1)).exp();
    (cu * u * u + cv * v * v) / (1.0 + root) - cone
}

/// Axial radius in mm: the distance to the axis along the normal of the meridian. The cone's tilt at the vertex is taken off.
fn axial_radius(r: f64, t: f64, cone_mm: f64) -> f64 {
    let h = 1e-4;
    let at = |r: f64| cornea(r * t.cos(), r * t.sin(), cone_mm);
    let tilt = (at(h) - at(-h)) / (2.0 * h);
    let r = r.max(0.05);
    let slope = (at(r + h) - at(r - h)) / (2.0 * h) - tilt;
    r * (1.0 + slope * slope).sqrt() / slope
}

fn under_the_lid(r: f64, t: f64) -> bool {
    let (x, y) = (r * t.cos(), r * t.sin());
    r > 5.3 || y > 4.3 - 0.05 * x * x
}

/// The pictures of docs/pictures.md. With PLACIDO_WRITE_PICTURES set they are written instead of compared.
#[test]
fn the_pictures_of_the_documentation_are_these() {
    let sagittal = |cone| map_of(GRID, move |r, t| if under_the_lid(r, t) { f64::NAN } else { 337.5 / axial_radius(r, t, cone) });
    let sag = map_of(GRID, |r, t| cornea(r * t.cos(), r * t.sin(), CONE_MM));
    let elevation = shape::elevation_residual(GRID, &sag, 8.0, SphereMode::Float, Weighting::Area).unwrap().unwrap();
    let elevation: Vec<f64> = elevation.iter().zip(sagittal(0.0)).map(|(e, s)| if s.is_nan() { s } else { *e }).collect();
    let labels = |title| Labels { eye: Some(Eye::Right), axis_deg: None, title: Some(title) };
    let zone = |unit| Style { diameter_mm: Some(10.0), ..style(400, unit) };
    let curvature = "Anterior sagittal curvature";
    let pictures = [
        ("normal", sagittal(0.0), zone("[diop]"), Labels { axis_deg: Some(94.0), ..labels(curvature) }),
        ("normal-normalized", sagittal(0.0), Style { scale: ScaleKind::Normalized, ..zone("[diop]") }, labels(curvature)),
        ("keratoconus", sagittal(CONE_MM), zone("[diop]"), labels(curvature)),
        (
            "keratoconus-viridis",
            sagittal(CONE_MM),
            Style { palette: Palette::Viridis, scale: ScaleKind::Normalized, ..zone("[diop]") },
            labels(curvature),
        ),
        ("keratoconus-elevation", elevation, Style { diameter_mm: Some(8.0), ..zone("um") }, labels("Anterior elevation")),
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    for (name, map, style, labels) in pictures {
        let file = Painter::new(GRID, style).unwrap().paint(&map, labels, &mut Workspace::default()).unwrap().unwrap();
        let path = folder.join(format!("{name}.png"));
        if std::env::var_os("PLACIDO_WRITE_PICTURES").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &file).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (kept, painted) = (Decoded::of(&kept), Decoded::of(&file));
        assert_eq!(kept.size, painted.size, "{name}");
        // Another machine's sine may differ in the last bit, and with it a pixel at the edge of a band.
        let different = kept.differences(&painted).len();
        assert!(different <= 20, "{name}: {different} pixels differ from the picture in docs/pictures");
    }
}
