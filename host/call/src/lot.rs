//! By what callers are told apart where some of them are to get another version than others.

/// The numbers of a caller. Equal callers have equal numbers; which is which cannot be read from them, and nothing is allowed for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lot {
    /// What decides: of the key that makes a request the same as an earlier one, if it has one, else of the caller. Without it nobody is
    /// drawn: the operator's own calls, and those with which the host compares versions, stay with the version that serves.
    pub draw: Option<u64>,
    /// Of the caller, whatever keys he makes up.
    pub caller: u64,
}
