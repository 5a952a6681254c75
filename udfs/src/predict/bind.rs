//! Binds the inputs of models to columns, by name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result, TableReference, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarUDF, Sort};
use datafusion::optimizer::AnalyzerRule;

use super::answer::Finish;
use super::functions::{Form, Predict, literal_text, reference_text};
use super::inputs::Binding;
use super::scores::Scores;
use crate::models::signature::UNIT_KEY;
use crate::models::store::nearest;
use crate::models::{Input, InputKind, Model};

/// More missing inputs than this are counted, and not listed.
const LISTED: usize = 5;

/// The analyzer rule that replaces every `predict('model')` by a call that names its columns. It must run before all other
/// rules: type coercion and constant folding have to see the bound calls.
#[derive(Debug, Default, Clone, Copy)]
pub struct BindPredict;

impl AnalyzerRule for BindPredict {
    fn name(&self) -> &str {
        "bind_predict"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let mut statement = Statement::default();
        plan.transform_up_with_subqueries(|plan| statement.bind_plan(plan)).map(|bound| bound.data)
    }
}

/// Each reference is resolved once, so that a promotion in the middle of a statement changes nothing in it.
#[derive(Default)]
struct Statement {
    models: HashMap<String, Arc<Model>>,
}

impl Statement {
    fn bind_plan(&mut self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        if !mentions_predict(&plan)? {
            return Ok(Transformed::no(plan));
        }
        if let LogicalPlan::Sort(sort) = &plan
            && let LogicalPlan::Projection(projection) = sort.input.as_ref()
            && let Ok(sorted) = self.bind_sort(sort, &Scope::of(&[&projection.input])?)
        {
            return Ok(Transformed::yes(sorted));
        }
        let scope = Scope::of(&plan.inputs())?;
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(self.bind_expr(expr, &scope)?.update_data(|expr| name.restore(expr)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    }

    /// As in Postgres, an expression in `order by` reads the columns of the relation, which the select list may have left
    /// out; the builder adds them below and takes them away above.
    fn bind_sort(&mut self, sort: &Sort, scope: &Scope) -> Result<LogicalPlan> {
        let mut bound = Vec::with_capacity(sort.expr.len());
        for key in &sort.expr {
            let expr = self.bind_expr(key.expr.clone(), scope)?.data;
            bound.push(datafusion::logical_expr::SortExpr { expr, ..key.clone() });
        }
        LogicalPlanBuilder::from(Arc::clone(&sort.input)).sort_with_limit(bound, sort.fetch)?.build()
    }

    fn bind_expr(&mut self, expr: Expr, scope: &Scope) -> Result<Transformed<Expr>> {
        expr.transform_up(|expr| match expr {
            Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Predict>() {
                Some(predict) => self.bind_call(predict, &call, scope),
                None => Ok(Transformed::no(Expr::ScalarFunction(call))),
            },
            other => Ok(Transformed::no(other)),
        })
    }

    fn bind_call(&mut self, predict: &Predict, call: &ScalarFunction, scope: &Scope) -> Result<Transformed<Expr>> {
        let Some((reference, rest)) = call.args.split_first() else {
            return plan_err!("{} needs a model reference", predict.form.name());
        };
        // A bind parameter without a value: the statement is being prepared, and is analysed again when it runs.
        if matches!(reference, Expr::Placeholder(_)) {
            return Ok(Transformed::no(Expr::ScalarFunction(call.clone())));
        }
        let model = self.model(predict, reference)?;
        model.check()?;
        let (class, input) = arguments(predict.form, &model, rest)?;
        let answer = predict.form.answer(&model, class)?;
        let (binding, args) = match input {
            None => (Binding::Columns, scope.columns(&model, None)?),
            Some(Wanted::Relation(relation)) => (Binding::Columns, scope.columns(&model, Some(relation))?),
            Some(Wanted::Value(expr)) => explicit(&model, expr, &scope.schema)?,
        };
        let scores = ScalarUDF::from(Scores::new(Arc::clone(&model), binding)).call(args);
        Ok(Transformed::yes(ScalarUDF::from(Finish::new(answer, model)).call(vec![scores])))
    }

    fn model(&mut self, predict: &Predict, reference: &Expr) -> Result<Arc<Model>> {
        let text = match (literal_text(reference), reference) {
            (Some(text), _) => text,
            (None, Expr::Literal(value, _)) => reference_text(predict.form, value)?,
            (None, other) => {
                return plan_err!(
                    "the model of {} is fixed before rows are read: write a text or a bind parameter in place of {other}",
                    predict.form.name()
                );
            }
        };
        if let Some(model) = self.models.get(text) {
            return Ok(Arc::clone(model));
        }
        let model = predict.resolver.resolve(text)?;
        self.models.insert(text.to_owned(), Arc::clone(&model));
        Ok(model)
    }
}

fn mentions_predict(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.exists(|expr| Ok(matches!(expr, Expr::ScalarFunction(call) if call.func.inner().is::<Predict>())))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// An input argument.
enum Wanted<'a> {
    /// `r.*`, or `*`: the columns of one relation, or of all.
    Relation(Option<&'a TableReference>),
    /// A struct or a list.
    Value(&'a Expr),
}

/// Sorts the arguments after the reference: a text is the class, anything else the input.
#[expect(deprecated, reason = "a wildcard argument still arrives as this expression")]
fn arguments<'a>(form: Form, model: &Model, rest: &'a [Expr]) -> Result<(Option<&'a str>, Option<Wanted<'a>>)> {
    let (mut class, mut input) = (None, None);
    for arg in rest {
        if let Some(text) = literal_text(arg) {
            if class.replace(text).is_some() {
                return plan_err!("{} of {} was given two classes", form.name(), model.label());
            }
            continue;
        }
        let wanted = match arg {
            Expr::Wildcard { qualifier, .. } => Wanted::Relation(qualifier.as_ref()),
            other => Wanted::Value(other),
        };
        if input.replace(wanted).is_some() {
            return plan_err!("{} of {} was given two inputs", form.name(), model.label());
        }
    }
    Ok((class, input))
}

/// Binds a struct by the names of its fields, and a list by their order.
fn explicit(model: &Model, expr: &Expr, schema: &DFSchema) -> Result<(Binding, Vec<Expr>)> {
    let inputs = &model.signature().inputs;
    let label = model.label();
    match expr.get_type(schema)? {
        DataType::Struct(fields) => {
            let named: Vec<(Option<&TableReference>, &FieldRef)> = fields.iter().map(|field| (None, field)).collect();
            let fields = Names::new(&named).places(model, "the struct", |_| false)?;
            Ok((Binding::Struct(fields), vec![expr.clone()]))
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) if !is_number(item.data_type()) => {
            plan_err!("model {label} takes a list of numbers, and not of {}", item.data_type())
        }
        list @ (DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) => {
            if let DataType::FixedSizeList(_, length) = list
                && usize::try_from(length) != Ok(model.signature().width())
            {
                return plan_err!(
                    "model {label} takes a list of {} numbers, and this one has {length}",
                    model.signature().width()
                );
            }
            match inputs.as_slice() {
                [Input { kind: InputKind::Tensor(_), .. }] => Ok((Binding::Columns, vec![expr.clone()])),
                inputs if inputs.iter().all(|input| input.kind == InputKind::Number) => Ok((Binding::List, vec![expr.clone()])),
                _ => plan_err!("model {label} has inputs that are lists themselves: give it a struct, or columns by name"),
            }
        }
        other => plan_err!(
            "the input of model {label} is a struct such as named_struct('{}', …), a list of {} numbers, or r.* for the \
             columns of r; it is not {other}",
            inputs.first().map(|input| input.name.as_str()).unwrap_or_default(),
            inputs.len()
        ),
    }
}

/// What the inputs of a plan node offer.
struct Scope {
    inputs: Vec<DFSchemaRef>,
    schema: DFSchema,
    /// Columns that `join … using` made one.
    using: Vec<HashSet<Column>>,
}

impl Scope {
    fn of(inputs: &[&LogicalPlan]) -> Result<Self> {
        let using = inputs.iter().map(|plan| plan.using_columns()).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            inputs: inputs.iter().map(|plan| Arc::clone(plan.schema())).collect(),
            schema: merge_schema(inputs),
            using: using.into_iter().flatten().collect(),
        })
    }

    /// One column for each input of the model.
    fn columns(&self, model: &Model, relation: Option<Option<&TableReference>>) -> Result<Vec<Expr>> {
        let relation = relation.flatten();
        let fields: Vec<(Option<&TableReference>, &FieldRef)> = self
            .inputs
            .iter()
            .flat_map(|schema| schema.iter())
            .filter(|(qualifier, _)| relation.is_none() || *qualifier == relation)
            .collect();
        let what = relation.map_or_else(|| "the relation in scope".to_owned(), |relation| format!("the relation {relation}"));
        let places = Names::new(&fields).places(model, &what, |columns| self.joined_by_using(columns))?;
        Ok(places.into_iter().filter_map(|place| fields.get(place)).map(|field| Expr::Column(Column::from(*field))).collect())
    }

    /// Whether these columns are one and the same by `join … using`.
    fn joined_by_using(&self, columns: &[Column]) -> bool {
        self.using.iter().any(|set| columns.iter().all(|column| set.contains(column)))
    }
}

/// Fields by name.
struct Names<'a> {
    fields: &'a [(Option<&'a TableReference>, &'a FieldRef)],
    exact: HashMap<&'a str, Vec<usize>>,
    folded: HashMap<String, Vec<usize>>,
}

