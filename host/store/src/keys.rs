//! The keys of callers, as they are kept: of each its name, whose it is, and the hash of its secret part, never the secret.

use crate::db::{Database, DbError, Row, Tx, Value};
use std::time::Duration;

/// How many keys of one principal may hold at once: the old and the new one, while one takes the place of the other.
pub const LIVE_MAX: usize = 2;

/// A key that is to be kept.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub principal: String,
    /// The SHA-256 of its secret part.
    pub secret: [u8; 32],
    /// What it is good for, as whoever reads it understands.
    pub scopes: String,
    /// How long it lasts from now, by the database's clock.
    pub lasts: Option<Duration>,
    /// What it is for, in the operator's words.
    pub why: String,
}

/// A key as it is kept. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub principal: String,
    /// The SHA-256 of its secret part.
    pub secret: [u8; 32],
    /// What it is good for.
    pub scopes: String,
    /// When it was made.
    pub created_ms: u64,
    /// When it ends, if it does.
    pub expires_ms: Option<u64>,
    /// When it was taken back, if it was.
    pub revoked_ms: Option<u64>,
    /// What it is for.
    pub why: String,
}

/// What became of a key that was to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is kept.
    Kept,
    /// Its principal has as many that hold as he may have: these.
    Enough(Vec<String>),
}

/// What became of a key that was to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It holds no more.
    Now,
    /// It held no more.
    Before,
    /// There is none of this name.
    NoSuchKey,
}

/// Keeps a key, unless its principal has enough of them that hold.
///
/// # Errors
/// The database fails; nothing is kept, unless the error says that nobody knows.
pub async fn add(database: &Database, key: NewKey) -> Result<Added, DbError> {
    database.run(key, |key, tx| Box::pin(added(key, tx))).await
}

/// Every key, the oldest of a principal first.
///
/// # Errors
/// The database fails.
pub async fn all(database: &Database) -> Result<Vec<KeyRow>, DbError> {
    database
        .read((), |(), tx| {
            Box::pin(async move {
                let rows = tx.query(ALL, &[]).await?;
                rows.iter().map(key_row).collect()
            })
        })
        .await
}

/// Takes a key back, for ever.
///
/// # Errors
/// The database fails; the key still holds, unless the error says that nobody knows.
pub async fn revoke(database: &Database, id: &str) -> Result<Revoked, DbError> {
    database
        .run(id.to_owned(), |id, tx| Box::pin(revoked(id, tx)))
        .await
}

const ALL: &str = "SELECT id, principal, secret_sha256, scopes, created_ms, expires_ms, revoked_ms, why \
                   FROM api_keys ORDER BY principal, created_ms, id";

async fn added(key: &NewKey, tx: &mut dyn Tx) -> Result<Added, DbError> {
    let now = tx.now().await?;
    let live = "SELECT id FROM api_keys WHERE principal = $1 AND revoked_ms IS NULL \
                AND (expires_ms IS NULL OR expires_ms > $2) ORDER BY created_ms, id";
    let rows = tx
        .query(live, &[(&key.principal).into(), now.into()])
        .await?;
    if rows.len() >= LIVE_MAX {
        let ids = rows.iter().map(|row| row.text(0).map(str::to_owned));
        return Ok(Added::Enough(ids.collect::<Result<_, _>>()?));
    }
    let lasts = key.lasts.map(|span| i64::try_from(span.as_millis()));
    let ends = lasts.map(|span| now.saturating_add(span.unwrap_or(i64::MAX)));
    let insert = "INSERT INTO api_keys (id, principal, secret_sha256, scopes, created_ms, expires_ms, why) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values: [Value; 7] = [
        (&key.id).into(),
        (&key.principal).into(),
        (&key.secret).into(),
        (&key.scopes).into(),
        now.into(),
        ends.into(),
        (&key.why).into(),
    ];
    tx.execute(insert, &values).await?;
    Ok(Added::Kept)
}

