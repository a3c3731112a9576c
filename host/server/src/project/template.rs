//! The projects that `holdfast new` makes. Each lies in `templates/` as a whole project that is called `service-name`.

use super::language::Language;
use crate::settings::Name;
use anyhow::{Context as _, bail};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What stands in the templates where the name belongs.
const PLACE: &str = "service-name";

/// The same as the name of a module.
const IDENT: &str = "service_name";

/// A file of a template: where it goes, and what is in it.
type Template = (&'static str, &'static str);

/// What others call a service by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// HTTP.
    Http,
    /// Functions of an interface of its own.
    Typed,
}

const TYPED: &[Template] = &[
    ("README.md", include_str!("../../templates/typed/README.md")),
    (
        "Cargo.toml",
        include_str!("../../templates/typed/Cargo.toml"),
    ),
    (
        "Cargo.lock",
        include_str!("../../templates/typed/Cargo.lock"),
    ),
    (
        "src/lib.rs",
        include_str!("../../templates/typed/src/lib.rs"),
    ),
    (
        "wit/service-name.wit",
        include_str!("../../templates/typed/wit/service.wit"),
    ),
    (
        ".gitignore",
        include_str!("../../templates/typed/gitignore"),
    ),
    (
        "service-name.toml",
        include_str!("../../templates/typed/manifest.toml"),
    ),
];

const RUST: &[Template] = &[
    ("README.md", include_str!("../../templates/rust/README.md")),
    (
        "Cargo.toml",
        include_str!("../../templates/rust/Cargo.toml"),
    ),
    (
        "Cargo.lock",
        include_str!("../../templates/rust/Cargo.lock"),
    ),
    (
        "src/main.rs",
        include_str!("../../templates/rust/src/main.rs"),
    ),
    (".gitignore", include_str!("../../templates/rust/gitignore")),
    (
        "service-name.toml",
        include_str!("../../templates/rust/manifest.toml"),
    ),
];

const JS: &[Template] = &[
    ("README.md", include_str!("../../templates/js/README.md")),
    (
        "package.json",
        include_str!("../../templates/js/package.json"),
    ),
    (
        "package-lock.json",
        include_str!("../../templates/js/package-lock.json"),
    ),
    ("app.js", include_str!("../../templates/js/app.js")),
    ("answer.js", include_str!("../../templates/js/answer.js")),
    (
        "answer.test.js",
        include_str!("../../templates/js/answer.test.js"),
    ),
    (".gitignore", include_str!("../../templates/js/gitignore")),
    (
        "service-name.toml",
        include_str!("../../templates/js/manifest.toml"),
    ),
];

const PYTHON: &[Template] = &[
    (
        "README.md",
        include_str!("../../templates/python/README.md"),
    ),
    (
        "pyproject.toml",
        include_str!("../../templates/python/pyproject.toml"),
    ),
    (
        "requirements.txt",
        include_str!("../../templates/python/requirements.txt"),
    ),
    ("app.py", include_str!("../../templates/python/app.py")),
    (
        "answer.py",
        include_str!("../../templates/python/answer.py"),
    ),
    (
        "test_answer.py",
        include_str!("../../templates/python/test_answer.py"),
    ),
    (
        ".gitignore",
        include_str!("../../templates/python/gitignore"),
    ),
    (
        "service-name.toml",
        include_str!("../../templates/python/manifest.toml"),
    ),
];

/// The files of a new project, by their places in it.
#[must_use]
pub fn files(language: Language, kind: Kind, name: &Name) -> Vec<(PathBuf, String)> {
    let template = match (kind, language) {
        (Kind::Typed, _) => TYPED,
        (Kind::Http, Language::Rust) => RUST,
        (Kind::Http, Language::Js) => JS,
        (Kind::Http, Language::Python) => PYTHON,
    };
    let ident = name.as_str().replace('-', "_");
    let named = |text: &str| {
        let text = text.replace(PLACE, name.as_str());
        text.replace(IDENT, &ident)
    };
    template
        .iter()
        .map(|(path, text)| (named(path).into(), named(text)))
        .collect()
}

/// Makes the project in `folder`. Nothing that is there already is touched.
///
/// # Errors
/// Something is in the folder, or a file cannot be written.
pub fn make(folder: &Path, language: Language, kind: Kind, name: &Name) -> anyhow::Result<()> {
    refuse_full(folder)?;
    for (path, text) in files(language, kind, name) {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make {}", parent.display()))?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn refuse_full(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    match std::fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                bail!("{shown} is not empty: choose another name, or a folder without files")
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot make a project in {shown}")),
    }
}
