//! Secrets that are used and not seen: services make and check codes of messages with one, and the host checks signed requests.

use crate::settings::name::Name;
use crate::settings::reader::Reader;
use crate::settings::secret::{SecretSource, listed, read_first};
use crate::settings::written::WrittenSecret;
use holdfast_call::{Secret, Unread};
use holdfast_capabilities::secrets::{Encoding, SIGN, VERIFY, WEBHOOK};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A secret of the policy that services may be granted, or that their webhooks are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LentSecret {
    /// Its name, which is what manifests ask for.
    pub name: Name,
    /// What it may be used for: operations of the interface, or webhooks.
    pub uses: Vec<&'static str>,
    /// How its text stands for the key.
    pub encoding: Encoding,
    /// Where it is; the first that has something is taken.
    pub sources: Vec<SecretSource>,
}

impl LentSecret {
    /// Its name, as text.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Reads it, and sees whether it can be used.
    ///
    /// # Errors
    /// Names every source that was tried, and what is wrong with it.
    pub fn read(&self) -> Result<Secret, Unread> {
        read_key(&self.sources, self.encoding)
    }

    fn check(
        written: WrittenSecret,
        name: Name,
        path: &str,
        folder: &Path,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let key = |name: &str| format!("{path}.{name}");
        let uses = if written.uses.is_empty() {
            reader.wrong(path, "needs `uses`: \"verify\", \"sign\", \"webhook\"");
            Vec::new()
        } else {
            reader.list(&key("uses"), &written.uses, parse_use)
        };
        let encoding = written.encoding.as_deref();
        let encoding = reader.or(&key("encoding"), encoding, Encoding::Text, parse_encoding);
        if encoding == Encoding::Ed25519 && uses.iter().any(|one| *one != WEBHOOK) {
            let message = "is more than a public key can do: it checks webhooks and nothing else";
            reader.wrong(&key("uses"), message);
        }
        let WrittenSecret {
            systemd, file, env, ..
        } = written;
        Some(Self {
            name,
            uses,
            encoding,
            sources: SecretSource::check(systemd, file, env, path, folder, reader)?,
        })
    }
}

/// Reads the first of these sources that has something; what is there must stand for a key.
pub(crate) fn read_key(sources: &[SecretSource], encoding: Encoding) -> Result<Secret, Unread> {
    let secret = read_first(sources)?;
    match encoding.key(&secret) {
        Ok(_) => Ok(secret),
        Err(bad) => Err(Unread::Wrong(format!("{}: {bad}", listed(sources)))),
    }
}

/// Checks every `[secrets.NAME]`.
pub(crate) fn check_all(
    written: BTreeMap<String, WrittenSecret>,
    folder: &Path,
    reader: &mut Reader<'_>,
) -> BTreeMap<Name, LentSecret> {
    let mut secrets = BTreeMap::new();
    for (name, written) in written {
        let (path, name) = reader.named("secrets", &name);
        let Some(name) = name else { continue };
        if let Some(secret) = LentSecret::check(written, name.clone(), &path, folder, reader) {
            secrets.insert(name, secret);
        }
    }
    secrets
}

fn parse_use(text: &str) -> Result<&'static str, String> {
    [SIGN, VERIFY, WEBHOOK]
        .into_iter()
        .find(|known| *known == text)
        .ok_or_else(|| {
            format!(
                "`{}` is none of \"sign\", \"verify\", \"webhook\"",
                text.escape_debug()
            )
        })
}

fn parse_encoding(text: &str) -> Result<Encoding, String> {
    match text {
        "text" => Ok(Encoding::Text),
        "base64" => Ok(Encoding::Base64),
        "hex" => Ok(Encoding::Hex),
        "ed25519" => Ok(Encoding::Ed25519),
        _ => Err(format!(
            "`{}` is none of \"text\", \"base64\", \"hex\", \"ed25519\"",
            text.escape_debug()
        )),
    }
}

impl fmt::Display for LentSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = match self.encoding {
            Encoding::Text => "",
            Encoding::Base64 => ", as base64",
            Encoding::Hex => ", as hex",
            Encoding::Ed25519 => ", a public key of ed25519",
        };
        let uses = self.uses.iter().map(|one| match *one {
            WEBHOOK => "check webhooks",
            one => one,
        });
        let uses = uses.collect::<Vec<_>>().join(" and ");
        write!(f, "to {uses}, from {}{encoding}", listed(&self.sources))
    }
}
