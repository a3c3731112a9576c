//! Names to addresses: what a resolver is asked, and what it may answer. No answer is trusted: the guard checks every address before one is
//! dialled.

use holdfast_call::BoxFuture;
use std::net::IpAddr;
use std::time::Duration;

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The addresses, best first.
    pub addresses: Vec<IpAddr>,
    /// How long they hold.
    pub ttl: Duration,
}

/// Why a name leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// The answer is that there is no such name, or that it has no address.
    Missing {
        /// What was answered.
        cause: String,
        /// How long that holds, if the answer says so.
        ttl: Option<Duration>,
    },
    /// There is no answer.
    Failed {
        /// Why there is none.
        cause: String,
    },
}

/// Who turns a name into addresses.
pub trait Resolve: Send + Sync {
    /// Where `host`, which is no address itself, leads to. Bounded in time by whoever asks.
    fn resolve(&self, host: &str) -> BoxFuture<'static, Result<Found, Unresolved>>;
}
