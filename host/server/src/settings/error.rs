//! What is wrong with a settings file: every problem at once, each with its file, line and key.

use std::fmt;
use std::sync::Arc;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// The key, dotted; empty for the file as a whole.
    pub key: String,
    /// What is wrong with it, as a lower-case fragment.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if self.key.is_empty() {
            write!(f, ": {}", self.message)
        } else {
            // A key is any text of the file; the terminal that shows it must not be steered by it.
            write!(f, ": `{}`: {}", self.key.escape_debug(), self.message)
        }
    }
}

/// Why settings cannot be used. There is at least one problem in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    problems: Vec<Problem>,
}

impl SettingsError {
    /// The problem of a file as a whole.
    #[must_use]
    pub fn file(file: &str, message: impl Into<String>) -> Self {
        Problem {
            file: file.into(),
            line: None,
            key: String::new(),
            message: message.into(),
        }
        .into()
    }

    /// Every problem, in the order of the file.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// `value` if nothing is wrong, else everything that is.
    pub(crate) fn unless<T>(mut problems: Vec<Problem>, value: T) -> Result<T, Self> {
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort_by_key(|problem| problem.line);
        Err(Self { problems })
    }
}

impl From<Problem> for SettingsError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}
