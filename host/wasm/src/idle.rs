//! Instances between two calls: those that served one well, and may serve the next of the same version of their service.
//!
//! Here is only how many wait, for how long, and for whom they are let go: a call that needs the slot or the memory always wins over an
//! instance that waits. Whether anything of its call is left in an instance is asked of `guest.rs` before it comes here.

use crate::engine::{EngineKind, PerKind};
use crate::guest::{Guest, Left};
use crate::life::Life;
use crate::memory::HostMemory;
use holdfast_call::{Clock, Moment};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::Proxy as Http02;
use wasmtime_wasi_http::p3::bindings::Service as Http03;

/// Instances of one service that wait at once. Sixteen: callers who come one after the other need one, and what a burst leaves behind is
/// mostly not needed again.
pub const IDLE_INSTANCES_MAX: usize = 16;
/// How long an instance waits for its next call. Five seconds: longer than the pauses within one person's visit, and short enough that a
/// quiet service holds nothing.
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(5);
/// Idle instances of an engine hold at most this part of the slots that no call holds, and of the memory that no running guest has.
pub const IDLE_SHARE: u64 = 4;
/// For how long nothing is kept after somebody went short.
pub const SHORT_TIME: Duration = Duration::from_secs(1);

/// What an instance is called through.
pub(crate) enum Exported {
    Http02(Http02),
    Http03(Http03),
}

/// An instance that has served its last call to the end.
pub(crate) struct Instance {
    pub(crate) store: Store<Guest>,
    pub(crate) exported: Exported,
    /// How many calls it has served.
    pub(crate) served: u32,
    /// Of the last of them, whose answer may still be on its way.
    life: Arc<Life>,
}

/// Where an instance may go once its call has ended well.
pub(crate) struct Keep {
    pub(crate) idle: Arc<Idle>,
    pub(crate) service: Arc<str>,
    pub(crate) version: Arc<Version>,
    pub(crate) kind: EngineKind,
    pub(crate) slots: u32,
    /// Calls it has served by then, the present one included.
    pub(crate) served: u32,
}

/// A version of a service, among all versions of all services.
pub(crate) struct Version {
    /// Larger than those of earlier ones.
    number: u64,
    /// Whether nobody can call it any more.
    gone: AtomicBool,
}

type Free = Box<dyn Fn() -> u32 + Send + Sync>;

/// All idle instances of the host.
pub struct Idle {
    clock: Arc<dyn Clock>,
    serving: Handle,
    memory: Arc<HostMemory>,
    /// Slots of an engine's pool that no call holds.
    free: PerKind<Free>,
    versions: AtomicU64,
    /// How many wait; read without the lock.
    count: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    shelves: HashMap<Arc<str>, Shelf>,
    slots: HashMap<EngineKind, u32>,
    bytes: u64,
    short_until: Moment,
    door: Door,
    sweeper: Sweeper,
}

/// The instances of one service, the one that came last at the end.
struct Shelf {
    version: u64,
    waiting: Vec<Waiting>,
}

struct Waiting {
    instance: Instance,
    kind: EngineKind,
    slots: u32,
    bytes: u64,
    until: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sweeper {
    Asleep,
    Awake,
}

/// Whether anything was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relieved {
    /// Something was.
    Yes,
    /// Nothing waited.
    No,
}

// === Keep ===

impl Keep {
    /// Keeps the instance for the next call, if nothing of this one is left in it and there is room. Otherwise it is gone.
    pub(crate) fn offer(self, mut store: Store<Guest>, exported: Exported, life: Arc<Life>) {
        if !life.answered_well() || Guest::leave(&mut store) == Left::Something {
            return;
        }
        let instance = Instance {
            store,
            exported,
            served: self.served,
            life,
        };
        self.idle.put(&self, instance);
    }
}

// === Idle ===

impl Shelf {
    /// Lets go of those whose answer turned out to be a fault only after their guest had ended.
    fn clear_of_spoilt(&mut self, gone: &mut Vec<Waiting>) {
        let all = &mut self.waiting;
        gone.extend(all.extract_if(.., |one| !one.instance.life.answered_well()));
    }
}

