//! `deadline`: a call has only so much time, and never more than the one that made it.
//!
//! To the answer's head, whatever waits or runs inside is raced against the clock and dropped when the time is over. From the head to the
//! end, an answer that is streamed is cut when it stands still for too long or has lasted too long. It never extends a deadline.

use crate::Parts;
use crate::journal::TURN;
use holdfast_call::{
    Applies, BodyEnd, BodyWatch, Boundary, BoxFuture, Call, Clock, Entry, Fault, HostCode, Layer,
    Meter, Moment, Next, Reply, Target, Verdict, in_time,
};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long a target may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From the entry to the answer's head.
    pub head: Duration,
    /// Between two frames of the answer's body.
    pub idle: Duration,
    /// From the answer's head to its end.
    pub stream: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            stream: Duration::from_secs(15 * 60),
        }
    }
}

/// What a nested call leaves of its parent's time, so that the parent can still answer: 2 % of it, and no less than this.
pub const RESERVE_MIN: Duration = Duration::from_millis(10);

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Deadline {
        clock: parts.sources.clock.clone(),
    })
}

struct Deadline {
    clock: Arc<dyn Clock>,
}

impl Layer for Deadline {
    fn name(&self) -> &'static str {
        "deadline"
    }

    fn applies(&self, _target: &Target, settings: &holdfast_call::Settings) -> Applies {
        match settings.get::<Settings>() {
            Some(_) => Applies::Yes,
            None => Applies::No,
        }
    }

    fn run<'a>(&'a self, mut call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        let settings = call
            .registered
            .as_ref()
            .and_then(|registered| registered.settings.get::<Settings>().copied());
        let Some(settings) = settings else {
            // What is not there answers at once.
            return next.run(call);
        };
        Box::pin(async move {
            let now = self.clock.now();
            let head = match call.entry {
                // It outlasts whoever waits for it.
                Entry::Execution => TURN,
                _ => settings.head,
            };
            let deadline = tightened(call.deadline, call.nested(), now, head);
            if deadline <= now {
                return Err(nothing_left(&call, now));
            }
            call.deadline = deadline;
            call.stream = settings.stream;
            let over = Over {
                target: call.target.clone(),
                meter: call.meter.clone(),
                began: now,
                limit: head,
            };
            let Some(reply) = in_time(&*self.clock, deadline, next.run(call)).await else {
                return Err(over.before_the_head(self.clock.now()));
            };
            let mut answer = reply?;
            let body = answer.body_mut();
            if body.as_whole().is_none() {
                body.watch(Box::new(Flow::new(self.clock.clone(), settings, over)));
            }
            Ok(answer)
        })
    }
}

/// The deadline of a call: its own time to the head, and no more than is left of its parent's without the reserve.
fn tightened(inherited: Moment, nested: bool, now: Moment, head: Duration) -> Moment {
    let own = now.after(head);
    if !nested {
        return own.min(inherited);
    }
    let left = inherited.since(now);
    let reserve = RESERVE_MIN.max(left / 50);
    own.min(now.after(left.saturating_sub(reserve)))
}

/// What is known of a call whose time is over.
struct Over {
    target: Target,
    meter: Arc<Meter>,
    began: Moment,
    limit: Duration,
}

impl Over {
    fn before_the_head(&self, now: Moment) -> Fault {
        let cpu = self.meter.read().cpu_nanos;
        let spent = self.meter.time().read(now, cpu);
        let (code, boundary) = match &self.target {
            Target::Service(_) => (HostCode::DeadlineExceeded, spent.blame()),
            Target::Capability { .. } => (HostCode::UpstreamTimeout, Boundary::Upstream),
        };
        let cause = "the answer did not begin in time".to_owned();
        let mut seen = vec![
            ("waited_ms", now.since(self.began).as_millis().to_string()),
            ("limit_ms", self.limit.as_millis().to_string()),
            ("cpu_us", (cpu / 1_000).to_string()),
        ];
        if spent.total() > 0 {
            seen.push(("spent", spent.to_string()));
        }
        self.fault(code, boundary, cause, seen, "deadline")
    }

