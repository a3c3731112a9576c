//! The tests of `route`: an operation is counted by whatever name it is asked for.

use super::super::flow::Quota;
use super::super::limit::{Limits, Whose};
use super::*;
use crate::testing::{Bench, request, service};
use holdfast_call::Body;
use holdfast_call::contract::{Docs, Function, Interface, Mode};
use http::Request;

const ID: &str = "acme:jobs/jobs@1.2.0";

fn contract() -> Arc<Contract> {
    let function = |name: &str| Function {
        name: name.into(),
        docs: Docs::default(),
        params: Vec::new(),
        result: None,
        mode: Mode::Sync,
    };
    let interface = Interface {
        id: ID.into(),
        docs: Docs::default(),
        functions: vec![function("add"), function("list")],
    };
    Arc::new(Contract {
        exports: vec![interface],
        ..Contract::default()
    })
}

fn operations(named: &[&str], contract: Option<Arc<Contract>>) -> Operations {
    let limits = named.iter().map(|text| {
        let operation = Operation::parse(text).unwrap();
        let whose = Whose::Operation("jobs".into(), operation.text().clone());
        let limit = Limits::default().limit(whose, Quota::per_second(1));
        (operation, limit)
    });
    Operations::new(limits, contract)
}

/// What of `operations` a call with this payload counts for.
fn counted(operations: &Operations, payload: Payload) -> Vec<String> {
    let mut call = Bench::new().call(&service("jobs"));
    call.payload = payload;
    let counted = operations.counted(&call);
    counted.map(|one| one.operation.to_string()).collect()
}

fn over_http(method: &str, path: &str) -> Payload {
    let uri = format!("http://jobs.internal{path}");
    let request = Request::builder().method(method).uri(uri);
    Payload::Http(request.body(Body::empty()).unwrap())
}

#[test]
fn an_operation_is_counted_however_it_is_written() {
    let all = operations(&["GET /a", "POST /login", "POST /log/out"], None);
    for path in [
        "/login",
        "/%6cogin",
        "/%256cogin",
        "//login",
        "/login/",
        "/login?x=y",
        "/login?/../a",
        "/./login",
        "/LOGIN",
        "/login%20",
        "/%2flogin",
        "/%5Clogin.",
    ] {
        assert_eq!(
            counted(&all, over_http("POST", path)),
            ["POST /login"],
            "{path}"
        );
        assert!(counted(&all, over_http("GET", path)).is_empty(), "{path}");
    }
    assert_eq!(
        counted(&all, over_http("POST", "/log%2fout")),
        ["POST /log/out"]
    );
    assert_eq!(counted(&all, over_http("HEAD", "/a")), ["GET /a"]);
    for path in ["/", "/logi", "/login2", "/login/x", "/a/login", "/login%25"] {
        assert!(counted(&all, over_http("POST", path)).is_empty(), "{path}");
    }
    assert!(counted(&operations(&[], None), request()).is_empty());
}

#[test]
fn what_may_mean_anything_counts_for_all_of_its_method() {
    let all = operations(&["GET /a", "POST /login", "POST /log/out"], None);
    for path in [
        "/x/../login",
        "/x/%252e%252e/login",
        "/login;a=b",
        "/login%3bx",
        "/login%3fx",
        "/login%0a",
        "/%ff",
    ] {
        let both = ["POST /login", "POST /log/out"];
        assert_eq!(counted(&all, over_http("POST", path)), both, "{path}");
        assert_eq!(counted(&all, over_http("HEAD", path)), ["GET /a"], "{path}");
    }
}

#[test]
fn a_function_is_itself_by_any_of_its_names() {
    for named in [
        "POST /jobs/add",
        "POST /jobs@1.2.0/add",
        "POST /acme:jobs/jobs@1.2.0/add",
        "GET /jobs/add",
    ] {
        let all = operations(&[named, "POST /jobs/list"], Some(contract()));
        assert_eq!(all.no_functions().count(), 0);
        for path in ["/jobs/add", "/jobs@1.2.0/add", "/acme:jobs/jobs@1.2.0/add"] {
            for method in ["POST", "GET", "HEAD"] {
                assert_eq!(counted(&all, over_http(method, path)), [named], "{path}");
            }
        }
        // Whoever was linked to an earlier version of the same line calls the same function.
        for id in [ID, "acme:jobs/jobs@1.0.0"] {
            let values = Payload::Values(format!("{id}#add").into(), Vec::new());
            let named = [named].map(str::to_owned);
            assert_eq!(counted(&all, values), named, "{id}");
        }
        let other = Payload::Values(format!("{ID}#list").into(), Vec::new());
        assert_eq!(counted(&all, other), ["POST /jobs/list"]);
    }
}

#[test]
fn a_limit_that_is_no_function_s_is_known() {
    let all = operations(&["POST /jobs/ad", "POST /jobs/add"], Some(contract()));
    let without: Vec<_> = all.no_functions().map(ToString::to_string).collect();
    assert_eq!(without, ["POST /jobs/ad"]);
}

#[test]
fn what_is_no_operation_is_refused_and_said_why() {
    for (text, why) in [
        ("", "is not an operation"),
        ("/login", "is not an operation"),
        ("POST", "is not an operation"),
        ("POST login", "is not an operation"),
        ("POST  /login", "is not an operation"),
        ("post /login", "is not an operation"),
        ("HEAD /login", "counted as GET"),
        ("GET /orders/{id}", "without a pattern"),
        ("GET /orders/*", "without a pattern"),
        ("GET /a/../b", "different ways"),
        ("GET /a;b", "different ways"),
        ("GET /a?b", "different ways"),
        ("GET /a b", "different ways"),
        ("GET /\u{e9}", "different ways"),
    ] {
        let refused = Operation::parse(text).unwrap_err();
        assert!(refused.contains(why), "{text}: {refused}");
    }
    let one = Operation::parse("POST /Login/").unwrap();
    assert!(one.is(&Operation::parse("POST /%6cogin").unwrap()));
    assert!(!one.is(&Operation::parse("GET /login").unwrap()));
    assert_eq!(one.to_string(), "POST /Login/");
}
