//! The network itself. The only file of placido that names `ort`.
//!
//! One binary chooses at run time: ONNX Runtime where its library is configured, else tract, which is part of the
//! program. A network sees blocks of one fixed number of rows, the last one padded: matrix products take other paths for
//! other shapes. With one shape, and after a check at the start that the place in the block does not matter either, a row's
//! answer depends on nothing but the row.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{TensorElementType, TensorRef};

use super::ModelError;
use super::onnx::without_final_softmax;
use super::signature::{Activation, Signature, Task};
use crate::waiting::is_stopped;

/// Rows a block where the model does not say: large enough to hide the cost of a call, small enough that one row alone
/// is answered quickly.
const BLOCK_ROWS: usize = 64;
/// Rows with more numbers than this (maps, images) are work enough one by one.
const MAX_BLOCK_WIDTH: usize = 8192;
/// A block that a model asks for holds at most this many numbers an input: 64 MiB.
const MAX_BLOCK_VALUES: usize = 16 << 20;
/// Spread of the numbers with which the places of a block are compared.
const TRIAL_SCALES: [f32; 3] = [0.05, 1.0, 20.0];
/// How far from 0 … 1, and their sum from 1, what a graph calls probabilities may be.
const PROBABILITY_TOLERANCE: f64 = 1e-3;

/// Which software runs the networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeKind {
    /// tract, part of the program: neural networks.
    Tract,
    /// ONNX Runtime, loaded from this library: every ONNX operator.
    OnnxRuntime(PathBuf),
}

struct Runtime {
    kind: RuntimeKind,
    environment: Environment,
}

static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
static RUNTIME: OnceLock<Result<Runtime, ModelError>> = OnceLock::new();

/// Names the ONNX Runtime library to load, in place of the environment variables `PLACIDO_ONNXRUNTIME` and
/// `ORT_DYLIB_PATH`.
///
/// # Errors
/// When another library was named before, or a model has already run.
pub fn configure_onnx_runtime(library: PathBuf) -> Result<(), ModelError> {
    if RUNTIME.get().is_some() {
        return Err(ModelError::Runtime("the model runtime is already in use; name its library before the first model".into()));
    }
    LIBRARY.set(library).map_err(|_| ModelError::Runtime("the ONNX Runtime library was already named".into()))
}

/// Which software runs the networks; starts it where that has not happened.
///
/// # Errors
/// When a library is configured and cannot be loaded. There is no silent change to tract then.
pub fn runtime_kind() -> Result<RuntimeKind, ModelError> {
    runtime().map(|runtime| runtime.kind.clone())
}

fn runtime() -> Result<&'static Runtime, ModelError> {
    RUNTIME.get_or_init(start).as_ref().map_err(Clone::clone)
}

fn start() -> Result<Runtime, ModelError> {
    let from_environment = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let library =
        LIBRARY.get().cloned().or_else(|| from_environment("PLACIDO_ONNXRUNTIME")).or_else(|| from_environment("ORT_DYLIB_PATH"));
    let (kind, builder) = match library {
        Some(library) => {
            let builder = ort::init_from(&library).map_err(|error| {
                ModelError::Runtime(format!(
                    "the configured ONNX Runtime cannot be loaded: {error}; correct PLACIDO_ONNXRUNTIME, or unset it to \
                     run on the built-in runtime"
                ))
            })?;
            (RuntimeKind::OnnxRuntime(library), builder)
        }
        None => {
            ort::set_api(ort_tract::api());
            (RuntimeKind::Tract, ort::init())
        }
    };
    let environment = builder
        .with_name("placido")
        .with_telemetry(false)
        .build()
        .map_err(|error| ModelError::Runtime(format!("the model runtime does not start: {error}")))?;
    Ok(Runtime { kind, environment })
}

/// Where the rows of a batch come from.
pub(crate) trait Rows {
    /// How many rows there are.
    fn len(&self) -> usize;

