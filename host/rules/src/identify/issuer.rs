//! The issuers of tokens that the policy names: from a token that somebody brought to the principal that he is, or to a refusal.
//!
//! An issuer's keys are held here and read elsewhere, by whoever waits for [`Issuer::due`] and says with [`Issuer::end`] what came of it: so
//! no call reads keys, and however many tokens come, one reading at a time is made and seldom. A call whose token names a key that is not
//! known waits a moment where the keys are being read; where nobody can say what the issuer's keys are, it is refused as the outage that it
//! is, and not as the caller's mistake: he would throw a good token away.

mod cache;

pub use cache::{ASKED_EVERY, FAILED_EVERY, FRESH, STALE_MAX};

use super::token::{Algorithm, KeySet, Token, Untaken, Wanted};
use cache::{Ask, Cache, Last};
use holdfast_call::{
    AccessScope, Boundary, Clock, Fault, HostCode, Moment, Principal, Refusal, in_time,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long a call waits for the keys to be read.
pub const WAIT_MAX: Duration = Duration::from_secs(5);

/// What the policy says of one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name in the policy: what the names of its principals begin with.
    pub name: String,
    /// Its own name, as its tokens have it in `iss`.
    pub issuer: String,
    /// The algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// What is wanted of its tokens.
    pub wanted: Wanted,
    /// What every token of it is good for.
    pub scopes: Vec<AccessScope>,
    /// What its words for rights stand for.
    pub grants: BTreeMap<String, Vec<AccessScope>>,
    /// How often its keys are read.
    pub keys_every: Duration,
    /// Where its keys come from, for the operator.
    pub keys_from: String,
}

/// An issuer with its keys.
#[derive(Debug)]
pub struct Issuer {
    settings: Settings,
    cache: Mutex<Cache>,
    /// How many readings have ended.
    ended: watch::Sender<u64>,
    asked: Notify,
}

/// The issuers of the policy in force.
#[derive(Debug, Default)]
pub struct Issuers(RwLock<Arc<[Arc<Issuer>]>>);

// === Issuers ===

impl Issuers {
    /// These are all the issuers there are.
    pub fn put(&self, issuers: Vec<Arc<Issuer>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = issuers.into();
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Arc<[Arc<Issuer>]> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether tokens are taken at all.
    pub(super) fn any(&self) -> bool {
        !self.all().is_empty()
    }

    /// Whose token this is.
    pub(super) async fn principal(
        &self,
        text: &str,
        clock: &dyn Clock,
        deadline: Moment,
    ) -> Result<Arc<Principal>, Fault> {
        let token = Token::read(text).map_err(|why| untaken(&why))?;
        let all = self.all();
        let issuer = all.iter().find(|one| one.settings.issuer == token.issuer());
        let issuer = issuer.ok_or_else(|| untaken(&Untaken::Issuer))?;
        issuer.principal(token, clock, deadline).await
    }
}

// === Issuer ===

/// What is known of the keys for a token.
enum Look {
    /// These; one of them may be its key.
    Found(Arc<KeySet>),
    /// None of them is, as far as anybody knows; the count of readings that this was seen after.
    Wait(watch::Receiver<u64>),
    /// None of them is, and they are not read again for it.
    NoKey,
    /// Nobody can say what the keys are.
    Unread,
}

impl Issuer {
    /// An issuer whose keys are not read yet: they are due at once.
    #[must_use]
    pub fn new(settings: Settings, now: Moment) -> Arc<Self> {
        Arc::new(Self {
            cache: Mutex::new(Cache::new(settings.keys_every, now)),
            settings,
            ended: watch::Sender::new(0),
            asked: Notify::new(),
        })
    }

    /// What the policy says of it.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Waits until its keys are to be read, and notes that this begins.
    pub async fn due(&self, clock: &dyn Clock) {
        loop {
            let asked = self.asked.notified();
            let due = self.cache().due();
            let now = clock.now();
            if due <= now {
                self.cache().begin();
                return;
            }
            // A call may ask for them before.
            let _ = in_time(clock, due, asked).await;
        }
    }

