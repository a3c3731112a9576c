//! `record`: every call ends here. Whatever happened inside, one closing line is written and one call is counted.
//!
//! The record lives in the future of the call until there is an answer, and on the answer's body from then on. Dropped before either
//! has ended, it says that the caller went away; dropped by a panic, that the host failed. Before the caller is told what the call came to,
//! that is in the audit log; where it cannot be, the caller is told that instead.

use crate::Parts;
use crate::admit::Gate;
use crate::metrics::Series;
use crate::trail::{Before, Goes};
use bytes::Bytes;
use holdfast_call::meter::Reading;
use holdfast_call::{
    Account, BodyEnd, BodyWatch, Boundary, BoxFuture, Call, Caller, Closing, Fault, HostCode,
    Layer, Link, Moment, Next, Outcome, Reply, Spent, Tree, Verdict, WallTime,
};
use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// What the record of a target needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its calls are counted.
    pub series: Arc<Series>,
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Record {
        parts: Arc::new(parts.clone()),
    })
}

struct Record {
    parts: Arc<Parts>,
}

impl Layer for Record {
    fn name(&self) -> &'static str {
        "record"
    }

    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let mut open = Box::new(Open::new(&self.parts, &call));
            let reply = unwinding_caught(next.run(call)).await;
            match open.on_record(reply).await {
                Ok(mut answer) => {
                    open.told = Before::Head;
                    answer.body_mut().watch(open);
                    Ok(answer)
                }
                Err(fault) => {
                    open.finish();
                    Err(fault)
                }
            }
        })
    }
}

/// A record that is open. It closes exactly once.
struct Open {
    parts: Arc<Parts>,
    meter: Arc<holdfast_call::Meter>,
    series: Arc<Series>,
    tree: Arc<Tree>,
    since: Moment,
    /// The keyed hash of what is asked, where its intent does not say it.
    args: Option<String>,
    streams: Goes,
    /// What of it is in the audit log.
    told: Before,
    closing: Option<Closing>,
}

impl Open {
    fn new(parts: &Arc<Parts>, call: &Call) -> Self {
        let registered = call.registered.as_ref();
        let series = registered
            .and_then(|registered| registered.settings.get::<Settings>())
            .map_or_else(|| parts.metrics.unknown(), |settings| &settings.series)
            .clone();
        series.opened();
        let since = parts.sources.clock.now();
        call.meter.time().enter(Account::Authorize, since);
        Self {
            parts: parts.clone(),
            meter: call.meter.clone(),
            series,
            tree: call.tree.clone(),
            since,
            args: parts.trail.args(call),
            streams: Goes::NoFurther,
            told: Before::Nothing,
            closing: Some(Closing {
                wall: WallTime(0),
                id: call.id,
                parent: call.parent,
                trace: call.trace,
                entry: call.entry,
                target: call.target.clone(),
                digest: registered.and_then(|registered| registered.digest.clone()),
                operation: call.operation.clone(),
                caller: call.caller.clone(),
                why: call.why.clone(),
                // What is true of a record that nobody closes.
                outcome: Outcome::Cancelled,
                status: None,
                took: Duration::ZERO,
                spent: Spent::default(),
                reading: Reading::default(),
            }),
        }
    }

    /// Puts on record what the call came to, as far as that is known. Where it cannot be, that is what the caller is told.
    async fn on_record(&mut self, reply: Reply) -> Reply {
        match reply {
            Ok(mut answer) => {
                let whole = answer.body_mut().as_whole().map(Bytes::len);
                self.head(answer.status(), whole);
                match self.written().await {
                    Ok(()) => Ok(answer),
                    Err(fault) => Err(self.failed(fault)),
                }
            }
            Err(fault) => {
                let fault = self.failed(fault);
                match self.written().await {
                    Ok(()) => Err(fault),
                    Err(other) => Err(self.failed(other)),
                }
            }
        }
    }

    async fn written(&self) -> Result<(), Fault> {
        let Some(closing) = &self.closing else {
            return Ok(());
        };
        let trail = &self.parts.trail;
        trail
            .outcome(closing, self.args.as_deref(), self.streams)
            .await
    }