    /// Writes the rows of a range, row after row, into one buffer for each input of the graph, and says whether any of
    /// them wants an answer. What a buffer holds beyond the range is padding and may stay as it is.
    fn fill(&mut self, range: Range<usize>, graph: &Graph, buffers: &mut [Vec<f32>]) -> bool;
}

/// One input tensor of the graph.
#[derive(Debug)]
pub(crate) struct GraphInput {
    name: String,
    /// Numbers a row.
    pub(crate) width: usize,
    /// Dimensions after the first.
    tail: Vec<i64>,
}

/// An opened network: where each input of the signature goes, and a pool of sessions.
pub(crate) struct Graph {
    onnx: Arc<[u8]>,
    inputs: Vec<GraphInput>,
    /// For each input of the signature: the graph's input, and the offset in its row.
    slots: Vec<(usize, usize)>,
    output: String,
    /// Numbers a row that the graph gives.
    columns: usize,
    scores: usize,
    activation: Activation,
    block: usize,
    /// Rows of a block that are used; the rest is padding.
    used: usize,
    /// A session serves one thread at a time (`ort-tract` holds a lock while it runs), so each busy thread has its own.
    pool: Mutex<Vec<Session>>,
}

impl Graph {
    /// Opens the network and compares it with the signature, by running it.
    pub(crate) fn open(onnx: Arc<[u8]>, signature: &Signature) -> Result<Self, ModelError> {
        let mut activation = match signature.task {
            Task::Classification { activation, .. } => activation,
            Task::Regression { .. } => Activation::None,
        };
        let classifies = signature.classes().is_some() && activation == Activation::None;
        let opened = if classifies { without_final_softmax(&onnx, signature.output.as_deref()) } else { None };
        let (onnx, output) = match opened {
            Some(opened) => {
                activation = Activation::Softmax;
                (Arc::from(opened.bytes), Some(opened.output))
            }
            None => (onnx, signature.output.clone()),
        };
        let session = session(&onnx)?;
        let (inputs, slots) = place(&session, signature).map_err(ModelError::Runtime)?;
        let output = choose_output(&session, output.as_deref()).map_err(ModelError::Runtime)?;
        let fixed = session.inputs().iter().filter_map(|input| input.dtype().tensor_shape()?.first().copied()).max();
        let fixed = fixed.and_then(|rows| usize::try_from(rows).ok()).filter(|&rows| rows > 0);
        let widest = inputs.iter().map(|input| input.width).max().unwrap_or(1).max(1);
        let usual = if widest > MAX_BLOCK_WIDTH { 1 } else { BLOCK_ROWS };
        let block = fixed.unwrap_or(signature.block_rows.unwrap_or(usual).min((MAX_BLOCK_VALUES / widest).max(1)));
        let scores = signature.scores();
        let pool = Mutex::new(vec![session]);
        let mut graph = Self { onnx, inputs, slots, output, columns: scores, scores, activation, block, used: block, pool };
        graph.columns = graph.probe(signature)?;
        if !graph.places_are_equal()? {
            graph.used = 1;
            graph.block = fixed.unwrap_or(1);
        }
        Ok(graph)
    }

    pub(crate) fn inputs(&self) -> &[GraphInput] {
        &self.inputs
    }

    /// The graph's input and the offset in its row, for each input of the signature.
    pub(crate) fn slots(&self) -> &[(usize, usize)] {
        &self.slots
    }

