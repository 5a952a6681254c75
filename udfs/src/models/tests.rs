//! Model directories, references and digests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use super::format::{Description, ModelFiles};
use super::signature::{Activation, InputKind};
use super::store::Selector;
use super::*;

fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models").join(folder)
}

fn files(pairs: &[(&str, &str)]) -> ModelFiles {
    let pairs = pairs.iter().map(|(path, text)| ((*path).to_owned(), text.to_string().leak().as_bytes()));
    ModelFiles::embedded(pairs.collect::<Vec<_>>())
}

/// A description around a signature and our own section.
fn description(inputs: &str, placido: &str) -> String {
    format!("flavors: {{onnx: {{data: model.onnx}}}}\nsignature: {{inputs: '{inputs}'}}\nmetadata: {{placido: {placido}}}\n")
}

fn read(inputs: &str, placido: &str) -> Result<Signature, ModelError> {
    Description::read("m", &files(&[("MLmodel", &description(inputs, placido)), ("model.onnx", "")])).map(|read| read.signature)
}

const ONE: &str = r#"[{"type": "double", "name": "a"}]"#;

#[test]
fn a_signature_is_read() {
    let model = Model::from_files("screening", &ModelFiles::from_folder(&golden("screening")).unwrap()).unwrap();
    let signature = model.signature();
    let names: Vec<&str> = signature.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["k_max_d", "pachy_min_um", "i_s_d", "age_years"]);
    assert_eq!(signature.inputs.iter().map(|input| input.optional).collect::<Vec<_>>(), [false, false, false, true]);
    assert_eq!(signature.inputs[1].unit.as_deref(), Some("um"));
    assert_eq!(signature.target.as_deref(), Some("diagnosis"));
    assert_eq!(signature.scores(), 3);
    assert_eq!(model.label(), "screening@v2");

    let picture = Model::from_files("picture", &ModelFiles::from_folder(&golden("picture")).unwrap()).unwrap();
    assert_eq!(picture.signature().inputs[0].kind, InputKind::Tensor(vec![1, 8, 8]));
    assert_eq!(picture.signature().width(), 65);

    let two = Model::from_files("two_class", &ModelFiles::from_folder(&golden("two_class")).unwrap()).unwrap();
    assert_eq!(two.signature().min_score, Some(0.7));
    assert!(matches!(two.signature().task, Task::Classification { activation: Activation::Sigmoid, .. }));
}

#[test]
fn a_tensor_without_names_gets_them_from_our_section() {
    let tensor = r#"[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]"#;
    let signature = read(tensor, "{inputs: [a, b], task: regression}").unwrap();
    assert_eq!(signature.inputs.len(), 2);
    let error = read(tensor, "{inputs: [a, b, c]}").unwrap_err().to_string();
    assert!(error.contains("3 names for a tensor of 2 columns"), "{error}");
    let error = read(tensor, "{}").unwrap_err().to_string();
    assert!(error.contains("list its columns under metadata.placido.inputs"), "{error}");
}

