//! Somebody else's hands in the log: whatever they do to it is found, and the record is named.

use super::super::disk::Folder;
use super::super::error::{Damage, Finding};
use super::super::format::{Chain, Frame, FrameHead, hash, head};
use super::super::verify;
use super::*;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// A log of several segments that was closed, with its last checkpoint.
struct Written {
    folder: tempfile::TempDir,
    copy: PathBuf,
}

impl Written {
    fn new(groups: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        let mut log = open_folder(&folder.path().join("audit"));
        let mut number = 0;
        for group in 0..groups {
            let names = (0..=group % 3).map(|place| format!("record {}", number + place));
            commit(&mut log, &names.collect::<Vec<_>>()).unwrap();
            number += group % 3 + 1;
            if group % 4 == 0 {
                checkpoint(&mut log).unwrap();
            }
        }
        checkpoint(&mut log).unwrap();
        fs::write(&copy, log.notes.concat()).unwrap();
        Self { folder, copy }
    }

    fn audit(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    fn files(&self) -> Vec<PathBuf> {
        let listed = Folder(&self.audit()).list().unwrap().into_iter();
        listed.map(|entry| self.audit().join(entry.name)).collect()
    }

    fn segments(&self) -> Vec<PathBuf> {
        let all = self.files().into_iter();
        all.filter(|path| path.to_string_lossy().contains("segment-"))
            .collect()
    }

    fn last(&self) -> u64 {
        *names(&Folder(&self.audit())).keys().last().unwrap()
    }

    fn found(&self) -> Option<Finding> {
        verify(&self.audit(), &public(), None).unwrap().found
    }

    fn found_with_copy(&self) -> Option<Finding> {
        let report = verify(&self.audit(), &public(), Some(&self.copy));
        report.unwrap().found
    }

    /// What is found with this done to a file, which is as it was afterwards.
    fn with(&self, path: &Path, bytes: &[u8]) -> Finding {
        let before = fs::read(path).unwrap();
        fs::write(path, bytes).unwrap();
        let found = self.found();
        fs::write(path, before).unwrap();
        found.unwrap_or_else(|| panic!("nothing was found in {}", path.display()))
    }
}

/// Each place, or each so many if not all are asked for.
fn places(range: std::ops::Range<usize>) -> impl Iterator<Item = usize> {
    let full = std::env::var("HOLDFAST_SCALE").is_ok_and(|scale| scale == "full");
    range.step_by(if full { 1 } else { 7 })
}

/// The lines of a segment with their ends, each with the records that it is about: itself, or those of its frame.
fn lines(bytes: &[u8]) -> Vec<(Vec<u8>, RangeInclusive<u64>)> {
    let mut lines: Vec<(Vec<u8>, RangeInclusive<u64>)> = Vec::new();
    let mut header = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match head(line.strip_suffix(b"\n").unwrap()) {
            None => {
                header = lines.len();
                lines.push((line.to_vec(), 0..=0));
            }
            Some(head) => {
                let first = match header + 1 == lines.len() {
                    true => head.seq,
                    false => *lines[header].1.start(),
                };
                lines[header].1 = first..=head.seq;
                lines.push((line.to_vec(), head.seq..=head.seq));
            }
        }
    }
    lines
}

fn joined(lines: &[(Vec<u8>, RangeInclusive<u64>)]) -> Vec<u8> {
    lines.iter().flat_map(|(line, _)| line.clone()).collect()
}

#[test]
fn a_log_that_nobody_touched_is_whole() {
    let log = Written::new(40);
    assert!(log.segments().len() >= 3);
    for copy in [None, Some(log.copy.as_path())] {
        let report = verify(&log.audit(), &public(), copy).unwrap();
        assert_eq!(report.found, None);
        assert_eq!((report.first, report.unfinished), (0, None));
        assert_eq!(report.records, log.last() + 1);
        assert_eq!(report.signed, Some(log.last()));
    }
}

#[test]
fn every_byte_that_is_flipped_is_found_in_its_record() {
    let log = Written::new(14);
    for path in log.segments() {
        let bytes = fs::read(&path).unwrap();
        let mut at = 0;
        for (line, about) in lines(&bytes) {
            // The end of a line is looked at each time: it is what keeps two records apart.
            let end = at + line.len() - 1;
            for place in places(at..end).chain([end]) {
                let mut flipped = bytes.clone();
                flipped[place] ^= 1 << (place % 7);
                let found = log.with(&path, &flipped);
                let named = about.contains(&found.seq);
                assert!(named, "byte {place} of {about:?}: {found:?}");
            }
            at += line.len();
        }
    }
    assert_eq!(log.found(), None);
}

