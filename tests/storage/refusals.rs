//! A server that does not let the host do something: each of its reasons under its own name, nothing kept, and no password told.

use super::{keep, kept, open};
use crate::harness::postgres::{PASSWORD, Postgres, sql_at};
use holdfast_call::Secret;
use holdfast_store::db::{Database, DbError, Place, Seen, Server};
use std::sync::Mutex;
use tokio::sync::oneshot::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// Has every row that is written met with this error of the server's.
fn every_row_meets(url: &str, when: &str, code: &str) {
    sql_at(
        url,
        &format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'made to fail' USING ERRCODE = '{code}'; END $$;
             DROP TRIGGER IF EXISTS refuse ON api_keys;
             CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON api_keys {when}
             FOR EACH ROW EXECUTE FUNCTION refuse()"
        ),
    );
}

const AT_ONCE: &str = "NOT DEFERRABLE";
const IN_THE_COMMIT: &str = "DEFERRABLE INITIALLY DEFERRED";

#[tokio::test]
async fn every_reason_has_its_name_and_it_goes_on_afterwards() {
    let url = Postgres::database();
    let database = open(&url).await.unwrap();
    type Is = fn(&DbError) -> bool;
    let reasons: [(&str, Is); 8] = [
        ("53100", |why| *why == DbError::Full),
        ("53300", |why| *why == DbError::Busy),
        ("55P03", |why| matches!(why, DbError::Locked(_))),
        ("57014", |why| matches!(why, DbError::Slow(_))),
        ("XX001", |why| matches!(why, DbError::Corrupt(_))),
        ("25006", |why| matches!(why, DbError::ReadOnly(_))),
        ("40001", |why| matches!(why, DbError::Contended(_))),
        ("23514", |why| matches!(why, DbError::Constraint(_))),
    ];
    for when in [AT_ONCE, IN_THE_COMMIT] {
        for (code, is) in reasons {
            every_row_meets(&url, when, code);
            let refused = keep(&database, "lost").await.unwrap_err();
            assert!(is(&refused), "{code} {when}: {refused:?}");
        }
    }
    sql_at(&url, "DROP TRIGGER refuse ON api_keys");
    keep(&database, "one").await.unwrap();
    assert_eq!(kept(&database).await.unwrap(), ["one"]);
}

#[tokio::test]
async fn a_row_that_somebody_locks_is_waited_for_and_not_for_ever() {
    let url = Postgres::database();
    let database = open(&url).await.unwrap();
    keep(&database, "one").await.unwrap();
    let (release, held) = hold(&database).await;
    let refused = keep(&database, "two").await;
    assert!(matches!(refused, Err(DbError::Locked(_))), "{refused:?}");
    drop(release);
    held.await.unwrap().unwrap();
    keep(&database, "three").await.unwrap();
    assert_eq!(kept(&database).await.unwrap(), ["one", "three"]);
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_why_and_not_with_what() {
    let url = Postgres::database();
    let at = |url: &str, password: &str| {
        let password = Secret::new(password).unwrap();
        let server = Server::parse(url).unwrap().with_password(password);
        Database::open(Place::Server(server))
    };
    let wrong = "sesame, open now";
    let refused = at(&url, wrong).await.err().unwrap();
    assert!(matches!(refused, DbError::Refused(_)), "{refused:?}");
    assert!(!format!("{refused:?} {refused}").contains("sesame"));
    let nowhere = url.replace(&name(&url), "nowhere");
    let refused = at(&nowhere, PASSWORD).await.err().unwrap();
    assert!(matches!(refused, DbError::Refused(_)), "{refused:?}");
    assert!(refused.to_string().contains("\"nowhere\" does not exist"));
    let without = Server::parse(&url).unwrap();
    let refused = Database::open(Place::Server(without)).await.err().unwrap();
    assert!(matches!(refused, DbError::Refused(_)), "{refused:?}");
    assert!(refused.to_string().contains("password missing"));
}

#[tokio::test]
async fn a_database_that_may_only_be_read_is_read() {
    let url = Postgres::database();
    let database = open(&url).await.unwrap();
    keep(&database, "one").await.unwrap();
    let name = name(&url);
    sql_at(
        &url,
        &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
    );
    // Those that were opened before do not know of it.
    let opened = open(&url).await.unwrap();
    let written = keep(&opened, "two").await;
    assert!(matches!(written, Err(DbError::ReadOnly(_))), "{written:?}");
    assert_eq!(kept(&opened).await.unwrap(), ["one"]);
}

#[tokio::test]
async fn a_newer_form_is_refused_unless_it_says_that_we_can_read_it() {
    let url = Postgres::database();
    open(&url).await.unwrap();
    sql_at(
        &url,
        "UPDATE holdfast_schema SET version = 10, min_reader_version = 9",
    );
    let refused = open(&url).await.err().unwrap();
    assert!(
        matches!(
            refused,
            DbError::Newer {
                found: 10,
                needs: 9,
                ..
            }
        ),
        "{refused:?}"
    );
    sql_at(&url, "UPDATE holdfast_schema SET min_reader_version = 1");
    keep(&open(&url).await.unwrap(), "one").await.unwrap();
    assert_eq!(sql_at(&url, "SELECT version FROM holdfast_schema"), "10");
}

#[tokio::test]
async fn many_hosts_that_start_at_once_make_one_form() {
    let url = Postgres::database();
    let hosts: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { open(&url).await })
        })
        .collect();
    for host in hosts {
        host.await.unwrap().unwrap();
    }
    assert_eq!(sql_at(&url, "SELECT count(*) FROM holdfast_schema"), "1");
}

