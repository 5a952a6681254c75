//! A SQL function as a value: name, parameters, documentation, planning and computation in one place.
//!
//! A family is a `const` list of [`Function`]s. Registration, reference pages and tests all read the same list.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

use crate::args::{Call, Settings};
use crate::geometry::UNIT;

/// What a parameter accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any numeric type.
    Number,
    /// Any text type.
    Text,
    /// A boolean, or a number that is 0 or not.
    Flag,
    /// A list of numbers: `FixedSizeList`, `List` or `LargeList`; for maps ring after ring, NULL where missing.
    List,
    /// A list of texts.
    Texts,
    /// A struct, as another function gave it.
    Struct,
}

impl Kind {
    /// The Postgres type that stands for it in documentation.
    pub fn sql_type(self) -> &'static str {
        match self {
            Self::Number => "float8",
            Self::Text => "text",
            Self::Flag => "bool",
            Self::List => "float8[]",
            Self::Texts => "text[]",
            Self::Struct => "struct",
        }
    }

    fn accepts(self, data_type: &DataType) -> bool {
        match (self, data_type) {
            (_, DataType::Null) => true,
            (Self::Number, t) => t.is_numeric(),
            (Self::Text, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => true,
            (Self::Text, DataType::Dictionary(_, values)) => self.accepts(values),
            (Self::List, DataType::FixedSizeList(f, _) | DataType::List(f) | DataType::LargeList(f)) => {
                f.data_type().is_numeric() || f.data_type().is_null()
            }
            (Self::Texts, DataType::FixedSizeList(f, _) | DataType::List(f) | DataType::LargeList(f)) => {
                Self::Text.accepts(f.data_type())
            }
            (Self::Flag, t) => t == &DataType::Boolean || t.is_numeric(),
            (Self::Struct, DataType::Struct(_)) => true,
            _ => false,
        }
    }
}

/// One parameter of a function.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Name, usable as `name => value`.
    pub name: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// The value that stands for a missing or NULL argument, as it is written in SQL; empty for a required parameter.
    pub default: &'static str,
    /// UCUM code of the unit in which it is given; several are joined by " or ", empty where any will do. A column whose metadata
    /// name another unit is refused while the statement is planned.
    pub unit: &'static str,
    /// One line for the reference.
    pub about: &'static str,
}

impl Parameter {
    /// A required parameter.
    pub const fn required(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, default: "", unit: "", about }
    }

    /// A parameter with a default.
    pub const fn optional(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Self {
        Self { name, kind, default, unit: "", about }
    }

    /// The same in a unit.
    pub const fn in_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }
}

/// A query of the reference with the one value that it returns, as text. A test runs it.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// An expression; `SELECT` stands before it.
    pub sql: &'static str,
    /// The value, as DataFusion prints it.
    pub output: &'static str,
}

/// A scalar function.
pub struct Function {
    /// SQL name.
    pub name: &'static str,
    /// What it gives, with units, in one or two sentences.
    pub about: &'static str,
    /// Parameters in order, the required ones first.
    pub parameters: &'static [Parameter],
    /// Postgres type of the result, for the reference.
    pub returns: &'static str,
    /// Type and metadata of the result; runs while a statement is planned.
    pub result: fn(&Settings) -> Result<Field>,
    /// The values of a batch.
    pub compute: fn(&Call) -> Result<ArrayRef>,
    /// An example that runs.
    pub example: Example,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Function {
    pub(crate) fn head(&self) -> Head {
        Head { name: self.name, parameters: self.parameters }
    }
}

/// Name and parameters: what every kind of function begins with.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// SQL name.
    pub name: &'static str,
    /// Parameters in order, the required ones first.
    pub parameters: &'static [Parameter],
}

impl Head {
    /// Number of parameters without a default.
    pub fn required(&self) -> usize {
        self.parameters.iter().filter(|p| p.default.is_empty()).count()
    }

