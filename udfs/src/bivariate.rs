//! Aggregates of vectors in a plane, such as astigmatism in double-angle space, and of axes.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue};

use crate::aggregate::{Accumulation, Aggregate, Memory};
use crate::args::{Call, Settings, number_fields};
use crate::drift::IS_CURRENT;
use crate::function::{Example, Kind, Parameter};
use crate::geometry::with_unit;
use crate::optics::astigmatism::Astigmatism;
use crate::record;
use crate::sample::axial::Axial;
use crate::sample::bivariate::{Bivariate, EllipseKind, Hotelling};
use crate::state::{self, Reader};
use crate::summary::{Outcomes, Sample, common_unit, number_of, share, summary};

const X: Parameter = Parameter::required("x", Kind::Number, "first component");
const Y: Parameter = Parameter::required("y", Kind::Number, "second component");
const X_D: Parameter = Parameter::required("x", Kind::Number, "astigmatism_x, D").in_unit("[diop]");
const Y_D: Parameter = Parameter::required("y", Kind::Number, "astigmatism_y, D").in_unit("[diop]");
const AXIS: Parameter = Parameter::required("axis_deg", Kind::Number, "axis in degrees").in_unit("deg");
const TEST: &str = "struct(t2, f, df1, df2, p_value)";

/// The aggregates of the family `astigmatism`.
pub(crate) const AGGREGATES: &[Aggregate] = &[
    Aggregate {
        name: "astigmatism_centroid",
        about: "The mean of astigmatisms as vectors: components in D, and the same as magnitude and axis of its plus cylinder. \
                The mean of magnitudes and the mean of axes say nothing about it.",
        parameters: &[X_D, Y_D],
        returns: "struct(n, x, y, magnitude, axis)",
        result: |_| numbers(&[("n", ""), ("x", "[diop]"), ("y", "[diop]"), ("magnitude", "[diop]"), ("axis", "deg")]),
        memory: Memory::Constant,
        start: |_| summary(Bivariate::default(), centroid),
        example: Example {
            sql: "astigmatism_centroid(astigmatism_x(d, a), astigmatism_y(d, a))['magnitude'] from (values (1.0, 90), (2.0, 90)) \
                  as t(d, a)",
            output: "1.5",
        },
    },
    Aggregate {
        name: "astigmatism_ellipse",
        about: "An ellipse in double-angle space: centre, semi-axes and area in D, direction of the larger axis in degrees (the \
                meridian of the eye is half of it). `kind` says what it covers: 'centroid', the mean of the population, 2(n−1)/ \
                (n(n−2)) F; 'prediction', one further eye, 2(n−1)(n+1)/(n(n−2)) F; 'dataset', a share of the eyes, χ². NULL for \
                fewer than three rows.",
        parameters: &[
            X_D,
            Y_D,
            Parameter::optional("level", Kind::Number, "0.95", "probability of being covered, between 0 and 1"),
            Parameter::optional("kind", Kind::Text, "'centroid'", "'centroid', 'prediction' or 'dataset'"),
        ],
        returns: "struct(n, x, y, semi_major, semi_minor, orientation_deg, area)",
        result: |_| {
            numbers(&[
                ("n", ""),
                ("x", "[diop]"),
                ("y", "[diop]"),
                ("semi_major", "[diop]"),
                ("semi_minor", "[diop]"),
                ("orientation_deg", "deg"),
                ("area", "[diop]2"),
            ])
        },
        memory: Memory::Constant,
        start: |s| {
            let (kind, level) = (s.choice("kind", KINDS)?, share(s, "level", 0.95)?);
            summary(Bivariate::default(), move |sample, field| ellipse(sample, kind, level, field))
        },
        example: Example {
            sql: "round(astigmatism_ellipse(x, y, level => 0.95, kind => 'dataset')['semi_major'], 4) \
                  from (values (0.0, 1.0), (1.0, 0.0), (-1.0, 0.0), (0.0, -1.0)) as t(x, y)",
            output: "1.9986",
        },
    },
    Aggregate {
        name: "total_sd",
        about: "Total standard deviation of vectors, the root of the summed variances of x and y (divisor n − 1), in their unit.",
        parameters: &[X, Y],
        returns: "float8",
        result: |s| Ok(with_unit(Field::new("", DataType::Float64, true), common_unit(s)?)),
        memory: Memory::Constant,
        start: |_| of_vectors(Bivariate::total_sd),
        example: Example {
            sql: "total_sd(x, y) from (values (0.0, 0.0), (3.0, 3.0), (0.0, 3.0), (3.0, 0.0)) as t(x, y)",
            output: "2.449489742783178",
        },
    },
    Aggregate {
        name: "hotelling_t2",
        about: "Hotelling's T² of the hypothesis that the mean vector is zero. NULL for fewer than three rows and for points on a \
                line.",
        parameters: &[X, Y],
        returns: "float8",
        result: ratio,
        memory: Memory::Constant,
        start: |_| of_vectors(|s| s.hotelling().map(|t| t.t2)),
        example: Example {
            sql: "round(hotelling_t2(x, y), 6) from (values (1.0, 0.5), (2.0, 1.5), (1.5, 0.0), (0.5, 1.0)) as t(x, y)",
            output: "17.5",
        },
    },
    Aggregate {
        name: "hotelling_t2_p_value",
        about: "Probability of a T² as large as this if the mean vector were zero, from F with 2 and n − 2 degrees of freedom.",
        parameters: &[X, Y],
        returns: "float8",
        result: ratio,
        memory: Memory::Constant,
        start: |_| of_vectors(|s| s.hotelling().map(|t| t.p_value)),
        example: Example {
            sql: "round(hotelling_t2_p_value(x, y), 6) from (values (1.0, 0.5), (2.0, 1.5), (1.5, 0.0), (0.5, 1.0)) as t(x, y)",
            output: "0.146341",
        },
    },
    Aggregate {
        name: "hotelling_t2_detail",
        about: "The test of hotelling_t2 with its F value and degrees of freedom.",
        parameters: &[X, Y],
        returns: TEST,
        result: test_field,
        memory: Memory::Constant,
        start: |_| summary(Bivariate::default(), |s, field| test(s.hotelling(), field)),
        example: Example {
            sql: "hotelling_t2_detail(x, y)['df2'] from (values (1.0, 0.5), (2.0, 1.5), (1.5, 0.0), (0.5, 1.0)) as t(x, y)",
            output: "2.0",
        },
    },
    Aggregate {
        name: "hotelling_t2_2samp",
        about: "Hotelling's T² of the hypothesis that reference and current sample have the same mean vector, with pooled covariance. NULL for a \
                sample of fewer than two rows and for points on a line.",
        parameters: &[X, Y, IS_CURRENT],
        returns: "float8",
        result: ratio,
        memory: Memory::Constant,
        start: |_| of_two(|t| t.t2),
        example: Example { sql: TWO_T2, output: "26.642202" },
    },
    Aggregate {
        name: "hotelling_t2_2samp_p_value",
        about: "Probability of a T² as large as this if both samples had the same mean vector, from F with 2 and n₁ + n₂ − 3 \
                degrees of freedom.",
        parameters: &[X, Y, IS_CURRENT],
        returns: "float8",
        result: ratio,
        memory: Memory::Constant,
        start: |_| of_two(|t| t.p_value),
        example: Example { sql: TWO_P, output: "0.047164" },
    },
    Aggregate {
        name: "hotelling_t2_2samp_detail",
        about: "The test of hotelling_t2_2samp with its F value and degrees of freedom.",
        parameters: &[X, Y, IS_CURRENT],
        returns: TEST,
        result: test_field,
        memory: Memory::Constant,
        start: |_| summary(TwoVectors::default(), |two, field| test(two.test(), field)),
        example: Example { sql: TWO_DETAIL, output: "3.0" },
    },
    Aggregate {
        name: "axial_mean",
        about: "Mean axis in degrees, above 0 to 180, through the doubled angles: the mean of 175 and 5 is 180, not 90. NULL where \
                the axes cancel.",
        parameters: &[AXIS],
        returns: "float8",
        result: |_| Ok(with_unit(Field::new("", DataType::Float64, true), "deg")),
        memory: Memory::Constant,
        start: |_| of_axes(Axial::mean_deg),
        example: Example { sql: "round(axial_mean(a), 6) from (values (175), (5), (174), (6)) as t(a)", output: "180.0" },
    },
    Aggregate {
        name: "axial_resultant",
        about: "Length of the mean vector of the doubled axes: 1 for equal axes, 0 for axes that cancel.",
        parameters: &[AXIS],
        returns: "float8",
        result: |_| number_field(),
        memory: Memory::Constant,
        start: |_| of_axes(Axial::resultant),
        example: Example { sql: "round(axial_resultant(a), 6) from (values (30), (90)) as t(a)", output: "0.5" },
    },
    Aggregate {
        name: "axial_variance",
        about: "Circular variance of the doubled axes, one minus axial_resultant: 0 for equal axes.",
        parameters: &[AXIS],
        returns: "float8",
        result: |_| number_field(),
        memory: Memory::Constant,
        start: |_| of_axes(Axial::variance),
        example: Example { sql: "round(axial_variance(a), 6) from (values (30), (90)) as t(a)", output: "0.5" },
    },
    Aggregate {
        name: "axial_rayleigh_p_value",
        about: "Rayleigh's test that axes have no preferred direction: its p value by Zar's approximation. NULL for fewer than two \
                axes.",
        parameters: &[AXIS],
        returns: "float8",
        result: |_| number_field(),
        memory: Memory::Constant,
        start: |_| of_axes(Axial::rayleigh_p),
        example: Example {
            sql: "round(axial_rayleigh_p_value(a), 6) from (values (80), (85), (92), (97), (88)) as t(a)",
            output: "0.002492",
        },
    },
    Aggregate {
        name: "axial_detail",
        about: "Count, mean axis in degrees, length of the mean vector, circular variance, Rayleigh's z = n R² and its p value.",
        parameters: &[AXIS],
        returns: "struct(n, mean_deg, resultant, variance, rayleigh_z, p_value)",
        result: |_| {
            numbers(&[("n", ""), ("mean_deg", "deg"), ("resultant", ""), ("variance", ""), ("rayleigh_z", ""), ("p_value", "")])
        },
        memory: Memory::Constant,
        start: |_| summary(Axial::default(), axial),
        example: Example { sql: "axial_detail(a)['n'] from (values (30), (90)) as t(a)", output: "2.0" },
    },
];

