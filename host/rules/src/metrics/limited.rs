//! How often calls of one target were turned away because a limit had let as many come as may, by what that limit counts.
//!
//! Each is counted once, by the limit that lets it come last.

use crate::rate::Dimension;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The metric.
pub(super) const NAME: &str = "holdfast_rate_limited_total";

/// The counters of one target: a cell for each dimension.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; Dimension::ALL.len()]);

impl Counts {
    /// One more.
    pub(super) fn add(&self, dimension: Dimension) {
        if let Some(cell) = self.0.get(dimension as usize) {
            cell.fetch_add(1, Relaxed);
        }
    }

    /// Those that are not zero, as lines of the metrics.
    pub(super) fn write(&self, target: &str, out: &mut String) {
        for (dimension, cell) in Dimension::ALL.iter().zip(&self.0) {
            let count = cell.load(Relaxed);
            if count > 0 {
                // Writing to a string cannot fail.
                let _ = writeln!(
                    out,
                    "{NAME}{{target=\"{target}\",dimension=\"{}\"}} {count}",
                    dimension.as_str()
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dimension_is_counted_apart_and_what_never_happened_has_no_line() {
        let counts = Counts::default();
        let written = || {
            let mut out = String::new();
            counts.write("service:hello", &mut out);
            out
        };
        assert_eq!(written(), "");
        for dimension in Dimension::ALL {
            counts.add(dimension);
        }
        counts.add(Dimension::Operation);
        let out = written();
        assert_eq!(out.lines().count(), Dimension::ALL.len());
        let line =
            "holdfast_rate_limited_total{target=\"service:hello\",dimension=\"operation\"} 2";
        assert!(out.lines().any(|known| known == line), "{out}");
    }
}
