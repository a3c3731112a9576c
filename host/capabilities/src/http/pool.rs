//! The connections of one service to one upstream: kept for reuse, bounded in number, and closed when they idle.
//!
//! Services share none, so what one of them does to a connection no other can feel.

use super::Counts;
use super::lease::{Connection, Keep, Lease, Leased, Multiplexed, Single, Used};
use holdfast_call::{Clock, Moment};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// How long a connection is kept without a request.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(30);
/// The most connections that wait for a request, for one service and upstream.
pub(super) const IDLE_CONNECTIONS_MAX: usize = 32;
/// The most exchanges at once on one connection over HTTP/2.
pub(super) const STREAMS_MAX: usize = 100;

struct Idle {
    single: Single,
    since: Moment,
}

struct Shared {
    connection: Arc<Multiplexed>,
    streams: usize,
    since: Moment,
}

#[derive(Default)]
struct State {
    open: usize,
    /// The one used last stands last, so that the others grow old.
    idle: Vec<Idle>,
    shared: Vec<Shared>,
    reaping: bool,
}

/// The connections of one service to one upstream.
pub(super) struct Pool {
    state: Mutex<State>,
    /// Told whenever there may be a connection, or room for one.
    freed: Notify,
    connections_max: usize,
    clock: Arc<dyn Clock>,
    runtime: Handle,
}

/// Room for one connection.
pub(super) struct Slot(Weak<Pool>);

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.lock().open -= 1;
            pool.freed.notify_one();
        }
    }
}

/// What there is for an exchange.
pub(super) enum Taken {
    /// A connection that is up.
    Lease(Lease),
    /// Room for a new one.
    Room(Slot),
}

impl Pool {
    /// No connections yet. Made within the runtime that is to drive them.
    pub(super) fn new(connections_max: usize, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            freed: Notify::new(),
            connections_max: connections_max.max(1),
            clock,
            runtime: Handle::current(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `task` beside the exchanges.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.lock();
        let idle = |idle: &&Idle| !idle.single.sender.is_closed();
        let unused =
            |shared: &&Shared| shared.streams == 0 && !shared.connection.sender.is_closed();
        Counts {
            open: state.open,
            idle: state.idle.iter().filter(idle).count()
                + state.shared.iter().filter(unused).count(),
        }
    }

    /// Waits for a connection or for room; the caller bounds the wait.
    pub(super) async fn take(self: &Arc<Self>) -> Taken {
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on a connection that comes free is not missed.
            freed.as_mut().enable();
            if let Some(taken) = self.try_take() {
                return taken;
            }
            freed.await;
        }
    }

    fn try_take(self: &Arc<Self>) -> Option<Taken> {
        let mut state = self.lock();
        let mut closed = Vec::new();
        let taken = state.take_up(&mut closed).map(|(connection, address)| {
            Taken::Lease(Lease {
                connection: Some(connection),
                address,
                pool: self.clone(),
                used: Used::Before,
            })
        });
        let taken = taken.or_else(|| self.room(&mut state));
        drop(state);
        // Dropped behind the lock: the end of a driver takes it.
        drop(closed);
        taken
    }

    /// Room for a new connection, if there is any.
    fn room(self: &Arc<Self>, state: &mut State) -> Option<Taken> {
        if state.open >= self.connections_max {
            return None;
        }
        state.open += 1;
        Some(Taken::Room(Slot(Arc::downgrade(self))))
    }

    /// Takes a new connection in, for one exchange at once.
    pub(super) fn lease(self: &Arc<Self>, connection: Connection) -> Lease {
        let (connection, address) = match connection {
            Connection::Single(single) => {
                let address = single.address;
                (Leased::Single(single), address)
            }
            Connection::Multiplexed(multiplexed) => {
                let address = multiplexed.address;
                let connection = Arc::new(multiplexed);
                let shared = Shared {
                    connection: connection.clone(),
                    streams: 1,
                    since: self.clock.now(),
                };
                self.lock().shared.push(shared);
                // Those who wait for a free connection can share this one.
                self.freed.notify_waiters();
                (Leased::Stream(connection), address)
            }
        };
        Lease {
            connection: Some(connection),
            address,
            pool: self.clone(),
            used: Used::Never,
        }
    }