    /// Runs all rows, or some when nobody waits for them; `sink` gets each range of rows with its scores, row after row. Ranges without a row that wants an
    /// answer are left out.
    pub(crate) fn run(&self, rows: &mut dyn Rows, sink: &mut dyn FnMut(Range<usize>, &[f64])) -> Result<(), ModelError> {
        if rows.len() == 0 {
            return Ok(());
        }
        let mut session = self.take()?;
        let mut buffers = self.buffers();
        let mut scores = vec![0.0; self.block * self.scores];
        for start in (0..rows.len()).step_by(self.used).take_while(|_| !is_stopped()) {
            let range = start..(start + self.used).min(rows.len());
            if !rows.fill(range.clone(), self, &mut buffers) {
                continue;
            }
            self.run_block(&mut session, &buffers, &mut scores)?;
            sink(range.clone(), scores.get(..range.len() * self.scores).unwrap_or_default());
        }
        self.give_back(session);
        Ok(())
    }

    /// Whether a row gets the same bits wherever it stands in the block. Some operators sum along a row in an order that
    /// depends on the alignment of the row.
    fn places_are_equal(&self) -> Result<bool, ModelError> {
        if self.block == 1 {
            return Ok(true);
        }
        let mut session = self.take()?;
        let mut scores = vec![0.0; self.block * self.scores];
        let mut first: Vec<u64> = Vec::new();
        for scale in TRIAL_SCALES {
            for shift in [0, 1, self.block / 2] {
                let mut buffers = self.buffers();
                for (buffer, input) in buffers.iter_mut().zip(&self.inputs) {
                    for (row, values) in buffer.chunks_exact_mut(input.width).enumerate() {
                        let row = (row + shift) % self.block;
                        for (column, value) in values.iter_mut().enumerate() {
                            *value = scale * trial(row * input.width + column);
                        }
                    }
                }
                self.run_block(&mut session, &buffers, &mut scores)?;
                // Back to the order of the first run, so that equal rows stand side by side.
                scores.rotate_right(shift * self.scores);
                let bits: Vec<u64> = scores.iter().map(|score| score.to_bits()).collect();
                if shift == 0 {
                    first = bits;
                } else if bits != first {
                    self.give_back(session);
                    return Ok(false);
                }
            }
        }
        self.give_back(session);
        Ok(true)
    }

    fn buffers(&self) -> Vec<Vec<f32>> {
        self.inputs.iter().map(|input| vec![0.0; input.width * self.block]).collect()
    }

    fn take(&self) -> Result<Session, ModelError> {
        let pooled = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        pooled.map_or_else(|| session(&self.onnx), Ok)
    }

    fn give_back(&self, session: Session) {
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < most {
            pool.push(session);
        }
    }

    fn run_block(&self, session: &mut Session, buffers: &[Vec<f32>], scores: &mut [f64]) -> Result<(), ModelError> {
        let values = self.infer(session, buffers, |values| {
            if values.len() != self.block * self.columns {
                return Err(format!("the output {:?} changed its size", self.output));
            }
            for (row, score) in values.chunks_exact(self.columns).zip(scores.chunks_exact_mut(self.scores)) {
                self.activate(row, score);
            }
            Ok(())
        })?;
        values.map_err(ModelError::Runtime)
    }

    /// From what the graph gives for a row to one score a class.
    fn activate(&self, row: &[f32], scores: &mut [f64]) {
        match (self.activation, row, &mut *scores) {
            (Activation::Sigmoid, [.., logit], [negative, positive]) => {
                let logit = f64::from(*logit);
                *negative = 1.0 / (1.0 + logit.exp());
                *positive = 1.0 / (1.0 + (-logit).exp());
            }
            (Activation::None, [probability], [negative, positive]) => {
                *positive = f64::from(*probability);
                *negative = 1.0 - *positive;
            }
            (Activation::Softmax, ..) => {
                let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                for (score, &logit) in scores.iter_mut().zip(row) {
                    *score = (f64::from(logit) - f64::from(highest)).exp();
                }
                let sum: f64 = scores.iter().sum();
                scores.iter_mut().for_each(|score| *score /= sum);
            }
            _ => scores.iter_mut().zip(row).for_each(|(score, &value)| *score = f64::from(value)),
        }
    }

