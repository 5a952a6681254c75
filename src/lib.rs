//! placido: a SQL engine for eye clinics.
//!
//! This crate is the server and the command line, the only code that joins the functions (`placido-udfs`) with the devices and
//! layers (`placido-catalog`). The way through it:
//!
//! * [`cli`]: the commands and what they print; [`settings`]: what can be set, one doc comment each;
//! * [`engine`]: functions, catalogue and models joined; [`engine::Engine::session`] gives a session;
//! * [`access`]: roles, rights, passwords and the rules for connections;
//! * [`server`]: the Postgres wire protocol over such sessions;
//! * [`check`]: validates lake, layers and models; [`truth`]: the issues raised beside those expected; [`docs`]: prints the reference pages;
//! * [`runtime`]: the threads that all of it runs on, and how they are shared.

pub mod access;
pub mod check;
pub mod cli;
pub mod docs;
pub mod engine;
pub mod error;
pub mod output;
pub mod runtime;
pub mod server;
pub mod settings;
mod system;
pub mod truth;
mod users;

/// The layers and models that are shipped inside the binary.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}
