//! One binary for all tests of the crate's surface: each that links the engine costs most of a minute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod acuity;
mod astigmatism;
mod clinic;
#[allow(dead_code)]
#[path = "../../../examples/plain_datafusion.rs"]
mod example;
mod functions;
mod indices;
mod maps;
mod picture;
mod properties;
mod sample;
mod sample_sql;
mod slt;
mod square;
mod support;
mod surface;
mod vectors;
mod zernike;
