//! Reading one table of a file: every value is checked, every mistake is kept with its key, and reading goes on.

use crate::settings::error::Problem;
use crate::settings::name::Name;
use crate::settings::source::{Source, join};
use std::collections::BTreeSet;

/// A file being checked, and what was found wrong so far.
pub(crate) struct Reader<'a> {
    pub(crate) source: &'a Source,
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self {
            source,
            problems: Vec::new(),
        }
    }

    /// Notes a problem of a key.
    pub(crate) fn wrong(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(self.source.problem(key, message));
    }

    /// The checked value, or `None` with the problem noted.
    pub(crate) fn take<T>(&mut self, key: &str, checked: Result<T, String>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(message) => {
                self.wrong(key, message);
                None
            }
        }
    }

    /// The checked value of a key that may be absent; `default` also where it is wrong, so that reading goes on.
    pub(crate) fn or<W, T>(
        &mut self,
        key: &str,
        written: Option<W>,
        default: T,
        check: impl FnOnce(W) -> Result<T, String>,
    ) -> T {
        match written {
            Some(written) => self.take(key, check(written)).unwrap_or(default),
            None => default,
        }
    }

    /// The checked items of a list, without the wrong ones; an item given twice is wrong.
    pub(crate) fn list<T: Ord + Clone>(
        &mut self,
        key: &str,
        written: &[String],
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut seen = BTreeSet::new();
        let mut items = Vec::with_capacity(written.len());
        for text in written {
            let Some(item) = self.take(key, check(text)) else {
                continue;
            };
            if seen.insert(item.clone()) {
                items.push(item);
            } else {
                self.wrong(key, format!("`{text}` stands twice"));
            }
        }
        items
    }

    /// A set of names.
    pub(crate) fn names(&mut self, key: &str, written: &[String]) -> BTreeSet<Name> {
        self.list(key, written, Name::parse).into_iter().collect()
    }

    /// The dotted path of a key in a named table, and the name itself if it is one.
    pub(crate) fn named(&mut self, table: &str, name: &str) -> (String, Option<Name>) {
        let path = join(table, name);
        let name = self.take(&path, Name::parse(name));
        (path, name)
    }
}
