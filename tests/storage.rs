//! The database: what holds on both, and what each does when it fails.

/// Makes a test of each sentence, for a file and for a server: each is given the database of two hosts that share it.
macro_rules! both {
    ($($sentence:ident),* $(,)?) => {
        mod file {
            use holdfast_store::db::{Database, Place};
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $sentence() {
                    let folder = tempfile::tempdir().unwrap();
                    let path = folder.path().join("data").join("holdfast.db");
                    let place = Place::File(path);
                    let database = Database::open(place.clone()).await.unwrap();
                    let other = Database::open(place).await.unwrap();
                    super::$sentence(&database, &other).await;
                }
            )*
        }
        mod server {
            use crate::harness::postgres::Postgres;
            use crate::storage::open;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $sentence() {
                    let url = Postgres::database();
                    let (one, other) = tokio::join!(open(&url), open(&url));
                    super::$sentence(&one.unwrap(), &other.unwrap()).await;
                }
            )*
        }
    };
}

mod approvals;
mod battery;
mod copy;
mod hints;
mod kv;
mod leases;
mod ledger;
mod outages;
mod queue;
mod refusals;
mod runs;
mod schedules;

use crate::harness::postgres::PASSWORD;
use holdfast_call::Secret;
use holdfast_store::db::{Database, DbError, Place, Server};

/// Opens the database of a server.
async fn open(url: &str) -> Result<Database, DbError> {
    let password = Secret::new(PASSWORD).unwrap();
    let server = Server::parse(url).unwrap().with_password(password);
    Database::open(Place::Server(server)).await
}

const KEEP: &str = "INSERT INTO api_keys (id, principal, secret_sha256, scopes, created_ms, why)
     VALUES ($1, 'ops', $2, '', $3, 'a test')";

async fn keep(database: &Database, id: &str) -> Result<u64, DbError> {
    let kept = database.run(id.to_owned(), |id, tx| {
        Box::pin(async move {
            let row = [id.into(), (&[1, 2]).into(), 3.into()];
            tx.execute(KEEP, &row).await
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
