//! The memory of all guests together: a budget that every growth draws on, so that many modest guests cannot take the machine down.
//!
//! It counts what guests were granted, not what is resident: a grant can be written to at any time. The readers at the end tell what the
//! machine or its cgroup has, so that the server can take a share of it.

use crate::cgroup;
use crate::idle::Idle;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

/// The budget. Every service has its [`Share`](crate::share::Share) of it.
#[derive(Debug)]
pub struct HostMemory {
    max: u64,
    used: AtomicU64,
    /// Who lets go of what only waits, when there is not enough.
    idle: OnceLock<Weak<Idle>>,
}

/// What became of a wish for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is drawn, and must be released.
    Granted,
    /// There is not enough left; nothing was drawn.
    Refused,
}

/// Where the size of the machine's memory was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemorySource {
    /// `MemTotal`: all there is.
    Machine,
    /// `memory.max` of the cgroup or of one above it.
    Cgroup,
}

/// How much memory the host may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineMemory {
    /// In bytes.
    pub bytes: u64,
    /// Where that was read.
    pub source: MemorySource,
}

// === HostMemory ===

impl HostMemory {
    /// A budget of that many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            max: bytes,
            used: AtomicU64::new(0),
            idle: OnceLock::new(),
        })
    }

    /// Before a draw is refused, what waits for a next call is let go.
    pub(crate) fn relieved_by(&self, idle: &Arc<Idle>) {
        // A host has one budget, and one place where instances wait.
        let _ = self.idle.set(Arc::downgrade(idle));
    }

    /// Lets go of what only waits.
    pub(crate) fn relieve(&self) {
        if let Some(idle) = self.idle.get().and_then(Weak::upgrade) {
            idle.relieve();
        }
    }

    /// How much what only waits holds.
    pub(crate) fn idle_bytes(&self) -> u64 {
        let idle = self.idle.get().and_then(Weak::upgrade);
        idle.map_or(0, |idle| idle.bytes())
    }

    /// Draws on the budget, wholly or not at all.
    pub(crate) fn draw(&self, bytes: u64) -> Reserved {
        let drawn = self.used.fetch_update(Relaxed, Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| *sum <= self.max)
        });
        match drawn {
            Ok(_) => Reserved::Granted,
            Err(_) => Reserved::Refused,
        }
    }

    /// Gives back what was drawn.
    pub(crate) fn release(&self, bytes: u64) {
        // Saturating, so that a wrong release could never turn the budget into an endless one.
        let _previous = self
            .used
            .fetch_update(Relaxed, Relaxed, |used| Some(used.saturating_sub(bytes)));
    }

    /// Bytes drawn now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Bytes there are in all.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }
}

// === What the machine has ===

/// What this machine, or the cgroup this process is in, has. `None` where neither can be read.
#[must_use]
pub fn machine_memory() -> Option<MachineMemory> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let limits = cgroup::values(Path::new("/"), "memory.max");
    smallest(&meminfo, &limits)
}

/// The smaller of `MemTotal` and of every `memory.max` on the way up; a cgroup that says `max` sets no bound.
#[must_use]
pub fn smallest(meminfo: &str, limits: &[String]) -> Option<MachineMemory> {
    let machine = mem_total(meminfo).map(|bytes| MachineMemory {
        bytes,
        source: MemorySource::Machine,
    });
    let cgroup = limits
        .iter()
        .filter_map(|limit| limit.trim().parse::<u64>().ok())
        .min()
        .map(|bytes| MachineMemory {
            bytes,
            source: MemorySource::Cgroup,
        });
    machine
        .into_iter()
        .chain(cgroup)
        .min_by_key(|memory| memory.bytes)
}

/// How much of the memory of this machine, or of the tightest cgroup this process is in, is in use: in thousandths. What the kernel keeps
/// of files it would give back is not in use. `None` where nothing can be read.
#[must_use]
pub fn memory_in_use() -> Option<u32> {
    let root = Path::new("/");
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let [max, current, stat] =
        ["memory.max", "memory.current", "memory.stat"].map(|name| cgroup::values(root, name));
    in_use(&meminfo, &max, &current, &stat)
}

/// A machine with more memory than this is as full as one of this size that has as much left: a large one that is nearly full of other
/// things still has room for what serves.
const MACHINE_BYTES_MAX: u64 = 8 << 30;

/// The largest share in use of the machine and of every cgroup on the way up. The lists are of the same cgroups, the nearest first.
#[must_use]
pub fn in_use(meminfo: &str, max: &[String], current: &[String], stat: &[String]) -> Option<u32> {
    let total = mem_total(meminfo);
    let available = kib(meminfo, "MemAvailable:");
    let machine = total.zip(available).map(|(total, available)| {
        let total = total.min(MACHINE_BYTES_MAX);
        (total.saturating_sub(available), total)
    });
    let cgroups = max.iter().zip(current).zip(stat);
    let cgroups = cgroups.filter_map(|((max, current), stat)| {
        let max: u64 = max.trim().parse().ok()?;
        let current: u64 = current.trim().parse().ok()?;
        Some((current.saturating_sub(given_back(stat)), max))
    });
    let shares = machine.into_iter().chain(cgroups);
    let shares = shares.filter_map(|(used, of)| used.saturating_mul(1_000).checked_div(of));
    shares
        .max()
        .map(|share| u32::try_from(share.min(1_000)).unwrap_or(1_000))
}

/// What a cgroup is charged with and would give back when asked: the pages of files, whether lately used or not, and the kernel's own caches.
/// A cgroup with a bound fills up with them, and is none the worse for it.
fn given_back(stat: &str) -> u64 {
    let names = ["active_file", "inactive_file", "slab_reclaimable"];
    let values = stat.lines().filter_map(|line| line.split_once(' '));
    let values = values.filter(|(name, _)| names.contains(name));
    values
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .sum()
}

fn mem_total(meminfo: &str) -> Option<u64> {
    kib(meminfo, "MemTotal:")
}

/// The bytes of a line of `/proc/meminfo`.
fn kib(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
