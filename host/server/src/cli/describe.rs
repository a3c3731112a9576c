//! `holdfast describe`: the doc comments of WIT into a component that another tool than `holdfast build` has built.

use crate::cli::complain;
use crate::file::{self, COMPONENT_BYTES_MAX};
use crate::project::publish;
use anyhow::{Context as _, bail};
use holdfast_wasm::describe::describe;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `holdfast describe`.
#[derive(Clone, Debug, clap::Args)]
pub struct DescribeArgs {
    /// The component; it is written anew if that changes it.
    #[arg(value_name = "FILE")]
    pub component: PathBuf,
    /// Where the WIT is that it was built for: files or folders, in any order.
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    pub wit: Vec<PathBuf>,
}

/// Puts what the WIT says of the component's packages into it.
///
/// # Errors
/// A file cannot be read or written, is no component, or no WIT.
pub fn run(args: &DescribeArgs) -> anyhow::Result<ExitCode> {
    let shown = args.component.display();
    let bytes = file::read(&args.component, COMPONENT_BYTES_MAX)
        .with_context(|| format!("cannot read {shown}"))?;
    let described = match describe(&bytes, &args.wit) {
        Ok(described) => described,
        Err(error) => bail!("{shown} cannot be described: {error}"),
    };
    if described.packages.is_empty() {
        bail!("none of this WIT is of a package that {shown} knows");
    }
    if described.component != bytes {
        publish::replace(&args.component, &described.component)?;
    }
    complain(&format!(
        "{shown} says what {} say",
        described.packages.join(", ")
    ));
    Ok(ExitCode::SUCCESS)
}
