//! Leases: one holder at a time, and nothing is written under one that is gone.

use super::Truth;
use crate::look::Seen;
use holdfast_store::db::DbError;
use holdfast_store::executions::{Held, Holder};
use holdfast_store::kv::Changed;
use holdfast_store::leases::{Acquired, Lease};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Default)]
pub(super) struct State {
    last_fence: i64,
    leases: BTreeMap<String, Known>,
}

#[derive(Default)]
struct Known {
    /// Who has it under which fence, and until when, as far as that is known.
    held: Option<(i64, Holder)>,
    until: i64,
    /// What is written under it.
    value: Option<Vec<u8>>,
    /// What may be.
    perhaps: Vec<Vec<u8>>,
}

impl Truth {
    /// Somebody wants a lease.
    pub(crate) fn lease_acquired(
        &self,
        holder: &Holder,
        (name, ttl): (&str, Duration),
        came: &Result<Acquired, DbError>,
    ) {
        let now = self.now();
        let mut state = self.leases.borrow_mut();
        let last = state.last_fence;
        let known = state.leases.entry(name.to_owned()).or_default();
        match came {
            Ok(Acquired::Yours(lease)) => {
                if lease.fence <= last {
                    let how = format!("{name} under {}, after {last}", lease.fence);
                    self.broken("leases: no fence is given twice", how);
                }
                if let Some(had) = known.held.as_ref().filter(|_| known.until > now) {
                    let how = format!("{name} is given to {holder:?} while {had:?} has it");
                    self.broken("leases: a lease has one holder", how);
                }
                known.held = Some((lease.fence, holder.clone()));
                known.until = now + millis(ttl);
                state.last_fence = lease.fence;
            }
            Err(DbError::Ambiguous(_)) => {
                known.held = None;
                known.until = 0;
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Somebody holds on to his lease.
    pub(crate) fn lease_renewed(&self, lease: &Lease, ttl: Duration, came: &Result<Held, DbError>) {
        if *came == Ok(Held::Yes) && !self.stands("is renewed", lease) {
            return;
        }
        let until = self.now() + millis(ttl);
        let mut state = self.leases.borrow_mut();
        let known = state.leases.entry(lease.name.to_string()).or_default();
        match came {
            Ok(Held::Yes) => known.until = until,
            Err(DbError::Ambiguous(_)) => known.held = None,
            Ok(Held::Lost) | Err(_) => {}
        }
    }

    /// Somebody lets go of his lease.
    pub(crate) fn lease_released(&self, lease: &Lease, came: &Result<Held, DbError>) {
        let mut state = self.leases.borrow_mut();
        let known = state.leases.entry(lease.name.to_string()).or_default();
        let newest = known.held.as_ref().map(|(fence, _)| *fence);
        match came {
            Ok(Held::Yes) if newest.is_some_and(|newest| newest != lease.fence) => {
                let how = format!("{} under {}", lease.name, lease.fence);
                self.broken("leases: only its holder lets go of a lease", how);
            }
            Ok(Held::Yes) => known.until = 0,
            Err(DbError::Ambiguous(_)) => known.held = None,
            Ok(Held::Lost) | Err(_) => {}
        }
    }

    /// Something was to be written under a lease.
    pub(crate) fn lease_written(
        &self,
        lease: &Lease,
        value: &[u8],
        came: &Result<Changed, DbError>,
    ) {
        if *came == Ok(Changed::Yes) && !self.stands("is written under", lease) {
            return;
        }
        let mut state = self.leases.borrow_mut();
        let known = state.leases.entry(lease.name.to_string()).or_default();
        match came {
            Ok(Changed::Yes) => {
                known.value = Some(value.to_vec());
                known.perhaps.clear();
            }
            Err(DbError::Ambiguous(_)) => known.perhaps.push(value.to_vec()),
            Ok(_) | Err(_) => {}
        }
    }

    /// The earlier lives of a host are over.
    pub(crate) fn leases_begin(&self, holder: &Holder) {
        let mut state = self.leases.borrow_mut();
        for known in state.leases.values_mut() {
            let earlier = known.held.as_ref();
            if earlier.is_some_and(|(_, had)| had.host == holder.host && had.epoch < holder.epoch) {
                known.until = 0;
            }
        }
    }

    fn stands(&self, what: &str, lease: &Lease) -> bool {
        let state = self.leases.borrow();
        let known = state.leases.get(lease.name.as_str());
        let Some((known, (fence, _))) = known.and_then(|known| Some((known, known.held.as_ref()?)))
        else {
            return true;
        };
        let stands = *fence == lease.fence && known.until > self.now();
        if !stands {
            let how = format!(
                "{} {what} {}, the newest is {fence}",
                lease.name, lease.fence
            );
            self.broken("leases: under a lease that is gone nothing is written", how);
        }
        stands
    }

    pub(super) fn look_at_leases(&self, seen: &Seen) {
        let mut state = self.leases.borrow_mut();
        for (name, known) in &mut state.leases {
            let there = seen.values.get(name);
            if there == known.value.as_ref() {
                continue;
            }
            match there.filter(|there| known.perhaps.contains(there)) {
                Some(there) => known.value = Some(there.clone()),
                None => {
                    let how = format!("{name} is {there:?}, and was {:?}", known.value);
                    self.broken("leases: what was written last is there", how);
                }
            }
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
