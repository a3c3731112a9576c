//! Bodies: whole, cut, endless, with trailers, and what a guest does when its body is out.

use crate::answer::{number, stream, with_headers};
use std::fmt::Write as _;
use std::hint::black_box;
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::StreamResult;
use wasip3::wit_future;

/// Dies after `chunks` pieces of its body.
pub fn trap(chunks: u32) -> Response {
    stream(async move |mut out, _end| {
        for _ in 0..chunks {
            out.write_all(b"the first half, ".to_vec()).await;
        }
        // Lets the head go out first.
        wait_for(20_000_000).await;
        core::arch::wasm32::unreachable()
    })
}

/// Ends its body with an error in place of trailers.
pub fn error_at_the_end() -> Response {
    stream(async move |mut out, end| {
        out.write_all(b"the first half, ".to_vec()).await;
        drop(out);
        let error = ErrorCode::InternalError(Some("CANARY-guest-secret".to_owned()));
        let _ = end.write(Err(error)).await;
    })
}

/// The body, streamed back as it comes; cut if it came cut.
pub fn echo(request: Request) -> Response {
    let (consumed, told) = wit_future::new(|| Ok(()));
    let (mut body, trailers) = Request::consume_body(request, told);
    stream(async move |mut out, end| {
        loop {
            let (status, read) = body.read(Vec::with_capacity(16 * 1024)).await;
            if !read.is_empty() && !out.write_all(read).await.is_empty() {
                return;
            }
            if matches!(status, StreamResult::Dropped) {
                break;
            }
        }
        drop(out);
        let ended = trailers.await;
        let _ = consumed.write(Ok(())).await;
        let _ = end.write(ended.map(|_| None)).await;
    })
}

/// Shows the trailers it got, and sends one of its own.
pub fn trailers(request: Request) -> Response {
    let (consumed, told) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, told);
    // HTTP/1.1 carries the trailers that were declared, and no others.
    let declared = [("trailer".to_owned(), b"x-end".to_vec())];
    let headers = Fields::from_list(&declared).unwrap_or_else(|_| Fields::new());
    with_headers(headers, async move |mut out, end| {
        let _ = body.collect().await;
        let mut text = String::new();
        if let Ok(Some(fields)) = trailers.await {
            for (name, value) in fields.copy_all() {
                let _ = writeln!(text, "trailer {name}: {}", String::from_utf8_lossy(&value));
            }
        }
        let _ = consumed.write(Ok(())).await;
        out.write_all(text.into_bytes()).await;
        drop(out);
        let entries = [("x-end".to_owned(), b"seen".to_vec())];
        let _ = end.write(Ok(Fields::from_list(&entries).ok())).await;
    })
}

/// One byte, a pause of `ms`, one byte, `n` times.
pub fn drip(query: &str) -> Response {
    let (n, ms) = (number(query, "n", u64::MAX), number(query, "ms", 100));
    stream(async move |mut out, end| {
        for _ in 0..n {
            if !out.write_all(b".".to_vec()).await.is_empty() {
                return;
            }
            wait_for(ms * 1_000_000).await;
        }
        drop(out);
        let _ = end.write(Ok(None)).await;
    })
}

/// A body of `bytes`, or without end.
pub fn flood(query: &str) -> Response {
    let mut left = number(query, "bytes", u64::MAX);
    stream(async move |mut out, end| {
        while left > 0 {
            let now = left.min(16 * 1024);
            if !out.write_all(vec![b'x'; now as usize]).await.is_empty() {
                return;
            }
            left -= now;
        }
        drop(out);
        let _ = end.write(Ok(None)).await;
    })
}

/// Answers well, then works on and says so.
pub fn works_on() -> Response {
    stream(async move |mut out, end| {
        out.write_all(b"answered\n".to_vec()).await;
        drop(out);
        let _ = end.write(Ok(None)).await;
        println!("worked on");
    })
}

/// Answers well, then computes for ever.
pub fn works_on_forever() -> Response {
    stream(async move |mut out, end| {
        out.write_all(b"answered\n".to_vec()).await;
        drop(out);
        let _ = end.write(Ok(None)).await;
        let mut x = 1u64;
        loop {
            x = black_box(x.wrapping_mul(3));
        }
    })
}
