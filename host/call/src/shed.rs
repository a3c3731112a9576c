//! Why a call was turned away although nothing was wrong with it: there was not enough for all.

use crate::priority::Priority;

/// That a call was turned away as `overloaded`: of what class it was, and for want of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    /// The class of its tree.
    pub class: Priority,
    /// What there was not enough of.
    pub reason: ShedReason,
}

/// What there was not enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedReason {
    /// Every place was taken, and as many calls waited as may.
    QueueFull,
    /// It waited for a place as long as a call may.
    TimeOut,
    /// It waited, and had to give way to a call of a higher class.
    Preempted,
    /// It had less time left than calls of its target need.
    TooLate,
    /// So many nested calls ran in the service.
    Nested,
    /// So many answers of the service were streamed.
    Streams,
    /// The pool had no slot for it, or none that its service may have.
    Slots,
    /// The guests' budget of memory was used up.
    Memory,
    /// The machine was short of memory.
    MemoryPressure,
    /// The host came too late to everything.
    Delay,
    /// So much was kept of requests whose senders were not known yet.
    Bodies,
}

impl ShedReason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::QueueFull,
        Self::TimeOut,
        Self::Preempted,
        Self::TooLate,
        Self::Nested,
        Self::Streams,
        Self::Slots,
        Self::Memory,
        Self::MemoryPressure,
        Self::Delay,
        Self::Bodies,
    ];

    /// The word of the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::TimeOut => "time-out",
            Self::Preempted => "preempted",
            Self::TooLate => "too-late",
            Self::Nested => "nested",
            Self::Streams => "streams",
            Self::Slots => "slots",
            Self::Memory => "memory",
            Self::MemoryPressure => "memory-pressure",
            Self::Delay => "delay",
            Self::Bodies => "bodies",
        }
    }
}
