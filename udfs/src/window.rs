//! A window function as DataFusion calls it: a [`Function`] that sees a whole partition, in the window's order, at once.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{Documentation, LimitEffect, PartitionEvaluator, Signature, WindowUDFImpl};
use datafusion::physical_expr::PhysicalExpr;

use crate::aggregate::{arguments, constants};
use crate::args::{Call, Settings};
use crate::function::Function;
use crate::waiting::check;

/// A window [`Function`] in the form that DataFusion calls.
#[derive(Debug)]
pub(crate) struct Udwf {
    function: &'static Function,
    signature: Signature,
    documentation: Documentation,
}

impl Udwf {
    pub(crate) fn new(function: &'static Function, family: &'static str) -> Self {
        let head = function.head();
        let documentation = head.documentation(family, function.about, &function.example);
        Self { function, signature: head.planned_as(), documentation }
    }
}

impl PartialEq for Udwf {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Udwf {}

impl Hash for Udwf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl WindowUDFImpl for Udwf {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.head().check_types(types)
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let settings = Settings::planning(self.function.head(), args.input_fields(), vec![None; args.input_fields().len()])?;
        Ok(Arc::new((self.function.result)(&settings)?.with_name(args.name()).with_nullable(true)))
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        let fields = args.input_fields().to_vec();
        let constants = constants(args.input_exprs());
        let result = (self.function.result)(&Settings::running(self.function.head(), &fields, constants.clone()))?;
        Ok(Box::new(Partition { function: self.function, fields, constants, result: Arc::new(result) }))
    }

    fn limit_effect(&self, _: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        LimitEffect::Unknown
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

#[derive(Debug)]
struct Partition {
    function: &'static Function,
    fields: Vec<FieldRef>,
    constants: Vec<Option<ScalarValue>>,
    result: Arc<Field>,
}

impl PartitionEvaluator for Partition {
    fn evaluate_all(&mut self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let arguments = arguments(columns, &self.constants);
        check()?;
        let values = (self.function.compute)(&Call::new(self.function.head(), &self.fields, &arguments, &self.result, rows))?;
        check()?;
        Ok(values)
    }
}
