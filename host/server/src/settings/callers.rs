//! `callers`: the principals that the policy lets in.

use crate::settings::name::Name;
use crate::settings::reader::Reader;
use std::collections::BTreeSet;
use std::fmt;

/// The principals that may call a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Whoever has a key: `["*"]`.
    Known,
    /// These; nobody, where there are none.
    Named(BTreeSet<Name>),
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
            reader.wrong(key, "`*` stands for everybody who has a key, and so alone");
            return Self::default();
        }
        Self::Named(reader.names(key, written))
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
                let names: Vec<_> = names.iter().map(Name::as_str).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}