impl<'a> Names<'a> {
    fn new(fields: &'a [(Option<&'a TableReference>, &'a FieldRef)]) -> Self {
        let mut exact: HashMap<&str, Vec<usize>> = HashMap::with_capacity(fields.len());
        let mut folded: HashMap<String, Vec<usize>> = HashMap::with_capacity(fields.len());
        for (place, (_, field)) in fields.iter().enumerate() {
            exact.entry(field.name().as_str()).or_default().push(place);
            folded.entry(field.name().to_ascii_lowercase()).or_default().push(place);
        }
        Self { fields, exact, folded }
    }

    /// The place of each input of the model; `same` tells whether columns of one name are one by a join.
    fn places(&self, model: &Model, what: &str, same: impl Fn(&[Column]) -> bool) -> Result<Vec<usize>> {
        let mut places = Vec::with_capacity(model.signature().inputs.len());
        let mut missing: Vec<&Input> = Vec::new();
        for input in &model.signature().inputs {
            // A name in exact case comes first: SQL folds what is not quoted, and a signature may not.
            let found = self
                .exact
                .get(input.name.as_str())
                .or_else(|| self.folded.get(&input.name.to_ascii_lowercase()))
                .map_or(&[][..], Vec::as_slice);
            match found {
                [] => missing.push(input),
                [place] => places.push(*place),
                [first, ..] => {
                    let columns: Vec<Column> =
                        found.iter().filter_map(|&place| self.fields.get(place)).map(|field| Column::from(*field)).collect();
                    if !same(&columns) {
                        return ambiguous(model, input, what, &columns);
                    }
                    places.push(*first);
                }
            }
        }
        if !missing.is_empty() {
            return self.missing(model, what, &missing);
        }
        for (input, &place) in model.signature().inputs.iter().zip(&places) {
            if let Some((qualifier, field)) = self.fields.get(place) {
                check_type(model, input, *qualifier, field)?;
            }
        }
        Ok(places)
    }

