//! What a model takes and what it gives.

use std::collections::HashMap;

/// Arrow field metadata key under which a column's UCUM unit code stands.
pub const UNIT_KEY: &str = "unit";

/// The shape of one input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputKind {
    /// One number a row.
    Number,
    /// A fixed count of numbers a row (a map, an image), in row-major order of these dimensions.
    Tensor(Vec<usize>),
}

impl InputKind {
    /// How many numbers a row holds.
    pub fn len(&self) -> usize {
        match self {
            InputKind::Number => 1,
            InputKind::Tensor(shape) => shape.iter().product(),
        }
    }

    /// True for a tensor that has a dimension of zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One named input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The column that it is bound to.
    pub name: String,
    /// One number, or a fixed count of them.
    pub kind: InputKind,
    /// Whether a missing value is passed on to the model as NaN. Where false, a row that lacks it gets no answer.
    pub optional: bool,
    /// UCUM code of the unit that the model was trained with, where declared.
    pub unit: Option<String>,
}

/// What the raw output of the network needs to become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// Nothing: the graph ends in probabilities (or in the predicted number).
    #[default]
    None,
    /// Softmax over the classes.
    Softmax,
    /// Logistic function of one logit; the second of two classes is the positive one.
    Sigmoid,
}

/// What the model answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// One of these labels, with a probability for each.
    Classification {
        /// The labels in the order of the output.
        classes: Vec<String>,
        /// What turns the output into probabilities.
        activation: Activation,
    },
    /// A number.
    Regression {
        /// UCUM code of the number's unit, where declared.
        unit: Option<String>,
    },
}

/// Inputs and output of a model, and when it withholds an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// The inputs in the order of the network.
    pub inputs: Vec<Input>,
    /// Labels or a number.
    pub task: Task,
    /// The column that the model was trained to predict, where declared.
    pub target: Option<String>,
    /// Name of the output of the graph to read, where declared.
    pub output: Option<String>,
    /// An answer whose highest probability is below this is withheld.
    pub min_score: Option<f64>,
    /// A row in which a larger share of the inputs is missing gets no answer. A row without any input never does.
    pub max_missing: f64,
    /// Rows that the network sees at a time; `None` leaves the choice to the runtime.
    pub block_rows: Option<usize>,
}

impl Signature {
    /// Sum of the numbers that a row holds over all inputs.
    pub fn width(&self) -> usize {
        self.inputs.iter().map(|input| input.kind.len()).sum()
    }

    /// The labels; `None` for a model that gives a number.
    pub fn classes(&self) -> Option<&[String]> {
        match &self.task {
            Task::Classification { classes, .. } => Some(classes),
            Task::Regression { .. } => None,
        }
    }

    /// Scores a row: one a class, or one number.
    pub fn scores(&self) -> usize {
        self.classes().map_or(1, <[String]>::len)
    }

    /// The nearest of the input names to a word, for messages.
    pub(crate) fn positions(&self) -> HashMap<&str, usize> {
        self.inputs.iter().enumerate().map(|(i, input)| (input.name.as_str(), i)).collect()
    }
}
