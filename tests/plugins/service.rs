//! The machine of one service, step by step, without a file and without a clock.

use holdfast_call::{Moment, WallTime};
use holdfast_server::plugins::Share;
use holdfast_server::plugins::directory::{FileStamp, Stamp};
use holdfast_server::plugins::service::{Again, Doing, Effect, Event, LATER, Service};
use std::time::Duration;

const WALL: WallTime = WallTime(1_000_000_000);

fn at(millis: u64) -> Moment {
    Moment::START.after(Duration::from_millis(millis))
}

/// Files of `bytes` bytes, changed just now.
fn fresh(bytes: u64) -> Stamp {
    let component = FileStamp {
        bytes,
        changed: i128::from(WALL.0) * 1_000,
        inode: 1,
    };
    Stamp {
        component,
        manifest: None,
        documents: None,
    }
}

fn old(bytes: u64) -> Stamp {
    let mut stamp = fresh(bytes);
    stamp.component.changed = 0;
    stamp
}

fn failed(again: Again) -> Event {
    Event::Failed {
        error: "no".to_owned(),
        again,
    }
}

fn loaded() -> Event {
    Event::Loaded {
        digest: "d1".into(),
    }
}

/// A service that serves the old files of one byte.
fn serving() -> Service {
    let mut service = Service::default();
    assert_eq!(
        service.step(Event::Seen(old(1)), at(0), WALL),
        Effect::Load(old(1))
    );
    assert_eq!(service.doing(), Doing::Loading);
    service.step(loaded(), at(1), WALL);
    assert_eq!(service.doing(), Doing::Serving);
    service
}

#[test]
fn files_are_loaded_once_they_have_been_still_for_the_quiet_time() {
    let mut service = Service::default();
    assert_eq!(
        service.step(Event::Seen(fresh(1)), at(0), WALL),
        Effect::LookAgain
    );
    assert_eq!(
        service.step(Event::Seen(fresh(2)), at(90), WALL),
        Effect::LookAgain
    );
    assert_eq!(
        service.step(Event::Seen(fresh(2)), at(180), WALL),
        Effect::LookAgain
    );
    assert_eq!(service.doing(), Doing::Waiting);
    assert!(!service.settled());
    assert_eq!(
        service.step(Event::Seen(fresh(2)), at(190), WALL),
        Effect::Load(fresh(2))
    );
    assert_eq!(
        service.step(Event::Seen(fresh(2)), at(300), WALL),
        Effect::Nothing
    );
}

#[test]
fn old_files_are_loaded_at_first_sight() {
    serving();
}

#[test]
fn a_version_that_failed_is_not_tried_again_until_its_files_change() {
    let mut service = serving();
    service.step(Event::Seen(old(2)), at(500), WALL);
    assert_eq!(service.doing(), Doing::Swapping);
    service.step(failed(Again::NewFiles), at(600), WALL);
    assert_eq!(
        service.doing(),
        Doing::Serving,
        "the version before serves on"
    );
    assert_eq!(service.error(), Some("no"));
    assert_eq!(
        service.step(Event::Seen(old(2)), at(9_000), WALL),
        Effect::Nothing
    );
    assert_eq!(
        service.step(Event::Retry(Again::NewPolicy), at(9_001), WALL),
        Effect::Nothing
    );
    assert_eq!(
        service.step(Event::Seen(old(3)), at(9_002), WALL),
        Effect::Load(old(3))
    );
    service.step(loaded(), at(9_003), WALL);
    assert_eq!(service.error(), None);
}

#[test]
fn what_the_policy_or_a_route_stopped_is_tried_again_when_that_changed() {
    let cases = [
        (Again::NewPolicy, Again::NewPolicy, true),
        (Again::NewPolicy, Again::OtherServices, false),
        (Again::OtherServices, Again::OtherServices, true),
        (Again::OtherServices, Again::NewPolicy, true),
        (Again::NewFiles, Again::OtherServices, false),
    ];
    for (stopped, changed, again) in cases {
        let mut service = Service::default();
        service.step(Event::Seen(old(1)), at(0), WALL);
        service.step(failed(stopped), at(1), WALL);
        assert_eq!(service.doing(), Doing::Failed);
        service.step(Event::Retry(changed), at(2), WALL);
        let tried = service.step(Event::Seen(old(1)), at(3), WALL) == Effect::Load(old(1));
        assert_eq!(tried, again, "{stopped:?} {changed:?}");
    }
}

#[test]
fn a_change_while_loading_is_loaded_afterwards() {
    let mut service = Service::default();
    service.step(Event::Seen(old(1)), at(0), WALL);
    assert_eq!(
        service.step(Event::Seen(old(2)), at(10), WALL),
        Effect::Nothing
    );
    assert_eq!(service.step(loaded(), at(20), WALL), Effect::LookAgain);
    assert_eq!(
        service.step(Event::Seen(old(2)), at(30), WALL),
        Effect::Load(old(2))
    );
}

