//! What a request is for, as it is written: its method, its authority, its path. Read strictly, so that the router, a guest and whoever
//! stands in front of the host cannot take it for different things.
//!
//! A path is matched and handed on byte by byte as it came; nothing is decoded here, so `%2f` is no slash for the router, and `%74wo` is
//! not `two`. What others resolve or decode on the way (dot segments, an encoded NUL, a backslash, a broken `%`) is refused.

use crate::entry::request::Invalid;
use http::uri::{Authority, Scheme};
use http::{Method, Uri};

/// Checks the method: one of the known ones in another spelling is the same for some, and not for others.
///
/// # Errors
/// It is such a one.
pub fn check_method(method: &Method) -> Result<(), Invalid> {
    const KNOWN: &[&str] = &[
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT",
    ];
    if *method == Method::CONNECT {
        return Err(Invalid::Connect);
    }
    let text = method.as_str();
    let respelt = |known: &&str| **known != *text && known.eq_ignore_ascii_case(text);
    if KNOWN.iter().any(|known| respelt(known)) {
        Err(Invalid::BadMethod)
    } else {
        Ok(())
    }
}

/// Checks the path.
///
/// # Errors
/// It is none, or others could read another one in it.
pub fn check_path(uri: &Uri, method: &Method) -> Result<(), Invalid> {
    let path = uri.path();
    if *method == Method::OPTIONS && path == "*" {
        return Ok(());
    }
    if !path.starts_with('/') {
        return Err(Invalid::BadPath);
    }
    let query = uri.query().unwrap_or_default();
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible(path) || !visible(query) || path.contains('\\') {
        return Err(Invalid::BadPath);
    }
    // Nearly every path ends here.
    if !path.contains('%') && !path.contains("/.") {
        return Ok(());
    }
    if !escapes_ok(path.as_bytes()) {
        return Err(Invalid::BadPath);
    }
    if path.split('/').any(is_dots) {
        return Err(Invalid::DotSegment);
    }
    Ok(())
}

/// Whether every `%` stands before two digits that are not the NUL.
fn escapes_ok(path: &[u8]) -> bool {
    let mut places = path
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .map(|(at, _)| at);
    places.all(|at| match path.get(at + 1..at + 3) {
        Some(digits) => digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00",
        None => false,
    })
}

/// Whether a segment is `.` or `..`, its dots encoded or not. What follows a `;` or an encoded separator counts for some, so it ends a
/// segment here.
fn is_dots(segment: &str) -> bool {
    let text = segment.to_ascii_lowercase().replace("%2e", ".");
    let text = text.replace("%2f", "/").replace("%5c", "/");
    let mut parts = text.split('/');
    parts.any(|part| matches!(part.split(';').next(), Some("." | "..")))
}

/// Checks an authority: a name or an address, and a port or none.
///
/// # Errors
/// It is something else too: it names a user, a list, a path.
pub fn check_authority(authority: &Authority) -> Result<(), Invalid> {
    let text = authority.as_str();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port_ok = port.is_none_or(|port| {
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        digits && port.parse::<u16>().is_ok()
    });
    let host_ok = match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
                && !host.contains("..")
                && host.len() <= 255
                && host.bytes().all(plain)
        }
    };
    if port_ok && host_ok {
        Ok(())
    } else {
        Err(Invalid::BadHost)
    }
}

/// Checks the scheme that a target names itself: it must be `used`, which the connection uses, or one that `others` may have used.
///
/// # Errors
/// It is another.
pub fn check_scheme(said: Option<&Scheme>, used: &Scheme, others: Others) -> Result<(), Invalid> {
    let Some(said) = said else { return Ok(()) };
    let web = *said == Scheme::HTTP || *said == Scheme::HTTPS;
    if said == used || (web && others == Others::Proxied) {
        Ok(())
    } else {
        Err(Invalid::BadScheme)
    }
}

/// Who else may have seen a request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nobody that is believed.
    Nobody,
    /// A trusted proxy, which may have ended an encrypted connection.
    Proxied,
}
