//! One binary for all integration tests: each that links the engine costs most of a minute.

mod hospital;
mod house;
mod support;
mod wire;
