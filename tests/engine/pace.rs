//! Which services keep off the serving threads, by a clock that is set by hand.

use holdfast_call::{BoxFuture, Clock, Moment, WallTime};
use holdfast_wasm::pace::{HEAVY, Pace, SPAN};
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
fn a_service_is_heavy_for_a_while_after_each_poll_that_took_long() {
    let clock = Arc::new(Hand::default());
    let pace = Pace::new(clock.clone());
    pace.note(HEAVY - Duration::from_nanos(1));
    assert!(!pace.is_heavy());
    pace.note(HEAVY);
    assert!(pace.is_heavy());
    clock.advance(SPAN / 2);
    pace.note(HEAVY);
    clock.advance(SPAN / 2);
    assert!(pace.is_heavy());
    clock.advance(SPAN / 2);
    assert!(!pace.is_heavy());
    pace.note(Duration::ZERO);
    assert!(!pace.is_heavy());
}