#[test]
fn what_is_wrong_with_a_description_is_said() {
    for (inputs, placido, words) in [
        (ONE, "{klasses: [a, b]}", "unknown field `klasses`"),
        (ONE, "{classes: [a]}", "two or more different labels"),
        (ONE, "{classes: [a, a]}", "two or more different labels"),
        (ONE, "{task: classification}", "classes is missing"),
        (ONE, "{task: regression, classes: [a, b]}", "a regression has no"),
        (ONE, "{classes: [a, b, c], activation: sigmoid}", "exactly two classes"),
        (ONE, "{min_score: 3}", "min_score is not between 0 and 1"),
        (ONE, "{max_missing: -1}", "max_missing is not between 0 and 1"),
        (ONE, "{block_rows: 0}", "block_rows counts from 1"),
        (ONE, "{version: 0}", "version counts from 1"),
        (ONE, "{units: {b: mm}}", "names \"b\", which is not an input"),
        ("[]", "{}", "the signature has no input"),
        ("[{}]", "{}", "signature.inputs of MLmodel is not understood"),
        (r#"[{"type": "string", "name": "a"}]"#, "{}", "of the type \"string\""),
        (r#"[{"type": "double", "name": "a"}, {"type": "double", "name": "a"}]"#, "{}", "names the input \"a\" twice"),
        (r#"[{"type": "tensor", "name": "a", "tensor-spec": {"dtype": "float32", "shape": [-1, -1]}}]"#, "{}", "only the first"),
        (r#"[{"type": "tensor", "name": "a", "tensor-spec": {"dtype": "int64", "shape": [-1, 4]}}]"#, "{}", "a tensor of int64"),
        (
            r#"[{"type": "tensor", "name": "a", "tensor-spec": {"dtype": "float32", "shape": [-1, 4000000000, 4000000000, 4000000000]}}]"#,
            "{}",
            "has the shape",
        ),
    ] {
        let error = read(inputs, placido).unwrap_err().to_string();
        assert!(error.starts_with("model m: ") && error.contains(words), "{placido} {inputs}: {error:?} lacks {words:?}");
    }
    let read = |pairs: &[(&str, &str)]| Model::from_files("m", &files(pairs)).unwrap_err().to_string();
    assert!(read(&[]).contains("no file MLmodel"));
    assert!(read(&[("MLmodel", "\t:")]).contains("MLmodel is not understood"));
    assert!(read(&[("MLmodel", "flavors: {sklearn: {}}")]).contains("no onnx flavor"));
    assert!(read(&[("MLmodel", &description(ONE, "{}"))]).contains("names \"model.onnx\", which is not in the folder"));
    let outside = description(ONE, "{}").replace("model.onnx", "../../secret");
    assert!(read(&[("MLmodel", &outside)]).contains("is not in the folder"));
    assert!(read(&[("MLmodel", "flavors: {onnx: {data: m}}"), ("m", "")]).contains("no signature.inputs"));
}

#[test]
fn references_are_parsed() {
    let selector = |text: &str| text.parse::<ModelReference>().map(|reference| reference.selector);
    assert_eq!(selector("kc_dx").unwrap(), Selector::Alias("champion".into()));
    assert_eq!(selector("kc_dx@canary").unwrap(), Selector::Alias("canary".into()));
    assert_eq!(selector("kc_dx@v12").unwrap(), Selector::Version(12));
    assert_eq!(selector("kc_dx@vision").unwrap(), Selector::Alias("vision".into()));
    assert_eq!(selector("kc_dx@sha256:AB12cd34").unwrap(), Selector::Digest("ab12cd34".into()));
    for wrong in ["", "@v1", "kc dx", "kc_dx@", "kc_dx@sha256:", "kc_dx@sha256:ab12", "kc_dx@sha256:xyzxyzxy"] {
        let error = selector(wrong).unwrap_err().to_string();
        assert!(error.contains("is not understood"), "{wrong}: {error}");
    }
}

#[test]
fn the_digest_is_that_of_sha256sum() {
    // printf 'one' > a; mkdir b; printf 'two' > b/c; find . -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum | sha256sum
    let files = files(&[("b/c", "two"), ("a", "one"), (".hidden", "x"), ("__pycache__/y", "z")]);
    assert_eq!(files.digest(), "2978063142a8ffa542a84cde5ef0261a8ecd99de3dd1186e5d2d020c922f9978");
}

#[test]
fn versions_and_aliases_come_from_folders() {
    let model = |placido: &str| description(ONE, placido);
    let leak = |text: String| text.leak().as_bytes();
    let store = ModelStore::from_embedded([
        ("m/v1/MLmodel", leak(model("{}"))),
        ("m/v1/model.onnx", b"1".as_slice()),
        ("m/v2/MLmodel", leak(model("{}"))),
        ("m/v2/model.onnx", b"2".as_slice()),
        ("m/aliases.yaml", b"champion: 1\nchallenger: 2\n".as_slice()),
        ("bare/v1/MLmodel", leak(model("{}"))),
        ("bare/v1/model.onnx", b"1".as_slice()),
        ("bare/v3/MLmodel", leak(model("{}"))),
        ("bare/v3/model.onnx", b"3".as_slice()),
        ("alone/MLmodel", leak(model("{version: 4}"))),
        ("alone/model.onnx", b"4".as_slice()),
        ("broken/README", b"".as_slice()),
    ]);
    assert_eq!(store.names(), ["alone", "bare", "m"]);
    let version = |reference: &str| store.resolve(reference).map(|model| model.version());
    assert_eq!(version("m"), Ok(1));
    assert_eq!(version("m@challenger"), Ok(2));
    assert_eq!(version("m@v2"), Ok(2));
    assert_eq!(version("alone"), Ok(4));
    assert_eq!(version("bare@v3"), Ok(3));
    // Several versions without an alias: none of them is taken by chance.
    let error = version("bare").unwrap_err().to_string();
    assert!(error.contains("no alias 'champion'") && error.contains("v1, v3"), "{error}");
    let digest = store.resolve("m@v2").unwrap().digest().to_owned();
    assert_eq!(version(&format!("m@sha256:{}", &digest[..8])), Ok(2));
    assert!(version(&format!("bare@sha256:{}", &digest[..8])).is_err());
    // The same bytes elsewhere have the same digest; a folder that is no model is kept with its reason.
    assert_eq!(store.resolve("m@v1").unwrap().digest(), store.resolve("bare@v1").unwrap().digest());
    let problems: Vec<_> = store.problems().map(|(name, error)| (name.to_owned(), error.to_string())).collect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].0 == "broken" && problems[0].1.contains("neither MLmodel nor version folders"), "{problems:?}");
    assert_eq!(store.resolve("broken").unwrap_err().to_string(), problems[0].1);
    assert!(store.resolve("alon").unwrap_err().to_string().contains("nearest is 'alone'"));
    assert!(ModelStore::new().resolve("x").unwrap_err().to_string().contains("no model is installed"));
}

#[test]
fn a_folder_and_its_bytes_in_the_program_are_the_same_model() {
    let folder = ModelFiles::from_folder(&golden("sphere")).unwrap();
    let embedded = ModelFiles::embedded(["MLmodel", "expected.csv", "model.onnx"].map(|path| {
        let bytes = std::fs::read(golden("sphere").join(path)).unwrap();
        (path.to_owned(), &*bytes.leak())
    }));
    assert_eq!(folder.digest(), embedded.digest());
}
