//! What happens when lines come faster than the sink takes them, and when the sink fails.

use super::{Kept, LONG, TestClock, closing};
use holdfast_call::{Level, Log as _};
use holdfast_server::logs::{Flushed, LogWriter, Room, Sink};
use holdfast_server::settings::LogForm;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A sink that stands still until the test lets it go on: it says when it is asked to write, and waits for leave.
struct Gate {
    asked: Sender<()>,
    leave: Receiver<()>,
    kept: Kept,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Once the test has let go of its ends, the gate stands open.
        let _ = self.asked.send(());
        let _ = self.leave.recv();
        self.kept.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Gated {
    log: LogWriter,
    asked: Receiver<()>,
    leave: Sender<()>,
    kept: Kept,
    clock: Arc<TestClock>,
}

fn gated(room: Room) -> Gated {
    let (asked_in, asked) = channel();
    let (leave, leave_out) = channel();
    let kept = Kept::default();
    let clock = Arc::new(TestClock::default());
    let gate = Gate {
        asked: asked_in,
        leave: leave_out,
        kept: kept.clone(),
    };
    let log = LogWriter::with_room(LogForm::Json, Sink::new(gate), clock.clone(), room).unwrap();
    Gated {
        log,
        asked,
        leave,
        kept,
        clock,
    }
}

/// The numbers of the lines that say how many were dropped.
fn said(text: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| {
            line.split("\"msg\":\"")
                .nth(1)?
                .split_once(" log lines dropped")
        })
        .map(|(number, _)| number.parse().unwrap())
        .collect()
}

#[test]
fn a_sink_that_stands_still_holds_nobody_up_and_what_is_dropped_is_said() {
    let Gated {
        log,
        asked,
        leave,
        kept,
        ..
    } = gated(Room {
        lines: 10,
        text_bytes: 1 << 20,
    });
    log.closing(closing("GET /first"));
    asked.recv().unwrap();
    // The writer holds the first line and stands still; ten have room, the others do not.
    for _ in 0..25 {
        log.closing(closing("GET /more"));
    }
    assert_eq!(log.dropped(), 15);
    assert_eq!(log.flush(Duration::ZERO), Flushed::GaveUp);
    drop((leave, asked));
    assert_eq!(log.flush(LONG), Flushed::All);
    assert_eq!(log.close(LONG), Flushed::All);
    let text = kept.text();
    assert_eq!(text.matches("GET /").count(), 11);
    assert_eq!(said(&text), [15], "{text}");
}

#[test]
fn the_bytes_of_guests_texts_are_bounded_too() {
    let Gated {
        log, asked, leave, ..
    } = gated(Room {
        lines: 1_000,
        text_bytes: 100,
    });
    log.host(Level::Info, "first".to_owned());
    asked.recv().unwrap();
    log.host(Level::Info, "x".repeat(60));
    log.host(Level::Info, "x".repeat(41));
    assert_eq!(log.dropped(), 1);
    log.host(Level::Info, "x".repeat(40));
    assert_eq!(log.dropped(), 1);
    drop((leave, asked));
    assert_eq!(log.flush(LONG), Flushed::All);
    log.host(Level::Info, "x".repeat(100));
    assert_eq!(log.dropped(), 1, "room that was used is free again");
}

#[test]
fn drops_are_said_at_most_once_a_second_and_at_the_end() {
    let Gated {
        log,
        asked,
        leave,
        kept,
        clock,
    } = gated(Room {
        lines: 1,
        text_bytes: 1 << 20,
    });
    // The first line is held at the gate; each round then leaves one line waiting and drops two.
    log.closing(closing("GET /first"));
    asked.recv().unwrap();
    for _ in 0..3 {
        for _ in 0..3 {
            log.closing(closing("GET /more"));
        }
        leave.send(()).unwrap();
        asked.recv().unwrap();
    }
    drop((leave, asked));
    assert_eq!(log.close(LONG), Flushed::All);
    let text = kept.text();
    assert_eq!(
        said(&text).iter().sum::<u64>(),
        6,
        "every drop is said: {text}"
    );
    assert!(
        said(&text).len() <= 2,
        "once while the clock stood still, and once at the end: {text}"
    );
    assert_eq!(clock.0.load(Relaxed), 0);
}

