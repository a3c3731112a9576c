//! Paths of requests as rules compare them: what lies under what, and which ones everybody reads alike.

/// Whether `path` is `allowed`, or lies under it.
#[must_use]
pub fn is_under(path: &str, allowed: &str) -> bool {
    let rest = path.strip_prefix(allowed.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether every reader of `path` finds the same segments in it.
#[must_use]
pub fn is_plain(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let hidden = ["%2f", "%5c", "%2e", "%00", "\\", "//", ";"];
    let dots = |segment: &str| matches!(segment, "." | "..");
    !hidden.iter().any(|hidden| lower.contains(hidden)) && !path.split('/').any(dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_is_not_under() {
        for (path, allowed, under) in [
            ("/v1", "/v1", true),
            ("/v1/", "/v1", true),
            ("/v1/a", "/v1/", true),
            ("/v1x", "/v1", false),
            ("/", "/v1", false),
            ("/anything", "/", true),
        ] {
            assert_eq!(is_under(path, allowed), under, "{path} {allowed}");
        }
    }

    #[test]
    fn a_path_that_hides_segments_is_not_plain() {
        assert!(is_plain("/a/b%20c/.d/e..f"));
        for path in [
            "/a/../b",
            "/a/./b",
            "/a//b",
            "/a%2Fb",
            "/%2e%2E/b",
            "/a;b",
            "/a\\b",
            "/a%5cb",
            "/a%00",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
