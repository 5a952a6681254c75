//! A model directory as `mlflow.onnx.save_model` writes it.
//!
//! `MLmodel` (YAML) names the ONNX file and holds the signature; what MLflow has no word for stands under
//! `metadata: placido:`, described at [`Extra`]. The layout follows MLflow's documentation of the model format,
//! <https://mlflow.org/docs/latest/ml/model/>.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::ModelError;
use super::signature::{Activation, Input, InputKind, Signature, Task};

/// A description larger than this is not one.
const MAX_DESCRIPTION_BYTES: usize = 16 << 20;
/// Folders nested deeper than this in a model directory are refused.
const MAX_DEPTH: usize = 8;

/// The files of one model directory: relative path with `/` → bytes.
#[derive(Debug, Clone, Default)]
pub struct ModelFiles(pub(super) BTreeMap<String, Cow<'static, [u8]>>);

impl ModelFiles {
    /// Takes files that stand in the program itself.
    pub fn embedded(files: impl IntoIterator<Item = (String, &'static [u8])>) -> Self {
        Self(files.into_iter().filter(|(path, _)| is_content(path)).map(|(path, bytes)| (path, bytes.into())).collect())
    }

    /// Reads a folder, sub-folders included. Hidden files and Python's caches are left out.
    ///
    /// # Errors
    /// When a file cannot be read or folders nest too deeply.
    pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        let mut files = BTreeMap::new();
        collect(folder, "", 0, &mut files).map_err(|error| ModelError::Format {
            model: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            reason: format!("{} cannot be read: {error}", folder.display()),
        })?;
        Ok(Self(files))
    }

    /// The bytes of one file.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(AsRef::as_ref)
    }

    /// One file as text, where it exists and is UTF-8.
    pub fn text(&self, path: &str) -> Option<String> {
        self.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned)
    }

    /// SHA-256 of the listing that `sha256sum` prints for the files in byte order of their paths, so that
    /// `find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum` gives the same 64 digits.
    pub fn digest(&self) -> String {
        let mut listing = Sha256::new();
        for (path, bytes) in &self.0 {
            listing.update(format!("{}  {path}\n", hex::encode(Sha256::digest(bytes))));
        }
        hex::encode(listing.finalize())
    }
}

fn is_content(path: &str) -> bool {
    path.split('/').all(|part| !part.starts_with('.') && part != "__pycache__")
}

fn collect(folder: &Path, prefix: &str, depth: usize, files: &mut BTreeMap<String, Cow<'static, [u8]>>) -> std::io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(std::io::Error::other(format!("folders nest deeper than {MAX_DEPTH}")));
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if !is_content(&path) {
            continue;
        }
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{path}/"), depth + 1, files)?;
        } else {
            files.insert(path, std::fs::read(entry.path())?.into());
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct MlModel {
    #[serde(default)]
    flavors: Flavors,
    signature: Option<MlSignature>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize, Default)]
struct Flavors {
    onnx: Option<OnnxFlavor>,
}

#[derive(Deserialize)]
struct OnnxFlavor {
    data: String,
}

#[derive(Deserialize)]
struct MlSignature {
    inputs: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    placido: Option<Extra>,
}

/// What stands under `metadata: placido:` of an `MLmodel` file.
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Extra {
    /// Version of the model, counted from 1.
    version: Option<u32>,
    /// `classification` or `regression`.
    task: Option<TaskName>,
    /// Column that the model was trained to predict.
    target: Option<String>,
    /// Labels in the order of the output.
    classes: Option<Vec<String>>,
    /// Output of the graph that holds the scores, where it has several.
    output: Option<String>,
    /// `none`, `softmax` or `sigmoid`: what the scores still need.
    activation: Option<ActivationName>,
    /// Unit of a regression's answer (UCUM).
    output_unit: Option<String>,
    /// Input → unit (UCUM).
    units: BTreeMap<String, String>,
    /// Names of the inputs, for a signature that is one tensor without column names.
    inputs: Option<Vec<String>>,
    /// Answers below this probability are withheld.
    min_score: Option<f64>,
    /// Rows with a larger share of missing inputs get no answer.
    max_missing: Option<f64>,
    /// Rows that the graph sees at a time.
    block_rows: Option<usize>,
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum TaskName {
    Classification,
    Regression,
}

#[derive(Debug, Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum ActivationName {
    None,
    Softmax,
    Sigmoid,
}

