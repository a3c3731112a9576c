//! `callers`: the principals that the policy lets in: by the name that their keys have, or by issuer and subject of their tokens.

use crate::settings::jwt::Jwt;
use crate::settings::name::Name;
use crate::settings::policy::no_such;
use crate::settings::reader::Reader;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The longest subject, in bytes: that of a token.
const SUBJECT_BYTES_MAX: usize = 200;

/// The principals that may call a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Whoever has a key, or a token: `["*"]`.
    Known,
    /// These; nobody, where there are none.
    Named(BTreeSet<CallerName>),
}

/// One of them: `NAME`, `ISSUER:SUBJECT`, or `ISSUER:*` for all that an issuer vouches for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallerName {
    /// The issuer of his tokens, as the policy calls it; none, where he has keys.
    issuer: Option<Name>,
    text: String,
}

impl CallerName {
    /// Reads one.
    ///
    /// # Errors
    /// Says what is wrong with it, as a lower-case fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        let issuer = match text.split_once(':') {
            None => Name::parse(text).map(|_| None)?,
            Some((issuer, subject)) => {
                let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
                let fits = (1..=SUBJECT_BYTES_MAX).contains(&subject.len());
                if !fits || !subject.bytes().all(plain) {
                    return Err(format!(
                        "`{}` names no subject of a token: visible ASCII without quotes, at most {SUBJECT_BYTES_MAX} bytes, or `*`",
                        text.escape_debug()
                    ));
                }
                Some(Name::parse(issuer)?)
            }
        };
        Ok(Self {
            issuer,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Default for Callers {
    fn default() -> Self {
        Self::Named(BTreeSet::new())
    }
}

impl Callers {
    pub(crate) fn check(written: &[String], key: &str, reader: &mut Reader<'_>) -> Self {
        if written == ["*"] {
            return Self::Known;
        }
        if written.iter().any(|text| text == "*") {
            reader.wrong(
                key,
                "`*` stands for everybody who has a key or a token, and so alone",
            );
            return Self::default();
        }
        let names = reader.list(key, written, CallerName::parse);
        Self::Named(names.into_iter().collect())
    }

    /// The issuers that they name must be there: a grant to nobody is a mistake.
    pub(crate) fn check_issuers(
        &self,
        there_are: &BTreeMap<Name, Jwt>,
        key: &str,
        reader: &mut Reader<'_>,
    ) {
        let Self::Named(names) = self else { return };
        let issuers = names.iter().filter_map(|name| name.issuer.as_ref());
        for issuer in issuers.filter(|issuer| !there_are.contains_key(*issuer)) {
            let known = there_are.keys().map(Name::as_str);
            reader.wrong(key, no_such("jwt", issuer, known));
        }
    }

    /// Whether anybody is let in by them.
    #[must_use]
    pub fn any(&self) -> bool {
        match self {
            Self::Known => true,
            Self::Named(names) => !names.is_empty(),
        }
    }
}

impl fmt::Display for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known => f.write_str("*"),
            Self::Named(names) if names.is_empty() => f.write_str("none"),
            Self::Named(names) => {
                let names: Vec<_> = names.iter().map(|name| name.text.as_str()).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}
