//! The program `holdfast`: it joins the command line to the parts that answer it, and does nothing else.

use holdfast_server::cli::{self, Local};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(&Local {
        serve: |_| anyhow::bail!("this build has no engine to serve with"),
        check: |_| anyhow::bail!("this build has no engine to check with"),
        allow: |_| anyhow::bail!("this build reads no policy"),
    })
}
