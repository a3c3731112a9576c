//! The executions of this host, as its operator sees them, and as another life of it finds them.

use crate::approvals::HostApprovals;
use crate::control::words::ExecutionLine;
use holdfast_call::notice::Event;
use holdfast_call::{Clock, Level, Log, Notice, Notices};
use holdfast_rules::journal;
use holdfast_rules::once::Executions;
use holdfast_store::HostKey;
use holdfast_store::db::{Bells, Database, DbError};
use holdfast_store::executions::{self, Held, Holder, Left, Standing, Undoable};
use holdfast_store::queue::{Bell, Gauge};
use holdfast_store::runs::{self, RunRow};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// How many bytes of the hash name a host.
const NAME_BYTES: usize = 16;

/// The executions of this host.
pub struct HostExecutions {
    database: Database,
    held: Arc<Executions>,
    holder: Holder,
    bell: Arc<Bell>,
    approvals: HostApprovals,
}

impl HostExecutions {
    /// Begins another life of the host that has this key: what its earlier lives left is forgotten or in doubt, and `held` keeps its rows in
    /// the database, each outcome for `keep`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin(
        database: Database,
        key: &HostKey,
        (held, keep): (Arc<Executions>, Duration),
        (log, notices): (&dyn Log, &dyn Notices),
    ) -> Result<Arc<Self>, DbError> {
        let (holder, left) = executions::begin(&database, &host_name(key)).await?;
        if left != Left::default() {
            let text = format!(
                "calls with a key that an earlier life of this host had begun: {} had changed nothing and may be made again, of {} nobody \
                 knows what came of them: holdfast executions ls",
                left.forgotten, left.in_doubt
            );
            log.host(Level::Warn, text.clone());
            if left.in_doubt > 0 {
                notices.tell(Notice {
                    event: Event::Indeterminate,
                    about: "host".to_owned(),
                    text,
                });
            }
        }
        let bell = Arc::<Bell>::default();
        held.keep_in(database.clone(), holder.clone(), keep, bell.clone());
        Ok(Arc::new(Self {
            approvals: HostApprovals::new(database.clone()),
            database,
            held,
            holder,
            bell,
        }))
    }

    /// Tells other hosts that there is something to be taken, and hears it from them, for ever.
    pub async fn hint(self: Arc<Self>) {
        let bells = Bells {
            queue: self.bell.clone(),
            runs: self.held.runs().unwrap_or_default(),
        };
        let Holder { host, epoch } = &self.holder;
        self.database.hint(&format!("{host}/{epoch}"), &bells).await;
    }

    /// What this host holds.
    #[must_use]
    pub fn held(&self) -> &Arc<Executions> {
        &self.held
    }

    /// This life of this host.
    #[must_use]
    pub fn holder(&self) -> Holder {
        self.holder.clone()
    }

    /// What rings when this host has sent messages.
    #[must_use]
    pub fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// How much is in each queue.
    #[must_use]
    pub fn gauge(&self) -> Arc<Gauge> {
        let own = || Arc::new(Gauge::new(self.database.clone()));
        self.held.gauge().unwrap_or_else(own)
    }

    /// Holds on to what runs, for ever.
    pub async fn follow(self: Arc<Self>, clock: Arc<dyn Clock>, log: Arc<dyn Log>) {
        self.held.clone().follow(clock, log).await;
    }

    /// What a person has to approve.
    #[must_use]
    pub fn approvals(&self) -> &HostApprovals {
        &self.approvals
    }

    /// What a call came to that is to be undone, and how it is.
    ///
    /// # Errors
    /// It is not known, and what may be the reason.
    pub async fn undoable(&self, call: &str) -> Result<Undoable, String> {
        let found = executions::undoable(&self.database, call).await;
        found
            .map_err(|error| format!("failed to {error}"))?
            .ok_or_else(|| {
                format!(
                    "`{}` cannot be undone: no call of this name is done that its service declares how to undo ([effects.undo] of the \
                     manifest), or it is longer ago than outcomes are kept (idempotency_keep)",
                    call.escape_debug()
                )
            })
    }

    /// Those that are not done.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn list(&self) -> Result<Vec<ExecutionLine>, String> {
        let rows = executions::open(&self.database).await;
        let rows = rows.map_err(|error| format!("failed to {error}"))?;
        let line = |row: executions::ExecutionRow| ExecutionLine {
            call: row.call,
            caller: row.caller,
            operation: row.operation,
            began_ms: row.began_ms,
            state: match row.standing {
                Standing::Running => "running",
                Standing::InDoubt => "indeterminate",
            }
            .to_owned(),
        };
        Ok(rows.into_iter().map(line).collect())
    }

    /// Every durable execution.
    ///
    /// # Errors
    /// The database fails.
    pub async fn runs(&self) -> Result<Vec<RunRow>, DbError> {
        runs::list(&self.database).await
    }

    /// One durable execution, with what it did and came to.
    ///
    /// # Errors
    /// The database fails.
    pub async fn run(&self, call: &str) -> Result<Option<runs::Shown>, DbError> {
        runs::show(&self.database, call).await
    }

    /// What a durable execution was begun with: its seed, and what is asked.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begun(&self, call: &str) -> Result<Option<([u8; 32], Vec<u8>)>, DbError> {
        runs::begun(&self.database, call).await
    }

    /// Says what came of a step of a paused one, of which nobody knows.
    ///
    /// # Errors
    /// The database fails.
    pub async fn say(&self, call: &str, step: u32, word: runs::Word) -> Result<Held, DbError> {
        runs::say(&self.database, call, step, word).await
    }

    /// What a step of one came to that is to be undone, and how it is; none, if nothing undoes it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn undoable_step(&self, step: &journal::Step) -> Result<Option<Undoable>, DbError> {
        if let Some(row) = step.row
            && let Some(undoable) = executions::undoable_of(&self.database, row).await?
        {
            return Ok(Some(undoable));
        }
        match step.call {
            Some(call) => executions::undoable(&self.database, &call.to_string()).await,
            None => Ok(None),
        }
    }

    /// Lets one go on that is paused or waits.
    ///
    /// # Errors
    /// The database fails.
    pub async fn resume(&self, call: &str) -> Result<Held, DbError> {
        let resumed = runs::resume(&self.database, call).await;
        self.ring();
        resumed
    }

    /// Ends one; whoever has it finds it gone.
    ///
    /// # Errors
    /// The database fails.
    pub async fn kill(&self, call: &str) -> Result<Held, DbError> {
        let outcome = journal::killed(call);
        let killed = runs::kill(&self.database, call, outcome, self.held.keep()).await;
        self.ring();
        killed
    }

    fn ring(&self) {
        if let Some(bell) = self.held.runs() {
            bell.ring();
        }
    }

    /// Forgets one of which nobody knows what came of it.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be written; then it is as it was.
    pub async fn release(&self, call: &str) -> Result<String, String> {
        let released = executions::release(&self.database, call).await;
        match released.map_err(|error| format!("failed to {error}"))? {
            Held::Yes => Ok(format!(
                "{call} may be made again: the next request with its key runs"
            )),
            Held::Lost => Err(format!(
                "no indeterminate call has the name `{}`: `holdfast executions ls` lists them",
                call.escape_debug()
            )),
        }
    }
}

/// The name of a host, which it has as long as its data directory has its key.
pub(crate) fn host_name(key: &HostKey) -> String {
    let mut hash = Sha256::new();
    hash.update(b"the name of the host");
    hash.update(key.bytes());
    let hash = hash.finalize();
    hash.iter()
        .take(NAME_BYTES)
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
