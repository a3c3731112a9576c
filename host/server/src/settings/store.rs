//! `[store]` of the policy: where the database is. Read at start: what hosts have kept is not exchanged while one runs.

use crate::settings::reader::Reader;
use crate::settings::secret::{SecretSource, listed, read_first};
use holdfast_call::{Secret, Unread};
use holdfast_store::db::{Place, Server};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The database's file in the data directory.
const FILE: &str = "holdfast.db";

/// `[store]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenStore {
    pub(crate) url: Option<String>,
    pub(crate) password: Option<WrittenPassword>,
}

/// `[store.password]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenPassword {
    pub(crate) systemd: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) env: Option<String>,
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// In a file of the data directory.
    File,
    /// On a server.
    Server {
        /// Which.
        server: Server,
        /// Where its password is; the first that has something is taken. Without one it asks for none.
        password: Vec<SecretSource>,
    },
}

impl Store {
    /// The database's file, of a host with this data directory that keeps its own.
    #[must_use]
    pub fn file(data: &Path) -> PathBuf {
        data.join(FILE)
    }

    /// The place, of a host with this data directory, with its password.
    ///
    /// # Errors
    /// The password cannot be read; names every source that was tried.
    pub fn place(&self, data: &Path) -> Result<Place, Unread> {
        match self {
            Self::File => Ok(Place::File(Self::file(data))),
            Self::Server { server, .. } => {
                let server = server.clone();
                Ok(Place::Server(match self.password()? {
                    Some(password) => server.with_password(password),
                    None => server,
                }))
            }
        }
    }

    /// The password, if there is to be one.
    ///
    /// # Errors
    /// Names every source that was tried, and what is wrong with it.
    pub fn password(&self) -> Result<Option<Secret>, Unread> {
        match self.sources() {
            [] => Ok(None),
            sources => read_first(sources).map(Some),
        }
    }

    /// Where the password is.
    pub(crate) fn sources(&self) -> &[SecretSource] {
        match self {
            Self::File => &[],
            Self::Server { password, .. } => password,
        }
    }
}

pub(super) fn check(written: WrittenStore, folder: &Path, reader: &mut Reader<'_>) -> Store {
    let WrittenStore { url, password } = written;
    let password = password.and_then(|written| {
        let WrittenPassword { systemd, file, env } = written;
        let path = "store.password";
        if url.is_none() {
            reader.wrong(path, "is of no use without `url`: a file has no password");
        }
        SecretSource::check(systemd, file, env, path, folder, reader)
    });
    let server = url.and_then(|url| reader.take("store.url", Server::parse(&url)));
    server.map_or(Store::File, |server| Store::Server {
        server,
        password: password.unwrap_or_default(),
    })
}

/// The rows of `holdfast policy`.
pub(super) fn rows(store: &Store) -> [(&'static str, String); 2] {
    let url = match store {
        Store::File => format!("none: {FILE} in the data directory"),
        Store::Server { server, .. } => server.to_string(),
    };
    let password = match store.sources() {
        [] => "none".to_owned(),
        sources => listed(sources),
    };
    [("store.url", url), ("store.password", password)]
}
