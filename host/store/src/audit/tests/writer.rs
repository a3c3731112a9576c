//! The thread that writes: groups, places, what is held when the disk fails, and the directory of a real log.

use super::super::disk::Folder;
use super::super::format::RECORD_BYTES_MAX;
use super::super::{Audit, Event, PUT_MAX, SOON_MAX, Setup, directory, verify};
use super::disk::{Fate, Lossy};
use super::*;
use holdfast_call::{BoxFuture, Clock, Moment};
use rustix::io::Errno;
use serde::Serialize;
use std::future::Future as _;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

/// A clock that goes on a little whenever somebody looks at it.
#[derive(Default)]
pub(super) struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Moment {
        Moment::START.after(Duration::from_millis(self.0.fetch_add(1, Relaxed)))
    }

    fn wall(&self) -> WallTime {
        WallTime(self.0.fetch_add(1, Relaxed))
    }

    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[derive(Serialize)]
pub(super) struct Named<'a> {
    name: &'a str,
}

pub(super) fn record(name: &str) -> Named<'_> {
    Named { name }
}

type Events = Arc<Mutex<Vec<Event>>>;

fn setup(data: &Path, copy: Option<&Path>) -> (Setup, Events) {
    let events = Events::default();
    let told = Arc::clone(&events);
    let setup = Setup {
        data: data.to_owned(),
        copy: copy.map(Path::to_owned),
        budget_bytes: u64::MAX,
        keep_days: u64::MAX,
        clock: Arc::new(Ticking::default()),
        tell: Arc::new(move |event| told.lock().unwrap().push(event)),
    };
    (setup, events)
}

/// A log on a disk that can fail.
fn lossy() -> (Audit, Lossy, Events) {
    let disk = Lossy::default();
    let (setup, events) = setup(Path::new("nowhere"), None);
    let audit = Audit::start(disk.clone(), key(), LIMITS, setup).unwrap();
    (audit, disk, events)
}

async fn all(audit: &Audit, count: usize) -> Vec<Result<u64, AuditError>> {
    let one = |number: usize| {
        let audit = audit.clone();
        tokio::spawn(async move { audit.durable(&record(&number.to_string())).await })
    };
    let tasks: Vec<_> = (0..count).map(one).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test]
async fn those_who_wait_together_are_written_together() {
    let (audit, disk, _) = lossy();
    disk.hold(true);
    audit.soon(&record("first")).await.unwrap();
    let free = async {
        // By then everybody has been asked once, and stands in the line.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        disk.hold(false);
    };
    let (results, ()) = tokio::join!(all(&audit, 500), free);
    let mut numbers: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 500);
    let (records, groups) = audit.written();
    assert_eq!(records, 501);
    assert!(groups <= 4, "{groups} groups");
    let found = names(&disk);
    assert!(numbers.iter().all(|seq| found.contains_key(seq)));
}

#[tokio::test]
async fn a_disk_that_fails_refuses_those_who_wait_and_holds_the_others_until_it_is_well() {
    let (audit, disk, events) = lossy();
    audit.durable(&record("before")).await.unwrap();
    disk.fates([Fate::Refused(Errno::NOSPC); 10_000]);
    for _ in 0..3 {
        let refused = audit.durable(&record("lost")).await;
        assert_eq!(refused, Err(AuditError::Full));
        audit.soon(&record("held")).await.unwrap();
    }
    assert_eq!(audit.going(), Err(AuditError::Full));
    disk.fates([]);
    audit.durable(&record("after")).await.unwrap();
    audit.close();
    let found: Vec<_> = names(&disk).into_values().collect();
    assert_eq!(found.iter().filter(|name| *name == "held").count(), 3);
    assert!(!found.contains(&"lost".to_owned()), "{found:?}");
    assert!(found.contains(&"after".to_owned()), "{found:?}");
    let events = events.lock().unwrap();
    let told = |one: &Event| events.iter().filter(|event| *event == one).count();
    assert_eq!(told(&Event::Failing(AuditError::Full)), 1, "{events:?}");
    assert_eq!(told(&Event::Recovered), 1, "{events:?}");
}

#[tokio::test]
async fn who_only_hands_over_waits_while_too_many_do_and_is_refused_when_the_disk_fails() {
    let (audit, disk, _) = lossy();
    audit.durable(&record("before")).await.unwrap();
    disk.hold(true);
    for number in 0..SOON_MAX {
        audit.soon(&record(&number.to_string())).await.unwrap();
    }
    let one = record("one more");
    let mut more = pin!(audit.soon(&one));
    let mut context = Context::from_waker(Waker::noop());
    assert!(more.as_mut().poll(&mut context).is_pending());
    disk.hold(false);
    more.await.unwrap();
    audit.durable(&record("after")).await.unwrap();
    assert_eq!(names(&disk).len(), SOON_MAX + 3, "none was left out");
    // Full of what is held: nobody waits for a disk that fails.
    disk.fates([Fate::Refused(Errno::IO); 100_000]);
    let refused = audit.durable(&record("lost")).await;
    assert!(matches!(refused, Err(AuditError::Failing(_))));
    let mut held = 0;
    let refused = loop {
        match audit.soon(&record("held")).await {
            Ok(()) => held += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AuditError::Failing(_)));
    assert_eq!(held, SOON_MAX);
    disk.fates([]);
    audit.close();
    let written = names(&disk).into_values();
    assert_eq!(written.filter(|name| name == "held").count(), SOON_MAX);
}

