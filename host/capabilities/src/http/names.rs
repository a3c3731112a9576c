//! The names that lead somewhere: each is looked up once for all who ask, and its answer used as long as it holds.
//!
//! What is known of them, and until when, is the [`book`]'s; here are those who wait, the one who looks up, and what the log is told. It
//! must not judge addresses: that is the guard's.

mod book;

use super::resolve::{Resolve, Unresolved};
use book::{Addresses, Book, Due, Known, LOOKUP_MAX};
use holdfast_call::{Clock, Level, Log, Moment, in_time};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a new answer is waited for where there is an old one. Most resolvers take less; the old one is seldom wrong.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether a name still leads to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    There,
    Elsewhere,
}

/// The names of all upstreams.
pub(super) struct Names {
    book: Mutex<Book>,
    /// Told whenever a lookup has ended, whatever its name.
    ended: Notify,
    resolver: Arc<dyn Resolve>,
    clock: Arc<dyn Clock>,
    log: Arc<dyn Log>,
}

impl Names {
    /// No name is known yet.
    pub(super) fn new(
        resolver: Arc<dyn Resolve>,
        clock: Arc<dyn Clock>,
        log: Arc<dyn Log>,
    ) -> Arc<Self> {
        Arc::new(Self {
            book: Mutex::default(),
            ended: Notify::new(),
            resolver,
            clock,
            log,
        })
    }

    /// Where `host` leads, for one who waits until `by` and bounds that himself; or why it leads nowhere.
    pub(super) async fn find(
        self: &Arc<Self>,
        host: &str,
        by: Moment,
    ) -> Result<Addresses, Arc<str>> {
        match self.ask(host) {
            Known::Holds(addresses) => Ok(addresses),
            Known::Nowhere(cause) => Err(cause),
            // Boxed, because it is rare: every exchange would carry the room for it.
            Known::Awaited { old, since } => Box::pin(self.wait(host, old, since, by)).await,
        }
    }

    /// Whether `host` leads to `address` now: what a kept connection is asked before it is used again.
    pub(super) async fn leads(self: &Arc<Self>, host: &str, address: IpAddr, by: Moment) -> Leads {
        match in_time(&*self.clock, by, self.find(host, by)).await {
            Some(Ok(addresses)) if addresses.contains(&address) => Leads::There,
            Some(Ok(_) | Err(_)) | None => Leads::Elsewhere,
        }
    }

    /// Has every name looked up again: who is asked has changed.
    pub(super) fn run_out(&self) {
        let now = self.clock.now();
        self.lock().run_out(now);
    }

    /// Waits for the lookup that is under way; not for long, where there is something old.
    async fn wait(
        self: &Arc<Self>,
        host: &str,
        old: Option<Addresses>,
        since: Moment,
        by: Moment,
    ) -> Result<Addresses, Arc<str>> {
        let ended = self.ended(host);
        let Some(old) = old else {
            return ended.await;
        };
        // Half of the time is left for the connection, which is what it is for.
        let now = self.clock.now();
        let half = now.after(by.since(now) / 2);
        let until = since.after(PATIENCE).min(half);
        in_time(&*self.clock, until, ended).await.unwrap_or(Ok(old))
    }

    async fn ended(self: &Arc<Self>, host: &str) -> Result<Addresses, Arc<str>> {
        loop {
            let mut ended = pin!(self.ended.notified());
            // From here on an end is not missed.
            ended.as_mut().enable();
            match self.ask(host) {
                Known::Holds(addresses) => return Ok(addresses),
                Known::Nowhere(cause) => return Err(cause),
                Known::Awaited { .. } => ended.await,
            }
        }
    }

    fn ask(self: &Arc<Self>, host: &str) -> Known {
        let now = self.clock.now();
        let (known, due) = self.lock().ask(host, now);
        if due == Due::Lookup {
            self.look_up(host, now);
        }
        known
    }

    /// Looks `host` up, on a task of its own: who asked first may go away before the others.
    fn look_up(self: &Arc<Self>, host: &str, now: Moment) {
        let (names, host) = (self.clone(), Arc::<str>::from(host));
        tokio::spawn(async move {
            let asked = names.resolver.resolve(&host);
            let answer = in_time(&*names.clock, now.after(LOOKUP_MAX), asked).await;
            let answer = answer.unwrap_or_else(|| {
                let cause = format!("no answer within {} s", LOOKUP_MAX.as_secs());
                Err(Unresolved::Failed { cause })
            });
            let now = names.clock.now();
            let news = names.lock().answered(&host, answer, now);
            names.ended.notify_waiters();
            if let Some(news) = news {
                names.tell(&host, &news);
            }
        });
    }

    fn tell(&self, host: &str, news: &book::News) {
        let (level, text) = match news {
            book::News::Kept(cause) => (
                Level::Warn,
                format!(
                    "the name {host} cannot be resolved ({cause}); the addresses it had are used on, for an hour at most"
                ),
            ),
            book::News::GivenUp => (
                Level::Warn,
                format!(
                    "the name {host} could not be resolved for an hour; the addresses it had are used no more"
                ),
            ),
            book::News::Back => (
                Level::Info,
                format!("the name {host} is answered for again"),
            ),
        };
        self.log.host(level, text);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
