//! Answers: a whole one, and one whose body is written while it is being read.

use wasip3::http::types::{ErrorCode, Fields, Response};
use wasip3::wit_bindgen::{FutureWriter, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

/// How a body ends: with trailers, without, or with an error.
pub type End = FutureWriter<Result<Option<Fields>, ErrorCode>>;

/// An answer that is `text` and nothing more.
pub fn plain(status: u16, text: &str) -> Response {
    whole(status, text.to_owned())
}

/// The same for a text that was made.
pub fn whole(status: u16, text: String) -> Response {
    let response = stream(async move |mut out, end| {
        out.write_all(text.into_bytes()).await;
        drop(out);
        let _ = end.write(Ok(None)).await;
    });
    let _ = response.set_status_code(status);
    response
}

/// An answer whose body `write` sends, at the pace of its reader.
pub fn stream<W>(write: W) -> Response
where
    W: AsyncFnOnce(StreamWriter<u8>, End) + 'static,
{
    with_headers(Fields::new(), write)
}

/// The same, with headers.
pub fn with_headers<W>(headers: Fields, write: W) -> Response
where
    W: AsyncFnOnce(StreamWriter<u8>, End) + 'static,
{
    let (out, body) = wit_stream::new();
    let (end, ended) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(headers, Some(body), ended);
    spawn_local(async move { write(out, end).await });
    response
}

/// A value of the query, its escapes undone; empty if it is not there.
pub fn text(query: &str, key: &str) -> String {
    let value = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == key)
        .map_or("", |(_, value)| value);
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A number of the query, or `default`.
pub fn number(query: &str, key: &str, default: u64) -> u64 {
    text(query, key).parse().unwrap_or(default)
}
