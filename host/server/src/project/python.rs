//! Python to a component: `componentize-py` in the project's own virtual environment, on the module `app`.

use super::tool::Tool;
use super::{Project, wit};
use crate::file;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

const PYTHON: &str = "install Python 3.10 or newer with its venv, for example `apt-get install python3 python3-venv`";
const COMPONENTIZE: &str = "name `componentize-py==0.25.1` in requirements.txt";

/// Says the version, and fails where environments cannot be made. Debian has `ensurepip` in a package of its own.
const ASK: &str = "import ensurepip, sys, venv; print('%d.%d.%d' % sys.version_info[:3]); sys.exit(sys.version_info < (3, 10))";

/// What the environment was made of; it lies in there, so that it goes when that goes.
const STAMP: &str = ".venv/holdfast-installed";

/// Builds the project, and says where the component is.
///
/// # Errors
/// Python or a package is missing, or the source cannot be imported at build time.
pub fn build(project: &Project) -> anyhow::Result<PathBuf> {
    let folder = &project.folder;
    if !folder.join("app.py").is_file() {
        bail!(
            "there is no app.py in {}: it is the module that the host calls",
            folder.display()
        );
    }
    let version = Tool::new("python3", folder, PYTHON)
        .args(["-c", ASK])
        .ask()?;
    install(folder, &version)?;
    let output = project.output()?;
    let wit = wit::write(folder, wit::Release::Current)?;
    Tool::new(
        folder.join(".venv/bin/componentize-py"),
        folder,
        COMPONENTIZE,
    )
    .args([Path::new("--wit-path"), &wit])
    .args(["--world", wit::WORLD, "componentize", "app"])
    .args([Path::new("--output"), &output])
    .env("VIRTUAL_ENV", &folder.join(".venv"))
    .run("[2/3] making a component of it, with Python inside; this takes 10 to 30 seconds")?;
    Ok(output)
}

/// The environment, unless it is what `requirements.txt` says already.
fn install(folder: &Path, version: &str) -> anyhow::Result<()> {
    let path = folder.join("requirements.txt");
    let wanted = file::settings(&path)
        .with_context(|| format!("cannot read {}: {COMPONENTIZE}", path.display()))?;
    let stamp = folder.join(STAMP);
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let python = folder.join(".venv/bin/python");
    if !python.exists() {
        Tool::new("python3", folder, PYTHON)
            .args(["-m", "venv", ".venv"])
            .run(&format!("[1/3] making .venv with Python {version}"))?;
    }
    Tool::new(python, folder, PYTHON)
        .args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--quiet",
        ])
        .args(["--requirement", "requirements.txt"])
        .run(&format!(
            "[1/3] installing the packages into .venv, with Python {version}"
        ))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}
