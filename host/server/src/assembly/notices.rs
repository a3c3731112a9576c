//! Who tells the operator what waits for him, and what is looked at for his sake.

use super::Host;
use super::secrets;
use crate::notices::{Teller, watch};
use crate::settings::Policy;
use anyhow::Context as _;
use holdfast_call::{Clock, Notices};
use holdfast_capabilities::secrets::SecretKey;
use std::sync::{Arc, Weak};

impl Host {
    /// What tells the operator.
    #[must_use]
    pub fn teller(&self) -> &Arc<Teller> {
        &self.teller
    }

    /// Where it is said what he is to be told.
    #[must_use]
    pub fn notices(&self) -> Arc<dyn Notices> {
        self.notices.clone()
    }

    /// The key that a policy has its notices signed with. Its secrets have been read before.
    ///
    /// # Errors
    /// There is to be one, and it cannot be read.
    pub(super) fn signer(&self, policy: &Policy) -> anyhow::Result<Option<SecretKey>> {
        let Some(secret) = &policy.notify.secret else {
            return Ok(None);
        };
        let held = self.secrets.known(&secrets::target(secret));
        let held = held.with_context(|| {
            format!(
                "[notify] is to sign with [secrets.{}], which cannot be read",
                secret.name
            )
        })?;
        Ok(Some(SecretKey {
            held,
            encoding: secret.encoding,
        }))
    }

    /// Watches the disk and the certificate as long as the host lives.
    pub fn watch_for_people(self: &Arc<Self>) {
        let (clock, host) = (self.clock(), Arc::downgrade(self));
        tokio::spawn(async move {
            while let Some(host) = Weak::upgrade(&host) {
                let policy = host.policy();
                let seen = blocking(move || watch::disk(&policy.data, policy.notify.disk_free));
                if let Some(notice) = seen.await {
                    host.notices.tell(notice);
                }
                drop(host);
                clock
                    .sleep_until(clock.now().after(watch::DISK_EVERY))
                    .await;
            }
        });
        // Its files are those of the start.
        let Some(tls) = self.policy().tls.clone() else {
            return;
        };
        let (clock, host) = (self.clock(), Arc::downgrade(self));
        tokio::spawn(async move {
            while let Some(host) = Weak::upgrade(&host) {
                let (path, wall) = (tls.cert.clone(), clock.wall());
                let seen = blocking(move || watch::certificate(&path, wall));
                if let Some(notice) = seen.await {
                    host.notices.tell(notice);
                }
                drop(host);
                let next = clock.now().after(watch::CERTIFICATE_EVERY);
                clock.sleep_until(next).await;
            }
        });
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.pipeline.sources().clock.clone()
    }
}

/// Files may be slow. What has panicked has seen nothing.
async fn blocking<T: Send + 'static>(
    look: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    tokio::task::spawn_blocking(look).await.ok().flatten()
}
