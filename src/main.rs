//! The command line of placido.

use std::process::ExitCode;

use clap::Parser as _;
use placido::cli::Arguments;

/// The allocator is set here, in the binary, and nowhere else: a library must not choose it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match placido::cli::start(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
