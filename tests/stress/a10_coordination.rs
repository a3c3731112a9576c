//! The assumption: services that work alone work together. So: pairs of every version and shape, callees that fail in every way, and
//! callers who must get the right value or be told what happened, never something else.

use crate::guarantees::contracts::{given, post};
use crate::harness::{Answer, Guest, Host, Over, Setup, dummy, full, put, root, scaled, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Releases, and one that is none yet.
const VERSIONS: [&str; 8] = [
    "0.0.1",
    "0.0.2",
    "0.1.0",
    "0.1.7",
    "1.0.0",
    "1.4.2",
    "2.0.0",
    "1.0.0-rc.1",
];

/// Types that are not each other, however much they look alike.
const SHAPES: [&str; 14] = [
    "u32",
    "s32",
    "u64",
    "f32",
    "char",
    "string",
    "list<u8>",
    "list<u32>",
    "option<u32>",
    "option<option<u32>>",
    "result<u32>",
    "result<u32, string>",
    "tuple<u32, u32>",
    "tuple<u32>",
];

/// A service and one that imports it: what the one exports, and what the other asks for.
struct Pair {
    exported: (&'static str, &'static str),
    imported: (&'static str, &'static str),
}

impl Pair {
    fn interface((_, shape): (&str, &str)) -> String {
        format!("interface a {{ f: func(v: {shape}) -> {shape}; }}")
    }

    /// Puts both into a host, as number `nth` of their kind.
    fn put(&self, host: &Host, nth: usize) {
        let package = |(version, _): (&str, &str)| format!("test:p{nth}@{version}");
        let (callee, caller) = (format!("callee-{nth}"), format!("caller-{nth}"));
        let exports = format!(
            "package {};\n{}\nworld w {{ export a; }}",
            package(self.exported),
            Self::interface(self.exported)
        );
        let imports = format!(
            "package test:q{nth}@1.0.0;\ninterface go {{ go: func(); }}\nworld w {{ import test:p{nth}/a@{}; export go; }}\n\
             package {} {{ {} }}",
            self.imported.0,
            package(self.imported),
            Self::interface(self.imported)
        );
        put(&host.plugins(), &callee, &dummy(&exports), "");
        let manifest = format!("services = [\"{callee}\"]");
        put(&host.plugins(), &caller, &dummy(&imports), &manifest);
    }

    /// Whether the one can be linked to the other, as people read versions.
    fn fits(&self) -> bool {
        let line = |version: &'static str| {
            let parts: Vec<_> = version.split('.').collect();
            let zeros = parts
                .iter()
                .take(2)
                .take_while(|part| **part == "0")
                .count();
            let whole = version.contains('-');
            if whole {
                vec![version]
            } else {
                parts[..=zeros].to_vec()
            }
        };
        line(self.exported.0) == line(self.imported.0) && self.exported.1 == self.imported.1
    }
}

fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (one, exported) in VERSIONS.into_iter().enumerate() {
        for (other, imported) in VERSIONS.into_iter().enumerate() {
            // All of them, or each with itself, its neighbour and one from afar.
            if full() || (one + VERSIONS.len() - other) % 3 < 2 && (one * 3 + other) % 4 != 1 {
                pairs.push(Pair {
                    exported: (exported, "u32"),
                    imported: (imported, "u32"),
                });
            }
        }
    }
    for (one, exported) in SHAPES.into_iter().enumerate() {
        let next = (one + 1) % SHAPES.len();
        for (other, imported) in SHAPES.into_iter().enumerate() {
            if full() || other == next || (other == one && one % 3 == 0) {
                pairs.push(Pair {
                    exported: ("1.0.0", exported),
                    imported: ("1.0.0", imported),
                });
            }
        }
    }
    pairs
}

#[test]
fn two_that_fit_are_linked_and_no_others() {
    let pairs = pairs();
    let grants = (0..pairs.len())
        .map(|nth| format!("[services.caller-{nth}]\nservices = [\"callee-{nth}\"]\n"));
    let host = Setup::new().policy(&grants.collect::<String>()).start();
    for (nth, pair) in pairs.iter().enumerate() {
        pair.put(&host, nth);
    }
    for (nth, pair) in pairs.iter().enumerate() {
        let caller = format!("caller-{nth}");
        let callee = format!("callee-{nth}");
        let (exported, imported) = (pair.exported, pair.imported);
        let state = until(&format!("{exported:?} for {imported:?}"), || {
            // Only with the callee there is anything known of the caller.
            (host.listed(&callee)?["state"] == "serving").then_some(())?;
            let listed = host.listed(&caller)?;
            let waits = listed["error"]
                .to_string()
                .contains("no loaded service exports");
            let settled = listed["state"] == "serving" || listed["state"] == "failed";
            (settled && (!waits || !pair.fits())).then_some(listed)
        });
        assert_eq!(
            state["state"] == "serving",
            pair.fits(),
            "{exported:?} for {imported:?}: {state}"
        );
    }
}

