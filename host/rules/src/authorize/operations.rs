//! Which requests an upstream may be sent at all: by method, and by path.
//!
//! A path allows itself and what lies under it. Where paths are listed, one that two parsers could read in two ways is refused: `..` that the
//! upstream resolves, a slash that it decodes, a segment that it skips.

use super::denied;
use holdfast_call::Fault;
use holdfast_call::path::{is_plain, is_under};
use http::{Method, Request};

/// Which requests an upstream may be sent. An empty list allows all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Its name in the policy.
    pub upstream: String,
    /// Methods.
    pub methods: Vec<Method>,
    /// Paths, each with what lies under it; without a slash at the end, but for the root.
    pub paths: Vec<String>,
}

impl Operations {
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Fault> {
        let (method, path) = (request.method(), request.uri().path());
        if !self.methods.is_empty() && !self.methods.contains(method) {
            let known: Vec<_> = self.methods.iter().map(Method::as_str).collect();
            return Err(self.refused(method.as_str(), "methods", &known.join(", ")));
        }
        if self.paths.is_empty() {
            return Ok(());
        }
        if !is_plain(path) {
            return Err(self.refused(path, "paths", "paths that can be read in one way only"));
        }
        if !self.paths.iter().any(|allowed| is_under(path, allowed)) {
            return Err(self.refused(path, "paths", &self.paths.join(", ")));
        }
        Ok(())
    }

    fn refused(&self, seen: &str, key: &str, known: &str) -> Fault {
        let name = &self.upstream;
        let limit = format!("the upstream {name} is sent {known}");
        let change = format!("{key} under [upstreams.{name}] in holdfast.toml");
        denied(seen.to_owned(), limit, change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(operations: &Operations, method: &str, target: &str) -> Result<(), Fault> {
        let uri = format!("http://up{target}");
        operations.check(&Request::builder().method(method).uri(uri).body(()).unwrap())
    }

    fn only(methods: &[Method], paths: &[&str]) -> Operations {
        Operations {
            upstream: "api".to_owned(),
            methods: methods.to_vec(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    #[test]
    fn without_a_list_everything_is_sent() {
        let all = only(&[], &[]);
        for target in ["/", "/a/../b", "/a%2fb?c"] {
            assert!(asks(&all, "DELETE", target).is_ok(), "{target}");
        }
    }

    #[test]
    fn a_path_allows_what_lies_under_it_and_nothing_beside_it() {
        let some = only(&[], &["/v1/charges", "/health"]);
        for target in [
            "/v1/charges",
            "/v1/charges/7",
            "/v1/charges/?limit=3",
            "/health?x=/admin",
        ] {
            assert!(asks(&some, "GET", target).is_ok(), "{target}");
        }
        for target in [
            "/",
            "/v1",
            "/v1/chargesx",
            "/v1/Charges",
            "/admin",
            "/v1/charges/../refunds",
            "/v1/charges/./x",
            "/v1/charges/%2e%2e/refunds",
            "/v1/charges%2F..%2Frefunds",
            "/v1/charges/..%5crefunds",
            "/v1/charges//refunds",
            "/v1/charges/..;/refunds",
        ] {
            let fault = asks(&some, "GET", target).unwrap_err();
            assert_eq!(
                fault.verdict().next,
                "paths under [upstreams.api] in holdfast.toml",
                "{target}"
            );
        }
        assert!(asks(&only(&[], &["/"]), "GET", "/anything").is_ok());
    }

    #[test]
    fn a_method_that_is_not_listed_is_not_sent() {
        let read = only(&[Method::GET, Method::HEAD], &[]);
        assert!(asks(&read, "GET", "/").is_ok());
        for method in ["POST", "get", "PROPFIND"] {
            let fault = asks(&read, method, "/").unwrap_err();
            assert_eq!(
                fault.verdict().next,
                "methods under [upstreams.api] in holdfast.toml"
            );
        }
    }
}
