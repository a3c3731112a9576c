//! `admit`: a call runs only in a place; else it waits a little, or is shed.
//!
//! From outside it needs the host to be open and a place of its service; it may wait for one. A nested call never stands in a queue behind
//! an outer one, or the two would wait for each other: a service called by a service reuses the root's place and is only counted, and an
//! upstream has places that no outer call ever holds, and of those no service has all where others may want some. A place is for running:
//! a service's answer that is streamed gives it back at its head and counts as an open stream. An upstream's place is its connection, so it
//! is held to the end.
//!
//! Where there is not enough, the lesser class gives way: in a line, and at the door of a host that is hard pressed. The operator's own
//! commands are of a class above all services; health and metrics are asked at another door, which does not lead here.

mod each;
mod gate;
mod line;
mod places;
pub mod pressure;
mod room;

pub use each::Each;
pub use gate::{Draining, Gate, HostGate, Ticket};
pub use places::{Entered, Limits, Place, Places, Waiting};
pub use room::{Room, Slots};

use crate::Parts;
use holdfast_call::{
    Account, Answer, BodyEnd, BodyWatch, Boundary, BoxFuture, Call, Entry, Fault, HostCode, Layer,
    Link, Moment, Next, Priority, Random, Refusal, Reply, Sources, Target, in_time,
};
use pressure::Readings;
use std::sync::Arc;
use std::time::Duration;

/// What admission needs to know about a target.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its places. The same ones for every version of a service, so that a swap does not double them.
    pub places: Arc<Places>,
    /// Of an upstream: those that each service may have.
    pub each: Option<Arc<Each>>,
    /// Of what class its calls from outside are.
    pub priority: Priority,
    /// The room it shares with others; an upstream needs none.
    pub room: Option<Arc<Room>>,
    /// How many slots of the room one of its calls takes.
    pub slots: u32,
    /// How many calls one of its calls may make.
    pub calls_max: u32,
}

/// How many calls one call may make if nothing else is said.
pub const CALLS_MAX: u32 = 50;
/// How many services may stand in a caller's chain.
pub const DEPTH_MAX: usize = 8;
/// How often a service may stand in the chain of a call to it: it may call itself once.
pub const PASSES_MAX: usize = 1;
/// The longest wait for a place; never more than half of the time that is left.
pub const WAIT_MAX: Duration = Duration::from_secs(1);

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Admit {
        sources: parts.sources.clone(),
        host: parts.host.clone(),
    })
}

struct Admit {
    sources: Sources,
    host: Arc<HostGate>,
}

impl Layer for Admit {
    fn name(&self) -> &'static str {
        "admit"
    }

    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let ticket = if call.nested() {
                bounded(&call)?;
                None
            } else {
                Some(self.host.enter().map_err(|_| self.draining())?)
            };
            let Some(settings) = settings_of(&call) else {
                // What is not there answers at once, and needs no place for that.
                return next.run(call).await;
            };
            if !call.nested() {
                self.classed(&call, settings.priority)?;
            }
            let kind = Kind::of(&call);
            let now = self.sources.clock.now();
            call.meter.time().enter(Account::Queue, now);
            let until = now.after(WAIT_MAX.min(call.deadline.since(now) / 2));
            let wish = Wish {
                kind,
                class: call.tree.priority(),
                until,
            };
            let own = settings.each.as_ref().map(|each| each.of(&call.asking()));
            let own = match &own {
                Some(own) => Some(self.place(own, wish).await?),
                None => None,
            };
            let place = self.place(&settings.places, wish).await?;
            let slots = self.slots(&settings)?;
            let answer = next.run(call).await?;
            self.hold(answer, ticket, (place, own), slots, kind)
        })
    }
}

/// The three kinds of place a call can need.
#[derive(Clone, Copy)]
enum Kind {
    /// Of a service, from outside.
    Root,
    /// Of a service, from within a call that has a place.
    Nested,
    /// Of an upstream.
    Upstream,
}

/// A place that is wanted.
#[derive(Clone, Copy)]
struct Wish {
    kind: Kind,
    class: Priority,
    /// How long it is waited for.
    until: Moment,
}

