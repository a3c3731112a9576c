//! What one instance may use. Every limit has a name, a unit and a default with its reason.
//!
//! This file only holds the numbers; `limiter.rs` and whoever builds the store enforce them, from before instantiation on, since a start
//! function is guest code too.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use wasmtime::{Result, Store};

/// The limits of one call and of the instance that serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// CPU time of the guest's thread, over the whole call. One second: far more than an answer needs, far less than a spin costs.
    pub cpu: Duration,
    /// Units of fuel over the whole call; only on the metered engine. None by default: CPU time already bounds a call.
    pub fuel: Option<u64>,
    /// Bytes of all linear memories together. 128 MiB: a JavaScript engine with a real program needs a third of it.
    pub memory: u64,
    /// How many linear memories. Eight: one a core module, with adapters and a composed component to spare.
    pub memories: u32,
    /// How many tables. Sixteen: one or two a core module.
    pub tables: u32,
    /// Elements of all tables together. 100,000: a large interpreter has some ten thousand functions in its table.
    pub table_elements: u32,
    /// How many core instances. Forty: a composed component with its adapters has about a dozen.
    pub instances: u32,
    /// Component handles alive at once. 10,000: a tenth of what the engine allows by itself.
    pub handles: u32,
    /// Entries of the host's resource table (streams, bodies, pollables) alive at once. 1,000: each holds host memory.
    pub resources: u32,
    /// Bytes of the headers of one `fields`. 128 KiB: what servers in front accept, with room.
    pub header_bytes: u64,
    /// Bytes that a guest hands to the host in one host call. 8 MiB: the host copies them before it looks.
    pub hostcall_bytes: u64,
    /// Random bytes of one host call. 1 MiB: more than any key needs.
    pub random_bytes: u64,
    /// Calls that one call may make. 50. The pipeline refuses what goes beyond, with a line for each; here, what goes so far beyond that
    /// only the lines would be left is dropped.
    pub calls: u32,
    /// Log lines of one call. 1,000: more is a loop, not a log.
    pub log_lines: u32,
    /// Bytes of log text of one call. 256 KiB.
    pub log_bytes: u64,
    /// Bytes of one answer's body. 256 MiB.
    pub response_bytes: u64,
    /// Calls that one instance may serve, one after the other. One: whoever keeps state between calls has to know that he does.
    pub reuse: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(1),
            fuel: None,
            memory: 128 << 20,
            memories: 8,
            tables: 16,
            table_elements: 100_000,
            instances: 40,
            handles: 10_000,
            resources: 1_000,
            header_bytes: 128 << 10,
            hostcall_bytes: 8 << 20,
            random_bytes: 1 << 20,
            calls: 50,
            log_lines: 1_000,
            log_bytes: 256 << 10,
            response_bytes: 256 << 20,
            reuse: 1,
        }
    }
}

impl Limits {
    /// Sets those limits that belong to the store itself: fuel, handles, bytes of a host call, entries of the engine's own table. The
    /// limiter, the guest's table and what the imports hold to are set by whoever builds the store's data.
    ///
    /// # Errors
    /// If fuel is limited and the store's engine does not meter it.
    pub fn apply<T>(&self, store: &mut Store<T>) -> Result<()> {
        let metered = store.get_fuel().is_ok();
        match self.fuel {
            Some(fuel) => store.set_fuel(fuel)?,
            // A metered store begins with none, and would end at its first instruction.
            None if metered => store.set_fuel(u64::MAX)?,
            None => {}
        }
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        store.set_max_component_handles(size(u64::from(self.handles)));
        store.set_hostcall_fuel(size(self.hostcall_bytes));
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(size(u64::from(self.resources)));
        }
        Ok(())
    }
}
