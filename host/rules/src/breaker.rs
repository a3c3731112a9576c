//! `breaker`: an upstream that keeps failing is left alone for a while; each try needs a permit.
//!
//! What a service's tries come to is known of that service and upstream alone: whoever sends requests that fail can only shut the upstream
//! to himself. One thing is known in common, because nobody can bring it about by what he sends: that it could not be connected to, in all
//! the time that the policy gives it. The rule itself is [`state`].

use crate::Parts;
use crate::retry::class::{self, Failed};
use crate::retry::hint::Hint;
use holdfast_call::{
    Applies, Boundary, BoxFuture, Call, Class, Fault, HostCode, Layer, Level, Log, Moment, Next,
    Reply, Sources, Target, Verdict, mask,
};
use state::{Effect, Event, PAUSE_MIN, Pass, Shut, State};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub mod state;

/// What the breaker of an upstream needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is known of it. The same for every policy.
    pub known: Arc<Breakers>,
}

/// What is known of one upstream.
#[derive(Default)]
pub struct Breakers(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Whether anything can be sent to it.
    shared: State,
    /// What the tries of each service come to.
    own: HashMap<Arc<str>, State>,
}

/// As what a try was let through, by both.
#[derive(Clone, Copy, Debug)]
struct Passes {
    shared: Pass,
    own: Pass,
}

impl Breakers {
    /// For whom it is open: every service (`None`) or some, with the moment of the next probe.
    #[must_use]
    pub fn open(&self) -> Vec<(Option<Arc<str>>, Moment)> {
        let known = self.lock();
        let shared = known.shared.open_until().map(|until| (None, until));
        let own = known.own.iter();
        let own = own.filter_map(|(name, state)| Some((Some(name.clone()), state.open_until()?)));
        shared.into_iter().chain(own).collect()
    }

    // A state is whole between two steps.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, asker: &Arc<str>, now: Moment) -> Result<Passes, (Shut, Moment)> {
        let mut known = self.lock();
        let shared = let_through(known.shared.step(Event::Wanted, now))?;
        match let_through(known.own(asker, Event::Wanted, now)) {
            Ok(own) => Ok(Passes { shared, own }),
            Err(refused) => {
                known.shared.step(Event::Left(shared), now);
                Err(refused)
            }
        }
    }
}

fn let_through(effect: Effect) -> Result<Pass, (Shut, Moment)> {
    match effect {
        Effect::Let(pass) => Ok(pass),
        Effect::Refuse(shut, until) => Err((shut, until)),
        Effect::Nothing | Effect::Opened(_) | Effect::Closed => Ok(Pass::Ordinary),
    }
}

impl Known {
    /// One step of what the service `asker` knows.
    fn own(&mut self, asker: &Arc<str>, event: Event, now: Moment) -> Effect {
        match self.own.get_mut(asker) {
            Some(state) => state.step(event, now),
            None => {
                let state = self.own.entry(asker.clone()).or_default();
                state.step(event, now)
            }
        }
    }
}

impl fmt::Debug for Breakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Breakers({:?})", self.open())
    }
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Breaker {
        sources: parts.sources.clone(),
        log: parts.log.clone(),
    })
}

struct Breaker {
    sources: Sources,
    log: Arc<dyn Log>,
}

/// Whom a breaker is for.
#[derive(Clone, Copy)]
enum Whom {
    Everybody,
    Asker,
}

/// A try that was let through. Dropped before its end is known, it has found out nothing.
struct Inside<'a> {
    breaker: &'a Breaker,
    known: Arc<Breakers>,
    asker: Arc<str>,
    target: Target,
    passes: Option<Passes>,
}

impl Layer for Breaker {
    fn name(&self) -> &'static str {
        "breaker"
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
        let Some(known) = settings.map(|settings| settings.known.clone()) else {
            return next.run(call);
        };
        Box::pin(async move {
            let asker = call.asking();
            let now = self.sources.clock.now();
            let passes = match known.enter(&asker, now) {
                Ok(passes) => passes,
                Err((shut, until)) => return Err(refusal(&call.target, shut, until.since(now))),
            };
            let inside = Inside {
                breaker: self,
                known,
                asker,
                target: call.target.clone(),
                passes: Some(passes),
            };
            let reply = next.run(call).await;
            inside.ended(&reply);
            reply
        })
    }
}

/// For whom an upstream is gone to which nothing could be sent.
#[derive(Clone, Copy)]
enum Gone {
    ForAll,
    /// For this call: its own haste, its service's connections, or a word of the upstream to it.
    ForThis,
}

