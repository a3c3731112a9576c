//! Answers as no service should: too early, half, not at all, twice, with what nobody may see.

use crate::asked::Asked;
use crate::reply::Reply;
use std::hint::black_box;
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{Fields, OutgoingResponse, ResponseOutparam};

/// What must never be seen outside; the masking test looks for it everywhere.
const CANARY: &str = "CANARY-guest-secret";

/// Dies before it answers.
pub fn trap_before(_asked: Asked, _reply: Reply) {
    core::arch::wasm32::unreachable()
}

/// Dies when its head is out and no byte of its body.
pub fn trap_after_headers(_asked: Asked, reply: Reply) {
    let _open = reply.open(200, &[]);
    core::arch::wasm32::unreachable()
}

/// Dies in the middle of its body.
pub fn trap_mid_body(_asked: Asked, reply: Reply) {
    let mut open = reply.open(200, &[]);
    open.say(b"the first half, ");
    core::arch::wasm32::unreachable()
}

/// Waits for what does not come.
pub fn never(_asked: Asked, _reply: Reply) {
    monotonic_clock::subscribe_duration(u64::MAX / 2).block();
}

/// Returns without an answer.
pub fn none(_asked: Asked, reply: Reply) {
    drop(reply.raw());
}

/// Answers twice.
pub fn twice(_asked: Asked, reply: Reply) {
    let out = reply.raw();
    let handle = out.handle();
    let answer = || {
        let response = OutgoingResponse::new(Fields::new());
        drop(response.body());
        response
    };
    ResponseOutparam::set(out, Ok(answer()));
    // SAFETY: none; the handle is gone, and using it again is the case.
    let again = unsafe { ResponseOutparam::from_handle(handle) };
    ResponseOutparam::set(again, Ok(answer()));
}

/// Writes half its body and returns, without saying that it is finished.
pub fn unfinished(_asked: Asked, reply: Reply) {
    let mut open = reply.open(200, &[]);
    open.say(b"the first half, ");
}

/// Announces 100 bytes and writes 10.
pub fn shorter_than_said(_asked: Asked, reply: Reply) {
    let mut open = reply.open(200, &[("content-length", "100")]);
    open.say(b"ten bytes.");
    open.finish(None);
}

/// Answers with the status `code`, the content type `kind`, and the body of the request as it came.
pub fn body(asked: Asked, reply: Reply) {
    let code = asked.number("code", 200) as u16;
    let body = asked.request.consume().expect("a body");
    let bytes = body.stream().expect("a stream");
    let mut open = reply.open(code, &[("content-type", asked.text("kind"))]);
    while let Ok(chunk) = bytes.blocking_read(64 * 1024) {
        open.say(&chunk);
    }
    open.finish(None);
}

/// Answers with the status `code`.
pub fn status(asked: Asked, reply: Reply) {
    let response = OutgoingResponse::new(Fields::new());
    let code = asked.number("code", 200) as u16;
    if response.set_status_code(code).is_err() {
        return reply.text(200, "refused\n");
    }
    let body = response.body().expect("a body");
    ResponseOutparam::set(reply.raw(), Ok(response));
    let text = asked.text("body");
    if !text.is_empty() {
        let stream = body.write().expect("a stream");
        stream
            .blocking_write_and_flush(text.as_bytes())
            .expect("a reader");
    }
    let _ = wasip2::http::types::OutgoingBody::finish(body, None);
}

/// Answers 500 with its insides in the body and in a header.
pub fn stack_trace(_asked: Asked, reply: Reply) {
    let mut open = reply.open(500, &[("x-debug", CANARY)]);
    open.say(format!("Traceback: /srv/app/{CANARY}.py line 7\n").as_bytes());
    open.finish(None);
}

/// Panics with its insides in the message.
pub fn panic(_asked: Asked, _reply: Reply) {
    panic!("{CANARY} at /srv/app/db.rs");
}

/// Answers well, then works on for `n` rounds and says so.
pub fn works_on(asked: Asked, reply: Reply) {
    reply.text(200, "answered\n");
    let mut x = 1u64;
    for _ in 0..asked.number("n", 1_000_000) {
        x = black_box(x.wrapping_mul(3));
    }
    println!("worked on");
}

/// Answers well, then computes for ever.
pub fn works_on_forever(_asked: Asked, reply: Reply) {
    reply.text(200, "answered\n");
    let mut x = 1u64;
    loop {
        x = black_box(x.wrapping_mul(3));
    }
}
