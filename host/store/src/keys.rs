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
