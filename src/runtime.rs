//! The threads that placido runs on.

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};

/// Deep SQL needs deep stacks: planning recurses with the nesting of a query.
pub const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Starts one worker a core, each with a stack for deep SQL.
///
/// # Errors
/// When the operating system refuses the threads.
pub fn start() -> Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name("placido")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| Error::Start(error.to_string()))
}
