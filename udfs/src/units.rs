//! Visual acuity and units.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, NullBufferBuilder, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::{Call, Settings};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{UNIT, with_unit};
use crate::optics::{
    acuity::{self, Acuity, Notation, SCHEMES, Scheme},
    units::{self, KERATOMETRIC_INDEX},
};

const TEXT: Parameter = Parameter::required("text", Kind::Text, "the entry as it was typed, English or French");
const SCHEME: Parameter = Parameter::optional(
    "scheme",
    Kind::Text,
    "'bach'",
    "whose logMAR stands for counting fingers, hand motion and light perception: 'bach', 'schulze_bonsel', 'lange', 'holladay', \
     'herrero'",
);
const NOTATION: Parameter = Parameter::optional(
    "notation",
    Kind::Text,
    "NULL",
    "how bare numbers are meant, where a label says so: 'decimal', 'logmar', 'letters', 'snellen', or a chart label that holds one \
     of these words",
);

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "to_logmar",
        about: "logMAR of a visual acuity as people write it: Snellen, Monoyer with or without Parinaud, ETDRS letters, logMAR, CF/HM/\
                LP/NLP, CLD/VBLM/PL±. NULL where it was not measured or could mean two things; parse_acuity gives the reason.",
        parameters: &[TEXT, SCHEME, NOTATION],
        returns: "float8",
        result: |s| {
            scheme(s)?;
            Ok(with_unit(Field::new("", DataType::Float64, true), "[logMAR]"))
        },
        compute: |call| {
            let (scheme, text) = (scheme(&call.settings)?, call.texts(0)?);
            let notation = Hints::of(call)?;
            call.each_number(|row| Ok(read(&text, &notation, scheme, row)?.and_then(|a| a.logmar)))
        },
        example: Example { sql: "round(to_logmar('5/10 P3'), 4)", output: "0.301" },
    },
    Function {
        name: "parse_acuity",
        about: "A visual acuity, read: logMAR, ETDRS letters (85 − 50 logMAR, within the chart), decimal, Parinaud number of a near \
                acuity beside it, kind of entry, scheme of off-chart values, and the reason where there is no value or something \
                was left out of it.",
        parameters: &[TEXT, SCHEME, NOTATION],
        returns: "struct(logmar, letters, decimal, parinaud, kind, scheme, reason)",
        result: |s| {
            scheme(s)?;
            let number = |name: &str, unit: &str| with_unit(Field::new(name, DataType::Float64, true), unit);
            let text = |name: &str| Field::new(name, DataType::Utf8, true);
            let fields = vec![
                number("logmar", "[logMAR]"),
                number("letters", "[letters]"),
                number("decimal", "[decimal]"),
                number("parinaud", ""),
                text("kind"),
                text("scheme"),
                text("reason"),
            ];
            Ok(Field::new("", DataType::Struct(Fields::from(fields)), true))
        },
        compute: parse_acuity,
        example: Example { sql: "parse_acuity('0,5')['reason']", output: "could be decimal acuity or logMAR" },
    },
    Function {
        name: "convert_unit",
        about: "A value in another unit, both as UCUM codes: lengths, pressures, times, angles, prisms, acuities; mm and [diop] through \
                a refractive index. NULL where the value has no counterpart; units of different kinds are an error.",
        parameters: &[
            Parameter::required("value", Kind::Number, "the value"),
            Parameter::required("from_unit", Kind::Text, "its unit"),
            Parameter::required("to_unit", Kind::Text, "the unit asked for"),
            Parameter::optional("index", Kind::Number, "1.3375", "refractive index between mm and [diop]"),
        ],
        returns: "float8",
        result: |s| {
            index(s)?;
            let (from, to) = (s.known_text("from_unit")?, s.known_text("to_unit")?);
            if let (Some(from), Some(to)) = (&from, &to)
                && let Err(error) = units::convert(1.0, from, to, KERATOMETRIC_INDEX)
            {
                return plan_err!("convert_unit: {error}");
            }
            let given = s.field(0).and_then(|f| f.metadata().get(UNIT)).filter(|u| !u.is_empty());
            match (given, from) {
                (Some(given), Some(from)) if *given != from => {
                    plan_err!("convert_unit: the column is in '{given}', from_unit says '{from}'")
                }
                _ => Ok(with_unit(Field::new("", DataType::Float64, true), to.as_deref().unwrap_or(""))),
            }
        },
        compute: |call| {
            let index = index(&call.settings)?;
            let (value, from, to) = (call.numbers(0)?, call.texts(1)?, call.texts(2)?);
            call.each_number(|row| {
                let (Some(value), Some(from), Some(to)) = (value.get(row), from.get(row), to.get(row)) else {
                    return Ok(None);
                };
                match units::convert(value, from, to, index) {
                    Ok(converted) => Ok(converted),
                    Err(error) => exec_err!("convert_unit: {error}"),
                }
            })
        },
        example: Example { sql: "convert_unit(7.5, 'mm', '[diop]')", output: "45.0" },
    },
];

