//! Several versions of an interface from one component, functions that need not be waited for, and HTTP beside them.

use super::{failed, given, post};
use crate::harness::{Guest, Host, Setup, until};
use serde_json::json;

const LINKED: &str = "services = [\"sums\"]";

fn both() -> Host {
    Setup::new()
        .service("sums", Guest::Case("sums"), "")
        .service("adds", Guest::Case("adds"), LINKED)
        .policy("[services.adds]\nservices = [\"sums\"]")
        .start()
}

#[test]
fn two_versions_of_one_interface_are_served_at_once() {
    let host = both();
    let asked = json!({ "a": u32::MAX, "b": 2 });
    let wide = json!({ "a": u32::MAX.to_string(), "b": "2" });
    assert_eq!(given(&post(&host, "/sums/sums@1.0.0/add", &asked)), 1);
    let sum = given(&post(&host, "/sums/sums@2.0.0/add", &wide));
    assert_eq!(sum, "4294967297");
    // Without its version neither is meant.
    let which = post(&host, "/sums/sums/add", &asked);
    assert_eq!(which.text(), "plain /sums/add\n", "it is no operation");
    // A caller is linked to each.
    let answer = post(&host, "/adds/adds/both", &asked);
    assert_eq!(given(&answer), json!([1, "4294967297"]));
    let inner = host.children(answer.call(), 2);
    let operations: Vec<_> = inner.iter().map(|line| &line["operation"]).collect();
    assert_eq!(
        operations,
        ["test:sums/sums@1.0.0#add", "test:sums/sums@2.0.0#add"]
    );
}

#[test]
fn a_component_that_serves_http_as_well_has_the_rest_of_its_paths() {
    let host = both();
    for path in ["/", "/somewhere?q=1", "/wit"] {
        let answer = host.get(&format!("/sums{path}"));
        assert_eq!(answer.text(), format!("plain {path}\n"));
    }
    let refused = post(&host, "/sums/sums@1.0.0/add", &json!({ "a": 1 }));
    refused.fault("invalid-input");
}

#[test]
fn what_need_not_be_waited_for_runs_at_once_and_each_is_a_call() {
    let host = both();
    let asked = json!({ "ms": [900, 300, 600] });
    let answer = post(&host, "/adds/adds/together", &asked);
    assert_eq!(given(&answer), json!([300, 600, 900]));
    let ms = |line: &serde_json::Value| line["ms"].as_f64().unwrap();
    let inner = host.children(answer.call(), 3);
    let outer = host.closing(answer.call());
    let one_by_one: f64 = inner.iter().map(ms).sum();
    assert!(ms(&outer) < one_by_one, "{outer} {inner:?}");
    for line in &inner {
        assert_eq!(line["operation"], "test:sums/sums@2.0.0#later");
        assert_eq!(line["caller"], "anonymous > service:adds");
    }
    // And it counts.
    let many = json!({ "ms": vec![0; 51] });
    post(&host, "/adds/adds/together", &many).fault("calls-exhausted");
}

#[test]
fn a_crash_that_was_not_waited_for_stops_its_caller_with_a_masked_fault() {
    let host = both();
    let answer = post(&host, "/adds/adds/crash", &json!({}));
    answer.fault("service-fault");
    assert!(!answer.text().contains("CANARY") && !answer.text().contains("sums"));
    let inner = host.children(answer.call(), 1).remove(0);
    assert_eq!(inner["service"], "sums", "{inner}");
}

#[test]
fn a_version_that_drops_one_of_two_that_are_imported_is_refused() {
    let host = both();
    host.drop_in("sums", Guest::Case("typed"), "");
    failed(&host, "sums", &["`adds` imports", "test:sums/sums@"]);
    until("the one before to serve on", || {
        let asked = json!({ "a": 1, "b": 1 });
        (given(&post(&host, "/sums/sums@1.0.0/add", &asked)) == 2).then_some(())
    });
}
