//! The world that a service of JavaScript or Python is built for: `wasi:http/proxy` of WASI 0.2, written into the project's `build` folder.
//!
//! The texts are those that this repository keeps of what the host offers, so a build needs nothing else and works without a network.

use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// The version that the texts are of.
const VERSION: &str = "0.2.12";

/// The world's name.
pub const WORLD: &str = "service";

const DEPENDENCIES: &[(&str, &str)] = &[
    (
        "cli.wit",
        include_str!("../../../../wit/deps/wasi-0.2/deps/cli.wit"),
    ),
    (
        "clocks.wit",
        include_str!("../../../../wit/deps/wasi-0.2/deps/clocks.wit"),
    ),
    (
        "filesystem.wit",
        include_str!("../../../../wit/deps/wasi-0.2/deps/filesystem.wit"),
    ),
    (
        "http.wit",
        include_str!("../../../../wit/deps/wasi-0.2/deps/http.wit"),
    ),
    (
        "io.wit",
        include_str!("../../../../wit/deps/wasi-0.2/deps/io.wit"),
    ),
    (
        "random.wit",
        include_str!("../../../../wit/deps/wasi-0.2/deps/random.wit"),
    ),
    (
        "sockets.wit",
        include_str!("../../../../wit/deps/wasi-0.2/deps/sockets.wit"),
    ),
];

/// Which release of WASI 0.2 a tool can build for. A host that offers a later one offers the earlier ones with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// What the texts say.
    Current,
    /// 0.2.10, the one that the JavaScript engine has inside. Between the two, WASI gained one function, which a service cannot reach.
    Ten,
}

/// Writes the world and what it is made of, and gives the folder.
///
/// # Errors
/// A file cannot be written.
pub fn write(project: &Path, release: Release) -> anyhow::Result<PathBuf> {
    let version = match release {
        Release::Current => VERSION,
        Release::Ten => "0.2.10",
    };
    let folder = project.join("build/wit");
    let deps = folder.join("deps");
    std::fs::create_dir_all(&deps).with_context(|| format!("cannot make {}", deps.display()))?;
    let world = format!(
        "package holdfast:{WORLD};\n\nworld {WORLD} {{\n  include wasi:http/proxy@{version};\n}}\n"
    );
    put(&folder.join("world.wit"), &world)?;
    for (file, text) in DEPENDENCIES {
        put(&deps.join(file), &text.replace(VERSION, version))?;
    }
    Ok(folder)
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
