//! What an instance ran out of, as a type: made by our own limiter, or recognised in the error that the engine made.

use std::fmt;
use wasmtime::component::ResourceTableError;
use wasmtime::{Error, PoolConcurrencyLimitError, Trap};
use wasmtime_wasi_http::FieldMapError;

/// What ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// The instance's memory, summed over its memories.
    Memory {
        /// The sum it asked for, in bytes.
        asked: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The memory of all guests together.
    HostMemory {
        /// How much more it asked for, in bytes.
        asked: u64,
        /// How much its service could still have, in bytes.
        left: u64,
    },
    /// The elements of its tables, summed.
    TableElements {
        /// The sum it asked for.
        asked: u64,
        /// The limit.
        limit: u64,
    },
    /// How many core instances, memories or tables it may have.
    Count(Counted),
    /// Component handles alive at once.
    Handles,
    /// Entries of the host's resource table.
    Resources,
    /// Bytes handed to the host in one host call.
    HostcallBytes,
    /// Bytes of the headers of one message.
    HeaderBytes,
    /// Random bytes of one host call.
    RandomBytes,
    /// Fuel.
    Fuel,
    /// The stack.
    Stack,
    /// The pool has no free slot: nothing the instance did.
    Pool,
}

/// What is counted per store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Core instances.
    Instances,
    /// Linear memories.
    Memories,
    /// Tables.
    Tables,
}

impl Exhausted {
    /// The settings key that would change it; none where no key does.
    #[must_use]
    pub const fn key(self) -> Option<&'static str> {
        Some(match self {
            Self::Memory { .. } => "limits.memory",
            Self::HostMemory { .. } => "memory",
            Self::TableElements { .. } => "limits.table_elements",
            Self::Count(Counted::Instances) => "limits.instances",
            Self::Count(Counted::Memories) => "limits.memories",
            Self::Count(Counted::Tables) => "limits.tables",
            Self::Handles => "limits.handles",
            Self::Resources => "limits.resources",
            Self::HostcallBytes => "limits.hostcall_bytes",
            Self::HeaderBytes => "limits.header_bytes",
            Self::RandomBytes => "limits.random_bytes",
            Self::Fuel => "limits.fuel",
            Self::Stack => return None,
            Self::Pool => "slots",
        })
    }

    /// What ran out, if that is what `error` says. Typed errors are asked first; the engine has none for counts, handles and host-call
    /// bytes, so there its words are read, and a test holds them against the engine.
    #[must_use]
    pub fn find(error: &Error) -> Option<Self> {
        if let Some(own) = error.downcast_ref::<Self>() {
            return Some(*own);
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Some(Self::Pool);
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => return Some(Self::Fuel),
            Some(Trap::StackOverflow) => return Some(Self::Stack),
            _ => {}
        }
        if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
            return Some(Self::Resources);
        }
        error
            .chain()
            .find_map(|cause| Self::read(&cause.to_string()))
    }

    fn read(words: &str) -> Option<Self> {
        if let Some(rest) = words.strip_prefix("resource limit exceeded: ") {
            let counted = match rest.split(' ').next() {
                Some("instance") => Counted::Instances,
                Some("memory") => Counted::Memories,
                Some("table") => Counted::Tables,
                _ => return None,
            };
            return Some(Self::Count(counted));
        }
        if words.ends_with("store handle limit exceeded") {
            return Some(Self::Handles);
        }
        if words == FieldMapError::TotalSizeTooBig.to_string() {
            return Some(Self::HeaderBytes);
        }
        if words.starts_with("requested len ") && words.contains(" exceeds limit ") {
            return Some(Self::RandomBytes);
        }
        if words.ends_with("fuel allocated for hostcalls has been exhausted") {
            return Some(Self::HostcallBytes);
        }
        None
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { asked, limit } => write!(
                f,
                "the instance asked for {asked} bytes of memory in all, its limit is {limit}"
            ),
            Self::HostMemory { asked, left } => write!(
                f,
                "the instance asked for {asked} more bytes of memory, and its service can have {left} of what all guests share"
            ),
            Self::TableElements { asked, limit } => write!(
                f,
                "the instance asked for {asked} table elements in all, its limit is {limit}"
            ),
            Self::Count(Counted::Instances) => {
                f.write_str("the instance has too many core instances")
            }
            Self::Count(Counted::Memories) => f.write_str("the instance has too many memories"),
            Self::Count(Counted::Tables) => f.write_str("the instance has too many tables"),
            Self::Handles => f.write_str("the instance holds too many component handles"),
            Self::Resources => f.write_str("the instance holds too many of the host's resources"),
            Self::HostcallBytes => {
                f.write_str("the instance handed the host too many bytes in one call")
            }
            Self::HeaderBytes => f.write_str("the headers of one message have too many bytes"),
            Self::RandomBytes => {
                f.write_str("the instance asked for too many random bytes in one call")
            }
            Self::Fuel => f.write_str("the instance used all of its fuel"),
            Self::Stack => f.write_str("the instance used all of its stack"),
            Self::Pool => f.write_str("the pool has no free instance"),
        }
    }
}

impl std::error::Error for Exhausted {}
