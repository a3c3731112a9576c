//! Texts that are no values: each is refused as `invalid-input`, with the place of every mistake and no other, before anything runs.
//!
//! They stand in `broken-json` beside this file, a case a line: the function of `forms.wit` that it is sent to, the text (in base64 where it is no
//! UTF-8, or as what is repeated how often), and the JSON pointers that must come back, in their order.

use super::pointers;
use crate::harness::{Host, Setup, dummy, put, root};
use data_encoding::BASE64;
use holdfast_rules::contract::read;
use holdfast_wasm::contract;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

struct Case {
    name: String,
    function: String,
    text: Vec<u8>,
    at: Vec<String>,
}

impl Case {
    fn read(line: &str) -> Self {
        let case: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        let said = |value: &Value| value.as_str().map(str::to_owned);
        let text = match (said(&case["text"]), said(&case["base64"]), &case["repeat"]) {
            (Some(text), None, Value::Null) => text.into_bytes(),
            (None, Some(text), Value::Null) => BASE64.decode(text.as_bytes()).unwrap(),
            (None, None, repeat) => {
                let part = |name: &str| said(&repeat[name]).unwrap();
                let times = usize::try_from(repeat["times"].as_u64().unwrap()).unwrap();
                format!(
                    "{}{}{}",
                    part("before"),
                    part("unit").repeat(times),
                    part("after")
                )
                .into_bytes()
            }
            _ => panic!("one text for each: {line}"),
        };
        let at = case["at"].as_array().unwrap().iter();
        Self {
            name: format!("{}: {}", case["fn"], case["name"]),
            function: said(&case["fn"]).unwrap(),
            text,
            at: at.map(|one| said(one).unwrap()).collect(),
        }
    }
}

fn folder() -> std::path::PathBuf {
    root().join("tests/guarantees/contracts/broken-json")
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "jsonl") {
            let text = fs::read_to_string(path).unwrap();
            cases.extend(text.lines().map(Case::read));
        }
    }
    cases
}

fn forms() -> Vec<u8> {
    dummy(&fs::read_to_string(folder().join("forms.wit")).unwrap())
}

#[test]
fn the_place_of_every_mistake_is_told_and_no_other() {
    let contract = contract::read(&forms()).unwrap();
    let interface = &contract.exports[0];
    let (mut tried, mut names) = (BTreeSet::new(), BTreeSet::new());
    let mut wrong = Vec::new();
    for case in cases() {
        let function = interface.function(&case.function);
        let function = function.unwrap_or_else(|| panic!("no function for {}", case.name));
        let told = read::arguments(&case.text, function)
            .err()
            .unwrap_or_default();
        let at: Vec<_> = told.iter().map(|one| one.pointer.clone()).collect();
        let said = told.iter().all(|one| !one.reason.is_empty());
        if at != case.at || !said {
            wrong.push(format!("{}: {told:?}, wanted {:?}", case.name, case.at));
        }
        tried.insert(case.function.clone());
        assert!(names.insert(case.name.clone()), "twice: {}", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(names.len() >= 300, "{}", names.len());
    assert_eq!(tried.len(), interface.functions.len(), "one for each form");
}

fn host() -> Host {
    let setup = Setup::new();
    put(&setup.plugins(), "forms", &forms(), "");
    setup.start()
}

#[test]
fn the_host_says_the_same_and_no_guest_runs() {
    let host = host();
    // Every function of this component traps: whatever reached one would be its fault.
    for case in cases() {
        let ask = host.ask("POST", &format!("/forms/forms/{}", case.function));
        let ask = ask.header("content-type", "application/json");
        let answer = ask.body(case.text).send();
        assert_eq!(pointers(&answer), case.at, "{}", case.name);
        assert_eq!(answer.status, 400, "{}", case.name);
    }
    let good = host.ask("POST", "/forms/forms/a-u8");
    let good = good.header("content-type", "application/json");
    good.body("{\"v\":7}").send().fault("service-fault");
}
