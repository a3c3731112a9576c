//! Queues: no message is lost, none that is done with comes back, and each is one host's at a time.

use super::{Truth, kept, more};
use crate::look::Seen;
use crate::stage::Kept;
use holdfast_call::message::{Message, Receipt};
use holdfast_store::db::DbError;
use holdfast_store::executions::{Held, Holder};
use holdfast_store::queue::{Claimed, DEATHS_MAX, LEASE};
use std::collections::{BTreeMap, BTreeSet};

/// With what a message goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By itself.
    Alone,
    /// With the outcome of this call.
    Call(String),
    /// With the end of the delivery of this message.
    Delivery(String),
}

#[derive(Default)]
pub(super) struct State {
    messages: BTreeMap<String, Known>,
    /// By the names under which one of them is enough.
    groups: BTreeMap<String, BTreeSet<String>>,
}

struct Known {
    origin: Origin,
    dedupe: Option<String>,
    posted: Kept,
    settled: Kept,
    buried: Kept,
    /// It was seen.
    there: Kept,
    fence: i64,
    holder: Option<Holder>,
    until: i64,
    killed: i64,
    /// The newest fence when it was last delivered again from among the dead letters.
    redriven: i64,
}

impl State {
    fn of(&mut self, id: &str) -> Option<&mut Known> {
        self.messages.get_mut(id)
    }
}

impl Truth {
    /// These are about to be sent.
    pub(crate) fn means_to_send(&self, messages: &[Message], origin: &Origin) {
        let mut state = self.queue.borrow_mut();
        for message in messages {
            let id = message.id.to_string();
            if let Some(name) = &message.dedupe {
                let group = state.groups.entry(name.clone()).or_default();
                group.insert(id.clone());
            }
            state.messages.entry(id).or_insert_with(|| Known {
                origin: origin.clone(),
                dedupe: message.dedupe.clone(),
                posted: Kept::No,
                settled: Kept::No,
                buried: Kept::No,
                there: Kept::No,
                fence: 0,
                holder: None,
                until: 0,
                killed: 0,
                redriven: 0,
            });
        }
    }

    /// They were sent, or not.
    pub(crate) fn sent(&self, messages: &[Message], came: &Result<Held, DbError>) {
        let mut state = self.queue.borrow_mut();
        for message in messages {
            if let Some(known) = state.of(&message.id.to_string()) {
                known.posted = more(known.posted, kept(came));
            }
        }
    }

    /// Somebody took messages.
    pub(crate) fn claimed(&self, holder: &Holder, came: &Result<Claimed, DbError>) {
        let now = self.now();
        let mut state = self.queue.borrow_mut();
        let claimed = match came {
            Ok(claimed) => claimed,
            Err(DbError::Ambiguous(_)) => {
                state
                    .messages
                    .values_mut()
                    .for_each(|known| known.until = 0);
                return;
            }
            Err(_) => return,
        };
        for delivery in &claimed.deliveries {
            let id = delivery.receipt.id.to_string();
            let Some(known) = state.of(&id) else {
                self.broken("queue: what is delivered was sent", id);
                continue;
            };
            known.there = Kept::Yes;
            if known.posted == Kept::No {
                self.broken("queue: what came to nothing has sent nothing", id.clone());
            }
            if known.settled == Kept::Yes || known.buried == Kept::Yes {
                self.broken("queue: what is done with does not come back", id.clone());
            }
            let fence = delivery.receipt.fence;
            if fence <= known.fence {
                let how = format!("{id} is claimed under fence {fence}, after {}", known.fence);
                self.broken("queue: no fence is given twice", how);
            }
            let earlier = known.holder.as_ref();
            let earlier =
                earlier.filter(|had| had.host != holder.host || had.epoch >= holder.epoch);
            if let Some(had) = earlier.filter(|_| known.until > now) {
                let how = format!("{id} is taken by {holder:?} while {had:?} has it");
                self.broken("queue: a message is one host's at a time", how);
            }
            known.fence = fence;
            known.holder = Some(holder.clone());
            known.until = now + millis();
        }
    }