const KINDS: &[(&str, EllipseKind)] =
    &[("centroid", EllipseKind::Centroid), ("prediction", EllipseKind::Prediction), ("dataset", EllipseKind::Dataset)];

const TWO_T2: &str = "round(hotelling_t2_2samp(x, y, b), 6) from (values (1.0, 0.5, false), (2.0, 1.5, false), \
                      (1.5, 0.0, false), (3.5, 1.0, true), (3.0, 2.0, true), (4.0, 0.5, true)) as t(x, y, b)";
const TWO_P: &str = "round(hotelling_t2_2samp_p_value(x, y, b), 6) from (values (1.0, 0.5, false), (2.0, 1.5, false), \
                     (1.5, 0.0, false), (3.5, 1.0, true), (3.0, 2.0, true), (4.0, 0.5, true)) as t(x, y, b)";
const TWO_DETAIL: &str = "hotelling_t2_2samp_detail(x, y, b)['df2'] from (values (1.0, 0.5, false), (2.0, 1.5, false), \
                          (1.5, 0.0, false), (3.5, 1.0, true), (3.0, 2.0, true), (4.0, 0.5, true)) as t(x, y, b)";

fn number_field() -> Result<Field> {
    Ok(Field::new("", DataType::Float64, true))
}

fn numbers(fields: &[(&str, &str)]) -> Result<Field> {
    Ok(Field::new("", DataType::Struct(number_fields(fields)), true))
}

