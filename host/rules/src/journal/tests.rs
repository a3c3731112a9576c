//! A guest that is told the same is the same, wherever its instances are cut off.

use super::book::{Book, Found, Idle};
use holdfast_store::runs::{Came, Entry};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What lasts of an execution.
#[derive(Clone, Default)]
struct Disk {
    entries: BTreeMap<u32, Entry>,
}

impl Disk {
    fn book(&self) -> Book {
        Book::new(self.entries.values().cloned().collect(), 1_000)
    }

    fn intend(&mut self, ordinal: u32, asked: [u8; 32]) {
        self.entries.entry(ordinal).or_insert_with(|| Entry {
            ordinal,
            what: "http".to_owned(),
            asked,
            began_ns: 1,
            came: None,
        });
    }

    fn came(&mut self, ordinal: u32, place: u32, ended_ns: u64, bytes: Vec<u8>) {
        let came = Came {
            place,
            ended_ns,
            bytes,
        };
        if let Some(entry) = self.entries.get_mut(&ordinal) {
            entry.came = Some(came);
        }
    }
}

/// A guest whose every step depends on all that it was told, and when.
struct Guest {
    told: u64,
    asks_left: u32,
    waits: Vec<u32>,
    /// What it was told, in order, and what its clock showed then.
    seen: Vec<(u32, Vec<u8>, u64)>,
}

impl Guest {
    fn new() -> Self {
        Self {
            told: 7,
            asks_left: 12,
            waits: Vec::new(),
            seen: Vec::new(),
        }
    }

    fn hash(&mut self, with: u64) -> u64 {
        self.told = (self.told ^ with)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(17);
        self.told
    }

    /// Asks for as many things as it happens to, and maybe lets go of one that it waits for.
    fn goes_on(&mut self, book: &mut Book, disk: &mut Disk, under_way: &mut Vec<u32>) {
        let count = 1 + self.hash(0) % 3;
        for _ in 0..count {
            if self.asks_left == 0 {
                break;
            }
            self.asks_left -= 1;
            let ordinal = book.issue();
            let mut asked = [0; 32];
            asked[..8].copy_from_slice(&self.told.to_be_bytes());
            match book.ask(ordinal, "http", &asked) {
                Found::Differs(how) => panic!("{how}"),
                Found::Came => {}
                Found::Begun(_) | Found::Nothing => {
                    under_way.push(ordinal);
                    disk.intend(ordinal, asked);
                }
            }
            self.waits.push(ordinal);
        }
        if self.waits.len() > 2 && self.hash(1).is_multiple_of(4) {
            book.taken(self.waits.remove(0));
        }
    }

    /// Is told what was let through, if something was.
    fn told(&mut self, book: &mut Book) -> bool {
        let Some(place) = self.waits.iter().position(|one| {
            book.take(*one).is_some_and(|bytes| {
                self.seen.push((*one, bytes, 0));
                true
            })
        }) else {
            return false;
        };
        let ordinal = self.waits.remove(place);
        book.taken(ordinal);
        let shown = book.read_clock();
        let last = self.seen.last_mut().unwrap();
        last.2 = shown;
        let with = u64::from(ordinal) ^ shown ^ u64::from(last.1[0]);
        self.hash(with);
        true
    }
}

/// Runs an instance, with results that come as `chance` has it, until it has ended or is cut off.
fn instance(disk: &mut Disk, mut chance: impl FnMut(usize) -> usize, cut_after: usize) -> Guest {
    let (mut book, mut guest) = (disk.book(), Guest::new());
    let mut under_way = Vec::new();
    guest.goes_on(&mut book, disk, &mut under_way);
    for now in 0..cut_after {
        match book.idle(now as u64) {
            Idle::Differs(how) => panic!("{how}"),
            Idle::Through | Idle::Waits | Idle::Sleeps(_) => {}
        }
        if guest.told(&mut book) {
            guest.goes_on(&mut book, disk, &mut under_way);
            continue;
        }
        if !book.is_new() {
            continue;
        }
        if under_way.is_empty() {
            break;
        }
        let ordinal = under_way.remove(chance(under_way.len()));
        let (place, ended) = (book.next_place(), 2_000 + chance(1_000) as u64);
        let bytes = vec![chance(256) as u8];
        disk.came(ordinal, place, ended, bytes.clone());
        // A crash between what is on record and what the guest is told.
        if chance(8) == 0 {
            break;
        }
        book.came(ordinal, ended, bytes);
    }
    guest
}

