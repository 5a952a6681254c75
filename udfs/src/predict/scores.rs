//! The first half of a bound call: columns → scores of the network.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float64Array, StructArray, UInt8Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, exec_datafusion_err, internal_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::answer::{Status, best, score_item, scores_type};
use super::inputs::{Batch, Binding};
use crate::models::Model;
use crate::waiting;

/// Evaluates one version of one model. It holds the model itself, so that nothing that happens to names and aliases while a
/// statement runs changes what it computes.
#[derive(Debug)]
pub(super) struct Scores {
    name: String,
    model: Arc<Model>,
    binding: Binding,
    signature: Signature,
}

impl Scores {
    pub(super) fn new(model: Arc<Model>, binding: Binding) -> Self {
        let name = format!("scores[{}]", model.identity());
        Self { name, model, binding, signature: Signature::variadic_any(Volatility::Stable) }
    }
}

impl PartialEq for Scores {
    fn eq(&self, other: &Self) -> bool {
        self.model == other.model && self.binding == other.binding
    }
}

impl Eq for Scores {}

impl Hash for Scores {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.model.hash(state);
        self.binding.hash(state);
    }
}

impl ScalarUDFImpl for Scores {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        scores_type(self.model.signature().scores())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("scores", scores_type(self.model.signature().scores())?, false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scores = evaluate(&self.model, &self.binding, &args.args, args.number_rows)?;
        Ok(ColumnarValue::Array(scores))
    }
}

/// Runs the network over a batch.
pub(super) fn evaluate(model: &Model, binding: &Binding, args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let signature = model.signature();
    let width = signature.scores();
    let mut batch = Batch::read(model, binding, args, rows)?;
    let mut values = vec![0.0; rows * width];
    let mut refused = Vec::new();
    model
        .graph()?
        .run(&mut batch, &mut |range, scores| {
            if let Some(target) = values.get_mut(range.start * width..range.end * width) {
                target.copy_from_slice(scores);
            }
            for (row, scores) in range.zip(scores.chunks_exact(width)) {
                if !scores.iter().all(|score| score.is_finite()) {
                    refused.push((row, Status::Invalid));
                } else if let (Some(least), Some((_, score)), Some(_)) = (signature.min_score, best(scores), signature.classes())
                    && score < least
                {
                    refused.push((row, Status::LowConfidence));
                }
            }
        })
        .map_err(|error| exec_datafusion_err!("model {}: {error}", model.label()))?;
    waiting::check()?;
    let mut status = batch.into_status();
    for (row, reason) in refused {
        if let Some(status) = status.get_mut(row)
            && *status == Status::Ok
        {
            *status = reason;
        }
    }
    // What stands under a NULL is zero, and never what the network made of a row that it should not have seen.
    let known: NullBuffer = status.iter().map(|status| matches!(status, Status::Ok | Status::LowConfidence)).collect();
    for (row, scores) in values.chunks_exact_mut(width).enumerate() {
        if known.is_null(row) {
            scores.fill(0.0);
        }
    }
    let DataType::Struct(fields) = scores_type(width)? else { return internal_err!("scores are a struct") };
    assemble(fields, &status, values, known)
}

fn assemble(fields: Fields, status: &[Status], values: Vec<f64>, known: NullBuffer) -> Result<ArrayRef> {
    let length = match fields.get(1).map(|field| field.data_type()) {
        Some(DataType::FixedSizeList(_, length)) => *length,
        _ => return internal_err!("scores are lists of one length"),
    };
    let status = UInt8Array::from_iter_values(status.iter().map(|status| *status as u8));
    let lists = FixedSizeListArray::try_new(score_item(), length, Arc::new(Float64Array::from(values)), Some(known))?;
    Ok(Arc::new(StructArray::try_new(fields, vec![Arc::new(status), Arc::new(lists)], None)?))
}
