//! Pictures of maps.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::{Call, Settings};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, MERIDIANS, RING_STEP, RINGS};
use crate::grid::ANY_MAP;
use crate::optics::{
    grid::Grid,
    picture::{Decoration, Eye, Labels, Painter, Palette, ScaleKind, Style, Workspace},
    resample::Interpolation,
};
use crate::recent::{Held, Recent};

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[Function {
    name: "map_image",
    about: "A colour-coded picture of a map as PNG: bands of the scale with their values beside the colour bar, rings by their \
            diameter in mm, TABO degrees, eye and unit. Missing cells are grey. See docs/pictures.md.",
    parameters: &[
        ANY_MAP,
        Parameter::optional(
            "palette",
            Kind::Text,
            "'clinical'",
            "'clinical' (blue flat, green normal, red steep), 'viridis', 'cividis' or 'diverging' (three that need no red-green \
             vision)",
        ),
        Parameter::optional("size", Kind::Number, "400", "pixels along a side, 64 to 2048"),
        Parameter::optional("eye", Kind::Text, "NULL", "'OD' or 'OS'; says on which side nasal (N) and temporal (T) are"),
        Parameter::optional(
            "scale",
            Kind::Text,
            "'auto'",
            "'smolek_klyce' (1.5 D from 30.0 D), 'power' (1 D around 44 D), 'radius' (5 to 11 mm), 'elevation' (±75 µm), \
             'pachymetry' (300 to 900 µm), 'normalized' (the map's own range), 'difference' (its own range around zero), or \
             'auto': the first of them that unit and values call for",
        ),
        Parameter::optional("axis_deg", Kind::Number, "NULL", "a meridian to draw, such as the steepest, degrees TABO")
            .in_unit("deg"),
        Parameter::optional("title", Kind::Text, "NULL", "text over the map, in Latin-1; what does not fit is left out"),
        Parameter::optional("decoration", Kind::Text, "'auto'", "'auto' or 'none': the map alone fills the picture"),
        Parameter::optional("step", Kind::Number, "by the scale", "width of a band in the shown unit"),
        Parameter::optional("diameter_mm", Kind::Number, "the whole map", "diameter of the shown zone in mm").in_unit("mm"),
        Parameter::optional("show", Kind::Text, "'values'", "'values', or 'power': radii in mm as 337.5/r dioptres"),
        Parameter::optional("unit", Kind::Text, "'column'", "'[diop]', 'um' or 'mm', where the column does not say its unit"),
        Parameter::optional("method", Kind::Text, "'auto'", "'bilinear', 'bicubic', or 'auto': bicubic where the grid allows it"),
        RINGS,
        RING_STEP,
        MERIDIANS,
    ],
    returns: "bytea",
    result: |s| {
        let (grid, style) = style(s)?;
        painter(s, grid, style)?;
        if s.known_text("eye")?.is_some_and(|eye| !["OD", "OS", ""].contains(&eye.trim().to_uppercase().as_str())) {
            return plan_err!("{}: eye is 'OD' (right) or 'OS' (left), and this text is neither", s.name());
        }
        Ok(Field::new("", DataType::Binary, true))
    },
    compute: map_image,
    example: Example {
        sql: "left(encode(map_image(array_repeat(43.5, 7936), 'clinical', 64), 'hex'), 16)",
        output: "89504e470d0a1a0a",
    },
}];

const PALETTES: &[(&str, Palette)] = &[
    ("clinical", Palette::Clinical),
    ("viridis", Palette::Viridis),
    ("cividis", Palette::Cividis),
    ("diverging", Palette::Diverging),
];
const SCALES: &[(&str, ScaleKind)] = &[
    ("auto", ScaleKind::Auto),
    ("smolek_klyce", ScaleKind::SmolekKlyce),
    ("power", ScaleKind::Power),
    ("radius", ScaleKind::Radius),
    ("elevation", ScaleKind::Elevation),
    ("pachymetry", ScaleKind::Pachymetry),
    ("normalized", ScaleKind::Normalized),
    ("difference", ScaleKind::Difference),
];
const DECORATIONS: &[(&str, Decoration)] = &[("auto", Decoration::Auto), ("none", Decoration::None)];
const SHOWN: &[(&str, bool)] = &[("values", false), ("power", true)];
const UNITS: &[(&str, Option<&str>)] = &[
    ("column", None),
    ("[diop]", Some("[diop]")),
    ("um", Some("um")),
    ("mm", Some("mm")),
    ("D", Some("[diop]")),
    ("µm", Some("um")),
];
const METHODS: &[(&str, Option<Interpolation>)] =
    &[("auto", None), ("bilinear", Some(Interpolation::Bilinear)), ("bicubic", Some(Interpolation::Bicubic))];

