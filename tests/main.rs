//! One binary for all integration tests: each that links the engine costs most of a minute.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clients;
mod exports;
mod hospital;
mod house;
mod lake;
mod records;
mod stores;
mod support;
mod wire;
