//! One connection's line: its socket, and the pulse of what happens on it.
//!
//! The protocol's library sees no more of a connection than it asks for: it does not read while a request's body is unread, and closes
//! nothing that never began. What must be noticed all the same is noticed here, beside it.

use holdfast_call::{Clock, Moment};
use http::Version;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How long a peer that only takes bytes keeps its line. It takes them slowly, or they are no answer's: a ping's reply is bytes too.
const BYTES_SPAN: Duration = Duration::from_secs(5 * 60);
/// How often a line that its peer has closed is looked at for an answer under way.
const LOOK: Duration = Duration::from_millis(50);
/// How often a line without a request is looked at while the host leaves its socket, or ends.
const ASKED_LOOK: Duration = Duration::from_millis(5);

/// One connection's line. Whoever reads, writes or watches it holds it; answers under way hold its pulse alone, so that the socket is
/// closed when the connection ends.
pub struct Line {
    stream: TcpStream,
    spans: Spans,
    pulse: Arc<Pulse>,
}

/// How long a peer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    /// Until a head that it has begun has ended.
    pub head: Duration,
    /// Until it asks for something.
    pub idle: Duration,
    /// Until it takes something of what is ready for it.
    pub write: Duration,
}

/// The time of a head that has not begun.
const NEVER: u64 = u64::MAX;

struct Pulse {
    clock: Arc<dyn Clock>,
    busy: AtomicU32,
    /// When the peer took bytes last, in nanoseconds of the clock.
    taken: AtomicU64,
    /// When an answer ended last, likewise.
    ended: AtomicU64,
    /// When the head began that has not ended, likewise; [`NEVER`] while there is none.
    head: AtomicU64,
    reset: AtomicBool,
    asked: AtomicBool,
}

impl Line {
    /// The line over `stream`, which begins to rest now.
    pub fn new(stream: TcpStream, clock: Arc<dyn Clock>, spans: Spans) -> Arc<Self> {
        let now = clock.now().as_nanos();
        let pulse = Arc::new(Pulse {
            clock,
            busy: AtomicU32::new(0),
            taken: AtomicU64::new(now),
            ended: AtomicU64::new(now),
            // Before anything is asked, everything that comes is a beginning.
            head: AtomicU64::new(now),
            reset: AtomicBool::new(false),
            asked: AtomicBool::new(false),
        });
        Arc::new(Self {
            stream,
            spans,
            pulse,
        })
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.pulse.clock
    }

    /// An answer to a request of `version` is under way until what this returns is dropped.
    pub fn busy(&self, version: Version) -> Busy {
        self.head(Begun::No);
        Busy::new(&self.pulse, version)
    }

    /// How long its peer is waited for.
    pub fn spans(&self) -> Spans {
        self.spans
    }

    /// What came last left a head begun, or none.
    pub fn head(&self, begun: Begun) {
        let head = &self.pulse.head;
        match begun {
            Begun::Yes => {
                if head.load(Ordering::Acquire) == NEVER {
                    self.pulse.note(head);
                }
            }
            Begun::No => head.store(NEVER, Ordering::Release),
        }
    }

    /// The peer took bytes.
    pub fn taken(&self) {
        self.pulse.note(&self.pulse.taken);
    }

    /// Ready once nothing has been under way, and no byte was taken, for the time of idleness; bytes alone count for [`BYTES_SPAN`]. And
    /// once a head has not ended in its time.
    pub async fn rested(&self) {
        let pulse = &self.pulse;
        let span = self.spans.idle;
        loop {
            // Looked at first: what ends after this look has left its time.
            let busy = pulse.is_busy();
            let now = pulse.clock.now();
            let at = |time: &AtomicU64| Moment::from_nanos(time.load(Ordering::Acquire));
            let (taken, ended) = (at(&pulse.taken), at(&pulse.ended));
            // A head that begins while this sleeps is overdue by half its time at most.
            let look = now.after(span.min(self.spans.head / 2));
            let due = if busy {
                look
            } else {
                let bytes = taken.after(span).min(ended.after(BYTES_SPAN));
                let rest = bytes.max(ended.after(span));
                match pulse.head.load(Ordering::Acquire) {
                    NEVER => rest.min(look),
                    _ => at(&pulse.head).after(self.spans.head),
                }
            };
            if due <= now {
                return;
            }
            pulse.clock.sleep_until(due).await;
        }
    }

    /// Ready once nothing is under way, `span` from now at the earliest.
    pub async fn free(&self, span: Duration) {
        let clock = &self.pulse.clock;
        loop {
            clock.sleep_until(clock.now().after(span)).await;
            if !self.pulse.is_busy() {
                return;
            }
        }
    }

    /// Ready once there was a request.
    pub async fn asked(&self) {
        let clock = &self.pulse.clock;
        while !self.pulse.asked.load(Ordering::Acquire) {
            clock.sleep_until(clock.now().after(ASKED_LOOK)).await;
        }
    }

    /// Ready once nothing lies unread before the first request: what was sent already is not answered with a reset.
    pub async fn heard(&self) {
        let Pulse { clock, asked, .. } = &*self.pulse;
        let unread = || rustix::io::ioctl_fionread(&self.stream).is_ok_and(|bytes| bytes > 0);
        while !asked.load(Ordering::Acquire) && unread() {
            clock.sleep_until(clock.now().after(ASKED_LOOK)).await;
        }
    }

    /// Ready once the peer has closed its side while an answer is under way: whoever sends no more is not waited for.
    pub async fn left(&self) {
        // Only the closing of the reading side is told to this interest, not what there is to read.
        let closed = self.stream.ready(Interest::PRIORITY).await;
        while closed.is_ok() && !self.pulse.is_busy() {
            // The protocol's library may still find a whole request in what was sent before.
            let clock = &self.pulse.clock;
            clock.sleep_until(clock.now().after(LOOK)).await;
        }
    }

    /// The line ends in a reset instead of an orderly end, which its peer would take for the end of an answer.
    pub fn reset_at_end(&self) {
        self.pulse.reset.store(true, Ordering::Release);
    }

    /// Whatever is under way is cut: no peer in the middle of an answer sees an orderly end.
    pub fn cut(&self) {
        if self.pulse.is_busy() {
            self.reset_at_end();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.pulse.reset.load(Ordering::Acquire) {
            // Fails only on a socket that is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl Pulse {
    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }

    fn note(&self, time: &AtomicU64) {
        time.store(self.clock.now().as_nanos(), Ordering::Release);
    }
}

/// Whether a head has begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It has.
    Yes,
    /// There is none.
    No,
}

/// An answer under way.
pub struct Busy {
    pulse: Arc<Pulse>,
    version: Version,
}

impl Busy {
    fn new(pulse: &Arc<Pulse>, version: Version) -> Self {
        pulse.busy.fetch_add(1, Ordering::AcqRel);
        if !pulse.asked.load(Ordering::Relaxed) {
            pulse.asked.store(true, Ordering::Release);
        }
        Self {
            pulse: pulse.clone(),
            version,
        }
    }

    /// Something else of the same request is under way too.
    pub fn also(&self) -> Self {
        Self::new(&self.pulse, self.version)
    }

    /// The answer is cut short. In HTTP/1.0 the end of the connection is the end of the answer, so it must not look like one.
    pub fn cut(self) {
        if self.version <= Version::HTTP_10 {
            self.pulse.reset.store(true, Ordering::Release);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.pulse.note(&self.pulse.ended);
        self.pulse.busy.fetch_sub(1, Ordering::AcqRel);
    }
}