fn test_field(s: &Settings) -> Result<Field> {
    common_unit(s)?;
    numbers(&[("t2", ""), ("f", ""), ("df1", ""), ("df2", ""), ("p_value", "")])
}

/// A number without unit, of components in one unit.
fn ratio(s: &Settings) -> Result<Field> {
    common_unit(s)?;
    number_field()
}

fn of_vectors(answer: fn(&Bivariate) -> Option<f64>) -> Result<Box<dyn Accumulation>> {
    number_of(Bivariate::default(), answer)
}

fn of_two(answer: fn(Hotelling) -> f64) -> Result<Box<dyn Accumulation>> {
    number_of(TwoVectors::default(), move |two| two.test().map(answer))
}

fn of_axes(answer: fn(&Axial) -> Option<f64>) -> Result<Box<dyn Accumulation>> {
    number_of(Axial::default(), answer)
}

fn centroid(sample: &Bivariate, field: &Field) -> Result<ScalarValue> {
    let numbers = sample.mean().map(|[x, y]| {
        let mean = Astigmatism::from_vector((x, y));
        [sample.count(), x, y, mean.magnitude, mean.axis]
    });
    record::of_numbers(field, numbers)
}

fn ellipse(sample: &Bivariate, kind: EllipseKind, level: f64, field: &Field) -> Result<ScalarValue> {
    let numbers = sample.ellipse(kind, level).map(|e| {
        let [x, y] = e.center;
        [sample.count(), x, y, e.semi_major, e.semi_minor, e.orientation_deg, e.area]
    });
    record::of_numbers(field, numbers)
}

