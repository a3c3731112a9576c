//! The database on a PostgreSQL server, which many hosts may share.
//!
//! A unit of work is a serializable transaction: units do not see each other at all, whatever they look at, so that they need no locks of
//! their own and mean the same as on a file. The price is that one of two that are in each other's way begins again. A unit that has lost
//! too often runs while no other of this host does, so that it cannot lose to them for ever.

mod cell;
mod connection;
mod fault;
mod hints;
mod look;
mod server;
mod target;
mod transaction;

pub(super) use look::look;
pub use server::Server;
pub(super) use target::Target;

use super::error::DbError;
use super::schema::{self, Dialect};
use super::unit::{Tx, Unit};
use super::{Bells, Counts};
use connection::Connection;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use fault::fault_of_commit;
use server::{CONNECT_MAX, told};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::RwLock;
use tokio::time::timeout;
use tokio_postgres::NoTls;
use transaction::Transaction;

/// How many connections a host has at most: enough to keep a server busy, and few among the hundred that it has for all.
const CONNECTIONS_MAX: usize = 16;
/// How long a unit waits for one of them.
const CONNECTION_WAIT: Duration = Duration::from_secs(5);
/// How long a unit may take until it is kept.
const UNIT_MAX: Duration = Duration::from_secs(30);
/// How long the server may take to keep it.
const COMMIT_MAX: Duration = Duration::from_secs(15);
/// How often a unit begins again because others were faster.
const LOST_MAX: u32 = 20;
/// How often it does so beside the others of this host.
const LOST_BESIDE_MAX: u32 = 3;
/// How often it begins again because its connection broke.
const BROKEN_MAX: u32 = 3;
/// The lock under which the form of the database is changed: a number that nobody else uses.
const MIGRATION: i64 = 0x686f_6c64_6661_7374;
const ALONE: &str = "SELECT pg_advisory_xact_lock($1)::text";

/// The limits are set for each transaction, since a pooler may lend each one another connection. A commit that is reported is on the
/// server's disk, even if it is set up to be faster than that.
const LIMITS: &str = "SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s';
    SET LOCAL idle_in_transaction_session_timeout = '60s';
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';";
/// What a unit wrote is undone in two steps, so that what it has seen still counts: the server tells only in a commit that it holds.
const WRITE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE;";
/// A unit that takes rows sees what others have kept meanwhile, and locks what it takes.
const TAKE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;";
const WRITTEN: &str = "SAVEPOINT unit;";
const UNDO: &str = "ROLLBACK TO unit; COMMIT";
const KEEP: &str = "COMMIT";
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;";
const MIGRATE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '60s';";

pub(super) struct Postgres(Arc<Shared>);

struct Shared {
    server: Server,
    pool: Pool,
    counts: Arc<Counts>,
    /// Held by one unit that must not lose again, or by all the others.
    alone: RwLock<()>,
}

/// What a transaction is for.
#[derive(Clone, Copy)]
enum Purpose {
    Write,
    Take,
    Read,
}

impl Postgres {
    pub(super) async fn open(server: &Server, counts: Arc<Counts>) -> Result<Self, DbError> {
        let pool = pool(server)?;
        let shared = Shared {
            server: server.clone(),
            pool,
            counts,
            alone: RwLock::new(()),
        };
        shared.migrate().await?;
        Ok(Self(Arc::new(shared)))
    }

    /// Tells other hosts when one of these rings, and rings it when they tell; for ever.
    pub(super) async fn hint(&self, own: &str, bells: &Bells) {
        hints::follow(&self.0.server, own, bells).await;
    }

    /// Whoever stops waiting does not stop the unit: it runs on a task of its own.
    pub(super) async fn run<I, T>(&self, input: I, unit: Unit<I, T>) -> Result<T, DbError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.spawn(input, unit, Purpose::Write).await
    }

    pub(super) async fn take<I, T>(&self, input: I, unit: Unit<I, T>) -> Result<T, DbError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.spawn(input, unit, Purpose::Take).await
    }

    pub(super) async fn read<I, T>(&self, input: I, unit: Unit<I, T>) -> Result<T, DbError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.spawn(input, unit, Purpose::Read).await
    }

    async fn spawn<I, T>(&self, input: I, unit: Unit<I, T>, purpose: Purpose) -> Result<T, DbError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        let task = tokio::spawn(async move { shared.until_done(&input, unit, purpose).await });
        task.await.unwrap_or_else(|error| {
            let why = if error.is_panic() {
                "panicked"
            } else {
                "was stopped"
            };
            Err(DbError::Failing(format!("a unit of work {why}")))
        })
    }
}

/// How long a unit rests that has lost so often: who was faster may still be keeping what he wrote, and would win again.
fn pause(lost: u32) -> Duration {
    Duration::from_millis(1 << lost.min(7))
}

