//! Keeps something when its call is over, in case the instance serves another one.

use crate::answer::{number, plain, text};
use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, Response};
use wasip3::{spawn_local, wit_future, wit_stream};

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
pub fn kept() -> Response {
    plain(200, &format!("{}\n", CALLS.load(Ordering::Relaxed)))
}

/// Keeps a thing of the kind `what` beyond its call, or goes on with a task for `ms`.
pub fn keep(query: &str) -> Response {
    let kept: Box<dyn Any> = match text(query, "what").as_str() {
        "fields" => Box::new(Fields::new()),
        "stream" => Box::new(wit_stream::new::<u8>()),
        "future" => Box::new(wit_future::new::<Result<(), ErrorCode>>(|| Ok(()))),
        "task" => {
            let ms = number(query, "ms", 100);
            spawn_local(async move {
                wait_for(ms * 1_000_000).await;
                println!("the task is done");
            });
            Box::new(())
        }
        _ => Box::new(()),
    };
    KEPT.with_borrow_mut(|all| all.push(kept));
    plain(200, "kept\n")
}
