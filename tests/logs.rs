//! The log's writer: nothing waits for it, nothing gets lost in silence, nothing secret gets out.

mod drops;
mod form;
mod redaction;

use holdfast_call::BoxFuture;
use holdfast_call::{
    CallId, Caller, Clock, Closing, Entry, Link, Moment, Outcome, Spent, Target, Trace, WallTime,
    Why,
};
use holdfast_server::logs::Sink;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than any flush takes on a machine that works.
const LONG: Duration = Duration::from_secs(60);

/// 2026-11-22T11:53:00.123456Z.
const WALL: WallTime = WallTime(1_795_348_380_123_456);

/// A clock that the test sets.
#[derive(Default)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.0.load(Relaxed))
    }
    fn wall(&self) -> WallTime {
        WALL
    }
    fn sleep_until(&self, _moment: Moment) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// A sink that keeps what it is given.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn sink(&self) -> Sink {
        Sink::new(self.clone())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn closing(operation: &str) -> Closing {
    Closing {
        wall: WALL,
        id: CallId::new(WALL, [1; 16]),
        parent: None,
        trace: Trace {
            trace_id: 0xabc,
            span_id: 1,
            flags: 1,
        },
        entry: Entry::Http,
        target: Target::Service("hello".into()),
        digest: Some("sha256:00ff".into()),
        operation: operation.into(),
        caller: Caller::outside(Link::Anonymous),
        why: Why::claimed("tests the log").unwrap(),
        outcome: Outcome::Answered,
        status: Some(200),
        took: Duration::from_nanos(1_234_567),
        spent: Spent {
            authorize: 1_000,
            queue: 2_000,
            guest_cpu: 98_765,
            guest_wait: 1_130_802,
            upstream: 0,
            settle: 2_000,
        },
        reading: holdfast_call::meter::Reading {
            cpu_nanos: 98_765,
            mem_bytes: 65_536,
            bytes_in: 3,
            bytes_out: 5,
            attempts: 1,
            cost: holdfast_call::NanoUsd::default(),
            lines_dropped: 0,
            calls_dropped: 0,
            intent: None,
            effect: None,
            replays: None,
            degraded: None,
        },
    }
}