    fn infer<R>(&self, session: &mut Session, buffers: &[Vec<f32>], read: impl FnOnce(&[f32]) -> R) -> Result<R, ModelError> {
        let runtime = |error: ort::Error| ModelError::Runtime(format!("the network failed: {error}"));
        let rows = i64::try_from(self.block).unwrap_or(i64::MAX);
        let mut tensors: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(self.inputs.len());
        for (input, buffer) in self.inputs.iter().zip(buffers) {
            let shape: Vec<i64> = std::iter::once(rows).chain(input.tail.iter().copied()).collect();
            let tensor = TensorRef::from_array_view((shape, buffer.as_slice())).map_err(runtime)?;
            tensors.push((input.name.as_str(), tensor.into()));
        }
        let outputs = session.run(tensors).map_err(runtime)?;
        let output = outputs
            .get(&self.output)
            .ok_or_else(|| ModelError::Runtime(format!("the network gave no output {:?}", self.output)))?;
        let (_, values) = output.try_extract_tensor::<f32>().map_err(runtime)?;
        Ok(read(values))
    }

    /// One run on zeros: gives the numbers a row of the output, and finds outputs that are not what the signature says.
    fn probe(&self, signature: &Signature) -> Result<usize, ModelError> {
        let mut session = self.take()?;
        let buffers = self.buffers();
        let answer = self.infer(&mut session, &buffers, |values| {
            let columns = values.len() / self.block;
            let expected = match self.activation {
                Activation::Sigmoid => columns == 1,
                Activation::Softmax => columns == self.scores,
                Activation::None => columns == self.scores || (columns == 1 && self.scores == 2),
            };
            if values.len() % self.block != 0 || !expected {
                return Err(match signature.classes() {
                    Some(classes) => format!(
                        "the output {:?} has {columns} numbers a row, and the signature {} classes",
                        self.output,
                        classes.len()
                    ),
                    None => format!(
                        "the output {:?} has {columns} numbers a row; for a classification declare metadata.placido.classes",
                        self.output
                    ),
                });
            }
            if signature.classes().is_some() && self.activation == Activation::None {
                let row: Vec<f64> = values.iter().take(columns).map(|&value| f64::from(value)).collect();
                let sum: f64 = if columns == 1 { 1.0 } else { row.iter().sum() };
                let range = -PROBABILITY_TOLERANCE..=1.0 + PROBABILITY_TOLERANCE;
                if row.iter().all(|p| p.is_finite())
                    && ((sum - 1.0).abs() > PROBABILITY_TOLERANCE || !row.iter().all(|p| range.contains(p)))
                {
                    return Err(format!(
                        "the output {:?} is not made of probabilities: they sum to {sum:.3}; declare \
                         metadata.placido.activation (softmax or sigmoid), or another metadata.placido.output",
                        self.output
                    ));
                }
            }
            Ok(columns)
        })?;
        self.give_back(session);
        answer.map_err(ModelError::Runtime)
    }
}

/// Reproducible numbers between -1 and 1.
fn trial(index: usize) -> f32 {
    ((index as f64 + 0.5) * 12.9898).sin() as f32
}

fn session(onnx: &[u8]) -> Result<Session, ModelError> {
    let runtime = runtime()?;
    let fault = |error: ort::Error| {
        let advice = match runtime.kind {
            RuntimeKind::Tract => {
                "; the built-in runtime knows neural networks, set PLACIDO_ONNXRUNTIME to the ONNX Runtime library for others"
            }
            RuntimeKind::OnnxRuntime(_) => "",
        };
        ModelError::Runtime(format!("the network cannot be opened: {error}{advice}"))
    };
    let builder = Session::builder(&runtime.environment).map_err(fault)?;
    let builder = builder.with_optimization_level(GraphOptimizationLevel::All).unwrap_or_else(|error| error.recover());
    // One thread a session: the engine runs partitions beside each other, and a product that is split over threads would
    // take other paths on other machines. tract has no such option.
    let mut builder = builder.with_intra_threads(1).unwrap_or_else(|error| error.recover());
    builder.commit_from_memory(onnx).map_err(fault)
}

