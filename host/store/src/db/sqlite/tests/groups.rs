//! Units that are kept together: with one sync, and without knowing of each other.

use super::{Fixture, KEEP, asked, keep, kept};
use crate::db::{DbError, Figures};

#[tokio::test]
async fn what_waits_together_is_kept_with_one_sync() {
    let fixture = Fixture::new().await;
    let (release, held) = fixture.hold().await;
    let ids: Vec<String> = (100..300).map(|number| number.to_string()).collect();
    let asks: Vec<_> = ids
        .iter()
        .map(|id| asked(keep(&fixture.database, id)))
        .collect();
    assert_eq!(fixture.database.figures(), Figures::default());
    drop(release);
    held.await.unwrap().unwrap();
    for ask in asks {
        assert_eq!(ask.await, Ok(1));
    }
    let Figures { units, commits } = fixture.database.figures();
    assert_eq!((units, commits), (201, 2));
    assert_eq!(kept(&fixture.database).await.unwrap(), ids);
}

#[tokio::test]
async fn a_unit_that_is_not_kept_takes_no_other_with_it() {
    let fixture = Fixture::new().await;
    let database = &fixture.database;
    let (release, held) = fixture.hold().await;
    let before = asked(keep(database, "before"));
    let twice = asked(database.run((), |(), tx| {
        Box::pin(async move {
            let row = |id: &str| [id.into(), (&[1]).into(), 1.into()];
            tx.execute(KEEP, &row("half")).await?;
            tx.execute(KEEP, &row("before")).await
        })
    }));
    let swallowed = asked(database.run((), |(), tx| {
        Box::pin(async move {
            let row = ["whole".into(), (&[1]).into(), 1.into()];
            tx.execute(KEEP, &row).await?;
            let _ = tx.execute("INSERT INTO nowhere VALUES (1)", &[]).await;
            Ok(())
        })
    }));
    let refused = asked(database.run((), |(), tx| {
        Box::pin(async move {
            let row = ["undone".into(), (&[1]).into(), 1.into()];
            let changed = tx.execute(KEEP, &row).await?;
            tx.undo();
            Ok(changed)
        })
    }));
    let after = asked(keep(database, "later"));
    drop(release);
    held.await.unwrap().unwrap();
    assert_eq!(before.await, Ok(1));
    assert!(matches!(twice.await, Err(DbError::Constraint(_))));
    assert!(matches!(swallowed.await, Err(DbError::Failing(_))));
    assert_eq!(refused.await, Ok(1));
    assert_eq!(after.await, Ok(1));
    assert_eq!(kept(database).await.unwrap(), ["before", "later"]);
    assert_eq!(database.figures().commits, 2);
}

#[tokio::test]
async fn a_unit_that_panics_or_waits_fails_alone() {
    let fixture = Fixture::new().await;
    let database = &fixture.database;
    let panics = database.run((), |(), tx| {
        Box::pin(async move {
            let row = ["half".into(), (&[1]).into(), 1.into()];
            tx.execute(KEEP, &row).await?;
            panic!("in the middle of a unit");
        })
    });
    let panicked: Result<(), DbError> = panics.await;
    let said = panicked.unwrap_err().to_string();
    assert!(said.contains("a unit of work panicked"), "{said}");
    let waits: Result<(), DbError> = database
        .run((), |(), _tx| Box::pin(std::future::pending()))
        .await;
    let said = waits.unwrap_err().to_string();
    assert!(said.contains("something other than the database"), "{said}");
    keep(database, "one").await.unwrap();
    assert_eq!(kept(database).await.unwrap(), ["one"]);
}

#[tokio::test]
async fn whoever_gives_up_does_not_undo_what_waits() {
    let fixture = Fixture::new().await;
    let (release, held) = fixture.hold().await;
    drop(asked(keep(&fixture.database, "left")));
    let last = asked(keep(&fixture.database, "stayed"));
    drop(release);
    held.await.unwrap().unwrap();
    last.await.unwrap();
    assert_eq!(kept(&fixture.database).await.unwrap(), ["left", "stayed"]);
}

#[tokio::test]
async fn too_many_are_refused_at_once_and_readers_do_not_wait() {
    let fixture = Fixture::new().await;
    keep(&fixture.database, "one").await.unwrap();
    let (release, held) = fixture.hold().await;
    let most = super::super::WRITES_WAITING_MAX;
    let waiting: Vec<_> = (0..most).map(|_| asked(fixture.database.probe())).collect();
    assert_eq!(keep(&fixture.database, "two").await, Err(DbError::Busy));
    assert_eq!(kept(&fixture.database).await.unwrap(), ["one"]);
    drop(release);
    held.await.unwrap().unwrap();
    for ask in waiting {
        ask.await.unwrap();
    }
    keep(&fixture.database, "two").await.unwrap();
}

#[tokio::test]
async fn a_statement_is_given_the_parameters_that_it_names() {
    let fixture = Fixture::new().await;
    let swapped = fixture.database.read((), |(), tx| {
        Box::pin(async move {
            let rows = tx
                .query("SELECT $2, $1, $2", &["one".into(), 2.into()])
                .await?;
            let row = &rows[0];
            Ok((row.integer(0)?, row.text(1)?.to_owned(), row.integer(2)?))
        })
    });
    assert_eq!(swapped.await, Ok((2, "one".to_owned(), 2)));
    let wrong = fixture.database.read((), |(), tx| {
        Box::pin(async move { tx.query("SELECT $1", &[]).await })
    });
    let said = wrong.await.unwrap_err().to_string();
    assert!(
        said.contains("takes 1 parameters and was given 0"),
        "{said}"
    );
}
