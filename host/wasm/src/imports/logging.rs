//! `wasi:logging`: structured log lines of the call.

use crate::guest::Guest;
use holdfast_call::Level;
use wasmtime::component::{ComponentType, Lift, Linker};
use wasmtime::{Result, StoreContextMut};

/// The levels of the interface.
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(
    dead_code,
    reason = "the engine makes the values, from what a guest passes"
)]
enum GuestLevel {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl From<GuestLevel> for Level {
    fn from(level: GuestLevel) -> Self {
        match level {
            GuestLevel::Trace | GuestLevel::Debug => Self::Debug,
            GuestLevel::Info => Self::Info,
            GuestLevel::Warn => Self::Warn,
            GuestLevel::Error | GuestLevel::Critical => Self::Error,
        }
    }
}

/// The name under which guests import it: the proposal never left its draft.
pub(crate) const NAME: &str = "wasi:logging/logging@0.1.0-draft";

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    linker
        .instance(NAME)?
        .func_wrap("log", |store: StoreContextMut<'_, Guest>, line: Line| {
            log(store.data(), line);
            Ok(())
        })
}

/// Level, context and message.
type Line = (GuestLevel, String, String);

fn log(guest: &Guest, (level, context, message): Line) {
    let text = if context.is_empty() {
        message
    } else {
        format!("{context}: {message}")
    };
    if let Some(lines) = guest.stdio.lines() {
        lines.write(level.into(), text);
    }
}
