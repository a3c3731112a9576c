//! The languages that a project can be in, and how one is told from another: by the one file that each keeps its packages in.

use anyhow::bail;
use std::fmt;
use std::path::Path;

/// A language with a template and a way to a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Rust, through cargo.
    Rust,
    /// JavaScript, through npm's `componentize-js`.
    Js,
    /// Python, through `componentize-py`.
    Python,
}

/// All of them.
const ALL: [Language; 3] = [Language::Rust, Language::Js, Language::Python];

impl Language {
    /// The file by which a project of the language is known.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Js => "package.json",
            Self::Python => "pyproject.toml",
        }
    }

    /// The language of the project in `folder`.
    ///
    /// # Errors
    /// It holds none, or more than one.
    pub fn of(folder: &Path) -> anyhow::Result<Self> {
        let marked: Vec<_> = ALL
            .into_iter()
            .filter(|language| folder.join(language.mark()).is_file())
            .collect();
        match marked.as_slice() {
            [language] => Ok(*language),
            [] => bail!(
                "{} holds no project: neither Cargo.toml nor package.json nor pyproject.toml; `holdfast new NAME --lang rust|js|python` makes one",
                folder.display()
            ),
            [one, other, ..] => bail!(
                "{} holds both {} and {}: a project is in one language, so keep one of them in another folder",
                folder.display(),
                one.mark(),
                other.mark()
            ),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Js => "JavaScript",
            Self::Python => "Python",
        })
    }
}
