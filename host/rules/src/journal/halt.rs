//! Why an instance brings its execution no further, for now or for good.

use holdfast_call::{Fault, HostCode, Refusal};
use holdfast_store::runs::Round;
use std::time::Duration;

/// Why it stops.
#[derive(Clone, Debug)]
pub(super) enum Halt {
    /// Its guest sleeps, until that time in nanoseconds since 1970.
    Sleeps(u64),
    /// A person has to look at it.
    Paused(String),
    /// Not now: it is taken up again after that time.
    Later(Duration, String),
    /// It has come to an end that its guest did not bring about.
    Failed(Box<Fault>),
    /// It goes on as new; or it would, and cannot.
    Again(Result<Round, Box<Fault>>),
    /// Somebody else has it.
    Lost,
    /// It has ended.
    Over,
}

impl Halt {
    /// What is told of it in the place of an answer.
    pub(super) fn told(&self) -> Fault {
        let (detail, seen) = match self {
            Self::Sleeps(_) => ("The execution sleeps.", "it sleeps".to_owned()),
            Self::Paused(why) => ("The execution waits for a person.", why.clone()),
            Self::Later(_, why) => ("The execution goes on later.", why.clone()),
            Self::Failed(fault) | Self::Again(Err(fault)) => return (**fault).clone(),
            Self::Again(Ok(_)) => (
                "The execution goes on.",
                "it has come to the end of a round".to_owned(),
            ),
            Self::Lost => (
                "Another host goes on with the execution.",
                "another host has it".to_owned(),
            ),
            Self::Over => ("The execution has ended.", "it has ended".to_owned()),
        };
        let refusal = Refusal {
            code: HostCode::InProgress,
            layer: "journal",
            detail: detail.to_owned(),
            rule: "a durable execution goes on where it was cut off".to_owned(),
            seen,
            limit: "one host at a time".to_owned(),
            change: "holdfast run ls".to_owned(),
            retry_after: None,
        };
        refusal.into()
    }
}
