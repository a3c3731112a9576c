//! Key-value: what services keep, each under its own name.
//!
//! A bucket belongs to one service, whose name the host says and not the guest, so that no key reaches the values of another one. What a
//! service keeps is counted in the same unit of work that changes it, and a change that would go beyond its quota is not made. Many keys
//! are changed as a whole or not at all. Each value has the name of the call that wrote it, which is also what tells whether it is still
//! the one that somebody has seen. Who holds leases changes nothing once one of them is not his any more.

mod write;

use crate::db::{Database, DbError, Row, Tx, Value};
use crate::leases::Lease;
use std::collections::BTreeMap;
use std::fmt;
use write::written;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// The largest value, in bytes: more is a file, and belongs elsewhere.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// How many keys one page has at most.
pub const PAGE_KEYS_MAX: usize = 1_000;
/// How many keys are read or changed together at most.
pub const MANY_KEYS_MAX: usize = 1_000;
/// How many bytes of values are read or changed together at most.
pub const MANY_BYTES_MAX: usize = 8 << 20;

/// A key: one to 256 bytes of text without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// There is none.
    #[error("a key has at least one byte")]
    Empty,
    /// It is too long.
    #[error("a key has at most {KEY_BYTES_MAX} bytes, and this one has {0}")]
    Long(usize),
    /// It cannot be shown.
    #[error("a key has no control characters")]
    Control,
}

impl Key {
    /// Checks a key.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse(text: String) -> Result<Self, BadKey> {
        match text.len() {
            0 => Err(BadKey::Empty),
            long if long > KEY_BYTES_MAX => Err(BadKey::Long(long)),
            _ if text.chars().any(char::is_control) => Err(BadKey::Control),
            _ => Ok(Self(text)),
        }
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Keys are kept as bytes, so that both databases have them in the same order.
    pub(crate) fn value(&self) -> Value {
        self.0.as_bytes().into()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A bucket of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Whose it is.
    pub service: String,
    /// Its name.
    pub name: String,
}

/// How much a service may keep in all of its buckets together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of its keys and values.
    pub bytes: u64,
    /// Keys.
    pub keys: u64,
}

/// Who changes something, where, and within what.
#[derive(Clone, Debug)]
pub struct Writer {
    /// The bucket.
    pub bucket: Bucket,
    /// What its service may keep.
    pub quota: Quota,
    /// The call that changes it.
    pub call: String,
    /// The leases under which it does so: all of them must still be held.
    pub leases: Vec<Lease>,
}

/// What of a service's quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Which of the two.
    pub what: Measure,
    /// How much the service keeps.
    pub used: u64,
    /// How much it would have kept after the change.
    pub wanted: u64,
    /// How much it may keep.
    pub limit: u64,
}

/// What is counted of what a service keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The bytes of its keys and values.
    Bytes,
    /// Its keys.
    Keys,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is made.
    Yes,
    /// There is no room for it, and nothing is changed.
    Full(Full),
    /// A lease is no longer held, and nothing is changed.
    Stale(Lease),
}

/// What became of an addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is made, and this is the sum.
    To(i64),
    /// The value is no number, and as it was.
    NoNumber,
    /// The sum would be beyond what 64 bits hold; the value is as it was.
    Beyond,
    /// There is no room for it.
    Full(Full),
    /// A lease is no longer held; the value is as it was.
    Stale(Lease),
}

/// What became of a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// It is made.
    Yes,
    /// Somebody was faster, and nothing is changed. What the key's value is called now, if it has one.
    Other(Option<String>),
    /// There is no room for it.
    Full(Full),
    /// A lease is no longer held; the value is as it was.
    Stale(Lease),
}

/// The values of many keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// In the order of the keys; none for a key that is not there.
    Values(Vec<Option<Vec<u8>>>),
    /// Together they are larger than what is read together.
    TooLarge,
}

/// Some of a bucket's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order of their bytes.
    pub keys: Vec<String>,
    /// The last of them, if there are more behind it.
    pub more_after: Option<String>,
}

/// The values of these keys.
///
/// # Errors
/// The database fails.
pub async fn get(database: &Database, bucket: Bucket, keys: Vec<Key>) -> Result<Got, DbError> {
    database
        .read((bucket, keys), |(bucket, keys), tx| {
            Box::pin(async move {
                let (mut values, mut bytes) = (Vec::with_capacity(keys.len()), 0);
                for key in keys {
                    let value = value_of(bucket, key, tx).await?;
                    bytes += value.as_ref().map_or(0, Vec::len);
                    if bytes > MANY_BYTES_MAX {
                        return Ok(Got::TooLarge);
                    }
                    values.push(value);
                }
                Ok(Got::Values(values))
            })
        })
        .await
}

/// What the value of a key is called: another name means another value. None if there is no such key.
///
/// # Errors
/// The database fails.
pub async fn version(
    database: &Database,
    bucket: Bucket,
    key: Key,
) -> Result<Option<String>, DbError> {
    database
        .read((bucket, key), |(bucket, key), tx| {
            Box::pin(version_of(bucket, key, tx))
        })
        .await
}

