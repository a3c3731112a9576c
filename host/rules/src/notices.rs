//! The line of notices: what the operator is to be told, until whoever tells it takes it.
//!
//! Whoever finds something never waits, however slow a receiver is: so many wait in line and no more. The same event about the same thing
//! is told again only after a while, with how often it has happened meanwhile. What finds no place in line, or could not be told, is
//! counted, and the next notice that gets through says how many those were.

use holdfast_call::notice::Event;
use holdfast_call::{Clock, Moment, Notice, Notices, WallTime};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How many notices wait at most: more than a person reads at once.
pub const WAITING_MAX: usize = 64;
/// Of how many things it is known at most that they were told.
const KNOWN_MAX: usize = 4_096;
/// How long a text is at most, in bytes. What is beyond is cut off.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// What is told, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// These events; of others nobody is told.
    pub on: BTreeSet<Event>,
    /// How long the same event about the same thing is not told again.
    pub again: Duration,
}

/// A notice whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What is told.
    pub notice: Notice,
    /// When it happened.
    pub wall: WallTime,
    /// How often the same had happened since it was told last.
    pub repeated: u64,
    /// How many notices before this one nobody was told of.
    pub lost: u64,
}

/// How many notices there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that were told.
    pub told: u64,
    /// Those of which nobody was told.
    pub lost: u64,
}

/// The notices that wait to be told.
pub struct Line {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    more: Notify,
}

#[derive(Default)]
struct State {
    settings: Option<Settings>,
    waiting: VecDeque<Waiting>,
    known: HashMap<(Event, String), Known>,
    /// Those of which nobody was told, and of which no notice has spoken yet.
    unsaid: u64,
    counts: Counts,
}

struct Waiting {
    notice: Notice,
    wall: WallTime,
    repeated: u64,
}

/// Something that was put in line.
struct Known {
    /// Until then it is not told again.
    until: Moment,
    repeated: u64,
}

impl Line {
    /// One in which nothing waits, and in which nothing is taken before it is said what is told.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::default(),
            more: Notify::new(),
        })
    }

    /// From now on this is told; without settings, nothing.
    pub fn put(&self, settings: Option<Settings>) {
        let mut state = self.state();
        match &settings {
            None => state.waiting.clear(),
            Some(Settings { on, .. }) => state
                .waiting
                .retain(|waiting| on.contains(&waiting.notice.event)),
        }
        state.settings = settings;
    }

    /// The next one, when there is one. Whoever takes it says what came of it.
    pub async fn next(&self) -> Due {
        loop {
            if let Some(due) = self.state().next() {
                return due;
            }
            self.more.notified().await;
        }
    }

    /// It was told.
    pub fn told(&self) {
        self.state().counts.told += 1;
    }

    /// It could not be told: when the same happens once more, that is told at once.
    pub fn not_told(&self, due: Due) {
        let mut state = self.state();
        state.known.remove(&(due.notice.event, due.notice.about));
        state.counts.lost += 1;
        state.unsaid = state.unsaid.saturating_add(due.lost).saturating_add(1);
    }

    /// How many there were.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each step leaves a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notices for Line {
    fn tell(&self, notice: Notice) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        self.state().take(notice, wall, now);
        self.more.notify_one();
    }
}

impl State {
    fn take(&mut self, mut notice: Notice, wall: WallTime, now: Moment) {
        let Some(settings) = &self.settings else {
            return;
        };
        if !settings.on.contains(&notice.event) {
            return;
        }
        cut(&mut notice.text);
        cut(&mut notice.about);
        let until = now.after(settings.again);
        let key = (notice.event, notice.about.clone());
        if let Some(known) = self.known.get_mut(&key)
            && known.until > now
        {
            known.repeated += 1;
            return;
        }
        if self.known.len() >= KNOWN_MAX {
            self.known
                .retain(|other, known| known.until > now || *other == key);
        }
        let known = self.known.contains_key(&key) || self.known.len() < KNOWN_MAX;
        if self.waiting.len() >= WAITING_MAX || !known {
            self.counts.lost += 1;
            self.unsaid = self.unsaid.saturating_add(1);
            return;
        }
        let before = self.known.insert(key, Known { until, repeated: 0 });
        self.waiting.push_back(Waiting {
            notice,
            wall,
            repeated: before.map_or(0, |known| known.repeated),
        });
    }

    fn next(&mut self) -> Option<Due> {
        let Waiting {
            notice,
            wall,
            repeated,
        } = self.waiting.pop_front()?;
        Some(Due {
            notice,
            wall,
            repeated,
            lost: std::mem::take(&mut self.unsaid),
        })
    }
}

