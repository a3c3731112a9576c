//! A canary on its way: a new version that stands beside the one that serves, and gets a share of its callers.
//!
//! What is registered, linked and routed to is the version before, until the canary has passed; a call for the new version is taken to
//! the top of the pipeline again with that version in its place, so it crosses what the new version's own settings say. The rule is
//! [`canary`](super::canary).

use super::canary::{Canary, Gate, Share, Step, beyond};
use super::verdict::{CALLS, Seen};
use super::{Watched, note_at_end, own};
use holdfast_call::{Call, Lot, Next, Registered, Reply, Sources};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// What a canary has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It has a larger share.
    Wider(Share),
    /// The new version may serve everybody.
    Passed,
    /// The new version is to go, for this reason; no call goes to it any more.
    Back(Gate),
}

/// Told what a canary comes to. It is called where calls are served and must not wait.
pub type TellCame = Box<dyn FnMut(Came) + Send>;

/// A new version beside the one that serves.
pub struct Beside {
    registered: Arc<Registered>,
    /// So that each canary has other callers.
    salt: u64,
    /// What it has at the moment, in thousandths; 0 once it is over and was not passed.
    share: AtomicU32,
    /// Second looks that may still be taken at this stage.
    looks: AtomicU32,
    state: Mutex<State>,
}

struct State {
    canary: Canary,
    /// None once it is over.
    tell: Option<TellCame>,
}

impl Beside {
    /// The version `registered` with this share.
    #[must_use]
    pub fn new(registered: Arc<Registered>, share: Share, tell: TellCame) -> Arc<Self> {
        let mut hasher = DefaultHasher::new();
        registered.digest.hash(&mut hasher);
        Arc::new(Self {
            registered,
            salt: hasher.finish(),
            share: AtomicU32::new(share.thousandths()),
            looks: AtomicU32::new(CALLS),
            state: Mutex::new(State {
                canary: Canary::beginning(share),
                tell: Some(tell),
            }),
        })
    }

    /// The new version.
    #[must_use]
    pub fn registered(&self) -> &Arc<Registered> {
        &self.registered
    }

    /// What it has at the moment; none once it is over and was not passed.
    #[must_use]
    pub fn share(&self) -> Option<Share> {
        Share::of(self.share.load(Ordering::Relaxed))
    }

    fn takes(&self, draw: u64) -> bool {
        let mut hasher = DefaultHasher::new();
        (self.salt, draw).hash(&mut hasher);
        let drawn = hasher.finish();
        self.share().is_some_and(|share| share.takes(drawn))
    }

    fn step(&self, step: impl FnOnce(&mut Canary) -> Step) {
        let mut state = self.lock();
        if state.tell.is_none() {
            return;
        }
        let came = match step(&mut state.canary) {
            Step::On => return,
            Step::Wider(share) => {
                self.share.store(share.thousandths(), Ordering::Relaxed);
                self.looks.store(CALLS, Ordering::Relaxed);
                Came::Wider(share)
            }
            Step::Passed => {
                self.share
                    .store(Share::ALL.thousandths(), Ordering::Relaxed);
                Came::Passed
            }
            Step::Back(gate) => {
                self.share.store(0, Ordering::Relaxed);
                Came::Back(gate)
            }
        };
        let over = !matches!(came, Came::Wider(_));
        if let Some(mut tell) = state.tell.take() {
            tell(came);
            state.tell = Some(tell).filter(|_| !over);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Counters alone change under it, so it is whole whatever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_look(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        let (order, read) = (Ordering::AcqRel, Ordering::Acquire);
        self.looks.fetch_update(order, read, less).is_ok()
    }
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Beside({:?} of {:?})",
            self.share(),
            self.registered.digest
        )
    }
}

impl Watched {
    /// A call for a service that has a canary: it goes to one of the two versions, and both are watched.
    pub(super) async fn divided(
        &self,
        beside: Arc<Beside>,
        mut call: Box<Call>,
        next: Next<'_>,
    ) -> Reply {
        let Lot { draw, caller } = call.tree.lot();
        let Some(draw) = draw else {
            return next.run(call).await;
        };
        let again = self.again(&call);
        let began = self.sources.clock.now();
        if !beside.takes(draw) {
            let reply = next.run(call).await;
            let took = again.map(|_| self.sources.clock.now().since(began));
            match &reply {
                Ok(_) => beside.lock().canary.before(caller, false, took),
                Err(fault) if own(fault) => beside.lock().canary.before(caller, true, None),
                Err(_) => {}
            }
            return reply;
        }
        let before = call.registered.replace(beside.registered.clone());
        let again = again.map(|mut again| {
            again.registered = before;
            again
        });
        let reply = next.afresh(*call).await;
        let took = self.sources.clock.now().since(began);
        let sources = self.sources.clone();
        let look = Look {
            beside,
            caller,
            sources,
        };
        match reply {
            Ok(mut answer) => {
                let slow = look.beside.lock().canary.slow_from();
                if let (Some(again), Some(slow)) = (again, slow)
                    && took >= slow
                {
                    look.clone().sooner(again, took, next);
                }
                note_at_end(answer.body_mut(), move |seen| look.note(seen));
                Ok(answer)
            }
            Err(fault) => {
                if own(&fault) {
                    match again {
                        Some(again) => look.better(again, next),
                        None => look.note(Seen::Alone),
                    }
                }
                Err(fault)
            }
        }
    }
}

/// What is still to be found out of one call of the new version.
#[derive(Clone)]
struct Look {
    beside: Arc<Beside>,
    caller: u64,
    sources: Sources,
}

impl Look {
    fn note(&self, seen: Seen) {
        self.beside.step(|canary| canary.step(self.caller, seen));
    }

    /// Asks the version before whether it fails at the same call, behind the back of the caller. A fault that is not asked about any more
    /// counts like one that cannot be: it does not go unseen.
    fn better(self, again: Call, next: Next<'_>) {
        if !self.beside.may_look() {
            return self.note(Seen::Alone);
        }
        self.asked(again, next, |look, did, _| match did {
            Did::Answer => look.note(Seen::Confirmed),
            Did::Fail => look.note(Seen::Shared),
            Did::Nothing => {}
        });
    }

    /// Asks the version before whether it takes as long for the same call.
    fn sooner(self, again: Call, took: Duration, next: Next<'_>) {
        if !self.beside.may_look() {
            return;
        }
        self.asked(again, next, move |look, did, other| {
            if did == Did::Answer && took > beyond(other) {
                look.beside.step(Canary::slow);
            }
        });
    }

    /// `told` is given what it did, and how long that took.
    fn asked(
        self,
        again: Call,
        next: Next<'_>,
        told: impl FnOnce(&Self, Did, Duration) + Send + 'static,
    ) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let reply = next.afresh(again);
        runtime.spawn(async move {
            let began = self.sources.clock.now();
            let did = match reply.await {
                Ok(answer) => {
                    answer.close();
                    Did::Answer
                }
                Err(fault) if own(&fault) => Did::Fail,
                Err(_) => Did::Nothing,
            };
            let took = self.sources.clock.now().since(began);
            told(&self, did, took);
        });
    }
}

/// What the version before did with the same call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Did {
    Answer,
    /// In a fault of its own.
    Fail,
    /// No place, no time, no upstream: nothing is known of the call.
    Nothing,
}

#[cfg(test)]
mod tests;
