//! Whether some reader could take one path for another.
//!
//! The gateway compares paths byte by byte; a service routes by whatever its framework makes of one. So where a rule hangs on a path, what
//! is only written otherwise has to meet it too: in capitals, encoded (twice, by a reader that decodes twice), with slashes to spare or
//! the wrong way round, behind what looks like a host, with parameters behind a `;`, or with a query or an end that shows only once it is
//! decoded.

use crate::percent::loosely_decoded;

/// How often encodings are taken off. What is encoded more often is meant for nobody honest.
const DECODED_MAX: usize = 3;

/// What parts the segments.
const SLASHES: [char; 2] = ['/', '\\'];

/// Where a reader may stop: parameters, the query, the fragment, the end of a text in C.
const ENDS: [char; 4] = [';', '?', '#', '\0'];

/// Whether somebody could read `path` as `meant`.
pub(super) fn alike(path: &str, meant: &str) -> bool {
    let meant = folded(meant.as_bytes());
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..=DECODED_MAX {
        if reads(&folded(&bytes), &meant) {
            return true;
        }
        let decoded = loosely_decoded(&bytes);
        if decoded == bytes {
            return false;
        }
        bytes = decoded;
    }
    true
}

/// Whether a reader that decodes no further could find the segments of `meant` in `path`.
fn reads(path: &str, meant: &str) -> bool {
    // A `..` takes away what stands before it for some, and for others it does not. The gateway lets none pass.
    if segments(path).any(|segment| segment == "..") {
        return true;
    }
    let short = path.split(ENDS).next().unwrap_or_default();
    // Whoever reads it as a URL takes what stands behind two slashes for a host.
    let hosts = match path.split(SLASHES).take(2).all(str::is_empty) {
        true => 1,
        false => 0,
    };
    (0..=hosts).any(|hosts| {
        let same = |path| segments(path).skip(hosts).eq(segments(meant));
        same(path) || same(short)
    })
}

/// What a path is made of, for one who leaves out what says nothing.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let parts = path.split(SLASHES);
    let parts = parts.map(|part| part.split(ENDS).next().unwrap_or_default().trim());
    parts.filter(|part| !matches!(*part, "" | "."))
}

/// Without a difference between capitals and small letters: up, then down, since some letters are one only in one of the two.
fn folded(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_otherwise_is_taken_for_the_same() {
        for path in [
            "/hook/github",
            "/hook/github/",
            "//hook//github",
            "/hook/./github",
            "/HOOK/GitHub",
            "/hook%2fgithub",
            "/hook%2Fgithub",
            "/hook\\github",
            "//any.example/hook/github",
            "/\\user@any:80/hook/github?x",
            "/%2fany/hook/github",
            "/hook%5cgithub",
            "/%68ook/github",
            "/%2568ook/github",
            "/hook/github;v=1",
            "/hook;v=1/github",
            "/hook/github;/other",
            "/hook/github%3Fother",
            "/hook/github%3fother/more",
            "/hook/github%23",
            "/hook/github%00.txt",
            "/hook/github%20",
            "/hoo%E2%84%AA/github",
            "/other/../hook/github",
            "/other/%252e%252e/hook/github",
            "/other/..;/hook/github",
            "/hook/github/x/%2e%2e",
            "/hook/%25%32%35%32%35%32%35github",
            "/else/%25252525",
        ] {
            assert!(alike(path, "/hook/github"), "{path}");
        }
        for path in ["/", "", "//", "/;x", "/%2f", "/."] {
            assert!(alike(path, "/"), "{path}");
        }
    }

    #[test]
    fn what_is_another_path_to_everybody_is_let_alone() {
        for path in [
            "/",
            "/hook",
            "/hook/",
            "/github",
            "/hook/github2",
            "/hook/github/deliveries",
            "/hook/github/a%20b",
            "/files/hook/github",
            "/hook%20/git%20hub",
            "/hook/%ff",
            "/hook;github",
            "/100%25",
            "/any.example/hook/github",
        ] {
            assert!(!alike(path, "/hook/github"), "{path}");
        }
        assert!(!alike("/a", "/"));
    }

    /// One way of writing a byte of a path otherwise.
    fn written(byte: u8, way: u8) -> String {
        let plain = char::from(byte);
        match (way % 8, byte) {
            (0, b'/') => "//".to_owned(),
            (1, b'/') => "/./".to_owned(),
            (2, b'/') => "\\".to_owned(),
            (3, b'/') => "/;x=1/".to_owned(),
            (4, _) => format!("%{byte:02x}"),
            (5, _) => format!("%{byte:02X}"),
            (6, _) => format!("%25{byte:02x}"),
            (7, _) => plain.to_ascii_uppercase().to_string(),
            _ => plain.to_string(),
        }
    }

    proptest! {
        #[test]
        fn no_trick_and_no_row_of_tricks_hides_a_path(
            meant in "(/[a-z0-9._~-]{1,6}){1,4}",
            ways in proptest::collection::vec(any::<u8>(), 32),
            end in proptest::sample::select(vec!["", "/", ";x", "%3fx=1", "%23x", "/;x/", "%00", "/."]),
        ) {
            prop_assume!(!meant.split('/').any(|part| matches!(part, "." | "..")));
            let bytes = meant.bytes().zip(ways.iter().cycle());
            let path: String = bytes.map(|(byte, way)| written(byte, *way)).collect();
            prop_assert!(alike(&(path + end), &meant));
        }

        #[test]
        fn plain_paths_are_alike_only_if_they_are_the_same(
            one in "(/[a-z0-9_~-]{1,3}){0,3}",
            other in "(/[a-z0-9_~-]{1,3}){0,3}",
        ) {
            prop_assert_eq!(alike(&one, &other), one == other);
        }
    }
}
