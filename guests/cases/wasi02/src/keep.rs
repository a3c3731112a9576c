//! Keeps something when its call is over, in case the instance serves another one.

use crate::asked::Asked;
use crate::outside;
use crate::reply::Reply;
use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use wasip2::cli::stdout;
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::Fields;

/// How many calls this instance was asked to serve.
static CALLS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static KEPT: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// One more call.
pub fn count() {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Which call of this instance it is.
pub fn kept(_asked: Asked, reply: Reply) {
    reply.text(200, &format!("{}\n", CALLS.load(Ordering::Relaxed)));
}

/// Keeps a thing of the kind `what` beyond its call.
pub fn keep(asked: Asked, reply: Reply) {
    let kept: Box<dyn Any> = match asked.text("what") {
        "fields" => Box::new(Fields::new()),
        "pollable" => Box::new(monotonic_clock::subscribe_duration(u64::MAX / 2)),
        "request" => match outside::send(&asked) {
            Ok(pending) => Box::new(pending),
            Err(error) => return reply.text(200, &format!("{error:?}\n")),
        },
        "stdout" => Box::new(stdout::get_stdout()),
        "memory" => Box::new(vec![1u8; asked.number("bytes", 1 << 20) as usize]),
        _ => Box::new(()),
    };
    KEPT.with_borrow_mut(|all| all.push(kept));
    reply.text(200, "kept\n");
}

/// Writes `text` to stdout, and keeps nothing of stdout.
pub fn say(asked: Asked, reply: Reply) {
    let out = stdout::get_stdout();
    let line = format!("{}\n", asked.text("text"));
    out.blocking_write_and_flush(line.as_bytes())
        .expect("stdout");
    drop(out);
    reply.text(200, "said\n");
}
