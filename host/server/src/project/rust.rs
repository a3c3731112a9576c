//! Rust to a component: cargo and the target `wasm32-wasip2`, which makes components by itself.

use super::Project;
use super::tool::Tool;
use anyhow::bail;
use serde_json::Value;
use std::path::{Path, PathBuf};

const TARGET: &str = "wasm32-wasip2";
const CARGO: &str = "install Rust 1.91 or newer, for example through rustup";

/// Builds the project, and says where the component is.
///
/// # Errors
/// Cargo or the target is missing, the source does not compile, or it makes no component, or several.
pub fn build(project: &Project) -> anyhow::Result<PathBuf> {
    let folder = &project.folder;
    let version = Tool::new("cargo", folder, CARGO)
        .args(["--version"])
        .ask()?;
    let library = Tool::new("rustc", folder, CARGO)
        .args(["--print", "target-libdir", "--target", TARGET])
        .ask()?;
    if !Path::new(&library).is_dir() {
        bail!("Rust has no target {TARGET} here ({version}): run `rustup target add {TARGET}`");
    }
    let words = Tool::new("cargo", folder, CARGO)
        .args(["build", "--release", "--target", TARGET])
        .args(["--message-format=json-render-diagnostics"])
        .run(&format!("[1/2] compiling with {version}"))?;
    one(project, &components(&words, &folder.join("Cargo.toml")))
}

/// The components of the package itself, as cargo tells of them.
fn components(words: &str, manifest: &Path) -> Vec<PathBuf> {
    let messages = words
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = messages.filter(|message| {
        let of = |key| message.get(key).and_then(Value::as_str);
        of("reason") == Some("compiler-artifact")
            && of("manifest_path").is_some_and(|path| Path::new(path) == manifest)
    });
    let files = ours.flat_map(|message| {
        let files = message.get("filenames").and_then(Value::as_array);
        files.cloned().unwrap_or_default()
    });
    files
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .filter(|file| file.extension().is_some_and(|end| end == "wasm"))
        .collect()
}

fn one(project: &Project, components: &[PathBuf]) -> anyhow::Result<PathBuf> {
    match components {
        [component] => Ok(component.clone()),
        [] => bail!(
            "cargo made no component of {}: it needs a `src/main.rs`, or `crate-type = [\"cdylib\"]` under [lib]",
            project.name
        ),
        several => bail!(
            "cargo made {} components of {}: a project is one service, so keep one binary or library in it",
            several.len(),
            project.name
        ),
    }
}
