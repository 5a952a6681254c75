//! The functions as they are written, before their inputs are bound.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::answer::Answer;
use crate::models::{Model, ModelResolver};

/// Which of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Predict,
    Proba,
    Detail,
}

impl Form {
    pub(super) const ALL: [Form; 3] = [Form::Predict, Form::Proba, Form::Detail];

    pub(super) fn name(self) -> &'static str {
        match self {
            Form::Predict => "predict",
            Form::Proba => "predict_proba",
            Form::Detail => "predict_detail",
        }
    }

    /// What the call gives, once its model and the class that it asks for are known.
    pub(super) fn answer(self, model: &Model, class: Option<&str>) -> Result<Answer> {
        match (self, model.signature().classes(), class) {
            (Form::Predict, Some(_), None) => Ok(Answer::Label),
            (Form::Predict, None, None) => Ok(Answer::Number),
            (Form::Detail, _, None) => Ok(Answer::Detail),
            (Form::Proba, Some(_), None) => Ok(Answer::Probabilities),
            (Form::Proba, None, _) => {
                plan_err!("model {} predicts a number and has no probabilities; use predict", model.label())
            }
            (Form::Proba, Some(classes), Some(class)) => match classes.iter().position(|known| known == class) {
                Some(index) => Ok(Answer::Probability(index)),
                None => plan_err!("model {} has no class '{class}'; its classes are {}", model.label(), classes.join(", ")),
            },
            (Form::Predict | Form::Detail, _, Some(_)) => {
                plan_err!(
                    "the second argument of {} is the model's input, a struct or a list, and not a text; for the \
                     probability of one class write predict_proba('{}', class => '…')",
                    self.name(),
                    model.name()
                )
            }
        }
    }
}

/// An unbound call: `predict('kc_dx')`.
#[derive(Debug)]
pub(super) struct Predict {
    pub(super) form: Form,
    pub(super) resolver: Arc<dyn ModelResolver>,
    signature: Signature,
}

impl Predict {
    pub(super) fn new(form: Form, resolver: Arc<dyn ModelResolver>) -> Self {
        let mut signature = Signature::user_defined(Volatility::Stable);
        let names: &[&str] = match form {
            Form::Predict | Form::Detail => &["model", "input"],
            Form::Proba => &["model", "class", "input"],
        };
        signature.parameter_names = Some(names.iter().map(|&name| name.to_owned()).collect());
        Self { form, resolver, signature }
    }
}

impl PartialEq for Predict {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form && Arc::ptr_eq(&self.resolver, &other.resolver)
    }
}

impl Eq for Predict {}

impl Hash for Predict {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.form.hash(state);
    }
}

impl ScalarUDFImpl for Predict {
    fn name(&self) -> &str {
        self.form.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<String> =
            args.iter().map(|arg| literal_text(arg).map_or_else(|| arg.schema_name().to_string(), str::to_owned)).collect();
        Ok(format!("{}({})", self.name(), args.join(",")))
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("{} gives its type through return_field_from_args", self.name())
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let most = self.signature.parameter_names.as_ref().map_or(2, Vec::len);
        let given = args.arg_fields.len();
        if given == 0 || given > most {
            return plan_err!("{} takes 1 to {most} arguments, the first a model reference; {given} were given", self.name());
        }
        let Some(reference) = args.scalar_arguments.first().copied().flatten() else {
            // A bind parameter that has no value yet. The schema is computed again when it gets one.
            let text = args.arg_fields.iter().skip(1).any(|field| field.data_type().is_string());
            let data_type = match (self.form, text) {
                (Form::Proba, true) => DataType::Float64,
                (Form::Proba, false) => super::answer::map_type(),
                _ => DataType::Utf8,
            };
            return Ok(Arc::new(Field::new(self.name(), data_type, true)));
        };
        let model = self.resolver.resolve(reference_text(self.form, reference)?)?;
        let class = args.scalar_arguments.iter().skip(1).copied().flatten().find_map(|value| value.try_as_str().flatten());
        Ok(self.form.answer(&model, class)?.field(self.name(), &model))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!(
            "{} was not bound to its inputs: the session lacks the analyzer rule placido_udfs::predict::BindPredict",
            self.name()
        )
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(match self.form {
            Form::Predict => &PREDICT_DOC,
            Form::Proba => &PROBA_DOC,
            Form::Detail => &DETAIL_DOC,
        })
    }
}

/// The text of a model reference.
pub(super) fn reference_text(form: Form, value: &ScalarValue) -> Result<&str> {
    value.try_as_str().flatten().ok_or_else(|| {
        plan_datafusion_err!(
            "the first argument of {} is a model reference such as 'kc_dx' or 'kc_dx@v3', and not {value}",
            form.name()
        )
    })
}

/// The text of an expression that is a literal, an alias around it or a cast of it.
pub(super) fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        Expr::Alias(alias) => literal_text(&alias.expr),
        Expr::Cast(cast) if cast.field.data_type().is_string() => literal_text(&cast.expr),
        _ => None,
    }
}

const SECTION: DocSection =
    DocSection { include: true, label: "Prediction Functions", description: Some("Models, applied to rows.") };

const MODEL_ARGUMENT: &str = "Text: name (its alias champion), name@alias, name@v3 or name@sha256:digits. Resolved once a \
     statement.";
const INPUT_ARGUMENT: &str = "Without it, inputs are bound by name from the relation in scope. With r.*: from the relation r. \
     With a struct: from its fields. With a list: in the order of the signature.";

static PREDICT_DOC: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SECTION,
        "The answer of a model for each row: a label (text) or a number (double). NULL where the model withholds its answer: \
         an input that it requires is missing, a value is not finite, or no class is probable enough.",
        "predict(model [, input])",
    )
    .with_argument("model", MODEL_ARGUMENT)
    .with_argument("input", INPUT_ARGUMENT)
    .with_sql_example("```sql\nselect exam_id, predict('kc_dx') from gold.eye_features;\n```")
    .with_related_udf("predict_proba")
    .with_related_udf("predict_detail")
    .build()
});

static PROBA_DOC: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SECTION,
        "The probability of one class (double), or of every class (map from label to double; JSON text over the Postgres \
         protocol). Given also where predict withholds its answer because no class is probable enough.",
        "predict_proba(model [, class] [, input])",
    )
    .with_argument("model", MODEL_ARGUMENT)
    .with_argument("class", "Text: one of the model's labels.")
    .with_argument("input", INPUT_ARGUMENT)
    .with_sql_example("```sql\nselect predict_proba('kc_dx', class => 'keratoconus') from gold.eye_features;\n```")
    .with_related_udf("predict")
    .build()
});

static DETAIL_DOC: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SECTION,
        "The answer with what belongs to it: a struct of prediction, score (its probability, or the number), probabilities, \
         status (ok, abstain_missing, abstain_invalid, abstain_low_confidence), model, version and digest.",
        "predict_detail(model [, input])",
    )
    .with_argument("model", MODEL_ARGUMENT)
    .with_argument("input", INPUT_ARGUMENT)
    .with_sql_example("```sql\nselect predict_detail('kc_dx')['status'] from gold.eye_features;\n```")
    .with_related_udf("predict")
    .build()
});
