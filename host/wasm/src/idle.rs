//! Instances between two calls: those that served one well, and may serve the next of the same version of their service.
//!
//! Here is only how many wait, for how long, and for whom they are let go: a call that needs the slot or the memory always wins over an
//! instance that waits. Whether anything of its call is left in an instance is asked of `guest.rs` before it comes here.

mod shelves;

use self::shelves::{Gone, Shelves, Waiting};
use crate::engine::{EngineKind, PerKind};
use crate::guest::{Guest, Left};
use crate::life::Life;
use crate::memory::HostMemory;
use holdfast_call::{Clock, Moment};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use wasmtime::Store;
use wasmtime::component::Instance as Linked;
use wasmtime_wasi_http::p2::bindings::Proxy as Http02;
use wasmtime_wasi_http::p3::bindings::Service as Http03;

/// Instances of one service that wait at once. Sixteen: callers who come one after the other need one, and what a burst leaves behind is
/// mostly not needed again.
pub const IDLE_INSTANCES_MAX: usize = 16;
/// How long an instance waits for its next call. Five seconds: longer than the pauses within one person's visit, and short enough that a
/// quiet service holds nothing.
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(5);
/// Idle instances of an engine hold at most this part of the slots that no call holds, and of the memory that no running guest has.
pub const IDLE_SHARE: u32 = 4;
/// For how long nothing is kept after somebody went short.
pub const SHORT_TIME: Duration = Duration::from_secs(1);

/// What an instance is called through.
pub(crate) enum Exported {
    Http02(Http02),
    Http03(Http03),
    Typed(Linked),
}

/// In which of two ways an instance is called. A component that has both serves each with instances of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// With requests.
    Http,
    /// By its functions.
    Typed,
}

impl Exported {
    fn way(&self) -> Way {
        match self {
            Self::Http02(_) | Self::Http03(_) => Way::Http,
            Self::Typed(_) => Way::Typed,
        }
    }
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
    shelves: Shelves,
    short_until: Moment,
    door: Door,
    sweeper: Sweeper,
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
                shelves: Shelves::default(),
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

    /// What those that wait hold, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.change(|state| state.shelves.bytes())
    }

    /// Lets everything go, and keeps nothing from now on: the host is ending.
    pub fn close(&self) {
        let gone = self.change(|state| {
            state.door = Door::Closed;
            state.shelves.all()
        });
        drop(gone);
    }

    /// A new version of a service.
    pub(crate) fn version(&self) -> Arc<Version> {
        Arc::new(Version {
            number: self.versions.fetch_add(1, Relaxed) + 1,
            gone: AtomicBool::new(false),
        })
    }

    /// An instance of this very version that is called in this way, if one waits whose last answer has been read to its end.
    pub(crate) fn take(&self, service: &Arc<str>, version: &Version, way: Way) -> Option<Instance> {
        if self.waiting() == 0 {
            return None;
        }
        let (found, gone) = self.change(|state| state.shelves.take(service, version.number, way));
        drop(gone);
        found
    }

    /// Before a call makes an instance of its own: those that wait leave it a slot.
    pub(crate) fn make_room(&self, kind: EngineKind) {
        if self.waiting() == 0 {
            return;
        }
        let mut gone = Gone::new();
        self.change(|state| {
            while state.shelves.slots(kind) > self.free_slots(kind) {
                state.short_until = self.clock.now().after(SHORT_TIME);
                match state.shelves.oldest(kind) {
                    Some(one) => gone.push(one),
                    None => break,
                }
            }
        });
    }

    /// Lets everything go because a running guest needs memory. It is free for it at once; what held it is dropped a moment later, because
    /// one guest's store is not to be dropped from within another's.
    pub(crate) fn relieve(&self) {
        let gone = self.change(|state| {
            state.short_until = self.clock.now().after(SHORT_TIME);
            state.shelves.all()
        });
        if !gone.is_empty() {
            self.serving.spawn(async move { drop(gone) });
        }
    }

    /// A version is gone, and so is what waits for it.
    pub(crate) fn forget(&self, version: &Version) {
        // First, so that a call of it that ends just now finds either this or its shelf being emptied below.
        version.gone.store(true, Relaxed);
        let gone = self.change(|state| state.shelves.of_version(version.number));
        drop(gone);
    }

    /// Keeps `instance`, or lets it go.
    fn put(self: &Arc<Self>, keep: &Keep, instance: Instance) {
        let now = self.clock.now();
        let one = Waiting {
            bytes: instance.store.data().limiter.memory(),
            instance,
            kind: keep.kind,
            slots: keep.slots,
            until: now.after(IDLE_TIME_MAX),
        };
        let (gone, sweeper) = self.change(|state| {
            let fits = state.door == Door::Open
                && !keep.version.gone.load(Relaxed)
                && now >= state.short_until
                && self.fits(&state.shelves, &one);
            let gone = match fits {
                true => state.shelves.put(&keep.service, keep.version.number, one),
                false => vec![one],
            };
            (gone, std::mem::replace(&mut state.sweeper, Sweeper::Awake))
        });
        drop(gone);
        if sweeper == Sweeper::Asleep {
            self.serving.spawn(self.clone().sweep_on());
        }
    }

    fn fits(&self, shelves: &Shelves, one: &Waiting) -> bool {
        let slots = u64::from(shelves.slots(one.kind)) + u64::from(one.slots);
        let bytes = shelves.bytes().saturating_add(one.bytes);
        let running = self.memory.used().saturating_sub(bytes);
        let left = self.memory.max().saturating_sub(running);
        slots.saturating_mul(u64::from(IDLE_SHARE)) <= u64::from(self.free_slots(one.kind))
            && bytes.saturating_mul(u64::from(IDLE_SHARE)) <= left
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
        let (gone, next) = self.change(|state| {
            let (gone, next) = state.shelves.overdue(now);
            if next.is_none() {
                state.sweeper = Sweeper::Asleep;
            }
            (gone, next)
        });
        drop(gone);
        next
    }

    /// Changes what waits. What `change` lets go is dropped by whoever asked, when the lock is free again: dropping a store takes long.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // Nothing under this lock can panic half way, so a poisoned one is as good as new.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut state);
        self.count.store(state.shelves.count(), Relaxed);
        changed
    }
}
