//! Why a component cannot be loaded: one line for each, written for whoever built it.

use crate::engine::{EngineError, MEMORIES_PER_SLOT, TABLES_PER_SLOT};
use crate::limits::Limits;
use crate::offers::Named;
use std::fmt;
use wasmtime::component::Component;

/// A component cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No bytes.
    #[error("the file is empty")]
    Empty,
    /// Text form.
    #[error("this is a component in text form; compile it first (wasm-tools parse)")]
    Text,
    /// A core module.
    #[error(
        "this is a core module, not a component; build for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// Something else.
    #[error("this is no WebAssembly: it does not begin with the magic number")]
    NotWasm,
    /// The end is missing.
    #[error("the file is cut short at byte {at}; copy it again")]
    Truncated {
        /// Where it ends.
        at: u64,
    },
    /// It does not validate.
    #[error("the component is not valid: {}", one_line(.0))]
    Invalid(String),
    /// It needs features this host does not have.
    #[error("the component needs {}", .0.join(", and "))]
    Features(Vec<&'static str>),
    /// It imports what the host does not offer.
    #[error("{}", list(.0))]
    Imports(Vec<MissingImport>),
    /// It exports nothing the host can call.
    #[error("it exports no service: one of wasi:http/incoming-handler@0.2.x and wasi:http/handler@0.3.x is needed, or an interface of its own; {}", exports_in_words(.exports))]
    NoService {
        /// What it does export.
        exports: Vec<String>,
    },
    /// What it says to other services cannot be said.
    #[error("its contract with other services: {}", one_line(.0))]
    Contract(String),
    /// What it asks of other services is not there; it may be, once they are.
    #[error("{0}")]
    Unlinked(String),
    /// The engine cannot compile it.
    #[error("compile the component: {}", one_line(.0))]
    Compile(String),
    /// The compiling process found it cut short; in its words.
    #[error("{0}")]
    Cut(String),
    /// The compiling process refused it; in its words.
    #[error("{0}")]
    Refused(String),
    /// Compiling it took more than it may take.
    #[error(
        "compiling it took more {what} than {key} = \"{limit}\" allows; if you know the component, raise {key} under [compile] in holdfast.toml"
    )]
    Beyond {
        /// What it took too much of.
        what: &'static str,
        /// The settings key.
        key: &'static str,
        /// How much it may take.
        limit: String,
    },
    /// The compiling process was killed by somebody else.
    #[error("the compiling process was killed: most likely the machine ran out of memory")]
    Killed,
    /// The compiling process died by itself.
    #[error("the compiler failed on it ({end}): {said}")]
    Crashed {
        /// How it ended.
        end: String,
        /// What it said.
        said: String,
    },
    /// The compiling process cannot be run at all.
    #[error("run the compiling process: {0}")]
    CompileProcess(#[source] std::io::Error),
    /// It declares more than its limits allow, so no call could ever start.
    #[error("it has {has} {what}, and {key} = {limit} allows fewer")]
    Needs {
        /// What it has too many of.
        what: &'static str,
        /// The settings key.
        key: &'static str,
        /// How many it has.
        has: u64,
        /// How many it may have.
        limit: u64,
    },
    /// It has durable operations, and imports what such cannot have.
    #[error("it has durable operations and imports `{}`: {why}", one_line(.import))]
    Durable {
        /// What it imports.
        import: String,
        /// Why it cannot, and what to do.
        why: &'static str,
    },
    /// The engine itself cannot be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl LoadError {
    /// The compiling process answered something that is no answer.
    pub(crate) fn garbled() -> Self {
        Self::CompileProcess(std::io::Error::other("its answer is not understood"))
    }
}

/// What instantiating a component takes, as far as it can be told without doing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Linear memories.
    pub memories: u32,
    /// Bytes of the largest memory at its beginning.
    pub memory_bytes: u64,
    /// Tables.
    pub tables: u32,
    /// Elements of the largest table at its beginning.
    pub table_elements: u64,
}

/// Sizes of memories are declared in pages of this many bytes.
const PAGE_BYTES: u64 = 64 << 10;