    /// As DataFusion wants to know it: any types, which `check_types` looks at, and the parameters' names.
    pub(crate) fn planned_as(&self) -> Signature {
        let names = self.parameters.iter().map(|p| p.name.to_owned()).collect();
        let plain = Signature::user_defined(VOLATILITY);
        // Names are refused only for signatures of variable length, which this is not.
        plain.clone().with_parameter_names(names).unwrap_or(plain)
    }

    /// Documentation in DataFusion's form.
    pub(crate) fn documentation(&self, family: &'static str, about: &str, example: &Example) -> Documentation {
        let section = DocSection { include: true, label: family, description: None };
        let example = format!("select {};\n-- {}", example.sql, example.output);
        let mut documentation = Documentation::builder(section, about, self.signature()).with_sql_example(example);
        for parameter in self.parameters {
            documentation = documentation.with_argument(parameter.name, parameter.about);
        }
        documentation.build()
    }

    /// Checks number and types of the arguments, which stay as they are: a cast would drop the grid and the unit from a field's
    /// metadata.
    pub(crate) fn check_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let (required, all) = (self.required(), self.parameters.len());
        if !(required..=all).contains(&types.len()) {
            let expected = if required == all { all.to_string() } else { format!("{required} to {all}") };
            return plan_err!("{} takes {expected} arguments, got {}: {}", self.name, types.len(), self.signature());
        }
        for (parameter, data_type) in self.parameters.iter().zip(types) {
            if !parameter.kind.accepts(data_type) {
                return plan_err!("{}: argument {} is {}, got {data_type}", self.name, parameter.name, parameter.kind.sql_type());
            }
        }
        Ok(types.to_vec())
    }

    /// Refuses an argument whose column is in another unit than its parameter.
    pub(crate) fn check_units(&self, fields: &[FieldRef]) -> Result<()> {
        for (parameter, field) in self.parameters.iter().zip(fields).filter(|(p, _)| !p.unit.is_empty()) {
            let fits = |unit: &String| unit.is_empty() || parameter.unit.split(" or ").any(|known| known == unit);
            if let Some(given) = field.metadata().get(UNIT).filter(|u| !fits(u)) {
                let known = parameter.unit.split(" or ").map(|unit| format!("'{unit}'")).collect::<Vec<_>>().join(" or ");
                return plan_err!("{}: {} must be in {known}, this column is in '{given}'", self.name, parameter.name);
            }
        }
        Ok(())
    }

    /// Name and parameters as they are written, with defaults: `f(map float8[], zone_mm float8 => 8)`.
    pub fn signature(&self) -> String {
        let parameters = self.parameters.iter().map(|p| match p.default {
            "" => format!("{} {}", p.name, p.kind.sql_type()),
            default => format!("{} {} => {default}", p.name, p.kind.sql_type()),
        });
        format!("{}({})", self.name, parameters.collect::<Vec<_>>().join(", "))
    }
}

/// Numbers that every session sees are the same for the same arguments, so plans may fold constants.
const VOLATILITY: Volatility = Volatility::Immutable;

/// A [`Function`] in the form that DataFusion calls.
#[derive(Debug)]
pub(crate) struct Udf {
    function: &'static Function,
    signature: Signature,
    documentation: Documentation,
}

impl Udf {
    pub(crate) fn new(function: &'static Function, family: &'static str) -> Self {
        let head = function.head();
        let documentation = head.documentation(family, function.about, &function.example);
        Self { function, signature: head.planned_as(), documentation }
    }
}

impl PartialEq for Udf {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Udf {}

impl Hash for Udf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Udf {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{}: the result depends on metadata, see return_field_from_args", self.function.name)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.head().check_types(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let constants = args.scalar_arguments.iter().map(|s| s.cloned()).collect();
        let settings = Settings::planning(self.function.head(), args.arg_fields, constants)?;
        let field = (self.function.result)(&settings)?;
        Ok(Arc::new(field.with_name(self.function.name)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let call = Call::new(self.function.head(), &args.arg_fields, &args.args, &args.return_field, rows);
        let array = (self.function.compute)(&call)?;
        crate::waiting::check()?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
