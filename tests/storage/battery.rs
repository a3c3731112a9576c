//! What holds on both databases: the same sentences, on a file and on a server.

use super::{KEEP, keep, kept};
use holdfast_store::db::{Database, DbError, Value};

both![
    what_one_keeps_the_other_reads,
    values_come_back_as_they_went,
    a_unit_that_fails_leaves_nothing,
    a_unit_that_goes_on_after_a_statement_failed_has_failed,
    a_unit_may_answer_and_leave_nothing,
    a_unit_that_panics_leaves_nothing,
    a_unit_does_not_end_the_transaction_it_is_in,
    units_do_not_see_each_others_middle,
    what_each_looked_at_still_holds_when_both_are_kept,
    a_row_that_is_there_is_no_failure_where_the_statement_says_so,
    whoever_only_looks_changes_nothing,
    a_statement_takes_as_many_parameters_as_it_names,
    there_is_one_clock,
    whoever_gives_up_does_not_undo_it,
    a_probe_is_kept_like_anything_else,
];

async fn what_one_keeps_the_other_reads(one: &Database, other: &Database) {
    assert_eq!(keep(one, "one").await, Ok(1));
    assert_eq!(kept(other).await.unwrap(), ["one"]);
    assert_eq!(keep(other, "two").await, Ok(1));
    assert_eq!(kept(one).await.unwrap(), ["one", "two"]);
}

async fn values_come_back_as_they_went(database: &Database, _: &Database) {
    let all = [
        (i64::MIN, "", vec![]),
        (i64::MAX, "ends with a space ", vec![0; 300_000]),
        (
            0,
            "'; DROP TABLE api_keys; -- ä 漢 \u{1f980}",
            (0..=255).collect(),
        ),
    ];
    for (number, text, bytes) in all {
        let went = (number, text.to_owned(), bytes);
        let came = database.run(went.clone(), |(number, text, bytes), tx| {
            Box::pin(async move {
                let row: [Value; 3] = [text.into(), bytes.as_slice().into(), (*number).into()];
                tx.execute(KEEP, &row).await?;
                let read =
                    "SELECT created_ms, id, secret_sha256, expires_ms FROM api_keys WHERE id = $1";
                let rows = tx.query(read, &[text.into()]).await?;
                let row = rows.first().expect("a row");
                assert_eq!(row.optional_integer(3), Ok(None));
                Ok((
                    row.integer(0)?,
                    row.text(1)?.to_owned(),
                    row.bytes(2)?.to_owned(),
                ))
            })
        });
        assert_eq!(came.await, Ok(went));
    }
    let null = keep(database, "a\0b").await;
    assert!(matches!(null, Err(DbError::Failing(_))), "{null:?}");
}

async fn a_unit_that_fails_leaves_nothing(database: &Database, _: &Database) {
    keep(database, "one").await.unwrap();
    let twice = database.run((), |(), tx| {
        Box::pin(async move {
            let row = |id: &str| [id.into(), (&[1]).into(), 1.into()];
            tx.execute(KEEP, &row("half")).await?;
            tx.execute(KEEP, &row("one")).await
        })
    });
    let twice = twice.await;
    assert!(matches!(twice, Err(DbError::Constraint(_))), "{twice:?}");
    let own = database.run((), |(), tx| {
        Box::pin(async move {
            let row = ["half".into(), (&[1]).into(), 1.into()];
            tx.execute(KEEP, &row).await?;
            Err::<(), _>(DbError::Failing("of its own".to_owned()))
        })
    });
    assert_eq!(own.await, Err(DbError::Failing("of its own".to_owned())));
    assert_eq!(kept(database).await.unwrap(), ["one"]);
}

async fn a_unit_that_goes_on_after_a_statement_failed_has_failed(
    database: &Database,
    _: &Database,
) {
    let swallowed = database.run((), |(), tx| {
        Box::pin(async move {
            let _ = tx.execute("INSERT INTO nowhere VALUES (1)", &[]).await;
            let row = ["half".into(), (&[1]).into(), 1.into()];
            assert!(tx.execute(KEEP, &row).await.is_err());
            Ok(())
        })
    });
    let said = swallowed.await.unwrap_err().to_string();
    assert!(said.contains("nowhere"), "{said}");
    assert!(kept(database).await.unwrap().is_empty());
}

