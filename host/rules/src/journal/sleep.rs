//! A sleep of the guest: an entry that is written down once it is over, so that one that is cut off costs nothing.

use super::book::Found;
use super::entry::{self, Entered};
use super::halt::Halt;
use super::run::Run;
use holdfast_call::{BoxFuture, Seat};
use holdfast_store::runs::Intent;
use std::sync::Arc;
use std::time::Duration;

impl Run {
    /// The guest sleeps until then, in nanoseconds since 1970.
    pub(super) fn falls_asleep(self: Arc<Self>, until_ns: u64) -> BoxFuture<'static, ()> {
        let entered = entry::sleep(until_ns);
        let (ordinal, found) = {
            let mut book = self.book();
            let ordinal = book.issue();
            book.sleeps(ordinal, until_ns);
            (ordinal, book.ask(ordinal, &entered.what, &entered.hash))
        };
        match found {
            Found::Differs(how) => self.stop(Halt::Paused(self.another(&how))),
            Found::Came => {}
            Found::Begun(_) | Found::Nothing => {
                let (run, serving) = (self.clone(), self.serving.clone());
                serving.spawn(async move {
                    if let Err(halt) = run.sleeps_on(ordinal, until_ns, entered).await {
                        run.stop(halt);
                    }
                });
            }
        }
        let seat = Seat::at(self.clone(), ordinal);
        Box::pin(async move {
            let _until_woken = seat;
            let woken = self.when(|book| book.take(ordinal)).await;
            if woken.is_err() {
                // Whoever sleeps here is about to be gone.
                std::future::pending::<()>().await;
            }
        })
    }

    /// Waits for the time, unless the guest does not want it any more.
    async fn sleeps_on(&self, ordinal: u32, until_ns: u64, entered: Entered) -> Result<(), Halt> {
        self.when(|book| book.is_new().then_some(())).await?;
        if ordinal > self.steps {
            return Err(super::step::too_many(ordinal, 0, self.steps, &self.service));
        }
        loop {
            let left = Duration::from_nanos(until_ns.saturating_sub(self.now_ns()));
            let over = self.clock.sleep_until(self.clock.now().after(left));
            tokio::select! {
                gone = self.when(|book| book.is_taken(ordinal).then_some(())) => return gone,
                () = over => {}
            }
            if self.now_ns() >= until_ns {
                break;
            }
        }
        let intent = Intent {
            ordinal,
            began_ns: until_ns,
            what: entered.what,
            asked: entered.hash,
        };
        self.writes(intent, Vec::new()).await
    }
}
