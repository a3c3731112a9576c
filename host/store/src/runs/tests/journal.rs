//! What is written into a journal stays there, once.

use super::*;

#[tokio::test]
async fn an_entry_is_written_once_and_its_result_never_becomes_another() {
    let world = world().await;
    let had = world.has("call-1", &holder("a", 1)).await;
    let (database, hold) = (&world.database, || had.hold.clone());
    let (yes, lost) = (Ok(Held::Yes), Ok(Held::Lost));
    let other = || Intent {
        asked: [8; 32],
        ..intent(1)
    };
    for _ in 0..2 {
        assert_eq!(intend(database, hold(), intent(1)).await, yes);
    }
    assert_eq!(intend(database, hold(), other()).await, lost);
    assert_eq!(came(database, hold(), other(), result(1)).await, lost);
    let unknown = entries(database, hold()).await.unwrap().unwrap();
    assert_eq!((unknown.len(), &unknown[0].came), (1, &None));
    for _ in 0..2 {
        assert_eq!(came(database, hold(), intent(1), result(1)).await, yes);
    }
    for another in [
        result(2),
        Came {
            bytes: b"unpaid".to_vec(),
            ..result(1)
        },
        Came {
            ended_ns: 1,
            ..result(1)
        },
    ] {
        assert_eq!(came(database, hold(), intent(1), another).await, lost);
    }
    assert_eq!(came(database, hold(), other(), result(1)).await, lost);
    // That it was intended may be said again where nobody knows whether it was.
    assert_eq!(intend(database, hold(), intent(1)).await, yes);
    let known = entries(database, hold()).await.unwrap().unwrap();
    let is = Entry {
        ordinal: 1,
        what: "http POST /pay".to_owned(),
        asked: [9; 32],
        began_ns: 1_001,
        came: Some(result(1)),
    };
    assert_eq!(known, [is]);
}

#[tokio::test]
async fn a_journal_stands_in_the_order_of_asking_and_counts_what_came() {
    let world = world().await;
    let had = world.has("call-1", &holder("a", 1)).await;
    let (database, hold) = (&world.database, || had.hold.clone());
    assert_eq!(intend(database, hold(), intent(2)).await, Ok(Held::Yes));
    let row = world.row("call-1").await;
    assert_eq!((row.entries, row.starts), (2, 1), "nothing came of it yet");
    // A sleep is written when it is over.
    let slept = came(database, hold(), intent(3), result(1)).await;
    assert_eq!(slept, Ok(Held::Yes));
    let row = world.row("call-1").await;
    assert_eq!((row.entries, row.starts), (3, 0));
    assert_eq!(intend(database, hold(), intent(1)).await, Ok(Held::Yes));
    assert_eq!(
        came(database, hold(), intent(1), result(2)).await,
        Ok(Held::Yes)
    );
    assert_eq!(world.row("call-1").await.entries, 3);
    let (_, journal, outcome) = show(database, "call-1").await.unwrap().unwrap();
    assert_eq!(outcome, None);
    let places: Vec<_> = journal
        .iter()
        .map(|entry| (entry.ordinal, entry.came.as_ref().map(|came| came.place)))
        .collect();
    assert_eq!(places, [(1, Some(2)), (2, None), (3, Some(1))]);
    assert_eq!(entries(database, hold()).await, Ok(Some(journal)));
}

#[tokio::test]
async fn who_has_let_go_may_say_what_came_and_nothing_else() {
    let world = world().await;
    let a = holder("a", 1);
    let had = world.has("call-1", &a).await;
    let (database, hold) = (&world.database, || had.hold.clone());
    intend(database, hold(), intent(1)).await.unwrap();
    let off = put_off(database, hold(), Duration::ZERO, String::new()).await;
    assert_eq!(off, Ok(Held::Yes));
    assert_eq!(intend(database, hold(), intent(2)).await, Ok(Held::Lost));
    assert_eq!(
        came(database, hold(), intent(1), result(1)).await,
        Ok(Held::Yes)
    );
    let done = finish(database, hold(), b"late".to_vec(), KEEP).await;
    assert_eq!(done, Ok(Held::Lost));
    let again = world.takes(&a, LEASE).await.unwrap();
    world.is_nothing_to(&had.hold).await;
    let journal = entries(database, again.hold).await.unwrap().unwrap();
    assert_eq!((journal.len(), &journal[0].came), (1, &Some(result(1))));
}
