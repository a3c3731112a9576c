//! A line with a limit, between those who ask and the threads that work.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Queue<T> {
    line: Mutex<Line<T>>,
    changed: Condvar,
    most: usize,
}

struct Line<T> {
    waiting: VecDeque<T>,
    open: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            line: Mutex::new(Line {
                waiting: VecDeque::new(),
                open: true,
            }),
            changed: Condvar::new(),
            most,
        }
    }

    /// Puts it at the end, unless too many wait already: then it is handed back.
    pub(super) fn push(&self, item: T) -> Result<(), T> {
        let mut line = self.line();
        if line.waiting.len() >= self.most {
            return Err(item);
        }
        line.waiting.push_back(item);
        drop(line);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for the next ones, at most so many. None are left once it is closed and empty.
    pub(super) fn take(&self, most: usize) -> Vec<T> {
        let waited = self
            .changed
            .wait_while(self.line(), |line| line.waiting.is_empty() && line.open);
        let mut line = waited.unwrap_or_else(PoisonError::into_inner);
        let count = most.min(line.waiting.len());
        line.waiting.drain(..count).collect()
    }

    /// What waits is still taken, and then nobody waits any more.
    pub(super) fn close(&self) {
        self.line().open = false;
        self.changed.notify_all();
    }

    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_order_and_its_limit() {
        let queue = Queue::new(3);
        for number in 0..3 {
            assert_eq!(queue.push(number), Ok(()));
        }
        assert_eq!(queue.push(3), Err(3));
        assert_eq!(queue.take(2), [0, 1]);
        assert_eq!(queue.push(4), Ok(()));
        queue.close();
        assert_eq!(queue.take(9), [2, 4]);
        assert!(queue.take(9).is_empty());
    }
}
