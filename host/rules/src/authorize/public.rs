//! Routes of a service that are open to everybody, while the rest of it is not: what is not certainly one of them is not open.

use crate::method_path::MethodPath;

/// The routes of a service that are open to everybody: its settings for this layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Public(pub Vec<MethodPath>);

impl Public {
    /// Whether this operation is open.
    pub(super) fn opens(&self, method: &str, path: &str) -> bool {
        self.0.iter().any(|route| route.is(method, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> MethodPath {
        MethodPath::parse(text).unwrap()
    }

    #[test]
    fn a_route_opens_what_it_says_and_nothing_that_could_be_read_otherwise() {
        let open = Public(vec![
            route("GET /status"),
            route("GET /assets/..."),
            route("POST /in"),
        ]);
        for (method, path, opens) in [
            ("GET", "/status", true),
            ("HEAD", "/status", true),
            ("POST", "/status", false),
            ("get", "/status", false),
            ("GET", "/status/", false),
            ("GET", "/statusx", false),
            ("GET", "//status", false),
            ("GET", "/./status", false),
            ("GET", "/%73tatus", false),
            ("GET", "/Status", false),
            ("GET", "/status;x", false),
            ("GET", "/status%00", false),
            ("GET", "/assets/logo%20small.png", true),
            ("GET", "/assets/", true),
            ("GET", "/assets", false),
            ("GET", "/assets/../admin", false),
            ("GET", "/assets/%2e%2e/admin", false),
            ("GET", "/assets/%252e%252e/admin", false),
            ("GET", "/assets/..%2fadmin", false),
            ("GET", "/assets/..;/admin", false),
            ("GET", "/assets//admin", false),
            ("GET", "/assets/..\\admin", false),
            ("DELETE", "/assets/a", false),
            ("POST", "/in", true),
            ("HEAD", "/in", false),
        ] {
            assert_eq!(open.opens(method, path), opens, "{method} {path}");
        }
    }
}