async fn revoked(id: &String, tx: &mut dyn Tx) -> Result<Revoked, DbError> {
    let now = tx.now().await?;
    let update = "UPDATE api_keys SET revoked_ms = $1 WHERE id = $2 AND revoked_ms IS NULL";
    if tx.execute(update, &[now.into(), id.into()]).await? > 0 {
        return Ok(Revoked::Now);
    }
    let known = tx
        .query("SELECT id FROM api_keys WHERE id = $1", &[id.into()])
        .await?;
    Ok(match known.as_slice() {
        [] => Revoked::NoSuchKey,
        _ => Revoked::Before,
    })
}

fn key_row(row: &Row) -> Result<KeyRow, DbError> {
    let secret = <[u8; 32]>::try_from(row.bytes(2)?)
        .map_err(|_| DbError::Corrupt("the hash of a key has another length".to_owned()))?;
    let time = |millis: i64| u64::try_from(millis).unwrap_or(0);
    Ok(KeyRow {
        id: row.text(0)?.to_owned(),
        principal: row.text(1)?.to_owned(),
        secret,
        scopes: row.text(3)?.to_owned(),
        created_ms: time(row.integer(4)?),
        expires_ms: row.optional_integer(5)?.map(time),
        revoked_ms: row.optional_integer(6)?.map(time),
        why: row.text(7)?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Place;

    fn key(id: &str, principal: &str, lasts: Option<Duration>) -> NewKey {
        NewKey {
            id: id.to_owned(),
            principal: principal.to_owned(),
            secret: [7; 32],
            scopes: "notes:GET *".to_owned(),
            lasts,
            why: "a test".to_owned(),
        }
    }

    async fn database(folder: &tempfile::TempDir) -> Database {
        Database::open(Place::File(folder.path().join("test.db")))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_was_added_is_found_again_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(24 * 3600);
        let first = database(&folder).await;
        let lasting = key("a", "ann", Some(day));
        assert_eq!(add(&first, lasting).await, Ok(Added::Kept));
        assert_eq!(add(&first, key("b", "bob", None)).await, Ok(Added::Kept));
        drop(first);
        let rows = all(&database(&folder).await).await.unwrap();
        assert_eq!(rows.len(), 2);
        let (ann, bob) = (&rows[0], &rows[1]);
        assert_eq!(
            (&*ann.id, &*ann.principal, ann.secret),
            ("a", "ann", [7; 32])
        );
        assert_eq!((&*ann.scopes, &*ann.why), ("notes:GET *", "a test"));
        assert_eq!(ann.expires_ms, Some(ann.created_ms + 86_400_000));
        assert_eq!(
            (&*bob.id, bob.expires_ms, bob.revoked_ms),
            ("b", None, None)
        );
    }

    #[tokio::test]
    async fn a_principal_has_two_keys_that_hold_however_many_are_asked_for_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        let mut asked = tokio::task::JoinSet::new();
        for number in 0..8 {
            let database = database.clone();
            let wanted = key(&number.to_string(), "ann", None);
            asked.spawn(async move { add(&database, wanted).await.unwrap() });
        }
        let answers = asked.join_all().await;
        let kept = answers
            .iter()
            .filter(|answer| **answer == Added::Kept)
            .count();
        assert_eq!(kept, LIVE_MAX);
        // One that is taken back, or over, makes room.
        let live = all(&database).await.unwrap().remove(0);
        assert_eq!(revoke(&database, &live.id).await, Ok(Revoked::Now));
        assert_eq!(revoke(&database, &live.id).await, Ok(Revoked::Before));
        assert_eq!(revoke(&database, "nobody").await, Ok(Revoked::NoSuchKey));
        let over = key("over", "ann", Some(Duration::ZERO));
        assert_eq!(add(&database, over).await, Ok(Added::Kept));
        assert_eq!(
            add(&database, key("new", "ann", None)).await,
            Ok(Added::Kept)
        );
        let more = add(&database, key("more", "ann", None)).await.unwrap();
        assert!(matches!(more, Added::Enough(live) if live.len() == LIVE_MAX));
    }
}
