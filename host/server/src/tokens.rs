//! The keys of the issuers of tokens: read for the `identify` layer, again and again, from a file or through the way out.
//!
//! What is fetched is an errand of the host itself. No guest has a hand in it.

use crate::errand::Errand;
use crate::file;
use crate::settings::{Jwt, JwtKeys, Policy};
use anyhow::Context as _;
use bytes::Bytes;
use holdfast_call::{Level, Log, Pipeline};
use holdfast_rules::identify::issuer::{FRESH, Issuer, Issuers, Settings};
use holdfast_rules::identify::token::{KEYS_BYTES_MAX, KeySet, Wanted};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// How often a file of keys is looked at: who takes a key out of it wants it to open nothing.
const FILE_EVERY: Duration = Duration::from_secs(2);

/// The longest that fetching keys may take.
const FETCH_MAX: Duration = Duration::from_secs(20);

/// The issuers of the policy, and what reads their keys.
pub(crate) struct TokenKeys {
    issuers: Arc<Issuers>,
    pipeline: Arc<Pipeline>,
    log: Arc<dyn Log>,
    serving: Handle,
    followed: Mutex<Vec<Followed>>,
}

/// An issuer whose keys are read; no more, once this is dropped.
struct Followed {
    jwt: Jwt,
    issuer: Arc<Issuer>,
    task: AbortHandle,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The issuers of a policy that is not in force yet.
pub(crate) struct Made(Vec<(Jwt, Option<KeySet>)>);

/// Reads what a policy says of issuers. Their files must be there: a mistake in one would lock everybody out.
///
/// # Errors
/// A file of keys cannot be used.
pub(crate) fn make(policy: &Policy) -> anyhow::Result<Made> {
    let made = policy.jwt.values().map(|jwt| {
        let keys = match &jwt.keys {
            JwtKeys::File(path) => Some(
                read_file(path)
                    .map_err(|why| anyhow::anyhow!("{why}"))
                    .with_context(|| format!("the keys of [jwt.{}]", jwt.name))?,
            ),
            JwtKeys::Upstream { .. } => None,
        };
        Ok((jwt.clone(), keys))
    });
    made.collect::<anyhow::Result<_>>().map(Made)
}

impl TokenKeys {
    /// None yet. Call it on the serving runtime.
    pub(crate) fn new(issuers: Arc<Issuers>, pipeline: Arc<Pipeline>, log: Arc<dyn Log>) -> Self {
        Self {
            issuers,
            pipeline,
            log,
            serving: Handle::current(),
            followed: Mutex::default(),
        }
    }

    /// These are the issuers from now on. One of which the policy says what it said before keeps its keys.
    pub(crate) fn put(&self, made: Made) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *followed);
        for (jwt, keys) in made.0 {
            let known = before.iter().position(|one| one.jwt == jwt);
            followed.push(match known {
                Some(at) => before.swap_remove(at),
                None => self.follow(jwt, keys),
            });
        }
        let all = followed.iter().map(|one| one.issuer.clone()).collect();
        self.issuers.put(all);
    }

    fn follow(&self, jwt: Jwt, keys: Option<KeySet>) -> Followed {
        let now = self.pipeline.sources().clock.now();
        let issuer = Issuer::new(settings(&jwt), now);
        if keys.is_some() {
            issuer.end(keys, now);
        }
        let reader = Reader {
            jwt: jwt.clone(),
            issuer: issuer.clone(),
            pipeline: self.pipeline.clone(),
            log: self.log.clone(),
        };
        let task = self.serving.spawn(reader.follow()).abort_handle();
        Followed { jwt, issuer, task }
    }
}

fn settings(jwt: &Jwt) -> Settings {
    Settings {
        name: jwt.name.to_string(),
        issuer: jwt.issuer.clone(),
        algorithms: jwt.algorithms.clone(),
        wanted: Wanted {
            audience: jwt.audience.clone(),
            subject: jwt.subject.clone(),
            rights: jwt.claim.clone(),
        },
        scopes: jwt.scopes.clone(),
        grants: jwt.grants.clone(),
        keys_every: match jwt.keys {
            JwtKeys::File(_) => FILE_EVERY,
            JwtKeys::Upstream { .. } => FRESH,
        },
        keys_from: jwt.keys.to_string(),
    }
}

/// What reads the keys of one issuer, for ever.
struct Reader {
    jwt: Jwt,
    issuer: Arc<Issuer>,
    pipeline: Arc<Pipeline>,
    log: Arc<dyn Log>,
}

impl Reader {
    async fn follow(self) {
        let clock = self.pipeline.sources().clock.clone();
        let mut silent = false;
        loop {
            self.issuer.due(&*clock).await;
            let read = self.read().await;
            let name = &self.jwt.name;
            match (&read, silent) {
                (Err(why), false) => {
                    let from = &self.jwt.keys;
                    let text =
                        format!("the keys of [jwt.{name}] cannot be read from {from}: {why}");
                    self.log.host(Level::Error, text);
                }
                (Ok(_), true) => {
                    let text = format!("the keys of [jwt.{name}] are read again");
                    self.log.host(Level::Info, text);
                }
                (Ok(_), false) | (Err(_), true) => {}
            }
            silent = read.is_err();
            self.issuer.end(read.ok(), clock.now());
        }
    }

    async fn read(&self) -> Result<KeySet, String> {
        match &self.jwt.keys {
            JwtKeys::File(path) => {
                let path = path.clone();
                // Files may be slow.
                let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
                read.unwrap_or_else(|_| Err("reading them has failed".to_owned()))
            }
            JwtKeys::Upstream { origin, path, .. } => self.fetch(origin, path).await,
        }
    }

    async fn fetch(&self, origin: &Arc<str>, path: &str) -> Result<KeySet, String> {
        let errand = Errand {
            origin,
            path,
            why: &format!("the keys of the issuer {}", self.jwt.name),
            at_most: FETCH_MAX,
        };
        let accept = "application/jwk-set+json, application/json";
        let request = Request::builder().header(header::ACCEPT, accept);
        let answer = errand.run(&self.pipeline, request, Bytes::new()).await?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer was {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), KEYS_BYTES_MAX).collect();
        let body = body.await.map_err(|error| error.to_string())?;
        KeySet::read(&body.to_bytes()).map_err(|why| why.to_string())
    }
}

pub(crate) fn read_file(path: &Path) -> Result<KeySet, String> {
    let shown = path.display();
    let bytes = file::read(path, KEYS_BYTES_MAX as u64);
    let bytes = bytes.map_err(|error| format!("{shown} cannot be read: {error}"))?;
    KeySet::read(&bytes).map_err(|why| format!("{shown}: {why}"))
}
