//! Which services keep off the serving threads, by a clock that is set by hand.

use holdfast_call::{BoxFuture, Clock, Moment, WallTime};
use holdfast_wasm::pace::{HEAVY, Pace, SPAN, STRIKES};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

#[derive(Default)]
struct Hand(AtomicU64);

impl Hand {
    fn advance(&self, span: Duration) {
        self.0
            .fetch_add(u64::try_from(span.as_nanos()).unwrap(), SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.0.load(SeqCst))
    }
    fn wall(&self) -> WallTime {
        WallTime(0)
    }
    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_service_is_heavy_for_a_while_after_several_polls_that_took_long() {
    let clock = Arc::new(Hand::default());
    clock.advance(10 * SPAN);
    let pace = Pace::new(clock.clone());
    let strike = |times: u32| (0..times).for_each(|_| pace.note(HEAVY));
    for _ in 0..100 {
        pace.note(HEAVY - Duration::from_nanos(1));
    }
    assert!(!pace.is_heavy());
    strike(STRIKES - 1);
    assert!(!pace.is_heavy());
    // Long ago is forgotten.
    clock.advance(2 * SPAN);
    strike(STRIKES - 1);
    assert!(!pace.is_heavy());
    strike(1);
    assert!(pace.is_heavy());
    clock.advance(SPAN / 2);
    strike(1);
    clock.advance(SPAN / 2);
    assert!(pace.is_heavy());
    clock.advance(SPAN);
    assert!(!pace.is_heavy());
}
