//! A path as a service may read it, so that a limit is not gone round by writing the path in another way.
//!
//! Services decode, some of them twice; take a backslash for a slash, skip empty segments and `.`, forgive a slash, dot or space at the
//! end, and do not tell capital letters from small ones. All that two of them could take for the same path has one reading here. Where they
//! part ways (`..`, `;`, an encoded `?`, what is no text) there is no saying what a path means, and whoever asks must reckon with all.

use std::borrow::Cow;

/// What a path may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading<'a> {
    /// This, for whoever reads it.
    Sure(Cow<'a, str>),
    /// Anything.
    Doubtful,
}

impl<'a> Reading<'a> {
    /// What `path` may mean.
    pub(super) fn of(path: &'a str) -> Self {
        if is_plain(path) {
            return Self::Sure(Cow::Borrowed(path));
        }
        let Ok(text) = String::from_utf8(decoded(path)) else {
            return Self::Doubtful;
        };
        let mut read = String::with_capacity(text.len() + 1);
        for segment in text.to_lowercase().split(['/', '\\']) {
            let segment = segment.replace('+', " ");
            let named = segment.trim_end_matches(['.', ' ']);
            let leads_up = named.is_empty() && segment.contains('.') && segment.trim() != ".";
            if leads_up || segment.contains(parts_ways) {
                return Self::Doubtful;
            }
            if !named.is_empty() {
                read.push('/');
                read.push_str(named);
            }
        }
        if read.is_empty() {
            read.push('/');
        }
        Self::Sure(Cow::Owned(read))
    }

    /// Whether it may mean the path that is read as `sure`.
    pub(super) fn may_mean(&self, sure: &str) -> bool {
        match self {
            Self::Sure(path) => path == sure,
            Self::Doubtful => true,
        }
    }
}

/// What one service cuts a path at, and another takes for a part of it.
fn parts_ways(c: char) -> bool {
    c.is_control() || matches!(c, ';' | '?' | '#')
}

/// Whether a path is its own reading, as nearly all are.
fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/-_~.!$&'()*,=:@|".contains(&byte)
    };
    if path == "/" {
        return true;
    }
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let mut segments = rest.split('/');
    path.bytes().all(plain)
        && segments.all(|segment| !segment.is_empty() && !segment.ends_with('.'))
}

/// The bytes behind a percent-encoding, however often it was applied; in one pass, however deep it goes.
fn decoded(path: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len());
    for byte in path.bytes() {
        bytes.push(byte);
        while let [.., b'%', high, low] = *bytes.as_slice()
            && let (Some(high), Some(low)) = (hex(high), hex(low))
        {
            bytes.truncate(bytes.len() - 3);
            bytes.push(high << 4 | low);
        }
    }
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sure(path: &str) -> String {
        match Reading::of(path) {
            Reading::Sure(path) => path.into_owned(),
            Reading::Doubtful => panic!("{path} is doubtful"),
        }
    }

    #[test]
    fn however_a_path_is_written_it_is_read_as_one() {
        for path in [
            "/login",
            "/%6cogin",
            "/%6Cogin",
            "/%6c%6f%67%69%6e",
            "/%256cogin",
            "/%25256cogin",
            "/%%36cogin",
            "//login",
            "/login/",
            "/login//",
            "/./login",
            "/%2e/login",
            "/login/.",
            "/login%2f",
            "/%2flogin",
            "/%5clogin",
            "\\login",
            "/login.",
            "/login%20",
            "/login+",
            "/LOGIN",
            "/Log%49n",
            "/login/%20/",
            "login",
        ] {
            assert_eq!(sure(path), "/login", "{path}");
        }
        for (path, read) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/%2e", "/"),
            ("/a%2fb", "/a/b"),
            ("/a+b", "/a b"),
            ("/a%20b", "/a b"),
            ("/100%25", "/100%"),
            ("/%zz", "/%zz"),
            ("/caf%c3%89", "/caf\u{e9}"),
            ("/a.b", "/a.b"),
            ("/a...", "/a"),
        ] {
            assert_eq!(sure(path), read, "{path}");
        }
    }

    #[test]
    fn what_services_read_in_two_ways_may_mean_anything() {
        for path in [
            "/x/../login",
            "/x/%2e%2e/login",
            "/x/%252e%252e/login",
            "/x%2f..%2flogin",
            "/x\\..\\login",
            "/x/..%20/login",
            "/x/.../login",
            "/login;x",
            "/login%3bx",
            "/login%3fx",
            "/login%23x",
            "/login%00",
            "/login%0a",
            "/login%c2%85",
            "/%c0%aflogin",
            "/%ff",
        ] {
            let reading = Reading::of(path);
            assert_eq!(reading, Reading::Doubtful, "{path}");
            assert!(reading.may_mean("/login"));
        }
    }

    /// Each way in which a service may read a path, on its own.
    const WAYS: [fn(&str) -> String; 7] = [
        |path| crate::percent::decoded(path).unwrap_or_else(|| path.to_owned()),
        |path| path.replace("//", "/"),
        |path| path.replace("/./", "/"),
        |path| path.replace('\\', "/"),
        |path| path.strip_suffix('/').unwrap_or(path).to_owned(),
        |path| path.to_ascii_lowercase(),
        |path| path.trim_end_matches(['.', ' ']).to_owned(),
    ];

    proptest! {
        /// Whatever is sent is read, and what was read is its own reading.
        #[test]
        fn anything_is_read(path in "(\\PC|%[0-9a-f]{2}|/){0,40}") {
            if let Reading::Sure(read) = Reading::of(&path) {
                prop_assert!(read.starts_with('/'));
                prop_assert_eq!(Reading::of(&read), Reading::Sure(read.clone()));
            }
        }

        /// Whatever of this a service does, and however often: what it reads then is still what was read here.
        #[test]
        fn no_way_of_reading_leads_elsewhere(
            path in "(/|//|%2f|%5c|\\.|%2e|%252e|%6c|L|l|o|%25|%36|%63|a| |%20|\\+|;){0,12}",
            ways in prop::collection::vec(0..WAYS.len(), 0..6),
        ) {
            let path = format!("/{path}");
            let first = Reading::of(&path);
            if let Reading::Sure(first) = &first {
                prop_assert_eq!(&Reading::of(first), &Reading::Sure(first.clone()), "its own reading");
                let read = ways.iter().fold(path.clone(), |path, way| WAYS[*way](&path));
                prop_assert_eq!(sure(&read), first.as_ref(), "{} as {}", path, read);
            }
        }
    }
}
