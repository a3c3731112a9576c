//! A typed service that asks another one of both versions of its interface, and of several things at once.

use exports::test::adds::adds::Guest;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use test::{sums1_0_0::sums as one, sums2_0_0::sums as two};

wit_bindgen::generate!({
    world: "test:adds/adding",
    path: ["../sums/wit/one.wit", "../sums/wit/two.wit", "wit"],
    generate_all,
});

struct Adds;

impl Guest for Adds {
    async fn both(a: u32, b: u32) -> (u32, u64) {
        (one::add(a, b), two::add(a.into(), b.into()).await)
    }

    async fn together(ms: Vec<u32>) -> Vec<u32> {
        let asked = ms
            .into_iter()
            .map(|ms| Box::pin(two::later(ms, ms)) as Pin<Box<dyn Future<Output = u32>>>);
        let mut asked: Vec<_> = asked.collect();
        let mut came = Vec::new();
        poll_fn(|cx| {
            asked.retain_mut(|one| match one.as_mut().poll(cx) {
                Poll::Ready(number) => {
                    came.push(number);
                    false
                }
                Poll::Pending => true,
            });
            if asked.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        came
    }

    async fn crash() -> u32 {
        two::crash().await
    }
}

export!(Adds);