fn test(found: Option<Hotelling>, field: &Field) -> Result<ScalarValue> {
    record::of_numbers(field, found.map(|t| [t.t2, t.f, t.df1, t.df2, t.p_value]))
}

fn axial(sample: &Axial, field: &Field) -> Result<ScalarValue> {
    let or_null = |n: Option<f64>| n.unwrap_or(f64::NAN);
    let numbers = sample.resultant().map(|resultant| {
        let (z, p) = (or_null(sample.rayleigh_z()), or_null(sample.rayleigh_p()));
        [sample.count(), or_null(sample.mean_deg()), resultant, or_null(sample.variance()), z, p]
    });
    record::of_numbers(field, numbers)
}

/// The complete pairs of arguments 0 and 1, with their rows.
fn each_pair(call: &Call, mut add: impl FnMut(usize, f64, f64) -> Result<()>) -> Result<()> {
    let (x, y) = (call.numbers(0)?, call.numbers(1)?);
    for row in 0..call.rows {
        if let (Some(x), Some(y)) = (x.get(row), y.get(row)) {
            add(row, x, y)?;
        }
    }
    Ok(())
}

/// What a state of pairs holds; the length is right by its type.
fn pairs(sums: [f64; 6]) -> Bivariate {
    Bivariate::from_numbers(&sums).unwrap_or_default()
}

impl Sample for Bivariate {
    fn add(&mut self, call: &Call) -> Result<()> {
        each_pair(call, |_, x, y| {
            self.add(x, y);
            Ok(())
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        state::floats(&self.to_numbers())
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        self.merge(&pairs(state::to_sums(bytes)?));
        Ok(())
    }

    fn size(&self) -> usize {
        0
    }
}

/// Vectors of the reference and of the current sample.
#[derive(Debug, Default)]
struct TwoVectors {
    reference: Bivariate,
    current: Bivariate,
}

impl TwoVectors {
    fn test(&self) -> Option<Hotelling> {
        self.reference.hotelling_two(&self.current)
    }
}

impl Sample for TwoVectors {
    fn add(&mut self, call: &Call) -> Result<()> {
        let is_current = Outcomes::new(call, 2)?;
        each_pair(call, |row, x, y| {
            match is_current.get(row)? {
                Some(true) => self.current.add(x, y),
                Some(false) => self.reference.add(x, y),
                None => {}
            }
            Ok(())
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        state::floats(&[self.reference.to_numbers(), self.current.to_numbers()].concat())
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes);
        let (reference, current) = (reader.sums()?, reader.sums()?);
        reader.end()?;
        self.reference.merge(&pairs(reference));
        self.current.merge(&pairs(current));
        Ok(())
    }

    fn size(&self) -> usize {
        0
    }
}

impl Sample for Axial {
    fn add(&mut self, call: &Call) -> Result<()> {
        let axes = call.numbers(0)?;
        (0..call.rows).filter_map(|row| axes.get(row)).for_each(|axis| self.add(axis));
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        state::floats(&self.to_numbers())
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        self.merge(&Axial::from_numbers(&state::to_sums::<3>(bytes)?).unwrap_or_default());
        Ok(())
    }

    fn size(&self) -> usize {
        0
    }
}