/// A page of keys: the first one, or the one behind a key.
///
/// # Errors
/// The database fails.
pub async fn page(
    database: &Database,
    bucket: Bucket,
    after: Option<String>,
) -> Result<Page, DbError> {
    let after = after.unwrap_or_default().into_bytes();
    database
        .read((bucket, after), |(bucket, after), tx| {
            Box::pin(async move {
                const SQL: &str = "SELECT key FROM kv WHERE service = $1 AND bucket = $2 AND key > $3 \
                                   ORDER BY key LIMIT $4";
                // One more than a page has, to see whether there are more.
                let most = i64::try_from(PAGE_KEYS_MAX).unwrap_or(i64::MAX).saturating_add(1);
                let [service, name] = bucket.values();
                let params = [service, name, after.clone().into(), most.into()];
                let rows = tx.query(SQL, &params).await?;
                let mut keys = rows.iter().map(text).collect::<Result<Vec<_>, _>>()?;
                let more = keys.len() > PAGE_KEYS_MAX;
                keys.truncate(PAGE_KEYS_MAX);
                let more_after = keys.last().cloned().filter(|_| more);
                Ok(Page { keys, more_after })
            })
        })
        .await
}

/// Sets the values of keys, or deletes those without one: all or none.
///
/// # Errors
/// The database fails; nothing is changed, unless the error says that nobody knows.
pub async fn change(
    database: &Database,
    writer: Writer,
    values: BTreeMap<Key, Option<Vec<u8>>>,
) -> Result<Changed, DbError> {
    database
        .run((writer, values), |(writer, values), tx| {
            Box::pin(written(writer, values, tx))
        })
        .await
}

/// Adds to the number that a key has as its value, in decimal digits. A key that is not there counts as zero.
///
/// # Errors
/// The database fails; nothing is changed, unless the error says that nobody knows.
pub async fn add(
    database: &Database,
    writer: Writer,
    key: Key,
    delta: i64,
) -> Result<Added, DbError> {
    database
        .run((writer, key, delta), |(writer, key, delta), tx| {
            Box::pin(added(writer, key, *delta, tx))
        })
        .await
}

/// Sets the value of a key if it is still the one that is called so; none stands for a key that is not there.
///
/// # Errors
/// The database fails; nothing is changed, unless the error says that nobody knows.
pub async fn swap(
    database: &Database,
    writer: Writer,
    key: Key,
    seen: Option<String>,
    value: Vec<u8>,
) -> Result<Swapped, DbError> {
    let values = BTreeMap::from([(key.clone(), Some(value))]);
    database
        .run(
            (writer, key, seen, values),
            |(writer, key, seen, values), tx| {
                Box::pin(async move {
                    let there = version_of(&writer.bucket, key, tx).await?;
                    if there != *seen {
                        return Ok(Swapped::Other(there));
                    }
                    Ok(match written(writer, values, tx).await? {
                        Changed::Yes => Swapped::Yes,
                        Changed::Full(full) => Swapped::Full(full),
                        Changed::Stale(lease) => Swapped::Stale(lease),
                    })
                })
            },
        )
        .await
}

/// How much a service keeps: bytes, and keys.
///
/// # Errors
/// The database fails.
pub async fn usage(database: &Database, service: String) -> Result<(u64, u64), DbError> {
    database
        .read(service, |service, tx| {
            Box::pin(async move {
                let (bytes, keys) = write::used(service, tx).await?;
                Ok((bytes.unsigned_abs(), keys.unsigned_abs()))
            })
        })
        .await
}

async fn added(writer: &Writer, key: &Key, delta: i64, tx: &mut dyn Tx) -> Result<Added, DbError> {
    let there = value_of(&writer.bucket, key, tx).await?;
    let there = match there.as_deref().map(number) {
        None => 0,
        Some(Some(number)) => number,
        Some(None) => return Ok(Added::NoNumber),
    };
    let Some(sum) = there.checked_add(delta) else {
        return Ok(Added::Beyond);
    };
    let values = BTreeMap::from([(key.clone(), Some(sum.to_string().into_bytes()))]);
    Ok(match written(writer, &values, tx).await? {
        Changed::Yes => Added::To(sum),
        Changed::Full(full) => Added::Full(full),
        Changed::Stale(lease) => Added::Stale(lease),
    })
}

async fn value_of(bucket: &Bucket, key: &Key, tx: &mut dyn Tx) -> Result<Option<Vec<u8>>, DbError> {
    const SQL: &str = "SELECT value FROM kv WHERE service = $1 AND bucket = $2 AND key = $3";
    let rows = tx.query(SQL, &bucket.row(key)).await?;
    let value = rows.first().map(|row| row.bytes(0)).transpose()?;
    Ok(value.map(<[u8]>::to_vec))
}

async fn version_of(
    bucket: &Bucket,
    key: &Key,
    tx: &mut dyn Tx,
) -> Result<Option<String>, DbError> {
    const SQL: &str = "SELECT written_by FROM kv WHERE service = $1 AND bucket = $2 AND key = $3";
    let rows = tx.query(SQL, &bucket.row(key)).await?;
    let version = rows.first().map(|row| row.text(0)).transpose()?;
    Ok(version.map(str::to_owned))
}

impl Bucket {
    fn values(&self) -> [Value; 2] {
        [(&self.service).into(), (&self.name).into()]
    }

    /// What its row of a key is found by.
    fn row(&self, key: &Key) -> [Value; 3] {
        let [service, name] = self.values();
        [service, name, key.value()]
    }
}

/// The number that a value is, if it is one.
fn number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn text(row: &Row) -> Result<String, DbError> {
    key_text(row, 0)
}

/// A key as it is kept.
pub(crate) fn key_text(row: &Row, column: usize) -> Result<String, DbError> {
    let key = String::from_utf8(row.bytes(column)?.to_vec());
    key.map_err(|_| DbError::Corrupt("a key is no text".to_owned()))
}

#[cfg(test)]
mod tests;
