//! `trial`: the first calls of a new version are watched, and one that is worse than the version before is put back.
//!
//! What stands in for "worse" must not be in the hands of whoever sends the calls: bad input makes any version fail. So a fault counts
//! only where the host knows that the version before does better *at the same call*, not merely at others:
//!
//! | a call of the trial | counts as |
//! |---|---|
//! | answered, to its last byte | well |
//! | a fault of the service's own at a safe call without a body (`GET`, `HEAD`, `OPTIONS`) | asked again of the version before: its answer makes the fault *confirmed*, its fault makes it *shared* |
//! | such a fault at any other call, or in the middle of an answer | *alone*: it may have had an effect, and is never repeated |
//! | refused, cut by its caller, a fault of an upstream or of the host | nothing: it does not belong to the trial |
//!
//! Of fifty such calls more than five confirmed faults, and a rate more than twice that of the version before, put it back
//! ([`verdict`]). An attacker cannot bring that about: what both versions fail at is shared and raises the rate of the version before.
//! Faults that stand alone count only if the new version answered nothing at all, so one good answer to anybody makes the rest of them
//! worthless. The answer of the second look goes nowhere; its caller has had the fault already. It is a call like any other, with its
//! own closing line (the digest says which version), and there are no more of them than calls in a trial. A trial happens once in the
//! life of a version, and costs nothing but one look at a flag before and after it.
//!
//! Where the policy says that a new version gets a share of the callers first, it stands [`beside`] the one that serves instead, and is no
//! part of a trial afterwards.

use crate::Parts;
use crate::metrics::Series;
use beside::Beside;
use holdfast_call::{
    Applies, Body, BodyEnd, BodyWatch, Boundary, BoxFuture, Call, CallId, Fault, HostCode, Layer,
    Meter, Next, Payload, Registered, Reply, Sources, Target,
};
use http::{Method, Request};
use http_body::Body as _;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use verdict::{CALLS, Record, Seen, Trial, Verdict, Worse};

pub mod beside;
pub mod canary;
pub mod verdict;

/// Told, once, that a version is worse than the one before. It is called where calls are served and must not wait.
pub type Tell = Box<dyn FnOnce(Worse) + Send>;

/// What the trial of a target needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The version that serves.
    pub version: Arc<Version>,
}

/// One version of a service, for as long as it serves.
pub struct Version {
    series: Arc<Series>,
    /// What the series had counted when it began to serve.
    begun: Record,
    watched: AtomicBool,
    /// Second looks that may still be taken.
    looks: AtomicU32,
    open: Mutex<Option<Open>>,
    divided: AtomicBool,
    beside: Mutex<Option<Arc<Beside>>>,
}

struct Open {
    trial: Trial,
    before: Arc<Registered>,
    tell: Tell,
}

impl Version {
    /// A version that begins to serve now, its calls counted in `series`.
    #[must_use]
    pub fn new(series: Arc<Series>) -> Arc<Self> {
        Arc::new(Self {
            begun: series.record(),
            series,
            watched: AtomicBool::new(false),
            looks: AtomicU32::new(CALLS),
            open: Mutex::default(),
            divided: AtomicBool::new(false),
            beside: Mutex::default(),
        })
    }

    /// Has a new version stand beside it, which gets a share of its callers; or none any more. Whatever it may still find out about its
    /// own version before is of no use then.
    pub fn divide(&self, beside: Option<Arc<Beside>>) {
        self.end();
        let divided = beside.is_some();
        // A place is replaced, so it is whole whatever panicked.
        *self.beside.lock().unwrap_or_else(PoisonError::into_inner) = beside;
        self.divided.store(divided, Ordering::Release);
    }

    /// The new version that stands beside it.
    #[must_use]
    pub fn beside(&self) -> Option<Arc<Beside>> {
        if !self.divided.load(Ordering::Acquire) {
            return None;
        }
        let beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.clone()
    }

    /// How it did until now.
    #[must_use]
    pub fn record(&self) -> Record {
        self.series.record().since(self.begun)
    }

    /// Whether its first calls are being watched.
    #[must_use]
    pub fn on_trial(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    /// Watches its first calls from now on, against the version `before`. `tell` is called if it turns out to be worse.
    pub fn begin(&self, before: Arc<Registered>, tell: Tell) {
        let record = before.settings.get::<Settings>();
        let record = record.map_or_else(Record::default, |known| {
            // What it may still find out about its own version before is of no use any more, and would be kept alive by it.
            known.version.end();
            known.version.record()
        });
        let trial = Trial::against(record);
        *self.open() = Some(Open {
            trial,
            before,
            tell,
        });
        self.watched.store(true, Ordering::Release);
    }

    fn end(&self) -> Option<Open> {
        self.watched.store(false, Ordering::Release);
        self.open().take()
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        // Counters alone change under it, so it is whole whatever panicked.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn before(&self) -> Option<Arc<Registered>> {
        self.open().as_ref().map(|open| open.before.clone())
    }

    /// Whether one more second look may be taken.
    fn may_look(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        let (order, read) = (Ordering::AcqRel, Ordering::Acquire);
        self.looks.fetch_update(order, read, less).is_ok()
    }

    fn note(&self, seen: Seen) {
        let verdict = match self.open().as_mut() {
            Some(open) => open.trial.step(seen),
            None => return,
        };
        match verdict {
            Verdict::Open => {}
            Verdict::Stays => drop(self.end()),
            Verdict::Worse(worse) => {
                if let Some(open) = self.end() {
                    (open.tell)(worse);
                }
            }
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({:?})", self.record())
    }
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Watched {
        sources: parts.sources.clone(),
    })
}

struct Watched {
    sources: Sources,
}

impl Layer for Watched {
    fn name(&self) -> &'static str {
        "trial"
    }