#[derive(Deserialize)]
struct ColumnSpec {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    required: Option<bool>,
    optional: Option<bool>,
    #[serde(rename = "tensor-spec")]
    tensor: Option<TensorSpec>,
}

#[derive(Deserialize)]
struct TensorSpec {
    dtype: String,
    shape: Vec<i64>,
}

/// A model directory, understood.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) version: u32,
    pub(crate) signature: Signature,
    pub(crate) onnx: Arc<[u8]>,
}

impl Description {
    pub(crate) fn read(model: &str, files: &ModelFiles) -> Result<Self, ModelError> {
        let fault = |reason: String| ModelError::Format { model: model.to_owned(), reason };
        let bytes = files.get("MLmodel").ok_or_else(|| fault("the folder has no file MLmodel".into()))?;
        if bytes.len() > MAX_DESCRIPTION_BYTES {
            return Err(fault(format!("MLmodel is larger than {} MiB", MAX_DESCRIPTION_BYTES >> 20)));
        }
        let parsed: MlModel =
            serde_yaml_ng::from_slice(bytes).map_err(|error| fault(format!("MLmodel is not understood: {error}")))?;
        let path = parsed
            .flavors
            .onnx
            .map(|onnx| onnx.data)
            .ok_or_else(|| fault("MLmodel declares no onnx flavor; export the model with mlflow.onnx.save_model".into()))?;
        let onnx = files.get(&path).ok_or_else(|| fault(format!("MLmodel names {path:?}, which is not in the folder")))?;
        let extra = parsed.metadata.and_then(|metadata| metadata.placido).unwrap_or_default();
        let version = extra.version.unwrap_or(1);
        if version == 0 {
            return Err(fault("metadata.placido.version counts from 1".into()));
        }
        let text = parsed
            .signature
            .and_then(|signature| signature.inputs)
            .ok_or_else(|| fault("MLmodel has no signature.inputs; save the model with a signature".into()))?;
        let columns: Vec<ColumnSpec> = serde_json::from_str(&text)
            .map_err(|error| fault(format!("signature.inputs of MLmodel is not understood: {error}")))?;
        let inputs = inputs(columns, &extra).map_err(fault)?;
        let signature = signature(inputs, extra).map_err(fault)?;
        Ok(Self { version, signature, onnx: onnx.into() })
    }
}

fn inputs(columns: Vec<ColumnSpec>, extra: &Extra) -> Result<Vec<Input>, String> {
    let unnamed = columns.len() == 1 && columns.iter().all(|column| column.name.is_none());
    let mut inputs = match (columns.as_slice(), &extra.inputs) {
        ([ColumnSpec { tensor: Some(tensor), .. }], Some(names)) if unnamed => {
            let width = tensor.shape.last().copied().unwrap_or(0);
            if width >= 0 && usize::try_from(width) != Ok(names.len()) {
                return Err(format!("metadata.placido.inputs has {} names for a tensor of {width} columns", names.len()));
            }
            let number = |name: &String| Input { name: name.clone(), kind: InputKind::Number, optional: false, unit: None };
            names.iter().map(number).collect()
        }
        _ => columns.into_iter().map(input).collect::<Result<Vec<_>, _>>()?,
    };
    if inputs.is_empty() {
        return Err("the signature has no input".into());
    }
    let mut seen = HashSet::new();
    for input in &mut inputs {
        if !seen.insert(input.name.clone()) {
            return Err(format!("the signature names the input {:?} twice", input.name));
        }
        input.unit = extra.units.get(&input.name).cloned();
    }
    if let Some(stray) = extra.units.keys().find(|name| !seen.contains(*name)) {
        return Err(format!("metadata.placido.units names {stray:?}, which is not an input"));
    }
    Ok(inputs)
}

