//! A server that goes away: what was acknowledged is there when it is back, what may have been kept is called so, and the host goes on.

use super::{KEEP, keep, kept, open};
use crate::harness::postgres::{Postgres, Stop, sql_at};
use holdfast_store::db::{Database, DbError};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_all_its_processes_were_killed() {
    let mut server = Postgres::start();
    let database = open(&server.create()).await.unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 1..=3 {
        let (told, mut tells) = unbounded_channel();
        for writer in 0..8 {
            let names = format!("{round}-{writer}");
            tokio::spawn(write(database.clone(), names, told.clone()));
        }
        drop(told);
        let mut round_has = 0;
        while let Some(id) = tells.recv().await {
            acknowledged.insert(id);
            round_has += 1;
            if round_has == 100 {
                tokio::task::block_in_place(|| server.stop(Stop::Killed));
            }
        }
        tokio::task::block_in_place(|| server.again());
        let found: BTreeSet<_> = kept(&database).await.unwrap().into_iter().collect();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
    assert!(acknowledged.len() >= 300);
}

/// Writes until it fails, and tells what was acknowledged.
async fn write(database: Database, names: String, told: UnboundedSender<String>) {
    for number in 0.. {
        let id = format!("{names}-{number}");
        match keep(&database, &id).await {
            Ok(_) => told.send(id).unwrap(),
            Err(DbError::Unreachable(_) | DbError::Ambiguous(_)) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_stopped_is_used_again_when_it_is_back() {
    let mut server = Postgres::start();
    let url = server.create();
    let database = open(&url).await.unwrap();
    keep(&database, "one").await.unwrap();
    tokio::task::block_in_place(|| server.stop(Stop::Fast));
    let refused = keep(&database, "two").await;
    assert!(
        matches!(refused, Err(DbError::Unreachable(_))),
        "{refused:?}"
    );
    let refused = kept(&database).await;
    assert!(
        matches!(refused, Err(DbError::Unreachable(_))),
        "{refused:?}"
    );
    let refused = open(&url).await.err();
    assert!(
        matches!(refused, Some(DbError::Unreachable(_))),
        "{refused:?}"
    );
    tokio::task::block_in_place(|| server.again());
    keep(&database, "three").await.unwrap();
    assert_eq!(kept(&database).await.unwrap(), ["one", "three"]);
}

/// Ends its own connection before it is kept, as many times as the second number says.
async fn keep_in_spite(database: &Database, id: &str, times: u32) -> Result<u64, DbError> {
    let input = (id.to_owned(), times, AtomicU32::new(0));
    let unit = database.run(input, |(id, times, tried), tx| {
        Box::pin(async move {
            let row = [id.into(), (&[1]).into(), 1.into()];
            let changed = tx.execute(KEEP, &row).await?;
            if tried.fetch_add(1, Relaxed) < *times {
                let end = "SELECT pg_terminate_backend(pg_backend_pid())";
                tx.query(end, &[]).await?;
            }
            Ok(changed)
        })
    });
    unit.await
}

#[tokio::test]
async fn a_unit_whose_connection_broke_before_it_was_kept_begins_again() {
    let database = open(&Postgres::database()).await.unwrap();
    assert_eq!(keep_in_spite(&database, "one", 1).await, Ok(1));
    let refused = keep_in_spite(&database, "two", u32::MAX).await;
    assert!(
        matches!(refused, Err(DbError::Unreachable(_))),
        "{refused:?}"
    );
    assert_eq!(kept(&database).await.unwrap(), ["one"]);
}

#[tokio::test]
async fn connections_that_were_ended_while_nobody_used_them_are_made_anew() {
    let url = Postgres::database();
    let database = open(&url).await.unwrap();
    let units = (0..8).map(|number| {
        let database = database.clone();
        tokio::spawn(async move { keep(&database, &number.to_string()).await })
    });
    for unit in units.collect::<Vec<_>>() {
        unit.await.unwrap().unwrap();
    }
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sql_at(&url, end);
    keep(&database, "later").await.unwrap();
    assert_eq!(kept(&database).await.unwrap().len(), 9);
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_commit_leaves_open_whether_it_is_kept() {
    let url = Postgres::database();
    let database = open(&url).await.unwrap();
    sql_at(
        &url,
        "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER leave AFTER INSERT ON api_keys DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION leave()",
    );
    let unknown = keep(&database, "one").await;
    assert!(matches!(unknown, Err(DbError::Ambiguous(_))), "{unknown:?}");
    sql_at(&url, "DROP TRIGGER leave ON api_keys");
    keep(&database, "two").await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://me@{}/db", silent.local_addr().unwrap());
    let refused = open(&url).await.err();
    assert!(
        matches!(refused, Some(DbError::Unreachable(_))),
        "{refused:?}"
    );
}