impl Needs {
    /// What `component` declares.
    #[must_use]
    pub fn of(component: &Component) -> Self {
        // None only if the component imports core modules, which no linker of this host offers.
        let Some(required) = component.resources_required() else {
            return Self::default();
        };
        let pages = required.max_initial_memory_size.unwrap_or(0);
        Self {
            memories: required.num_memories,
            memory_bytes: pages.saturating_mul(PAGE_BYTES),
            tables: required.num_tables,
            table_elements: required.max_initial_table_size.unwrap_or(0),
        }
    }

    /// How many slots of the pool one call of it takes.
    #[must_use]
    pub fn slots(&self) -> u32 {
        let memories = self.memories.div_ceil(MEMORIES_PER_SLOT);
        let tables = self.tables.div_ceil(TABLES_PER_SLOT);
        memories.max(tables).max(1)
    }

    /// Compares with the limits that calls will have.
    ///
    /// # Errors
    /// If no call could ever start.
    pub fn fit(&self, limits: &Limits) -> Result<(), LoadError> {
        let rows = [
            (
                "memories",
                "memories",
                u64::from(self.memories),
                u64::from(limits.memories),
            ),
            (
                "bytes of memory at its start",
                "memory",
                self.memory_bytes,
                limits.memory,
            ),
            (
                "tables",
                "tables",
                u64::from(self.tables),
                u64::from(limits.tables),
            ),
            (
                "table elements at its start",
                "table_elements",
                self.table_elements,
                u64::from(limits.table_elements),
            ),
        ];
        for (what, key, has, limit) in rows {
            if has > limit {
                return Err(LoadError::Needs {
                    what,
                    key,
                    has,
                    limit,
                });
            }
        }
        Ok(())
    }
}

/// An import that the host cannot meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingImport {
    /// The name with its version, as the component has it.
    pub name: String,
    /// What kind of thing it wants: interface, function, ….
    pub kind: &'static str,
    /// The nearest offer.
    pub nearest: Option<String>,
    /// What is known about this import in particular.
    pub note: Option<&'static str>,
}

impl fmt::Display for MissingImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, one_line(&self.name))?;
        if let Some(note) = self.note {
            write!(f, " ({note})")?;
        }
        match &self.nearest {
            Some(nearest) => write!(f, ", the nearest on offer is `{nearest}`"),
            None => Ok(()),
        }
    }
}

/// The most names that one line lists.
pub const LISTED_MAX: usize = 20;
/// The longest text of a component, or about one, that a line repeats, in characters.
const SHOWN_CHARS_MAX: usize = 500;

/// Text that a component wrote, or that was written about it: one line of bounded length, which steers no terminal.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(SHOWN_CHARS_MAX));
    for (at, c) in text.chars().enumerate() {
        if at == SHOWN_CHARS_MAX {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push(' '),
            c if c.is_control() => out.extend(c.escape_debug()),
            c => out.push(c),
        }
    }
    out
}

/// The first of many, and how many more there are.
fn listed(items: impl ExactSizeIterator<Item = String>, between: &str) -> String {
    let more = items.len().saturating_sub(LISTED_MAX);
    let mut text = items.take(LISTED_MAX).collect::<Vec<_>>().join(between);
    if more > 0 {
        text.push_str(&format!("{between}and {more} more"));
    }
    text
}

/// All missing imports, for the error.
fn list(missing: &[MissingImport]) -> String {
    let names = missing.iter().map(ToString::to_string);
    format!(
        "this host does not offer what it imports: {}",
        listed(names, "; ")
    )
}

/// The exports there are, for the error.
fn exports_in_words(exports: &[String]) -> String {
    if exports.is_empty() {
        return "it exports nothing".to_owned();
    }
    let command = exports
        .iter()
        .any(|name| Named::parse(name).interface == "wasi:cli/run");
    let hint = if command {
        " (that is a command to run, not a service)"
    } else {
        ""
    };
    let names = exports.iter().map(|name| one_line(name));
    format!("it exports {}{hint}", listed(names, ", "))
}
