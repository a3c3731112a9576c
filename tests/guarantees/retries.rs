//! A bad moment of an upstream is not the caller's.
//!
//! 1. The naive snippet: fetch, and hand on what came.
//! 2. The missing rule: what to do when nothing came. Networks drop connections, upstreams restart, providers ask for less.
//! 3. The tax: a loop in each service, which tries too often when everything is down, at the same moment as all others, and pays twice
//!    when only the answer was lost.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: a try that failed is made again where that can help and do no harm, after a wait that chance and the upstream decide,
//!    while there is time, and never so often that it becomes load. What may have taken effect is sent again only under a key that the
//!    upstream knows.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Chaos, Does, Host, Seen, encoded, wire};
use std::time::Duration;
use tokio::time::Instant;

fn host(chaos: &Chaos, lines: &str) -> Host {
    let url = chaos.url("");
    two("upstreams = [\"api\"]\n[limits]\ncalls = 1000")
        .policy("[services.two]\nupstreams = [\"api\"]\nlimits.calls = 1000")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\n{lines}"
        ))
        .start()
}

/// What the guest got, and the closing line of its request.
fn fetched(host: &Host, chaos: &Chaos, more: &str) -> (String, serde_json::Value) {
    let url = encoded(&chaos.url("/pay"));
    let answer = host.get(&format!("/two/fetch?url={url}{more}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let line = host.children(answer.call(), 1)[0].clone();
    (answer.text(), line)
}

const SERVED: &str = "status 200\n";

#[test]
fn a_request_that_may_be_repeated_is_made_again_whatever_became_of_it() {
    let chaos = Chaos::start(Does::Serves);
    let all = [
        Does::Slams,
        Does::Resets,
        Does::Writes(wire::PLAIN),
        Does::Hangs,
        Does::Answers(500, ""),
        Does::Answers(502, ""),
        Does::Answers(503, ""),
        Does::Answers(504, ""),
        Does::Answers(429, "retry-after: 0\r\n"),
        Does::Answers(529, ""),
    ];
    // Half of the tries fail, which is what a breaker opens at; and no host has a budget for all of them.
    for some in all.chunks(4) {
        let host = host(
            &chaos,
            "breaker = false\nfirst_byte = \"300ms\"\noverride_floor = true",
        );
        for (does, method) in some.iter().flat_map(|does| [(does, "GET"), (does, "PUT")]) {
            chaos.next(&[*does]);
            let (text, line) = fetched(&host, &chaos, &format!("&method={method}&body=all"));
            assert!(text.starts_with(SERVED), "{does:?} {method}: {text} {line}");
            assert_eq!(line["attempts"], 2, "{does:?} {method}: {line}");
        }
    }
}

#[test]
fn what_may_have_taken_effect_is_sent_once() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "first_byte = \"300ms\"\noverride_floor = true");
    for does in [
        Does::Resets,
        Does::Writes(wire::PLAIN),
        Does::Hangs,
        Does::Answers(500, ""),
        Does::Answers(503, "retry-after: 0\r\n"),
    ] {
        chaos.taken();
        chaos.next(&[does]);
        let (_, line) = fetched(&host, &chaos, "&method=POST&body=ten-euros");
        let seen = chaos.taken();
        assert_eq!(
            (seen.len(), &line["attempts"]),
            (1, &1.into()),
            "{does:?}: {line}"
        );
    }
}

#[test]
fn a_key_that_the_upstream_knows_makes_a_second_try_the_first_one_again() {
    let chaos = Chaos::start(Does::Serves);
    let mut host = host(&chaos, "idempotency_header = \"Idempotency-Key\"");
    let mut keys = Vec::new();
    for _ in 0..2 {
        chaos.next(&[Does::Resets, Does::Answers(503, "")]);
        let (text, line) = fetched(&host, &chaos, "&method=POST&body=ten-euros");
        assert!(text.starts_with(SERVED), "{text}");
        assert_eq!(line["attempts"], 3, "{line}");
        let seen = chaos.taken();
        let of = |seen: &Seen| {
            assert_eq!(seen.body, b"ten-euros");
            let key = seen
                .head
                .lines()
                .find_map(|line| line.strip_prefix("idempotency-key: "));
            key.unwrap().to_owned()
        };
        let mut of_call: Vec<_> = seen.iter().map(|(_, seen)| of(seen)).collect();
        assert_eq!(of_call.len(), 3);
        of_call.dedup();
        assert_eq!(of_call.len(), 1, "one call has one key");
        keys.append(&mut of_call);
        host.restart();
    }
    assert_ne!(keys[0], keys[1], "another call has another one");
    // A guest that names its request knows better.
    fetched(
        &host,
        &chaos,
        "&method=POST&body=x&header=idempotency-key:order-7",
    );
    assert!(chaos.taken()[0].1.head.contains("idempotency-key: order-7"));
    // What may be repeated anyway needs none.
    fetched(&host, &chaos, "");
    assert!(!chaos.taken()[0].1.head.contains("idempotency-key"));
}

#[test]
fn an_upstream_that_only_thinks_may_be_asked_twice() {
    let chaos = Chaos::start(Does::Serves);
    for (lines, attempts) in [
        ("class = \"llm\"", 2),
        ("repeat = \"all\"", 2),
        ("repeat = \"idempotent\"", 1),
    ] {
        let host = host(&chaos, lines);
        chaos.next(&[Does::Resets]);
        let (_, line) = fetched(&host, &chaos, "&method=POST&body=think");
        assert_eq!(line["attempts"], attempts, "{lines}: {line}");
    }
}