/// Bytes of all pictures of a batch at most: an Arrow column of bytes counts to twice that.
const BATCH_BYTES: usize = 1 << 30;

fn style(s: &Settings) -> Result<(Grid, Style)> {
    let geometry = geometry::any_geometry(s, 0)?;
    let unit = match (geometry.unit, s.choice("unit", UNITS)?) {
        (Some(column), Some(given)) if column != given => {
            return plan_err!("{}: unit says '{given}', but this column is in '{column}'", s.name());
        }
        (column, given) => column.or(given.map(str::to_owned)),
    };
    let size = s.number("size", 400.0)?;
    if size.fract() != 0.0 || size < 0.0 {
        return plan_err!("{}: size must be a whole number of pixels, got {size}", s.name());
    }
    let optional = |parameter| s.number(parameter, f64::NAN).map(|v| Some(v).filter(|v| v.is_finite()));
    let style = Style {
        size: size as usize,
        palette: s.choice("palette", PALETTES)?,
        scale: s.choice("scale", SCALES)?,
        step: optional("step")?,
        unit,
        power: s.choice("show", SHOWN)?,
        diameter_mm: optional("diameter_mm")?,
        decoration: s.choice("decoration", DECORATIONS)?,
        interpolation: s.choice("method", METHODS)?,
    };
    Ok((geometry.grid, style))
}

fn painter(s: &Settings, grid: Grid, style: Style) -> Result<Arc<Painter>> {
    static PAINTERS: Recent<(Grid, Style), Painter> = Recent::new();
    match PAINTERS.get((grid, style.clone()), || Painter::new(grid, style)) {
        Ok(painter) => Ok(painter),
        Err(error) => plan_err!("{}: {error}", s.name()),
    }
}

fn map_image(call: &Call) -> Result<ArrayRef> {
    let name = call.settings.name();
    let (grid, style) = style(&call.settings)?;
    let painter = painter(&call.settings, grid, style)?;
    let (lists, eyes, axes, titles) = (call.lists(0)?, call.texts(3)?, call.numbers(5)?, call.texts(6)?);
    let (mut buffer, mut work) = (Vec::new(), Workspace::default());
    let mut pictures = BinaryBuilder::new();
    let mut bytes = 0;
    for row in 0..call.rows {
        let present = geometry::check_length(name, grid, &lists, row)?;
        let Some(map) = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten() else {
            pictures.append_null();
            continue;
        };
        let eye = match eyes.get(row).map(str::trim) {
            None | Some("") => None,
            Some(text) if text.eq_ignore_ascii_case("OD") => Some(Eye::Right),
            Some(text) if text.eq_ignore_ascii_case("OS") => Some(Eye::Left),
            // A text that is no eye of a record says nothing of left and right.
            Some(_) => None,
        };
        let labels = Labels { eye, axis_deg: axes.get(row), title: titles.get(row) };
        let picture = match painter.paint(map, labels, &mut work) {
            Ok(picture) => picture,
            Err(error) => return exec_err!("{name}: {error}"),
        };
        bytes += picture.as_ref().map_or(0, Vec::len);
        if bytes > BATCH_BYTES {
            return exec_err!("{name}: the pictures of a batch of {} rows exceed 1 GiB; ask for a smaller size", call.rows);
        }
        pictures.append_option(picture);
    }
    Ok(Arc::new(pictures.finish()))
}

impl Held for Painter {
    fn bytes(&self) -> usize {
        self.held_bytes()
    }
}
