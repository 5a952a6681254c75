//! A digest of the readers' sources, so that what an older reader said of a file is not taken for what this one would say.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let sources = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("src");
    let mut files = vec![sources.join("device.rs"), sources.join("lake/facts.rs"), sources.join("lake/recognise.rs")];
    collect(&sources.join("devices"), &mut files)?;
    files.sort();
    let mut digest = DefaultHasher::new();
    for file in &files {
        fs::read(file)?.hash(&mut digest);
    }
    println!("cargo::rerun-if-changed=src/device.rs");
    println!("cargo::rerun-if-changed=src/lake");
    println!("cargo::rerun-if-changed=src/devices");
    println!("cargo::rustc-env=PLACIDO_READERS={:016x}", digest.finish());
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            None if path.is_dir() => collect(&path, files)?,
            Some("rs" | "toml") => files.push(path),
            _ => {}
        }
    }
    Ok(())
}
