//! Waiting for the end of the call that has the row, for whoever would rather wait than ask again (`Prefer: wait=SECONDS`).
//!
//! The one that is waited for has its place already, so nobody waits for somebody who waits for him. But who waits has a place too, and does
//! nothing with it: so no more than a quarter of a service's places are for that, and beyond it all are told at once. The row is looked at
//! again and again, since its holder may be another host, or gone.

use super::claim::claimed;
use super::rows::Rows;
use crate::admit;
use holdfast_call::{Call, CallId, Clock, Moment, Target};
use holdfast_store::db::DbError;
use holdfast_store::executions::{Claim, Claimed};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The first look, and the longest time between two.
const LOOKS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// Where admission says nothing.
const PLACES: u32 = 4;

/// Who waits, by service.
#[derive(Default)]
pub(super) struct Patience(Mutex<HashMap<Arc<str>, u32>>);

/// How often the row is looked at: less and less.
pub(super) struct Looks(Duration);

impl Default for Looks {
    fn default() -> Self {
        Self(LOOKS.0)
    }
}

impl Looks {
    /// How long until the next.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LOOKS.1);
        pause
    }
}

/// The seat of one who waits.
pub(super) struct Seat<'a> {
    patience: &'a Patience,
    service: Arc<str>,
}

/// Who claims a row, and how long he would wait for it.
pub(super) struct Claimant {
    id: CallId,
    deadline: Moment,
    /// How long, and for which service with how many places.
    waits: Option<(Duration, Arc<str>, u32)>,
}

impl Claimant {
    pub(super) fn of(call: &Call) -> Self {
        let waits = match (&call.target, call.wait) {
            (Target::Service(service), Some(wait)) => Some((wait, service.clone(), places(call))),
            (Target::Service(_) | Target::Capability { .. }, _) => None,
        };
        Self {
            id: call.id,
            deadline: call.deadline,
            waits,
        }
    }
}

impl Patience {
    /// Claims a row, and where somebody has it, waits for that to end as long as whoever asks would. Says when the last claim was begun.
    ///
    /// # Errors
    /// As for a claim.
    pub(super) async fn claimed(
        &self,
        rows: &Arc<Rows>,
        clock: &Arc<dyn Clock>,
        claim: Claim,
        who: Claimant,
    ) -> Result<(Claimed, Moment), DbError> {
        let mut began = clock.now();
        let again = who.waits.map(|waits| (waits, claim.clone()));
        let mut found = claimed(rows, clock, claim, who.id).await?;
        let (Some(((wait, service, places), claim)), Claimed::Running(_)) = (again, &found) else {
            return Ok((found, began));
        };
        let Some(_seat) = self.seat(service, places) else {
            return Ok((found, began));
        };
        // There is to be time left to say that it still runs.
        let left = who.deadline.since(began);
        let end = began.after(wait.min(left - left / 10));
        let mut looks = Looks::default();
        while let Claimed::Running(_) = found
            && clock.now() < end
        {
            let next = clock.now().after(looks.pause()).min(end);
            clock.sleep_until(next).await;
            began = clock.now();
            found = claimed(rows, clock, claim.clone(), who.id).await?;
        }
        Ok((found, began))
    }

    /// A seat for this call, if one is left.
    pub(super) fn seat_of(&self, call: &Call) -> Option<Seat<'_>> {
        match &call.target {
            Target::Service(service) => self.seat(service.clone(), places(call)),
            Target::Capability { .. } => None,
        }
    }

    /// A seat, if one is left.
    fn seat(&self, service: Arc<str>, places: u32) -> Option<Seat<'_>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = waiting.entry(service.clone()).or_default();
        if *waits >= (places / 4).max(1) {
            return None;
        }
        *waits += 1;
        Some(Seat {
            patience: self,
            service,
        })
    }
}

/// How many places the service has that is asked.
fn places(call: &Call) -> u32 {
    let registered = call.registered.as_ref();
    let settings = registered.and_then(|known| known.settings.get::<admit::Settings>());
    settings.map_or(PLACES, |settings| settings.places.limits().places)
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut waiting = self
            .patience
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(waits) = waiting.get_mut(&self.service) {
            *waits -= 1;
            if *waits == 0 {
                waiting.remove(&self.service);
            }
        }
    }
}
