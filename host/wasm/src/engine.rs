//! The engines, of up to four kinds: with fuel or without, with tasks or without. All from one configuration; the plain one is made at
//! once, the others when they are first needed.
//!
//! Epoch interruption is always on. Nothing here decides what a guest may do; limits belong to its store.

use crate::cache::DigestHasher;
use crate::idle::IDLE_SHARE;
use crate::pool::{Counts, PoolChoice, PoolPlan};
use crate::ticker::Ticker;
use holdfast_call::{Level, Log};
use std::hash::Hash as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How the engines are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// Calls in flight that the pool has room for. A thousand: idle services take none.
    pub slots: u32,
    /// How the pool resets memory.
    pub pool: PoolChoice,
    /// What calls that have ended may leave resident in the pool of each engine, in bytes, warm for the next ones. No bound: the pool's own.
    pub residue_bytes_max: u64,
    /// The largest single memory, in bytes. 4 GiB: all that 32 bits can name; limits per call are far smaller.
    pub memory_bytes_max: u64,
    /// Memories of one core module. Eight; the engine's own one is too few for real components.
    pub memories_per_module_max: u32,
    /// Tables of one core module. Sixteen, likewise.
    pub tables_per_module_max: u32,
    /// Elements of one table. 100,000: large interpreters have some ten thousand.
    pub table_elements_max: u32,
}

/// Whether an engine counts fuel, and leaves nothing of what a guest computes to the machine. The two go together: fuel is what the same
/// guest uses as much of each time, and a durable execution, which goes on in another instance, has to run on the same engine from its
/// first time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metering {
    /// Epochs alone.
    Plain,
    /// Epochs and fuel; each NaN has the same bits, and relaxed SIMD has one meaning, on whatever machine.
    Metered,
}

/// Whether a guest may have several things under way inside itself, as WASI 0.3 allows. Keeping account of that costs every call into and
/// out of a guest, also of guests that never use it: about a quarter of what a small call takes. So only those who need it pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tasks {
    /// One call at a time: all that WASI 0.2 knows.
    One,
    /// Tasks, streams and futures of the component model.
    Many,
}

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EngineKind {
    /// Whether it counts fuel.
    pub metering: Metering,
    /// Whether its guests have tasks.
    pub tasks: Tasks,
}

/// The engines and their epoch threads.
pub struct Engines {
    settings: EngineSettings,
    plan: PoolPlan,
    log: Arc<dyn Log>,
    running: PerKind<Running>,
    fingerprints: [OnceLock<String>; 2],
    // Held while an engine is made, so that two first users do not make two.
    making: Mutex<()>,
}

/// What of a pool is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Calls in flight it has room for.
    pub slots: u32,
    /// Component instances alive.
    pub instances: u64,
    /// Core instances alive.
    pub core_instances: u64,
    /// Linear memories in use.
    pub memories: u64,
    /// Tables in use.
    pub tables: u64,
    /// Stacks in use.
    pub stacks: u64,
}

/// An engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine refused its settings, or the machine has no address space for even the smallest pool.
    #[error("make the {} engine with a pool of {slots} slots: {cause:#}", .kind.as_str())]
    Engine {
        /// Which.
        kind: EngineKind,
        /// The smallest pool that was tried.
        slots: u32,
        /// What the engine said.
        cause: wasmtime::Error,
    },
    /// The system gave no thread.
    #[error("start the epoch thread: {0}")]
    Ticker(#[source] std::io::Error),
}

struct Running {
    engine: Engine,
    slots: u32,
    _ticker: Ticker,
}

// Per slot: as many core instances as a call may have by default (each costs the pool only a number), memories and tables of a typical
// composed component; a few stacks more than slots for tasks of 0.3 guests. What needs more takes several slots.
pub(crate) const CORE_INSTANCES_PER_SLOT: u32 = 40;
pub(crate) const MEMORIES_PER_SLOT: u32 = 2;
pub(crate) const TABLES_PER_SLOT: u32 = 8;
const STACKS_PER_SLOT: u32 = 2;
/// Fuel is for the few: the metered pool has this share of the slots.
const METERED_SHARE: u32 = 8;
/// A pool smaller than this serves nobody.
const SLOTS_MIN: u32 = 8;

const WASM_STACK_BYTES: usize = 512 << 10;
// Must be larger than the guest's part: host functions run on the same stack.
const STACK_BYTES: usize = 2 << 20;
/// What a guest can have touched of it: its own part, and what host functions take at its end.
const STACK_TOUCHED_BYTES: u64 = (WASM_STACK_BYTES as u64) + (128 << 10);
/// What the engine reserves per memory by itself, so that 32-bit accesses need no check.
const RESERVATION_BYTES: u64 = 4 << 30;

