//! The assumption: external systems are there. So: one that fails at every request while a crowd keeps asking, and what reaches it.

use crate::harness::{Chaos, Does, Guest, Host, Setup, encoded, scaled};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

const CALLERS: usize = 16;

fn host(chaos: &Chaos) -> Host {
    let url = chaos.url("");
    Setup::new()
        .service("two", Guest::Case("wasi02"), "upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]"
        ))
        .start()
}

/// Asks `rate` times a second for so long, whatever comes back; what came, and when.
fn crowd(host: &Host, path: &str, rate: usize, span: Duration) -> Vec<(Instant, String)> {
    let came = Mutex::new(Vec::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let came = &came;
            scope.spawn(move || {
                for turn in 0.. {
                    let nth = u32::try_from(turn * CALLERS + caller).unwrap();
                    let due = begun + Duration::from_secs(1) * nth / u32::try_from(rate).unwrap();
                    if due - begun >= span {
                        return;
                    }
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let answer = host.get(path);
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    came.lock().unwrap().push((Instant::now(), answer.text()));
                }
            });
        }
    });
    came.into_inner().unwrap()
}

#[test]
fn an_upstream_that_fails_at_everything_is_left_alone_and_found_again() {
    let chaos = Chaos::start(Does::Answers(500, ""));
    let host = host(&chaos);
    let path = format!("/two/fetch?url={}", encoded(&chaos.url("/ok")));
    let rate = scaled(100, 1_000);
    let came = crowd(
        &host,
        &path,
        rate,
        Duration::from_secs(scaled(4, 20) as u64),
    );
    let tries: Vec<_> = chaos.taken().into_iter().map(|(at, _)| at).collect();

    // Five in a row open the breaker; those that were under way by then, as many as there are callers, may end, each with its own retries.
    let open = host
        .log_text()
        .matches("is left alone for service two")
        .count();
    assert_eq!(open, 1, "it opened once, and stayed so");
    let until_open = tries
        .iter()
        .filter(|at| **at - tries[0] < Duration::from_millis(900))
        .count();
    assert!(
        until_open <= 5 + CALLERS + 10,
        "{until_open} tries until it was open"
    );
    // Then only probes: at 1, 2, 4, 8 s, each up to half as long again.
    let probes = tries.len() - until_open;
    assert!((1..=5).contains(&probes), "{probes} probes");
    let refused = came
        .iter()
        .filter(|(_, text)| text.starts_with("error "))
        .count();
    assert!(
        refused > came.len() * 8 / 10,
        "{refused} of {} were told at once",
        came.len()
    );

    // It comes back, and one probe is enough. The longest pause there can be by now is 24 s.
    chaos.usually(Does::Serves);
    let well = crowd(&host, &path, 10, Duration::from_secs(scaled(8, 30) as u64));
    let first = well
        .iter()
        .position(|(_, text)| text.starts_with("status 200"))
        .expect("it was found again");
    assert!(
        well[first + CALLERS..]
            .iter()
            .all(|(_, text)| text.starts_with("status 200"))
    );
}
