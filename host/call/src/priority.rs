//! Who is served first, and who is sent away last, when there is not enough for all.

/// The class of a call: that of the service it came to from outside, for all that it leads to. The least comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    /// Nobody waits for it: the first to be sent away.
    Batch,
    /// What says nothing else.
    #[default]
    Default,
    /// What must be served as long as anything is.
    Critical,
    /// The operator's own commands. No service is of this class.
    Control,
}

impl Priority {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Batch, Self::Default, Self::Critical, Self::Control];

    /// The word of the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Default => "default",
            Self::Critical => "critical",
            Self::Control => "control",
        }
    }

    /// The class of this number; one that is none's is the default.
    #[must_use]
    pub fn numbered(number: u8) -> Self {
        let class = Self::ALL.into_iter().find(|class| *class as u8 == number);
        class.unwrap_or_default()
    }
}