// === EngineSettings ===

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            slots: 1_000,
            pool: PoolChoice::Auto,
            residue_bytes_max: u64::MAX,
            memory_bytes_max: RESERVATION_BYTES,
            memories_per_module_max: 8,
            tables_per_module_max: 16,
            table_elements_max: 100_000,
        }
    }
}

/// How many kinds of engine there are.
const KINDS: usize = 4;

impl EngineKind {
    /// The one that is always there.
    pub const PLAIN: Self = Self::ALL[0];

    /// Every kind.
    pub const ALL: [Self; KINDS] = [
        Self::new(Metering::Plain, Tasks::One),
        Self::new(Metering::Plain, Tasks::Many),
        Self::new(Metering::Metered, Tasks::One),
        Self::new(Metering::Metered, Tasks::Many),
    ];

    /// This one.
    #[must_use]
    pub const fn new(metering: Metering, tasks: Tasks) -> Self {
        Self { metering, tasks }
    }

    /// The word of the log and of the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match (self.metering, self.tasks) {
            (Metering::Plain, Tasks::One) => "plain",
            (Metering::Plain, Tasks::Many) => "plain-tasks",
            (Metering::Metered, Tasks::One) => "metered",
            (Metering::Metered, Tasks::Many) => "metered-tasks",
        }
    }
}

/// One of something for each kind of engine, made when it is first needed.
pub(crate) struct PerKind<T>([OnceLock<T>; KINDS]);

impl<T> Default for PerKind<T> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<T> PerKind<T> {
    /// The place of `kind`.
    pub(crate) fn of(&self, kind: EngineKind) -> &OnceLock<T> {
        let [plain, plain_tasks, metered, metered_tasks] = &self.0;
        match (kind.metering, kind.tasks) {
            (Metering::Plain, Tasks::One) => plain,
            (Metering::Plain, Tasks::Many) => plain_tasks,
            (Metering::Metered, Tasks::One) => metered,
            (Metering::Metered, Tasks::Many) => metered_tasks,
        }
    }
}

// === Engines ===

impl Engines {
    /// Makes the plain engine, and says in the log how its pool is reset.
    ///
    /// # Errors
    /// If the engine cannot be made even with the smallest pool.
    pub fn new(settings: EngineSettings, log: Arc<dyn Log>) -> Result<Arc<Self>, EngineError> {
        let plan = PoolPlan::for_this_machine(settings.pool).within(
            settings.residue_bytes_max,
            counts(&settings, settings.slots),
        );
        log.host(Level::Info, format!("pool: {plan}"));
        let engines = Self {
            settings,
            plan,
            log,
            running: PerKind::default(),
            fingerprints: Default::default(),
            making: Mutex::new(()),
        };
        engines.get(EngineKind::PLAIN)?;
        Ok(Arc::new(engines))
    }

    /// The engine of this kind, made now if nobody asked before.
    ///
    /// # Errors
    /// If it cannot be made; the next one who asks tries again.
    pub fn get(&self, kind: EngineKind) -> Result<&Engine, EngineError> {
        let place = self.running.of(kind);
        if let Some(running) = place.get() {
            return Ok(&running.engine);
        }
        // Nothing that can panic runs under this lock with anything half done, so a poisoned one is as good as new.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = place.get() {
            return Ok(&running.engine);
        }
        let running = Running::start(&self.settings, &self.plan, kind, self.log.as_ref())?;
        Ok(&place.get_or_init(|| running).engine)
    }

    /// What the machine code of both engines of this metering depends on besides the component, in hexadecimal: a component is compiled for
    /// one of them, and which one is found out by looking into it.
    ///
    /// # Errors
    /// If the engine does not take its settings.
    pub fn fingerprint(&self, metering: Metering) -> Result<String, EngineError> {
        let [plain, metered] = &self.fingerprints;
        let place = match metering {
            Metering::Plain => plain,
            Metering::Metered => metered,
        };
        if let Some(known) = place.get() {
            return Ok(known.clone());
        }
        let mut hasher = DigestHasher::default();
        for tasks in [Tasks::One, Tasks::Many] {
            let engine = compiling(&self.settings, EngineKind::new(metering, tasks))?;
            engine.precompile_compatibility_hash().hash(&mut hasher);
        }
        Ok(place.get_or_init(|| hasher.text()).clone())
    }

    /// The largest single memory of a guest, in bytes.
    #[must_use]
    pub fn memory_bytes_max(&self) -> u64 {
        self.settings.memory_bytes_max
    }

    /// How the pools are reset.
    #[must_use]
    pub fn plan(&self) -> PoolPlan {
        self.plan
    }

    /// What of a pool is in use; none for an engine that was not made yet.
    #[must_use]
    pub fn pool_use(&self, kind: EngineKind) -> Option<PoolUse> {
        self.running.of(kind).get()?.pool_use()
    }
}

