//! Numbers come one after the other, for each service and name, and no service has too many names.

use super::*;
use crate::db::Place;

#[tokio::test]
async fn numbers_are_dense_and_each_services_own_and_their_names_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("test.db"));
    let database = Database::open(place).await.unwrap();
    let take = |service: &str, name: &str| {
        let name = Key::parse(name.to_owned()).unwrap();
        next(&database, service.to_owned(), name)
    };
    for number in 1..=3 {
        assert_eq!(take("notes", "a").await.unwrap(), Taken::Number(number));
    }
    assert_eq!(take("notes", "b").await.unwrap(), Taken::Number(1));
    assert_eq!(take("other", "a").await.unwrap(), Taken::Number(1));
    let fill = database.run((), |(), tx| {
        Box::pin(async move {
            const SQL: &str = "INSERT INTO sequences (service, name, last) VALUES ('notes', $1, 1)";
            for number in 2..SEQUENCES_MAX {
                let name = format!("n{number}").into_bytes();
                tx.execute(SQL, &[name.into()]).await?;
            }
            Ok(())
        })
    });
    fill.await.unwrap();
    assert_eq!(take("notes", "c").await.unwrap(), Taken::TooMany);
    assert_eq!(take("notes", "a").await.unwrap(), Taken::Number(4));
    assert_eq!(take("other", "c").await.unwrap(), Taken::Number(1));
}