    fn applies(&self, _target: &Target, settings: &holdfast_call::Settings) -> Applies {
        match settings.get::<Settings>() {
            Some(_) => Applies::Yes,
            None => Applies::No,
        }
    }

    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        let settings = call
            .registered
            .as_ref()
            .map(|registered| &registered.settings);
        match settings.and_then(|settings| settings.get::<Settings>()) {
            Some(Settings { version }) if version.on_trial() => {
                let version = version.clone();
                Box::pin(self.watched(version, call, next))
            }
            Some(Settings { version }) => match version.beside() {
                Some(beside) => Box::pin(self.divided(beside, call, next)),
                None => next.run(call),
            },
            None => next.run(call),
        }
    }
}

impl Watched {
    async fn watched(&self, version: Arc<Version>, call: Box<Call>, next: Next<'_>) -> Reply {
        let again = self.again(&call);
        match next.run(call).await {
            Ok(mut answer) => {
                note_at_end(answer.body_mut(), move |seen| version.note(seen));
                Ok(answer)
            }
            Err(fault) => {
                if own(&fault) {
                    match again {
                        Some(again) => look_again(&version, again, next),
                        None => version.note(Seen::Alone),
                    }
                }
                Err(fault)
            }
        }
    }

    /// The same call, if it may be made once more since it asks for nothing to be done.
    fn again(&self, call: &Call) -> Option<Call> {
        let Payload::Http(request) = &call.payload else {
            return None;
        };
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS];
        // A child call hangs on its parent's tree; its parent is what is looked at twice.
        if call.nested() || !safe.contains(request.method()) || !request.body().is_end_stream() {
            return None;
        }
        let mut same = Request::new(Body::empty());
        *same.method_mut() = request.method().clone();
        *same.uri_mut() = request.uri().clone();
        *same.headers_mut() = request.headers().clone();
        let Sources { clock, random } = &self.sources;
        Some(Call {
            id: CallId::new(clock.wall(), random.sixteen()),
            parent: None,
            entry: call.entry,
            caller: call.caller.clone(),
            asker: None,
            target: call.target.clone(),
            registered: None,
            operation: call.operation.clone(),
            why: call.why.clone(),
            deadline: call.deadline,
            stream: call.stream,
            trace: call.trace.child(random.sixteen()),
            ordinal: 0,
            key: None,
            wait: None,
            execution: None,
            journal: None,
            step: None,
            outbox: None,
            payload: Payload::Http(same),
            meter: Arc::new(Meter::default()),
            above: None,
            tree: Arc::default(),
        })
    }
}

/// Whether a fault is the service's own: its code's, or that it does not start.
fn own(fault: &Fault) -> bool {
    fault.verdict().boundary == Boundary::Application
        || fault.host_code() == Some(HostCode::Quarantined)
}

/// Asks the version before, behind the back of the caller, who has an answer already.
fn look_again(version: &Arc<Version>, mut again: Call, next: Next<'_>) {
    let (Some(before), Ok(runtime)) = (version.before(), Handle::try_current()) else {
        return;
    };
    if !version.may_look() {
        return;
    }
    let version = version.clone();
    again.registered = Some(before);
    let reply = next.afresh(again);
    runtime.spawn(async move {
        match reply.await {
            Ok(answer) => {
                answer.close();
                version.note(Seen::Confirmed);
            }
            Err(fault) if own(&fault) => version.note(Seen::Shared),
            // No place, no time, no upstream: nothing is known of the call.
            Err(_) => {}
        }
    });
}

/// Tells what was seen of a version by an answer, once that has come to its end.
struct ToItsEnd<N>(N);

impl<N: Fn(Seen) + Send> BodyWatch for ToItsEnd<N> {
    fn end(&mut self, end: &BodyEnd<'_>) {
        match end {
            BodyEnd::Finished => (self.0)(Seen::Well),
            BodyEnd::Cut(fault) if own(fault) => (self.0)(Seen::Alone),
            BodyEnd::Cut(_) | BodyEnd::Dropped => {}
        }
    }
}

/// Notes what an answer shows of a version: at once where it is whole, else at its end.
fn note_at_end(body: &mut Body, note: impl Fn(Seen) + Send + 'static) {
    if body.as_whole().is_some() {
        note(Seen::Well);
    } else {
        body.watch(Box::new(ToItsEnd(note)));
    }
}

#[cfg(test)]
mod tests;
