//! Credentials: where in the requests to an upstream its secret goes, and where the secret is.

use crate::settings::reader::Reader;
use crate::settings::secret::{SecretSource, listed, read_first};
use crate::settings::written::WrittenCredential;
use holdfast_call::{Secret, Unread};
use holdfast_capabilities::http::{Format, Place};
use http::{HeaderName, header};
use std::fmt;
use std::path::Path;

/// Headers that the host or the protocol owns; a credential in one of them would break the request or another promise.
const HEADERS_OWNED: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep-alive",
    "proxy-connection",
    "traceparent",
    "tracestate",
    // Answers that are packed could not be searched for the secret.
    "accept-encoding",
];

/// What the host puts into a request on its way to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Where it goes.
    pub place: Place,
    /// Where it is; the first that has something is taken.
    pub sources: Vec<SecretSource>,
}

impl Credential {
    /// Reads the secret.
    ///
    /// # Errors
    /// Names every source that was tried, and what is wrong with it.
    pub fn read(&self) -> Result<Secret, Unread> {
        read_first(&self.sources)
    }

    /// `before` is what the upstream's URL has behind its origin: `/bot{secret}`.
    pub(crate) fn check(
        written: WrittenCredential,
        before: Option<&str>,
        path: &str,
        folder: &Path,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let place = check_place(&written, before, path, reader);
        let WrittenCredential {
            systemd, file, env, ..
        } = written;
        let sources = SecretSource::check(systemd, file, env, path, folder, reader)?;
        Some(Self {
            place: place?,
            sources,
        })
    }
}

fn check_place(
    written: &WrittenCredential,
    before: Option<&str>,
    path: &str,
    reader: &mut Reader<'_>,
) -> Option<Place> {
    let key = |name: &str| format!("{path}.{name}");
    let named = [
        (
            "header",
            written.header.is_some() || written.format.is_some(),
        ),
        ("user", written.user.is_some()),
        ("query", written.query.is_some()),
        ("{secret} in the upstream's `url`", before.is_some()),
    ];
    let named: Vec<_> = named.iter().filter(|(_, is)| *is).collect();
    if let [(first, _), (second, _), ..] = named.as_slice() {
        let message = format!("names `{first}` and {second}; the secret goes to one place");
        reader.wrong(path, message);
        return None;
    }
    if let Some(before) = before {
        let format = Format::parse(before).map_err(|error| format!("`{before}`: {error}"));
        let format = reader.take(&key("url"), format)?;
        return Some(Place::Path { format });
    }
    if let Some(user) = &written.user {
        let user = reader.take(&key("user"), check_user(user))?;
        return Some(Place::Basic { user });
    }
    if let Some(query) = &written.query {
        let name = reader.take(&key("query"), check_parameter(query))?;
        return Some(Place::Query { name });
    }
    let name = written.header.as_deref().unwrap_or("authorization");
    let name = reader.take(&key("header"), check_header(name));
    let format = written.format.as_deref();
    let format = format.unwrap_or_else(|| default_format(name.as_ref()));
    let format = Format::parse(format).map_err(|error| error.to_string());
    let format = reader.take(&key("format"), format);
    Some(Place::Header {
        name: name?,
        format: format?,
    })
}

fn check_user(text: &str) -> Result<String, String> {
    if text.contains(':') || !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(format!(
            "`{}` is not a user's name: no colon, and nothing beyond ASCII",
            text.escape_debug()
        ));
    }
    Ok(text.to_owned())
}

fn check_parameter(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is the name of a parameter of the query, such as \"key\"".to_owned());
    }
    Ok(text.to_owned())
}

/// `authorization` has schemes; any other header is taken to carry the secret alone.
fn default_format(name: Option<&HeaderName>) -> &'static str {
    match name {
        Some(name) if *name != header::AUTHORIZATION => "{secret}",
        Some(_) | None => "Bearer {secret}",
    }
}

/// A header that the settings may name: none of the protocol's, and none of the host's.
pub(crate) fn check_header(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text
        .parse()
        .map_err(|_| format!("`{}` is not a header name", text.escape_debug()))?;
    if HEADERS_OWNED.contains(&name.as_str()) || name.as_str().starts_with("holdfast-") {
        return Err(format!("`{name}` belongs to the protocol or to the host"));
    }
    Ok(name)
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Header { name, .. } => write!(f, "credential in `{name}` from ")?,
            Place::Basic { user } => write!(f, "credential as password of `{user}` from ")?,
            Place::Query { name } => write!(f, "credential in the parameter `{name}` from ")?,
            Place::Path { .. } => f.write_str("credential in the path from ")?,
        }
        f.write_str(&listed(&self.sources))
    }
}
