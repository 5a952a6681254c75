//! The rules of the house: who may depend on whom.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn dependencies(manifest: &str) -> String {
    let text = std::fs::read_to_string(root().join(manifest)).unwrap();
    let from = text.find("[dependencies]").unwrap();
    text.get(from..).unwrap().to_owned()
}

#[test]
fn catalog_and_udfs_do_not_know_each_other() {
    assert!(!dependencies("catalog/Cargo.toml").contains("placido"));
    assert!(!dependencies("udfs/Cargo.toml").contains("placido"));
}

#[test]
fn devices_know_arrow_but_not_the_engine() {
    files(&root().join("catalog/src/devices"), &mut |path, text| {
        assert!(!text.contains("datafusion::") && !text.contains("object_store::"), "{} names the engine", path.display());
    });
}

#[test]
fn one_file_names_the_model_runtime() {
    let mut named = Vec::new();
    files(&root().join("udfs/src"), &mut |path, text| {
        if text.contains("ort::") || text.contains("ort_tract") {
            named.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    });
    assert_eq!(named, ["runtime.rs"]);
}

fn files(folder: &Path, see: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, see);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
