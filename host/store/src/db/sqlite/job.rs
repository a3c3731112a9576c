//! A unit of work on its way through a thread: it is run there, perhaps more than once, and answers when it is settled.

use super::transaction::{Transaction, at_once};
use crate::db::error::DbError;
use crate::db::unit::Unit;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::oneshot;

/// What running a unit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// What it has written is to be kept.
    Keep,
    /// It has an answer, and nothing of it is to be kept.
    Undo,
    /// It failed.
    Failed,
}

/// A unit of work, whatever it answers.
pub(super) trait Job: Send {
    /// Runs it, in the transaction that is open.
    fn attempt(&mut self, connection: &mut Connection) -> End;

    /// Answers: what the last run came to, or why that does not hold.
    fn settle(self: Box<Self>, held: Result<(), DbError>);
}

/// A unit of work of one kind, and who waits for it.
pub(super) struct Work<I, T> {
    input: I,
    unit: Unit<I, T>,
    answer: Option<Result<T, DbError>>,
    waiting: oneshot::Sender<Result<T, DbError>>,
}

impl<I, T> Work<I, T> {
    pub(super) fn new(input: I, unit: Unit<I, T>) -> (Self, oneshot::Receiver<Result<T, DbError>>) {
        let (waiting, answer) = oneshot::channel();
        let work = Self {
            input,
            unit,
            answer: None,
            waiting,
        };
        (work, answer)
    }
}

impl<I: Send + Sync, T: Send> Job for Work<I, T> {
    fn attempt(&mut self, connection: &mut Connection) -> End {
        let mut transaction = Transaction::new(connection);
        let once = || at_once((self.unit)(&self.input, &mut transaction));
        // What a unit leaves behind is undone, and the thread serves everybody.
        let answer = catch_unwind(AssertUnwindSafe(once))
            .unwrap_or_else(|_| Err(DbError::Failing("a unit of work panicked".to_owned())));
        let undone = transaction.undone();
        let answer = transaction.failed().map_or(answer, Err);
        let end = match &answer {
            Err(_) => End::Failed,
            Ok(_) if undone => End::Undo,
            Ok(_) => End::Keep,
        };
        self.answer = Some(answer);
        end
    }

    fn settle(self: Box<Self>, held: Result<(), DbError>) {
        let answer = match (self.answer, held) {
            // It was never to be kept, so whatever happened since is not its affair.
            (Some(Err(own)), _) => Err(own),
            (_, Err(why)) => Err(why),
            (Some(answer), Ok(())) => answer,
            (None, Ok(())) => Err(DbError::Failing("a unit of work was not run".to_owned())),
        };
        // Whoever has given up does not hear it.
        let _ = self.waiting.send(answer);
    }
}