    /// A host says that it still has these.
    pub(crate) fn renewed(&self, holder: &Holder, ids: &[String], came: &Result<u64, DbError>) {
        if came.is_err() {
            return;
        }
        let until = self.now() + millis();
        let mut state = self.queue.borrow_mut();
        for id in ids {
            let known = state.of(id);
            if let Some(known) = known.filter(|known| known.holder.as_ref() == Some(holder)) {
                known.until = until;
            }
        }
    }

    /// The earlier lives of a host are over.
    pub(crate) fn queue_begins(&self, holder: &Holder) {
        let mut state = self.queue.borrow_mut();
        for known in state.messages.values_mut() {
            let earlier = known.holder.as_ref();
            if earlier.is_some_and(|had| had.host == holder.host && had.epoch < holder.epoch) {
                known.until = 0;
            }
        }
    }

    /// A message was to be done with.
    pub(crate) fn settled(&self, receipt: &Receipt, came: &Result<Held, DbError>) {
        self.left(receipt, came, |known| {
            known.settled = more(known.settled, kept(came));
        });
    }

    /// A message was to be given back.
    pub(crate) fn given_back(&self, receipt: &Receipt, came: &Result<Held, DbError>) {
        self.left(receipt, came, |_| {});
    }

    /// A message was to be buried.
    pub(crate) fn buried(&self, receipt: &Receipt, came: &Result<Held, DbError>) {
        self.left(receipt, came, |known| {
            known.buried = more(known.buried, kept(came));
        });
    }

    /// Whoever has a message is to have it no more.
    fn left(&self, receipt: &Receipt, came: &Result<Held, DbError>, note: impl FnOnce(&mut Known)) {
        let id = receipt.id.to_string();
        let mut state = self.queue.borrow_mut();
        let Some(known) = state.of(&id) else {
            return;
        };
        let done = kept(came);
        let gone = known.settled == Kept::Yes || known.buried == Kept::Yes;
        if done == Kept::Yes && (receipt.fence != known.fence || gone) {
            let how = format!(
                "{id}: by fence {}, and the newest is {}",
                receipt.fence, known.fence
            );
            self.broken("queue: whoever comes late changes nothing", how);
        }
        if done != Kept::No {
            known.until = 0;
            known.holder = known.holder.take().filter(|_| done == Kept::Unknown);
        }
        note(known);
    }

    /// A dead letter is delivered again.
    pub(crate) fn redriven(&self, id: &str) {
        if let Some(known) = self.queue.borrow_mut().of(id) {
            known.buried = Kept::No;
            known.holder = None;
            known.killed = 0;
            known.redriven = known.fence;
            if known.settled == Kept::Unknown {
                known.settled = Kept::No;
            }
        }
    }

    /// A host dies of a message that it was given with this receipt.
    pub(crate) fn killed_a_host(&self, receipt: &Receipt) {
        let id = receipt.id.to_string();
        let mut state = self.queue.borrow_mut();
        // Who had it before it was redriven, and was given up since, may still be at it and die of it only now. The message is delivered as if
        // for the first time, so this is none of the deaths that count, as it is none in the database.
        let known = state.of(&id);
        if let Some(known) = known.filter(|known| receipt.fence > known.redriven) {
            known.killed += 1;
            if known.killed > DEATHS_MAX {
                let how = format!("{id} has killed {} hosts", known.killed);
                self.broken("queue: what kills hosts is dead in the end", how);
            }
        }
    }