/// What an answer of `asks` may be, told by its code; `None` is the right sum.
fn outcome(answer: &Answer, sum: u32) -> Option<String> {
    let told: Value =
        serde_json::from_str(&answer.text()).unwrap_or_else(|_| panic!("{}", answer.text()));
    if answer.status == 200 {
        assert_eq!(told, sum);
        return None;
    }
    let inner = told["error"]["fault"]["code"].as_str();
    Some(inner.or(told["code"].as_str()).expect("a code").to_owned())
}

/// How often a caller got which outcome until it was over.
type Outcomes = BTreeMap<Option<String>, u32>;

/// Asks `asks` for one thing after the other until it is over.
fn asked(host: &Host, over: &AtomicBool) -> Outcomes {
    let mut seen = Outcomes::new();
    let mut nth = 0;
    while !over.load(Ordering::Relaxed) {
        nth += 1;
        let (function, input, sum) = match nth % 3 {
            0 => ("add", json!({ "a": nth, "b": 1 }), nth + 1),
            1 => ("divide", json!({ "a": nth, "b": 1 }), nth),
            _ => ("often", json!({ "times": 9 }), 9),
        };
        let answer = post(host, &format!("/asks/asks/{function}"), &input);
        *seen.entry(outcome(&answer, sum)).or_default() += 1;
    }
    seen
}

/// Has `typed` trap, be gone, have too little memory to be loaded, and be right again.
fn bad_day(host: &Host, round: usize, traps: &[u8]) {
    let manifest = format!("[env]\nROUND = \"{round}\"");
    put(&host.plugins(), "typed", traps, &manifest);
    // Its callers come to it often enough for it to be put back.
    until("it to be put back", || {
        let listed = host.listed("typed")?;
        listed["held"].is_string().then_some(())
    });
    host.remove("typed");
    until("it to be gone", || {
        host.listed("typed").is_none().then_some(())
    });
    let small = format!("{manifest}\n[limits]\nmemory = \"128KiB\"");
    host.drop_in("typed", Guest::Case("typed"), &small);
    until("it to be there", || host.listed("typed").map(drop));
    host.drop_in("typed", Guest::Case("typed"), &manifest);
    until("it to answer", || {
        let answer = post(host, "/asks/asks/add", &json!({ "a": 1, "b": 1 }));
        (answer.status == 200).then_some(())
    });
}

#[test]
fn whatever_becomes_of_the_callee_its_caller_has_the_right_value_or_is_told() {
    let host = Setup::new()
        .service("typed", Guest::Case("typed"), "")
        .service("asks", Guest::Case("asks"), "services = [\"typed\"]")
        .policy("[services.asks]\nservices = [\"typed\"]")
        .start();
    let wit = std::fs::read_to_string(root().join("guests/cases/typed/wit/shapes.wit")).unwrap();
    let traps = dummy(&wit);
    let over = AtomicBool::new(false);
    let mut seen = Outcomes::new();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| asked(&host, &over)))
            .collect();
        let done = Over(&over);
        for round in 0..scaled(3, 60) {
            bad_day(&host, round, &traps);
        }
        drop(done);
        for (outcome, times) in asking.into_iter().flat_map(|one| one.join().unwrap()) {
            *seen.entry(outcome).or_default() += times;
        }
    });
    let known = [
        "service-fault",
        "no-such-service",
        "quarantined",
        "overloaded",
    ];
    for code in seen.keys().flatten() {
        assert!(known.contains(&code.as_str()), "{seen:?}");
    }
    for needed in [None, Some("service-fault"), Some("no-such-service")] {
        let needed = needed.map(str::to_owned);
        assert!(seen.contains_key(&needed), "{needed:?} of {seen:?}");
    }
}

#[test]
fn a_walk_ends_at_the_same_place_inside_the_process_and_over_http() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = socket.local_addr().unwrap();
    let host = Setup::new()
        .service("typed", Guest::Case("typed"), "")
        .service(
            "walks",
            Guest::Case("walks"),
            "services = [\"typed\"]\nupstreams = [\"gateway\"]",
        )
        .policy("[services.walks]\nservices = [\"typed\"]\nupstreams = [\"gateway\"]")
        .policy(&format!(
            "[upstreams.gateway]\nurl = \"http://{gateway}\"\nallow_private = [\"127.0.0.0/8\"]"
        ))
        .socket(socket)
        .start();
    let inside = post(&host, "/walks/walks/inside", &json!({ "steps": 7 }));
    let asked = json!({ "steps": 7, "authority": gateway.to_string() });
    let outside = post(&host, "/walks/walks/outside", &asked);
    assert_eq!(given(&inside), json!({ "x": 7, "y": 7 }));
    assert_eq!(given(&inside), given(&outside));
}
