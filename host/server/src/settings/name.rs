//! Names of services, upstreams and folders: one label of a host name, so that `http://NAME.internal/` always means the service.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A checked name: 1 to 63 of `a-z`, `0-9` and `-`, not `internal`, with no `-` at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// Says which rule it breaks, as a lower-case fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > 63 || !text.bytes().all(fits) {
            return Err(format!(
                "`{}` is not a name: 1 to 63 of a-z, 0-9 and `-`",
                text.escape_debug()
            ));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(format!("`{text}` is not a name: no `-` at its ends"));
        }
        if text == "internal" {
            return Err(
                "`internal` is not a name: it ends the addresses of all services".to_owned(),
            );
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}