fn input(column: ColumnSpec) -> Result<Input, String> {
    let name =
        column.name.ok_or("the signature is a tensor without names: list its columns under metadata.placido.inputs, in order")?;
    let kind = match (column.kind.as_str(), column.tensor) {
        ("double" | "float" | "integer" | "long" | "boolean", _) => InputKind::Number,
        ("tensor", Some(tensor)) => tensor_kind(&name, &tensor)?,
        (other, _) => {
            return Err(format!("input {name:?} is of the type {other:?}; numbers, booleans and tensors are understood"));
        }
    };
    let optional = column.optional.unwrap_or(false) || column.required == Some(false);
    Ok(Input { name, kind, optional, unit: None })
}

fn tensor_kind(name: &str, tensor: &TensorSpec) -> Result<InputKind, String> {
    if !matches!(tensor.dtype.as_str(), "float32" | "float64") {
        return Err(format!("input {name:?} is a tensor of {}; float32 is understood", tensor.dtype));
    }
    let shape = tensor.shape.get(1..).unwrap_or_default();
    let dims: Option<Vec<usize>> = shape.iter().map(|&dim| usize::try_from(dim).ok().filter(|&dim| dim > 0)).collect();
    let count = dims.as_ref().and_then(|dims| dims.iter().try_fold(1_usize, |count, &dim| count.checked_mul(dim)));
    match (dims, count) {
        (Some(dims), Some(count)) if dims.is_empty() || count == 1 => Ok(InputKind::Number),
        (Some(dims), Some(count)) if count <= 1 << 28 => Ok(InputKind::Tensor(dims)),
        _ => Err(format!("input {name:?} has the shape {:?}; only the first dimension may be open", tensor.shape)),
    }
}

fn signature(inputs: Vec<Input>, extra: Extra) -> Result<Signature, String> {
    let task = match (extra.task, extra.classes) {
        (Some(TaskName::Regression), Some(_)) => return Err("a regression has no metadata.placido.classes".into()),
        (Some(TaskName::Regression), None) => Task::Regression { unit: extra.output_unit },
        (_, Some(classes)) => {
            if classes.len() < 2 || classes.iter().collect::<HashSet<_>>().len() != classes.len() {
                return Err("metadata.placido.classes needs two or more different labels".into());
            }
            let activation = match extra.activation.unwrap_or(ActivationName::None) {
                ActivationName::None => Activation::None,
                ActivationName::Softmax => Activation::Softmax,
                ActivationName::Sigmoid if classes.len() == 2 => Activation::Sigmoid,
                ActivationName::Sigmoid => return Err("activation sigmoid needs exactly two classes".into()),
            };
            Task::Classification { classes, activation }
        }
        (Some(TaskName::Classification), None) => {
            return Err("metadata.placido.classes is missing: the labels in the order of the output".into());
        }
        (None, None) => Task::Regression { unit: extra.output_unit },
    };
    let share = |name: &str, value: Option<f64>| match value {
        Some(value) if !(0.0..=1.0).contains(&value) => Err(format!("metadata.placido.{name} is not between 0 and 1")),
        other => Ok(other),
    };
    if extra.block_rows == Some(0) {
        return Err("metadata.placido.block_rows counts from 1".into());
    }
    Ok(Signature {
        inputs,
        task,
        target: extra.target,
        output: extra.output,
        min_score: share("min_score", extra.min_score)?,
        max_missing: share("max_missing", extra.max_missing)?.unwrap_or(1.0),
        block_rows: extra.block_rows,
    })
}
