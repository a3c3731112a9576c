//! `holdfast build`: a project to a component in the plugin directory. It needs no running host, and disturbs none.

use crate::cli::complain;
use crate::project::{Project, publish};
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `holdfast build`.
#[derive(Clone, Debug, clap::Args)]
pub struct BuildArgs {
    /// The folder of the project.
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// The plugin directory; it is made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "plugins")]
    pub plugins: PathBuf,
}

/// Builds the project and puts it where a host serves it.
///
/// # Errors
/// There is no project, a tool is missing or fails, or the directory cannot be written. Then what served serves on.
pub fn run(args: &BuildArgs) -> anyhow::Result<ExitCode> {
    let project = Project::find(&args.folder)?;
    complain(&format!(
        "{} is a project in {}",
        project.name, project.language
    ));
    let component = project.build()?;
    publish::publish(&args.plugins, &project.name, &component, &project.manifest)?;
    complain(&format!(
        "{name}.wasm ({} KiB) and {name}.toml are in {}",
        component.len() / 1024,
        args.plugins.display(),
        name = project.name
    ));
    Ok(ExitCode::SUCCESS)
}