impl Kind {
    fn of(call: &Call) -> Self {
        match (&call.target, call.nested()) {
            (Target::Service(_), false) => Self::Root,
            (Target::Service(_), true) => Self::Nested,
            (Target::Capability { .. }, _) => Self::Upstream,
        }
    }

    const fn change(self) -> &'static str {
        match self {
            Self::Root | Self::Nested => {
                "places and open_streams under [services.NAME.limits] in holdfast.toml"
            }
            Self::Upstream => "places under [upstreams.NAME] in holdfast.toml",
        }
    }
}

fn settings_of(call: &Call) -> Option<Settings> {
    let registered = call.registered.as_ref()?;
    registered.settings.get::<Settings>().cloned()
}

impl Admit {
    /// Says of what class a call from outside is, with all that it leads to, and sends it away if the host is too hard pressed for it.
    fn classed(&self, call: &Call, of_service: Priority) -> Result<(), Fault> {
        let class = match call.entry {
            Entry::Command => Priority::Control,
            Entry::Http | Entry::Import => of_service,
        };
        call.tree.set_priority(class);
        let shedding = self.host.shedding();
        if !shedding.sheds(class) {
            return Ok(());
        }
        let Readings { memory, late } = shedding.readings;
        let refusal = Refusal {
            code: HostCode::Overloaded,
            layer: "admit",
            detail: "There is no free place for this call now.".to_owned(),
            rule: "a host that is hard pressed sends the lesser classes away".to_owned(),
            seen: format!(
                "{} % of the memory in use, tasks woken {} ms late",
                memory / 10,
                late.as_millis()
            ),
            limit: format!("no calls of class {} until that is better", class.as_str()),
            change: format!(
                "shed_memory, or priority under [services.NAME], in holdfast.toml; {} is {}",
                call.target,
                class.as_str()
            ),
            retry_after: Some(retry_after(&*self.sources.random)),
        };
        Err(refusal.into())
    }

    async fn place(&self, places: &Arc<Places>, wish: Wish) -> Result<Place, Fault> {
        let Wish { kind, class, until } = wish;
        if let Kind::Nested = kind {
            let full = || self.overloaded("a service has so many nested calls", places, kind);
            return places.nested().ok_or_else(full);
        }
        match places.enter(class, until) {
            Entered::Now(place) => Ok(place),
            Entered::Full => {
                let rule = "so many calls run at once, and as many wait";
                Err(self.overloaded(rule, places, kind))
            }
            Entered::Later(waiting) => {
                let place = in_time(&*self.sources.clock, until, waiting);
                let place = place.await.flatten();
                let rule =
                    "a call waits only so long for a place, and gives way to one of a higher class";
                place.ok_or_else(|| self.overloaded(rule, places, kind))
            }
        }
    }

    /// The slots of a call that has its place.
    fn slots(&self, settings: &Settings) -> Result<Option<Slots>, Fault> {
        let Some(room) = &settings.room else {
            return Ok(None);
        };
        let others = settings.places.held().saturating_sub(1);
        let held = others.saturating_mul(settings.slots);
        if let Some(slots) = room.take(held, settings.slots) {
            return Ok(Some(slots));
        }
        let refusal = Refusal {
            code: HostCode::Overloaded,
            layer: "admit",
            detail: "There is no free place for this call now.".to_owned(),
            rule: "a service holds no more slots than are free".to_owned(),
            seen: format!("{held} held by the service, {room}"),
            limit: "as many as are free".to_owned(),
            change: "slots in holdfast.toml".to_owned(),
            retry_after: Some(retry_after(&*self.sources.random)),
        };
        let fault = Fault::from(refusal);
        // A service that holds none has had no share of them: the host is too small for what it serves.
        Err(if held == 0 {
            fault.blamed(Boundary::Platform)
        } else {
            fault
        })
    }

