//! A host that goes on with what the power left.

use super::disk::{Chance, Disk};
use super::load::{Errand, Recording, TICKETS_MAX, serves};
use super::{Case, Telling};
use crate::harness::Host;
use crate::stress::sums;
use holdfast_call::NanoUsd;
use serde_json::Value;

/// How many orders are asked for again.
const AGAIN_MAX: usize = 60;

/// Starts a host on what was left, asks for all again, and ends it.
pub(super) fn goes_on(recording: &Recording, case: Case) {
    let _telling = Telling(case);
    let Case { cut, seed } = case;
    let setup = recording.setup();
    let mut chance = Chance::new(seed);
    recording
        .trace
        .image(cut, Disk::Honest, &mut chance, &setup.data());
    let mut host = setup.start();
    serves(&host);
    orders(recording, &host, cut);
    values(recording, &host, cut);
    tickets(recording, &host, cut);
    host.terminate();
    assert_eq!(host.ended(), Some(0));
    let said = host.command(&["audit", "verify"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    ledger(&host);
}

/// What was answered is answered again and not done again; what was done and not answered is in doubt; the rest is done now.
fn orders(recording: &Recording, host: &Host, cut: usize) {
    let mut orders: Vec<_> = recording
        .told
        .iter()
        .filter(|told| told.errand() == Errand::Order)
        .collect();
    // Those that were asked for at the time come first: there is most to be wrong with them.
    orders.sort_by_key(|told| told.asked.abs_diff(cut));
    for told in orders.into_iter().take(AGAIN_MAX) {
        let path = told.errand().path(told.nth);
        let (seen, before) = (recording.seen(cut, &path), recording.api.count(&path));
        let answer = recording.ask(host, told.nth).send();
        let done = recording.api.count(&path) - before;
        let case = format!("{path}: {answer:?}");
        let replayed = answer.header("idempotency-replayed").is_some();
        let in_doubt = || {
            let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            problem["code"] == "indeterminate"
        };
        if let Some(first) = told.served(cut) {
            assert_eq!((answer.status, replayed, done), (200, true, 0), "{case}");
            assert_eq!(answer.body, first.body, "{case}");
        } else if answer.status == 200 && !replayed {
            assert_eq!((seen, done), (0, 1), "{case}");
        } else {
            assert!(done == 0 && (answer.status == 200 || in_doubt()), "{case}");
        }
    }
}

/// What was set is there for its service.
fn values(recording: &Recording, host: &Host, cut: usize) {
    let told = recording.told.iter();
    let set = told.filter(|told| told.errand() == Errand::Set && told.served(cut).is_some());
    for told in set.take(AGAIN_MAX) {
        let nth = told.nth;
        let there = host.get(&format!("/kv/get?key=k{nth}")).text();
        assert_eq!(there, format!("v{nth}"));
    }
}

/// What was spent before the power failed is spent.
fn tickets(recording: &Recording, host: &Host, cut: usize) {
    let known = recording
        .seen
        .iter()
        .filter(|(at, path)| *at <= cut && path.starts_with("/ticket"));
    let (known, before) = (known.count(), recording.tickets.all());
    let told = recording
        .told
        .iter()
        .filter(|told| told.errand() == Errand::Ticket);
    for told in told.take(TICKETS_MAX + 1) {
        recording.ask(host, told.nth).send();
    }
    let more = recording.tickets.all() - before;
    assert!(known + more <= TICKETS_MAX, "{known} and {more}");
}

/// All sums agree, and nothing is reserved.
fn ledger(host: &Host) {
    let sums = sums(host);
    assert_eq!((sums.hours, sums.settled), (sums.entries, sums.entries));
    assert_eq!((sums.reserved, sums.open), (NanoUsd(0), NanoUsd(0)));
}