    fn missing<T>(&self, model: &Model, what: &str, missing: &[&Input]) -> Result<T> {
        let listed: Vec<String> = missing
            .iter()
            .take(LISTED)
            .map(|input| match nearest(&input.name, self.exact.keys().copied().collect::<BTreeNames>().into_iter()) {
                Some(near) => format!("\"{}\"{} (nearest column: \"{near}\")", input.name, unit_note(input)),
                None => format!("\"{}\"{}", input.name, unit_note(input)),
            })
            .collect();
        let more = missing.len().saturating_sub(LISTED);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        plan_err!(
            "model {} needs {} that {what} does not have: {}{more}. Select from a relation that has {}, or give \
             a struct: named_struct('{}', …)",
            model.label(),
            if missing.len() == 1 { "an input" } else { "inputs" },
            listed.join(", "),
            if missing.len() == 1 { "it" } else { "them" },
            missing.first().map(|input| input.name.as_str()).unwrap_or_default()
        )
    }
}

/// Sorted, so that a message does not depend on the order of a hash map.
type BTreeNames<'a> = std::collections::BTreeSet<&'a str>;

fn unit_note(input: &Input) -> String {
    input.unit.as_ref().map_or_else(String::new, |unit| format!(" in {unit}"))
}

fn ambiguous<T>(model: &Model, input: &Input, what: &str, columns: &[Column]) -> Result<T> {
    let by_relation: BTreeMap<String, &Column> =
        columns.iter().map(|column| (column.relation.as_ref().map_or_else(String::new, ToString::to_string), column)).collect();
    let example = by_relation.keys().find(|relation| !relation.is_empty());
    let advice = match example {
        Some(relation) => format!("name the relation: predict('{}', {relation}.*)", model.name()),
        None => "rename one of them".to_owned(),
    };
    let listed: Vec<String> = columns.iter().map(Column::flat_name).collect();
    plan_err!(
        "input \"{}\" of model {} is ambiguous in {what}: it may be {}; {advice}",
        input.name,
        model.label(),
        listed.join(" or ")
    )
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || matches!(data_type, DataType::Boolean | DataType::Null)
}

fn check_type(model: &Model, input: &Input, qualifier: Option<&TableReference>, field: &FieldRef) -> Result<()> {
    let column = Column::new(qualifier.cloned(), field.name()).flat_name();
    let found = field.data_type();
    let wanted = match &input.kind {
        InputKind::Number if is_number(found) => None,
        InputKind::Number => Some("a number".to_owned()),
        InputKind::Tensor(shape) => {
            let fits = match found {
                DataType::FixedSizeList(item, length) => {
                    is_number(item.data_type()) && usize::try_from(*length) == Ok(input.kind.len())
                }
                DataType::List(item) | DataType::LargeList(item) => is_number(item.data_type()),
                DataType::Null => true,
                _ => false,
            };
            if fits { None } else { Some(format!("a list of {} numbers (shape {shape:?})", input.kind.len())) }
        }
    };
    if let Some(wanted) = wanted {
        return plan_err!("input \"{}\" of model {} takes {wanted}, and column {column} is {found}", input.name, model.label());
    }
    match (&input.unit, field.metadata().get(UNIT_KEY)) {
        (Some(wanted), Some(found)) if wanted != found => plan_err!(
            "input \"{}\" of model {} is in {wanted}, and column {column} is in {found}; convert it: \
             convert_unit({}, '{found}', '{wanted}') as {}",
            input.name,
            model.label(),
            field.name(),
            input.name
        ),
        _ => Ok(()),
    }
}
