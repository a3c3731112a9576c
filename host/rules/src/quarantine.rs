//! `quarantine`: a service that does not start is left alone for a while, and one call at a time tries whether it starts again.
//!
//! Only a start that fails counts: the code a component runs before it has seen anything of a call. A caller has no hand in that, so
//! nobody can have another's service switched off by what he sends; a trap while a call is served counts nothing here. No place in the
//! pool, no memory of the host's left and a caller who went away say nothing of the service either. What is known belongs to one
//! version, under one policy: another one starts without a past. The rule itself is [`state`].

use crate::Parts;
use holdfast_call::meter::Start;
use holdfast_call::notice::Event as Happened;
use holdfast_call::{
    Applies, Boundary, BoxFuture, Call, Fault, HostCode, Layer, Level, Log, Meter, Next, Notice,
    Notices, Reply, Sources, Target, Verdict,
};
use state::{Effect, Event, Pass, Standing, State};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub mod state;

/// What the quarantine of a target needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is known of its starts.
    pub starts: Arc<Starts>,
}

/// What is known of the starts of one version.
#[derive(Default)]
pub struct Starts {
    /// Whether there is something to be asked: the good path looks at this alone.
    uneasy: AtomicBool,
    state: Mutex<State>,
}

impl Starts {
    /// How it stands, if it is left alone.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        if !self.uneasy.load(Ordering::Acquire) {
            return None;
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.standing()
    }

    fn step(&self, event: Event, sources: &Sources) -> Effect {
        let easy = !self.uneasy.load(Ordering::Acquire);
        match event {
            Event::Wanted if easy => return Effect::Let(Pass::Ordinary),
            Event::Started | Event::Left(_) if easy => return Effect::Nothing,
            _ => {}
        }
        // Each step leaves a whole state, whatever panicked after it.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let effect = state.step(event, sources.clock.now());
        self.uneasy.store(!state.calm(), Ordering::Release);
        effect
    }
}

impl fmt::Debug for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Starts({:?})", self.standing())
    }
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Gate {
        sources: parts.sources.clone(),
        log: parts.log.clone(),
        notices: parts.notices.clone(),
    })
}

struct Gate {
    sources: Sources,
    log: Arc<dyn Log>,
    notices: Arc<dyn Notices>,
}

/// A call that was let through. Dropped before its end is known, it has found out nothing.
struct Inside<'a> {
    gate: &'a Gate,
    starts: Arc<Starts>,
    meter: Arc<Meter>,
    pass: Pass,
    target: Target,
}

impl Layer for Gate {
    fn name(&self) -> &'static str {
        "quarantine"
    }

    fn applies(&self, _target: &Target, settings: &holdfast_call::Settings) -> Applies {
        match settings.get::<Settings>() {
            Some(_) => Applies::Yes,
            None => Applies::No,
        }
    }

    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let settings = call.registered.as_ref().map(|known| &known.settings);
            let Some(settings) = settings.and_then(|settings| settings.get::<Settings>()) else {
                return next.run(call).await;
            };
            let pass = match settings.starts.step(Event::Wanted, &self.sources) {
                Effect::Refuse(standing) => return Err(self.refusal(&call.target, standing)),
                Effect::Let(pass) => pass,
                Effect::Nothing | Effect::Begun(_) | Effect::Over => Pass::Ordinary,
            };
            let inside = Inside {
                gate: self,
                starts: settings.starts.clone(),
                meter: call.meter.clone(),
                pass,
                target: call.target.clone(),
            };
            let reply = next.run(call).await;
            inside.ended(&reply);
            reply
        })
    }
}

impl Inside<'_> {
    fn ended(&self, reply: &Reply) {
        let event = match (self.meter.start(), reply) {
            (Start::Done, _) => Event::Started,
            (Start::Begun, Err(fault)) if fault.verdict().boundary == Boundary::Application => {
                Event::Failed(self.pass)
            }
            (Start::Begun | Start::None, _) => return,
        };
        match self.starts.step(event, &self.gate.sources) {
            Effect::Begun(standing) => {
                let text = format!(
                    "{} does not start: {} starts in a row have failed, and it is left alone but for one probe every 1 s to 5 min",
                    self.target, standing.failures
                );
                self.gate.log.host(Level::Warn, text.clone());
                self.gate.notices.tell(Notice {
                    event: Happened::Quarantine,
                    about: self.target.to_string(),
                    text,
                });
            }
            Effect::Over => {
                let text = format!("{} starts again: its quarantine is over", self.target);
                self.gate.log.host(Level::Info, text);
            }
            Effect::Nothing | Effect::Let(_) | Effect::Refuse(_) => {}
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // After a known end this changes nothing: the probe is over already.
        if self.pass == Pass::Probe {
            self.starts.step(Event::Left(self.pass), &self.gate.sources);
        }
    }
}

impl Gate {
    fn refusal(&self, target: &Target, standing: Standing) -> Fault {
        let now = self.sources.clock.now();
        let wait = standing.probe.since(now);
        let verdict = Verdict {
            boundary: Boundary::Lifecycle,
            stage: "quarantine",
            cause: format!("{target} has failed to start too often in a row"),
            evidence: vec![
                ("failures", standing.failures.to_string()),
                ("since_ms", now.since(standing.since).as_millis().to_string()),
                ("next_probe_ms", wait.as_millis().to_string()),
            ],
            next: "read why its starts failed in the log, then put another version into the plugin directory".to_owned(),
        };
        let detail = "The service does not start, and is tried again later.";
        Fault::host(HostCode::Quarantined, detail, verdict).retry_after(wait)
    }
}

#[cfg(test)]
mod tests;
