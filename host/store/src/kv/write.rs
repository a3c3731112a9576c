//! Changing keys and counting what their service keeps, in one unit of work.

use super::{Bucket, Changed, Full, Key, Measure, Quota, Writer};
use crate::db::{DbError, Tx, Value};
use crate::leases;
use std::collections::BTreeMap;

/// By how much a change makes more of what a service keeps, or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Growth {
    bytes: i64,
    keys: i64,
}

/// Sets the values of keys, or deletes those without one, if the leases are held and the quota has room for it.
pub(super) async fn written(
    writer: &Writer,
    values: &BTreeMap<Key, Option<Vec<u8>>>,
    tx: &mut dyn Tx,
) -> Result<Changed, DbError> {
    for lease in &writer.leases {
        if !leases::stands(lease, tx).await? {
            return Ok(Changed::Stale(lease.clone()));
        }
    }
    let mut growth = Growth::default();
    for (key, value) in values {
        let before = size(&writer.bucket, key, tx).await?;
        growth.count(key, before, value.as_ref().map(|value| length(value.len())));
    }
    let service = &writer.bucket.service;
    if let Some(full) = counted(service, writer.quota, growth, tx).await? {
        return Ok(Changed::Full(full));
    }
    for (key, value) in values {
        match value {
            Some(value) => set(writer, key, value, tx).await?,
            None => delete(&writer.bucket, key, tx).await?,
        }
    }
    Ok(Changed::Yes)
}

/// How much a service keeps: bytes, and keys.
pub(super) async fn used(service: &str, tx: &mut dyn Tx) -> Result<(i64, i64), DbError> {
    const SQL: &str = "SELECT bytes, keys FROM kv_usage WHERE service = $1";
    let rows = tx.query(SQL, &[service.into()]).await?;
    match rows.first() {
        Some(row) => Ok((row.integer(0)?, row.integer(1)?)),
        None => Ok((0, 0)),
    }
}

impl Growth {
    fn count(&mut self, key: &Key, before: Option<i64>, after: Option<i64>) {
        let key = length(key.as_str().len());
        let bytes = |value: Option<i64>| value.map_or(0, |value| key.saturating_add(value));
        self.bytes = self
            .bytes
            .saturating_add(bytes(after).saturating_sub(bytes(before)));
        self.keys += i64::from(after.is_some()) - i64::from(before.is_some());
    }
}

/// Counts it, unless that would be more than the quota. Who keeps more than a quota that was lowered can still make it less.
async fn counted(
    service: &str,
    quota: Quota,
    growth: Growth,
    tx: &mut dyn Tx,
) -> Result<Option<Full>, DbError> {
    const SQL: &str = "INSERT INTO kv_usage (service, bytes, keys) VALUES ($1, $2, $3) \
                       ON CONFLICT (service) DO UPDATE SET bytes = excluded.bytes, keys = excluded.keys";
    // What changes no count needs no row, and so is in nobody's way but at its own keys.
    if growth == Growth::default() {
        return Ok(None);
    }
    let (bytes, keys) = used(service, tx).await?;
    for (what, used, by, limit) in [
        (Measure::Keys, keys, growth.keys, quota.keys),
        (Measure::Bytes, bytes, growth.bytes, quota.bytes),
    ] {
        let wanted = used.saturating_add(by).unsigned_abs();
        if by > 0 && wanted > limit {
            let used = used.unsigned_abs();
            return Ok(Some(Full {
                what,
                used,
                wanted,
                limit,
            }));
        }
    }
    let values: [Value; 3] = [
        service.into(),
        bytes.saturating_add(growth.bytes).into(),
        keys.saturating_add(growth.keys).into(),
    ];
    tx.execute(SQL, &values).await?;
    Ok(None)
}

async fn size(bucket: &Bucket, key: &Key, tx: &mut dyn Tx) -> Result<Option<i64>, DbError> {
    const SQL: &str = "SELECT CAST(length(value) AS BIGINT) FROM kv \
                       WHERE service = $1 AND bucket = $2 AND key = $3";
    let rows = tx.query(SQL, &bucket.row(key)).await?;
    rows.first().map(|row| row.integer(0)).transpose()
}

async fn set(writer: &Writer, key: &Key, value: &[u8], tx: &mut dyn Tx) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO kv (service, bucket, key, value, written_by) VALUES ($1, $2, $3, $4, $5) \
                       ON CONFLICT (service, bucket, key) \
                       DO UPDATE SET value = excluded.value, written_by = excluded.written_by";
    let [service, name, key] = writer.bucket.row(key);
    let values = [service, name, key, value.into(), (&writer.call).into()];
    tx.execute(SQL, &values).await.map(|_| ())
}

async fn delete(bucket: &Bucket, key: &Key, tx: &mut dyn Tx) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM kv WHERE service = $1 AND bucket = $2 AND key = $3";
    tx.execute(SQL, &bucket.row(key)).await.map(|_| ())
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
