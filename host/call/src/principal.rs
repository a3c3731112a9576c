//! A principal: somebody outside whom the host knows, because he proved it, and how far that proof reaches.
//!
//! A scope takes away and never gives: the policy says which principals may call a service, and what was proved may reach less than that.

use crate::path::{is_plain, is_under};
use http::Method;
use std::fmt;
use std::sync::Arc;

/// Somebody outside whom the host knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// His name, as the policy writes it.
    pub name: Arc<str>,
    /// By what he proved it, for the log and the audit: `key:ID`. It is no secret.
    pub proof: Arc<str>,
    /// What the proof is good for. Empty means nothing.
    pub scopes: Arc<[AccessScope]>,
}

impl Principal {
    /// Whether what he proved is good for this operation of this service.
    #[must_use]
    pub fn covers(&self, service: &str, method: &Method, path: &str) -> bool {
        let mut scopes = self.scopes.iter();
        scopes.any(|scope| scope.covers(service, method, path))
    }
}

/// What a proof is good for: `SERVICE[:METHOD][/PATH]`, the service `*` for all of them. A path stands for itself and what lies under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessScope {
    service: Option<Box<str>>,
    method: Option<Method>,
    /// Without a slash at its end; empty for all paths.
    path: Box<str>,
}

/// The longest scope, in bytes.
pub const SCOPE_BYTES_MAX: usize = 512;

/// Why a text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoScope {
    /// It is too long.
    #[error("it is longer than {SCOPE_BYTES_MAX} bytes")]
    Long,
    /// What stands first is neither a service nor `*`.
    #[error(
        "it begins with a service's name (lower-case letters, digits and dashes) or with *, as in `notes:GET/lists`"
    )]
    Service,
    /// What follows the colon is no method.
    #[error("what follows the colon is a method in capital letters, as in `notes:GET`")]
    Method,
    /// The path could be read in two ways.
    #[error(
        "its path can be read in more than one way: write it without `..`, `//`, `;`, `%`, `\\`, `?` and `#`"
    )]
    Path,
}

impl AccessScope {
    /// Reads one.
    ///
    /// # Errors
    /// It is no scope; the error says why.
    pub fn parse(text: &str) -> Result<Self, NoScope> {
        if text.len() > SCOPE_BYTES_MAX {
            return Err(NoScope::Long);
        }
        let (head, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        let (service, method) = match head.split_once(':') {
            Some((service, method)) => (service, Some(method)),
            None => (head, None),
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let service = match service {
            "*" => None,
            name if !name.is_empty() && name.chars().all(plain) => Some(name.into()),
            _ => return Err(NoScope::Service),
        };
        let method = match method {
            Some(text)
                if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_uppercase()) =>
            {
                return Err(NoScope::Method);
            }
            Some(text) => Some(text.parse().map_err(|_| NoScope::Method)?),
            None => None,
        };
        let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '%' | '?' | '#');
        if path.chars().any(odd) || !is_plain(path) {
            return Err(NoScope::Path);
        }
        Ok(Self {
            service,
            method,
            path: path.trim_end_matches('/').into(),
        })
    }

    /// Whether it is good for this operation. A path that could be read in two ways lies under none.
    fn covers(&self, service: &str, method: &Method, path: &str) -> bool {
        // A service answers HEAD as it answers GET.
        let same = |own: &Method| own == method || (own == Method::GET && method == Method::HEAD);
        self.service.as_deref().is_none_or(|own| own == service)
            && self.method.as_ref().is_none_or(same)
            && (self.path.is_empty() || (is_plain(path) && is_under(path, &self.path)))
    }
}

impl fmt::Display for AccessScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.service.as_deref().unwrap_or("*"))?;
        if let Some(method) = &self.method {
            write!(f, ":{method}")?;
        }
        f.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_what_it_says_and_nothing_beside_it() {
        for (scope, service, method, path, covered) in [
            ("*", "notes", "DELETE", "/a/../b", true),
            ("notes", "notes", "DELETE", "/a", true),
            ("notes", "notes2", "GET", "/", false),
            ("notes:GET", "notes", "GET", "/a", true),
            ("notes:GET", "notes", "HEAD", "/a", true),
            ("notes:GET", "notes", "POST", "/a", false),
            ("notes:HEAD", "notes", "GET", "/a", false),
            ("*:GET", "other", "GET", "/a", true),
            ("notes/lists", "notes", "POST", "/lists", true),
            ("notes/lists/", "notes", "POST", "/lists/7", true),
            ("notes/lists", "notes", "POST", "/listsx", false),
            ("notes/lists", "notes", "POST", "/lists/../admin", false),
            ("notes/lists", "notes", "POST", "/lists/%2e%2e/admin", false),
            ("notes/lists", "notes", "POST", "/lists/..;/admin", false),
            ("notes:GET/lists", "notes", "POST", "/lists", false),
        ] {
            let read = AccessScope::parse(scope).unwrap();
            let method = method.parse().unwrap();
            assert_eq!(
                read.covers(service, &method, path),
                covered,
                "{scope} {service} {method} {path}"
            );
        }
    }

    #[test]
    fn what_is_no_scope_says_what_would_be_one() {
        let long = "a".repeat(SCOPE_BYTES_MAX + 1);
        for (text, wrong) in [
            ("", NoScope::Service),
            ("/lists", NoScope::Service),
            ("Notes", NoScope::Service),
            ("no tes", NoScope::Service),
            ("notes:", NoScope::Method),
            ("notes:get", NoScope::Method),
            ("notes:GET:PUT", NoScope::Method),
            ("notes/a/../b", NoScope::Path),
            ("notes/a//b", NoScope::Path),
            ("notes/a%2fb", NoScope::Path),
            ("notes/a?b", NoScope::Path),
            ("notes/a b", NoScope::Path),
            (&long, NoScope::Long),
        ] {
            assert_eq!(AccessScope::parse(text), Err(wrong), "{text}");
        }
    }

    #[test]
    fn a_scope_reads_as_it_was_written() {
        for text in ["*", "notes", "notes:GET", "*:POST/hooks", "notes/a/b"] {
            assert_eq!(AccessScope::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_principal_without_scopes_may_do_nothing() {
        let nobody = Principal {
            name: "ann".into(),
            proof: "key:1".into(),
            scopes: Arc::new([]),
        };
        assert!(!nobody.covers("notes", &Method::GET, "/"));
    }
}
