//! Waiting for what another process does: asked again and again, a bounded number of times. The only place that pauses in order to wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it is asked, and how long it is left alone between: a minute in all, for machines that do much else at once.
const TRIES: u32 = 2400;
const PAUSE: Duration = Duration::from_millis(25);

/// Tells the threads that go on until then that it is over, also where the test fails before: nobody would wait for it otherwise.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Leaves the machine to others for a moment, between two calls of somebody who is not in a hurry.
pub(crate) fn rest() {
    std::thread::sleep(PAUSE);
}

/// Waits until `seen` sees something, and returns it; `what` is what the failure says was waited for.
pub(crate) fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    wait(what, TRIES, &mut seen)
}

/// The same for what takes a compiler half a minute when it is alone: ten minutes in all.
pub(crate) fn patiently<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    wait(what, TRIES * 10, &mut seen)
}

fn wait<T>(what: &str, tries: u32, seen: &mut impl FnMut() -> Option<T>) -> T {
    for _ in 0..tries {
        if let Some(found) = seen() {
            return found;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("waited in vain for {what}");
}
