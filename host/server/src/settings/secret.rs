//! Credentials: where the policy says a secret is, how it goes into a header, and the secret itself, which prints as nothing.

use crate::settings::environment;
use crate::settings::reader::Reader;
use crate::settings::written::WrittenCredential;
use http::{HeaderName, HeaderValue};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The longest secret, in bytes: a header must hold it.
pub const SECRET_BYTES_MAX: u64 = 16 * 1024;

/// The shortest secret, in bytes: every line of the log is searched for it.
pub const SECRET_BYTES_MIN: usize = 8;

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
];

/// A secret's value. It has no `Display`, and `Debug` says only that it is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value, for the header and for the log's redaction; nothing else has a reason to ask.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Checks a secret; one line end after it is taken off.
    ///
    /// # Errors
    /// It cannot stand in a header, or could not be told from ordinary text in a log. The message does not hold it.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err("the secret is empty".to_owned());
        }
        if text.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "the secret is shorter than {SECRET_BYTES_MIN} bytes: it could not be told from ordinary text in the log"
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
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file that only its owner, who is the host's user or root, may touch.
    File(PathBuf),
    /// A variable of the host's own environment.
    Env(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    /// Says what is wrong with the source, never what is in it.
    pub fn read(&self) -> Result<Secret, String> {
        let text = match self {
            Self::File(path) => read_private(path)?,
            Self::Env(name) => environment::read(name)?,
        };
        Secret::new(&text).map_err(|why| format!("{self}: {why}"))
    }
}

/// What the host puts into a request on its way to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The header; the guest's own value for it is dropped.
    pub header: HeaderName,
    /// The value, with `{secret}` where the secret goes.
    pub format: String,
    /// Where the secret is.
    pub source: SecretSource,
}

impl Credential {
    /// The header's value with the secret in it, marked so that no dump shows it.
    ///
    /// # Errors
    /// The secret cannot be read, or cannot stand in a header.
    pub fn value(&self, secret: &Secret) -> Result<HeaderValue, String> {
        let text = self.format.replace("{secret}", secret.reveal());
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| format!("{} cannot stand in a header", self.source))?;
        value.set_sensitive(true);
        Ok(value)
    }

    pub(crate) fn check(
        written: WrittenCredential,
        path: &str,
        folder: &Path,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let key = |name: &str| format!("{path}.{name}");
        let header = reader.take(
            &key("header"),
            check_header(written.header.as_deref().unwrap_or("authorization")),
        );
        let format = written
            .format
            .unwrap_or_else(|| default_format(header.as_ref()).to_owned());
        if format.matches("{secret}").count() != 1 {
            reader.wrong(&key("format"), "must hold `{secret}` once");
        }
        if !format.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            reader.wrong(&key("format"), "holds characters that a header cannot");
        }
        let source = match (written.file, written.env) {
            (Some(file), None) => Some(SecretSource::File(folder.join(file))),
            (None, Some(env)) => Some(SecretSource::Env(env)),
            (Some(_), Some(_)) => {
                reader.wrong(
                    path,
                    "names both `file` and `env`; the secret has one source",
                );
                None
            }
            (None, None) => {
                reader.wrong(path, "needs `file` or `env`: where the secret is");
                None
            }
        };
        Some(Self {
            header: header?,
            format,
            source: source?,
        })
    }
}

/// `authorization` has schemes; any other header is taken to carry the secret alone.
fn default_format(header: Option<&HeaderName>) -> &'static str {
    match header {
        Some(header) if *header != http::header::AUTHORIZATION => "{secret}",
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

/// Reads a file that nobody else may read. The checks are made on the opened file, so that it cannot be exchanged between check and read.
pub(crate) fn read_private(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let open = File::options()
        .read(true)
        // A pipe in the place of the file must not hold the start up.
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    let file = open.map_err(|error| format!("cannot open {shown}: {error}"))?;
    let about = file
        .metadata()
        .map_err(|error| format!("cannot look at {shown}: {error}"))?;
    if !about.is_file() {
        return Err(format!("{shown} is not a plain file"));
    }
    let me = rustix::process::geteuid().as_raw();
    if about.uid() != me && about.uid() != 0 {
        return Err(format!(
            "{shown} belongs to user {}, not to {me} (this host) or root: chown {me} {shown}",
            about.uid()
        ));
    }
    if about.mode() & 0o077 != 0 {
        return Err(format!(
            "{shown} has mode {:04o} where 0600 is demanded, since others could read it: chmod 600 {shown}",
            about.mode() & 0o7777
        ));
    }
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX + 3)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    Ok(text)
}
