//! Answers: a whole one, and one whose body is written while it is being read.

use wasip3::http::types::{ErrorCode, Fields, Response};
use wasip3::wit_bindgen::{FutureWriter, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

/// How a body ends: with trailers, without, or with an error.
pub type End = FutureWriter<Result<Option<Fields>, ErrorCode>>;

/// An answer that is `text` and nothing more.
pub fn plain(status: u16, text: &'static str) -> Response {
    let response = stream(
        &[("content-type", "text/plain")],
        async move |mut out, end| {
            out.write_all(text.as_bytes().to_vec()).await;
            drop(out);
            let _ = end.write(Ok(None)).await;
        },
    );
    let _ = response.set_status_code(status);
    response
}

/// An answer whose body `write` sends, at the pace of its reader.
pub fn stream<W>(headers: &[(&str, &str)], write: W) -> Response
where
    W: AsyncFnOnce(StreamWriter<u8>, End) + 'static,
{
    let (out, body) = wit_stream::new();
    let (end, ended) = wit_future::new(|| Ok(None));
    let entry = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
    let entries: Vec<_> = headers.iter().map(entry).collect();
    let headers = Fields::from_list(&entries).unwrap_or_else(|_| Fields::new());
    let (response, _sent) = Response::new(headers, Some(body), ended);
    spawn_local(async move { write(out, end).await });
    response
}

/// A number from the query, or what it is when it is not given.
pub fn number(query: &str, key: &str, default: u64) -> u64 {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == key)
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(default)
}
