//! A secret: a value that is put in where it is wanted, and that nothing prints.
//!
//! Its memory is overwritten when the last one who holds it lets go. It knows in which forms it could show up elsewhere, so that whoever
//! looks for it (the log, the reader of an answer) looks for the same.

mod forms;

use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The longest secret, in bytes: a header must hold it.
pub const SECRET_BYTES_MAX: u64 = 16 * 1024;

/// The shortest secret, in bytes: lines of the log and answers of upstreams are searched for it.
pub const SECRET_BYTES_MIN: usize = 8;

/// A secret's value. It has no `Display`, and `Debug` says only that it is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// The value, for the place in a request and for whoever looks out for it; nothing else has a reason to ask.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Checks a secret; one line end after it is taken off.
    ///
    /// # Errors
    /// It cannot stand in a header, or could not be told from ordinary text. The message does not hold it.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err("the secret is empty".to_owned());
        }
        if text.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "the secret is shorter than {SECRET_BYTES_MIN} bytes: it could not be told from ordinary text"
            ));
        }
        if text.len() as u64 > SECRET_BYTES_MAX {
            return Err(format!(
                "the secret is longer than {SECRET_BYTES_MAX} bytes"
            ));
        }
        if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err("the secret holds characters that a header cannot".to_owned());
        }
        Ok(Self(Arc::new(Zeroizing::new(text.to_owned()))))
    }

    /// Every form in which it is looked for: in clear, escaped as in JSON, percent-encoded, and what it makes of a base64 text, wherever it
    /// stands in one.
    #[must_use]
    pub fn forms(&self) -> Vec<Zeroizing<String>> {
        forms::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Why a secret could not be read. What is in it is never said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is nowhere; every place that was looked at.
    #[error("there is no secret: {0}")]
    Missing(String),
    /// It is there, and cannot be used: others could read it, or it is no secret.
    #[error("{0}")]
    Wrong(String),
}

/// Stands among the extensions of an answer in which an upstream refused a credential that the host has exchanged for another one since:
/// the same request may be answered otherwise now, and nothing took effect.
#[derive(Clone, Copy, Debug)]
pub struct Exchanged;
