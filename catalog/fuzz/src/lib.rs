//! The readers of `placido-catalog` and its archives for fuzzing: their sources as they are, without the engine above them.
//!
//! A fuzzer's bytes are a script of damage to an export of the device, which its writer makes when the fuzzer starts, or, where
//! they begin with a zero, a file themselves. What is checked stands in `devices/hostile.rs`.
#![allow(dead_code, unused_imports, reason = "the engine's side of the crate is not here")]

use std::sync::LazyLock;

#[path = "../../src/archive/mod.rs"]
pub mod archive;
#[path = "../../src/device.rs"]
pub mod device;
#[path = "../../src/devices/mod.rs"]
pub mod devices;
pub mod error;
#[path = "../../src/field.rs"]
pub mod field;
#[path = "../../src/issue.rs"]
pub mod issue;
pub mod lake;
#[path = "../../src/synthetic/mod.rs"]
pub mod synthetic;

use device::Device;
use devices::hostile::{Workbook, fields_are_read, keeps_its_promises, mutated, seeds, workbook_keeps_the_promises};

/// Exports to damage, some of each device.
static SEEDS: LazyLock<Vec<(&'static dyn Device, Vec<u8>)>> = LazyLock::new(|| seeds(12, 6));

/// Reads a file of the device of that name.
pub fn reader(name: &str, data: &[u8]) {
    let Some(device) = devices::by_name(name) else { panic!("there is no device {name}") };
    match data.split_first() {
        None => keeps_its_promises(device, data),
        Some((0, file)) => keeps_its_promises(device, file),
        Some((at, script)) => {
            let own: Vec<&Vec<u8>> =
                SEEDS.iter().filter(|(known, _)| known.name() == name).map(|(_, bytes)| bytes).collect();
            let Some(seed) = own.get(usize::from(*at) % own.len().max(1)) else { return };
            keeps_its_promises(device, &mutated(seed, script));
        }
    }
}

/// Reads an export, whoever wrote it, by a reader that may be another's.
pub fn any_reader(data: &[u8]) {
    let &[seed, reader, ref script @ ..] = data else { return };
    let device = devices::DEVICES[usize::from(reader) % devices::DEVICES.len()];
    let (_, bytes) = &SEEDS[usize::from(seed) % SEEDS.len()];
    keeps_its_promises(device, &mutated(bytes, script));
}

/// Reads a workbook of which one part is damaged, so that what unpacks it has nothing to complain of.
pub fn workbook(data: &[u8]) {
    static WORKBOOKS: LazyLock<Vec<Workbook>> = LazyLock::new(Workbook::all);
    let &[book, part, ref script @ ..] = data else { return };
    let book = &WORKBOOKS[usize::from(book) % WORKBOOKS.len()];
    workbook_keeps_the_promises(&book.damaged(usize::from(part), script));
}

/// Opens an archive that the bytes describe or, after a zero, are.
pub fn archive(data: &[u8]) {
    match data.split_first() {
        Some((0, file)) => archive::hostile::keeps_its_promises(file),
        _ => archive::hostile::keeps_its_promises(&archive::hostile::scripted(data)),
    }
}

/// Reads a text as each kind of field.
pub fn fields(text: &str) {
    fields_are_read(text);
}