/// What a try means: for everybody, and for the service that made it.
fn events(failed: Option<Failed>, gone: Gone, passes: Passes, chance: u64) -> (Event, Event) {
    let Passes { shared, own } = passes;
    let sent = Event::Succeeded(shared);
    let Some(failed) = failed else {
        return (sent, Event::Succeeded(own));
    };
    match failed.class {
        Class::NotSent => match gone {
            Gone::ForAll => (Event::Failed(shared, chance), Event::Failed(own, chance)),
            Gone::ForThis => (Event::Left(shared), Event::Failed(own, chance)),
        },
        Class::Ambiguous | Class::Transient => (sent, Event::Failed(own, chance)),
        Class::Throttled => {
            let span = match failed.hint {
                Hint::After(span) => span,
                Hint::Nothing | Hint::Worthwhile | Hint::Never => PAUSE_MIN,
            };
            (sent, Event::Throttled(own, span, chance))
        }
        // It answered, and will answer the same to the same.
        Class::Permanent => (sent, Event::Succeeded(own)),
        Class::Cancelled => (Event::Left(shared), Event::Left(own)),
    }
}

fn untried(fault: &Fault) -> bool {
    matches!(
        fault.verdict().boundary,
        Boundary::Policy | Boundary::Platform | Boundary::Storage
    ) || fault.class() == Class::Permanent
}

impl Inside<'_> {
    fn ended(mut self, reply: &Reply) {
        let Some(passes) = self.passes.take() else {
            return;
        };
        let sources = &self.breaker.sources;
        let now = sources.clock.now();
        let (shared, own) = match reply {
            // A rule of the host's own said no, its machine failed, or the request was none: the try tells nothing of the upstream.
            Err(fault) if untried(fault) => (Event::Left(passes.shared), Event::Left(passes.own)),
            Err(_) | Ok(_) => {
                let failed = class::failed(reply, &*sources.clock);
                let chance = failed.map_or(0, |_| sources.random.number());
                let gone = match reply {
                    Err(fault) if fault.verdict().stage == mask::CONNECT => Gone::ForAll,
                    Err(_) | Ok(_) => Gone::ForThis,
                };
                events(failed, gone, passes, chance)
            }
        };
        let (shared, own) = {
            let mut known = self.known.lock();
            let shared = known.shared.step(shared, now);
            (shared, known.own(&self.asker, own, now))
        };
        self.say(shared, Whom::Everybody, now);
        self.say(own, Whom::Asker, now);
    }

    fn say(&self, effect: Effect, whom: Whom, now: Moment) {
        let target = &self.target;
        let whom = || match whom {
            Whom::Everybody => "every service".to_owned(),
            Whom::Asker => format!("service {}", self.asker),
        };
        let log = &self.breaker.log;
        match effect {
            Effect::Opened(probe) => {
                let wait = probe.since(now).as_millis();
                let text = format!(
                    "{target} keeps failing, and is left alone for {}: the first probe is in {wait} ms",
                    whom()
                );
                log.host(Level::Warn, text);
            }
            Effect::Closed => {
                let text = format!("{target} answers again, and is open for {}", whom());
                log.host(Level::Info, text);
            }
            Effect::Nothing | Effect::Let(_) | Effect::Refuse(..) => {}
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let Some(passes) = self.passes.take() else {
            return;
        };
        let now = self.breaker.sources.clock.now();
        let mut known = self.known.lock();
        known.shared.step(Event::Left(passes.shared), now);
        known.own(&self.asker, Event::Left(passes.own), now);
    }
}

fn refusal(target: &Target, shut: Shut, wait: Duration) -> Fault {
    let (code, cause, detail) = match shut {
        Shut::Open => (
            HostCode::UpstreamCircuitOpen,
            "it failed too often lately, and is left alone until a probe succeeds",
            "The upstream keeps failing and is left alone for a while.",
        ),
        Shut::Cooling => (
            HostCode::UpstreamThrottled,
            "it asked to be left alone for a while",
            "The upstream asks for fewer requests.",
        ),
    };
    let verdict = Verdict {
        boundary: Boundary::Upstream,
        stage: "breaker",
        cause: format!("{target}: {cause}"),
        evidence: vec![("wait_ms", wait.as_millis().to_string())],
        next: format!("see whether {target} answers; holdfast doctor asks it"),
    };
    Fault::host(code, detail, verdict).retry_after(wait)
}

#[cfg(test)]
mod tests;
