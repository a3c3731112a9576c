//! Holds one instance to its memory, its tables and its counts, and the host to what it gives all guests.
//!
//! The engine's own limits look at each memory alone; here they are summed. A refusal is a typed error, which ends the guest: told only
//! `-1`, most languages abort with words of their own, and the reason would be lost. Must never block: it runs inside the guest.

use crate::exhausted::Exhausted;
use crate::limits::Limits;
use crate::memory::Reserved;
use crate::share::Share;
use holdfast_call::Meter;
use std::sync::{Arc, OnceLock};
use wasmtime::{ResourceLimiter, Result};

/// The limiter of one store.
#[derive(Debug)]
pub struct Limiter {
    memory: u64,
    memory_max: u64,
    elements: u64,
    elements_max: u64,
    instances_max: usize,
    memories_max: usize,
    tables_max: usize,
    share: Arc<Share>,
    meter: Arc<Meter>,
    flag: ExhaustedFlag,
}

/// Remembers what the limiter refused first; outlives the store, so it can be asked after the guest died.
#[derive(Clone, Debug, Default)]
pub struct ExhaustedFlag(Arc<OnceLock<Exhausted>>);

// === Limiter ===

impl Limiter {
    /// A limiter that draws on `share` and notes the peak in `meter`.
    #[must_use]
    pub fn new(limits: &Limits, share: Arc<Share>, meter: Arc<Meter>) -> Self {
        Self {
            memory: 0,
            memory_max: limits.memory,
            elements: 0,
            elements_max: u64::from(limits.table_elements),
            instances_max: count(limits.instances),
            memories_max: count(limits.memories),
            tables_max: count(limits.tables),
            share,
            meter,
            flag: ExhaustedFlag::default(),
        }
    }

    /// The flag that tells what was refused.
    #[must_use]
    pub fn flag(&self) -> ExhaustedFlag {
        self.flag.clone()
    }

    /// Bytes granted to all memories together.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// The instance serves another call, whose meter this is. What it holds stays counted; what was refused before is forgotten.
    pub fn renew(&mut self, meter: Arc<Meter>) {
        meter.note_memory(self.memory);
        self.meter = meter;
        self.flag = ExhaustedFlag::default();
    }

    /// Gives back to the host what all memories hold, because they are about to be dropped.
    pub(crate) fn release(&mut self) {
        self.share.release(std::mem::take(&mut self.memory));
    }

    fn refuse(&self, exhausted: Exhausted) -> wasmtime::Error {
        self.flag.set(exhausted);
        exhausted.into()
    }
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn difference(current: usize, desired: usize) -> u64 {
    u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        // Beyond its own declared maximum a memory cannot grow whatever is answered; so nothing may be counted for it.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let more = difference(current, desired);
        let asked = self.memory.saturating_add(more);
        if asked > self.memory_max {
            return Err(self.refuse(Exhausted::Memory {
                asked,
                limit: self.memory_max,
            }));
        }
        match self.share.reserve(more) {
            Reserved::Granted => {}
            Reserved::Refused => {
                let left = self.share.left();
                return Err(self.refuse(Exhausted::HostMemory { asked: more, left }));
            }
        }
        self.memory = asked;
        self.meter.note_memory(asked);
        Ok(true)
    }

    // `memory_grow_failed` stays as it is: it is also called for growth that was never asked about here, so undoing the last grant there
    // would let a guest undo what it holds. A grant that failed stays counted until the store is dropped, within the same limits.

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let asked = self.elements.saturating_add(difference(current, desired));
        if asked > self.elements_max {
            return Err(self.refuse(Exhausted::TableElements {
                asked,
                limit: self.elements_max,
            }));
        }
        self.elements = asked;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances_max
    }

    fn tables(&self) -> usize {
        self.tables_max
    }

    fn memories(&self) -> usize {
        self.memories_max
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.release();
    }
}

// === ExhaustedFlag ===

impl ExhaustedFlag {
    /// What was refused first, if anything was.
    #[must_use]
    pub fn get(&self) -> Option<Exhausted> {
        self.0.get().copied()
    }

    /// Notes what ran out, for whoever finds it elsewhere than in the limiter. The first word stands.
    pub fn set(&self, exhausted: Exhausted) {
        let _kept = self.0.set(exhausted);
    }
}
