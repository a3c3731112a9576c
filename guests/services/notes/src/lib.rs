//! Streams, in WASI 0.3: bodies that flow both ways, server-sent events, trailers.
//!
//! Every call gets a fresh instance, so nothing is remembered between calls; what is shown here flows through.
//!
//! | request | answer |
//! |---|---|
//! | `POST /upper` | the body, in upper case, as it arrives; the number of bytes in the trailer `x-bytes` |
//! | `GET /count?n=5` | that many lines |
//! | `GET /events?n=5&ms=100` | that many server-sent events, with a pause before each |

mod answer;

use answer::{number, plain, stream};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::wit_future;

wasip3::http::service::export!(Notes);

struct Notes;

impl Guest for Notes {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match (request.get_method(), path) {
            (Method::Post, "/upper") => Ok(upper(request)),
            (Method::Get, "/count") => Ok(count(number(query, "n", 5))),
            (Method::Get, "/events") => Ok(events(number(query, "n", 5), number(query, "ms", 100))),
            (Method::Get, "/") => Ok(plain(
                200,
                "notes: POST /upper, GET /count?n=, GET /events?n=&ms=\n",
            )),
            _ => Ok(plain(404, "no such note\n")),
        }
    }
}

/// Streams the request's body back, never holding more than one chunk of it.
fn upper(request: Request) -> Response {
    let (consumed, told) = wit_future::new(|| Ok(()));
    let (mut body, trailers) = Request::consume_body(request, told);
    // HTTP/1.1 carries the trailers that were declared, and no others.
    let headers = [("content-type", "text/plain"), ("trailer", "x-bytes")];
    stream(&headers, async move |mut out, end| {
        let mut bytes = 0u64;
        let mut chunk = Vec::with_capacity(16 * 1024);
        loop {
            let (status, mut read) = body.read(chunk).await;
            bytes += read.len() as u64;
            read.make_ascii_uppercase();
            if !read.is_empty() && !out.write_all(read).await.is_empty() {
                return;
            }
            if matches!(status, wasip3::wit_bindgen::StreamResult::Dropped) {
                break;
            }
            chunk = Vec::with_capacity(16 * 1024);
        }
        drop(out);
        // A body that was cut on its way in must not look whole on its way out.
        let ended = trailers.await.map(|_| {
            let entries = [("x-bytes".to_owned(), bytes.to_string().into_bytes())];
            Fields::from_list(&entries).ok()
        });
        let _ = consumed.write(Ok(())).await;
        let _ = end.write(ended).await;
    })
}

fn count(lines: u64) -> Response {
    stream(
        &[("content-type", "text/plain")],
        async move |mut out, end| {
            for line in 1..=lines {
                if !out
                    .write_all(format!("note {line}\n").into_bytes())
                    .await
                    .is_empty()
                {
                    return;
                }
            }
            drop(out);
            let _ = end.write(Ok(None)).await;
        },
    )
}

fn events(events: u64, pause_ms: u64) -> Response {
    stream(
        &[("content-type", "text/event-stream")],
        async move |mut out, end| {
            for event in 1..=events {
                wait_for(pause_ms * 1_000_000).await;
                let text = format!("id: {event}\ndata: note {event}\n\n");
                if !out.write_all(text.into_bytes()).await.is_empty() {
                    return;
                }
            }
            drop(out);
            let _ = end.write(Ok(None)).await;
        },
    )
}