type Placement = (Vec<GraphInput>, Vec<(usize, usize)>);

/// Which input of the graph takes which input of the signature: all of them side by side in the only one, or each its own.
fn place(session: &Session, signature: &Signature) -> Result<Placement, String> {
    let declared = session.inputs();
    for input in declared {
        match input.dtype().tensor_type() {
            Some(TensorElementType::Float32) => {}
            other => {
                let found = other.map_or_else(|| "no tensor".to_owned(), |ty| format!("{ty:?}"));
                return Err(format!("input {:?} of the graph is {found}; export it with Float32 inputs", input.name()));
            }
        }
    }
    let tail_of = |index: usize, shape: &[i64], width: usize| -> Result<GraphInput, String> {
        let input = declared.get(index).ok_or("the graph has no input")?;
        let graph_tail = input.dtype().tensor_shape().map(|shape| shape.iter().skip(1).copied().collect::<Vec<_>>());
        let graph_tail = graph_tail.unwrap_or_default();
        let tail = if graph_tail.iter().all(|&dim| dim > 0) { graph_tail } else { shape.to_vec() };
        if tail.iter().product::<i64>() != i64::try_from(width).unwrap_or(-1) {
            return Err(format!(
                "input {:?} of the graph takes {tail:?} numbers a row, the signature gives {width}",
                input.name()
            ));
        }
        Ok(GraphInput { name: input.name().to_owned(), width, tail })
    };
    let shape_of = |kind: &super::InputKind| -> Vec<i64> {
        match kind {
            super::InputKind::Number => vec![1],
            super::InputKind::Tensor(shape) => shape.iter().map(|&dim| i64::try_from(dim).unwrap_or(-1)).collect(),
        }
    };
    if declared.len() == 1 {
        let width = signature.width();
        let shape = match signature.inputs.as_slice() {
            [only] => shape_of(&only.kind),
            _ => vec![i64::try_from(width).unwrap_or(-1)],
        };
        let mut offset = 0;
        let slots = signature.inputs.iter().map(|input| {
            let slot = (0, offset);
            offset += input.kind.len();
            slot
        });
        return Ok((vec![tail_of(0, &shape, width)?], slots.collect()));
    }
    let positions = signature.positions();
    let mut slots = vec![(0, 0); signature.inputs.len()];
    let mut inputs = Vec::with_capacity(declared.len());
    for (index, input) in declared.iter().enumerate() {
        let (position, named) = positions
            .get(input.name())
            .and_then(|&position| Some((position, signature.inputs.get(position)?)))
            .ok_or_else(|| format!("the graph takes an input {:?} that the signature does not name", input.name()))?;
        inputs.push(tail_of(index, &shape_of(&named.kind), named.kind.len())?);
        if let Some(slot) = slots.get_mut(position) {
            *slot = (index, 0);
        }
    }
    if declared.len() != signature.inputs.len() {
        return Err(format!("the graph takes {} inputs, the signature names {}", declared.len(), signature.inputs.len()));
    }
    Ok((inputs, slots))
}

fn choose_output(session: &Session, declared: Option<&str>) -> Result<String, String> {
    let floats: Vec<&str> = session
        .outputs()
        .iter()
        .filter(|output| output.dtype().tensor_type() == Some(TensorElementType::Float32))
        .map(|output| output.name())
        .collect();
    let listed = || session.outputs().iter().map(|output| output.name()).collect::<Vec<_>>().join(", ");
    match (declared, floats.as_slice()) {
        (Some(name), _) if floats.contains(&name) => Ok(name.to_owned()),
        (Some(name), _) => Err(format!("the graph has no Float32 output {name:?}; it has {}", listed())),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(format!("say under metadata.placido.output which output holds the scores; there are {}", listed())),
    }
}