fn index(s: &Settings) -> Result<f64> {
    match s.number("index", KERATOMETRIC_INDEX)? {
        index if index > 1.0 && index < 3.0 => Ok(index),
        index => plan_err!("{}: index is a refractive index between 1 and 3, got {index}", s.name()),
    }
}

fn scheme(s: &Settings) -> Result<&'static Scheme> {
    s.choice("scheme", &SCHEMES.each_ref().map(|scheme| (scheme.name, scheme)))
}

/// Notations of the rows, where the call has the argument.
struct Hints {
    texts: crate::args::Texts,
}

impl Hints {
    fn of(call: &Call) -> Result<Self> {
        Ok(Self { texts: call.texts(2)? })
    }

    fn get(&self, row: usize) -> Result<Option<Notation>> {
        match self.texts.get(row) {
            None => Ok(None),
            Some(label) => match Notation::parse(label) {
                Some(notation) => Ok(Some(notation)),
                None => exec_err!("notation names one of decimal, logmar, letters, snellen; got '{label}'"),
            },
        }
    }
}

fn read(text: &crate::args::Texts, hints: &Hints, scheme: &Scheme, row: usize) -> Result<Option<Acuity>> {
    let hint = hints.get(row)?;
    Ok(text.get(row).map(|text| acuity::parse(text, scheme, hint)))
}

fn parse_acuity(call: &Call) -> Result<ArrayRef> {
    let (scheme, text, hints) = (scheme(&call.settings)?, call.texts(0)?, Hints::of(call)?);
    let DataType::Struct(fields) = call.return_type() else {
        return plan_err!("{} was planned without a struct", call.settings.name());
    };
    let mut readings = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        readings.push(read(&text, &hints, scheme, row)?);
    }
    let mut valid = NullBufferBuilder::new(call.rows);
    readings.iter().for_each(|r| valid.append(r.is_some()));
    let number = |f: fn(&Acuity) -> Option<f64>| -> ArrayRef {
        Arc::new(readings.iter().map(|r| r.as_ref().and_then(f)).collect::<Float64Array>())
    };
    let words = |f: &dyn Fn(&Acuity) -> Option<&'static str>| -> ArrayRef {
        Arc::new(readings.iter().map(|r| r.as_ref().and_then(f)).collect::<StringArray>())
    };
    let off_chart = |a: &Acuity| {
        use acuity::Kind::{CountingFingers, HandMotion, LightPerception, NoLightPerception};
        matches!(a.kind, CountingFingers | HandMotion | LightPerception | NoLightPerception).then_some(scheme.name)
    };
    let columns = vec![
        number(|a| a.logmar),
        number(Acuity::letters),
        number(Acuity::decimal),
        number(|a| a.parinaud),
        words(&|a| Some(a.kind.name())),
        words(&off_chart),
        words(&|a| a.reason),
    ];
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, valid.finish())?))
}