async fn a_unit_may_answer_and_leave_nothing(database: &Database, _: &Database) {
    let refused = database.run((), |(), tx| {
        Box::pin(async move {
            let row = ["half".into(), (&[1]).into(), 1.into()];
            tx.execute(KEEP, &row).await?;
            tx.undo();
            Ok("no")
        })
    });
    assert_eq!(refused.await, Ok("no"));
    assert!(kept(database).await.unwrap().is_empty());
}

async fn a_unit_that_panics_leaves_nothing(database: &Database, _: &Database) {
    // More often than there are connections: none of them is left in the middle of something.
    for _ in 0..20 {
        let panics = database.run((), |(), tx| {
            Box::pin(async move {
                let row = ["half".into(), (&[1]).into(), 1.into()];
                tx.execute(KEEP, &row).await?;
                panic!("in the middle of a unit");
            })
        });
        let said: Result<(), _> = panics.await;
        assert!(said.unwrap_err().to_string().contains("panicked"));
    }
    keep(database, "one").await.unwrap();
    assert_eq!(kept(database).await.unwrap(), ["one"]);
}

async fn a_unit_does_not_end_the_transaction_it_is_in(database: &Database, _: &Database) {
    for end in ["COMMIT", " rollback", "/**/ SAVEPOINT a", "end", "BEGIN"] {
        let ends = database.run(end, |end, tx| {
            Box::pin(async move {
                let row = ["half".into(), (&[1]).into(), 1.into()];
                tx.execute(KEEP, &row).await?;
                tx.execute(end, &[]).await
            })
        });
        let said = ends.await.unwrap_err().to_string();
        assert!(said.contains("neither begins nor ends"), "{said}");
    }
    assert!(kept(database).await.unwrap().is_empty());
}

