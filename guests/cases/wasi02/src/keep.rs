//! Keeps something when its call is over, in case the instance serves another one.

use crate::asked::Asked;
use crate::outside;
use crate::reply::Reply;
use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use wasip2::cli::{stdin, stdout};
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::Fields;
use wasip2::io::streams::{InputStream, OutputStream};

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
        "output" => {
            let out = stdout::get_stdout();
            let ready = out.subscribe();
            KEPT.with_borrow_mut(|all| all.push(Box::new(ready)));
            Box::new(out)
        }
        "memory" => Box::new(vec![1u8; asked.number("bytes", 1 << 20) as usize]),
        _ => Box::new(()),
    };
    KEPT.with_borrow_mut(|all| all.push(kept));
    reply.text(200, "kept\n");
}

thread_local! {
    static OUT: OutputStream = stdout::get_stdout();
}

/// Writes `text` to the stdout that the first such call of the instance opened and that stays open, then reads a stdin that stays open.
pub fn say(asked: Asked, reply: Reply) {
    thread_local! {
        static IN: InputStream = stdin::get_stdin();
    }
    let read = IN.with(|input| input.read(1));
    assert!(read.is_err(), "there is nothing on stdin");
    let line = format!("{}\n", asked.text("text"));
    OUT.with(|out| out.blocking_write_and_flush(line.as_bytes()))
        .expect("stdout");
    reply.text(200, "said\n");
}
