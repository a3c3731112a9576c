//! Names to addresses. What comes out is not trusted: the guard checks every address before one is dialled.

use holdfast_call::BoxFuture;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The most lookups at once. A lookup that hangs holds a thread until the system gives it up, whoever still waits for it.
const LOOKUPS_MAX: usize = 32;

/// Who turns a name into addresses.
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, best first. Bounded in time by whoever asks.
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The operating system's resolver.
#[derive(Debug)]
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl SystemResolver {
    /// The operating system's resolver, as the machine is set up.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        })
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let (host, lookups) = (host.to_owned(), self.lookups.clone());
        Box::pin(async move {
            let place = lookups.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = move || {
                // Held by the thread, not by the one who waits: a lookup that nobody waits for still runs.
                let _place = place;
                (host.as_str(), port).to_socket_addrs().map(Vec::from_iter)
            };
            tokio::task::spawn_blocking(lookup)
                .await
                .map_err(io::Error::other)?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::guard::{Check, check};

    #[tokio::test]
    async fn whatever_spelling_the_system_takes_for_loopback_the_guard_sees_loopback() {
        let resolver = SystemResolver::new();
        for host in [
            "localhost",
            "127.0.0.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
        ] {
            // A system that does not know a spelling has nothing to dial, which is as good.
            for address in resolver.resolve(host, 80).await.unwrap_or_default() {
                assert!(
                    matches!(check(address.ip(), &[]), Check::Refused(_)),
                    "{host}"
                );
            }
        }
        assert!(!resolver.resolve("127.0.0.1", 80).await.unwrap().is_empty());
    }
}
