//! What a test asks of an answer.

use super::ask::{Answer, find};
use super::guests::root;
use serde_json::Value;

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The id that the host gave the call.
    pub(crate) fn call(&self) -> &str {
        self.header("holdfast-call")
            .expect("every answer names its call")
    }

    /// The value of the line `key: value` of the body, as the cases write it.
    pub(crate) fn line(&self, key: &str) -> Option<String> {
        let start = format!("{key}: ");
        self.text()
            .lines()
            .find_map(|line| line.strip_prefix(&start).map(str::to_owned))
    }

    /// Asserts that it is the fault `code`, in the form in which every fault reaches a client, and returns its JSON.
    #[track_caller]
    pub(crate) fn fault(&self, code: &str) -> Value {
        let text = self.text();
        let problem: Value = serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("wanted the fault {code}, got {} {text}", self.status));
        assert_eq!(problem["code"], code, "{text}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(problem["type"], format!("urn:holdfast:fault:{code}"));
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["instance"], format!("urn:uuid:{}", self.call()));
        for key in ["title", "detail"] {
            assert!(problem[key].is_string(), "{key} is missing: {text}");
        }
        assert_eq!(
            (self.status, problem["retry"]["policy"].as_str()),
            released(code)
        );
        problem
    }
}

/// The status and the advice of a code, as the registry of released codes has them.
fn released(code: &str) -> (u16, Option<&'static str>) {
    let file = std::fs::read_to_string(root().join("host/call/fault-codes.txt")).unwrap();
    let line = file
        .lines()
        .find(|line| line.split(' ').next() == Some(code));
    let line = line.unwrap_or_else(|| panic!("{code} is no released code"));
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let advice = match line.split(' ').nth(4).unwrap() {
        "never" => "never",
        "later" => "later",
        "if-idempotent" => "if-idempotent",
        other => panic!("{other} is no advice"),
    };
    (status, Some(advice))
}
