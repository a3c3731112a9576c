//! Uses up what a call is given: CPU, memory, stack, handles.

use crate::asked::Asked;
use crate::reply::Reply;
use std::hint::black_box;
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::Fields;

/// Computes for ever.
pub fn forever(_asked: Asked, _reply: Reply) {
    let mut x = 1u64;
    loop {
        x = black_box(x.wrapping_mul(3));
    }
}

/// Computes for `n` rounds, then answers.
pub fn rounds(asked: Asked, reply: Reply) {
    let mut x = 1u64;
    for _ in 0..asked.number("n", 1_000_000) {
        x = black_box(x.wrapping_mul(3));
    }
    reply.text(200, "done\n");
}

/// For ever too, but with a host call in every round.
pub fn between_host_calls(_asked: Asked, _reply: Reply) {
    loop {
        black_box(monotonic_clock::now());
    }
}

/// Takes memory until there is none, or until `bytes` are taken; then it answers.
pub fn memory(asked: Asked, reply: Reply) {
    const STEP: usize = 1024 * 1024;
    let wanted = asked.number("bytes", u64::MAX);
    let mut taken: Vec<Vec<u8>> = Vec::new();
    while (taken.len() * STEP) as u64 <= wanted.saturating_sub(STEP as u64) {
        // Written to, so that every page of it is really there.
        taken.push(vec![1u8; STEP]);
    }
    black_box(&taken);
    reply.text(200, "grown\n");
}

/// Recurses until the stack ends.
pub fn stack(_asked: Asked, reply: Reply) {
    #[expect(unconditional_recursion, reason = "this is the case")]
    fn deeper(depth: u64) -> u64 {
        let held = black_box([depth; 32]);
        deeper(depth + 1) + black_box(held)[0]
    }
    black_box(deeper(0));
    reply.text(200, "came back\n");
}

/// Makes `n` resources and gives none back.
pub fn handles(asked: Asked, reply: Reply) {
    for _ in 0..asked.number("n", 1_000_000) {
        std::mem::forget(Fields::new());
    }
    reply.text(200, "leaked\n");
}
