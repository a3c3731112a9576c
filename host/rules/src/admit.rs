//! `admit`: a call runs only in a place; else it waits a little, or is shed.
//!
//! From outside it needs the host to be open and a place of its service; it may wait for one. A nested call never stands in a queue behind
//! an outer one, or the two would wait for each other: a service called by a service reuses the root's place and is only counted, and an
//! upstream has places that no outer call ever holds, and of those no service has all where others may want some. A place is for running:
//! a service's answer that is streamed gives it back at its head and counts as an open stream. An upstream's place is its connection, so it
//! is held to the end.
//!
//! Where there is not enough, the lesser class gives way: in a line, and at the door of a host that is hard pressed. Who would come too
//! late to be served in time does not wait at all. The operator's own
//! commands are of a class above all services; health and metrics are asked at another door, which does not lead here.

mod each;
mod gate;
mod line;
mod places;
pub mod pressure;
mod refusals;
mod room;
mod served;

pub use each::Each;
pub use gate::{Draining, Gate, HostGate, Ticket};
pub use places::{Entered, Limits, Place, Places, Waiting, Wish};
pub use room::{Room, Slots};

use crate::Parts;
use holdfast_call::{
    Account, Answer, BodyEnd, BodyWatch, BoxFuture, Call, Entry, Fault, HostCode, Layer, Link,
    Next, Priority, Random, Refusal, Reply, Sources, Target, in_time,
};
use refusals::NoPlace;
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
            let now = self.sources.clock.now();
            call.meter.time().enter(Account::Queue, now);
            let asks = Asks {
                kind: Kind::of(&call),
                wish: Wish {
                    class: call.tree.priority(),
                    now,
                    until: now.after(WAIT_MAX.min(call.deadline.since(now) / 2)),
                    deadline: call.deadline,
                },
            };
            let own = settings.each.as_ref().map(|each| each.of(&call.asking()));
            let taken = self.taken(own, &settings.places, asks).await?;
            let slots = self.slots(&settings, &asks)?;
            let answer = next.run(call).await?;
            self.hold(answer, ticket, taken, slots, &asks)
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

/// What a call asks for.
#[derive(Clone, Copy)]
struct Asks {
    kind: Kind,
    wish: Wish,
}

/// What a call was given.
struct Taken {
    place: Place,
    /// Of an upstream: the asking service's own.
    own: Option<Place>,
}

impl Kind {
    fn of(call: &Call) -> Self {
        match (&call.target, call.nested()) {
            (Target::Service(_), false) => Self::Root,
            (Target::Service(_), true) => Self::Nested,
            (Target::Capability { .. }, _) => Self::Upstream,
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
            // What the host asks is what it needs to know its callers by.
            Entry::Command | Entry::Host => Priority::Control,
            Entry::Http | Entry::Import | Entry::Queue | Entry::Timer | Entry::Execution => {
                of_service
            }
        };
        call.tree.set_priority(class);
        if self.host.shedding().sheds(class) {
            return Err(self.pressed(call, class));
        }
        Ok(())
    }

    /// The place of a call; of an upstream, first one of those that the asking service may have.
    async fn taken(
        &self,
        own: Option<Arc<Places>>,
        places: &Arc<Places>,
        mut asks: Asks,
    ) -> Result<Taken, Fault> {
        let Some(own) = own else {
            let place = self.place(places, asks).await?;
            return Ok(Taken { place, own: None });
        };
        let own = self.place(&own, asks).await?;
        asks.wish.now = own.since().unwrap_or(asks.wish.now);
        // What it waits for the other one, perhaps in vain, is not what it takes to be served.
        let own = own.counted_from(None);
        let place = self.place(places, asks).await?;
        let own = Some(own.counted_from(place.since()));
        Ok(Taken { place, own })
    }

    async fn place(&self, places: &Arc<Places>, asks: Asks) -> Result<Place, Fault> {
        if let Kind::Nested = asks.kind {
            let full = || self.no_place(NoPlace::Nested, &asks, places);
            return places.nested().ok_or_else(full);
        }
        let until = asks.wish.until;
        match places.enter(asks.wish) {
            Entered::Now(place) => Ok(place),
            Entered::Full => Err(self.no_place(NoPlace::Full, &asks, places)),
            Entered::TooLate { left, median } => Err(self.too_late(left, median, &asks, places)),
            Entered::Later(waiting) => {
                let place = in_time(&*self.sources.clock, until, waiting);
                place.await.flatten().ok_or_else(|| {
                    let why = NoPlace::after_waiting(self.sources.clock.now(), until);
                    self.no_place(why, &asks, places)
                })
            }
        }
    }

    /// The slots of a call that has its place.
    fn slots(&self, settings: &Settings, asks: &Asks) -> Result<Option<Slots>, Fault> {
        let Some(room) = &settings.room else {
            return Ok(None);
        };
        let others = settings.places.held().saturating_sub(1);
        let held = others.saturating_mul(settings.slots);
        match room.take(held, settings.slots) {
            Some(slots) => Ok(Some(slots)),
            None => Err(self.no_slot(asks, held, room)),
        }
    }

    /// Lets go of what was only for running, and hangs the rest on the answer.
    fn hold(
        &self,
        mut answer: Answer,
        ticket: Option<Ticket>,
        Taken { mut place, mut own }: Taken,
        slots: Option<Slots>,
        asks: &Asks,
    ) -> Reply {
        let body = answer.body_mut();
        let place = match (body.as_whole(), asks.kind) {
            (Some(_), _) => None,
            (None, Kind::Upstream) => {
                place.begun();
                own.iter_mut().for_each(Place::begun);
                Some(place)
            }
            (None, Kind::Root | Kind::Nested) => {
                let full = |places: Arc<Places>| self.no_place(NoPlace::Streams, asks, &places);
                Some(place.into_stream().map_err(full)?)
            }
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
    // How many a durable execution makes, its journal says.
    if call.step.is_none() && call.ordinal > calls_max {
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
