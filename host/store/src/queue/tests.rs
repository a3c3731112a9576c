//! Who has a message under which fence.

use super::*;
use crate::db::Place;
use holdfast_call::{Caller, Link, Trace, WallTime, Why};

fn message() -> Message {
    let id = CallId::new(WallTime(1), [7; 16]);
    Message {
        id,
        queue: "mailer".into(),
        operation: None,
        body: Default::default(),
        content_type: None,
        attributes: Vec::new(),
        lane: None,
        dedupe: None,
        delay: Duration::ZERO,
        sent_by: id,
        caller: Caller::outside(Link::Anonymous),
        why: Why::undeclared(),
        trace: Trace::start([1; 16], [2; 16]),
    }
}

async fn take(database: &Database) -> Receipt {
    let holder = Holder {
        host: "host".to_owned(),
        epoch: 1,
    };
    let claimed = claim(database, "mailer".to_owned(), (1, 0), holder).await;
    claimed.unwrap().deliveries.remove(0).receipt
}

/// Found by the simulator: a message that was buried and delivered again began its fences anew, so that somebody who had it before and came
/// late was taken for the one who has it now.
#[tokio::test]
async fn whoever_had_a_message_before_it_died_does_not_have_it_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("test.db"));
    let database = Database::open(place).await.unwrap();
    let sent = Sent {
        receipt: None,
        messages: vec![message()],
    };
    assert_eq!(settle(&database, sent).await, Ok(Held::Yes));
    let late = take(&database).await;
    let fault = || "it failed".to_owned();
    assert_eq!(bury(&database, late.clone(), fault()).await, Ok(Held::Yes));
    let id = late.id.to_string();
    assert_eq!(redrive(&database, id).await, Ok(Moved::Yes));
    let newest = take(&database).await;
    assert!(newest.fence > late.fence, "{newest:?} after {late:?}");
    let comes = Sent {
        receipt: Some(late.clone()),
        messages: Vec::new(),
    };
    assert_eq!(settle(&database, comes).await, Ok(Held::Lost));
    let back = give_back(
        &database,
        late.clone(),
        Duration::ZERO,
        Counted::Yes,
        fault(),
    );
    assert_eq!(back.await, Ok(Held::Lost));
    assert_eq!(bury(&database, late, fault()).await, Ok(Held::Lost));
    let comes = Sent {
        receipt: Some(newest),
        messages: Vec::new(),
    };
    assert_eq!(settle(&database, comes).await, Ok(Held::Yes));
}
