//! A try that was reserved: resolved exactly once, by what is known of it or, dropped, by what is true of one that nobody waits for.

use super::Tariff;
use super::till::Held;
use holdfast_call::{BodyEnd, BodyWatch, Call, Fault, Meter, NanoUsd, Tree};
use holdfast_store::ledger::{Certainty, Source};
use std::sync::Arc;
use std::time::Duration;

/// What a try may come to, set aside in its tree. Dropped, it has come to nothing.
pub(super) struct Aside {
    tree: Arc<Tree>,
    amount: NanoUsd,
}

impl Aside {
    /// Sets it aside, if all that the tree costs stays within the limit.
    pub(super) fn of(
        tree: &Arc<Tree>,
        amount: NanoUsd,
        limit: Option<NanoUsd>,
    ) -> Result<Self, NanoUsd> {
        tree.set_aside(amount, limit.unwrap_or(NanoUsd::MAX))?;
        Ok(Self {
            tree: tree.clone(),
            amount,
        })
    }

    fn paid(mut self, actual: NanoUsd) {
        let amount = std::mem::take(&mut self.amount);
        self.tree.paid(amount, actual);
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.tree.paid(self.amount, NanoUsd(0));
    }
}

/// A try that is under way.
pub(super) struct Owed {
    /// What is on record of it.
    held: Option<Held>,
    aside: Option<Aside>,
    tariff: Tariff,
    meter: Arc<Meter>,
    /// The CPU time of the tries before.
    before: Duration,
    /// What was answered to the outside.
    bytes_out: u64,
    /// Whether its answer leaves the host.
    outside: bool,
}

impl Owed {
    /// A try of `call`, of which nothing is on record yet.
    pub(super) fn of(call: &Call, aside: Aside, tariff: Tariff) -> Self {
        let meter = call.meter.clone();
        Self {
            held: None,
            aside: Some(aside),
            tariff,
            before: Duration::from_nanos(meter.read().cpu_nanos),
            meter,
            bytes_out: 0,
            outside: !call.nested(),
        }
    }

    /// It is on record.
    pub(super) fn held(mut self, held: Held) -> Self {
        self.held = Some(held);
        self
    }

    /// Nothing was sent.
    pub(super) fn void(mut self) {
        // Both are given back by being dropped.
        self.held = None;
        self.aside = None;
    }

    /// It came to this.
    pub(super) fn settle(mut self, actual: NanoUsd, certainty: Certainty, source: Source) {
        self.resolve(actual, certainty, source);
    }

    fn resolve(&mut self, actual: NanoUsd, certainty: Certainty, source: Source) {
        // Without a reservation nothing was sent.
        if let (Some(held), Some(aside)) = (self.held.take(), self.aside.take()) {
            held.settle(actual, certainty, source);
            aside.paid(actual);
            self.meter.add_cost(actual);
        }
    }

    /// Nobody waits for it any more.
    fn left(&mut self) {
        let (actual, certainty, source) = match &self.tariff {
            Tariff::Upstream { list, .. } => {
                (list.worst(), Certainty::Unconfirmed, Source::WorstCase)
            }
            // The host knows what was used of it, however a call ends.
            Tariff::Host(price) => {
                let cpu = Duration::from_nanos(self.meter.read().cpu_nanos);
                let used = cpu.saturating_sub(self.before);
                let actual = price.sum(used, self.bytes_out);
                (actual, Certainty::Known, Source::Counted)
            }
        };
        self.resolve(actual, certainty, source);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.left();
    }
}

impl BodyWatch for Owed {
    fn frame(&mut self, bytes: usize) -> Result<(), Fault> {
        if self.outside {
            self.bytes_out = self.bytes_out.saturating_add(bytes as u64);
        }
        Ok(())
    }

    fn end(&mut self, _end: &BodyEnd<'_>) {
        self.left();
    }
}
