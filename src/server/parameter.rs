//! Parameters in a plan that is kept: a call that reads its value when the plan runs.
//!
//! The engine's own placeholders have to be replaced by values before a plan is made. A call without arguments can stand in a physical
//! plan, and what it returns may differ from one run to the next. While there are no values it fails, which keeps the optimizer from
//! computing it beforehand.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use pgwire::api::Type;

/// The name of the call.
pub(crate) const PARAMETER: &str = "parameter";

/// The values of one plan's parameters; none before it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values(Arc<RwLock<Vec<ScalarValue>>>);

impl Values {
    pub(crate) fn set(&self, values: Vec<ScalarValue>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = values;
    }

    fn get(&self, index: usize) -> Option<ScalarValue> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(index).cloned()
    }
}

/// `$1` and its like.
#[derive(Debug)]
struct Parameter {
    index: usize,
    field: FieldRef,
    values: Values,
    signature: Signature,
}

impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && Arc::ptr_eq(&self.values.0, &other.values.0)
    }
}

impl Eq for Parameter {}

impl Hash for Parameter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl ScalarUDFImpl for Parameter {
    fn name(&self) -> &str {
        PARAMETER
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let unknown = || DataFusionError::Internal(format!("the value of parameter ${} is not known yet", self.index + 1));
        self.values.get(self.index).map(ColumnarValue::Scalar).ok_or_else(unknown)
    }
}

/// The plan with a call in place of each parameter. `types` are those of the parameters, in their order.
pub(crate) fn with_parameters(plan: &LogicalPlan, types: &[(Type, DataType)], values: &Values) -> Result<LogicalPlan> {
    let calls: Vec<Expr> = types
        .iter()
        .enumerate()
        .map(|(index, (_, data_type))| {
            let field = Arc::new(Field::new(format!("${}", index + 1), data_type.clone(), true));
            let signature = Signature::nullary(Volatility::Stable);
            ScalarUDF::from(Parameter { index, field, values: values.clone(), signature }).call(Vec::new())
        })
        .collect();
    let call = |id: &str| {
        let number = id.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        number.and_then(|number| calls.get(number.checked_sub(1)?)).cloned()
    };
    plan.clone()
        .transform_up_with_subqueries(|plan| {
            let names = NamePreserver::new(&plan);
            let replaced = plan.map_expressions(|expr| {
                if !expr.exists(|expr| Ok(matches!(expr, Expr::Placeholder(_))))? {
                    return Ok(Transformed::no(expr));
                }
                // Other expressions refer to this one by its name.
                let name = names.save(&expr);
                let replaced = expr.transform_up(|expr| match &expr {
                    Expr::Placeholder(Placeholder { id, .. }) => match call(id) {
                        Some(call) => Ok(Transformed::yes(call)),
                        None => Err(DataFusionError::Internal(format!("there is no parameter {id}"))),
                    },
                    _ => Ok(Transformed::no(expr)),
                })?;
                Ok(replaced.update_data(|expr| name.restore(expr)))
            })?;
            if replaced.transformed { replaced.map_data(LogicalPlan::recompute_schema) } else { Ok(replaced) }
        })
        .map(|replaced| replaced.data)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use datafusion::arrow::array::ArrayRef;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::physical_plan::collect;
    use datafusion::prelude::SessionConfig;

    use super::*;

    /// Plans once with parameters and runs the plan with several lists of values.
    fn runs(sql: &str, types: &[DataType], lists: &[Vec<ScalarValue>]) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let config = SessionConfig::new().with_target_partitions(1);
            let state = SessionStateBuilder::new_with_default_features().with_config(config).build();
            let plan = state.create_logical_plan(sql).await.unwrap();
            let types: Vec<_> = types.iter().map(|data_type| (Type::UNKNOWN, data_type.clone())).collect();
            let values = Values::default();
            let plan = with_parameters(&plan, &types, &values).unwrap();
            let physical = state.create_physical_plan(&plan).await.unwrap();
            let mut found = Vec::new();
            for list in lists {
                values.set(list.clone());
                let plan = datafusion::physical_plan::execution_plan::reset_plan_states(Arc::clone(&physical)).unwrap();
                let batches = collect(plan, state.task_ctx()).await.unwrap();
                let cells = batches.iter().flat_map(|batch| {
                    (0..batch.num_rows()).map(move |row| {
                        let cell = |column: &ArrayRef| ScalarValue::try_from_array(column, row).unwrap().to_string();
                        batch.columns().iter().map(cell).collect::<Vec<_>>().join("|")
                    })
                });
                found.push(cells.collect::<Vec<_>>().join(";"));
            }
            found
        })
    }

    #[test]
    fn a_plan_is_made_once_and_run_with_other_values() {
        let ints = |list: &[Option<i64>]| list.iter().map(|value| ScalarValue::Int64(*value)).collect::<Vec<_>>();
        let two = [DataType::Int64, DataType::Int64];
        let lists = [ints(&[Some(1), Some(2)]), ints(&[None, Some(2)]), ints(&[Some(7), Some(7)])];
        // PostgreSQL 15: prepare p(bigint, bigint) as select …; execute p(1, 2), p(null, 2), p(7, 7).
        assert_eq!(
            runs("select $1::bigint + $2::bigint, $1::bigint = $2::bigint, $1::bigint is null", &two, &lists),
            ["3|false|false", "NULL|NULL|true", "14|true|false"]
        );
        assert_eq!(
            runs("select v from (values (1), (2), (7)) as t(v) where v in ($1, $2) order by v", &two, &lists),
            ["1;2", "2", "7"]
        );
        assert_eq!(
            runs(
                "select n from (select $1::bigint as n, $2::bigint as m) as t where case when m > 5 then true else n is null end",
                &two,
                &lists
            ),
            ["", "NULL", "7"]
        );
    }

    #[test]
    fn two_plans_do_not_share_values() {
        let (one, other) = (Values::default(), Values::default());
        let made = |values: &Values| Parameter {
            index: 0,
            field: Arc::new(Field::new("$1", DataType::Int64, true)),
            values: values.clone(),
            signature: Signature::nullary(Volatility::Stable),
        };
        assert_eq!(made(&one), made(&one));
        assert_ne!(made(&one), made(&other));
    }
}