#[test]
fn files_that_changed_under_the_reader_are_read_again() {
    let mut service = Service::default();
    service.step(Event::Seen(old(1)), at(0), WALL);
    assert_eq!(
        service.step(Event::Changed, at(10), WALL),
        Effect::LookAgain
    );
    assert!(matches!(
        service.step(Event::Seen(old(1)), at(20), WALL),
        Effect::Load(_)
    ));
}

#[test]
fn a_file_that_is_away_for_a_moment_is_not_removed() {
    let mut service = serving();
    assert_eq!(
        service.step(Event::Missing, at(100), WALL),
        Effect::LookAgain
    );
    assert_eq!(
        service.step(Event::Seen(old(1)), at(150), WALL),
        Effect::Nothing
    );
    assert_eq!(
        service.step(Event::Missing, at(190), WALL),
        Effect::LookAgain
    );
    assert_eq!(
        service.step(Event::Missing, at(280), WALL),
        Effect::LookAgain
    );
    assert_eq!(service.step(Event::Missing, at(290), WALL), Effect::Remove);
}

#[test]
fn a_removal_waits_for_the_load_that_runs() {
    let mut service = serving();
    service.step(Event::Seen(old(2)), at(100), WALL);
    service.step(Event::Missing, at(200), WALL);
    assert_eq!(service.step(Event::Missing, at(400), WALL), Effect::Nothing);
    assert_eq!(service.step(loaded(), at(500), WALL), Effect::LookAgain);
    assert_eq!(service.step(Event::Missing, at(501), WALL), Effect::Remove);
}

#[test]
fn a_rollback_is_not_undone_by_the_files_that_still_lie_there() {
    let mut service = serving();
    assert_eq!(
        service.step(Event::RollbackAsked, at(10), WALL),
        Effect::RollBack
    );
    assert_eq!(
        service.step(Event::RollbackAsked, at(11), WALL),
        Effect::Nothing
    );
    service.step(loaded(), at(12), WALL);
    assert_eq!(
        service.step(Event::Seen(old(1)), at(2_000), WALL),
        Effect::Nothing
    );
    assert!(matches!(
        service.step(Event::Seen(old(2)), at(4_000), WALL),
        Effect::Load(_)
    ));
}

#[test]
fn what_only_needs_time_is_tried_again_after_a_while() {
    let mut service = serving();
    let stamp = old(2);
    assert_eq!(
        service.step(Event::Seen(stamp), at(100), WALL),
        Effect::Load(stamp)
    );
    service.step(failed(Again::Later), at(200), WALL);
    let later = 200 + u64::try_from(LATER.as_millis()).unwrap();
    assert_eq!(
        service.step(Event::Seen(stamp), at(later - 1), WALL),
        Effect::Nothing
    );
    assert_eq!(
        service.step(Event::Seen(stamp), at(later), WALL),
        Effect::Load(stamp)
    );
    // One at a time.
    assert_eq!(
        service.step(Event::Seen(stamp), at(2 * later), WALL),
        Effect::Nothing
    );
}

#[test]
fn a_canary_is_known_for_as_long_as_it_has_a_share_and_a_wider_one_ends_no_load() {
    let share = |thousandths| Share::of(thousandths).unwrap();
    let beside = || Event::Beside {
        digest: "d2".into(),
        share: share(50),
    };
    let mut service = serving();
    service.step(beside(), at(2), WALL);
    assert_eq!(service.canary(), Some(&("d2".into(), share(50))));
    // Another version is on its way while the share becomes larger.
    assert_eq!(
        service.step(Event::Seen(old(2)), at(500), WALL),
        Effect::Load(old(2))
    );
    service.step(Event::Wider(share(500)), at(501), WALL);
    assert_eq!(service.doing(), Doing::Swapping);
    assert_eq!(service.canary(), Some(&("d2".into(), share(500))));
    // It cannot be loaded, and what it was to replace has no share any more.
    service.step(failed(Again::NewFiles), at(502), WALL);
    assert_eq!(service.canary(), None);
    service.step(Event::Wider(share(500)), at(503), WALL);
    assert_eq!(service.canary(), None);
}

#[test]
fn the_same_version_swapped_in_once_more_has_served_since_it_first_did() {
    let mut service = serving();
    service.step(loaded(), at(9), WallTime(WALL.0 + 1));
    assert_eq!(service.since(), Some(WALL));
    let other = Event::Loaded {
        digest: "d2".into(),
    };
    service.step(other, at(10), WallTime(WALL.0 + 2));
    assert_eq!(service.since(), Some(WallTime(WALL.0 + 2)));
}

#[test]
fn an_operator_may_have_the_same_files_loaded_once_more_but_not_twice_at_once() {
    let mut service = serving();
    let effect = service.step(Event::LoadAsked, at(2), WALL);
    assert_eq!(effect, Effect::Load(old(1)));
    let effect = service.step(Event::LoadAsked, at(3), WALL);
    assert_eq!(effect, Effect::Nothing);
    assert_eq!(
        Service::default().step(Event::LoadAsked, at(0), WALL),
        Effect::Nothing
    );
}
