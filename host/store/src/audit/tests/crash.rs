//! Whatever fails and whenever the power does: what was acknowledged is there, and the log is whole.

use super::super::format::segment_name;
use super::super::verify::check;
use super::disk::{Fate, Lossy};
use super::*;
use proptest::prelude::*;
use rustix::io::Errno;

/// What happens to a log.
#[derive(Clone, Debug)]
enum Step {
    Commit(usize),
    Checkpoint,
    Fates(Vec<Fate>),
    /// The host dies, the machine does not.
    Kill,
    /// The power fails.
    Crash(u64),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::Well),
        1 => Just(Fate::Refused(Errno::NOSPC)),
        1 => Just(Fate::Half(Errno::NOSPC)),
        1 => Just(Fate::Half(Errno::IO)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..6_usize).prop_map(Step::Commit),
        3 => Just(Step::Checkpoint),
        2 => prop::collection::vec(fate(), 1..5).prop_map(Step::Fates),
        1 => Just(Step::Kill),
        1 => any::<u64>().prop_map(Step::Crash),
    ]
}

struct Run {
    disk: Lossy,
    log: Log<Lossy>,
    limits: Limits,
    acknowledged: BTreeMap<u64, String>,
    number: usize,
}

impl Run {
    fn new(limits: Limits) -> Self {
        let disk = Lossy::default();
        let log = open(disk.clone(), limits).unwrap().0;
        let mut this = Self {
            disk,
            log,
            limits,
            acknowledged: BTreeMap::new(),
            number: 0,
        };
        this.commit(1);
        checkpoint(&mut this.log).unwrap();
        this
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Commit(count) => self.commit(*count),
            Step::Checkpoint => drop(checkpoint(&mut self.log)),
            Step::Fates(fates) => self.disk.fates(fates.iter().copied()),
            Step::Kill => self.disk.fates([]),
            Step::Crash(seed) => {
                let mut state = *seed | 1;
                self.disk.crash(|below| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    usize::try_from(state >> 33).unwrap() % below
                });
            }
        }
        if matches!(step, Step::Kill | Step::Crash(_)) {
            self.log = open(self.disk.clone(), self.limits).unwrap().0;
            self.holds();
        }
    }

    fn commit(&mut self, count: usize) {
        let names: Vec<_> = (0..count)
            .map(|place| format!("{}", self.number + place))
            .collect();
        self.number += count;
        if let Ok(first) = commit(&mut self.log, &names) {
            self.acknowledged.extend((first..).zip(names));
        }
    }

    fn holds(&self) {
        let found = names(&self.disk);
        let report = check(&self.disk, &public(), None).unwrap();
        assert_eq!(report.found, None);
        for (seq, name) in self.acknowledged.range(report.first..) {
            assert_eq!(found.get(seq), Some(name), "record {seq}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_is_there_whatever_happens(
        steps in prop::collection::vec(step(), 1..60),
        tight in any::<bool>(),
    ) {
        let budget_bytes = if tight { 9_000 } else { LIMITS.budget_bytes };
        let mut run = Run::new(Limits { budget_bytes, ..LIMITS });
        for step in &steps {
            run.step(step);
        }
        run.step(&Step::Kill);
    }
}

#[test]
fn a_group_that_failed_is_not_in_the_log_and_the_next_segment_says_so() {
    for fates in [
        vec![Fate::Refused(Errno::NOSPC), Fate::Well],
        vec![Fate::Half(Errno::NOSPC), Fate::Refused(Errno::NOSPC)],
        vec![Fate::Well, Fate::Half(Errno::IO), Fate::Refused(Errno::IO)],
    ] {
        let mut run = Run::new(LIMITS);
        run.commit(2);
        run.disk.fates(fates.clone());
        assert!(commit(&mut run.log, &["lost".to_owned()]).is_err());
        let segments = |run: &Run| run.log.segments.len();
        assert_eq!(segments(&run), 1, "nothing else was tried");
        run.commit(1);
        run.holds();
        assert!(!names(&run.disk).values().any(|name| name == "lost"));
        assert_eq!(segments(&run), 2, "{fates:?}");
        let name = segment_name(run.log.segments[1].first);
        let begins = super::super::opening::beginning(&run.disk, &name);
        let said = format!("{:?}", begins.unwrap().unwrap().opening);
        assert!(said.contains("Failure") && said.contains("Void"), "{said}");
    }
}

#[test]
fn a_disk_that_is_full_refuses_each_and_goes_on_by_itself() {
    let mut run = Run::new(LIMITS);
    run.commit(1);
    run.disk.fates([Fate::Refused(Errno::NOSPC); 20]);
    for _ in 0..5 {
        let refused = commit(&mut run.log, &["lost".to_owned()]);
        assert_eq!(refused, Err(AuditError::Full));
    }
    run.disk.fates([]);
    run.commit(1);
    run.holds();
    let acknowledged: Vec<_> = run.acknowledged.keys().copied().collect();
    assert_eq!(acknowledged, [1, 2, 4]);
}

#[test]
fn segments_end_with_their_size_and_with_the_day() {
    let mut run = Run::new(LIMITS);
    for _ in 0..40 {
        run.commit(3);
    }
    let names = run.disk.list().unwrap();
    assert!(names.len() > 4, "{names:?}");
    let segments = run.log.segments.len();
    let tomorrow = WallTime(2_000 + 24 * 60 * 60 * 1_000_000);
    run.log.commit(&[&pending("late")], tomorrow).unwrap();
    assert_eq!(run.log.segments.len(), segments + 1);
    run.holds();
}

#[test]
fn the_oldest_segments_go_when_the_budget_is_used_up_and_it_is_told() {
    let limits = Limits {
        budget_bytes: 9_000,
        ..LIMITS
    };
    let mut run = Run::new(limits);
    for _ in 0..200 {
        run.commit(3);
        checkpoint(&mut run.log).unwrap();
        let entries = run.disk.list().unwrap();
        let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        assert!(bytes <= limits.budget_bytes + 1_000, "{entries:?}");
    }
    run.holds();
    let report = check(&run.disk, &public(), None).unwrap();
    assert!(report.first > 500, "{report:?}");
    assert_eq!(report.signed, run.log.chain.last());
}

#[test]
fn what_is_older_than_it_is_to_be_goes_and_a_clock_that_leaps_takes_nothing_with_it() {
    const DAY: u64 = 86_400_000_000;
    let limits = Limits {
        keep_days: 10,
        ..LIMITS
    };
    let (mut log, _) = open(Lossy::default(), limits).unwrap();
    let mut day = |day: u64| {
        let now = WallTime(day * DAY + 1);
        let one = Pending {
            at: now,
            body: format!("{{\"day\":{day}}}"),
        };
        log.commit(&[&one], now).unwrap();
        log.checkpoint(now).unwrap();
        let report = check(&log.disk, &public(), None).unwrap();
        assert!(report.found.is_none(), "{report:?}");
        log.segments.len()
    };
    let kept: Vec<_> = (0..30).map(&mut day).collect();
    assert_eq!(kept[..12], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    // The segment that is written, and the ten days before the one that ended.
    assert!(kept[12..].iter().all(|kept| *kept == 12), "{kept:?}");
    // A clock that is a hundred years ahead for a moment.
    assert_eq!([day(36_530), day(31), day(32)], [12, 11, 12]);
}

#[test]
fn an_end_that_was_torn_is_cut_off_and_one_that_was_signed_is_not() {
    let mut run = Run::new(LIMITS);
    run.commit(2);
    let (bytes, _) = {
        let mut frame = super::super::format::Frame::after(run.log.chain);
        frame.add(WallTime(1), "{\"name\":\"torn\"}");
        frame.finish()
    };
    let mut file = run.disk.open(&segment_name(0)).unwrap();
    super::super::disk::Grow::append(&mut file, &bytes[..bytes.len() - 1]).unwrap();
    let unfinished = check(&run.disk, &public(), None).unwrap();
    assert!(unfinished.unfinished.is_some() && unfinished.found.is_none());
    let (log, cut) = open(run.disk.clone(), LIMITS).unwrap();
    assert_eq!(cut.unwrap().bytes, bytes.len() as u64 - 1);
    assert_eq!(log.chain, run.log.chain);
    let later = Checkpoint::sign(&key(), 7, [1; 32], WallTime(1));
    let refused = recover(run.disk.clone(), key(), LIMITS, Some(later)).err();
    let said = refused.unwrap().to_string();
    assert!(said.contains("ends before record 4"), "{said}");
}