    /// A reading that had begun has ended with this.
    pub fn end(&self, keys: Option<KeySet>, now: Moment) {
        self.cache().end(keys, now);
        self.ended.send_modify(|ended| *ended += 1);
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Every change is whole before anything could panic.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn principal(
        &self,
        token: Token<'_>,
        clock: &dyn Clock,
        deadline: Moment,
    ) -> Result<Arc<Principal>, Fault> {
        let algorithm = token.algorithm();
        if !self.settings.algorithms.contains(&algorithm) {
            return Err(self.refused(&Untaken::NotAllowed(algorithm.as_str())));
        }
        let keys = self.keys(&token, clock, deadline).await?;
        let claims = token.verify(&keys).map_err(|why| self.refused(&why))?;
        let bearer = claims.check(&self.settings.wanted, clock.wall());
        let bearer = bearer.map_err(|why| self.refused(&why))?;
        let granted = bearer.rights.iter();
        let granted = granted.filter_map(|right| self.settings.grants.get(right));
        let scopes = self.settings.scopes.iter().chain(granted.flatten());
        let name = &self.settings.name;
        Ok(Arc::new(Principal {
            name: format!("{name}:{}", bearer.subject).into(),
            proof: format!("jwt:{name}").into(),
            scopes: scopes.cloned().collect(),
        }))
    }

    /// The keys, one of which may have signed the token; read again for it if they may be.
    async fn keys(
        &self,
        token: &Token<'_>,
        clock: &dyn Clock,
        deadline: Moment,
    ) -> Result<Arc<KeySet>, Fault> {
        let by = clock.now().after(WAIT_MAX).min(deadline);
        loop {
            match self.look(token, clock.now()) {
                Look::Found(keys) => return Ok(keys),
                Look::NoKey => return Err(self.refused(&Untaken::NoKey)),
                Look::Unread => return Err(self.unread()),
                Look::Wait(mut ended) => {
                    let changed = in_time(clock, by, ended.changed()).await;
                    if changed.is_none() {
                        return Err(self.unread());
                    }
                }
            }
        }
    }

    fn look(&self, token: &Token<'_>, now: Moment) -> Look {
        let ended = self.ended.subscribe();
        let mut cache = self.cache();
        let keys = cache.keys(now);
        let fits = |keys: &Arc<KeySet>| token.may_fit(keys);
        if let Some(keys) = keys.clone().filter(fits) {
            return Look::Found(keys);
        }
        match (cache.ask(now), cache.last(), keys) {
            (Ask::Wait, _, _) => {
                drop(cache);
                self.asked.notify_one();
                Look::Wait(ended)
            }
            // The issuer has said which keys it has, and this is none of them.
            (Ask::NotNow, Last::Read, Some(_)) => Look::NoKey,
            (Ask::NotNow, Last::Read | Last::Failed, _) => Look::Unread,
        }
    }

    // === Refusals ===

    fn refused(&self, why: &Untaken) -> Fault {
        let Settings { name, issuer, .. } = &self.settings;
        let limit = format!(
            "tokens of {} for {}, signed with {}",
            issuer.escape_debug(),
            self.settings.wanted.audience.join(" or ").escape_debug(),
            words(&self.settings.algorithms),
        );
        let detail = match why {
            // Said only of what its issuer has signed: whoever brings it can have another.
            Untaken::Expired(_) => "The token has expired.",
            _ => DETAIL,
        };
        refusal(detail, why, limit, format!("[jwt.{name}] in holdfast.toml"))
    }

    fn unread(&self) -> Fault {
        let Settings {
            name, keys_from, ..
        } = &self.settings;
        let refusal = Refusal {
            code: HostCode::UpstreamUnreachable,
            layer: "identify",
            detail: "It cannot be found out at present whether the token is valid.".to_owned(),
            rule: "a token is taken only if it is known which keys its issuer signs with"
                .to_owned(),
            seen: format!("the keys of {name} could not be read from {keys_from}"),
            limit: format!("{} s since they were read", STALE_MAX.as_secs()),
            change: format!("holdfast doctor, and [jwt.{name}] in holdfast.toml"),
            retry_after: Some(FAILED_EVERY),
        };
        Fault::from(refusal).blamed(Boundary::Upstream)
    }
}

const DETAIL: &str = "The token is not one that is valid here.";

fn words(algorithms: &[Algorithm]) -> String {
    let words: Vec<_> = algorithms.iter().map(|one| one.as_str()).collect();
    words.join(", ")
}

/// A token of nobody that is known.
fn untaken(why: &Untaken) -> Fault {
    let limit = "tokens of the issuers that the policy names".to_owned();
    let change = "[jwt.NAME] in holdfast.toml, whose `issuer` is the token's `iss` to the letter";
    refusal(DETAIL, why, limit, change.to_owned())
}

fn refusal(detail: &str, why: &Untaken, limit: String, change: String) -> Fault {
    let refusal = Refusal {
        code: HostCode::Unauthenticated,
        layer: "identify",
        detail: detail.to_owned(),
        rule: "a request that brings a token is its subject's, or nobody's".to_owned(),
        seen: why.to_string(),
        limit,
        change,
        retry_after: None,
    };
    refusal.into()
}

#[cfg(test)]
mod tests;