    fn fault(
        &self,
        code: HostCode,
        boundary: Boundary,
        cause: String,
        evidence: Vec<(&'static str, String)>,
        key: &str,
    ) -> Fault {
        let verdict = Verdict {
            boundary,
            stage: "deadline",
            cause,
            evidence,
            next: change(&self.target, key),
        };
        Fault::host(code, "The call did not end in time.", verdict)
    }
}

/// The line of the settings that says how long `target` may take.
fn change(target: &Target, key: &str) -> String {
    match target {
        Target::Service(name) => {
            format!(
                "{key} under [limits] in {name}.toml or [services.{name}.limits] in holdfast.toml"
            )
        }
        Target::Capability { resource, .. } => {
            format!("first_byte of the upstream with url = \"{resource}\" in holdfast.toml")
        }
    }
}

fn nothing_left(call: &Call, now: Moment) -> Fault {
    let spent = call.spent_above(now);
    let verdict = Verdict {
        boundary: spent.blame(),
        stage: "deadline",
        cause: "the caller had no time left for another call".to_owned(),
        evidence: vec![
            ("left_ms", call.deadline.since(now).as_millis().to_string()),
            ("reserve_ms", RESERVE_MIN.as_millis().to_string()),
            ("spent", spent.to_string()),
        ],
        next: match call.caller.service() {
            Some(name) => change(&Target::Service(name.clone()), "deadline"),
            None => change(&call.target, "deadline"),
        },
    };
    Fault::host(
        HostCode::DeadlineExceeded,
        "There was no time left for this call.",
        verdict,
    )
}

/// The watch of a streamed answer: neither standing still nor going on for ever.
struct Flow {
    clock: Arc<dyn Clock>,
    settings: Settings,
    over: Over,
    head: Moment,
    last: Moment,
    /// Whether somebody has asked for bytes since the last ones came: who stands still, the answer or its reader.
    asked: Asked,
    bytes: u64,
    timer: Option<BoxFuture<'static, ()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    No,
    Yes,
}

impl Flow {
    fn new(clock: Arc<dyn Clock>, settings: Settings, over: Over) -> Self {
        let head = clock.now();
        Self {
            clock,
            settings,
            over,
            head,
            last: head,
            asked: Asked::No,
            bytes: 0,
            timer: None,
        }
    }

    fn bound(&self) -> Moment {
        let still = self.last.after(self.settings.idle);
        still.min(self.head.after(self.settings.stream))
    }

    fn fault(&self, now: Moment) -> Fault {
        let lasted = now.since(self.head);
        let seen = |limit: Duration| {
            vec![
                ("lasted_ms", lasted.as_millis().to_string()),
                ("still_ms", now.since(self.last).as_millis().to_string()),
                ("limit_ms", limit.as_millis().to_string()),
                ("bytes", self.bytes.to_string()),
            ]
        };
        let (code, blamed) = match &self.over.target {
            Target::Service(_) => (HostCode::DeadlineExceeded, Boundary::Application),
            Target::Capability { .. } => (HostCode::UpstreamTimeout, Boundary::Upstream),
        };
        if lasted >= self.settings.stream {
            let cause = "the answer lasted longer than a stream may".to_owned();
            return self
                .over
                .fault(code, blamed, cause, seen(self.settings.stream), "stream");
        }
        let (blamed, cause) = match self.asked {
            Asked::Yes => (blamed, "the answer stood still"),
            Asked::No => (Boundary::Caller, "the reader of the answer stood still"),
        };
        let seen = seen(self.settings.idle);
        self.over
            .fault(code, blamed, cause.to_owned(), seen, "idle")
    }
}

impl BodyWatch for Flow {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        loop {
            let due = self.bound();
            let timer = self
                .timer
                .get_or_insert_with(|| self.clock.sleep_until(due));
            if timer.as_mut().poll(cx).is_pending() {
                self.asked = Asked::Yes;
                return Poll::Pending;
            }
            // Frames only move the due moment; the timer is set again when it has fired too early.
            self.timer = None;
            let now = self.clock.now();
            if now >= self.bound() {
                return Poll::Ready(self.fault(now));
            }
        }
    }

    fn due(&self) -> Option<Moment> {
        Some(self.bound())
    }

    fn frame(&mut self, bytes: usize) -> Result<(), Fault> {
        // A frame without a byte is no sign of life.
        if bytes == 0 {
            return Ok(());
        }
        self.last = self.clock.now();
        self.asked = Asked::No;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        Ok(())
    }

    fn end(&mut self, _end: &BodyEnd<'_>) {
        self.timer = None;
    }
}

#[cfg(test)]
mod tests;
