//! The origin that names an upstream: scheme, host and port, all in lower case and the port always written.
//!
//! Two spellings of one place are one origin, and whatever does not read as one of these is no origin at all.

use http::Uri;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS, verified.
    Https,
}

impl Scheme {
    /// The word of the URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL means when it names none.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// What an origin has for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// An address, in the one spelling that is no name.
    Address(IpAddr),
    /// A name, to be resolved; another spelling of an address is one too.
    Name(&'a str),
}

/// Why a URL names no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is not a URL.
    #[error("not an absolute URL")]
    NotAbsolute,
    /// Neither `http` nor `https`.
    #[error("the scheme is neither http nor https")]
    Scheme,
    /// A name or password before the host.
    #[error("a user name or a password stands in the URL")]
    UserInfo,
    /// The host is empty, or the port is no port.
    #[error("the host or the port cannot be read")]
    Authority,
}

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of a URL, whatever its path.
    ///
    /// # Errors
    /// The text is no absolute `http` or `https` URL, or carries a user name.
    pub fn parse(url: &str) -> Result<Self, OriginError> {
        Self::of(&url.parse().map_err(|_| OriginError::NotAbsolute)?)
    }

    /// The origin of a URI.
    ///
    /// # Errors
    /// As [`Origin::parse`].
    pub fn of(uri: &Uri) -> Result<Self, OriginError> {
        let scheme = match uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            Some(_) => return Err(OriginError::Scheme),
            None => return Err(OriginError::NotAbsolute),
        };
        let authority = uri.authority().ok_or(OriginError::NotAbsolute)?;
        if authority.as_str().contains('@') {
            return Err(OriginError::UserInfo);
        }
        let host = authority.host().to_ascii_lowercase();
        let rest = authority.as_str().get(host.len()..).unwrap_or_default();
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => scheme.port(),
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) && !port.is_empty() => {
                port.parse().map_err(|_| OriginError::Authority)?
            }
            Some(_) | None => return Err(OriginError::Authority),
        };
        // What stands in brackets is an IPv6 address and nothing else: no zone, no form of the future.
        let readable = match host.strip_prefix('[') {
            Some(rest) => rest
                .strip_suffix(']')
                .is_some_and(|literal| literal.parse::<Ipv6Addr>().is_ok()),
            None => !host.contains(['[', ']', ':']),
        };
        if host.is_empty() || !readable || port == 0 {
            return Err(OriginError::Authority);
        }
        Ok(Self { scheme, host, port })
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(&self.host)
    }

    /// Whether the host is an address or a name.
    pub(super) fn place(&self) -> Place<'_> {
        let host = self.host();
        host.parse().map_or(Place::Name(host), Place::Address)
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as a request names them: the port is left out where the scheme implies it.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_place_are_one_origin() {
        for (url, origin) in [
            ("https://api.example.com", "https://api.example.com:443"),
            ("HTTPS://API.Example.com/a?b", "https://api.example.com:443"),
            ("http://api.example.com:80/", "http://api.example.com:80"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/x", "http://[::1]:8080"),
            ("http://[FD00::1]", "http://[fd00::1]:80"),
        ] {
            assert_eq!(Origin::parse(url).unwrap().to_string(), origin, "{url}");
        }
        assert_eq!(Origin::parse("http://[::1]:9").unwrap().host(), "::1");
        assert_eq!(
            Origin::parse("https://a:443").unwrap().authority(),
            "a",
            "an implied port is left out"
        );
        assert_eq!(Origin::parse("https://a:80").unwrap().authority(), "a:80");
    }

    #[test]
    fn only_an_address_as_it_is_usually_spelt_needs_no_resolver() {
        for (url, place) in [
            ("http://127.0.0.1", Place::Address([127, 0, 0, 1].into())),
            ("http://[::1]", Place::Address(Ipv6Addr::LOCALHOST.into())),
            ("http://127.1", Place::Name("127.1")),
            ("http://0x7f000001", Place::Name("0x7f000001")),
            ("http://2130706433", Place::Name("2130706433")),
            ("http://localhost", Place::Name("localhost")),
        ] {
            assert_eq!(Origin::parse(url).unwrap().place(), place, "{url}");
        }
    }

    #[test]
    fn what_names_no_origin_is_refused() {
        for (url, error) in [
            ("/path", OriginError::NotAbsolute),
            ("", OriginError::NotAbsolute),
            ("example.com:80", OriginError::NotAbsolute),
            ("ftp://example.com", OriginError::Scheme),
            ("https://user@example.com", OriginError::UserInfo),
            ("https://user:pw@example.com", OriginError::UserInfo),
            ("https://@example.com", OriginError::UserInfo),
            ("https://example.com:0", OriginError::Authority),
        ] {
            assert_eq!(Origin::parse(url), Err(error), "{url}");
        }
        for url in [
            "https://example.com:99999",
            "https://example.com:",
            "https://example.com:+443",
            "https://",
        ] {
            assert!(Origin::parse(url).is_err(), "{url}");
        }
    }
}