    /// Lets go of what was only for running, and hangs the rest on the answer.
    fn hold(
        &self,
        mut answer: Answer,
        ticket: Option<Ticket>,
        (place, own): (Place, Option<Place>),
        slots: Option<Slots>,
        kind: Kind,
    ) -> Reply {
        let body = answer.body_mut();
        let place = match (body.as_whole(), kind) {
            (Some(_), _) => None,
            (None, Kind::Upstream) => Some(place),
            (None, Kind::Root | Kind::Nested) => Some(place.into_stream().map_err(|places| {
                self.overloaded("a service has so many open streams", &places, kind)
            })?),
        };
        if ticket.is_some() || place.is_some() {
            let slots = slots.filter(|_| place.is_some());
            body.watch(Box::new(Held(Some(Holds {
                _own: own.filter(|_| place.is_some()),
                _ticket: ticket,
                _place: place,
                _slots: slots,
            }))));
        }
        Ok(answer)
    }

    fn overloaded(&self, rule: &str, places: &Places, kind: Kind) -> Fault {
        let limits = places.limits();
        let refusal = Refusal {
            code: HostCode::Overloaded,
            layer: "admit",
            detail: "There is no free place for this call now.".to_owned(),
            rule: rule.to_owned(),
            seen: places.to_string(),
            limit: format!(
                "places = {}, open_streams = {}",
                limits.places, limits.streams
            ),
            change: kind.change().to_owned(),
            retry_after: Some(retry_after(&*self.sources.random)),
        };
        refusal.into()
    }

    fn draining(&self) -> Fault {
        let refusal = Refusal {
            code: HostCode::Draining,
            layer: "admit",
            detail: "The host is shutting down.".to_owned(),
            rule: "a host that is shutting down takes no new calls".to_owned(),
            seen: format!("{} calls still in flight", self.host.in_flight()),
            limit: "no new calls".to_owned(),
            change: "nothing: ask again once the host is back".to_owned(),
            retry_after: Some(retry_after(&*self.sources.random)),
        };
        refusal.into()
    }
}

/// What is held until the answer has ended.
struct Held(Option<Holds>);

/// All that a call can hold.
struct Holds {
    _ticket: Option<Ticket>,
    _place: Option<Place>,
    /// Of an upstream: the asking service's own.
    _own: Option<Place>,
    _slots: Option<Slots>,
}

impl BodyWatch for Held {
    fn end(&mut self, _end: &BodyEnd<'_>) {
        self.0 = None;
    }
}

/// Between one and four seconds: callers that were shed together do not come back together.
pub(crate) fn retry_after(random: &dyn Random) -> Duration {
    let [a, b, ..] = random.sixteen();
    Duration::from_millis(1_000 + u64::from(u16::from_le_bytes([a, b])) * 3_000 / 65_536)
}

/// What bounds a nested call: how many its parent may make, and how services may call each other.
fn bounded(call: &Call) -> Result<(), Fault> {
    let settings = call
        .asker
        .as_ref()
        .and_then(|asker| asker.settings.get::<Settings>());
    let calls_max = settings.map_or(CALLS_MAX, |settings| settings.calls_max);
    if call.ordinal > calls_max {
        return Err(refused(
            HostCode::CallsExhausted,
            "one call makes only so many calls",
            format!("call number {}", call.ordinal),
            format!("calls = {calls_max}"),
            "calls under [limits] of the asking service",
        ));
    }
    let Target::Service(name) = &call.target else {
        return Ok(());
    };
    let links = call.caller.links();
    let depth = links
        .iter()
        .filter(|link| matches!(link, Link::Service(_)))
        .count();
    let passes = call.caller.passes(name);
    if depth > DEPTH_MAX || passes > PASSES_MAX {
        return Err(refused(
            HostCode::LoopDetected,
            "services call each other only so deep, and themselves once",
            format!("{} > {name}", call.caller),
            format!("{DEPTH_MAX} services deep, {PASSES_MAX} call to itself"),
            "nothing: end the circle in the services",
        ));
    }
    Ok(())
}

fn refused(code: HostCode, rule: &str, seen: String, limit: String, change: &str) -> Fault {
    let refusal = Refusal {
        code,
        layer: "admit",
        detail: code.meaning().title.to_owned() + ".",
        rule: rule.to_owned(),
        seen,
        limit,
        change: change.to_owned(),
        retry_after: None,
    };
    refusal.into()
}

#[cfg(test)]
mod tests;
