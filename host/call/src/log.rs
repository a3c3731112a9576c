//! What the host writes down: one closing line a call, the lines of guests, and the few lines of the host itself.
//!
//! Values, not text: whoever writes them chooses the form, on a thread of its own, so that logging never holds a call up.

use crate::call::{Entry, Target};
use crate::caller::Caller;
use crate::fault::Fault;
use crate::id::CallId;
use crate::meter::Reading;
use crate::spent::Spent;
use crate::time::WallTime;
use crate::trace::Trace;
use crate::why::Why;
use std::sync::Arc;
use std::time::Duration;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Wanted only while looking for something.
    Debug,
    /// Routine.
    Info,
    /// Somebody should look.
    Warn,
    /// Somebody must look.
    Error,
}

impl Level {
    /// The word of the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// With an answer, to its last byte.
    Answered,
    /// With a fault, before or within its answer.
    Failed(Fault),
    /// Its caller went away.
    Cancelled,
}

impl Outcome {
    /// The word of the log.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::Failed(_) => "fault",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The closing line of one call.
#[derive(Clone, Debug)]
pub struct Closing {
    /// When it ended.
    pub wall: WallTime,
    /// Its name.
    pub id: CallId,
    /// The call that made it.
    pub parent: Option<CallId>,
    /// Its trace.
    pub trace: Trace,
    /// Where it came in.
    pub entry: Entry,
    /// What it was for.
    pub target: Target,
    /// The digest of what served it.
    pub digest: Option<Arc<str>>,
    /// What was to be done.
    pub operation: Arc<str>,
    /// Who asked.
    pub caller: Caller,
    /// Why.
    pub why: Why,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status of the answer's head, if there was one.
    pub status: Option<u16>,
    /// From its entry to the end of its answer and of its guest.
    pub took: Duration,
    /// Where that time went; the sum is the same.
    pub spent: Spent,
    /// What it used.
    pub reading: Reading,
}

/// A line that a guest wrote: to stdout, to stderr, or through `wasi:logging`.
#[derive(Clone, Debug)]
pub struct GuestLine {
    /// When.
    pub wall: WallTime,
    /// The call it belongs to.
    pub id: CallId,
    /// Its trace.
    pub trace: Trace,
    /// The service that wrote it.
    pub target: Target,
    /// How much it matters.
    pub level: Level,
    /// The text, as the guest wrote it.
    pub text: String,
}

/// Where lines go. None of these waits: what cannot be taken at once is dropped, counted, and the count is said.
pub trait Log: Send + Sync {
    /// Writes the closing line of a call.
    fn closing(&self, closing: Closing);
    /// Writes a guest's line.
    fn guest(&self, line: GuestLine);
    /// Writes a line of the host: something an operator would act on.
    fn host(&self, level: Level, text: String);
}
