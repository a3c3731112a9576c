//! The execution itself, as one instance brings it further: to its end, or to where it stops.

use super::beginning::{CONTINUE, again};
use super::halt::Halt;
use super::run::{Run, TURN};
use crate::once::outcome;
use holdfast_call::notice::Event;
use holdfast_call::{Answer, Call, CallId, Fault, HostCode, Next, Notice, Reply, Verdict};
use holdfast_store::db::DbError;
use holdfast_store::executions::Held;
use holdfast_store::runs::{self, Round};
use http::HeaderValue;
use std::sync::Arc;
use std::time::Duration;

/// How long is waited before what could not be said of an execution is said again.
const SAY_AGAIN: Duration = Duration::from_secs(1);
/// How long an execution waits for a host that has no place for it, or that is not what it should be.
const BUSY: Duration = Duration::from_secs(2);
/// How long it waits for something that may take a while.
const LATER: Duration = Duration::from_secs(10);

/// After what time it is tried again that could not be done for a reason of the host's, or of its policy; none, where that is what came of it.
pub(super) fn again_after(code: HostCode) -> Option<Duration> {
    match code {
        HostCode::Draining
        | HostCode::Overloaded
        | HostCode::Quarantined
        | HostCode::InProgress => Some(BUSY),
        HostCode::StorageUnavailable
        | HostCode::RateLimited
        | HostCode::BudgetExhausted
        | HostCode::UpstreamThrottled
        | HostCode::UpstreamCircuitOpen
        | HostCode::Cancelled => Some(LATER),
        _ => None,
    }
}

impl Run {
    /// Has the service run until it has ended, or stops.
    pub(super) async fn brought_on(self: Arc<Self>, mut call: Box<Call>, next: Next<'_>) -> Reply {
        let _over = Over(self.clone());
        let meter = call.meter.clone();
        call.execution = Some(self.clone());
        call.outbox = None;
        let reply = tokio::select! {
            biased;
            halt = self.halted() => Err(halt),
            reply = next.run(call) => Ok(reply),
        };
        let halt = match reply {
            Err(halt) => halt,
            Ok(reply) => match self.judged(&reply, meter.read().attempts) {
                Some(halt) => halt,
                None => match self.goes_on(&reply) {
                    Some(round) => Halt::Again(round),
                    None => return self.ended(reply).await,
                },
            },
        };
        let told = halt.told();
        self.stops(halt).await;
        Err(told)
    }

    /// Why what came back is not the end of it, if it is not.
    fn judged(&self, reply: &Reply, attempts: u32) -> Option<Halt> {
        if let Some(halt) = self.halt() {
            return Some(halt);
        }
        let Err(fault) = reply else {
            let missing = self.book().missing()?;
            return Some(Halt::Paused(self.another(&missing)));
        };
        let code = fault.host_code()?;
        let after = match (again_after(code), attempts) {
            (Some(after), _) => after,
            // It is not known to have begun.
            (None, 0) => LATER,
            (None, _) if code == HostCode::DeadlineExceeded => Duration::ZERO,
            (None, _) => return None,
        };
        let why = format!(
            "it could not go on: {} ({})",
            code.as_str(),
            fault.verdict().cause
        );
        Some(Halt::Later(fault.wait().unwrap_or(after), why))
    }

    /// What it goes on as, if its guest wants that: an answer that says so, and is whole as any of a durable operation.
    fn goes_on(&self, reply: &Reply) -> Option<Result<Round, Box<Fault>>> {
        let Ok(Answer::Http(response)) = reply else {
            return None;
        };
        let target = response.headers().get(CONTINUE)?;
        let body = response.body().as_whole().map_or(&[][..], |bytes| bytes);
        let Some(asked) = again(&self.asked, target, body) else {
            return Some(Err(Box::new(self.nowhere(target))));
        };
        let seed = self.reading.next_seed();
        Some(Ok(Round { asked, seed }))
    }

    fn nowhere(&self, target: &HeaderValue) -> Fault {
        let cause = "the service wants to go on elsewhere than at the path of its operation";
        let verdict = Verdict {
            boundary: HostCode::BadResponse.meaning().boundary,
            stage: "journal",
            cause: cause.to_owned(),
            evidence: vec![("holdfast-continue", format!("{target:?}"))],
            next: format!("holdfast run show {}", self.hold.call),
        };
        let title = HostCode::BadResponse.meaning().title;
        Fault::host(HostCode::BadResponse, format!("{title}."), verdict)
    }

    /// Keeps what came of it.
    async fn ended(&self, reply: Reply) -> Reply {
        let outcome::Ended { reply, outcome } = outcome::ended(reply, self.id()).await;
        self.keeps(outcome).await;
        reply
    }

    /// Its name.
    fn id(&self) -> CallId {
        // It is the name of a call; a text that is none names none.
        CallId::parse(&self.hold.call).unwrap_or_else(|| CallId::new(self.clock.wall(), [0; 16]))
    }

    async fn keeps(&self, outcome: Vec<u8>) {
        self.say(|| {
            runs::finish(
                &self.database,
                self.hold.clone(),
                outcome.clone(),
                self.keep,
            )
        })
        .await;
    }

    /// Says where it stops, once nothing of it is under way any more.
    async fn stops(&self, halt: Halt) {
        let hold = || self.hold.clone();
        match halt {
            Halt::Lost | Halt::Over => {}
            Halt::Failed(fault) | Halt::Again(Err(fault)) => {
                self.keeps(outcome::of_fault(&fault, self.id())).await;
            }
            Halt::Again(Ok(round)) => {
                self.say(|| runs::go_on(&self.database, hold(), round.clone()))
                    .await;
            }
            Halt::Sleeps(until) => {
                self.comes_to_rest().await;
                let left = Duration::from_nanos(until.saturating_sub(self.now_ns()));
                let why = "it sleeps".to_owned();
                self.say(|| runs::put_off(&self.database, hold(), left, why.clone()))
                    .await;
            }
            Halt::Later(after, why) => {
                self.comes_to_rest().await;
                self.say(|| runs::put_off(&self.database, hold(), after, why.clone()))
                    .await;
            }
            Halt::Paused(why) => {
                self.comes_to_rest().await;
                self.say(|| runs::pause(&self.database, hold(), why.clone()))
                    .await;
                self.tell(&why);
            }
        }
    }

    /// Waits for what is under way, which has an end of its own; no longer than for what was begun last.
    async fn comes_to_rest(&self) {
        let longest = self.clock.sleep_until(self.clock.now().after(TURN));
        tokio::select! {
            () = self.settled() => {}
            () = longest => {}
        }
    }

    fn tell(&self, why: &str) {
        let call = self.id();
        self.notices.tell(Notice {
            event: Event::Indeterminate,
            about: format!("call:{call}"),
            text: format!(
                "the execution {call} of {} waits for a person, because {why}: `holdfast run show {call}` says how far it came, \
                 `holdfast run resume {call}` lets it try again, `holdfast run kill {call}` ends it",
                self.service
            ),
        });
    }

    /// Says something of it as often as it takes: until then it is this host's, and stands still.
    async fn say<F>(&self, said: impl Fn() -> F)
    where
        F: Future<Output = Result<Held, DbError>>,
    {
        while said().await.is_err() {
            let again = self.clock.now().after(SAY_AGAIN);
            self.clock.sleep_until(again).await;
        }
    }
}

/// Whoever waits for something of an execution that this instance brings no further is told so.
struct Over(Arc<Run>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.stop(Halt::Over);
    }
}
