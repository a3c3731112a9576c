//! `retry`: the only retry loop there is.
//!
//! A service calls an upstream once, in plain words; whether that takes one try or three is decided here, from how far the bytes of each
//! try got ([`class`]), from what the upstream said ([`hint`]), from the time that is left ([`decide`]) and from how many second tries the
//! service has made lately ([`budget`]). An answer whose head was handed on is never taken back. What may have taken effect is sent again
//! only where that is harmless.

pub mod budget;
pub mod class;
pub mod decide;
pub mod hint;
pub mod latency;
mod replay;

pub use replay::REPLAY_BYTES_MAX;

use crate::Parts;
use budget::{Budget, Draw};
use class::{Failed, Repeat};
use decide::{Decision, Known, Stop};
use holdfast_call::{
    Account, Applies, Body, BoxFuture, Call, Fault, HostCode, Layer, Moment, Next, Payload, Reply,
    Sources, Target, Verdict, in_time,
};
use http::Request;
use http_body::Body as _;
use latency::Latency;
use replay::Kept;
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

/// How many tries a call has if nothing else is said, the first one included.
pub const TRIES_MAX: u32 = 3;
/// How much of an answer that is not handed on is read, so that its connection can be used again.
const UNREAD_BYTES_MAX: usize = 64 << 10;

/// How the calls of one upstream are tried again.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many tries a call has, the first one included.
    pub tries_max: u32,
    /// Which requests may be sent twice although the first may have taken effect.
    pub harmless: Harmless,
    /// What each service has seen of it. The same for every policy, so that a reload gives nobody a new budget.
    pub histories: Arc<Histories>,
}

/// Which requests may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harmless {
    /// Those whose method says so.
    Idempotent,
    /// All of them: the upstream changes nothing, or knows a request again.
    All,
}

/// What is known of one upstream: by each service that asks on its own, so that none uses up what is another's.
#[derive(Default)]
pub struct Histories(Mutex<HashMap<Arc<str>, History>>);

/// What one service has seen of one upstream.
#[derive(Clone, Debug, Default)]
struct History {
    budget: Budget,
    latency: Latency,
}

impl Histories {
    fn of<T>(&self, asker: &Arc<str>, step: impl FnOnce(&mut History) -> T) -> T {
        // A history is whole between two steps.
        let mut histories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(history) = histories.get_mut(asker) {
            return step(history);
        }
        step(histories.entry(asker.clone()).or_default())
    }
}

impl fmt::Debug for Histories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Histories")
    }
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Retry {
        sources: parts.sources.clone(),
    })
}

struct Retry {
    sources: Sources,
}

impl Layer for Retry {
    fn name(&self) -> &'static str {
        "retry"
    }

    fn applies(&self, _target: &Target, settings: &holdfast_call::Settings) -> Applies {
        match settings.get::<Settings>() {
            Some(_) => Applies::Yes,
            None => Applies::No,
        }
    }

    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        let registered = call.registered.as_ref();
        let settings = registered.and_then(|known| known.settings.get::<Settings>());
        let Some(settings) = settings.cloned() else {
            return next.run(call);
        };
        Box::pin(async move {
            let mut tries = match Tries::of(call, settings) {
                Ok(tries) => tries,
                Err(other) => return next.run(other).await,
            };
            let mut began = self.sources.clock.now();
            tries.begin(began)?;
            loop {
                let reply = next.run(tries.next()).await;
                let Some(failed) = class::failed(&reply, &*self.sources.clock) else {
                    tries.succeeded(self.sources.clock.now().since(began));
                    return reply;
                };
                match tries.decide(failed, &self.sources) {
                    Decision::Again(then) => {
                        let now = self.sources.clock.now();
                        tries.call.meter.time().enter(Account::Queue, now);
                        self.wait(reply, then).await;
                        began = self.sources.clock.now();
                        if began >= tries.call.deadline {
                            return Err(tries.no_time(began, Duration::ZERO));
                        }
                    }
                    Decision::Stop(stop) => return tries.stopped(reply, stop),
                }
            }
        })
    }
}

impl Retry {
    /// Waits, and reads meanwhile what is left of an answer that is not handed on: its connection is worth keeping if that is little.
    async fn wait(&self, reply: Reply, then: Moment) {
        let clock = &*self.sources.clock;
        if let Ok(mut answer) = reply {
            // Whether it came to its end in time makes no difference.
            let _ = in_time(clock, then, read(answer.body_mut())).await;
        }
        if clock.now() < then {
            clock.sleep_until(then).await;
        }
    }
}