// === Making one ===

impl Running {
    fn start(
        settings: &EngineSettings,
        plan: &PoolPlan,
        kind: EngineKind,
        log: &dyn Log,
    ) -> Result<Self, EngineError> {
        let wanted = match kind.metering {
            Metering::Plain => settings.slots,
            Metering::Metered => settings.slots.div_ceil(METERED_SHARE),
        };
        let mut slots = wanted.max(1);
        loop {
            match Engine::new(&config(settings, plan, kind, slots)) {
                Ok(engine) => {
                    if slots < wanted {
                        log.host(
                            Level::Warn,
                            format!(
                                "the {} pool has {slots} slots instead of {wanted}: there is no address space for more \
                                 (look at ulimit -v and vm.overcommit_memory, or set slots = {slots})",
                                kind.as_str()
                            ),
                        );
                    }
                    let ticker = Ticker::start(&engine).map_err(EngineError::Ticker)?;
                    return Ok(Self {
                        engine,
                        slots,
                        _ticker: ticker,
                    });
                }
                // Whatever it was: if it was the address space, a smaller pool helps; if not, the last try says what it was.
                Err(_) if slots > SLOTS_MIN => slots = (slots / 2).max(SLOTS_MIN),
                Err(cause) => {
                    return Err(EngineError::Engine { kind, slots, cause });
                }
            }
        }
    }

    fn pool_use(&self) -> Option<PoolUse> {
        let metrics = self.engine.pooling_allocator_metrics()?;
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Some(PoolUse {
            slots: self.slots,
            instances: metrics.component_instances(),
            core_instances: metrics.core_instances(),
            memories: wide(metrics.memories()),
            tables: wide(metrics.tables()),
            stacks: wide(metrics.stacks()),
        })
    }
}

/// An engine that only compiles: without a pool, and with no thread behind it. What it makes loads into the engine of the same kind.
pub(crate) fn compiling(
    settings: &EngineSettings,
    kind: EngineKind,
) -> Result<Engine, EngineError> {
    Engine::new(&code(settings, kind)).map_err(|cause| EngineError::Engine {
        kind,
        slots: 0,
        cause,
    })
}

/// The configuration of an engine that runs what was compiled.
fn config(settings: &EngineSettings, plan: &PoolPlan, kind: EngineKind, slots: u32) -> Config {
    let mut config = code(settings, kind);
    config.async_stack_zeroing(plan.stack_resident.is_some());
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
        settings, plan, slots,
    )));
    config
}

/// The one configuration of the code. What is compiled for one engine loads only into one configured the same.
fn code(settings: &EngineSettings, kind: EngineKind) -> Config {
    let tasks = kind.tasks == Tasks::Many;
    let metered = kind.metering == Metering::Metered;
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(metered)
        .cranelift_nan_canonicalization(metered)
        .relaxed_simd_deterministic(metered)
        .wasm_component_model_async(tasks)
        .concurrency_support(tasks)
        .parallel_compilation(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(STACK_BYTES)
        .memory_reservation(settings.memory_bytes_max.max(RESERVATION_BYTES));
    config
}

/// Whoever is admitted finds room also while instances that waited are still being dropped.
fn with_those_that_go(slots: u32) -> u32 {
    slots.saturating_add(slots / IDLE_SHARE)
}

/// What a pool has that keeps pages. A component may have as many memories as its store's limits say, so there is room for at least one such.
fn counts(settings: &EngineSettings, slots: u32) -> Counts {
    let slots = with_those_that_go(slots);
    Counts {
        memories: slots
            .saturating_mul(MEMORIES_PER_SLOT)
            .max(settings.memories_per_module_max),
        stacks: slots.saturating_mul(STACKS_PER_SLOT),
        stack_bytes: STACK_TOUCHED_BYTES,
    }
}

fn pool(settings: &EngineSettings, plan: &PoolPlan, slots: u32) -> PoolingAllocationConfig {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let Counts {
        memories, stacks, ..
    } = counts(settings, slots);
    let slots = with_those_that_go(slots);
    let mut pool = PoolingAllocationConfig::new();
    let tables = slots
        .saturating_mul(TABLES_PER_SLOT)
        .max(settings.tables_per_module_max);
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES_PER_SLOT))
        .total_memories(memories)
        .total_tables(tables)
        .total_stacks(stacks)
        .max_memories_per_module(settings.memories_per_module_max)
        .max_tables_per_module(settings.tables_per_module_max)
        .table_elements(size(u64::from(settings.table_elements_max)))
        .max_memory_size(size(settings.memory_bytes_max));
    plan.apply(&mut pool);
    pool
}