#[tokio::test]
async fn a_server_set_up_to_lose_what_it_acknowledges_is_told_otherwise() {
    let url = Postgres::database();
    sql_at(
        &url,
        &format!("ALTER DATABASE {} SET synchronous_commit = off", name(&url)),
    );
    let database = open(&url).await.unwrap();
    let set = database.run((), |(), tx| {
        Box::pin(async move {
            let rows = tx
                .query("SELECT current_setting('synchronous_commit')", &[])
                .await?;
            Ok(rows.first().expect("a row").text(0)?.to_owned())
        })
    });
    assert_eq!(set.await.unwrap(), "on");
}

/// Locks the table until the sender is dropped.
async fn hold(database: &Database) -> (Sender<()>, JoinHandle<Result<(), DbError>>) {
    let (release, wait) = channel();
    let (begun, begins) = channel();
    let database = database.clone();
    let held = tokio::spawn(async move {
        let ends = Mutex::new(Some((wait, begun)));
        let unit = database.run(ends, |ends, tx| {
            Box::pin(async move {
                let lock = "LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE";
                tx.execute(lock, &[]).await?;
                let ends = ends.lock().unwrap().take();
                let (wait, begun): (Receiver<()>, Sender<()>) = ends.expect("once");
                begun.send(()).unwrap();
                let _ = wait.await;
                Ok(())
            })
        });
        unit.await
    });
    begins.await.unwrap();
    (release, held)
}

#[tokio::test]
async fn whoever_looks_sees_what_a_host_would_meet() {
    let url = Postgres::database();
    let look = || {
        let server = Server::parse(&url).unwrap();
        let server = server.with_password(Secret::new(PASSWORD).unwrap());
        Database::look(Place::Server(server))
    };
    assert_eq!(look().await, Ok(Seen::Bare));
    open(&url).await.unwrap();
    assert_eq!(look().await, Ok(Seen::Form(8)));
    sql_at(&url, "UPDATE holdfast_schema SET min_reader_version = 9");
    let newer = look().await;
    assert!(matches!(newer, Err(DbError::Newer { .. })), "{newer:?}");
    let name = name(&url);
    sql_at(
        &url,
        &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
    );
    let standby = look().await;
    assert!(matches!(standby, Err(DbError::ReadOnly(_))), "{standby:?}");
}

fn name(url: &str) -> String {
    url.rsplit_once('/').unwrap().1.to_owned()
}
