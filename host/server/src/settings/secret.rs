//! Where secrets are: the sources that the policy names, and how each is read.

use crate::settings::environment;
use crate::settings::reader::Reader;
use holdfast_call::secret::SECRET_BYTES_MAX;
use holdfast_call::{Secret, Unread};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The variable in which a manager of services says where it put the credentials (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A credential of this name in `$CREDENTIALS_DIRECTORY`.
    Systemd(String),
    /// A file that only its owner, who is the host's user or root, may touch.
    File(PathBuf),
    /// A variable of the host's own environment.
    Env(String),
}

/// What a source had.
enum Found {
    Secret(Secret),
    /// Nothing; why.
    Absent(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Systemd(name) => write!(f, "credential {name} of systemd"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// The sources in words.
pub(crate) fn listed(sources: &[SecretSource]) -> String {
    let sources: Vec<_> = sources.iter().map(ToString::to_string).collect();
    sources.join(", else ")
}

impl SecretSource {
    /// The sources that a table names, in the order in which they are tried; none is a mistake.
    pub(crate) fn check(
        systemd: Option<String>,
        file: Option<String>,
        env: Option<String>,
        path: &str,
        folder: &Path,
        reader: &mut Reader<'_>,
    ) -> Option<Vec<Self>> {
        let mut sources = Vec::new();
        if let Some(name) = systemd {
            match Self::credential(name) {
                Ok(source) => sources.push(source),
                Err(message) => reader.wrong(&format!("{path}.systemd"), message),
            }
        }
        sources.extend(file.map(|file| Self::File(folder.join(file))));
        sources.extend(env.map(Self::Env));
        if sources.is_empty() {
            reader.wrong(
                path,
                "needs `systemd`, `file` or `env`: where the secret is",
            );
            return None;
        }
        Some(sources)
    }

    /// A credential of this name.
    ///
    /// # Errors
    /// It is not the name of one.
    pub(crate) fn credential(name: String) -> Result<Self, &'static str> {
        let plain = !name.is_empty() && !name.contains('/') && !matches!(name.as_str(), "." | "..");
        match plain {
            true => Ok(Self::Systemd(name)),
            false => Err("is not the name of a credential: a file's name, without a folder"),
        }
    }

    /// Reads the secret.
    ///
    /// # Errors
    /// Says what is wrong with the source, never what is in it.
    pub fn read(&self) -> Result<Secret, String> {
        match self.find()? {
            Found::Secret(secret) => Ok(secret),
            Found::Absent(why) => Err(why),
        }
    }

    /// What is there and is wrong is an error: another source must not stand in for it unnoticed.
    fn find(&self) -> Result<Found, String> {
        let text = match self {
            Self::Systemd(name) => match std::env::var_os(CREDENTIALS_DIRECTORY) {
                // The directory is closed to others; what is in it is opened to the service by its group.
                Some(folder) => read_closed(&Path::new(&folder).join(name), 0o007)?,
                None => Err(format!(
                    "${CREDENTIALS_DIRECTORY} is not set, so there is no {self}"
                )),
            },
            Self::File(path) => read_closed(path, 0o077)?,
            Self::Env(name) => environment::read(name),
        };
        match text {
            Ok(text) => {
                let text = Zeroizing::new(text);
                let secret = Secret::new(&text).map_err(|why| format!("{self}: {why}"))?;
                Ok(Found::Secret(secret))
            }
            Err(why) => Ok(Found::Absent(why)),
        }
    }
}

/// Reads the first of these sources that has something.
///
/// # Errors
/// Names every source that was tried, and what is wrong with it.
pub fn read_first(sources: &[SecretSource]) -> Result<Secret, Unread> {
    let mut tried = Vec::new();
    for source in sources {
        match source.find().map_err(Unread::Wrong)? {
            Found::Secret(secret) => return Ok(secret),
            Found::Absent(why) => tried.push(why),
        }
    }
    Err(Unread::Missing(tried.join("; ")))
}

/// Reads a file that nobody else may read.
pub(crate) fn read_private(path: &Path) -> Result<String, String> {
    read_closed(path, 0o077)?
}

/// Reads a file whose mode has none of the bits `open_to`; the inner error says that it is not there. The checks are made on the opened
/// file, so that it cannot be exchanged between check and read.
fn read_closed(path: &Path, open_to: u32) -> Result<Result<String, String>, String> {
    let shown = path.display();
    let open = File::options()
        .read(true)
        // A pipe in the place of the file must not hold the start up.
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    let file = match open {
        Ok(file) => file,
        Err(error) => {
            let why = format!("cannot open {shown}: {error}");
            return if error.kind() == ErrorKind::NotFound {
                Ok(Err(why))
            } else {
                Err(why)
            };
        }
    };
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
    if about.mode() & open_to != 0 {
        return Err(format!(
            "{shown} has mode {:04o} where 0600 is demanded, since others could read it: chmod 600 {shown}",
            about.mode() & 0o7777
        ));
    }
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX + 3)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    Ok(Ok(text))
}