    /// Puts a connection by until the next request.
    pub(super) fn put_by(self: &Arc<Self>, single: Single) {
        let mut state = self.lock();
        let closed = if state.idle.len() >= IDLE_CONNECTIONS_MAX {
            Some(state.idle.remove(0))
        } else {
            None
        };
        let since = self.clock.now();
        state.idle.push(Idle { single, since });
        self.reap(&mut state);
        drop(state);
        drop(closed);
        self.freed.notify_one();
    }

    /// One stream of a shared connection has ended.
    pub(super) fn stream_ended(self: &Arc<Self>, connection: &Arc<Multiplexed>, keep: Keep) {
        let mut state = self.lock();
        let now = self.clock.now();
        for shared in &mut state.shared {
            if Arc::ptr_eq(&shared.connection, connection) {
                shared.streams -= 1;
                shared.since = now;
            }
        }
        let gone = |shared: &mut Shared| match keep {
            Keep::Yes => shared.connection.sender.is_closed(),
            Keep::No => Arc::ptr_eq(&shared.connection, connection),
        };
        let closed: Vec<_> = state.shared.extract_if(.., gone).collect();
        self.reap(&mut state);
        drop(state);
        drop(closed);
        self.freed.notify_one();
    }

    /// Sees to it that somebody closes what idles too long: a task that lives as long as anything idles.
    fn reap(self: &Arc<Self>, state: &mut State) {
        if state.reaping || state.oldest().is_none() {
            return;
        }
        state.reaping = true;
        let (pool, clock) = (Arc::downgrade(self), self.clock.clone());
        self.spawn(async move {
            while let Some(next) = pool.upgrade().and_then(|pool| pool.close_idle()) {
                clock.sleep_until(next).await;
            }
        });
    }

    /// Closes what has idled long enough, and says when to look again; nobody looks again if nothing idles.
    fn close_idle(&self) -> Option<Moment> {
        let mut state = self.lock();
        let now = self.clock.now();
        let old = |since: Moment| since.after(IDLE_MAX) <= now;
        let singles: Vec<_> = state
            .idle
            .extract_if(.., |idle| old(idle.since) || idle.single.sender.is_closed())
            .collect();
        let shared: Vec<_> = state
            .shared
            .extract_if(.., |shared| shared.streams == 0 && old(shared.since))
            .collect();
        let next = state.oldest().map(|since| since.after(IDLE_MAX));
        state.reaping = next.is_some();
        drop(state);
        drop((singles, shared));
        next
    }
}

impl State {
    /// Since when the one that has idled longest idles.
    fn oldest(&self) -> Option<Moment> {
        let unused = self.shared.iter().filter(|shared| shared.streams == 0);
        let unused = unused.map(|shared| shared.since);
        self.idle.iter().map(|idle| idle.since).chain(unused).min()
    }

    /// A connection that is up and free, or about to be, the one used last first. What turns out to be closed is moved into `closed`.
    fn take_up(&mut self, closed: &mut Vec<Idle>) -> Option<(Leased, SocketAddr)> {
        let at_rest = |idle: &Idle| idle.single.sender.is_ready();
        if let Some(place) = self.idle.iter().rposition(at_rest) {
            let idle = self.idle.remove(place);
            let address = idle.single.address;
            return Some((Leased::Single(idle.single), address));
        }
        while let Some(idle) = self.idle.pop() {
            if !idle.single.sender.is_closed() {
                let address = idle.single.address;
                return Some((Leased::Single(idle.single), address));
            }
            closed.push(idle);
        }
        let usable = |shared: &&mut Shared| {
            shared.streams < STREAMS_MAX && shared.connection.sender.is_ready()
        };
        let shared = self.shared.iter_mut().find(usable)?;
        shared.streams += 1;
        Some((
            Leased::Stream(shared.connection.clone()),
            shared.connection.address,
        ))
    }
}
