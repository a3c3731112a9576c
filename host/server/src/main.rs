//! The program `holdfast`: its command line, and nothing else.

use std::process::ExitCode;

// A call makes and drops some hundred small values on whichever thread has time for it; that is what this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    holdfast_server::cli::run()
}
