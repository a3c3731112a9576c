//! The source of a service, on its author's side: made from a template, built to a component, put where a host serves it.
//!
//! Nothing here knows a running host. The tools of each language are run as programs with lists of arguments, never through a shell.

pub mod javascript;
pub mod language;
pub mod publish;
pub mod python;
pub mod rust;
pub mod template;
pub mod tool;
pub mod wit;

use crate::file;
use crate::settings::{Manifest, Name};
use anyhow::{Context as _, bail};
use language::Language;
use std::path::{Path, PathBuf};

/// A project that can be built.
#[derive(Debug)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// What it is written in.
    pub language: Language,
    /// The service it becomes.
    pub name: Name,
    /// The text of its manifest, which the host would accept.
    pub manifest: String,
}

impl Project {
    /// Looks which project lies in `folder`.
    ///
    /// # Errors
    /// There is none, there are two, or its name or its manifest would be refused by a host.
    pub fn find(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder
            .canonicalize()
            .with_context(|| format!("cannot look into {}", folder.display()))?;
        let language = Language::of(&folder)?;
        let mark = folder.join(language.mark());
        let name = name(language, &mark)?;
        let name = Name::parse(&name).map_err(|why| {
            anyhow::anyhow!(
                "{}: the package's name becomes the service's, but {why}",
                mark.display()
            )
        })?;
        let path = folder.join(format!("{name}.toml"));
        if !path.exists() {
            bail!(
                "there is no {name}.toml beside {}: it holds what the service asks for, and at least `purpose = \"…\"`",
                language.mark()
            );
        }
        let manifest =
            file::settings(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Manifest::parse(name.clone(), &path.display().to_string(), &manifest)?;
        Ok(Self {
            folder,
            language,
            name,
            manifest,
        })
    }

    /// Builds it, and gives the bytes of the component.
    ///
    /// # Errors
    /// A tool is missing or fails, or what it built is no service.
    pub fn build(&self) -> anyhow::Result<Vec<u8>> {
        let path = match self.language {
            Language::Rust => rust::build(self)?,
            Language::Js => javascript::build(self)?,
            Language::Python => python::build(self)?,
        };
        let bytes = file::read(&path, file::COMPONENT_BYTES_MAX)
            .with_context(|| format!("cannot read what was built, {}", path.display()))?;
        if let Err(error) = holdfast_wasm::verify::verify(&bytes) {
            bail!(
                "{} was built, but it is no service: {error}",
                path.display()
            );
        }
        Ok(bytes)
    }

    /// Where a tool is to write the component. What an earlier build left there is gone, so that a tool that writes nothing is noticed.
    fn output(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join("build");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("{}.wasm", self.name));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(path),
        }
    }
}

/// The name of the package, as its language writes it down.
fn name(language: Language, mark: &Path) -> anyhow::Result<String> {
    let text = file::settings(mark).with_context(|| format!("cannot read {}", mark.display()))?;
    let (name, place) = match language {
        Language::Js => {
            let json: serde_json::Value = serde_json::from_str(&text)
                .with_context(|| format!("{} is no JSON", mark.display()))?;
            let name = json.get("name").and_then(|name| name.as_str());
            (name.map(str::to_owned), "name")
        }
        Language::Rust => (toml_name(&text, mark, "package")?, "package.name"),
        Language::Python => (toml_name(&text, mark, "project")?, "project.name"),
    };
    name.with_context(|| {
        format!(
            "{} has no `{place}`, which names the service",
            mark.display()
        )
    })
}

fn toml_name(text: &str, mark: &Path, table: &str) -> anyhow::Result<Option<String>> {
    let toml: toml::Table = text
        .parse()
        .with_context(|| format!("{} is no TOML", mark.display()))?;
    let name = toml.get(table).and_then(|table| table.get("name"));
    Ok(name.and_then(|name| name.as_str()).map(str::to_owned))
}
