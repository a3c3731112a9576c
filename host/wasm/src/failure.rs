//! What a dead guest's error means.

use crate::exhausted::Exhausted;
use crate::imports::typed::Stopped;
use crate::limiter::Limiter;
use holdfast_call::{Failure, FailureKind};
use wasmtime::Error;

/// The longest part of an error's text that is kept: a trap's frames can fill pages.
const CAUSE_CHARS_MAX: usize = 2_000;

/// Turns the error that ended a guest's run into a failure. What the limiter refused is asked first: the error that ended the run may only
/// be what the guest did about it.
pub(crate) fn of(error: &Error, limiter: &Limiter) -> Failure {
    if let Some(Stopped(fault)) = error.downcast_ref() {
        return Failure::new(
            FailureKind::Passed(fault.clone()),
            "a call to another service failed",
        );
    }
    let exhausted = limiter.flag().get().or_else(|| Exhausted::find(error));
    let kind = exhausted.map_or(FailureKind::Trapped, kind);
    let failure = Failure::new(
        kind,
        format!("{error:?}")
            .chars()
            .take(CAUSE_CHARS_MAX)
            .collect::<String>(),
    );
    match exhausted {
        Some(exhausted) => match exhausted.key() {
            Some(key) => failure.with("exhausted", exhausted).with("key", key),
            None => failure.with("exhausted", exhausted),
        },
        None => failure,
    }
}

fn kind(exhausted: Exhausted) -> FailureKind {
    match exhausted {
        Exhausted::HostMemory { .. } => FailureKind::HostMemoryExhausted,
        Exhausted::Pool => FailureKind::PoolExhausted,
        Exhausted::Fuel => FailureKind::CpuExhausted,
        // Defects of the program, like any other trap.
        Exhausted::Stack | Exhausted::HeaderBytes | Exhausted::RandomBytes => FailureKind::Trapped,
        Exhausted::Memory { .. }
        | Exhausted::TableElements { .. }
        | Exhausted::Count(_)
        | Exhausted::Handles
        | Exhausted::Resources
        | Exhausted::HostcallBytes => FailureKind::MemoryExhausted,
    }
}
