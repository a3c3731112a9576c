//! The secrets of upstreams: each is kept over policies, so that the value before stays known for a while after an exchange.

use crate::logs::LogWriter;
use crate::settings::secret::read_first;
use crate::settings::{Credential, SecretSource};
use holdfast_call::{Level, Log as _, Moment, Target, Unread};
use holdfast_capabilities::http::{Held, Look, Source};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is held of each upstream's secret.
#[derive(Default)]
pub(super) struct Secrets(Mutex<HashMap<Target, Kept>>);

#[derive(Clone)]
struct Kept {
    sources: Vec<SecretSource>,
    held: Arc<Held>,
}

impl Secrets {
    /// The secret of a credential: looked for anew where it is held already, read where it is not.
    ///
    /// # Errors
    /// It was never read and cannot be; names every source that was tried.
    pub(super) fn held(
        &self,
        target: &Target,
        credential: &Credential,
        log: &Arc<LogWriter>,
        now: Moment,
    ) -> Result<Arc<Held>, Unread> {
        // Every change is one insertion or removal. Reading a file under the lock is no harm: only policies come here.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(target)
            && known.sources == credential.sources
        {
            look(&known.held, target, log, now);
            return Ok(known.held.clone());
        }
        let sources = credential.sources.clone();
        let held = Held::read(source(sources.clone(), log.clone()))?;
        let new = Kept {
            sources,
            held: held.clone(),
        };
        kept.insert(target.clone(), new);
        Ok(held)
    }

    /// Lets go of the secret of an upstream that is no more.
    pub(super) fn forget(&self, target: &Target) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(target);
    }
}

/// Whatever is read is kept out of the log before anybody can use it.
fn source(sources: Vec<SecretSource>, log: Arc<LogWriter>) -> Source {
    Box::new(move || {
        let secret = read_first(&sources)?;
        log.add_secret(&secret);
        Ok(secret)
    })
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
