//! A row that this host holds, from its claim to its outcome: what may be done under it, and who lets go of it.

use super::outcome;
use super::refusals::{lost, unavailable};
use super::rows::{Hand, Rows};
use holdfast_call::notice::Event;
use holdfast_call::{
    BoxFuture, CallId, Clock, Execution, Fault, HostCode, Moment, Notice, Notices, Verdict,
};
use holdfast_store::executions::{Held, Hold};
use holdfast_store::queue::Sent;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long is waited before an outcome that could not be kept is offered again.
const AGAIN: Duration = Duration::from_secs(1);

/// Nothing outside was changed yet.
const CLEAN: u8 = 0;
/// Something may have been: it is on record.
const MARKED: u8 = 1;
/// Its outcome is kept: what is still done belongs to a call that has been answered.
const DONE: u8 = 2;
/// It is somebody else's.
const LOST: u8 = 3;

/// A row that this host holds.
pub(super) struct Row {
    pub(super) hold: Hold,
    pub(super) rows: Arc<Rows>,
    pub(super) clock: Arc<dyn Clock>,
    /// Where it is told that nobody knows what came of it; none, for a row that nobody has.
    notices: Option<Arc<dyn Notices>>,
    /// The execution that it is part of.
    pub(super) above: Option<Arc<dyn Execution>>,
    state: AtomicU8,
    /// Until when nobody else can have it, in nanoseconds of the clock.
    held_until: AtomicU64,
}

impl Row {
    pub(super) fn new(
        hold: Hold,
        rows: Arc<Rows>,
        clock: Arc<dyn Clock>,
        notices: Option<Arc<dyn Notices>>,
        above: Option<Arc<dyn Execution>>,
        held_until: Moment,
    ) -> Arc<Self> {
        Arc::new(Self {
            hold,
            rows,
            clock,
            notices,
            above,
            state: AtomicU8::new(CLEAN),
            held_until: AtomicU64::new(held_until.as_nanos()),
        })
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    async fn mark(&self) -> Result<(), Fault> {
        if let Some(above) = &self.above {
            above.effect().await?;
        }
        if self.state() == DONE {
            return Ok(());
        }
        let over = self.clock.now().as_nanos() > self.held_until.load(Ordering::Acquire);
        match self.state() {
            LOST => return Err(lost()),
            _ if over => return Err(lost()),
            MARKED => return Ok(()),
            _ => {}
        }
        match self.rows.effect(&self.hold).await {
            Ok(Held::Yes) => {
                let mark = |state| (state == CLEAN).then_some(MARKED);
                let _ = self
                    .state
                    .fetch_update(Ordering::AcqRel, Ordering::Acquire, mark);
                Ok(())
            }
            Ok(Held::Lost) if self.state() == DONE => Ok(()),
            Ok(Held::Lost) => {
                self.lose();
                Err(lost())
            }
            Err(error) => Err(unavailable(&error)),
        }
    }
}

impl Hand for Row {
    fn renewed(&self, until: Moment) {
        self.held_until
            .fetch_max(until.as_nanos(), Ordering::AcqRel);
    }

    fn lose(&self) {
        // One that is done stays so: nobody can take it.
        let keep = |state| (state != DONE).then_some(LOST);
        let _ = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, keep);
    }
}

impl Execution for Row {
    fn effect(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(self.mark())
    }
}

/// Lets go of a row exactly once: with an outcome, or with what is true of a call that was dropped.
pub(super) struct Holding {
    pub(super) row: Arc<Row>,
    pub(super) id: CallId,
    pub(super) deadline: Moment,
    open: Open,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Yes,
    No,
}

impl Holding {
    pub(super) fn new(row: Arc<Row>, id: CallId, deadline: Moment) -> Self {
        Self {
            row,
            id,
            deadline,
            open: Open::Yes,
        }
    }

    /// Keeps the outcome. Where it cannot be kept now it is offered again until it is, by whoever holds the row.
    pub(super) async fn finish(mut self, outcome: Vec<u8>, sent: Sent) -> Result<(), Fault> {
        self.open = Open::No;
        let row = self.row.clone();
        match row
            .rows
            .finish(&row.hold, outcome.clone(), sent.clone())
            .await
        {
            Ok(Held::Yes) => {
                row.state.store(DONE, Ordering::Release);
                Ok(())
            }
            Ok(Held::Lost) => {
                row.lose();
                Err(lost())
            }
            Err(error) => {
                later(row, Left::Outcome(outcome, sent));
                Err(unavailable(&error))
            }
        }
    }

    /// Nothing came of it: the next call with the key is a first one. One that had an effect is not forgotten.
    pub(super) async fn forget(mut self, outcome: Vec<u8>) -> Result<(), Fault> {
        let row = self.row.clone();
        if row.state() != CLEAN {
            return self.finish(outcome, Sent::default()).await;
        }
        self.open = Open::No;
        if row.rows.forget(&row.hold).await.is_err() {
            later(row, Left::Nothing);
        }
        Ok(())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.open == Open::No {
            return;
        }
        let row = self.row.clone();
        let left = match row.state() {
            CLEAN => Left::Nothing,
            MARKED if row.clock.now() >= self.deadline => {
                Left::Outcome(outcome::of_fault(&too_late(), self.id), Sent::default())
            }
            MARKED => Left::Doubt(self.id),
            _ => return,
        };
        later(row, left);
    }
}

/// What is left to be said of a row.
enum Left {
    Nothing,
    /// Of this call.
    Doubt(CallId),
    Outcome(Vec<u8>, Sent),
}

/// Says it, as often as it takes. Without a runtime the host is ending, and its next life says it.
fn later(row: Arc<Row>, left: Left) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    runtime.spawn(async move {
        loop {
            let (rows, hold) = (&row.rows, &row.hold);
            let said = match &left {
                Left::Nothing => rows.forget(hold).await,
                Left::Doubt(_) => rows.doubt(hold).await,
                Left::Outcome(outcome, sent) => {
                    rows.finish(hold, outcome.clone(), sent.clone()).await
                }
            };
            if let Ok(held) = said {
                if let (Left::Doubt(id), Held::Yes, Some(notices)) = (&left, held, &row.notices) {
                    notices.tell(in_doubt(&id.to_string()));
                }
                return;
            }
            row.clock.sleep_until(row.clock.now().after(AGAIN)).await;
        }
    });
}

/// What the operator is told of a call of which nobody knows what came of it.
pub(super) fn in_doubt(call: &str) -> Notice {
    // It may come from the database, whose texts are nobody's commands.
    let call = CallId::parse(call).map_or_else(String::new, |id| id.to_string());
    Notice {
        event: Event::Indeterminate,
        about: format!("call:{call}"),
        text: format!(
            "nobody knows what came of the call {call}, which had begun to change something: `holdfast explain {call}` says how far it came, \
             `holdfast executions release {call}` lets it be made again"
        ),
    }
}

fn too_late() -> Fault {
    let verdict = Verdict {
        boundary: HostCode::DeadlineExceeded.meaning().boundary,
        stage: "once",
        cause: "the deadline passed while it ran".to_owned(),
        evidence: Vec::new(),
        next: "holdfast explain".to_owned(),
    };
    let detail = "The call did not end in time.";
    Fault::host(HostCode::DeadlineExceeded, detail, verdict)
}
