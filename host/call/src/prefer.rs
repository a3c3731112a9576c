//! How long whoever asks would wait, as the header `Prefer` says it (RFC 7240).

use http::{HeaderMap, HeaderName};
use std::time::Duration;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What `wait` says: the first one that is written. One that is none, or is nought, is passed over, as the RFC wants it of every preference
/// that is not understood.
#[must_use]
pub fn wished_wait(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(PREFER).iter();
    let texts = fields.filter_map(|value| value.to_str().ok());
    let seconds = texts.flat_map(preferences).find_map(seconds)?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// Each preference of a field. A comma between quotes is part of what another preference says.
fn preferences(field: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    field.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

/// The seconds of `wait=SECONDS`, its parameters left aside.
fn seconds(preference: &str) -> Option<u64> {
    let said = preference.split(';').next()?;
    let (name, value) = said.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("wait") {
        return None;
    }
    let value = value.trim();
    let bare = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let digits = bare.unwrap_or(value);
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // More than a number can say is as long as there is.
    number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_first_wait_that_is_one_is_what_is_wished() {
        for (fields, seconds) in [
            (&["wait=5"][..], Some(5)),
            (&["Wait = \"5\""], Some(5)),
            (&["respond-async, wait=5;x=y, wait=7"], Some(5)),
            (&["handling=lenient", "wait=10"], Some(10)),
            (&["a=\"b, wait=3\", wait=4"], Some(4)),
            (&["wait=99999999999999999999999"], Some(u64::MAX)),
            (&["wait=0"], None),
            (&["wait"], None),
            (&["wait="], None),
            (&["wait=-1"], None),
            (&["wait=+1"], None),
            (&["wait=1.5"], None),
            (&["a=\"wait=3\""], None),
            (&[""], None),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(PREFER, HeaderValue::from_static(field));
            }
            let wished = wished_wait(&headers).map(|wait| wait.as_secs());
            assert_eq!(wished, seconds, "{fields:?}");
        }
    }
}
