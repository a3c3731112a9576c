//! The assumption: what was answered is on the disk. So: a host under load whose every write and sync is on record, and from the record the
//! disks that there may be if the power had failed at any point of it, each looked at, and some of them given to a host to go on with.
//!
//! A killed host proves nothing of this: what it wrote is in the memory of the system, and the system writes it.

mod disk;
mod load;
mod revived;
mod stored;
mod tables;

use crate::harness::scaled;
use disk::{Chance, Disk};
use load::Recording;
use std::fmt;
use std::io::Write as _;

/// When the power failed, and what was drawn then.
#[derive(Clone, Copy)]
struct Case {
    cut: usize,
    seed: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cut {}, seed {}", self.cut, self.seed)
    }
}

/// Tells which case it was where a test fails in the middle of one.
struct Telling(Case);

impl Drop for Telling {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Shown by the test runner beside the panic; nothing is left to do if it cannot be written.
            let _ = writeln!(std::io::stderr(), "the power failed: {}", self.0);
        }
    }
}

/// Looks at so many disks that the power may have left; what is wrong with them.
fn look(recording: &Recording, disk: Disk, count: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    for seed in 0..count as u64 {
        let mut chance = Chance::new(seed);
        let cut = chance.below(recording.trace.len() + 1);
        let case = Case { cut, seed };
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        recording.trace.image(cut, disk, &mut chance, &data);
        let found = stored::wrong(recording, cut, &data);
        wrong.extend(found.into_iter().map(|what| format!("{case}: {what}")));
    }
    wrong
}

#[test]
fn what_was_answered_is_there_whenever_the_power_fails() {
    let recording = Recording::make(scaled(2, 6));
    let wrong = look(&recording, Disk::Honest, scaled(60, 1_000));
    assert!(
        wrong.is_empty(),
        "{} of them:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    for seed in 0..scaled(4, 100) as u64 {
        let mut chance = Chance::new(!seed);
        // One in four is cut before its host has served anybody.
        let (from, to) = match seed % 4 {
            0 => (0, recording.began),
            _ => (recording.began, recording.trace.len()),
        };
        let cut = from + chance.below(to - from + 1);
        revived::goes_on(&recording, Case { cut, seed });
    }
}

#[test]
fn a_disk_that_lies_is_found_out() {
    let recording = Recording::make(1);
    for what in ["holdfast.db-wal", "holdfast.db", "audit", "versions"] {
        let wrong = look(&recording, Disk::LiesOf(what), 30);
        assert!(
            !wrong.is_empty(),
            "a disk that lies of {what} is not found out"
        );
    }
}
