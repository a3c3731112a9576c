//! The keys of callers: made, listed and taken back for the operator, and read again and again for the `identify` layer.
//!
//! The key itself is shown once and kept nowhere; the database has the hash of its secret part. What this host changes holds at once, what
//! another host on the same database changes within `READ_EVERY`.

use crate::control::words::KeyLine;
use crate::settings::Name;
use data_encoding::BASE32_NOPAD;
use holdfast_call::{AccessScope, Level, Log, Sources, WallTime};
use holdfast_rules::identify::KEY_PREFIX;
use holdfast_rules::identify::keys::{KeyRing, READ_EVERY, Standing, StoredKey};
use holdfast_store::db::{Database, DbError};
use holdfast_store::keys::{self, Added, KeyRow, LIVE_MAX, NewKey, Revoked};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// The longest reason of a key, in bytes.
const WHY_BYTES_MAX: usize = 200;

/// What the operator asks for.
#[derive(Debug)]
pub struct Wanted {
    /// Whose key it will be.
    pub principal: String,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// How long it lasts, if not for ever.
    pub lasts: Option<Duration>,
    /// What it is for, in the operator's words.
    pub why: String,
}

/// A key that was just made.
#[derive(Debug)]
pub struct Fresh {
    /// The key, which is not shown again.
    pub key: String,
    /// Its name.
    pub id: String,
}

/// The keys of callers, and where they are kept.
pub struct CallerKeys {
    database: Database,
    ring: Arc<KeyRing>,
    sources: Sources,
    log: Arc<dyn Log>,
}

impl CallerKeys {
    /// The keys of this database, of which `ring` is to be the copy.
    #[must_use]
    pub fn new(
        database: Database,
        ring: Arc<KeyRing>,
        sources: Sources,
        log: Arc<dyn Log>,
    ) -> Arc<Self> {
        Arc::new(Self {
            database,
            ring,
            sources,
            log,
        })
    }

    /// Reads the keys a first time, so that the first caller who brings one is known. Where that fails the host begins all the same, and
    /// [`follow`](Self::follow) says so.
    pub async fn begin(&self) {
        let _ = self.read().await;
    }

    /// Reads the keys for ever, every [`READ_EVERY`].
    pub async fn follow(self: Arc<Self>) {
        let clock = self.sources.clock.clone();
        let mut silent = None;
        loop {
            match (self.read().await, silent.is_some()) {
                (Err(error), false) => {
                    let text = format!("the keys of callers cannot be read: failed to {error}");
                    self.log.host(Level::Error, text);
                    silent = Some(clock.now());
                }
                (Ok(()), true) => {
                    let text = "the keys of callers are read again".to_owned();
                    self.log.host(Level::Info, text);
                    silent = None;
                }
                (Ok(()), false) | (Err(_), true) => {}
            }
            clock.sleep_until(clock.now().after(READ_EVERY)).await;
        }
    }

    /// Makes a key.
    ///
    /// # Errors
    /// It is not one that can be made, or it cannot be kept; the text says why.
    pub async fn make(&self, wanted: Wanted) -> Result<Fresh, String> {
        let principal = Name::parse(&wanted.principal)?;
        let scopes = read_scopes(&wanted.scopes)?;
        if wanted.why.len() > WHY_BYTES_MAX || wanted.why.chars().any(char::is_control) {
            return Err(format!(
                "the reason of a key is one line of at most {WHY_BYTES_MAX} bytes"
            ));
        }
        let random = || self.sources.random.sixteen();
        let (id, first, second) = (random(), random(), random());
        let id = lower(id.get(..8).unwrap_or_default());
        let secret = lower(&[first, second].concat());
        let key = NewKey {
            id: id.clone(),
            principal: principal.to_string(),
            secret: Sha256::digest(&secret).into(),
            scopes: scopes.join(" "),
            lasts: wanted.lasts,
            why: wanted.why,
        };
        match keys::add(&self.database, key)
            .await
            .map_err(|error| told(&error))?
        {
            Added::Kept => {}
            Added::Enough(live) => {
                return Err(format!(
                    "{principal} has {LIVE_MAX} keys that hold, {}: take one back with `holdfast keys revoke ID`",
                    live.join(" and ")
                ));
            }
        }
        self.read().await.map_err(|error| told(&error))?;
        let key = format!("{KEY_PREFIX}{id}_{secret}");
        Ok(Fresh { key, id })
    }

    /// Every key, without its secret.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn list(&self) -> Result<Vec<KeyLine>, String> {
        let rows = keys::all(&self.database)
            .await
            .map_err(|error| told(&error))?;
        Ok(rows.into_iter().map(line).collect())
    }

    /// Takes a key back.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be written; then it still holds.
    pub async fn revoke(&self, id: &str) -> Result<String, String> {
        let revoked = keys::revoke(&self.database, id)
            .await
            .map_err(|error| told(&error))?;
        self.read().await.map_err(|error| told(&error))?;
        match revoked {
            Revoked::Now => Ok(format!("the key {id} holds no more")),
            Revoked::Before => Ok(format!("the key {id} was taken back before")),
            Revoked::NoSuchKey => Err(format!(
                "there is no key `{}`: `holdfast keys ls` lists them",
                id.escape_debug()
            )),
        }
    }

    async fn read(&self) -> Result<(), DbError> {
        let began = self.sources.clock.now();
        let rows = keys::all(&self.database).await?;
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.id.clone();
            match stored(row) {
                Ok(key) => read.push(key),
                // Something else has written it, and it opens nothing.
                Err(why) => {
                    let text = format!("the key {id} is not taken: {why}");
                    self.log.host(Level::Error, text);
                }
            }
        }
        self.ring.put(read, began);
        Ok(())
    }
}

fn told(error: &DbError) -> String {
    format!("failed to {error}")
}

fn lower(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// The scopes as they are kept.
fn read_scopes(written: &[String]) -> Result<Vec<String>, String> {
    let mut scopes = Vec::with_capacity(written.len());
    for text in written {
        let scope = AccessScope::parse(text)
            .map_err(|error| format!("`{}` is no scope: {error}", text.escape_debug()))?;
        scopes.push(scope.to_string());
    }
    if scopes.is_empty() {
        return Err("a key without a scope is good for nothing".to_owned());
    }
    Ok(scopes)
}

fn stored(row: KeyRow) -> Result<StoredKey, String> {
    let scopes = row.scopes.split(' ').map(|text| {
        AccessScope::parse(text)
            .map_err(|error| format!("`{}` is no scope: {error}", text.escape_debug()))
    });
    Ok(StoredKey {
        scopes: scopes.collect::<Result<_, _>>()?,
        id: row.id,
        principal: row.principal,
        secret: row.secret,
        expires: row
            .expires_ms
            .map(|millis| WallTime(millis.saturating_mul(1_000))),
        standing: match row.revoked_ms {
            Some(_) => Standing::Revoked,
            None => Standing::Live,
        },
    })
}

fn line(row: KeyRow) -> KeyLine {
    KeyLine {
        id: row.id,
        principal: row.principal,
        scopes: row.scopes,
        created_ms: row.created_ms,
        expires_ms: row.expires_ms,
        revoked_ms: row.revoked_ms,
        why: row.why,
    }
}
