//! What happened, line by line: two runs of one seed are the same if these are.

use std::cell::RefCell;

/// The lines of one run.
#[derive(Debug, Default)]
pub(crate) struct Trace(RefCell<Vec<String>>);

impl Trace {
    pub(crate) fn say(&self, now: i64, what: &str) {
        let mut lines = self.0.borrow_mut();
        let line = format!(
            "{:>5} {:>9}.{:03} {what}",
            lines.len(),
            now / 1_000 % 1_000_000_000,
            now % 1_000
        );
        lines.push(line);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.borrow_mut())
    }
}
