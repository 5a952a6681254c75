//! Aggregates of vectors in a plane, such as astigmatism in double-angle space, and of axes.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};

use crate::aggregate::{Accumulation, Aggregate, Memory};
use crate::args::{Call, Settings, number_fields};
use crate::function::{Example, Kind, Parameter};
use crate::geometry::with_unit;
use crate::optics::astigmatism::Astigmatism;
use crate::record;
use crate::sample::axial::Axial;
use crate::sample::bivariate::{Bivariate, EllipseKind, Hotelling};
use crate::state;

const X: Parameter = Parameter::required("x", Kind::Number, "first component");
const Y: Parameter = Parameter::required("y", Kind::Number, "second component");
const X_D: Parameter = Parameter::required("x", Kind::Number, "astigmatism_x, D").in_unit("[diop]");
const Y_D: Parameter = Parameter::required("y", Kind::Number, "astigmatism_y, D").in_unit("[diop]");
const SECOND: Parameter =
    Parameter::required("is_second", Kind::Flag, "true for rows of the second sample, false for rows of the first");
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
        start: |_| pairs(Answer::Centroid),
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
            let level = s.number("level", 0.95)?;
            if !(level > 0.0 && level < 1.0) {
                return plan_err!("{}: level lies between 0 and 1, got {level}; write 0.95 for 95 %", s.name());
            }
            pairs(Answer::Ellipse(s.choice("kind", KINDS)?, level))
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
        result: |s| Ok(with_unit(Field::new("", DataType::Float64, true), unit(s))),
        memory: Memory::Constant,
        start: |_| pairs(Answer::TotalSd),
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
        result: |_| number(),
        memory: Memory::Constant,
        start: |_| pairs(Answer::T2),
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
        result: |_| number(),
        memory: Memory::Constant,
        start: |_| pairs(Answer::P),
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
        result: |_| test_field(),
        memory: Memory::Constant,
        start: |_| pairs(Answer::Detail),
        example: Example {
            sql: "hotelling_t2_detail(x, y)['df2'] from (values (1.0, 0.5), (2.0, 1.5), (1.5, 0.0), (0.5, 1.0)) as t(x, y)",
            output: "2.0",
        },
    },
    Aggregate {
        name: "hotelling_t2_2samp",
        about: "Hotelling's T² of the hypothesis that two samples have the same mean vector, with pooled covariance. NULL for a \
                sample of fewer than two rows and for points on a line.",
        parameters: &[X, Y, SECOND],
        returns: "float8",
        result: |_| number(),
        memory: Memory::Constant,
        start: |_| two_samples(Answer::T2),
        example: Example { sql: TWO_T2, output: "26.642202" },
    },
    Aggregate {
        name: "hotelling_t2_2samp_p_value",
        about: "Probability of a T² as large as this if both samples had the same mean vector, from F with 2 and n₁ + n₂ − 3 \
                degrees of freedom.",
        parameters: &[X, Y, SECOND],
        returns: "float8",
        result: |_| number(),
        memory: Memory::Constant,
        start: |_| two_samples(Answer::P),
        example: Example { sql: TWO_P, output: "0.047164" },
    },
    Aggregate {
        name: "hotelling_t2_2samp_detail",
        about: "The test of hotelling_t2_2samp with its F value and degrees of freedom.",
        parameters: &[X, Y, SECOND],
        returns: TEST,
        result: |_| test_field(),
        memory: Memory::Constant,
        start: |_| two_samples(Answer::Detail),
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
        start: |_| axes(AxialAnswer::Mean),
        example: Example { sql: "round(axial_mean(a), 6) from (values (175), (5), (174), (6)) as t(a)", output: "180.0" },
    },
    Aggregate {
        name: "axial_resultant",
        about: "Length of the mean vector of the doubled axes: 1 for equal axes, 0 for axes that cancel.",
        parameters: &[AXIS],
        returns: "float8",
        result: |_| number(),
        memory: Memory::Constant,
        start: |_| axes(AxialAnswer::Resultant),
        example: Example { sql: "round(axial_resultant(a), 6) from (values (30), (90)) as t(a)", output: "0.5" },
    },
    Aggregate {
        name: "axial_variance",
        about: "Circular variance of the doubled axes, one minus axial_resultant: 0 for equal axes.",
        parameters: &[AXIS],
        returns: "float8",
        result: |_| number(),
        memory: Memory::Constant,
        start: |_| axes(AxialAnswer::Variance),
        example: Example { sql: "round(axial_variance(a), 6) from (values (30), (90)) as t(a)", output: "0.5" },
    },
    Aggregate {
        name: "axial_rayleigh_p_value",
        about: "Rayleigh's test that axes have no preferred direction: its p value by Zar's approximation. NULL for fewer than two \
                axes.",
        parameters: &[AXIS],
        returns: "float8",
        result: |_| number(),
        memory: Memory::Constant,
        start: |_| axes(AxialAnswer::P),
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
        start: |_| axes(AxialAnswer::Detail),
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

fn number() -> Result<Field> {
    Ok(Field::new("", DataType::Float64, true))
}

fn numbers(fields: &[(&str, &str)]) -> Result<Field> {
    Ok(Field::new("", DataType::Struct(number_fields(fields)), true))
}

fn test_field() -> Result<Field> {
    numbers(&[("t2", ""), ("f", ""), ("df1", ""), ("df2", ""), ("p_value", "")])
}

/// The unit that both columns have, if they name the same one.
fn unit<'a>(settings: &'a Settings) -> &'a str {
    let of = |index| settings.field(index).and_then(|f| f.metadata().get(crate::geometry::UNIT)).map_or("", String::as_str);
    if of(0) == of(1) { of(0) } else { "" }
}

