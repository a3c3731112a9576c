//! A clock that moves only when a test tells it to.
//!
//! Nothing here sleeps or measures: a test rings a timer once the code under test has set it.

use holdfast_call::{BoxFuture, Clock, Moment, WallTime};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Default)]
struct Hands {
    now: u64,
    next: u64,
    sleepers: Vec<(u64, Moment, Waker)>,
}

#[derive(Default)]
struct Face {
    hands: Mutex<Hands>,
    set: Notify,
}

/// Time that stands still until a test rings a timer.
#[derive(Clone, Default)]
pub(crate) struct ManualClock(Arc<Face>);

impl ManualClock {
    /// Waits until somebody sleeps until `after` the clock's beginning, and makes it that moment.
    pub(crate) async fn ring(&self, after: Duration) {
        self.await_timer(after).await;
        self.set(after);
    }

    /// Waits until somebody sleeps until `after` the clock's beginning.
    pub(crate) async fn await_timer(&self, after: Duration) {
        let moment = Moment::START.after(after);
        loop {
            let mut set = pin!(self.0.set.notified());
            set.as_mut().enable();
            if self.sleeps_until(moment) {
                return;
            }
            set.await;
        }
    }

    fn sleeps_until(&self, moment: Moment) -> bool {
        let hands = self.0.hands.lock().unwrap();
        hands.sleepers.iter().any(|(_, until, _)| *until == moment)
    }

    /// Makes it `after` the clock's beginning, whoever sleeps.
    pub(crate) fn set(&self, after: Duration) {
        let mut hands = self.0.hands.lock().unwrap();
        hands.now = Moment::START.after(after).as_nanos();
        hands
            .sleepers
            .iter()
            .for_each(|(_, _, waker)| waker.wake_by_ref());
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.0.hands.lock().unwrap().now)
    }
    fn wall(&self) -> WallTime {
        WallTime(0)
    }
    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        Box::pin(Sleep {
            face: self.0.clone(),
            until: moment,
            id: None,
        })
    }
}

struct Sleep {
    face: Arc<Face>,
    until: Moment,
    id: Option<u64>,
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let face = self.face.clone();
        let mut hands = face.hands.lock().unwrap();
        if hands.now >= self.until.as_nanos() {
            return Poll::Ready(());
        }
        hands.next += 1;
        let fresh = hands.next;
        let id = *self.id.get_or_insert(fresh);
        hands.sleepers.retain(|(held, ..)| *held != id);
        hands.sleepers.push((id, self.until, cx.waker().clone()));
        face.set.notify_waiters();
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let id = self.id;
        self.face
            .hands
            .lock()
            .unwrap()
            .sleepers
            .retain(|(held, ..)| Some(*held) != id);
    }
}
