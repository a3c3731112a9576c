//! Deliveries of a host: it takes messages, has them consumed, and says what came of that.

use super::{Alone, Life, settles};
use crate::consumer::{self, Nature};
use crate::stage::Link;
use crate::truth::Origin;
use holdfast_call::CallId;
use holdfast_rules::delivery::pause;
use holdfast_store::executions::Held;
use holdfast_store::queue::{self, Counted, DEATHS_MAX, Delivery, Sent};
use std::rc::Rc;
use std::time::Duration;

/// How many messages it has at once.
const PLACES: usize = 3;
/// After what time it looks again, at least and at most, in milliseconds.
const LOOK_AGAIN_MS: (u64, u64) = (200, 8_000);
/// How often all of the queue is searched, in looks.
const SEARCH_ALL_EVERY: u64 = 5;
/// How often a message may have been with a host that died, until it is delivered while nothing else is.
const DEATHS_BESIDE: u64 = 1;
/// How often a message is delivered at most.
const DELIVERIES_MAX: u64 = 5;

/// A message that a host has, as long as this is there.
struct InHand {
    life: Rc<Life>,
    name: (CallId, i64),
    /// Whether it is delivered alone; none, where it is not delivered yet.
    delivered: Option<Alone>,
}

impl InHand {
    /// Waits until it may be delivered beside the others, or alone.
    async fn may(&mut self, link: &Link, wanted: Alone) {
        let life = &self.life;
        while life.alone.get() == Alone::Yes || (wanted == Alone::Yes && life.beside.get() > 0) {
            link.rest(500).await;
        }
        match wanted {
            Alone::Yes => life.alone.set(Alone::Yes),
            Alone::No => life.beside.set(life.beside.get() + 1),
        }
        self.delivered = Some(wanted);
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.life.in_hand.borrow_mut().remove(&self.name);
        match self.delivered {
            Some(Alone::Yes) => self.life.alone.set(Alone::No),
            Some(Alone::No) => self.life.beside.set(self.life.beside.get() - 1),
            None => {}
        }
    }
}

/// Takes messages, as long as the host lives.
pub(crate) async fn take(link: Link, life: Rc<Life>) {
    let (mut since_ms, mut looks) = (0, 0);
    loop {
        let mut again_ms = LOOK_AGAIN_MS.1;
        let free = PLACES.saturating_sub(life.in_hand.borrow().len());
        if free > 0 && life.alone.get() == Alone::No {
            looks += 1;
            if looks % SEARCH_ALL_EVERY == 0 {
                since_ms = 0;
            }
            let (since, next) = takes(&link, &life, free, since_ms).await;
            since_ms = since;
            again_ms = next.clamp(LOOK_AGAIN_MS.0, LOOK_AGAIN_MS.1);
        }
        link.rest(again_ms).await;
    }
}

/// Takes as many as it has places for; from when on it looks next, and when, in milliseconds from now on.
async fn takes(link: &Link, life: &Rc<Life>, free: usize, since_ms: i64) -> (i64, u64) {
    let Some(holder) = life.holder() else {
        return (0, 0);
    };
    let shared = link.shared.clone();
    let claimed = link.ask("claim", move |db| async move {
        let queue = consumer::QUEUE.to_owned();
        let came = queue::claim(&db, queue, (free, since_ms), holder.clone()).await;
        shared.truth.claimed(&holder, &came);
        came
    });
    let Ok(claimed) = claimed.await else {
        return (since_ms, LOOK_AGAIN_MS.1);
    };
    for delivery in claimed.deliveries {
        let name = (delivery.receipt.id, delivery.receipt.fence);
        life.in_hand.borrow_mut().insert(name);
        let in_hand = InHand {
            life: life.clone(),
            name,
            delivered: None,
        };
        life.spawn(link, "delivers", |link| delivers(link, in_hand, delivery));
    }
    let next = claimed
        .next
        .map_or(u64::MAX, |next| next.as_millis() as u64);
    (claimed.since_ms, next)
}

async fn delivers(link: Link, mut in_hand: InHand, delivery: Delivery) {
    if delivery.deaths >= DEATHS_MAX.unsigned_abs() {
        return bury(&link, &delivery, "its hosts died").await;
    }
    let wanted = match delivery.deaths > DEATHS_BESIDE {
        true => Alone::Yes,
        false => Alone::No,
    };
    in_hand.may(&link, wanted).await;
    let nature = consumer::nature(&delivery.body);
    link.rest(nature.takes_ms(delivery.deliveries)).await;
    match nature {
        Nature::Kills => {
            link.shared.truth.killed_a_host(&delivery.receipt);
            link.shared.dying.borrow_mut().push(in_hand.life.host);
            link.rest_or(None, None).await;
        }
        Nature::Never => bury(&link, &delivery, "never").await,
        Nature::Fails(times) if delivery.deliveries <= times => {
            match delivery.deliveries >= DELIVERIES_MAX {
                true => bury(&link, &delivery, "too often").await,
                false => back(&link, &delivery).await,
            }
        }
        Nature::Fails(_) | Nature::Slow | Nature::Sends(_) => taken(&link, &delivery, nature).await,
    }
}

/// It is done with, and what it sends goes out.
async fn taken(link: &Link, delivery: &Delivery, nature: Nature) {
    let messages = match nature {
        Nature::Sends(count) => consumer::messages(&link.shared, count, None),
        _ => Vec::new(),
    };
    let origin = Origin::Delivery(delivery.receipt.id.to_string());
    link.shared.truth.means_to_send(&messages, &origin);
    let sent = Sent {
        receipt: Some(delivery.receipt.clone()),
        messages,
    };
    // Where it is not done with, it comes again when the lease is over.
    let _ = settles(link, sent).await;
}

async fn back(link: &Link, delivery: &Delivery) {
    let dice = &link.shared.dice;
    let (counted, after) = match dice.happens(200) {
        true => (Counted::No, Duration::from_secs(2)),
        false => (Counted::Yes, pause(delivery.deliveries, dice.number())),
    };
    let (receipt, shared) = (delivery.receipt.clone(), link.shared.clone());
    let back = link.ask("give back", move |db| async move {
        let why = "it failed".to_owned();
        let came = queue::give_back(&db, receipt.clone(), after, counted, why).await;
        shared.truth.given_back(&receipt, &came);
        came
    });
    let _: Result<Held, _> = back.await;
}

async fn bury(link: &Link, delivery: &Delivery, why: &str) {
    let (receipt, shared) = (delivery.receipt.clone(), link.shared.clone());
    let why = why.to_owned();
    let buried = link.ask("bury", move |db| async move {
        let came = queue::bury(&db, receipt.clone(), why).await;
        shared.truth.buried(&receipt, &came);
        came
    });
    let _ = buried.await;
}
