//! The machine's clocks: whether the one on the wall is believable, and whether it goes as fast as the one that measures.

use super::{Boundary, Finding, State};
use holdfast_call::{Clock as _, WallTime};
use holdfast_rules::clock::HostClock;
use std::time::Duration;

const HERE: Boundary = Boundary::Platform;
/// The first of January 2025: no copy of this program is older.
const EARLIEST_MILLIS: u64 = 1_735_689_600_000;
/// The first of January 2100.
const LATEST_MILLIS: u64 = 4_102_444_800_000;
/// How long both clocks are watched.
const WATCHED: Duration = Duration::from_millis(50);
/// How far they may part in that time; a scheduler that was busy between two readings parts them a little.
const APART: Duration = Duration::from_millis(25);

/// Reads both clocks twice.
pub(super) fn probe(findings: &mut Vec<Finding>) {
    let clock = HostClock::start();
    let (wall, begin) = (clock.wall(), clock.now());
    findings.push(believable(wall));
    std::thread::sleep(WATCHED);
    let went = clock.now().since(begin);
    let micros = clock.wall().0.checked_sub(wall.0);
    findings.push(together(went, micros.map(Duration::from_micros)));
}

/// Judges the time on the wall.
#[must_use]
pub fn believable(wall: WallTime) -> Finding {
    let millis = wall.millis();
    if (EARLIEST_MILLIS..LATEST_MILLIS).contains(&millis) {
        let text = format!(
            "the wall clock is believable: {} s since 1970",
            millis / 1_000
        );
        return Finding::new(HERE, "clock", State::Ok, text);
    }
    let text = format!(
        "the wall clock says {} s since 1970, which is not now",
        millis / 1_000
    );
    Finding::new(HERE, "clock", State::Fail, text)
        .next("set the machine's clock (NTP): certificates and logs depend on it")
}

/// Judges how far the wall clock went (`None`: backwards) while the other went `went`.
#[must_use]
pub fn together(went: Duration, wall: Option<Duration>) -> Finding {
    if wall.is_some_and(|wall| wall.abs_diff(went) <= APART) {
        return Finding::new(HERE, "clock", State::Ok, "both clocks go at one pace");
    }
    let said = wall.map_or("backwards".to_owned(), |wall| {
        format!("{} ms", wall.as_millis())
    });
    let text = format!("in {} ms the wall clock went {said}", went.as_millis());
    Finding::new(HERE, "clock", State::Warn, text)
        .next("see what sets the clock: it should be slewed, not stepped")
}
