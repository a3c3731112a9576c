//! Work of many steps, written as if nothing could ever interrupt it.

mod asked;

use asked::{Asked, answer, ask, begin, came, go_on, sent};
use std::thread::sleep;
use std::time::Duration;
use wasip2::clocks::monotonic_clock::{self, subscribe_duration};
use wasip2::clocks::wall_clock;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, Method, ResponseOutparam};
use wasip2::io::poll;
use wasip2::random::random::get_random_u64;

wasip2::http::proxy::export!(Workflow);

struct Workflow;

impl Guest for Workflow {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let asked = Asked::of(&request);
        println!("begins {}", asked.path);
        let said = match &*asked.path {
            "/steps" => steps(&asked),
            "/race" => race(&asked),
            "/clock" => clock(&asked),
            "/sleep" => slept(&asked),
            "/patience" => patience(&asked),
            "/loop" => endless(&asked),
            "/rounds" => return rounds(&asked, &sent(&request), out),
            "/trap" => {
                step(&asked, 1);
                unreachable!("it is told to")
            }
            other => format!("{other} is nothing that it does"),
        };
        println!("ends {}", asked.path);
        answer(out, 200, &said);
    }
}

/// One step after the other, each with a number of its own and the time.
fn steps(asked: &Asked) -> String {
    let said = (1..=asked.number("n", 20)).map(|number| {
        println!("step {number}");
        spin(asked.number("spin", 0));
        step(asked, number)
    });
    said.collect::<Vec<_>>().join("\n")
}

fn step(asked: &Asked, number: u64) -> String {
    let method = match &*asked.text("method", "POST") {
        "PUT" => Method::Put,
        _ => Method::Post,
    };
    let body = format!("{number} {:016x} {}", get_random_u64(), nanos());
    let path = format!("/step/{}/{number}", asked.text("name", "it"));
    ask(&method, &asked.text("upstream", ""), &path, &body)
}

/// Several at once: which comes first is told, and who is told of the next.
fn race(asked: &Asked) -> String {
    let upstream = asked.text("upstream", "");
    let mut order = Vec::new();
    for round in 1..=asked.number("n", 3) {
        let mut waiting: Vec<_> = (1..=4)
            .map(|lane| {
                let path = format!("/step/lane{lane}/{round}");
                let body = format!("{}", order.len());
                (lane, begin(&Method::Put, &upstream, &path, &body))
            })
            .collect();
        while !waiting.is_empty() {
            let pollables: Vec<_> = waiting.iter().map(|(_, one)| one.subscribe()).collect();
            let ready = poll::poll(&pollables.iter().collect::<Vec<_>>());
            drop(pollables);
            for place in ready.into_iter().rev() {
                let (lane, one) = waiting.remove(place as usize);
                order.push(format!("{lane}:{}", came(&one)));
            }
        }
        let path = format!("/step/order/{round}");
        order.push(ask(&Method::Put, &upstream, &path, &order.join(",")));
    }
    order.join("\n")
}

/// Does one of two things, as the clock says.
fn clock(asked: &Asked) -> String {
    let odd = nanos() / 1_000 % 2 == 1;
    step(asked, if odd { 1 } else { 2 })
}

/// Sleeps between two steps, and says for how long it has.
fn slept(asked: &Asked) -> String {
    let first = step(asked, 1);
    let began = monotonic_clock::now();
    sleep(Duration::from_millis(asked.number("ms", 100)));
    let took = monotonic_clock::now() - began;
    let second = step(asked, 2);
    format!("{first}\n{second}\n{}", took / 1_000_000)
}

/// Asks for one thing, and waits for it no longer than it is told to.
fn patience(asked: &Asked) -> String {
    let one = begin(
        &Method::Post,
        &asked.text("upstream", ""),
        "/step/it/1",
        "asked",
    );
    let over = subscribe_duration(asked.number("ms", 30_000) * 1_000_000);
    let came_first = poll::poll(&[&one.subscribe(), &over]).contains(&0);
    if came_first {
        came(&one)
    } else {
        "late".to_owned()
    }
}

/// Takes so many steps in so many rounds, each an execution of its own journal, and answers how many there were.
fn rounds(asked: &Asked, sent: &str, out: ResponseOutparam) {
    let (steps, left) = (asked.number("n", 2), asked.number("rounds", 1));
    let done = asked.number("done", 0);
    for number in done + 1..=done + steps {
        step(asked, number);
    }
    let done = done + steps;
    match left {
        0 | 1 => answer(out, 200, &format!("{done} steps, {sent}")),
        _ => {
            let upstream = asked.text("upstream", "");
            let path = asked.text("to", "/rounds");
            let query = format!(
                "{path}?n={steps}&rounds={}&done={done}&upstream={upstream}",
                left - 1
            );
            go_on(out, &query, &format!("after {done}"));
        }
    }
}

/// Goes on for ever, if it may.
fn endless(asked: &Asked) -> String {
    for number in 1.. {
        let said = step(asked, number);
        if !said.starts_with("200") {
            return said;
        }
    }
    String::new()
}

/// Uses so many milliseconds of the processor, by a count that is the same each time.
fn spin(millis: u64) {
    let mut seen = 0u64;
    for number in 0..millis * 300_000 {
        seen = std::hint::black_box(seen.wrapping_mul(31).wrapping_add(number));
    }
}

fn nanos() -> u64 {
    let now = wall_clock::now();
    now.seconds * 1_000_000_000 + u64::from(now.nanoseconds)
}
