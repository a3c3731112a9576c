//! `holdfast policy [NAME]`: what holds, and where each value came from.

use crate::settings::show::{LayerLine, host_text, service_text};
use crate::settings::{Manifest, Name, Policy, merge};
use anyhow::Context as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The arguments of `holdfast policy`.
#[derive(Clone, Debug, clap::Args)]
pub struct PolicyArgs {
    /// The service; without it, the host's own settings and the order of the layers.
    pub name: Option<String>,
    /// The policy.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The directory of components; by default the policy's.
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
}

/// Prints the settings of the host, or of one service.
///
/// # Errors
/// A file cannot be read, or is not valid.
pub fn run(args: &PolicyArgs, layers: &[LayerLine<'_>]) -> anyhow::Result<ExitCode> {
    let policy = Policy::load(args.config.as_deref())?;
    let text = match &args.name {
        None => host_text(&policy, layers),
        Some(name) => {
            let plugins = args.plugins.as_deref().unwrap_or(&policy.plugins);
            let manifest = manifest_of(plugins, name)?;
            let merged = merge(&manifest, &policy);
            let mut text = service_text(&merged.effective);
            for excess in &merged.excess {
                text.push_str(&format!("\nnot allowed: {excess}\n"));
            }
            text
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The manifest of a service in the directory; a component without one has an empty one.
pub(crate) fn manifest_of(plugins: &Path, name: &str) -> anyhow::Result<Manifest> {
    let name = Name::parse(name).map_err(anyhow::Error::msg)?;
    let file = plugins.join(format!("{name}.toml"));
    let component = plugins.join(format!("{name}.wasm"));
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Manifest::parse(name, &file.display().to_string(), &text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if !component.exists() {
                anyhow::bail!(
                    "there is no service `{name}` in {}: neither {name}.wasm nor {name}.toml",
                    plugins.display()
                );
            }
            Ok(Manifest::absent(name))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}
