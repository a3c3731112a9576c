//! Under which name an operation is added up: paths that differ by a name alone are one, and there are only so many.

use std::collections::HashSet;

/// How many names an hour has at most; what has another one is added up under [`OTHERS`].
const NAMES_MAX: usize = 1_000;
/// The name of all the others.
pub(super) const OTHERS: &str = "(others)";
/// How many parts of a path are told apart.
const PARTS_MAX: usize = 6;
/// A longer part is taken for a name.
const PART_BYTES_MAX: usize = 40;

/// The names of an hour.
#[derive(Default)]
pub(super) struct Names {
    hour: u64,
    known: HashSet<String>,
}

impl Names {
    /// The name of an operation in this hour, counted from 1970.
    pub(super) fn of(&mut self, operation: &str, hour: u64) -> String {
        if self.hour != hour {
            *self = Self {
                hour,
                known: HashSet::new(),
            };
        }
        let name = plain(operation);
        if self.known.contains(&name) {
            return name;
        }
        if self.known.len() >= NAMES_MAX {
            return OTHERS.to_owned();
        }
        self.known.insert(name.clone());
        name
    }
}

/// `GET /orders/*` for `GET /orders/7f2a`.
fn plain(operation: &str) -> String {
    let mut parts = operation.split('/');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for (place, part) in parts.enumerate() {
        name.push('/');
        if place == PARTS_MAX {
            name.push_str("...");
            break;
        }
        name.push_str(if is_name(part) { "*" } else { part });
    }
    name
}

/// Whether it looks like the name of one thing: a number, a hash, a UUID, or anything that long.
fn is_name(part: &str) -> bool {
    let digits = part.bytes().any(|byte| byte.is_ascii_digit());
    let hash = part
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    part.len() > PART_BYTES_MAX || digits && hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_differ_by_a_name_are_one_operation() {
        for (operation, name) in [
            ("GET /", "GET /"),
            ("POST /v1/chat/completions", "POST /v1/chat/completions"),
            ("GET /orders/17/lines", "GET /orders/*/lines"),
            (
                "GET /orders/018bcfe5-687b-7fff-bfff-ffffffffffff",
                "GET /orders/*",
            ),
            ("GET /a/b/c/d/e/f/g/h", "GET /a/b/c/d/e/f/..."),
            ("todo/parse", "todo/parse"),
        ] {
            assert_eq!(plain(operation), name);
        }
        assert_eq!(plain(&format!("GET /{}", "x".repeat(41))), "GET /*");
    }

    #[test]
    fn an_hour_has_only_so_many_names() {
        let mut names = Names::default();
        for number in 0..NAMES_MAX {
            let word: String = number
                .to_string()
                .bytes()
                .map(|b| char::from(b + 56))
                .collect();
            assert_ne!(names.of(&format!("GET /{word}"), 1), OTHERS);
        }
        assert_eq!(names.of("GET /more", 1), OTHERS);
        assert_eq!(names.of("GET /more", 2), "GET /more");
    }
}
