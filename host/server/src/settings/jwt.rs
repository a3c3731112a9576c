//! `[jwt.NAME]`: issuers of tokens (JWT) whose subjects are callers of this host.

use crate::settings::name::Name;
use crate::settings::place::Place;
use crate::settings::reader::Reader;
use crate::settings::source::join;
use crate::settings::upstream::Upstream;
use holdfast_call::AccessScope;
use holdfast_rules::identify::token::Algorithm;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest text of a claim that is compared, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// The most scopes of an issuer, or of one of its words: each call is compared with each of them.
const SCOPES_MAX: usize = 64;

/// What names of principals begin with that no issuer vouches for.
const TAKEN: &str = "webhook";

/// `[jwt.NAME]`, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenJwt {
    issuer: Option<String>,
    audience: Vec<String>,
    keys: Option<String>,
    url: Option<String>,
    algorithms: Option<Vec<String>>,
    subject: Option<String>,
    scopes: Vec<String>,
    claim: Option<String>,
    grants: BTreeMap<String, Vec<String>>,
}

/// An issuer, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// Its name in the policy: what the names of its principals begin with.
    pub name: Name,
    /// Its own name, as its tokens have it.
    pub issuer: String,
    /// Whom its tokens are for: one of these.
    pub audience: Vec<String>,
    /// Where its keys are.
    pub keys: JwtKeys,
    /// The algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The claim that names who brings a token.
    pub subject: String,
    /// What each of its tokens is good for.
    pub scopes: Vec<AccessScope>,
    /// The claim that says what a token is good for beside that.
    pub claim: String,
    /// What the words of that claim stand for.
    pub grants: BTreeMap<String, Vec<AccessScope>>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtKeys {
    /// In this file.
    File(PathBuf),
    /// At an upstream of the policy.
    Upstream {
        /// Its name.
        upstream: Name,
        /// Its origin.
        origin: Arc<str>,
        /// Path and query.
        path: String,
    },
}

/// Reads `[jwt]`. Two issuers of one name are refused: whose keys and scopes would hold?
pub(crate) fn check_all(
    written: BTreeMap<String, WrittenJwt>,
    folder: &Path,
    upstreams: &BTreeMap<Name, Upstream>,
    reader: &mut Reader<'_>,
) -> BTreeMap<Name, Jwt> {
    let mut all: BTreeMap<Name, Jwt> = BTreeMap::new();
    for (name, written) in written {
        let (path, name) = reader.named("jwt", &name);
        let Some(one) =
            name.and_then(|name| check(name, written, &path, (folder, upstreams), reader))
        else {
            continue;
        };
        if one.name.as_str() == TAKEN {
            let message = "is what the names of callers begin with that sign: call it otherwise";
            reader.wrong(&path, message);
        } else if let Some(twin) = all.values().find(|other| other.issuer == one.issuer) {
            let message = format!("is the issuer of [jwt.{}] too", twin.name);
            reader.wrong(&join(&path, "issuer"), message);
        } else {
            all.insert(one.name.clone(), one);
        }
    }
    all
}

fn check(
    name: Name,
    written: WrittenJwt,
    path: &str,
    (folder, upstreams): (&Path, &BTreeMap<Name, Upstream>),
    reader: &mut Reader<'_>,
) -> Option<Jwt> {
    let key = |name: &str| join(path, name);
    let audience = reader.list(&key("audience"), &written.audience, text);
    if written.audience.is_empty() {
        let message = "needs `audience`: what stands in the `aud` of tokens that are for this host";
        reader.wrong(path, message);
    }
    let algorithms = match &written.algorithms {
        None => Algorithm::DEFAULT.to_vec(),
        Some(written) => reader.list(&key("algorithms"), written, algorithm),
    };
    if algorithms.is_empty() && written.algorithms.as_ref().is_some_and(Vec::is_empty) {
        reader.wrong(&key("algorithms"), "allows none, so that no token is taken");
    }
    let subject = claim(written.subject.as_deref(), "sub", &key("subject"), reader);
    let rights = claim(written.claim.as_deref(), "scope", &key("claim"), reader);
    let scopes = scopes(&written.scopes, &key("scopes"), reader);
    let mut grants = BTreeMap::new();
    for (word, written) in &written.grants {
        let key = join(&key("grants"), word);
        reader.take(&key, text(word));
        grants.insert(word.clone(), self::scopes(written, &key, reader));
    }
    if written.scopes.is_empty() && written.grants.is_empty() {
        let message = "needs `scopes` or [grants]: without either its tokens are good for nothing";
        reader.wrong(path, message);
    }
    let keys = keys(
        written.keys,
        written.url.as_deref(),
        path,
        (folder, upstreams),
        reader,
    );
    let Some(issuer) = written.issuer else {
        reader.wrong(
            path,
            "needs `issuer`: what stands in the `iss` of its tokens",
        );
        return None;
    };
    Some(Jwt {
        name,
        issuer: reader.take(&key("issuer"), text(&issuer))?,
        audience,
        keys: keys?,
        algorithms,
        subject,
        scopes,
        claim: rights,
        grants,
    })
}

