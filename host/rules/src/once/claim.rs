//! Claiming a row for somebody who may go away while he waits: a row that nobody knows he has is let go at once, and does not stay his for as
//! long as the host lives.

use super::row::{Holding, Row};
use super::rows::Rows;
use holdfast_call::{CallId, Clock, Moment};
use holdfast_store::db::DbError;
use holdfast_store::executions::{Claim, Claimed, Hold};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Claims a row for the call of this name.
///
/// # Errors
/// The database fails; the claim does not hold, unless the error says that nobody knows.
pub(super) async fn claimed(
    rows: &Arc<Rows>,
    clock: &Arc<dyn Clock>,
    claim: Claim,
    id: CallId,
) -> Result<Claimed, DbError> {
    let (told, tells) = oneshot::channel();
    let nobody = Nobody {
        rows: rows.clone(),
        clock: clock.clone(),
        id,
    };
    let mut waiting = Waiting {
        tells,
        nobody: nobody.clone(),
    };
    // Not in the caller's own future: what was begun in the database comes to its end without him too.
    tokio::spawn(async move {
        let claimed = nobody.rows.claim(claim).await;
        if let Err(Ok(Claimed::Yours(hold))) = told.send(claimed) {
            nobody.lets_go(hold);
        }
    });
    let died = || Err(DbError::Failing("the one who claims has died".to_owned()));
    (&mut waiting.tells).await.unwrap_or_else(|_| died())
}

/// Whoever would have the row.
struct Waiting {
    tells: oneshot::Receiver<Result<Claimed, DbError>>,
    nobody: Nobody,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.tells.close();
        // It was told, and he did not listen any more.
        if let Ok(Ok(Claimed::Yours(hold))) = self.tells.try_recv() {
            self.nobody.lets_go(hold);
        }
    }
}

/// A row without its call.
#[derive(Clone)]
struct Nobody {
    rows: Arc<Rows>,
    clock: Arc<dyn Clock>,
    id: CallId,
}

impl Nobody {
    fn lets_go(&self, hold: Hold) {
        let (rows, clock) = (self.rows.clone(), self.clock.clone());
        let row = Row::new(hold, rows, clock, None, None, Moment::START);
        // Held by nobody, and changed nothing: dropped, it is forgotten.
        drop(Holding::new(row, self.id, Moment::FAR));
    }
}