#[test]
fn every_byte_of_a_checkpoint_that_is_flipped_is_found() {
    let log = Written::new(12);
    for path in log.files() {
        if log.segments().contains(&path) {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        // Of the last one a missing end of a line may as well be what a host that died left.
        for place in places(0..bytes.len()).filter(|place| bytes[*place] != b'\n') {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            let found = log.with(&path, &flipped);
            assert_eq!(found.damage, Damage::Unsigned, "byte {place}: {found:?}");
        }
        for (place, _) in text.match_indices('\n').take(5) {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            let found = log.with(&path, &flipped);
            assert_eq!(found.damage, Damage::Unsigned, "byte {place}: {found:?}");
        }
    }
}

#[test]
fn a_record_that_was_taken_out_is_named() {
    let log = Written::new(24);
    for path in log.segments() {
        let whole = lines(&fs::read(&path).unwrap());
        for place in 0..whole.len() {
            let mut less = whole.clone();
            let (_, about) = less.remove(place);
            let found = log.with(&path, &joined(&less));
            assert!(about.contains(&found.seq), "{about:?}: {found:?}");
        }
        let away = log.folder.path().join("away");
        fs::rename(&path, &away).unwrap();
        let found = log.found().unwrap();
        fs::rename(&away, &path).unwrap();
        assert_eq!(found.seq, *whole[0].1.start(), "{found:?}");
    }
}

#[test]
fn records_that_changed_places_are_named() {
    let log = Written::new(24);
    for path in log.segments() {
        let whole = lines(&fs::read(&path).unwrap());
        let records: Vec<_> = (0..whole.len())
            .filter(|place| whole[*place].0.starts_with(b"{"))
            .collect();
        for (place, one) in records.iter().enumerate() {
            for other in records[place + 1..].iter().step_by(3) {
                let mut swapped = whole.clone();
                swapped.swap(*one, *other);
                let found = log.with(&path, &joined(&swapped));
                assert_eq!(found.seq, *whole[*one].1.start(), "{found:?}");
            }
        }
    }
}

#[test]
fn a_record_that_stands_twice_is_named() {
    let log = Written::new(12);
    let path = &log.segments()[0];
    let whole = lines(&fs::read(path).unwrap());
    let record = |place: &usize| whole[*place].0.starts_with(b"{");
    for place in (1..whole.len() - 1).filter(record) {
        let mut more = whole.clone();
        more.insert(place + 2, whole[place].clone());
        let found = log.with(path, &joined(&more));
        let about = &whole[place].1;
        assert!(about.contains(&found.seq), "{about:?}: {found:?}");
    }
}

#[test]
fn an_end_that_was_cut_off_is_found_by_the_checkpoints() {
    let log = Written::new(14);
    for path in log.segments() {
        let bytes = fs::read(&path).unwrap();
        let mut at = 0;
        for (line, about) in lines(&bytes) {
            for place in places(at..at + line.len()) {
                let found = log.with(&path, &bytes[..place]);
                assert_eq!(found.seq, *about.start(), "byte {place}: {found:?}");
            }
            at += line.len();
        }
    }
}

/// Writes a segment anew from this record on, as somebody does who has no key.
fn rewritten(bytes: &[u8], from: u64) -> Vec<u8> {
    let whole = lines(bytes);
    let mut chain: Option<Chain> = None;
    let mut written = Vec::new();
    for (header, about) in whole.iter().filter(|(line, _)| line.starts_with(b"= ")) {
        assert!(FrameHead::read(header).is_some());
        let records = whole.iter().filter(|(line, _)| line.starts_with(b"{"));
        let records = records.filter(|(_, one)| about.contains(one.start()));
        let mut frame: Option<Frame> = None;
        for (line, _) in records {
            let line = line.strip_suffix(b"\n").unwrap();
            let head = head(line).unwrap();
            let start = chain.unwrap_or_else(|| Chain {
                next: head.seq,
                head: data_encoding::HEXLOWER
                    .decode(head.prev)
                    .unwrap()
                    .try_into()
                    .unwrap(),
            });
            let after = frame.get_or_insert_with(|| Frame::after(start));
            let text = String::from_utf8(line.to_vec()).unwrap();
            let body = text.split_once("\",").map_or("}", |(_, rest)| rest);
            let lie = match head.seq == from {
                true => "\"lie\":1,",
                false => "",
            };
            after.add(WallTime(head.ts), &format!("{{{lie}{body}"));
        }
        let (bytes, after) = frame.unwrap().finish();
        chain = Some(after);
        written.extend(bytes);
    }
    written
}

#[test]
fn a_file_that_was_written_anew_is_not_what_was_signed() {
    let log = Written::new(24);
    let last = log.last();
    for path in log.segments() {
        let bytes = fs::read(&path).unwrap();
        assert_eq!(
            rewritten(&bytes, u64::MAX),
            bytes,
            "without a lie it is the same"
        );
        for (line, about) in lines(&bytes) {
            if line.starts_with(b"{") {
                let seq = *about.start();
                let found = log.with(&path, &rewritten(&bytes, seq));
                assert!(found.seq <= seq && found.seq + 12 > seq, "{seq}: {found:?}");
                assert!(
                    found.damage == Damage::Rewritten || seq == last,
                    "{found:?}"
                );
            }
        }
    }
}

#[test]
fn who_takes_away_the_end_with_its_checkpoints_is_found_by_the_copy_alone() {
    let log = Written::new(40);
    let segments = log.segments();
    let gone = segments.last().unwrap();
    let bytes = fs::read(gone).unwrap();
    let first = *lines(&bytes)[1].1.start();
    fs::remove_file(gone).unwrap();
    for path in log.files() {
        let text = fs::read_to_string(&path).unwrap();
        if path.to_string_lossy().contains("checkpoints-")
            && !text.contains(&format!("\n{first}\n"))
        {
            let kept: String = whole_notes(&text)
                .filter(|(count, _)| *count <= first)
                .map(|(_, note)| note)
                .collect();
            match kept.is_empty() {
                true => fs::remove_file(&path).unwrap(),
                false => fs::write(&path, kept).unwrap(),
            }
        }
    }
    assert_eq!(log.found(), None);
    let found = log.found_with_copy().unwrap();
    assert_eq!((found.damage, found.seq), (Damage::Truncated, first));
    // The host does not go on after an end that is not its own.
    let copied = super::super::copy::last(&log.copy, &public()).unwrap();
    let refused = recover(Private::open(&log.audit()).unwrap(), key(), LIMITS, copied);
    assert!(matches!(refused, Err(AuditError::Damaged(_))));
}

/// The checkpoints of a file, each with how many records it speaks of.
fn whole_notes(text: &str) -> impl Iterator<Item = (u64, String)> {
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let notes: Vec<_> = lines
        .chunks(6)
        .map(|note| (note[1].trim().parse().unwrap(), note.concat()))
        .collect();
    notes.into_iter()
}

#[test]
fn who_says_unsigned_that_all_before_was_given_up_is_not_believed() {
    let log = Written::new(24);
    let next = log.last() + 1;
    let last = log.segments().pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    let (line, _) = lines(&bytes).pop().unwrap();
    let after = Chain {
        next,
        head: hash(line.strip_suffix(b"\n").unwrap()),
    };
    let mut frame = Frame::after(after);
    let opening = format!(
        "{{\"kind\":\"segment\",\"format\":1,\"host\":\"{}\",\"because\":\"size\",\"kept_from\":{next}}}",
        public().host()
    );
    frame.add(WallTime(1), &opening);
    let name = super::super::format::segment_name(next);
    fs::write(log.audit().join(name), frame.finish().0).unwrap();
    assert_eq!(log.found(), None, "one more segment is one more");
    for path in log.files() {
        if !path
            .to_string_lossy()
            .contains(&format!("segment-{next:020}"))
        {
            fs::remove_file(path).unwrap();
        }
    }
    for found in [log.found(), log.found_with_copy()] {
        assert_eq!(found.unwrap().seq, 0);
    }
}

#[test]
fn a_log_that_is_damaged_is_not_gone_on_with_and_stays_as_it_is() {
    let log = Written::new(24);
    let path = log.segments().pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    let whole = lines(&bytes);
    let mut at = 0;
    for (line, about) in &whole {
        let mut flipped = bytes.clone();
        flipped[at + line.len() / 2] ^= 4;
        fs::write(&path, &flipped).unwrap();
        let refused = recover(Private::open(&log.audit()).unwrap(), key(), LIMITS, None);
        let Err(AuditError::Damaged(found)) = refused else {
            panic!("{about:?} was gone on with");
        };
        assert!(about.contains(&found.seq), "{about:?}: {found:?}");
        assert_eq!(fs::read(&path).unwrap(), flipped);
        at += line.len();
    }
    fs::write(&path, &bytes).unwrap();
    drop(open_folder(&log.audit()));
}

#[test]
fn whatever_is_written_over_a_log_is_found() {
    let log = Written::new(12);
    let files = log.segments();
    let any_bytes = prop::collection::vec(any::<u8>(), 1..40);
    let what = (any::<Index>(), any::<Index>(), any_bytes);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let done = runner.run(&what, |(which, at, bytes)| {
        let path = &files[which.index(files.len())];
        let before = fs::read(path).unwrap();
        let mut after = before.clone();
        let start = at.index(after.len());
        for (place, byte) in after[start..].iter_mut().zip(&bytes) {
            *place = *byte;
        }
        prop_assume!(before != after);
        log.with(path, &after);
        Ok(())
    });
    done.unwrap();
}
