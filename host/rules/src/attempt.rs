//! `attempt`: one try, at a rate. What an implementation reports becomes a stable fault here, by the one table of `holdfast_call::mask`.
//!
//! The cause of a failure may quote a trap, a path or an upstream: it goes into the verdict, for the operator, and never into what a
//! stranger reads. A service's own 5xx is such a failure too: its text goes to the log.

pub mod rate;

use crate::Parts;
use crate::admit::retry_after;
use crate::rate::flow::{Grant, Quota};
use bytes::{Buf as _, BytesMut};
use holdfast_call::pipeline::{Attempt, Dispatch};
use holdfast_call::{
    Account, Answer, Body, BoxFuture, Call, CallId, Failure, FailureKind, Fault, GuestLine,
    HostCode, Level, Meter, Moment, Payload, Priority, Reached, Refusal, Reply, Shed, ShedReason,
    Target, Trace, mask,
};
use http_body::Body as _;
use rate::Rate;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How much of a masked answer's body goes to the log.
pub const MASKED_BYTES_MAX: usize = 4 * 1_024;
/// How long that part of the body is waited for.
pub const MASKED_WAIT: Duration = Duration::from_millis(50);

/// How often a target may be tried. One without these settings may be as often as it is called.
#[derive(Clone, Debug)]
pub struct Settings {
    /// So many tries a second.
    pub quota: Quota,
    /// What was granted so far. The same for every policy.
    pub rate: Arc<Rate>,
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Attempt> {
    Box::new(One {
        parts: parts.clone(),
    })
}

struct One {
    parts: Parts,
}

/// What is still known of a call that was given away.
struct Seen {
    id: CallId,
    trace: Trace,
    target: Target,
    deadline: Moment,
    class: Priority,
    meter: Arc<Meter>,
    form: Form,
}

/// What a call was made with, and is to be answered with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Http,
    Values,
}

impl Form {
    fn of(call: &Call) -> Self {
        match call.payload {
            Payload::Http(_) => Self::Http,
            Payload::Values(..) => Self::Values,
        }
    }
}

impl Attempt for One {
    fn name(&self) -> &'static str {
        "attempt"
    }

    fn attempt<'a>(&'a self, call: Box<Call>, dispatch: Dispatch<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            self.in_turn(&call)?;
            call.meter.add_attempt();
            if let (Target::Service(_), Some(outbox)) = (&call.target, &call.outbox) {
                outbox.begin_again();
            }
            let clock = &*self.parts.sources.clock;
            let seen = Seen {
                id: call.id,
                trace: call.trace,
                target: call.target.clone(),
                deadline: call.deadline,
                class: call.tree.priority(),
                meter: call.meter.clone(),
                form: Form::of(&call),
            };
            let meter = &seen.meter;
            meter.time().enter(Account::Serve, clock.now());
            let answer = match dispatch.run(call).await {
                Ok(mut answer) => {
                    // What is streamed is still being served.
                    if answer.body_mut().as_whole().is_some() {
                        meter.time().enter(Account::Settle, clock.now());
                    }
                    answer
                }
                Err(failure) => {
                    let now = clock.now();
                    let spent = meter.time().read(now, meter.read().cpu_nanos);
                    meter.time().enter(Account::Settle, now);
                    let late = matches!(failure.kind, FailureKind::DeadlineExceeded);
                    let fault = self.masked(failure, &seen);
                    return Err(match &seen.target {
                        Target::Service(_) if late => {
                            fault.blamed(spent.blame()).with("spent", spent)
                        }
                        Target::Service(_) | Target::Capability { .. } => fault,
                    });
                }
            };
            match &seen.target {
                Target::Service(_) => self.checked(answer, &seen).await,
                Target::Capability { .. } => Ok(answer),
            }
        })
    }
}