impl Shared {
    async fn until_done<I: Sync, T: Send>(
        &self,
        input: &I,
        unit: Unit<I, T>,
        purpose: Purpose,
    ) -> Result<T, DbError> {
        let (mut lost, mut broken) = (0, 0);
        loop {
            let why = match self.in_turn(input, unit, purpose, lost).await {
                Ok(answer) => return Ok(answer),
                Err(why) => why,
            };
            match &why {
                DbError::Contended(_) if lost < LOST_MAX => {
                    tokio::time::sleep(pause(lost)).await;
                    lost += 1;
                }
                // What broke one connection, such as a restart of the server, has broken those that wait as well.
                DbError::Unreachable(_) if broken < BROKEN_MAX => {
                    broken += 1;
                    self.pool.retain(|_, _| false);
                }
                _ => return Err(why),
            }
        }
    }

    async fn in_turn<I: Sync, T: Send>(
        &self,
        input: &I,
        unit: Unit<I, T>,
        purpose: Purpose,
        lost: u32,
    ) -> Result<T, DbError> {
        match purpose {
            Purpose::Read | Purpose::Take => self.once(input, unit, purpose).await,
            Purpose::Write if lost > LOST_BESIDE_MAX => {
                let _alone = self.alone.write().await;
                self.once(input, unit, purpose).await
            }
            Purpose::Write => {
                let _beside = self.alone.read().await;
                self.once(input, unit, purpose).await
            }
        }
    }

    async fn once<I: Sync, T: Send>(
        &self,
        input: &I,
        unit: Unit<I, T>,
        purpose: Purpose,
    ) -> Result<T, DbError> {
        let connection = Connection::of(&self.pool).await?;
        let begin = match purpose {
            Purpose::Write => [WRITE, LIMITS, WRITTEN].concat(),
            Purpose::Take => [TAKE, LIMITS, WRITTEN].concat(),
            Purpose::Read => [READ, LIMITS].concat(),
        };
        let work = async {
            connection.begin(&begin).await?;
            let mut transaction = Transaction::new(connection.client()?);
            let answer = unit(input, &mut transaction).await;
            let left = transaction.left();
            match left.failed {
                Some(why) => Err(why),
                None => answer.map(|answer| (answer, left.undone)),
            }
        };
        let worked = timeout(UNIT_MAX, work).await;
        match worked.unwrap_or_else(|_| Err(late("a unit of work"))) {
            // What was only looked at needs no commit, which could be ambiguous.
            Ok((answer, _)) if matches!(purpose, Purpose::Read) => {
                connection.roll_back().await;
                Ok(answer)
            }
            Ok((answer, undone)) => {
                end_with(connection, if undone { UNDO } else { KEEP }).await?;
                self.counts.commits.fetch_add(1, Relaxed);
                self.counts.units.fetch_add(1, Relaxed);
                Ok(answer)
            }
            Err(why) => {
                connection.roll_back().await;
                Err(why)
            }
        }
    }

    /// Brings the database to the form of this release, while no other host does.
    async fn migrate(&self) -> Result<(), DbError> {
        let connection = Connection::of(&self.pool).await?;
        connection.begin(MIGRATE).await?;
        let mut transaction = Transaction::new(connection.client()?);
        let tx: &mut dyn Tx = &mut transaction;
        tx.query(ALONE, &[MIGRATION.into()]).await?;
        lasts(tx).await?;
        schema::migrate(tx, Dialect::Postgres).await?;
        // The connection is not used again, as its statements are not.
        let kept = connection.client()?.batch_execute(KEEP).await;
        kept.map_err(|error| fault_of_commit(&error))
    }
}

async fn end_with(connection: Connection, end: &str) -> Result<(), DbError> {
    let ended = timeout(COMMIT_MAX, connection.client()?.batch_execute(end)).await;
    match ended {
        Ok(Ok(())) => {
            connection.give_back();
            Ok(())
        }
        Ok(Err(error)) => {
            connection.roll_back().await;
            Err(fault_of_commit(&error))
        }
        Err(_) => Err(DbError::Ambiguous("the server does not answer".to_owned())),
    }
}

fn pool(server: &Server) -> Result<Pool, DbError> {
    let how = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_config(server.config(), NoTls, how))
        .max_size(CONNECTIONS_MAX)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECTION_WAIT))
        .create_timeout(Some(CONNECT_MAX))
        .recycle_timeout(Some(CONNECT_MAX))
        .build()
        .map_err(|error| DbError::Failing(told(&error)))
}

/// Refuses a server that acknowledges what it may lose.
async fn lasts(tx: &mut dyn Tx) -> Result<(), DbError> {
    const LOSES: &str = "SELECT 1 WHERE current_setting('fsync', true) = 'off'";
    if tx.query(LOSES, &[]).await?.is_empty() {
        return Ok(());
    }
    let why =
        "its server has fsync off, so that it would lose what it has acknowledged; set fsync on";
    Err(DbError::Failing(why.to_owned()))
}

fn late(what: &str) -> DbError {
    DbError::Slow(format!("{what} took longer than {} s", UNIT_MAX.as_secs()))
}