fn keys(
    file: Option<String>,
    url: Option<&str>,
    path: &str,
    (folder, upstreams): (&Path, &BTreeMap<Name, Upstream>),
    reader: &mut Reader<'_>,
) -> Option<JwtKeys> {
    match (file, url) {
        (Some(file), None) => Some(JwtKeys::File(folder.join(file))),
        (None, Some(url)) => {
            let place = Place::of(url, upstreams, "by which the keys are fetched");
            let Place {
                upstream,
                origin,
                path: at,
            } = reader.take(&join(path, "url"), place)?;
            Some(JwtKeys::Upstream {
                upstream,
                origin,
                path: at,
            })
        }
        (Some(_), Some(_)) => {
            reader.wrong(path, "has both `keys` and `url`: its keys are in one place");
            None
        }
        (None, None) => {
            let message =
                "needs `url`, such as \"https://login.example.com/jwks.json\", or `keys`, a file";
            reader.wrong(path, message);
            None
        }
    }
}

fn algorithm(word: &str) -> Result<Algorithm, String> {
    if let Some(algorithm) = Algorithm::parse(word) {
        return Ok(algorithm);
    }
    let all = Algorithm::ALL.map(Algorithm::as_str).join(", ");
    let why = match word {
        "none" => "would take what nobody has signed",
        word if word.starts_with("HS") => "is for keys that both sides have, and these are public",
        _ => "is not known here",
    };
    Err(format!("`{}` {why}: one of {all}", word.escape_debug()))
}

fn claim(written: Option<&str>, default: &str, key: &str, reader: &mut Reader<'_>) -> String {
    reader.or(key, written, default.to_owned(), text)
}

fn text(text: &str) -> Result<String, String> {
    let fits = (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    match fits {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{}` is not a text of 1 to {TEXT_BYTES_MAX} bytes on one line",
            text.escape_debug()
        )),
    }
}

fn scopes(written: &[String], key: &str, reader: &mut Reader<'_>) -> Vec<AccessScope> {
    if written.len() > SCOPES_MAX {
        reader.wrong(
            key,
            format!("names {} scopes; at most {SCOPES_MAX}", written.len()),
        );
    }
    let mut scopes = Vec::with_capacity(written.len());
    for text in written {
        let scope = AccessScope::parse(text)
            .map_err(|error| format!("`{}` is no scope: {error}", text.escape_debug()));
        scopes.extend(reader.take(key, scope));
    }
    scopes
}

impl fmt::Display for JwtKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            // What stands behind the question mark may be somebody's secret.
            Self::Upstream { origin, path, .. } => {
                write!(f, "{origin}{}", path.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Display for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |scopes: &[AccessScope]| {
            let words: Vec<_> = scopes.iter().map(ToString::to_string).collect();
            words.join(" ")
        };
        let algorithms = self.algorithms.iter().map(|one| one.as_str());
        let algorithms: Vec<_> = algorithms.collect();
        write!(
            f,
            "{} for {}, keys from {}, {}, named by `{}`, good for {}",
            self.issuer,
            self.audience.join(" or "),
            self.keys,
            algorithms.join(" "),
            self.subject,
            match self.scopes.as_slice() {
                [] => "nothing".to_owned(),
                scopes => words(scopes),
            },
        )?;
        for (word, scopes) in &self.grants {
            write!(f, ", with {word} in `{}` for {}", self.claim, words(scopes))?;
        }
        Ok(())
    }
}
