//! The assumption: what was done can be taken back. So: actions that nothing undoes, asked for again and again over a host that is killed in
//! the middle of them, and orders that are undone by everybody at once. What nobody approved is never done, what was approved once is done
//! once at most, and what was answered was done.

use crate::harness::{Answer, Ask, Guest, Host, Setup, Upstream, encoded, rest, scaled, until};
use serde_json::Value;

/// Of so many actions a person denies the last.
const DENIED_EACH: usize = 3;

fn host(upstream: &Upstream) -> Host {
    let effects = "upstreams = [\"api\"]\n[effects]\nirreversible = [\"POST /fetch\"]\n[effects.undo]\n\"POST /echo\" = \"PUT /echo\"";
    Setup::new()
        .service("two", Guest::Case("wasi02"), effects)
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", upstream)
        .start()
}

fn action(host: &Host, upstream: &Upstream, nth: usize) -> Ask {
    let url = encoded(&upstream.url(&format!("/ok?n={nth}")));
    let path = format!("/two/fetch?method=POST&body=letter&url={url}");
    host.ask("POST", &path)
        .header("idempotency-key", &format!("action-{nth}"))
}

/// How often the upstream was asked to do it.
fn done(upstream: &Upstream, nth: usize) -> usize {
    let wanted = format!("post /ok?n={nth} ");
    let seen = upstream.seen();
    seen.iter()
        .filter(|seen| seen.head.starts_with(&wanted))
        .count()
}

fn code(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

fn serves(host: &Host) {
    until("the service to be there", || {
        (host.listed("two")?["state"] == "serving").then_some(())
    });
}

#[test]
fn nothing_is_done_that_nobody_approved_and_nothing_twice_however_often_the_host_dies() {
    let actions = scaled(12, 60);
    let upstream = Upstream::start();
    let mut host = host(&upstream);
    for nth in 0..actions {
        let told = action(&host, &upstream, nth).send();
        told.fault("approval-required");
        let says = if nth % DENIED_EACH == 2 {
            "deny"
        } else {
            "grant"
        };
        let said = host.command(&["approve", says, told.call(), "--why", "it was looked at"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    for round in 1..=scaled(4, 100) {
        let asking: Vec<_> = (0..actions)
            .map(|nth| action(&host, &upstream, nth).begin())
            .collect();
        // Some are done, some under way, some not begun; in the end none is left that could be.
        let enough = (round * 2).min(actions / 2);
        let mut patience = 0..40;
        while upstream.seen().len() < enough && patience.next().is_some() {
            rest();
        }
        host.kill();
        drop(asking);
        host.again();
        serves(&host);
    }
    for nth in 0..actions {
        let answer = until("an answer", || {
            let answer = action(&host, &upstream, nth).send();
            (code(&answer) != "in-progress").then_some(answer)
        });
        let count = done(&upstream, nth);
        match (answer.status, &*code(&answer)) {
            (200, _) => assert_eq!((count, nth % DENIED_EACH == 2), (1, false), "{nth}"),
            (_, "approval-required") => {
                assert_eq!((count, nth % DENIED_EACH), (0, 2), "{nth}: {answer:?}");
            }
            // The host died while it was done: a person looks, and nothing is done by itself.
            (_, "indeterminate") => assert!(count <= 1 && nth % DENIED_EACH != 2, "{nth}"),
            _ => panic!("{nth}: {answer:?}"),
        }
    }
    let said = host.command(&["audit", "verify"]);
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
}

#[test]
fn an_order_is_undone_once_whoever_undoes_it_at_once_and_over_a_killed_host() {
    let upstream = Upstream::start();
    let mut host = host(&upstream);
    for round in 0..scaled(3, 30) {
        let order = host
            .ask("POST", "/two/echo")
            .body(format!("{{\"id\":{round}}}"))
            .send();
        assert_eq!(order.status, 200);
        let call = order.call().to_owned();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| host.command(&["undo", &call]));
            }
        });
        host.kill();
        host.again();
        serves(&host);
        let said = host.command(&["undo", &call]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let intent = format!("holdfast undo {call}");
        let records = host.command(&["audit", "show"]).out;
        let records = records
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        // Whoever is answered what was answered before begins nothing.
        let ran = records
            .filter(|line| line.to_string().contains(&format!("\"why\":\"{intent}\"")))
            .filter(|line| line.to_string().contains("\"kind\":\"intent\""))
            .count();
        assert_eq!(ran, 1, "{call}");
    }
}