/// A sink that fails while it is told to, in the middle of a line.
#[derive(Clone)]
struct Failing {
    full: Arc<AtomicU64>,
    kept: Kept,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.full.load(Relaxed) {
            0 => self.kept.write(bytes),
            1 => {
                self.full.store(2, Relaxed);
                self.kept.write(&bytes[..10])
            }
            _ => Err(io::ErrorKind::StorageFull.into()),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_costs_counted_lines_and_nothing_else() {
    let sink = Failing {
        full: Arc::new(AtomicU64::new(0)),
        kept: Kept::default(),
    };
    let log = LogWriter::start(
        LogForm::Json,
        Sink::new(sink.clone()),
        Arc::new(TestClock::default()),
    )
    .unwrap();
    let put = |operation: &str| {
        log.closing(closing(operation));
        assert_eq!(log.flush(LONG), Flushed::All);
    };
    put("GET /before");
    sink.full.store(1, Relaxed);
    put("GET /torn");
    put("GET /lost");
    assert!(log.dropped() >= 2);
    sink.full.store(0, Relaxed);
    put("GET /after");
    assert_eq!(log.close(LONG), Flushed::All);
    let text = sink.kept.text();
    assert!(
        text.contains("GET /before") && text.contains("GET /after"),
        "{text}"
    );
    assert!(
        !text.contains("GET /torn") && !text.contains("GET /lost"),
        "{text}"
    );
    let whole = text
        .lines()
        .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
        .count();
    assert_eq!(
        text.lines().count() - whole,
        1,
        "only the torn line is no JSON, and nothing was written onto it: {text}"
    );
    assert!(said(&text).iter().sum::<u64>() >= 2, "{text}");
}

#[test]
fn a_file_is_appended_to_and_belongs_to_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holdfast.log");
    for operation in ["GET /one", "GET /two"] {
        let log = LogWriter::start(
            LogForm::Json,
            Sink::file(&path).unwrap(),
            Arc::new(TestClock::default()),
        )
        .unwrap();
        log.closing(closing(operation));
        assert_eq!(log.close(LONG), Flushed::All);
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.find("GET /one") < text.find("GET /two"));
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(Sink::file(folder.path()).is_err());
}

/// Counts lines and keeps nothing.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<u64>>);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.0.lock().unwrap() += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_line_of_many_threads_is_written_or_counted() {
    const THREADS: u64 = 4;
    const LINES: u64 = 50_000;
    let counting = Counting::default();
    let log = LogWriter::start(
        LogForm::Json,
        Sink::new(counting.clone()),
        Arc::new(TestClock::default()),
    )
    .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..LINES {
                    log.closing(closing("GET /hello"));
                }
            });
        }
    });
    assert_eq!(log.flush(LONG), Flushed::All);
    // The lines that say what was dropped are lines too.
    let (written, dropped) = (log.written(), log.dropped());
    assert_eq!(*counting.0.lock().unwrap(), written);
    assert!(
        written + dropped >= THREADS * LINES && written + dropped < THREADS * LINES + 100,
        "{written} + {dropped}"
    );
}

#[test]
fn a_burst_that_fits_is_written_whole() {
    let kept = Kept::default();
    let log = LogWriter::start(LogForm::Json, kept.sink(), Arc::new(TestClock::default())).unwrap();
    for place in 0..60_000 {
        log.closing(closing(&format!("GET /{place}")));
    }
    assert_eq!(log.close(LONG), Flushed::All);
    let text = kept.text();
    for (place, line) in text.lines().enumerate() {
        assert!(
            line.contains(&format!("\"GET /{place}\"")),
            "line {place}: {line}"
        );
    }
    assert_eq!(
        text.lines().count(),
        60_000,
        "in order, and none is missing"
    );
}