fn cut(text: &mut String) {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, done, poll};
    use holdfast_call::BoxFuture;

    fn line(bench: &Bench, on: &[Event]) -> Arc<Line> {
        let line = Line::new(bench.parts.sources.clock.clone());
        line.put(Some(Settings {
            on: on.iter().copied().collect(),
            again: Duration::from_secs(3_600),
        }));
        line
    }

    fn notice(event: Event, about: &str) -> Notice {
        Notice {
            event,
            about: about.to_owned(),
            text: format!("something is to be done about {about}"),
        }
    }

    /// What waits, taken out.
    fn all(line: &Line) -> Vec<Due> {
        std::iter::from_fn(|| line.state().next()).collect()
    }

    #[test]
    fn the_same_is_told_once_in_a_while_and_then_says_how_often_it_was() {
        let bench = Bench::new();
        let line = line(&bench, &Event::ALL);
        for _ in 0..5 {
            line.tell(notice(Event::Quarantine, "service:a"));
        }
        line.tell(notice(Event::Quarantine, "service:b"));
        line.tell(notice(Event::PutBack, "service:a"));
        let told: Vec<_> = all(&line).into_iter().map(|due| due.notice.about).collect();
        assert_eq!(told, ["service:a", "service:b", "service:a"]);
        bench.clock.advance(Duration::from_secs(3_599));
        line.tell(notice(Event::Quarantine, "service:a"));
        assert_eq!(all(&line), []);
        bench.clock.advance(Duration::from_secs(1));
        line.tell(notice(Event::Quarantine, "service:a"));
        let due = all(&line);
        assert_eq!((due.len(), due[0].repeated), (1, 5));
    }

    #[test]
    fn what_finds_no_place_is_counted_and_the_next_one_says_it() {
        let bench = Bench::new();
        let line = line(&bench, &Event::ALL);
        for number in 0..WAITING_MAX + 36 {
            line.tell(notice(Event::Indeterminate, &format!("call:{number}")));
        }
        let due = all(&line);
        assert_eq!(due.len(), WAITING_MAX);
        assert_eq!((due[0].lost, due[1].lost), (36, 0));
        assert_eq!(line.counts().lost, 36);
        // Of what found no place nobody knows that it was told.
        line.tell(notice(Event::Indeterminate, "call:99"));
        assert_eq!(all(&line).len(), 1);
    }

    #[test]
    fn what_could_not_be_told_is_told_when_it_happens_again() {
        let bench = Bench::new();
        let line = line(&bench, &Event::ALL);
        line.tell(notice(Event::DiskLow, "disk"));
        line.not_told(all(&line).remove(0));
        line.tell(notice(Event::DiskLow, "disk"));
        let due = all(&line);
        assert_eq!((due.len(), due[0].lost), (1, 1));
        line.told();
        assert_eq!(line.counts(), Counts { told: 1, lost: 1 });
    }

    #[test]
    fn things_without_end_take_no_memory_without_end() {
        let bench = Bench::new();
        let line = line(&bench, &Event::ALL);
        let mut told = 0;
        for number in 0..KNOWN_MAX * 2 {
            line.tell(notice(Event::Indeterminate, &format!("call:{number}")));
            told += all(&line).len();
        }
        assert_eq!((told, line.state().known.len()), (KNOWN_MAX, KNOWN_MAX));
        bench.clock.advance(Duration::from_secs(3_600));
        line.tell(notice(Event::Indeterminate, "call:new"));
        assert_eq!(line.state().known.len(), 1);
    }

    #[test]
    fn nothing_is_told_that_nobody_asked_for_and_no_text_is_longer_than_its_limit() {
        let bench = Bench::new();
        let line = line(&bench, &[Event::DiskLow]);
        line.tell(notice(Event::Quarantine, "service:a"));
        assert_eq!(all(&line), []);
        let long = Notice {
            text: "ä".repeat(TEXT_BYTES_MAX),
            ..notice(Event::DiskLow, "disk")
        };
        line.tell(long);
        assert!(line.state().waiting[0].notice.text.len() <= TEXT_BYTES_MAX);
        line.put(None);
        assert_eq!(all(&line), []);
        line.tell(notice(Event::DiskLow, "other"));
        assert_eq!(all(&line), []);
    }

    #[test]
    fn whoever_waits_for_the_next_one_is_woken() {
        let bench = Bench::new();
        let line = line(&bench, &Event::ALL);
        let mut next: BoxFuture<'_, Due> = Box::pin(line.next());
        assert!(poll(&mut next).is_pending());
        line.tell(notice(Event::DiskLow, "disk"));
        assert_eq!(done(&mut next).notice.event, Event::DiskLow);
    }
}
