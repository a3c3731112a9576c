//! How the pool of instances resets memory between calls: fast where that is safe, else the safe way.
//!
//! The fast way asks the kernel which pages were touched (`PAGEMAP_SCAN`) and clears only those. In this version of the engine it misses a
//! dirty page that was swapped out, which the next instance could then read; so it is used only where nothing can be swapped. Decided once,
//! at start, from what the kernel and the cgroup say then; whoever turns swap on later has to restart the host.

use crate::cgroup;
use std::fmt;
use std::path::Path;
use wasmtime::{Enabled, PoolingAllocationConfig};

/// What the operator chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolChoice {
    /// The fast way where it is safe.
    #[default]
    Auto,
    /// The safe way, whatever the machine offers.
    Safe,
}

/// Whether pages of this process can be swapped out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The machine has no swap.
    Absent,
    /// The machine has swap, the cgroup allows none of it (`memory.swap.max` is 0).
    Forbidden,
    /// Pages may be swapped out.
    Possible,
    /// It could not be found out; as bad as possible.
    Unknown,
}

/// How the pool is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolPlan {
    /// Fast or safe.
    pub reset: Reset,
    /// Bytes of each memory that stay resident between calls.
    pub keep_resident: usize,
    /// Bytes of each stack that do; none if all do that a call ever touched.
    pub stack_resident: Option<usize>,
    /// Why.
    pub reason: Reason,
}

/// How touched pages are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// By asking the kernel.
    PagemapScan,
    /// Not at all: the first bytes are cleared, the rest is given back.
    Clear,
}

/// Why a plan is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The kernel can, and nothing can be swapped.
    Safe(Swap),
    /// The operator chose so.
    Chosen,
    /// The kernel is too old.
    KernelTooOld,
    /// Pages could be swapped out.
    Swap(Swap),
}

// With the scan only touched pages cost anything, so much may stay; without it, all that stays is cleared at every call.
const RESIDENT_SCANNED: usize = 1 << 20;
const RESIDENT_CLEARED: usize = 16 << 10;
// As deep as most calls go. To clear a stack at every call costs a small one a twentieth, so it is done only where it must be.
const RESIDENT_STACK: usize = 32 << 10;
// Less than a page is nothing.
const PAGE: u64 = 4 << 10;

/// How many things a pool has that may keep pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Memories.
    pub memories: u32,
    /// Stacks.
    pub stacks: u32,
    /// The most that a call can touch of a stack, in bytes.
    pub stack_bytes: u64,
}

/// Decides from what is known. `available`: the kernel has the scan.
#[must_use]
pub fn decide(choice: PoolChoice, available: bool, swap: Swap) -> PoolPlan {
    let cleared = |reason| PoolPlan {
        reset: Reset::Clear,
        keep_resident: RESIDENT_CLEARED,
        stack_resident: None,
        reason,
    };
    match (choice, available, swap) {
        (PoolChoice::Safe, _, _) => cleared(Reason::Chosen),
        (PoolChoice::Auto, false, _) => cleared(Reason::KernelTooOld),
        (PoolChoice::Auto, true, Swap::Possible | Swap::Unknown) => cleared(Reason::Swap(swap)),
        (PoolChoice::Auto, true, Swap::Absent | Swap::Forbidden) => PoolPlan {
            reset: Reset::PagemapScan,
            keep_resident: RESIDENT_SCANNED,
            stack_resident: None,
            reason: Reason::Safe(swap),
        },
    }
}

impl PoolPlan {
    /// The plan for this machine.
    #[must_use]
    pub fn for_this_machine(choice: PoolChoice) -> Self {
        decide(
            choice,
            PoolingAllocationConfig::is_pagemap_scan_available(),
            read_swap(Path::new("/")),
        )
    }

    /// The same, so that calls that have ended leave no more than `bytes` resident: half of it in memories, half in stacks. Whoever once had
    /// a thousand calls at once would have the host hold it for ever, and the guests' own limit does not see it.
    #[must_use]
    pub fn within(self, bytes: u64, counts: Counts) -> Self {
        let each = |count: u32, most: usize| {
            let share = bytes / 2 / u64::from(count.max(1));
            usize::try_from(share / PAGE * PAGE).map_or(most, |share| share.min(most))
        };
        let all = u64::from(counts.stacks).saturating_mul(counts.stack_bytes);
        Self {
            keep_resident: each(counts.memories, self.keep_resident),
            stack_resident: (all > bytes / 2).then(|| each(counts.stacks, RESIDENT_STACK)),
            ..self
        }
    }

    /// Writes the plan into the engine's settings.
    pub fn apply(&self, pool: &mut PoolingAllocationConfig) {
        pool.pagemap_scan(match self.reset {
            Reset::PagemapScan => Enabled::Yes,
            Reset::Clear => Enabled::No,
        });
        pool.linear_memory_keep_resident(self.keep_resident);
        pool.table_keep_resident(RESIDENT_CLEARED);
        if let Some(bytes) = self.stack_resident {
            pool.async_stack_keep_resident(bytes);
        }
    }
}

impl fmt::Display for PoolPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reset = match self.reset {
            Reset::PagemapScan => "pagemap_scan",
            Reset::Clear => "the safe setting (no pagemap_scan)",
        };
        let reason = match self.reason {
            Reason::Safe(Swap::Forbidden) => "the cgroup allows no swap",
            Reason::Safe(_) => "the machine has no swap",
            Reason::Chosen => "the policy says pool = \"safe\"",
            Reason::KernelTooOld => "the kernel is older than 6.7",
            Reason::Swap(Swap::Unknown) => "whether pages can be swapped is not known",
            Reason::Swap(_) => "pages could be swapped out",
        };
        write!(
            f,
            "{reset}, {} KiB kept resident per memory",
            self.keep_resident >> 10
        )?;
        if let Some(bytes) = self.stack_resident {
            write!(f, " and {} KiB per stack", bytes >> 10)?;
        }
        write!(f, ", because {reason}")
    }
}

// === What the machine says ===

/// Reads whether pages of this process can be swapped. `root` is `/` but in tests.
#[must_use]
pub fn read_swap(root: &Path) -> Swap {
    let Ok(swaps) = std::fs::read_to_string(root.join("proc/swaps")) else {
        return Swap::Unknown;
    };
    // The first line is a heading; each other one is a device or file in use.
    if swaps.lines().skip(1).all(|line| line.trim().is_empty()) {
        return Swap::Absent;
    }
    let limits = cgroup::values(root, "memory.swap.max");
    if limits.iter().any(|limit| limit.trim() == "0") {
        return Swap::Forbidden;
    }
    Swap::Possible
}
