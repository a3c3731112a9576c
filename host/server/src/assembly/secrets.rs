//! The secrets of upstreams and services: each is kept over policies, so that the value before stays known for a while after an exchange.

use super::{Host, layers};
use crate::logs::LogWriter;
use crate::settings::lent::read_key;
use crate::settings::secret::read_first;
use crate::settings::{LentSecret, SecretSource};
use holdfast_call::{Level, Log as _, Moment, Registered, Secret, Target, Unread};
use holdfast_capabilities::http::{Held, Look, Source};
use holdfast_capabilities::secrets::{Encoding, SecretKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is held of each target's secret.
#[derive(Default)]
pub(super) struct Secrets(Mutex<HashMap<Target, Kept>>);

/// Where a secret is, and what is asked of it there.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) sources: Vec<SecretSource>,
    /// What it must stand for, if it is a key.
    pub(super) key: Option<Encoding>,
}

impl Wanted {
    fn read(&self) -> Result<Secret, Unread> {
        match self.key {
            None => read_first(&self.sources),
            Some(encoding) => read_key(&self.sources, encoding),
        }
    }
}

struct Kept {
    wanted: Wanted,
    held: Arc<Held>,
}

impl Secrets {
    /// The secret of a target: looked for anew where it is held already, read where it is not.
    ///
    /// # Errors
    /// It was never read and cannot be; names every source that was tried.
    pub(super) fn held(
        &self,
        target: &Target,
        wanted: Wanted,
        log: &Arc<LogWriter>,
        now: Moment,
    ) -> Result<Arc<Held>, Unread> {
        // Every change is one insertion or removal. Reading a file under the lock is no harm: only policies come here.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(target)
            && known.wanted == wanted
        {
            look(&known.held, target, log, now);
            return Ok(known.held.clone());
        }
        let held = Held::read(source(wanted.clone(), log.clone()))?;
        let new = Kept {
            wanted,
            held: held.clone(),
        };
        kept.insert(target.clone(), new);
        Ok(held)
    }

    /// The secret of a target, if it is held.
    pub(super) fn known(&self, target: &Target) -> Option<Arc<Held>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(target).map(|kept| kept.held.clone())
    }

    /// Lets go of the secret of a target that is no more.
    pub(super) fn forget(&self, target: &Target) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(target);
    }
}

/// Whatever is read is kept out of the log before anybody can use it.
fn source(wanted: Wanted, log: Arc<LogWriter>) -> Source {
    Box::new(move || {
        let secret = wanted.read()?;
        log.add_secret(&secret);
        Ok(secret)
    })
}

/// What a secret is called among the targets.
pub(super) fn target(secret: &LentSecret) -> Target {
    Target::Capability {
        name: "secrets",
        resource: secret.name.shared(),
    }
}

/// A secret that services use, as a target of the pipeline.
///
/// # Errors
/// It cannot be read, or stands for no key.
pub(super) fn lent(host: &Host, secret: &LentSecret) -> Result<Arc<Registered>, Unread> {
    let target = target(secret);
    let wanted = Wanted {
        sources: secret.sources.clone(),
        key: Some(secret.encoding),
    };
    let now = host.pipeline.sources().clock.now();
    let held = host.secrets.held(&target, wanted, &host.log, now)?;
    let key = Arc::new(SecretKey {
        held,
        encoding: secret.encoding,
    });
    let settings = layers::lent(host, secret);
    Ok(Registered::new(&host.pipeline, target, None, settings, key))
}

fn look(held: &Held, target: &Target, log: &LogWriter, now: Moment) {
    match held.look(now) {
        Ok(Look::Exchanged(_)) => {
            let text = format!("the secret of {target} was exchanged");
            log.host(Level::Info, text);
        }
        Ok(Look::Same) => {}
        Err(why) => {
            let text = format!("the secret of {target} is used on as it was: {why}");
            log.host(Level::Warn, text);
        }
    }
}