#[tokio::test]
async fn a_log_that_is_closed_is_signed_to_its_end_and_goes_on_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    for round in 1..=3 {
        let (setup, events) = setup(&data, Some(&copy));
        let audit = Audit::open(setup, || [9; 32]).unwrap();
        for _ in 0..300 {
            audit.soon(&record("soon")).await.unwrap();
        }
        audit.durable(&record("durable")).await.unwrap();
        audit.close();
        let refused = audit.durable(&record("late")).await;
        assert_eq!(refused, Err(AuditError::Closed));
        assert_eq!(audit.soon(&record("late")).await, Err(AuditError::Closed));
        assert_eq!(events.lock().unwrap().as_slice(), []);
        let key = audit.public().unwrap();
        assert_eq!(PublicKey::of_data(&data).unwrap(), key);
        let report = verify(&directory(&data), &key, Some(&copy)).unwrap();
        assert_eq!(report.found, None);
        assert_eq!(report.records, round * 301 + 1);
        assert_eq!(report.signed, Some(report.records - 1));
        let last = super::super::copy::last(&copy, &key).unwrap().unwrap();
        assert_eq!(last.seq, report.records - 1);
    }
}

#[tokio::test]
async fn a_record_that_is_too_long_or_none_is_refused() {
    let (audit, disk, _) = lossy();
    let long = "x".repeat(RECORD_BYTES_MAX);
    let refused = audit.durable(&record(&long)).await;
    assert!(matches!(refused, Err(AuditError::TooLong(_))));
    assert!(matches!(audit.soon(&7).await, Err(AuditError::NoRecord(_))));
    audit.durable(&record("a \"quoted\"\nname")).await.unwrap();
    let found: Vec<_> = names(&disk).into_values().collect();
    assert_eq!(found, ["a \"quoted\"\nname"]);
}

#[tokio::test]
async fn a_copy_that_cannot_be_written_is_told_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (setup, events) = setup(&data, Some(&folder.path().join("no/such/folder")));
    let audit = Audit::open(setup, || [9; 32]).unwrap();
    audit.durable(&record("one")).await.unwrap();
    audit.close();
    let events = events.lock().unwrap();
    assert!(
        matches!(events.as_slice(), [Event::NotCopying(_)]),
        "{events:?}"
    );
    let key = audit.public().unwrap();
    assert_eq!(verify(&directory(&data), &key, None).unwrap().found, None);
}

#[tokio::test]
async fn a_segment_that_was_taken_away_is_noticed_before_anything_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (setup, _) = setup(folder.path(), None);
    let audit = Audit::open(setup, || [9; 32]).unwrap();
    audit.durable(&record("one")).await.unwrap();
    let first = directory(folder.path()).join(super::super::format::segment_name(0));
    std::fs::remove_file(&first).unwrap();
    let refused = audit.durable(&record("lost")).await;
    assert!(matches!(refused, Err(AuditError::Gone(_))), "{refused:?}");
    audit.durable(&record("two")).await.unwrap();
    let found: Vec<_> = names(&Folder(&directory(folder.path())))
        .into_values()
        .collect();
    assert_eq!(found, ["two"]);
    let key = audit.public().unwrap();
    let report = verify(&directory(folder.path()), &key, None).unwrap();
    assert_eq!(report.found.unwrap().seq, 0, "what was in it is missing");
}

#[tokio::test]
async fn one_that_refuses_says_why_to_everybody() {
    let audit = Audit::refusing(AuditError::Full);
    assert_eq!(audit.durable(&record("x")).await, Err(AuditError::Full));
    assert_eq!(audit.soon(&record("x")).await, Err(AuditError::Full));
    assert_eq!(audit.going(), Err(AuditError::Full));
    audit.close();
}

#[tokio::test]
async fn what_nothing_can_wait_for_has_a_limit_and_what_is_beyond_it_is_counted_on_record() {
    let (audit, disk, _) = lossy();
    disk.fates([Fate::Refused(Errno::NOSPC); 100_000]);
    for _ in 0..PUT_MAX {
        audit.put(&record("end")).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(audit.put(&record("beyond")), Err(AuditError::Crowded));
    }
    disk.fates([]);
    // What was being written when the disk had no room yet is refused with its group.
    while audit.durable(&record("after")).await.is_err() {
        tokio::task::yield_now().await;
    }
    while audit.put(&record("last")).is_err() {
        tokio::task::yield_now().await;
    }
    audit.close();
    let mut lost = 0;
    let each = |line: &super::super::read::Line<'_>| {
        let value: serde_json::Value = serde_json::from_str(line.text).unwrap();
        if value["kind"] == "lost" {
            lost += value["records"].as_u64().unwrap();
        }
        ControlFlow::Continue(())
    };
    read_from(&disk, Since::Beginning, each).unwrap();
    assert!(lost >= 3, "{lost}");
    let names = names(&disk);
    let ends = names.values().filter(|name| *name == "end").count();
    assert_eq!(ends, PUT_MAX);
    assert!(!names.values().any(|name| name == "beyond"));
}
