//! Versions of interfaces: which of them can stand for each other.

/// Whether two versions are of one line, as the engine's linker sees it: equal, or releases with the same leading part that is not zero.
#[must_use]
pub fn same_line(a: &str, b: &str) -> bool {
    a == b || line(a).is_some_and(|line_a| line(b) == Some(line_a))
}

/// Whether two names of interfaces are the same but for versions of one line.
#[must_use]
pub fn compatible(a: &str, b: &str) -> bool {
    match (a.split_once('@'), b.split_once('@')) {
        (Some((name, version)), Some((other, other_version))) => {
            name == other && same_line(version, other_version)
        }
        _ => a == b,
    }
}

/// `1` for 1.2.3, `0.2` for 0.2.12, `0.0.4` for 0.0.4; none for a pre-release, which is compatible with nothing but itself.
fn line(version: &str) -> Option<(u64, u64, u64)> {
    let mut parts = version.splitn(3, '.').map(|part| part.parse::<u64>().ok());
    let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
    Some(match (major, minor) {
        (0, 0) => (0, 0, patch),
        (0, minor) => (0, minor, 0),
        (major, _) => (major, 0, 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_met_by_another_release_of_its_line() {
        for (a, b, expected) in [
            ("a:b/c@1.2.0", "a:b/c@1.9.3", true),
            ("a:b/c@0.2.1", "a:b/c@0.2.0", true),
            ("a:b/c@0.2.1", "a:b/c@0.3.0", false),
            ("a:b/c@1.2.0", "a:b/d@1.2.0", false),
            ("a:b/c", "a:b/c", true),
            ("a:b/c", "a:b/c@1.0.0", false),
            ("a:b/c@1.0.0-rc.1", "a:b/c@1.0.0", false),
            ("a:b/c@1.0.0-rc.1", "a:b/c@1.0.0-rc.1", true),
        ] {
            assert_eq!(compatible(a, b), expected, "{a} {b}");
            assert_eq!(compatible(b, a), expected, "{b} {a}");
        }
    }
}
