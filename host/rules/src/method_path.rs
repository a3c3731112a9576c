//! A method and a path, by which both files name an operation of a service that speaks plain HTTP.
//!
//! The path is the one that the service sees, with `/...` at its end for whatever lies below. It is compared to the letter, and with no path
//! that could be read in two ways.

use holdfast_call::path::is_plain;
use std::fmt;

/// The longest route, in bytes.
const ROUTE_BYTES_MAX: usize = 512;

/// A method and a path, as both files name them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MethodPath {
    method: String,
    path: Path,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Path {
    /// This one.
    Exact(String),
    /// All that begin so; it ends with a slash.
    Below(String),
}

impl MethodPath {
    /// Reads a route such as `GET /status` or `GET /assets/...`.
    ///
    /// # Errors
    /// It is none, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("`{}` {why}", text.escape_debug()));
        let (method, path) = text.split_once(' ').unwrap_or((text, ""));
        let capitals = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        if !capitals || !path.starts_with('/') || text.len() > ROUTE_BYTES_MAX {
            return wrong(
                "is not a route such as \"GET /status\" or \"GET /assets/...\": a method, and a path as the service sees it",
            );
        }
        if method == "HEAD" {
            return wrong("needs no HEAD: it is asked as GET is");
        }
        let path = match path.strip_suffix("/...") {
            Some(above) => Path::Below(format!("{above}/")),
            None => Path::Exact(path.to_owned()),
        };
        let (Path::Exact(bare) | Path::Below(bare)) = &path;
        let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '%' | '?' | '#' | '*' | '{' | '}');
        if bare.chars().any(odd) || !is_plain(bare) || bare.contains("...") {
            return wrong(
                "has a path that can be read in more than one way: write it without `..`, `//`, `;`, `%`, `\\`, `?`, `#` and patterns but for `/...` at its end",
            );
        }
        Ok(Self {
            method: method.to_owned(),
            path,
        })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Whether everything that `other` names lies within this one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.method == other.method
            && match (&self.path, &other.path) {
                (Path::Exact(own), Path::Exact(path)) => own == path,
                (Path::Below(own), Path::Exact(path) | Path::Below(path)) => path.starts_with(own),
                (Path::Exact(_), Path::Below(_)) => false,
            }
    }

    /// Whether a request is certainly one of those that it names.
    #[must_use]
    pub fn is(&self, method: &str, path: &str) -> bool {
        // A service answers HEAD as it answers GET.
        let same = self.method == method || (self.method == "GET" && method == "HEAD");
        same && match &self.path {
            Path::Exact(own) => own == path,
            Path::Below(own) => path.starts_with(own) && is_plain(path) && !path.contains("%25"),
        }
    }
}

impl fmt::Display for MethodPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Path::Exact(path) => write!(f, "{} {path}", self.method),
            Path::Below(path) => write!(f, "{} {path}...", self.method),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> MethodPath {
        MethodPath::parse(text).unwrap()
    }

    #[test]
    fn one_route_covers_another_where_all_of_it_lies_within() {
        for (one, other, covers) in [
            ("GET /a", "GET /a", true),
            ("GET /a", "POST /a", false),
            ("GET /a/...", "GET /a/b", true),
            ("GET /a/...", "GET /a/b/...", true),
            ("GET /a/...", "GET /a", false),
            ("GET /a/...", "GET /ab/c", false),
            ("GET /a/b", "GET /a/...", false),
            ("GET /...", "GET /a", true),
        ] {
            assert_eq!(route(one).covers(&route(other)), covers, "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_route_says_what_would_be_one() {
        for text in [
            "",
            "/a",
            "GET",
            "GET a",
            "get /a",
            "HEAD /a",
            "GET /a/../b",
            "GET //a",
            "GET /a%2fb",
            "GET /a?b",
            "GET /{a}",
            "GET /a*",
            "GET /a/.../b",
            "GET /a...",
            "GET /a b",
            "GET /é",
        ] {
            assert!(MethodPath::parse(text).is_err(), "{text}");
        }
        for text in ["GET /a", "GET /a/", "POST /a/...", "GET /..."] {
            assert_eq!(route(text).to_string(), text);
        }
    }
}
