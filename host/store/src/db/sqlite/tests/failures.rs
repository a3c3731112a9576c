//! Storage that fails: nothing is acknowledged that is not kept, and all goes on when it is back.

use super::{Fixture, KEEP, asked, keep, kept, open};
use crate::db::schema::KNOWN;
use crate::db::{Database, DbError, Place, Seen};
use rusqlite::Connection;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

async fn pragma(database: &Database, pragma: &str) {
    let set = database.run(pragma.to_owned(), |pragma, tx| {
        Box::pin(async move { tx.query(pragma, &[]).await })
    });
    set.await.unwrap();
}

/// What somebody who opens the file finds in it.
fn found(file: &Path) -> i64 {
    let connection = Connection::open(file).unwrap();
    let count = "SELECT count(*) FROM api_keys";
    connection.query_row(count, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_what_has_no_room_and_nothing_else() {
    let fixture = Fixture::new().await;
    let database = &fixture.database;
    keep(database, "one").await.unwrap();
    pragma(database, "PRAGMA max_page_count = 1").await;
    let (release, held) = fixture.hold().await;
    let small = asked(keep(database, "two"));
    let large = asked(database.run((), |(), tx| {
        Box::pin(async move {
            let row = ["large".into(), vec![0; 100_000].into(), 1.into()];
            tx.execute(KEEP, &row).await
        })
    }));
    let other = asked(keep(database, "three"));
    drop(release);
    held.await.unwrap().unwrap();
    assert_eq!(small.await, Ok(1));
    assert_eq!(large.await, Err(DbError::Full));
    assert_eq!(other.await, Ok(1));
    // The connection is a new one, which knows nothing of the limit: there is room again.
    let grown = database.run((), |(), tx| {
        Box::pin(async move {
            let row = ["whole".into(), vec![0; 100_000].into(), 1.into()];
            tx.execute(KEEP, &row).await
        })
    });
    assert_eq!(grown.await, Ok(1));
    assert_eq!(
        kept(database).await.unwrap(),
        ["one", "three", "two", "whole"]
    );
}

#[tokio::test]
async fn a_database_that_can_only_be_read_says_so() {
    let fixture = Fixture::new().await;
    let database = &fixture.database;
    pragma(database, "PRAGMA query_only = ON").await;
    let refused = keep(database, "one").await;
    assert!(matches!(refused, Err(DbError::ReadOnly(_))), "{refused:?}");
    // The connection is a new one, which can write.
    keep(database, "two").await.unwrap();
    assert_eq!(kept(database).await.unwrap(), ["two"]);
}

#[tokio::test]
async fn a_lock_that_somebody_holds_is_waited_for_and_not_for_ever() {
    let fixture = Fixture::new().await;
    let other = Connection::open(fixture.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = keep(&fixture.database, "one").await;
    assert!(matches!(refused, Err(DbError::Locked(_))), "{refused:?}");
    assert!(kept(&fixture.database).await.unwrap().is_empty());
    other.execute_batch("ROLLBACK").unwrap();
    keep(&fixture.database, "two").await.unwrap();
    assert_eq!(kept(&fixture.database).await.unwrap(), ["two"]);
}

#[tokio::test]
async fn a_file_that_lost_its_name_takes_nothing_on_until_it_has_it_again() {
    let fixture = Fixture::new().await;
    let away = fixture.data().join("away");
    keep(&fixture.database, "one").await.unwrap();
    std::fs::rename(fixture.file(), &away).unwrap();
    for _ in 0..2 {
        assert!(matches!(
            keep(&fixture.database, "two").await,
            Err(DbError::Gone(_))
        ));
        assert!(matches!(
            kept(&fixture.database).await,
            Err(DbError::Gone(_))
        ));
    }
    std::fs::write(fixture.file(), "another").unwrap();
    let said = keep(&fixture.database, "two")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("is another file than the one that was opened"),
        "{said}"
    );
    std::fs::rename(&away, fixture.file()).unwrap();
    keep(&fixture.database, "three").await.unwrap();
    assert_eq!(kept(&fixture.database).await.unwrap(), ["one", "three"]);
}

#[tokio::test]
async fn what_was_written_while_the_file_lost_its_name_is_not_acknowledged() {
    let fixture = Fixture::new().await;
    let moved = fixture.database.run(fixture.file(), |file, tx| {
        Box::pin(async move {
            let row = ["lost".into(), (&[1]).into(), 1.into()];
            let changed = tx.execute(KEEP, &row).await?;
            std::fs::rename(file, file.with_extension("away")).unwrap();
            Ok(changed)
        })
    });
    let moved = moved.await;
    assert!(matches!(moved, Err(DbError::Ambiguous(_))), "{moved:?}");
}

#[tokio::test]
async fn a_log_that_is_taken_away_takes_nothing_with_it() {
    let fixture = Fixture::new().await;
    let name = |end: &str| fixture.data().join(format!("holdfast.db{end}"));
    keep(&fixture.database, "one").await.unwrap();
    assert_eq!(kept(&fixture.database).await.unwrap(), ["one"]);
    for ends in [&["-wal", "-shm"][..], &["-wal"], &["-shm"]] {
        for end in ends {
            std::fs::remove_file(name(end)).unwrap();
        }
        let id = format!("after{}", ends.concat());
        keep(&fixture.database, &id).await.unwrap();
    }
    assert_eq!(kept(&fixture.database).await.unwrap().len(), 4);
    assert_eq!(found(&fixture.file()), 4);
}

#[tokio::test]
async fn a_newer_form_is_refused_unless_it_says_that_we_can_read_it() {
    let fixture = Fixture::new().await;
    let other = Connection::open(fixture.file()).unwrap();
    let form = |version: i64, readable_by: i64| {
        let form = "UPDATE holdfast_schema SET version = ?1, min_reader_version = ?2";
        other.execute(form, [version, readable_by]).unwrap();
    };
    form(10, 9);
    let (found, needs, known) = (10, 9, KNOWN);
    let newer = DbError::Newer {
        found,
        needs,
        known,
    };
    assert_eq!(open(&fixture.data()).await.err(), Some(newer));
    form(10, 1);
    let again = open(&fixture.data()).await.unwrap();
    keep(&again, "one").await.unwrap();
    let version = "SELECT version FROM holdfast_schema";
    let left: i64 = other.query_row(version, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 10, "nobody takes it back");
}

#[tokio::test]
async fn what_is_damaged_is_told_from_what_is_not_there() {
    let fixture = Fixture::new().await;
    for number in 0..200 {
        keep(&fixture.database, &format!("{number:0100}"))
            .await
            .unwrap();
    }
    let other = Connection::open(fixture.file()).unwrap();
    other
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let copy = |name: &str, at: u64| {
        let data = fixture.folder.path().join(name);
        std::fs::create_dir(&data).unwrap();
        let file = data.join("holdfast.db");
        std::fs::copy(fixture.file(), &file).unwrap();
        let bytes = std::fs::metadata(&file).unwrap().len();
        let open = std::fs::File::options().write(true).open(&file).unwrap();
        let noise = vec![0xa5; usize::try_from(bytes - at).unwrap()];
        open.write_all_at(&noise, at).unwrap();
        data
    };
    let whole = open(&copy("whole", 0)).await.err();
    assert!(matches!(whole, Some(DbError::Corrupt(_))), "{whole:?}");
    // The last eight pages: they are rows, and the form is at the beginning.
    let size = std::fs::metadata(fixture.file()).unwrap().len();
    let rows = open(&copy("rows", size - 8 * 4096)).await.unwrap();
    let read = kept(&rows).await;
    assert!(matches!(read, Err(DbError::Corrupt(_))), "{read:?}");
    let written = keep(&rows, &"5".repeat(100)).await;
    assert!(matches!(written, Err(DbError::Corrupt(_))), "{written:?}");
    rows.read((), |(), tx| tx.now()).await.unwrap();
}

#[tokio::test]
async fn whoever_looks_sees_what_a_host_would_meet_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let look = |data: &Path| Database::look(Place::File(data.join("holdfast.db")));
    assert_eq!(look(&data).await, Ok(Seen::NoFile));
    assert!(!data.exists());
    let fixture = Fixture::new().await;
    keep(&fixture.database, "one").await.unwrap();
    assert_eq!(look(&fixture.data()).await, Ok(Seen::Form(KNOWN)));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("holdfast.db"), "").unwrap();
    let loose = look(&data).await;
    assert!(matches!(loose, Err(DbError::Refused(_))), "{loose:?}");
}
