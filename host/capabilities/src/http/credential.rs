//! The credential that the host puts into a request: the guest never holds it, and cannot send one of its own in its place.
//!
//! The value is never formatted: not in an error, not in evidence, not by `Debug`.

use super::headers::is_hop_by_hop;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// Why a credential cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// A control character, or a byte beyond ASCII.
    #[error("the secret has a character that no header may carry")]
    Value,
    /// The header steers the connection, so it cannot carry a credential.
    #[error("the header {0} belongs to the connection and cannot carry a credential")]
    Header(HeaderName),
}

/// A header's value that nothing prints.
#[derive(Clone)]
pub struct Secret(HeaderValue);

impl Secret {
    /// Keeps `value`, exactly as the header is to carry it (`Bearer …`).
    ///
    /// # Errors
    /// It cannot stand in a header.
    pub fn new(value: &str) -> Result<Self, CredentialError> {
        let mut value = HeaderValue::from_str(value).map_err(|_| CredentialError::Value)?;
        // Marks it for `Debug`, and keeps HTTP/2 from putting it into its compression table.
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// A secret and the header it goes into.
#[derive(Clone, Debug)]
pub struct Credential {
    header: HeaderName,
    value: Secret,
}

impl Credential {
    /// Puts the two together.
    ///
    /// # Errors
    /// The header belongs to the connection or to the message's framing.
    pub fn new(header: HeaderName, value: Secret) -> Result<Self, CredentialError> {
        let framing = [header::HOST, header::CONTENT_LENGTH, header::EXPECT];
        if is_hop_by_hop(&header) || framing.contains(&header) {
            return Err(CredentialError::Header(header));
        }
        Ok(Self { header, value })
    }

    /// Takes every header out that an upstream might read as this credential, however it is spelt.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        let own = |name: &HeaderName| reads_as(name.as_str(), self.header.as_str());
        let found: Vec<_> = headers.keys().filter(|name| own(name)).cloned().collect();
        for name in found {
            headers.remove(name);
        }
    }

    /// Puts the credential in, in place of whatever the guest sent for it.
    pub(super) fn inject(&self, headers: &mut HeaderMap) {
        self.strip(headers);
        headers.insert(self.header.clone(), self.value.0.clone());
    }
}

/// Many a server reads `x_api_key` as `x-api-key`, so the two count as one. Header names are lower case already.
fn reads_as(name: &str, header: &str) -> bool {
    name.len() == header.len()
        && name
            .bytes()
            .zip(header.bytes())
            .all(|(a, b)| a == b || (matches!(a, b'_' | b'-') && matches!(b, b'_' | b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential() -> Credential {
        let header = HeaderName::from_static("x-api-key");
        Credential::new(header, Secret::new("CANARY").unwrap()).unwrap()
    }

    #[test]
    fn the_guests_own_values_are_dropped_in_every_spelling() {
        let mut headers = HeaderMap::new();
        for name in [
            "X-Api-Key",
            "x-api-key",
            "X_API_KEY",
            "x-api_key",
            "x-api-key2",
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_static("mine"));
        }
        credential().inject(&mut headers);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["x-api-key"], "CANARY");
        assert_eq!(headers.get_all("x-api-key").iter().count(), 1);
        assert_eq!(headers["x-api-key2"], "mine");
    }

    #[test]
    fn the_secret_is_never_printed() {
        let mut headers = HeaderMap::new();
        credential().inject(&mut headers);
        assert!(!format!("{:?} {headers:?}", credential()).contains("CANARY"));
        let error = Secret::new("CANARY\n").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }

    #[test]
    fn a_header_of_the_connection_carries_no_credential() {
        for name in [
            "connection",
            "host",
            "te",
            "transfer-encoding",
            "content-length",
        ] {
            let header = HeaderName::from_static(name);
            let refused = Credential::new(header.clone(), Secret::new("x").unwrap()).unwrap_err();
            assert_eq!(refused, CredentialError::Header(header));
        }
    }
}
