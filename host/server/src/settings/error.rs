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
        f.write_str(&plain(&self.file))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if self.key.is_empty() {
            write!(f, ": {}", plain(&self.message))
        } else {
            write!(f, ": `{}`: {}", plain(&self.key), plain(&self.message))
        }
    }
}

/// The longest text of a file that a problem repeats, in characters.
const SHOWN_CHARS_MAX: usize = 400;
/// The most problems that are shown of one file.
const SHOWN_MAX: usize = 50;

/// A key or a message may hold any text of the file: the terminal that shows it must not be steered by it, nor flooded.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(SHOWN_CHARS_MAX));
    for (at, c) in text.chars().enumerate() {
        if at == SHOWN_CHARS_MAX {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_debug());
        } else {
            out.push(c);
        }
    }
    out
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
        for (place, problem) in self.problems.iter().take(SHOWN_MAX).enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        match self.problems.len().checked_sub(SHOWN_MAX) {
            Some(more @ 1..) => write!(f, "\n… and {more} more"),
            Some(0) | None => Ok(()),
        }
    }
}

impl std::error::Error for SettingsError {}
