//! Two histories under one key: a host that was copied and went on twice.

use super::super::disk::Folder;
use super::super::error::{Damage, Finding};
use super::super::format::segment_name;
use super::super::verify;
use super::*;
use std::fs;

/// What is common has been signed up to here.
const COMMON: usize = 5;

struct Twins {
    folder: tempfile::TempDir,
}

impl Twins {
    /// A log of which there are two from some record on.
    fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let (one, other) = (this.path("one"), this.path("other"));
        let mut log = open_folder(&one);
        for number in 0..COMMON {
            commit(&mut log, &[format!("common {number}")]).unwrap();
        }
        checkpoint(&mut log).unwrap();
        drop(log);
        fs::create_dir(&other).unwrap();
        for entry in fs::read_dir(&one).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, other.join(path.file_name().unwrap())).unwrap();
        }
        for (name, path) in [("one", one), ("other", other)] {
            let mut log = open_folder(&path);
            for number in 0..30 {
                commit(&mut log, &[format!("{name} {number}")]).unwrap();
            }
            checkpoint(&mut log).unwrap();
            fs::write(this.path(&format!("{name}.copy")), log.notes.concat()).unwrap();
        }
        this
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn found(&self, copy: Option<&str>) -> Option<Finding> {
        let copy = copy.map(|copy| self.path(copy));
        let report = verify(&self.path("one"), &public(), copy.as_deref());
        report.unwrap().found
    }

    fn replace(&self, name: &str) {
        fs::copy(self.path("other").join(name), self.path("one").join(name)).unwrap();
    }
}

#[test]
fn each_is_whole_by_itself_and_against_its_own_copy() {
    let twins = Twins::new();
    assert_eq!(twins.found(None), None);
    assert_eq!(twins.found(Some("one.copy")), None);
}

#[test]
fn the_copy_of_the_other_one_tells_that_there_are_two() {
    let twins = Twins::new();
    let found = twins.found(Some("other.copy")).unwrap();
    assert_eq!(found.damage, Damage::Forked);
    assert!(found.seq <= COMMON as u64 + 1, "{found:?}");
}

#[test]
fn a_segment_of_the_other_one_does_not_follow() {
    let twins = Twins::new();
    let segments: Vec<_> = Folder(&twins.path("other")).list().unwrap();
    let last = segments
        .iter()
        .rfind(|entry| entry.name.starts_with("segment-"));
    let last = last.unwrap().name.clone();
    assert_ne!(last, segment_name(0));
    twins.replace(&last);
    let number: u64 = last.trim_start_matches("segment-").parse().unwrap();
    let found = twins.found(None).unwrap();
    assert!(found.seq <= number && found.seq + 15 > number, "{found:?}");
    // A whole one more, whose first record there is already.
    fs::copy(
        twins.path("other").join(segment_name(0)),
        twins.path("one").join(segment_name(3)),
    )
    .unwrap();
    let found = twins.found(None).unwrap();
    assert_eq!((found.damage, found.seq), (Damage::Forked, 3));
}

#[test]
fn the_checkpoints_of_the_other_one_speak_against_it() {
    let twins = Twins::new();
    for entry in Folder(&twins.path("other")).list().unwrap() {
        if entry.name.starts_with("checkpoints-") {
            twins.replace(&entry.name);
        }
    }
    let found = twins.found(None).unwrap();
    assert_eq!(found.damage, Damage::Rewritten);
    assert_eq!(found.seq, COMMON as u64 + 1);
    let found = twins.found(Some("one.copy")).unwrap();
    assert_eq!(found.damage, Damage::Forked);
}

#[test]
fn two_checkpoints_of_one_record_cannot_both_be_true() {
    let twins = Twins::new();
    let path = twins.path("one.copy");
    let before = fs::read_to_string(&path).unwrap();
    for (seq, why) in [(3, "it goes back"), (35, "of the same record")] {
        fs::write(&path, before.clone() + &signed(seq, [1; 32])).unwrap();
        let found = twins.found(Some("one.copy"));
        assert!(found.is_some(), "{why}");
    }
    fs::write(&path, before + &signed(99, [1; 32])).unwrap();
    let found = twins.found(Some("one.copy")).unwrap();
    assert_eq!(found.damage, Damage::Truncated, "{found:?}");
}

#[test]
fn a_log_of_another_key_is_not_this_one() {
    let twins = Twins::new();
    let other = SigningKey::of(&[8; 32]).unwrap();
    let found = verify(&twins.path("one"), other.public(), None)
        .unwrap()
        .found;
    assert_eq!(found.unwrap().damage, Damage::Unsigned);
}
