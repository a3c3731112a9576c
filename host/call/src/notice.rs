//! What the operator is told without asking: few things, each of which waits for a person.
//!
//! Whoever finds such a thing says what happened, to what, and in words, and goes on at once; who is told, by which way and how often is
//! the business of whoever implements [`Notices`].

use std::fmt;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Somebody wants to do what a person must allow first.
    ApprovalWanted,
    /// A budget is nearly spent.
    BudgetSoft,
    /// A service does not start, and is left alone.
    Quarantine,
    /// A new version was worse than the one before, which serves again.
    PutBack,
    /// Nobody knows what came of a call, and it waits for somebody to find out.
    Indeterminate,
    /// A message was delivered in vain as often as it may be.
    DeadLetter,
    /// There is little room left where everything is kept that must last.
    DiskLow,
    /// The certificate of the gateway ends soon.
    CertificateEnding,
    /// The audit log cannot be written, cannot be signed, or is not what was written.
    AuditUnverifiable,
}

impl Event {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::ApprovalWanted,
        Self::BudgetSoft,
        Self::Quarantine,
        Self::PutBack,
        Self::Indeterminate,
        Self::DeadLetter,
        Self::DiskLow,
        Self::CertificateEnding,
        Self::AuditUnverifiable,
    ];

    /// The word for it, in settings and in what is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalWanted => "approval-wanted",
            Self::BudgetSoft => "budget-soft",
            Self::Quarantine => "quarantine",
            Self::PutBack => "put-back",
            Self::Indeterminate => "indeterminate",
            Self::DeadLetter => "dead-letter",
            Self::DiskLow => "disk-low",
            Self::CertificateEnding => "certificate-ending",
            Self::AuditUnverifiable => "audit-unverifiable",
        }
    }

    /// The event of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that the operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub event: Event,
    /// To what: `service:notes`, `call:ID`. The same event about the same thing is one that is told again only after a while.
    pub about: String,
    /// The same for people, in a sentence that says what to do. No secret and nothing of a payload is in it.
    pub text: String,
}

/// Where notices go. Telling never waits: what cannot be taken is counted, and the count is said.
pub trait Notices: Send + Sync {
    /// Has the operator told.
    fn tell(&self, notice: Notice);
}
