//! A call of a durable operation: it begins an execution, which whichever host has a place for it goes on with, and waits for what comes of it.
//!
//! What was begun goes on whether or not anybody waits. Who waits has a place that does nothing: so no more than a quarter of a service's
//! places are for that, and beyond it, and where the time is over, it is said that it goes on.

use super::patience::{Looks, Seat};
use super::{Once, again, fields, outcome, refusals};
use crate::effects;
use crate::journal;
use crate::trail::Basis;
use bytes::Bytes;
use holdfast_call::{
    Answer, Body, Call, CallId, Entry, Fault, Moment, Next, Payload, Reply, Target,
};
use holdfast_store::db::DbError;
use holdfast_store::executions::{Claim, Claimed};
use holdfast_store::runs::NewRun;
use http::{HeaderValue, Response, StatusCode, header};
use std::time::Duration;

/// When whoever was told that it goes on may ask again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Whether it was this call that began it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    Now,
    Before,
}

impl Once {
    /// An execution goes on: what it does is on record as an effect of each entry.
    pub(super) async fn goes_on(&self, mut call: Box<Call>, next: Next<'_>) -> Reply {
        let terms = effects::of(&call);
        call.meter.set_effect(terms.effect);
        call.key = None;
        self.trail.intent(&call, Basis::None).await?;
        next.run(call).await
    }

    /// Begins an execution, or finds the one of this key, and waits for what comes of it.
    pub(super) async fn lasting(
        &self,
        call: Box<Call>,
        mut claim: Claim,
        key: Option<&str>,
        body: &Bytes,
    ) -> Reply {
        let rows = self.executions.rows().ok_or_else(refusals::nowhere)?;
        if body.len() > journal::BYTES_MAX {
            return Err(refusals::too_long(journal::BYTES_MAX));
        }
        claim.run = Some(self.begun(&call, body)?);
        let basis = Basis::Row {
            key,
            approval: None,
        };
        self.trail.intent(&call, basis).await?;
        let found = match self.claimed(claim.clone()).await {
            // Claimed again it is there, or it is claimed now.
            Err(DbError::Ambiguous(_)) => self.claimed(claim.clone()).await,
            other => other,
        };
        let found = found.map_err(|error| refusals::unavailable(&error))?;
        let (name, begun) = match found {
            Claimed::Yours(hold) => {
                rows.runs().ring();
                (hold.call.to_string(), Begun::Now)
            }
            Claimed::Running(_) => (String::new(), Begun::Before),
            Claimed::Done(outcome) => return again(&outcome, &call),
            not => return Err(self.not_yours(&not, &call)),
        };
        let Some(seat) = self.patience.seat_of(&call) else {
            return goes_on(&call, &name, key);
        };
        let until = self.waits_until(&call);
        match self.waited(seat, until, claim).await? {
            Claimed::Done(outcome) if begun == Begun::Now => first(&outcome, &call),
            Claimed::Done(outcome) => again(&outcome, &call),
            Claimed::Running(_) => goes_on(&call, &name, key),
            not => Err(self.not_yours(&not, &call)),
        }
    }

    /// What is kept of the call that begins an execution.
    fn begun(&self, call: &Call, body: &Bytes) -> Result<NewRun, Fault> {
        let digest = call
            .registered
            .as_ref()
            .and_then(|known| known.digest.clone());
        let Target::Service(service) = &call.target else {
            return Err(refusals::nowhere());
        };
        let mut seed = [0; 32];
        let random = [self.sources.random.sixteen(), self.sources.random.sixteen()];
        for (to, from) in seed.iter_mut().zip(random.as_flattened()) {
            *to = *from;
        }
        Ok(NewRun {
            service: service.to_string(),
            digest: digest.map_or_else(String::new, |digest| digest.to_string()),
            seed,
            asked: journal::beginning(call, body, fields),
        })
    }

    /// Claims the row, in a task of its own: whoever goes away meanwhile has begun it or not.
    async fn claimed(&self, claim: Claim) -> Result<Claimed, DbError> {
        let gone = || DbError::Failing("the one who claims has died".to_owned());
        let rows = self.executions.rows().ok_or_else(gone)?.clone();
        let claiming = tokio::spawn(async move { rows.claim(claim).await });
        claiming.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Until when whoever asks waits: as long as he would, and so that there is time left to say that it goes on.
    fn waits_until(&self, call: &Call) -> Moment {
        let now = self.sources.clock.now();
        let left = call.deadline.since(now);
        let left = left - left / 10;
        now.after(call.wait.map_or(left, |wait| wait.min(left)))
    }

    /// Waits for its outcome; what its row is then.
    async fn waited(&self, _seat: Seat<'_>, until: Moment, claim: Claim) -> Result<Claimed, Fault> {
        let clock = &self.sources.clock;
        let rows = self.executions.rows().ok_or_else(refusals::nowhere)?;
        let mut rung = rows.runs().listen();
        let mut looks = Looks::default();
        loop {
            // What cannot be seen now goes on all the same.
            let found = self.claimed(claim.clone()).await;
            let found = found.unwrap_or(Claimed::Running(ASK_AGAIN));
            let over = clock.now() >= until || self.executions.is_leaving();
            if over || !matches!(found, Claimed::Running(_)) {
                return Ok(found);
            }
            let next = clock.now().after(looks.pause()).min(until);
            tokio::select! {
                _ = rung.changed() => {}
                () = clock.sleep_until(next) => {}
            }
        }
    }
}

/// What the execution that this call began came to.
fn first(outcome: &[u8], call: &Call) -> Reply {
    let reply = outcome::recorded(outcome).ok_or_else(refusals::unreadable)?;
    match outcome::fits(&reply, &call.payload) {
        true => reply,
        false => Err(refusals::unreadable()),
    }
}

/// That it goes on, whoever waits. Only with its key can anybody ask again: without one, that would begin another.
fn goes_on(call: &Call, name: &str, key: Option<&str>) -> Reply {
    let name = CallId::parse(name).map(|id| id.to_string());
    if call.nested() || call.entry != Entry::Http || !matches!(call.payload, Payload::Http(_)) {
        return Err(match key {
            Some(_) => refusals::running(ASK_AGAIN),
            None => refusals::begun(&name.unwrap_or_default()),
        });
    }
    let text = serde_json::json!({ "state": "running", "execution": name });
    let mut response = Response::new(Body::whole(text.to_string().into()));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if key.is_some() {
        headers.insert(header::RETRY_AFTER, ASK_AGAIN.as_secs().into());
    }
    Ok(Answer::Http(response))
}
