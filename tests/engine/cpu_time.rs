//! What a poll is billed: what its thread used, neither less nor what passed beside it.

use holdfast_wasm::cpu_time::{self, FRESH};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::Duration;

fn used() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// Keeps the CPU busy until this thread has used `span` of it.
fn spin(span: Duration) {
    let until = used() + span;
    while used() < until {
        black_box(());
    }
}

#[test]
fn what_was_used_is_billed_whether_the_poll_was_short_or_long() {
    for span in [10, 90, 500, 20_000].map(Duration::from_micros) {
        let ((), billed) = cpu_time::of(|| spin(span));
        assert!(billed >= span, "{billed:?} for {span:?}");
    }
}

#[test]
fn a_thread_that_waits_or_is_put_aside_is_not_billed_for_it() {
    let ((), billed) = cpu_time::of(|| std::thread::sleep(Duration::from_millis(50)));
    assert!(billed <= FRESH + Duration::from_millis(5), "{billed:?}");
}

#[test]
fn what_the_thread_did_before_is_not_billed() {
    let _mark = cpu_time::of(|| spin(Duration::from_millis(2)));
    // By now the mark is too old to be measured from.
    spin(Duration::from_millis(200));
    let ((), billed) = cpu_time::of(|| std::thread::sleep(Duration::from_millis(20)));
    assert!(billed <= Duration::from_millis(10), "{billed:?}");
}