#[test]
fn what_fails_the_same_way_is_not_tried_again() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "");
    for does in [
        Does::Answers(400, ""),
        Does::Answers(401, ""),
        Does::Answers(404, ""),
        Does::Answers(409, ""),
        Does::Answers(501, ""),
        Does::Answers(500, "x-should-retry: false\r\n"),
    ] {
        chaos.next(&[does]);
        let (text, line) = fetched(&host, &chaos, "");
        assert!(!text.starts_with(SERVED), "{does:?}: {text}");
        assert_eq!(line["attempts"], 1, "{does:?}: {line}");
    }
}

#[test]
fn an_upstream_that_takes_its_time_is_waited_for() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "");
    chaos.next(&[Does::Dawdles(Duration::from_millis(600))]);
    let (text, line) = fetched(&host, &chaos, "");
    assert!(text.starts_with(SERVED) && text.ends_with("late"), "{text}");
    assert_eq!(line["attempts"], 1);
}

#[test]
fn an_answer_that_was_begun_is_never_taken_back() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "");
    for does in [Does::Breaks, Does::Writes(wire::SHORT)] {
        chaos.next(&[does]);
        let (text, line) = fetched(&host, &chaos, "");
        assert!(text.contains("body cut"), "{does:?}: {text}");
        assert_eq!(
            (&line["attempts"], &line["code"]),
            (&1.into(), &"upstream-fault".into())
        );
    }
}

#[test]
fn an_upstream_that_says_when_is_asked_then() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "");
    chaos.next(&[Does::Answers(429, "retry-after: 1\r\n")]);
    // It said that it did nothing, so even this may come again.
    let (text, _) = fetched(&host, &chaos, "&method=POST&body=ten-euros");
    assert!(text.starts_with(SERVED), "{text}");
    let seen = chaos.taken();
    let waited = seen[1].0 - seen[0].0;
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
}

#[test]
fn a_wait_that_no_deadline_allows_is_told_to_the_guest_at_once() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "");
    let begun = Instant::now();
    chaos.next(&[Does::Answers(429, "retry-after: 40\r\n")]);
    let (text, line) = fetched(&host, &chaos, "");
    assert!(
        text.starts_with("status 429\n") && text.contains("header retry-after: 40"),
        "{text}"
    );
    assert_eq!(line["attempts"], 1);
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_body_is_sent_whole_each_time_or_once() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "");
    for (kib, attempts) in [(1, 2), (63, 2), (65, 1)] {
        chaos.taken();
        chaos.next(&[Does::Resets]);
        let url = encoded(&chaos.url("/put"));
        let answer = host.get(&format!("/two/fetch?method=PUT&body_kib={kib}&url={url}"));
        let line = &host.children(answer.call(), 1)[0];
        assert_eq!(line["attempts"], attempts, "{kib} KiB: {line}");
        for (_, seen) in chaos.taken() {
            assert_eq!((seen.whole, seen.body.len()), (true, kib * 1024));
        }
    }
}

#[test]
fn attempts_of_the_policy_bite() {
    let chaos = Chaos::start(Does::Answers(503, ""));
    for attempts in [1, 2, 4] {
        let host = host(&chaos, &format!("attempts = {attempts}"));
        let (text, line) = fetched(&host, &chaos, "");
        assert!(text.starts_with("status 503\n"), "{text}");
        assert_eq!(
            (chaos.taken().len(), &line["attempts"]),
            (attempts, &attempts.into())
        );
    }
}

#[test]
fn an_upstream_gets_no_more_tries_a_second_than_the_policy_says() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "per_second = 4");
    let url = encoded(&chaos.url("/ok"));
    let answer = host.get(&format!("/two/fetch-many?n=10&url={url}"));
    // Whoever comes too soon waits, and is served.
    assert_eq!(
        answer.text().matches("status 200").count(),
        10,
        "{}",
        answer.text()
    );
    let seen: Vec<_> = chaos.taken().into_iter().map(|(at, _)| at).collect();
    // Four at once, and then four a second.
    assert!(
        seen[9] - seen[0] >= Duration::from_millis(1_400),
        "{:?}",
        seen[9] - seen[0]
    );
    // With one try there is nobody to wait: it is refused, by a rule of the host and not by the upstream.
    let host = self::host(&chaos, "per_second = 1\nattempts = 1");
    fetched(&host, &chaos, "");
    let (_, line) = fetched(&host, &chaos, "");
    assert_eq!(
        (&line["code"], &line["boundary"]),
        (&"rate-limited".into(), &"policy".into())
    );
}

#[test]
fn an_upstream_that_is_down_does_not_get_three_times_the_load() {
    let chaos = Chaos::start(Does::Answers(500, ""));
    let host = host(&chaos, "breaker = false");
    let begun = Instant::now();
    let url = encoded(&chaos.url("/ok"));
    let answer = host.get(&format!("/two/fetch-many?n=200&url={url}"));
    assert_eq!(
        answer.text().matches("status 500").count(),
        200,
        "{}",
        answer.text()
    );
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let tries = chaos.taken().len();
    // A fifth of the first ones and one a second, ten seconds of which may come at once.
    let most = 200 + 40 + 10 + seconds;
    assert!((201..=most).contains(&tries), "{tries} of {most}");
}