impl Idle {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        serving: Handle,
        memory: &Arc<HostMemory>,
    ) -> Arc<Self> {
        let idle = Arc::new(Self {
            clock,
            serving,
            memory: memory.clone(),
            free: PerKind::default(),
            versions: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            state: Mutex::new(State {
                shelves: HashMap::new(),
                slots: HashMap::new(),
                bytes: 0,
                short_until: Moment::START,
                door: Door::Open,
                sweeper: Sweeper::Asleep,
            }),
        });
        memory.relieved_by(&idle);
        idle
    }

    /// Says how many slots of an engine's pool are free for instances that wait: those that no call holds. Only the first word counts.
    pub fn free_by(&self, kind: EngineKind, free: impl Fn() -> u32 + Send + Sync + 'static) {
        // A second one would say the same: an engine has one pool.
        let _ = self.free.of(kind).set(Box::new(free));
    }

    /// How many instances wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Lets everything go, and keeps nothing from now on: the host is ending.
    pub fn close(&self) {
        let all = {
            let mut state = self.lock();
            state.door = Door::Closed;
            self.all(&mut state)
        };
        drop(all);
    }

    /// A new version of a service.
    pub(crate) fn version(&self) -> Arc<Version> {
        Arc::new(Version {
            number: self.versions.fetch_add(1, Relaxed) + 1,
            gone: AtomicBool::new(false),
        })
    }

    /// An instance of this very version, if one waits whose last answer has been read to its end.
    pub(crate) fn take(&self, service: &Arc<str>, version: &Version) -> Option<Instance> {
        if self.waiting() == 0 {
            return None;
        }
        let mut gone = Vec::new();
        let found = {
            let mut state = self.lock();
            let State {
                shelves,
                slots,
                bytes,
                ..
            } = &mut *state;
            let found = of_version(shelves, service, version.number, &mut gone).and_then(|shelf| {
                shelf.clear_of_spoilt(&mut gone);
                let mut all = shelf.waiting.iter();
                let place = all.rposition(|one| one.instance.life.done_well())?;
                Some(shelf.waiting.remove(place))
            });
            for one in found.iter().chain(&gone) {
                self.uncount(slots, bytes, one);
            }
            found
        };
        drop(gone);
        found.map(|one| one.instance)
    }

    /// Before a call makes an instance of its own: those that wait leave it a slot.
    pub(crate) fn make_room(&self, kind: EngineKind) {
        if self.waiting() == 0 {
            return;
        }
        let mut gone = Vec::new();
        {
            let mut state = self.lock();
            while state.slots.get(&kind).copied().unwrap_or(0) > self.free_slots(kind) {
                state.short_until = self.clock.now().after(SHORT_TIME);
                match self.oldest(&mut state, kind) {
                    Some(one) => gone.push(one),
                    None => break,
                }
            }
        }
    }

    /// Lets everything go because a running guest needs memory. It is free for it at once; what held it is dropped a moment later, because
    /// one guest's store is not to be dropped from within another's.
    pub(crate) fn relieve(&self) -> Relieved {
        if self.waiting() == 0 {
            return Relieved::No;
        }
        let mut all = {
            let mut state = self.lock();
            state.short_until = self.clock.now().after(SHORT_TIME);
            self.all(&mut state)
        };
        if all.is_empty() {
            return Relieved::No;
        }
        for one in &mut all {
            one.instance.store.data_mut().limiter.release();
        }
        self.serving.spawn(async move { drop(all) });
        Relieved::Yes
    }

    /// A version is gone, and so is what waits for it.
    pub(crate) fn forget(&self, version: &Version) {
        // First, so that a call of it that ends just now finds either this or its shelf being emptied below.
        version.gone.store(true, Relaxed);
        let gone = {
            let mut state = self.lock();
            let state = &mut *state;
            let mut of_it = state.shelves.iter();
            let name = of_it
                .find(|(_, shelf)| shelf.version == version.number)
                .map(|(name, _)| name.clone());
            let shelf = name.and_then(|name| state.shelves.remove(&name));
            for one in shelf.iter().flat_map(|shelf| &shelf.waiting) {
                self.uncount(&mut state.slots, &mut state.bytes, one);
            }
            shelf
        };
        drop(gone);
    }

    /// Keeps `instance`, or lets it go.
    fn put(self: &Arc<Self>, keep: &Keep, instance: Instance) {
        let now = self.clock.now();
        let bytes = instance.store.data().limiter.memory();
        let one = Waiting {
            instance,
            kind: keep.kind,
            slots: keep.slots,
            bytes,
            until: now.after(IDLE_TIME_MAX),
        };
        // What is let go is dropped at the end, when the lock is free again.
        let mut gone = Vec::new();
        let mut state = self.lock();
        let fits = state.door == Door::Open
            && !keep.version.gone.load(Relaxed)
            && now >= state.short_until
            && self.fits(&state, one.kind, one.slots, one.bytes);
        let State {
            shelves,
            slots,
            bytes,
            ..
        } = &mut *state;
        let mut shelf = of_version(shelves, &keep.service, keep.version.number, &mut gone);
        if let Some(shelf) = &mut shelf {
            shelf.clear_of_spoilt(&mut gone);
        }
        for one in &gone {
            self.uncount(slots, bytes, one);
        }
        match shelf {
            Some(shelf) if fits && shelf.waiting.len() < IDLE_INSTANCES_MAX => {
                *slots.entry(one.kind).or_default() += one.slots;
                *bytes += one.bytes;
                self.count.fetch_add(1, Relaxed);
                shelf.waiting.push(one);
            }
            Some(_) | None => gone.push(one),
        }
        let sweeper = std::mem::replace(&mut state.sweeper, Sweeper::Awake);
        drop(state);
        drop(gone);
        if sweeper == Sweeper::Asleep {
            let serving = self.serving.clone();
            serving.spawn(self.clone().sweep_on());
        }
    }

    fn fits(&self, state: &State, kind: EngineKind, slots: u32, bytes: u64) -> bool {
        let idle = state.slots.get(&kind).copied().unwrap_or(0);
        let slots = u64::from(idle) + u64::from(slots);
        let all = state.bytes.saturating_add(bytes);
        let running = self.memory.used().saturating_sub(all);
        let left = self.memory.max().saturating_sub(running);
        slots.saturating_mul(IDLE_SHARE) <= u64::from(self.free_slots(kind))
            && all.saturating_mul(IDLE_SHARE) <= left
    }

    fn free_slots(&self, kind: EngineKind) -> u32 {
        self.free.of(kind).get().map_or(u32::MAX, |free| free())
    }

    /// Lets go of what has waited for too long, until nothing waits.
    async fn sweep_on(self: Arc<Self>) {
        while let Some(next) = self.sweep() {
            self.clock.sleep_until(next).await;
        }
    }

    fn sweep(&self) -> Option<Moment> {
        let now = self.clock.now();
        let mut gone = Vec::new();
        let mut guard = self.lock();
        let state = &mut *guard;
        for shelf in state.shelves.values_mut() {
            gone.extend(shelf.waiting.extract_if(.., |one| one.until <= now));
        }
        state.shelves.retain(|_, shelf| !shelf.waiting.is_empty());
        for one in &gone {
            self.uncount(&mut state.slots, &mut state.bytes, one);
        }
        let all = state.shelves.values().flat_map(|shelf| &shelf.waiting);
        let next = all.map(|one| one.until).min();
        if next.is_none() {
            state.sweeper = Sweeper::Asleep;
        }
        drop(guard);
        drop(gone);
        next
    }

    fn oldest(&self, state: &mut State, kind: EngineKind) -> Option<Waiting> {
        let shelves = state.shelves.values_mut();
        let of_kind =
            shelves.filter(|shelf| shelf.waiting.first().is_some_and(|one| one.kind == kind));
        let shelf = of_kind.min_by_key(|shelf| shelf.waiting.first().map(|one| one.until))?;
        let one = shelf.waiting.remove(0);
        self.uncount(&mut state.slots, &mut state.bytes, &one);
        Some(one)
    }

    fn all(&self, state: &mut State) -> Vec<Waiting> {
        let all: Vec<_> = state
            .shelves
            .drain()
            .flat_map(|(_, shelf)| shelf.waiting)
            .collect();
        for one in &all {
            self.uncount(&mut state.slots, &mut state.bytes, one);
        }
        all
    }

    fn uncount(&self, slots: &mut HashMap<EngineKind, u32>, bytes: &mut u64, one: &Waiting) {
        if let Some(held) = slots.get_mut(&one.kind) {
            *held = held.saturating_sub(one.slots);
        }
        *bytes = bytes.saturating_sub(one.bytes);
        self.count.fetch_sub(1, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half way, so a poisoned one is as good as new.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shelf of a service, if it is not of a later version already. What waits of an earlier one is gone.
fn of_version<'a>(
    shelves: &'a mut HashMap<Arc<str>, Shelf>,
    service: &Arc<str>,
    version: u64,
    gone: &mut Vec<Waiting>,
) -> Option<&'a mut Shelf> {
    let shelf = shelves.entry(service.clone()).or_insert_with(|| Shelf {
        version,
        waiting: Vec::new(),
    });
    if shelf.version < version {
        gone.append(&mut shelf.waiting);
        shelf.version = version;
    }
    (shelf.version == version).then_some(shelf)
}
