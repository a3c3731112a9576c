//! A typed service as its author writes it: the functions of an interface, and nothing else.

use exports::test::shapes::shapes::{Everything, Guest, Point, Problem};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

wit_bindgen::generate!({ world: "test:shapes/typed", path: ["../../../wit/faults.wit", "wit"], generate_all });

/// The largest number that it divides.
const LARGEST: u32 = 1_000_000;

static CALLS: AtomicU32 = AtomicU32::new(0);

struct Typed;

impl Guest for Typed {
    fn echo(value: Everything) -> Everything {
        value
    }

    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    fn next(place: Point) -> Point {
        Point {
            x: place.x.wrapping_add(1),
            y: place.y.wrapping_add(1),
        }
    }

    fn divide(a: u32, b: u32) -> Result<u32, Problem> {
        if a > LARGEST {
            return Err(Problem::TooLarge(LARGEST));
        }
        a.checked_div(b).ok_or(Problem::ByZero)
    }

    fn quiet() {}

    fn trap() -> u32 {
        panic!("CANARY: this is for the operator alone")
    }

    fn spin() {
        loop {
            std::hint::black_box(());
        }
    }

    fn many(bytes: u32) -> Vec<u8> {
        vec![7; bytes as usize]
    }

    fn count() -> u32 {
        CALLS.fetch_add(1, Ordering::Relaxed)
    }

    fn draw(_what: String, _idempotency_key: Option<String>) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

export!(Typed);
