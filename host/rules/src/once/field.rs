//! The value of a header as it is kept: a text where it is one, for whoever looks.

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The value of a header.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Field {
    Text(String),
    Bytes(Vec<u8>),
}

/// Headers with their names, in their order.
pub(crate) type Fields = Vec<(String, Field)>;

impl Field {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Bytes(bytes.to_vec()),
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
        }
    }
}

/// Headers as they are.
pub(crate) fn fields(headers: &HeaderMap) -> Fields {
    let pairs = headers.iter();
    let pairs = pairs.map(|(name, value)| (name.to_string(), Field::of(value.as_bytes())));
    pairs.collect()
}