    pub(super) fn look_at_queue(&self, seen: &Seen) {
        let mut state = self.queue.borrow_mut();
        let ready: BTreeSet<_> = seen.ready.iter().map(|row| row.id.as_str()).collect();
        let said: BTreeSet<_> = seen.said.iter().map(String::as_str).collect();
        let dead: BTreeSet<_> = seen.dead.iter().map(String::as_str).collect();
        if ready != said || !ready.is_disjoint(&dead) {
            let how = format!("{ready:?}, {said:?} and {dead:?}");
            self.broken("queue: a message is in one place", how);
        }
        for id in ready.iter().chain(&dead) {
            match state.of(id) {
                Some(known) => known.there = Kept::Yes,
                None => self.broken("queue: what is there was sent", (*id).to_owned()),
            }
        }
        for (id, known) in &state.messages {
            self.look_at_message(id, known, &ready, &dead);
            self.look_at_origin(id, known, &state, seen);
        }
        for (name, group) in &state.groups {
            let there = |id: &&String| {
                state
                    .messages
                    .get(*id)
                    .is_some_and(|k| k.there == Kept::Yes)
            };
            let sent = |id: &String| {
                state
                    .messages
                    .get(id)
                    .is_some_and(|k| k.posted == Kept::Yes)
            };
            match group.iter().filter(there).count() {
                0 if group.iter().any(sent) => {
                    self.broken("queue: no message is lost", name.clone());
                }
                0 | 1 => {}
                _ => self.broken("queue: of one name there is one message", name.clone()),
            }
        }
        self.look_at_lanes(seen);
    }

    fn look_at_message(
        &self,
        id: &str,
        known: &Known,
        ready: &BTreeSet<&str>,
        dead: &BTreeSet<&str>,
    ) {
        let there = ready.contains(id) || dead.contains(id);
        if there && known.settled == Kept::Yes {
            self.broken("queue: what is done with does not come back", id.to_owned());
        }
        if there && known.posted == Kept::No {
            self.broken(
                "queue: what came to nothing has sent nothing",
                id.to_owned(),
            );
        }
        if known.buried == Kept::Yes && ready.contains(id) {
            self.broken("queue: what is dead stays so", id.to_owned());
        }
        let sent = known.posted == Kept::Yes && known.dedupe.is_none();
        let sent = sent || (known.posted != Kept::No && known.there == Kept::Yes);
        if sent && known.settled == Kept::No && !there {
            self.broken("queue: no message is lost", id.to_owned());
        }
    }

    /// What goes out with something is there if that is, and only then.
    fn look_at_origin(&self, id: &str, known: &Known, state: &State, seen: &Seen) {
        let there = known.there == Kept::Yes;
        let with = match &known.origin {
            Origin::Alone => return,
            Origin::Call(call) => match seen.executions.iter().find(|row| row.call == *call) {
                Some(row) if row.state == 1 => Kept::Yes,
                Some(_) | None => Kept::No,
            },
            Origin::Delivery(from) => state
                .messages
                .get(from)
                .map_or(Kept::No, |from| from.settled),
        };
        let call = matches!(known.origin, Origin::Call(_));
        let halves = match with {
            Kept::Yes => call && !there && known.posted != Kept::Yes,
            Kept::No => there,
            Kept::Unknown => false,
        };
        if halves {
            let how = format!("{id}, which goes out with {:?}", known.origin);
            self.broken("queue: what was sent goes out with the outcome", how);
        }
    }

    fn look_at_lanes(&self, seen: &Seen) {
        const BEHIND_MS: i64 = i64::MAX / 2;
        let mut lanes = BTreeMap::<&str, Vec<_>>::new();
        for row in &seen.ready {
            if let Some(lane) = &row.lane {
                lanes.entry(lane).or_default().push((row.place, row.due_ms));
            }
        }
        for (lane, mut rows) in lanes {
            rows.sort_unstable();
            let due = rows.iter().map(|(_, due)| *due < BEHIND_MS);
            let due: Vec<_> = due.collect();
            let first = due.first() == Some(&true);
            if !first || due.iter().filter(|due| **due).count() != 1 {
                let how = format!("lane {lane}: {rows:?}");
                self.broken("queue: of a lane the first is due, and no other", how);
            }
        }
    }
}

fn millis() -> i64 {
    i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)
}
