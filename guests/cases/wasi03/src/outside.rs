//! Reaches out over the network.

use crate::answer::{plain, text, whole};
use std::fmt::Write as _;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::{spawn_local, wit_future, wit_stream};

/// Asks for `url` and shows what came: the status, the headers, the body; or which error.
pub async fn fetch(query: &str) -> Result<Response, ErrorCode> {
    match client::send(request(query)).await {
        Ok(answer) => Ok(whole(200, show(answer).await)),
        Err(error) => Ok(whole(200, format!("error {}\n", name(&error)))),
    }
}

/// Asks, and answers without waiting for what it asked.
pub fn forget(query: &str) -> Result<Response, ErrorCode> {
    let request = request(query);
    spawn_local(async move {
        let _ = client::send(request).await;
    });
    Ok(plain(200, "forgotten\n"))
}

fn request(query: &str) -> Request {
    let url = text(query, "url");
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", &url));
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let (mut out, body) = wit_stream::new();
    let (end, ended) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), Some(body), ended, None);
    let _ = request.set_scheme(Some(match scheme {
        "https" => &Scheme::Https,
        _ => &Scheme::Http,
    }));
    let posted = text(query, "body").into_bytes();
    if !posted.is_empty() {
        let _ = request.set_method(&Method::Post);
    }
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some(if path.is_empty() { "/" } else { path }));
    spawn_local(async move {
        out.write_all(posted).await;
        drop(out);
        let _ = end.write(Ok(None)).await;
    });
    request
}

async fn show(answer: Response) -> String {
    let mut shown = format!("status {}\n", answer.get_status_code());
    for (name, value) in answer.get_headers().copy_all() {
        let _ = writeln!(shown, "header {name}: {}", String::from_utf8_lossy(&value));
    }
    let (consumed, told) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(answer, told);
    let bytes = body.collect().await;
    let end = match trailers.await {
        Ok(_) => "whole",
        Err(_) => "cut",
    };
    let _ = consumed.write(Ok(())).await;
    let _ = writeln!(shown, "body {end} {} bytes", bytes.len());
    shown.push_str(&String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]));
    shown
}

/// The error as its name in the WIT, without its payload.
fn name(error: &ErrorCode) -> String {
    let text = format!("{error:?}");
    let end = text.find(['(', ' ', '{']).unwrap_or(text.len());
    text[..end].trim_start_matches("ErrorCode::").to_owned()
}
