//! How often calls of one target were turned away because there was not enough for all, by class and by what was wanting.
//!
//! Each call that ended so is counted once, where it ends: the sum over classes and reasons is that of the target.

use holdfast_call::{Priority, Shed, ShedReason};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The metric.
pub(super) const NAME: &str = "holdfast_shed_total";

/// The counters of one target: a row for each class, a cell for each reason.
#[derive(Debug, Default)]
pub(super) struct Counts([[AtomicU64; ShedReason::ALL.len()]; Priority::ALL.len()]);

impl Counts {
    /// One more.
    pub(super) fn add(&self, shed: Shed) {
        let row = self.0.get(shed.class as usize);
        if let Some(cell) = row.and_then(|row| row.get(shed.reason as usize)) {
            cell.fetch_add(1, Relaxed);
        }
    }

    /// Those that are not zero, as lines of the metrics.
    pub(super) fn write(&self, target: &str, out: &mut String) {
        for (class, row) in Priority::ALL.iter().zip(&self.0) {
            for (reason, cell) in ShedReason::ALL.iter().zip(row) {
                let count = cell.load(Relaxed);
                if count > 0 {
                    // Writing to a string cannot fail.
                    let _ = writeln!(
                        out,
                        "{NAME}{{target=\"{target}\",class=\"{}\",reason=\"{}\"}} {count}",
                        class.as_str(),
                        reason.as_str()
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_of_every_class_is_counted_apart() {
        let counts = Counts::default();
        for class in Priority::ALL {
            for reason in ShedReason::ALL {
                counts.add(Shed { class, reason });
            }
        }
        let mut out = String::new();
        counts.write("service:hello", &mut out);
        let lines: BTreeSet<_> = out.lines().collect();
        assert_eq!(lines.len(), Priority::ALL.len() * ShedReason::ALL.len());
        assert!(lines.iter().all(|line| line.ends_with("\"} 1")), "{out}");
        counts.add(Shed {
            class: Priority::Batch,
            reason: ShedReason::TooLate,
        });
        let mut out = String::new();
        counts.write("service:hello", &mut out);
        let line =
            "holdfast_shed_total{target=\"service:hello\",class=\"batch\",reason=\"too-late\"} 2";
        assert!(out.lines().any(|known| known == line), "{out}");
    }

    #[test]
    fn what_was_never_turned_away_has_no_line() {
        let mut out = String::new();
        Counts::default().write("service:hello", &mut out);
        assert_eq!(out, "");
    }
}