async fn units_do_not_see_each_others_middle(one: &Database, other: &Database) {
    const WORKERS: i64 = 20;
    const EACH: i64 = 5;
    keep(one, "count").await.unwrap();
    let workers = (0..WORKERS).map(|number| {
        let database = if number % 2 == 0 { one } else { other }.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                add(&database).await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    // It began at three.
    assert_eq!(add(one).await, Ok(3 + WORKERS * EACH + 1));
}

/// Reads a number, and writes the next one.
async fn add(database: &Database) -> Result<i64, DbError> {
    let added = database.run((), |(), tx| {
        Box::pin(async move {
            let read = "SELECT created_ms FROM api_keys WHERE id = 'count'";
            let rows = tx.query(read, &[]).await?;
            let next = rows.first().expect("a row").integer(0)? + 1;
            let write = "UPDATE api_keys SET created_ms = $1 WHERE id = 'count'";
            tx.execute(write, &[next.into()]).await?;
            Ok(next)
        })
    });
    added.await
}

/// Each unit takes one of two rows away if the other one is there. Alone each is right; together they would take both.
async fn what_each_looked_at_still_holds_when_both_are_kept(one: &Database, other: &Database) {
    for _ in 0..10 {
        for id in ["a", "b"] {
            keep(one, id).await.unwrap();
        }
        let leave = |database: &Database, id: &str| {
            let database = database.clone();
            let id = id.to_owned();
            tokio::spawn(async move { leave(&database, id).await })
        };
        let (a, b) = (leave(one, "a"), leave(other, "b"));
        let gone = a.await.unwrap().unwrap() + b.await.unwrap().unwrap();
        assert_eq!(gone, 1);
        assert_eq!(kept(one).await.unwrap().len(), 1);
        let clear = one.run((), |(), tx| tx.execute("DELETE FROM api_keys", &[]));
        clear.await.unwrap();
    }
}

async fn leave(database: &Database, id: String) -> Result<u64, DbError> {
    let left = database.run(id, |id, tx| {
        Box::pin(async move {
            let rows = tx.query("SELECT count(*) FROM api_keys", &[]).await?;
            if rows.first().expect("a row").integer(0)? < 2 {
                return Ok(0);
            }
            let take = "DELETE FROM api_keys WHERE id = $1";
            tx.execute(take, &[id.into()]).await
        })
    });
    left.await
}

async fn a_row_that_is_there_is_no_failure_where_the_statement_says_so(
    one: &Database,
    other: &Database,
) {
    let claims = (0..20).map(|number| {
        let database = if number % 2 == 0 { one } else { other }.clone();
        tokio::spawn(async move {
            let claim = database.run((), |(), tx| {
                Box::pin(async move {
                    let claim = format!("{KEEP} ON CONFLICT (id) DO NOTHING");
                    let row = ["one".into(), (&[1]).into(), 1.into()];
                    tx.execute(&claim, &row).await
                })
            });
            claim.await.unwrap()
        })
    });
    let mut claimed = 0;
    for claim in claims.collect::<Vec<_>>() {
        claimed += claim.await.unwrap();
    }
    assert_eq!(claimed, 1);
}

async fn whoever_only_looks_changes_nothing(database: &Database, _: &Database) {
    keep(database, "one").await.unwrap();
    let written = database.read((), |(), tx| tx.execute("DELETE FROM api_keys", &[]));
    let written = written.await;
    assert!(matches!(written, Err(DbError::ReadOnly(_))), "{written:?}");
    assert_eq!(kept(database).await.unwrap(), ["one"]);
}

async fn a_statement_takes_as_many_parameters_as_it_names(database: &Database, _: &Database) {
    let wrong = database.read((), |(), tx| {
        Box::pin(async move {
            let read = "SELECT id FROM api_keys WHERE id = $1";
            tx.query(read, &["one".into(), "two".into()]).await
        })
    });
    let said = wrong.await.unwrap_err().to_string();
    assert!(
        said.contains("takes 1 parameters and was given 2"),
        "{said}"
    );
    let turned = database.read((), |(), tx| {
        Box::pin(async move {
            let read = "SELECT CAST($2 AS BIGINT), CAST($1 AS TEXT), CAST($2 AS BIGINT)";
            let rows = tx.query(read, &["one".into(), 2.into()]).await?;
            let row = rows.first().expect("a row");
            Ok((row.integer(0)?, row.text(1)?.to_owned(), row.integer(2)?))
        })
    });
    assert_eq!(turned.await, Ok((2, "one".to_owned(), 2)));
}

async fn there_is_one_clock(one: &Database, other: &Database) {
    let before = one.read((), |(), tx| tx.now()).await.unwrap();
    let after = other.read((), |(), tx| tx.now()).await.unwrap();
    assert!(
        before > 1_700_000_000_000,
        "milliseconds since 1970: {before}"
    );
    assert!(after >= before, "{before}, then {after}");
}

async fn whoever_gives_up_does_not_undo_it(database: &Database, _: &Database) {
    let (begun, begins) = tokio::sync::oneshot::channel();
    let input = std::sync::Mutex::new(Some(begun));
    let unit = database.run(input, |begun, tx| {
        Box::pin(async move {
            let row = ["left".into(), (&[1]).into(), 1.into()];
            let kept = tx.execute(KEEP, &row).await;
            let begun = begun.lock().unwrap().take();
            begun.into_iter().for_each(|begun| begun.send(()).unwrap());
            kept
        })
    });
    tokio::select! {
        biased;
        _ = begins => {}
        _ = unit => panic!("it is given up before its answer is looked at"),
    }
    // A row with the same name can be written only after that one.
    let other = keep(database, "left").await;
    assert!(matches!(other, Err(DbError::Constraint(_))), "{other:?}");
}

async fn a_probe_is_kept_like_anything_else(database: &Database, _: &Database) {
    let before = database.figures();
    database.probe().await.unwrap();
    let after = database.figures();
    assert_eq!(after.commits, before.commits + 1);
    assert_eq!(after.units, before.units + 1);
}