impl One {
    /// Refuses a try that comes sooner than the rate allows. It is not waited for here, where it would hold a permit: `retry` does that.
    fn in_turn(&self, call: &Call) -> Result<(), Fault> {
        let settings = call.registered.as_ref();
        let settings = settings.and_then(|known| known.settings.get::<Settings>());
        let Some(Settings { quota, rate }) = settings else {
            return Ok(());
        };
        let now = self.parts.sources.clock.now();
        let then = match rate.take(quota, now) {
            Grant::Now => return Ok(()),
            Grant::Later(then) => then,
        };
        let refusal = Refusal {
            code: HostCode::RateLimited,
            layer: "attempt",
            detail: "There are too many requests to this upstream.".to_owned(),
            rule: format!(
                "{} is asked only so often, by all services together",
                call.target
            ),
            seen: "as many in the last second, and one more".to_owned(),
            limit: format!("per_second = {}", quota.count()),
            change: "per_second under [upstreams.NAME] in holdfast.toml".to_owned(),
            retry_after: Some(then.since(now)),
        };
        Err(refusal.into())
    }

    /// What a service may answer: 2xx to 4xx as it is. Its 5xx is masked, and what is no final status is no answer.
    async fn checked(&self, answer: Answer, seen: &Seen) -> Reply {
        let response = match (answer, seen.form) {
            (Answer::Http(response), Form::Http) => response,
            (answer @ Answer::Values(_), Form::Values) => return Ok(answer),
            (answer, _) => {
                answer.close();
                let cause = "the service answered in another form than it was asked in";
                let failure = Failure::new(FailureKind::BadResponse, cause);
                return Err(self.masked(failure, seen));
            }
        };
        let status = response.status().as_u16();
        match status {
            200..=499 => return Ok(Answer::Http(response)),
            500..=599 => {}
            _ => {
                let failure = Failure::new(
                    FailureKind::BadResponse,
                    "the service answered with a status that is not final",
                );
                return Err(self.masked(failure.with("status", status), seen));
            }
        }
        let text = self.beginning(response.into_body(), seen.deadline).await;
        self.parts.log.guest(GuestLine {
            wall: self.parts.sources.clock.wall(),
            id: seen.id,
            trace: seen.trace,
            target: seen.target.clone(),
            level: Level::Warn,
            text: format!("answered {status}: {text}"),
        });
        let failure = Failure::new(
            FailureKind::GaveUp,
            "the service answered with a server error, which was masked; its text is a line of this call",
        );
        Err(self.masked(failure.with("status", status), seen))
    }

    /// The first bytes of a body that nobody will read, as far as they come soon.
    async fn beginning(&self, mut body: Body, deadline: Moment) -> String {
        let clock = &self.parts.sources.clock;
        let until = clock.now().after(MASKED_WAIT).min(deadline);
        let mut timer = None;
        let mut bytes = BytesMut::new();
        poll_fn(|cx| {
            while bytes.len() < MASKED_BYTES_MAX {
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        let mut data = frame.into_data().unwrap_or_default();
                        data.truncate(MASKED_BYTES_MAX - bytes.len());
                        bytes.extend_from_slice(data.chunk());
                    }
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                    Poll::Pending => {
                        let timer = timer.get_or_insert_with(|| clock.sleep_until(until));
                        return timer.as_mut().poll(cx);
                    }
                }
            }
            Poll::Ready(())
        })
        .await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn masked(&self, mut failure: Failure, seen: &Seen) -> Fault {
        let target = &seen.target;
        if let (FailureKind::DeadlineExceeded, Target::Capability { .. }) = (&failure.kind, target)
        {
            failure.kind = FailureKind::UpstreamTimeout;
        }
        let reached = if failure.kind.is_unsent() {
            Reached::Nothing
        } else {
            Reached::Perhaps
        };
        // Said anew: what is handed on may be the fault of another call, which came as far as it came.
        let fault = mask::fault(&failure, target, &seen.meter).having_reached(reached);
        let Some(reason) = wanting(&failure.kind) else {
            return fault;
        };
        let class = seen.class;
        let fault = fault.for_want(Shed { class, reason });
        fault.retry_after(retry_after(&*self.parts.sources.random))
    }
}

/// For want of what an implementation could not even begin, if that is how it failed.
fn wanting(kind: &FailureKind) -> Option<ShedReason> {
    if let FailureKind::HostMemoryExhausted = kind {
        Some(ShedReason::Memory)
    } else if let FailureKind::PoolExhausted = kind {
        Some(ShedReason::Slots)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
