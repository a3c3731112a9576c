//! What the rows of queues have in common.

use crate::db::{DbError, Row, Value};
use holdfast_call::CallId;
use holdfast_call::message::Receipt;
use std::time::Duration;

pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The first two values of a statement on a message by whoever has it.
pub(super) fn receipt_values(receipt: &Receipt) -> [Value; 2] {
    [receipt.id.to_string().into(), receipt.fence.into()]
}

pub(super) fn id(row: &Row, cell: usize) -> Result<CallId, DbError> {
    let text = row.text(cell)?;
    CallId::parse(text).ok_or_else(|| corrupt("the name of a message is none"))
}

pub(super) fn count(row: &Row, cell: usize) -> Result<u64, DbError> {
    row.integer(cell)
        .map(|count| u64::try_from(count).unwrap_or(0))
}

/// The attributes of a message, as they are kept: pairs, as JSON.
pub(super) fn written(attributes: &[(String, String)]) -> String {
    serde_json::to_string(attributes).unwrap_or_default()
}

pub(super) fn attributes(row: &Row, cell: usize) -> Result<Vec<(String, String)>, DbError> {
    serde_json::from_str(row.text(cell)?)
        .map_err(|_| corrupt("the attributes of a message are none"))
}

pub(super) fn corrupt(what: &str) -> DbError {
    DbError::Corrupt(what.to_owned())
}
