//! The way out: HTTP requests of guests to the upstreams that the policy names.
//!
//! Each upstream is one implementation, so the network is reached only with an `Admitted` call in hand. A request travels down the list
//! of modules: its head is cleaned and the credential put in ([`request`]), a connection is taken from the pool or dialled to an address
//! that its name leads to and that was checked ([`pool`], [`names`], [`connect`], [`guard`]), and the exchange runs under its time limits ([`send`], [`body`]).
//!
//! It must never follow a redirect, dial an address that was not checked, retry what may have been sent, or end a cut body cleanly.

mod body;
mod connect;
mod credential;
mod echo;
mod failure;
mod guard;
mod headers;
mod health;
mod held;
mod keyed;
mod lease;
mod names;
mod nameservers;
mod origin;
mod peek;
mod pool;
mod progress;
mod request;
mod resolve;
mod send;
mod timeouts;
mod tls;
mod upstream;

#[cfg(test)]
mod tests;

pub use credential::{Credential, CredentialError, Format, Place};
pub use guard::{Check, Reason, check};
pub use held::{EXCHANGE_SPAN, Held, Look, Source};
pub use keyed::{Keyed, Keys};
pub use nameservers::{NAMESERVER_PORT, NameServers};
pub use origin::{Origin, OriginError, Scheme};
pub use resolve::{Found, Resolve, Unresolved};
pub use tls::{Roots, RootsError};
pub use upstream::Upstream;

use health::Health;
use holdfast_call::{Failure, Implementation, Log, Sources};
use names::Names;
use pool::Pool;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How many connections there are to all upstreams together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that are up or being made.
    pub open: usize,
    /// Those of them that wait for a request.
    pub idle: usize,
}

/// The way out of the whole host: what all upstreams share.
pub struct HttpOut {
    sources: Sources,
    log: Arc<dyn Log>,
    names: Arc<Names>,
    health: Health,
    /// Known only to be counted: a pool lives as long as its upstream does.
    pools: Mutex<Vec<Weak<Pool>>>,
}

impl HttpOut {
    /// The way out, with the clock it measures by, the log it warns in, and the resolver it asks for names.
    #[must_use]
    pub fn new(sources: Sources, log: Arc<dyn Log>, resolver: Arc<dyn Resolve>) -> Arc<Self> {
        let names = Names::new(resolver, sources.clock.clone(), log.clone());
        Arc::new(Self {
            sources,
            log,
            names,
            health: Health::default(),
            pools: Mutex::default(),
        })
    }

    /// One upstream of the policy. Its connections live as long as what is returned here, or a call it serves.
    #[must_use]
    pub fn upstream(self: &Arc<Self>, settings: Upstream) -> Arc<dyn Implementation> {
        Arc::new(send::Way::new(self.clone(), settings))
    }

    /// Whether an upstream can be reached: its name is resolved, the guard asked, a connection made and TLS verified, all within its
    /// `connect`. Nothing is sent and the connection is let go, so there is no call, and nothing that a rule could be asked about.
    ///
    /// # Errors
    /// How far it came.
    pub async fn reach(&self, upstream: &Upstream) -> Result<SocketAddr, Failure> {
        let tls = tls::Tls::new(&upstream.origin, upstream.ca.as_ref());
        let by = self.sources.clock.now().after(upstream.connect);
        let dial = connect::Dial {
            out: self,
            upstream,
            tls: &tls,
            by,
        };
        dial.reach().await
    }

    /// Has every name looked up again, because the resolver has changed. Connections that are kept are used on where their name still leads.
    pub fn resolve_again(&self) {
        self.names.run_out();
    }

    /// How many connections there are now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = Counts::default();
        for counts in pools
            .iter()
            .filter_map(Weak::upgrade)
            .map(|pool| pool.counts())
        {
            sum.open += counts.open;
            sum.idle += counts.idle;
        }
        sum
    }

    fn register(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }
}
