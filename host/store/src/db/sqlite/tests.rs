//! What is kept, what is not, and who notices: the file, under what can happen to it.

mod failures;
mod groups;
mod kill;

use crate::db::{Database, DbError, Place};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Waker};

const KEEP: &str = "INSERT INTO api_keys (id, principal, secret_sha256, scopes, created_ms, why)
     VALUES ($1, 'ops', $2, '', $3, 'a test')";

struct Fixture {
    folder: tempfile::TempDir,
    database: Database,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = open(&folder.path().join("data")).await.unwrap();
        Self { folder, database }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn file(&self) -> PathBuf {
        self.data().join("holdfast.db")
    }

    /// Keeps the thread that writes busy until the sender is dropped or says so.
    async fn hold(&self) -> (Sender<()>, tokio::task::JoinHandle<Result<(), DbError>>) {
        let (release, wait) = channel();
        let (begun, begins) = channel();
        let database = self.database.clone();
        let held = (Mutex::new(wait), Mutex::new(begun));
        let task = tokio::spawn(async move { database.run(held, wait_for).await });
        tokio::task::yield_now().await;
        begins.recv().unwrap();
        (release, task)
    }
}

type Held = (Mutex<Receiver<()>>, Mutex<Sender<()>>);

const WAIT: crate::db::Unit<Held, ()> = |(wait, begun), _tx| {
    Box::pin(async move {
        let _ = begun.lock().unwrap().send(());
        let _ = wait.lock().unwrap().recv();
        Ok(())
    })
};

fn wait_for<'a>(
    held: &'a Held,
    tx: &'a mut dyn crate::db::Tx,
) -> holdfast_call::BoxFuture<'a, Result<(), DbError>> {
    WAIT(held, tx)
}

async fn open(data: &Path) -> Result<Database, DbError> {
    Database::open(Place::File(data.join("holdfast.db"))).await
}

async fn keep(database: &Database, id: &str) -> Result<u64, DbError> {
    let kept = database.run(id.to_owned(), |id, tx| {
        Box::pin(async move {
            let now = tx.now().await?;
            tx.execute(KEEP, &[id.into(), (&[1, 2]).into(), now.into()])
                .await
        })
    });
    kept.await
}

async fn kept(database: &Database) -> Result<Vec<String>, DbError> {
    let read = database.read((), |(), tx| {
        Box::pin(async move {
            let ids = "SELECT id FROM api_keys ORDER BY id";
            let rows = tx.query(ids, &[]).await?;
            rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
        })
    });
    read.await
}

/// Puts what is asked into the queue: it is asked when it is first polled.
fn asked<'a, T>(
    ask: impl Future<Output = Result<T, DbError>> + 'a,
) -> std::pin::Pin<Box<dyn Future<Output = Result<T, DbError>> + 'a>> {
    let mut ask: std::pin::Pin<Box<dyn Future<Output = Result<T, DbError>> + 'a>> = Box::pin(ask);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(ask.as_mut().poll(&mut cx).is_pending());
    ask
}

#[tokio::test]
async fn what_was_answered_is_read_back_by_the_next_host() {
    let fixture = Fixture::new().await;
    assert_eq!(keep(&fixture.database, "one").await, Ok(1));
    assert_eq!(keep(&fixture.database, "two").await, Ok(1));
    assert_eq!(kept(&fixture.database).await.unwrap(), ["one", "two"]);
    let again = open(&fixture.data()).await.unwrap();
    assert_eq!(kept(&again).await.unwrap(), ["one", "two"]);
    let now = again.read((), |(), tx| tx.now()).await.unwrap();
    assert!(now > 1_700_000_000_000, "{now}");
    fixture.database.probe().await.unwrap();
}

#[tokio::test]
async fn nobody_but_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new().await;
    keep(&fixture.database, "one").await.unwrap();
    let mode = |name: &str| {
        let about = std::fs::metadata(fixture.data().join(name)).unwrap();
        about.permissions().mode() & 0o777
    };
    assert_eq!(mode("."), 0o700);
    for name in ["holdfast.db", "holdfast.db-wal", "holdfast.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    let loose = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(fixture.file(), loose).unwrap();
    let refused = open(&fixture.data()).await.err().unwrap().to_string();
    assert!(refused.contains("its mode is 644"), "{refused}");
}

#[tokio::test]
async fn the_connections_are_as_safe_as_they_can_be() {
    let fixture = Fixture::new().await;
    let asked = fixture.database.run((), |(), tx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for name in ["synchronous", "foreign_keys", "trusted_schema"] {
                let rows = tx.query(&format!("PRAGMA {name}"), &[]).await?;
                found.push(rows[0].integer(0)?);
            }
            let rows = tx.query("PRAGMA journal_mode", &[]).await?;
            Ok((found, rows[0].text(0)?.to_owned()))
        })
    });
    let full_on_off = vec![2, 1, 0];
    assert_eq!(asked.await, Ok((full_on_off, "wal".to_owned())));
    let written = fixture
        .database
        .read((), |(), tx| tx.execute("DELETE FROM api_keys", &[]));
    assert!(matches!(written.await, Err(DbError::ReadOnly(_))));
}
