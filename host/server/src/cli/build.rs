//! `holdfast build`: a project to a component in the plugin directory. It needs no running host, and disturbs none.

use crate::cli::complain;
use crate::file::{self, COMPONENT_BYTES_MAX};
use crate::plugins::Documents;
use crate::project::{Project, publish};
use anyhow::{Context as _, bail};
use holdfast_call::contract::{Contract, changes};
use holdfast_wasm::contract::read;
use holdfast_wasm::describe::describe;
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
    /// Put it there although it takes away or retypes functions that the version there exports.
    #[arg(long)]
    pub breaking: bool,
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
    let component = described(&project, project.build()?);
    contract(&project, &component, args)?;
    let (name, manifest) = (&project.name, &project.manifest);
    let documents = Documents::read(&project.folder, Some(manifest))?;
    publish::publish(&args.plugins, name, &component, manifest, &documents)?;
    complain(&format!(
        "{name}.wasm ({} KiB) and {name}.toml are in {}",
        component.len() / 1024,
        args.plugins.display(),
        name = project.name
    ));
    Ok(ExitCode::SUCCESS)
}

/// The component with what the project's own WIT says of it. That is for people; without it, it serves as well.
fn described(project: &Project, component: Vec<u8>) -> Vec<u8> {
    let wit = project.folder.join("wit");
    if !wit.is_dir() {
        return component;
    }
    match describe(&component, &[wit]) {
        Ok(described) => described.component,
        Err(error) => {
            complain(&format!("the comments of wit/ are left out: {error}"));
            component
        }
    }
}

/// Says what others can call, and what of that changed.
fn contract(project: &Project, component: &[u8], args: &BuildArgs) -> anyhow::Result<()> {
    let name = &project.name;
    let contract = read(component)
        .with_context(|| format!("{name} was built, but others could not call it"))?;
    for interface in &contract.exports {
        for function in &interface.functions {
            complain(&format!("exports {}: {function}", interface.id));
        }
    }
    let path = args.plugins.join(format!("{name}.wasm"));
    // What cannot be read there makes no promise.
    let there = file::read(&path, COMPONENT_BYTES_MAX).ok();
    let there: Option<Contract> = there.and_then(|there| read(&there).ok());
    let changes = there.map_or_else(Vec::new, |there| changes(&there, &contract));
    for change in &changes {
        complain(&format!("contract: {change}"));
    }
    if changes.iter().any(|change| change.breaks()) && !args.breaking {
        bail!(
            "{name} would break what others may call of {}: keep what they call and add to it, or say --breaking",
            path.display()
        );
    }
    Ok(())
}
