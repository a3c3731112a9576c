//! A service of two versions of one interface, the later of which is asynchronous, and of HTTP.

use exports::test::sums1_0_0::sums::Guest as One;
use exports::test::sums2_0_0::sums::Guest as Two;
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::exports::http::handler::Guest as Handler;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_future;

wit_bindgen::generate!({
    world: "test:summing/summing",
    path: ["wit/one.wit", "wit/two.wit", "wit/world.wit"],
    generate_all,
});

wasip3::http::service::export!(Sums);

struct Sums;

impl One for Sums {
    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }
}

impl Two for Sums {
    async fn add(a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }

    async fn later(number: u32, ms: u32) -> u32 {
        wait_for(u64::from(ms) * 1_000_000).await;
        number
    }

    async fn crash() -> u32 {
        panic!("CANARY: this is for the operator alone")
    }
}

impl Handler for Sums {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let asked = request.get_path_with_query().unwrap_or_default();
        let (mut body, contents) = wasip3::wit_stream::new();
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (response, _) = Response::new(Fields::new(), Some(contents), trailers);
        wasip3::spawn_local(async move {
            body.write_all(format!("plain {asked}\n").into_bytes())
                .await;
        });
        Ok(response)
    }
}

export!(Sums);
