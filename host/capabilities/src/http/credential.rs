//! The credential that the host puts into a request: the guest never holds it, and cannot send one of its own in its place.
//!
//! Where it goes is the policy's word: a header, a user's password, a parameter of the query, or a piece of the path. The value is never
//! formatted: not in an error, not in evidence, not by `Debug`.

use super::headers::is_hop_by_hop;
use super::held::Held;
use bytes::Bytes;
use data_encoding::BASE64;
use holdfast_call::Secret;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Uri, request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a text around a secret has where the secret goes.
const PLACE: &str = "{secret}";

/// All that stands for itself in a query (RFC 3986, section 2.3).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// And in a segment of a path: a token such as `1234:abc` stays readable to those who do not decode it.
const SEGMENT: &AsciiSet = &QUERY
    .remove(b':')
    .remove(b'@')
    .remove(b'+')
    .remove(b'=')
    .remove(b'$');

/// Why a credential cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The text around the secret has no place for it, or two.
    #[error("must hold `{PLACE}` once")]
    Format,
    /// A control character, or a byte beyond ASCII.
    #[error("a character that cannot stand in a request")]
    Value,
    /// The header steers the connection, so it cannot carry a credential.
    #[error("the header {0} belongs to the connection and cannot carry a credential")]
    Header(HeaderName),
}

/// What stands around a secret: `Bearer {secret}`, `/bot{secret}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    before: String,
    after: String,
}

impl Format {
    /// Reads it.
    ///
    /// # Errors
    /// There is not one place for the secret, or a character that no request may hold.
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        let (before, after) = text.split_once(PLACE).ok_or(CredentialError::Format)?;
        if after.contains(PLACE) {
            return Err(CredentialError::Format);
        }
        if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(CredentialError::Value);
        }
        Ok(Self {
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    fn with(&self, secret: &str) -> Zeroizing<String> {
        let Self { before, after } = self;
        let mut text = Zeroizing::new(String::with_capacity(
            before.len() + secret.len() + after.len(),
        ));
        text.push_str(before);
        text.push_str(secret);
        text.push_str(after);
        text
    }
}

/// Where in a request a secret goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into a header; the guest's own values for it are dropped.
    Header {
        /// Its name.
        name: HeaderName,
        /// Its value.
        format: Format,
    },
    /// As the password of this user (RFC 7617).
    Basic {
        /// The user.
        user: String,
    },
    /// Into a parameter of the query; the guest's own are dropped.
    Query {
        /// Its name.
        name: String,
    },
    /// Before the path that the guest asks for.
    Path {
        /// The path, from its slash on and without one at its end.
        format: Format,
    },
}

/// A secret and where it goes.
#[derive(Clone, Debug)]
pub struct Credential {
    place: Place,
    held: Arc<Held>,
}

impl Credential {
    /// Puts the two together.
    ///
    /// # Errors
    /// The header belongs to the connection or to the message's framing.
    pub fn new(place: Place, held: Arc<Held>) -> Result<Self, CredentialError> {
        if let Place::Header { name, .. } = &place {
            let framing = [header::HOST, header::CONTENT_LENGTH, header::EXPECT];
            if is_hop_by_hop(name) || framing.contains(name) {
                return Err(CredentialError::Header(name.clone()));
            }
        }
        Ok(Self { place, held })
    }

    /// What holds the secret.
    pub(super) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// Takes every header out that an upstream might read as this credential, however it is spelt.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        let Some(own) = self.header() else { return };
        let found: Vec<_> = headers
            .keys()
            .filter(|name| reads_as(name.as_str(), own.as_str()))
            .cloned()
            .collect();
        for name in found {
            headers.remove(name);
        }
    }

    fn header(&self) -> Option<&HeaderName> {
        match &self.place {
            Place::Header { name, .. } => Some(name),
            Place::Basic { .. } => Some(&header::AUTHORIZATION),
            Place::Query { .. } | Place::Path { .. } => None,
        }
    }

    /// Puts `secret` in, in place of whatever the guest sent for it.
    ///
    /// # Errors
    /// With it the request cannot be sent.
    pub(super) fn inject(
        &self,
        head: &mut request::Parts,
        secret: &Secret,
    ) -> Result<(), CredentialError> {
        self.strip(&mut head.headers);
        // An answer that is packed could not be searched for the secret.
        let plain = HeaderValue::from_static("identity");
        head.headers.insert(header::ACCEPT_ENCODING, plain);
        match &self.place {
            Place::Header { name, format } => {
                let value = value(&format.with(secret.reveal()))?;
                head.headers.insert(name.clone(), value);
            }
            Place::Basic { user } => {
                let both = Zeroizing::new(format!("{user}:{}", secret.reveal()));
                let both = Zeroizing::new(BASE64.encode(both.as_bytes()));
                let value = value(&Zeroizing::new(format!("Basic {}", *both)))?;
                head.headers.insert(header::AUTHORIZATION, value);
            }
            Place::Query { name } => {
                head.uri = with_path(&head.uri, &with_parameter(&head.uri, name, secret))?;
            }
            Place::Path { format } => {
                let shown = utf8_percent_encode(secret.reveal(), SEGMENT).to_string();
                let before = format.with(&Zeroizing::new(shown));
                let asked = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                let path = Zeroizing::new(format!("{}{asked}", *before));
                head.uri = with_path(&head.uri, &path)?;
            }
        }
        Ok(())
    }
}

