//! What a call costs: reserved before it is made, and resolved once.

use super::{AGAIN_MS, Life};
use crate::stage::Link;
use holdfast_call::NanoUsd;
use holdfast_store::db::DbError;
use holdfast_store::ledger::{
    self, Budget, Certainty, Paid, ReservationId, Reserve, Source, Span, Step, Stepped,
};
use std::rc::Rc;

/// What is reserved.
#[derive(Clone, Copy)]
pub(crate) struct Reserved {
    id: ReservationId,
    amount: u64,
}

/// Reserves what a call may cost; none, where there is too little left or nobody knows.
pub(crate) async fn reserve(link: &Link, life: &Rc<Life>, call: &str) -> Option<Reserved> {
    let dice = &link.shared.dice;
    let reserved = Reserved {
        id: dice.sixteen(),
        amount: dice.between(10_000_000, 300_000_000),
    };
    let limit = link.shared.truth.limit();
    let budget = |level, name: &str, span| Budget {
        level,
        name: name.to_owned(),
        span,
        limit,
    };
    let wanted = Reserve {
        id: reserved.id,
        amount: NanoUsd(reserved.amount),
        budgets: vec![
            budget("host", "all", Span::Day),
            budget("service", "payer", Span::Hour),
        ],
        paid: Paid {
            call: call.to_owned(),
            service: "payer".to_owned(),
            caller: "anonymous".to_owned(),
            upstream: "bank".to_owned(),
            operation: "pay".to_owned(),
            price_version: "1".to_owned(),
        },
    };
    if dice.happens(60) {
        // A name that is there twice is refused, and with it all that was asked at once.
        let twice = vec![Step::Reserve(wanted.clone()), Step::Reserve(wanted.clone())];
        let refused = takes(link, life, "reserve twice", twice).await;
        if matches!(refused, Err(DbError::Ambiguous(_))) {
            voids(link, life, reserved);
            return None;
        }
    }
    let came = takes(link, life, "reserve", vec![Step::Reserve(wanted)]).await;
    match came {
        Ok(Stepped::Reserved(_)) => Some(reserved),
        Ok(_) => None,
        Err(_) => {
            // It may be reserved all the same, and nothing is sent.
            voids(link, life, reserved);
            None
        }
    }
}

/// Nothing was sent.
pub(crate) fn voids(link: &Link, life: &Rc<Life>, reserved: Reserved) {
    resolves(link, life, "void", Step::Void(reserved.id));
}

/// It was sent.
pub(crate) fn settles(link: &Link, life: &Rc<Life>, reserved: Reserved, certainty: Certainty) {
    let dice = &link.shared.dice;
    let actual = match certainty {
        Certainty::Known => dice.below(reserved.amount + 1),
        Certainty::Unconfirmed => reserved.amount,
    };
    let step = Step::Settle {
        id: reserved.id,
        actual: NanoUsd(actual),
        certainty,
        source: Source::Counted,
    };
    resolves(link, life, "settle money", step);
}

/// Says it until it is heard.
fn resolves(link: &Link, life: &Rc<Life>, what: &'static str, step: Step) {
    let own = life.clone();
    life.spawn(link, what, move |link| async move {
        while takes(&link, &own, what, vec![step.clone()]).await.is_err() {
            link.rest(AGAIN_MS).await;
        }
    });
}

async fn takes(
    link: &Link,
    life: &Rc<Life>,
    what: &str,
    steps: Vec<Step>,
) -> Result<Stepped, DbError> {
    let none = || DbError::Failing("no step was taken".to_owned());
    let holder = life.holder().ok_or_else(none)?;
    let shared = link.shared.clone();
    let taken = link.ask(what, move |db| async move {
        let came = ledger::take(&db, holder, steps.clone()).await;
        shared.truth.money_moved(&steps, &came);
        came
    });
    taken.await?.pop().ok_or_else(none)
}
