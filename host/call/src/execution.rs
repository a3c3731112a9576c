//! The execution of a call: what is kept of it, so that asking again does not do it again.
//!
//! A call that carries a key has a row in the database from its claim to its outcome, and every call below it hangs on that row: before the
//! first of them that may change something outside, the row says so. Whoever finds the row without its holder after that knows that it
//! must not simply be done again.

use crate::fault::Fault;
use crate::future::BoxFuture;
use http::HeaderMap;
use std::sync::Arc;

/// The header by which a client says that a request is the same as an earlier one.
pub const KEY_HEADER: http::HeaderName = http::HeaderName::from_static("idempotency-key");

/// The execution that a call is part of.
pub trait Execution: Send + Sync {
    /// Something outside is about to be changed. Ready once that is on record, for this execution and those it is part of.
    ///
    /// # Errors
    /// It cannot be put on record, or the execution is no longer this host's: then nothing may be changed.
    fn effect(&self) -> BoxFuture<'_, Result<(), Fault>>;
}

/// What a request says makes it the same as an earlier one, as it was written. Several fields are one text, as a reader of headers has them,
/// and what is no text is one that nobody can have meant.
#[must_use]
pub fn claimed_key(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let first = text(values.next()?);
    Some(
        values
            .map(text)
            .fold(first, |all, next| all + ", " + &next)
            .into(),
    )
}