/// What is asked of one sample of vectors or of two.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Centroid,
    Ellipse(EllipseKind, f64),
    TotalSd,
    T2,
    P,
    Detail,
}

/// One sample of vectors, or two.
#[derive(Debug)]
struct Pairs {
    first: Bivariate,
    second: Option<Bivariate>,
    answer: Answer,
}

fn pairs(answer: Answer) -> Result<Box<dyn Accumulation>> {
    Ok(Box::new(Pairs { first: Bivariate::default(), second: None, answer }))
}

fn two_samples(answer: Answer) -> Result<Box<dyn Accumulation>> {
    Ok(Box::new(Pairs { first: Bivariate::default(), second: Some(Bivariate::default()), answer }))
}

impl Pairs {
    fn test(&self) -> Option<Hotelling> {
        match &self.second {
            None => self.first.hotelling(),
            Some(second) => self.first.hotelling_two(second),
        }
    }
}

impl Accumulation for Pairs {
    fn add(&mut self, call: &Call) -> Result<()> {
        let (x, y) = (call.numbers(0)?, call.numbers(1)?);
        let flags = self.second.is_some().then(|| call.flags(2)).transpose()?;
        for row in 0..call.rows {
            let (Some(x), Some(y)) = (x.get(row), y.get(row)) else { continue };
            match (&flags, &mut self.second) {
                (Some(flags), Some(second)) => match flags.get(row) {
                    Some(true) => second.add(x, y),
                    Some(false) => self.first.add(x, y),
                    None => {}
                },
                _ => self.first.add(x, y),
            }
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        state::floats(&[self.first.to_numbers(), self.second.unwrap_or_default().to_numbers()].concat())
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let numbers = state::to_array::<12>(bytes)?;
        let (first, second) = numbers.split_at(6);
        let (Some(first), Some(other)) = (Bivariate::from_numbers(first), Bivariate::from_numbers(second)) else {
            return internal_err!("a state of two samples is broken");
        };
        self.first.merge(&first);
        if let Some(second) = &mut self.second {
            second.merge(&other);
        }
        Ok(())
    }

    fn finish(&self, field: &Field) -> Result<ScalarValue> {
        let sample = &self.first;
        match self.answer {
            Answer::Centroid => record::of_numbers(
                field,
                sample.mean().map(|[x, y]| {
                    let mean = Astigmatism::from_vector((x, y));
                    [sample.count(), x, y, mean.magnitude, mean.axis]
                }),
            ),
            Answer::Ellipse(kind, level) => record::of_numbers(
                field,
                sample.ellipse(kind, level).map(|e| {
                    let [x, y] = e.center;
                    [sample.count(), x, y, e.semi_major, e.semi_minor, e.orientation_deg, e.area]
                }),
            ),
            Answer::TotalSd => finite(sample.total_sd()),
            Answer::T2 => finite(self.test().map(|t| t.t2)),
            Answer::P => finite(self.test().map(|t| t.p_value)),
            Answer::Detail => record::of_numbers(field, self.test().map(|t| [t.t2, t.f, t.df1, t.df2, t.p_value])),
        }
    }

    fn size(&self) -> usize {
        0
    }
}

fn finite(number: Option<f64>) -> Result<ScalarValue> {
    Ok(ScalarValue::Float64(number.filter(|n| n.is_finite())))
}

/// What is asked of a sample of axes.
#[derive(Debug, Clone, Copy)]
enum AxialAnswer {
    Mean,
    Resultant,
    Variance,
    P,
    Detail,
}

/// A sample of axes.
#[derive(Debug)]
struct Axes {
    sample: Axial,
    answer: AxialAnswer,
}

fn axes(answer: AxialAnswer) -> Result<Box<dyn Accumulation>> {
    Ok(Box::new(Axes { sample: Axial::default(), answer }))
}

impl Accumulation for Axes {
    fn add(&mut self, call: &Call) -> Result<()> {
        let axes = call.numbers(0)?;
        for axis in (0..call.rows).filter_map(|row| axes.get(row)) {
            self.sample.add(axis);
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        state::floats(&self.sample.to_numbers())
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        match Axial::from_numbers(&state::to_array::<3>(bytes)?) {
            Some(other) => self.sample.merge(&other),
            None => return internal_err!("a state of axes is broken"),
        }
        Ok(())
    }

    fn finish(&self, field: &Field) -> Result<ScalarValue> {
        let sample = &self.sample;
        match self.answer {
            AxialAnswer::Mean => finite(sample.mean_deg()),
            AxialAnswer::Resultant => finite(sample.resultant()),
            AxialAnswer::Variance => finite(sample.variance()),
            AxialAnswer::P => finite(sample.rayleigh_p()),
            AxialAnswer::Detail => {
                let or_null = |n: Option<f64>| n.unwrap_or(f64::NAN);
                let values = sample.resultant().map(|resultant| {
                    let (z, p) = (or_null(sample.rayleigh_z()), or_null(sample.rayleigh_p()));
                    [sample.count(), or_null(sample.mean_deg()), resultant, or_null(sample.variance()), z, p]
                });
                record::of_numbers(field, values)
            }
        }
    }

    fn size(&self) -> usize {
        0
    }
}
