//! The program `holdfast`: its command line, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast_server::cli::run()
}