/// A header's value that nothing prints, whose memory is overwritten when the last copy is let go.
fn value(text: &str) -> Result<HeaderValue, CredentialError> {
    let bytes = Bytes::from_owner(Zeroizing::new(text.as_bytes().to_vec()));
    let mut value = HeaderValue::from_maybe_shared(bytes).map_err(|_| CredentialError::Value)?;
    // Marks it for `Debug`, and keeps HTTP/2 from putting it into its compression table.
    value.set_sensitive(true);
    Ok(value)
}

fn with_path(uri: &Uri, path: &str) -> Result<Uri, CredentialError> {
    let mut parts = uri.clone().into_parts();
    let bytes = Bytes::from_owner(Zeroizing::new(path.as_bytes().to_vec()));
    let path = PathAndQuery::from_maybe_shared(bytes).map_err(|_| CredentialError::Value)?;
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| CredentialError::Value)
}

/// The path with its query, in which the parameter `name` is the secret and nothing else.
fn with_parameter(uri: &Uri, name: &str, secret: &Secret) -> Zeroizing<String> {
    let mut text = Zeroizing::new(format!("{}?", uri.path()));
    let own = |pair: &&str| {
        let key = pair.split('=').next().unwrap_or_default();
        let key = key.replace('+', " ");
        percent_decode_str(&key).decode_utf8_lossy() == name
    };
    let others = uri.query().unwrap_or_default().split(['&', ';']);
    for pair in others.filter(|pair| !pair.is_empty() && !own(pair)) {
        text.push_str(pair);
        text.push('&');
    }
    text.extend(utf8_percent_encode(name, QUERY));
    text.push('=');
    text.extend(utf8_percent_encode(secret.reveal(), QUERY));
    text
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
    use http::Request;

    const CANARY: &str = "CANARY/1:2 3";

    fn at(place: Place) -> Credential {
        Credential::new(place, Held::fixed(Secret::new(CANARY).unwrap())).unwrap()
    }

    fn sent(place: Place, request: http::request::Builder) -> request::Parts {
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let credential = at(place);
        let secret = credential.held().secret();
        credential.inject(&mut head, &secret).unwrap();
        assert!(
            !format!("{credential:?} {:?}", head.headers).contains("CANARY"),
            "it is never printed"
        );
        head
    }

    fn header(name: &'static str, format: &str) -> Place {
        Place::Header {
            name: HeaderName::from_static(name),
            format: Format::parse(format).unwrap(),
        }
    }

    #[test]
    fn the_guests_own_values_are_dropped_in_every_spelling() {
        let mut request = Request::get("http://up/");
        for name in [
            "X-Api-Key",
            "x-api-key",
            "X_API_KEY",
            "x-api_key",
            "x-api-key2",
        ] {
            request = request.header(name, "mine");
        }
        let headers = sent(header("x-api-key", "k {secret}"), request).headers;
        assert_eq!(headers["x-api-key"], format!("k {CANARY}"));
        assert_eq!(headers.get_all("x-api-key").iter().count(), 1);
        assert_eq!(headers["x-api-key2"], "mine");
        assert!(!headers.contains_key("x_api_key"));
    }

    #[test]
    fn a_password_goes_with_its_user() {
        let place = Place::Basic {
            user: "me".to_owned(),
        };
        let request = Request::get("http://up/").header("authorization", "mine");
        let headers = sent(place, request).headers;
        let expected = format!("Basic {}", BASE64.encode(format!("me:{CANARY}").as_bytes()));
        assert_eq!(headers["authorization"], expected);
    }

    #[test]
    fn a_parameter_is_the_secret_and_nothing_else() {
        for (asked, sent_as) in [
            ("http://up/a", "/a?k%20y=CANARY%2F1%3A2%203"),
            ("http://up?x=1", "/?x=1&k%20y=CANARY%2F1%3A2%203"),
            (
                "http://up/a?k+y=mine&k%20y=2&x;%6b%20y",
                "/a?x&k%20y=CANARY%2F1%3A2%203",
            ),
        ] {
            let place = Place::Query {
                name: "k y".to_owned(),
            };
            let uri = sent(place, Request::get(asked)).uri;
            assert_eq!(uri.path_and_query().unwrap().as_str(), sent_as, "{asked}");
        }
    }

    #[test]
    fn a_path_begins_with_it() {
        for (asked, sent_as) in [
            ("http://up/send?a=b", "/botCANARY%2F1:2%203/send?a=b"),
            ("http://up", "/botCANARY%2F1:2%203/"),
        ] {
            let place = Place::Path {
                format: Format::parse("/bot{secret}").unwrap(),
            };
            let uri = sent(place, Request::get(asked)).uri;
            assert_eq!(uri.path_and_query().unwrap().as_str(), sent_as, "{asked}");
        }
    }

    #[test]
    fn what_cannot_carry_a_credential_is_refused() {
        for name in [
            "connection",
            "host",
            "te",
            "transfer-encoding",
            "content-length",
        ] {
            let held = Held::fixed(Secret::new(CANARY).unwrap());
            let refused = Credential::new(header(name, "{secret}"), held).unwrap_err();
            assert_eq!(
                refused,
                CredentialError::Header(HeaderName::from_static(name))
            );
        }
        for format in ["", "{secret", "{secret}{secret}"] {
            assert_eq!(Format::parse(format), Err(CredentialError::Format));
        }
        assert_eq!(Format::parse("\n{secret}"), Err(CredentialError::Value));
    }
}