async fn read(body: &mut Body) {
    let mut left = UNREAD_BYTES_MAX;
    poll_fn(|cx| {
        loop {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    let bytes = frame.data_ref().map_or(0, bytes::Bytes::len);
                    match left.checked_sub(bytes) {
                        Some(less) => left = less,
                        None => return Poll::Ready(()),
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// The tries of one call.
struct Tries {
    settings: Settings,
    asker: Arc<str>,
    /// The call, without its body.
    call: Box<Call>,
    head: Request<()>,
    kept: Kept,
    repeat: Repeat,
    made: u32,
}

impl Tries {
    /// # Errors
    /// It is no request over HTTP, and there is nothing to be tried again.
    fn of(mut call: Box<Call>, settings: Settings) -> Result<Self, Box<Call>> {
        let empty = Payload::Http(Request::new(Body::empty()));
        let request = match std::mem::replace(&mut call.payload, empty) {
            Payload::Http(request) => request,
            other @ Payload::Values(..) => {
                call.payload = other;
                return Err(call);
            }
        };
        let (head, body) = request.into_parts();
        let asker = call.asking();
        let kept = Kept::new(body);
        if settings.tries_max <= 1 {
            kept.let_go();
        }
        Ok(Self {
            repeat: match settings.harmless {
                Harmless::Idempotent => Repeat::of(&head.method),
                Harmless::All => Repeat::Harmless,
            },
            settings,
            asker,
            call,
            head: Request::from_parts(head, ()),
            kept,
            made: 0,
        })
    }

    /// Counts the first try, unless there is no time for it, or less than the upstream ever takes: then nothing is spent on it.
    fn begin(&self, now: Moment) -> Result<(), Fault> {
        let left = self.call.deadline.since(now);
        let fits = self.history(|history| {
            history.budget.first(now);
            history.latency.fits(left)
        });
        if fits && !left.is_zero() {
            return Ok(());
        }
        Err(self.no_time(now, self.history(|history| history.latency.fastest())))
    }

    /// What is said of a try for which there was no time.
    fn no_time(&self, now: Moment, fastest: Duration) -> Fault {
        let left = self.call.deadline.since(now);
        let spent = self.call.spent_above(now);
        let verdict = Verdict {
            boundary: spent.blame(),
            stage: "retry",
            cause: format!(
                "there was less time left than even the fastest tenth of the last calls of {} took, or none",
                self.call.target
            ),
            evidence: vec![
                ("left_ms", left.as_millis().to_string()),
                ("fastest_ms", fastest.as_millis().to_string()),
                ("spent", spent.to_string()),
            ],
            next: "deadline under [limits] of the asking service, or what it does before it asks"
                .to_owned(),
        };
        let detail = "There was no time left for this call.";
        Fault::host(HostCode::DeadlineExceeded, detail, verdict)
    }

    fn succeeded(&self, took: Duration) {
        self.kept.let_go();
        self.history(|history| history.latency.note(took));
    }

    /// The call for the next try.
    fn next(&mut self) -> Box<Call> {
        self.made += 1;
        let body = self.kept.body();
        let head = if self.made >= self.settings.tries_max {
            self.kept.let_go();
            std::mem::take(&mut self.head)
        } else {
            self.head.clone()
        };
        let request = head.map(|()| body);
        Box::new(self.call.again(Payload::Http(request)))
    }

    fn decide(&self, failed: Failed, sources: &Sources) -> Decision {
        let now = sources.clock.now();
        let decision = decide::decide(&Known {
            failed,
            repeat: self.repeat,
            replay: self.kept.replay(),
            tries: self.made,
            tries_max: self.settings.tries_max,
            now,
            deadline: self.call.deadline,
            usual: self.history(|history| history.latency.usual()),
            chance: sources.random.number(),
        });
        if let Decision::Again(_) = decision
            && self.history(|history| history.budget.again(now)) == Draw::Spent
        {
            return Decision::Stop(Stop::Budget);
        }
        decision
    }

    fn history<T>(&self, step: impl FnOnce(&mut History) -> T) -> T {
        self.settings.histories.of(&self.asker, step)
    }

    /// What is handed on where there is no other try: an answer as it is, a fault with why.
    fn stopped(&self, reply: Reply, stop: Stop) -> Reply {
        self.kept.let_go();
        let fault = match reply {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        let fault = fault.with("no_other", stop.as_str());
        Err(match stop {
            Stop::Time(Some(wait)) => fault.retry_after(wait),
            Stop::Time(None)
            | Stop::Final
            | Stop::Doubles
            | Stop::Tries
            | Stop::Gone
            | Stop::Budget => fault,
        })
    }
}

#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;
