//! What is kept, what is not, and who notices: the file under what can happen to it.

use crate::db::{Database, DbError, Place};
use std::path::{Path, PathBuf};

const KEEP: &str = "INSERT INTO api_keys (id, principal, secret_sha256, scopes, created_ms, why)
     VALUES ($1, 'ops', $2, '', $3, 'a test')";
const IDS: &str = "SELECT id FROM api_keys ORDER BY id";

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

    fn file(&self) -> PathBuf {
        self.folder.path().join("data").join("holdfast.db")
    }
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
            let rows = tx.query(IDS, &[]).await?;
            rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
        })
    });
    read.await
}

#[tokio::test]
async fn what_was_answered_is_read_back_by_the_next_host() {
    let fixture = Fixture::new().await;
    assert_eq!(keep(&fixture.database, "one").await, Ok(1));
    assert_eq!(keep(&fixture.database, "two").await, Ok(1));
    assert_eq!(kept(&fixture.database).await.unwrap(), ["one", "two"]);
    let again = open(&fixture.folder.path().join("data")).await.unwrap();
    assert_eq!(kept(&again).await.unwrap(), ["one", "two"]);
    let now = again.read((), |(), tx| tx.now()).await.unwrap();
    assert!(now > 1_700_000_000_000, "{now}");
    fixture.database.probe().await.unwrap();
    assert!(fixture.file().exists());
}