    /// The head of its answer. A body that is there as a whole is all that will be answered.
    fn head(&mut self, status: Option<u16>, whole: Option<usize>) {
        self.measure(Outcome::Answered);
        let Some(closing) = &mut self.closing else {
            return;
        };
        closing.status = status;
        match whole {
            Some(bytes) => closing.reading.bytes_out += bytes as u64,
            None => {
                self.streams = Goes::On;
                self.series.stream_opened();
            }
        }
    }

    fn failed(&mut self, fault: Fault) -> Fault {
        self.measure(Outcome::Failed(fault.clone()));
        if let Some(closing) = &mut self.closing {
            closing.status = Some(fault.status());
        }
        fault
    }

    /// How the call stands at this moment.
    fn measure(&mut self, outcome: Outcome) {
        let Some(closing) = &mut self.closing else {
            return;
        };
        let clock = &self.parts.sources.clock;
        let now = clock.now();
        // It began before anybody knew who asks.
        if let (None, Some(principal)) = (closing.parent, self.tree.principal()) {
            closing.caller = Caller::outside(Link::Principal(principal.clone()));
        }
        closing.took = now.since(self.since);
        closing.wall = clock.wall();
        closing.reading = self.meter.read();
        let spent = self.meter.time().read(now, closing.reading.cpu_nanos);
        closing.spent = if closing.target.is_outside() {
            spent.outside()
        } else {
            spent
        };
        closing.outcome = outcome;
    }

    /// The call has ended; the record of it is closed exactly once.
    fn close(&mut self, outcome: Outcome) {
        self.measure(outcome);
        let Some(closing) = &self.closing else {
            return;
        };
        // What was put on record with the head is still true, unless more came of it.
        let told = self.told == Before::Head && self.streams == Goes::NoFurther;
        if !told || !matches!(closing.outcome, Outcome::Answered) {
            self.parts
                .trail
                .end(closing, self.args.as_deref(), self.told);
        }
        self.finish();
    }

    fn finish(&mut self) {
        let Some(closing) = self.closing.take() else {
            return;
        };
        if self.streams == Goes::On {
            self.series.stream_closed();
        }
        self.series
            .closed(&closing.outcome, closing.took, &closing.reading);
        self.parts.log.closing(closing);
    }

    /// The outcome of a call that nobody waits for any more.
    fn left(&self) -> Outcome {
        if std::thread::panicking() {
            Outcome::Failed(panicked("a panic while the call was on its way"))
        } else if self.parts.host.state() == Gate::Cutting {
            Outcome::Failed(cut_off())
        } else {
            Outcome::Cancelled
        }
    }
}

impl BodyWatch for Open {
    fn frame(&mut self, bytes: usize) -> Result<(), Fault> {
        self.meter.add_out(bytes as u64);
        Ok(())
    }

    fn end(&mut self, end: &BodyEnd<'_>) {
        let outcome = match end {
            BodyEnd::Finished => Outcome::Answered,
            BodyEnd::Cut(fault) => Outcome::Failed((*fault).clone()),
            BodyEnd::Dropped => self.left(),
        };
        self.close(outcome);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.closing.is_some() {
            self.close(self.left());
        }
    }
}

/// A panic inside is a fault of the host, not the end of everything else on the connection.
async fn unwinding_caught(mut inner: BoxFuture<'_, Reply>) -> Reply {
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx))) {
            Ok(polled) => polled,
            Err(payload) => Poll::Ready(Err(panicked(said(&*payload)))),
        },
    )
    .await
}

fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}

fn cut_off() -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Lifecycle,
        stage: "record",
        cause: "the host ended before the call had".to_owned(),
        evidence: Vec::new(),
        next: "drain_ms in holdfast.toml is the time that calls have to end".to_owned(),
    };
    Fault::host(HostCode::Draining, "The host is shutting down.", verdict)
}

fn panicked(said: &str) -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Platform,
        stage: "record",
        cause: "the host panicked while it served the call".to_owned(),
        evidence: vec![("panic", said.to_owned())],
        next: "report it: a panic is a mistake in the host".to_owned(),
    };
    Fault::host(HostCode::Internal, "The host failed.", verdict)
}

#[cfg(test)]
mod tests;