proptest! {
    #[test]
    fn each_instance_sees_what_the_one_before_saw(seed in any::<u64>(), cuts in prop::collection::vec(1usize..40, 1..6)) {
        let mut disk = Disk::default();
        let mut state = seed | 1;
        let mut chance = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below.max(1)
        };
        let mut before: Vec<(u32, Vec<u8>, u64)> = Vec::new();
        for cut in cuts.into_iter().chain([1_000]) {
            let guest = instance(&mut disk, &mut chance, cut);
            let shared = before.len().min(guest.seen.len());
            prop_assert_eq!(&guest.seen[..shared], &before[..shared]);
            if guest.seen.len() > before.len() {
                before = guest.seen;
            }
        }
    }
}

fn recorded(ordinal: u32, place: Option<u32>) -> Entry {
    Entry {
        ordinal,
        what: format!("what {ordinal}"),
        asked: [1; 32],
        began_ns: 5,
        came: place.map(|place| Came {
            place,
            ended_ns: 10,
            bytes: vec![1],
        }),
    }
}

#[test]
fn what_differs_from_the_record_is_found_at_the_first_difference() {
    let mut book = Book::new(vec![recorded(1, Some(1)), recorded(2, None)], 1);
    assert_eq!(book.issue(), 1);
    assert_eq!(book.ask(1, "what 1", &[1; 32]), Found::Came);
    assert!(matches!(
        book.ask(1, "another", &[1; 32]),
        Found::Differs(_)
    ));
    assert!(matches!(book.ask(1, "what 1", &[2; 32]), Found::Differs(_)));
    assert_eq!(book.ask(2, "what 2", &[1; 32]), Found::Begun(5));
    assert_eq!(book.ask(3, "what 3", &[1; 32]), Found::Nothing);
    // It ends before the record does.
    assert!(book.missing().unwrap().contains("what 2"));
    assert_eq!(book.issue(), 2);
    assert_eq!(book.missing(), None);
}

#[test]
fn a_guest_that_stands_still_where_it_asked_before_differs() {
    let mut book = Book::new(vec![recorded(1, Some(1))], 1);
    assert!(matches!(book.idle(0), Idle::Differs(_)));
    book.issue();
    assert_eq!(book.idle(0), Idle::Through);
    assert_eq!(book.take(1), Some(vec![1]));
}

#[test]
fn one_result_at_a_time_and_only_to_a_guest_that_stands_still() {
    let mut book = Book::new(Vec::new(), 1);
    let (one, other) = (book.issue(), book.issue());
    book.came(one, 20, vec![1]);
    book.came(other, 30, vec![2]);
    assert_eq!(book.take(one), None, "it has not stood still yet");
    assert_eq!(book.idle(0), Idle::Through);
    assert_eq!(book.idle(0), Idle::Waits, "the first was not taken yet");
    assert_eq!((book.take(other), book.take(one)), (None, Some(vec![1])));
    book.taken(one);
    assert_eq!(book.read_clock(), 21);
    assert_eq!(book.read_clock(), 22);
    assert_eq!(book.idle(0), Idle::Through);
    assert_eq!(book.take(other), Some(vec![2]));
    assert_eq!(book.read_clock(), 31);
    assert_eq!(book.let_through(), 2);
}

#[test]
fn who_only_sleeps_for_long_needs_no_instance() {
    let mut book = Book::new(Vec::new(), 1);
    let (asked, sleeps) = (book.issue(), book.issue());
    book.sleeps(sleeps, 60_000_000_000);
    assert_eq!(book.idle(0), Idle::Waits, "something is asked for");
    book.ends(asked);
    assert_eq!(book.idle(59_000_000_000), Idle::Waits, "it is soon over");
    assert_eq!(book.idle(0), Idle::Sleeps(60_000_000_000));
    book.taken(sleeps);
    assert_eq!(book.idle(0), Idle::Waits, "it does not sleep any more");
}
