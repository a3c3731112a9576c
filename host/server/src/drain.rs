//! The end of the host: stop accepting, let what runs finish within its span, then cut.
//!
//! Three phases, each told to everybody who listens: serving, draining, cut. Nothing goes back.

use holdfast_call::{BoxFuture, Clock};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everything is accepted.
    Serving,
    /// The listening socket goes on without this host: it takes no new connection, and those there are may end their calls and be closed.
    Leaving,
    /// No new connection, no new call; what runs may finish.
    Draining,
    /// What still runs is dropped.
    Cut,
}

/// The gate that the `admit` layer asks: it counts the calls in flight and refuses new ones once the host drains.
pub trait Gate: Send + Sync {
    /// From now on every new call from outside is refused with `draining`.
    fn start_draining(&self);
    /// From now on a call that is dropped is dropped by the host, and its line says so.
    fn start_cutting(&self);
    /// Ready once no call is in flight.
    fn idle(&self) -> BoxFuture<'static, ()>;
}

/// Who tells the phase. Clones tell the same one.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<Phase>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Stop {
    /// Goes on to `phase`; an earlier phase never comes back.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            if later {
                *now = phase;
            }
            later
        });
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Somebody who listens.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

/// Hears of the phases.
#[derive(Clone, Debug)]
pub struct Listener(watch::Receiver<Phase>);

impl Listener {
    /// Ready once `phase` has come.
    pub async fn reached(&mut self, phase: Phase) {
        // Nobody is left to tell the phase: the host is gone, and every phase with it.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }
}

/// How the end came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything had finished.
    Finished,
    /// The span was over before everything had finished.
    OutOfTime,
    /// The operator would not wait.
    CutShort,
}

/// How long a connection that was taken may take to send its request, once the host leaves its socket.
const LEAVE_SPAN: Duration = Duration::from_secs(1);
/// How often it is looked whether the last connection has gone.
const LOOK: Duration = Duration::from_millis(10);

/// Leaves a listening socket that goes on without this host. Whoever was taken before is still served, so that nobody meets a closed gate
/// who would have met an open one a moment earlier or later; whoever comes now waits for the next host.
pub async fn leave(stop: &Stop, clock: &dyn Clock, gone: impl Fn() -> bool) {
    stop.advance(Phase::Leaving);
    let over = clock.now().after(LEAVE_SPAN);
    while !gone() && clock.now() < over {
        clock.sleep_until(clock.now().after(LOOK)).await;
    }
}

/// How long what was cut may take to say so.
const CUT_SPAN: Duration = Duration::from_secs(1);

/// Drains: goes on to [`Phase::Draining`], waits until no call is in flight and no connection is open, at most `span` and only until
/// `hurry` is ready, and goes on to [`Phase::Cut`].
pub async fn drain(
    stop: &Stop,
    gate: &dyn Gate,
    clock: &dyn Clock,
    span: Duration,
    connections: impl Future<Output = ()>,
    hurry: impl Future<Output = ()>,
) -> Drained {
    // The gate first: a call that a connection still takes while it is told to finish must meet a closed gate.
    gate.start_draining();
    stop.advance(Phase::Draining);
    let over = clock.sleep_until(clock.now().after(span));
    let mut finished = pin!(async {
        connections.await;
        gate.idle().await;
    });
    let drained = tokio::select! {
        biased;
        () = finished.as_mut() => Drained::Finished,
        () = hurry => Drained::CutShort,
        () = over => Drained::OutOfTime,
    };
    if drained != Drained::Finished {
        gate.start_cutting();
    }
    stop.advance(Phase::Cut);
    if drained != Drained::Finished {
        // A call that is cut has its closing line too, once the task that carries it has seen the cut.
        let soon = clock.sleep_until(clock.now().after(CUT_SPAN));
        tokio::select! {
            () = finished => {}
            () = soon => {}
        }
    }
    drained
}
