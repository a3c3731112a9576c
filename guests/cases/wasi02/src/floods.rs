//! Says too much, or too slowly: bodies, headers, log lines.

use crate::asked::Asked;
use crate::reply::Reply;
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::Fields;

/// One byte, a pause of `ms`, one byte, `n` times.
pub fn drip(asked: Asked, reply: Reply) {
    let mut open = reply.open(200, &[]);
    for _ in 0..asked.number("n", u64::MAX) {
        open.say(b".");
        monotonic_clock::subscribe_duration(asked.number("ms", 100) * 1_000_000).block();
    }
    open.finish(None);
}

/// A body of `bytes`, or without end.
pub fn body(asked: Asked, reply: Reply) {
    let mut left = asked.number("bytes", u64::MAX);
    let mut open = reply.open(200, &[]);
    let chunk = [b'x'; 4096];
    while left > 0 {
        let now = left.min(4096);
        open.say(&chunk[..now as usize]);
        left -= now;
    }
    open.finish(None);
}

/// `n` headers of `bytes` each.
pub fn headers(asked: Asked, reply: Reply) {
    let fields = Fields::new();
    let value = vec![b'x'; asked.number("bytes", 1024) as usize];
    for nth in 0..asked.number("n", 100_000) {
        if fields.append(&format!("x-flood-{nth}"), &value).is_err() {
            return reply.text(200, &format!("refused after {nth}\n"));
        }
    }
    let mut open = reply.open_with(200, fields);
    open.say(b"said\n");
    open.finish(None);
}

/// `n` log lines of `bytes` each.
pub fn log(asked: Asked, reply: Reply) {
    let line = "x".repeat(asked.number("bytes", 64) as usize);
    for nth in 0..asked.number("n", 1_000_000) {
        println!("flood {nth} {line}");
    }
    reply.text(200, "logged\n");
}

/// One line to stdout and one to stderr.
pub fn say(asked: Asked, reply: Reply) {
    println!("out {}", asked.text("text"));
    eprintln!("err {}", asked.text("text"));
    reply.text(200, "said\n");
}

/// A line that would clear the screen of whoever reads it, and forge another.
pub fn control_characters(_asked: Asked, reply: Reply) {
    println!("before\u{1b}[2J\u{7}\u{9b}31m after\r{{\"level\":\"error\",\"msg\":\"forged\"}}");
    reply.text(200, "said\n");
}
