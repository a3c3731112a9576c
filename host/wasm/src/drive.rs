//! Driving a guest: inline in the task that serves its connection, until it has used a whole tick; then in the lane, as every guest of a
//! service that keeps the serving threads busy. A durable one runs apart, from its first instruction on.
//!
//! CPU is the thread's own CPU time in each poll (`cpu_time.rs`), so that neither waiting nor a busy machine is billed to a guest. The
//! budget is enforced here, from outside: an epoch tick makes a spinning guest yield, and one over its budget is not polled again but dropped.

use crate::apart::{self, ApartTask};
use crate::bounds::Bounds;
use crate::cpu_time;
use crate::lane::{Lane, LaneTask};
use crate::life::Life;
use crate::pace::Pace;
use holdfast_call::{BoxFuture, Failure, FailureKind, Meter};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How much CPU time a guest may use while it is driven inline: one epoch tick.
const INLINE_CPU_MAX: Duration = Duration::from_millis(10);

/// A guest's work, from before its instantiation to its last instruction, with its CPU budget.
pub(crate) struct Work {
    /// Owns the store. It tells its life how it ended before it drops it.
    future: BoxFuture<'static, ()>,
    life: Arc<Life>,
    meter: Arc<Meter>,
    cpu_max: Duration,
    used: Duration,
    /// In the last poll alone.
    last: Duration,
    /// What it is held to instead of its budget, if it runs apart.
    bounds: Option<Arc<Bounds>>,
    /// The last field: dropped when everything else of the guest is.
    _gone: Gone,
}

/// Tells a guest's life that nothing of the guest is left.
struct Gone(Arc<Life>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.gone();
    }
}

impl Work {
    pub(crate) fn new(
        future: BoxFuture<'static, ()>,
        life: Arc<Life>,
        meter: Arc<Meter>,
        cpu_max: Duration,
        bounds: Option<Arc<Bounds>>,
    ) -> Self {
        Self {
            future,
            _gone: Gone(life.clone()),
            life,
            meter,
            cpu_max,
            used: Duration::ZERO,
            last: Duration::ZERO,
            bounds,
        }
    }

    /// It does not go on.
    pub(crate) fn finish(&self, failure: Failure) {
        self.life.finish(Err(failure));
    }

    /// Why it must not be polled again.
    fn broken(&self) -> Option<Failure> {
        if let Some(bounds) = &self.bounds {
            return bounds.broken();
        }
        (self.used > self.cpu_max).then(|| {
            Failure::new(
                FailureKind::CpuExhausted,
                "the guest used all of its CPU time",
            )
            .with("cpu_ms", self.used.as_millis())
            .with("limit_ms", self.cpu_max.as_millis())
        })
    }
}

impl Future for Work {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (poll, used) = cpu_time::of(|| self.future.as_mut().poll(cx));
        self.meter.add_cpu(used);
        self.used += used;
        self.last = used;
        if poll.is_pending()
            && let Some(failure) = self.broken()
        {
            self.finish(failure);
            return Poll::Ready(());
        }
        poll
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Runs before the future's own drop, so every body sees that the guest did not end well.
        self.life.finish(Err(Failure::new(
            FailureKind::CallerCut,
            "the call was cancelled while the guest ran",
        )));
    }
}

/// Where a guest runs now.
pub(crate) enum Drive {
    /// In the task that waits for it; one that runs apart is there only until it begins.
    Inline(Box<Work>),
    /// On the low-priority threads; dropping the task ends the guest.
    Lane(#[expect(dead_code, reason = "held for its drop, which ends the guest")] LaneTask),
    /// On a thread of its own, likewise.
    Apart(#[expect(dead_code, reason = "held for its drop, which ends the guest")] ApartTask),
    /// Nowhere: it has ended.
    Ended,
}

/// A guest with the place to go once it has used a whole tick.
pub(crate) struct Driver {
    drive: Drive,
    life: Arc<Life>,
    lane: Arc<Lane>,
    pace: Arc<Pace>,
    service: Arc<str>,
}

impl Driver {
    pub(crate) fn new(work: Work, lane: Arc<Lane>, pace: Arc<Pace>, service: Arc<str>) -> Self {
        let life = work.life.clone();
        Self {
            drive: Drive::Inline(Box::new(work)),
            life,
            lane,
            pace,
            service,
        }
    }

    pub(crate) fn life(&self) -> &Arc<Life> {
        &self.life
    }

    /// Lets the guest go on if it runs here, and registers for news of it. The caller looks at its life afterwards.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Drive::Inline(work) = &mut self.drive {
            // What happens here is seen by whoever polls. To be woken by it would cost a connection a second look for each call.
            self.life.unregister();
            if let Some(bounds) = work.bounds.clone() {
                self.leave_apart(bounds);
            } else if self.pace.is_heavy() {
                self.leave_for_lane();
            } else {
                let ended = Pin::new(&mut **work).poll(cx).is_ready();
                self.pace.note(work.last);
                if ended {
                    self.drive = Drive::Ended;
                } else if work.used >= INLINE_CPU_MAX {
                    self.leave_for_lane();
                }
            }
        }
        self.life.register(cx.waker());
    }

    fn leave_apart(&mut self, bounds: Arc<Bounds>) {
        if let Drive::Inline(work) = std::mem::replace(&mut self.drive, Drive::Ended) {
            self.drive = Drive::Apart(apart::run(work, bounds));
        }
    }

    fn leave_for_lane(&mut self) {
        if let Drive::Inline(work) = std::mem::replace(&mut self.drive, Drive::Ended) {
            self.drive = Drive::Lane(self.lane.run(self.service.clone(), Box::pin(*work)));
        }
    }

    /// Ready once nothing of a guest that has ended is left.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.life.register(cx.waker());
        if self.life.is_gone() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
