//! A settings file as text: which key stands on which line, and the two ways a text can fail to be settings at all.

use crate::settings::error::{Problem, SettingsError};
use crate::settings::unknown::{self, Kind};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// The longest settings file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A flag of the command line.
    Flag,
    /// A line of the policy.
    Policy {
        /// The line, from 1.
        line: usize,
    },
    /// A line of the manifest.
    Manifest {
        /// The line, from 1.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Flag => f.write_str("flag"),
            Self::Policy { line } => write!(f, "policy line {line}"),
            Self::Manifest { line } => write!(f, "manifest line {line}"),
        }
    }
}

/// A file and the line of each key in it, by dotted path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    file: Arc<str>,
    lines: BTreeMap<String, usize>,
}

impl Source {
    /// A file that is not there: no key has a line.
    pub(crate) fn absent(file: &str) -> Self {
        Self {
            file: file.into(),
            lines: BTreeMap::new(),
        }
    }

    /// Reads `text` as settings of `kind`: TOML, with known keys alone.
    pub(crate) fn read<T: DeserializeOwned>(
        file: &str,
        text: &str,
        kind: Kind,
    ) -> Result<(Self, T), SettingsError> {
        if text.len() > FILE_BYTES_MAX {
            let message = format!(
                "is {} bytes long; at most {FILE_BYTES_MAX} are read",
                text.len()
            );
            return Err(SettingsError::file(file, message));
        }
        let mut source = Self::absent(file);
        let lines = Lines::of(text);
        let table = DeTable::parse(text).map_err(|error| source.syntax(&lines, &error))?;
        source.note(&lines, "", table.get_ref());
        let problems = unknown::problems(&source, table.get_ref(), kind);
        SettingsError::unless(problems, ())?;
        let written = toml::from_str(text).map_err(|error| source.syntax(&lines, &error))?;
        Ok((source, written))
    }

    /// The file, as it was named.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line of a key, if it was written.
    #[must_use]
    pub fn line(&self, key: &str) -> Option<usize> {
        self.lines.get(key).copied()
    }

    /// `FILE:LINE`, or the file alone where the key was not written.
    #[must_use]
    pub fn place(&self, key: &str) -> String {
        match self.line(key) {
            Some(line) => format!("{}:{line}", self.file),
            None => self.file.to_string(),
        }
    }

    /// A problem of the key.
    pub(crate) fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        Problem {
            file: self.file.clone(),
            line: self.line(key),
            key: key.to_owned(),
            message: message.into(),
        }
    }

    fn note(&mut self, lines: &Lines, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(prefix, key.get_ref());
            self.lines
                .insert(path.clone(), lines.number(key.span().start));
            if let DeValue::Table(inner) = value.get_ref() {
                self.note(lines, &path, inner);
            }
        }
    }

    fn syntax(&self, lines: &Lines, error: &toml::de::Error) -> SettingsError {
        let line = error.span().map(|span| lines.number(span.start));
        // The deepest key of that line, so that a wrong type is reported with its name.
        let key = self
            .lines
            .iter()
            .filter(|(_, at)| Some(**at) == line)
            .map(|(key, _)| key.clone())
            .max_by_key(String::len)
            .unwrap_or_default();
        Problem {
            file: self.file.clone(),
            line,
            key,
            message: error.message().replace('\n', " "),
        }
        .into()
    }
}

/// The dotted path of `key` under `prefix`.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

/// Where the lines of a text end. Counted once: a file of many keys would else be read again for each of them.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of the byte at `at`, from 1.
    fn number(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at) + 1
    }
}
