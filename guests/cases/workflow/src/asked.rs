//! What was asked, whom the guest asks, and how it answers.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, IncomingRequest, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
};

/// One request, read apart. Nothing in it needs decoding.
pub struct Asked {
    /// Without the query.
    pub path: String,
    query: Vec<(String, String)>,
}

impl Asked {
    /// Reads `request` apart.
    pub fn of(request: &IncomingRequest) -> Self {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self {
            path: path.to_owned(),
            query: pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// A value of the query, or this one.
    pub fn text(&self, key: &str, otherwise: &str) -> String {
        let found = self.query.iter().find(|(name, _)| name == key);
        found.map_or(otherwise, |(_, value)| value).to_owned()
    }

    /// A number of the query, or this one.
    pub fn number(&self, key: &str, otherwise: u64) -> u64 {
        self.text(key, "").parse().unwrap_or(otherwise)
    }
}

/// What was sent with a request.
pub fn sent(request: &IncomingRequest) -> String {
    let body = request.consume().expect("a body");
    let stream = body.stream().expect("a stream");
    let mut text = Vec::new();
    while let Ok(chunk) = stream.blocking_read(65_536) {
        text.extend(chunk);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Begins to ask `authority` for something.
pub fn begin(method: &Method, authority: &str, path: &str, body: &str) -> FutureIncomingResponse {
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(method).expect("a method");
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request
        .set_authority(Some(authority))
        .expect("an authority");
    request.set_path_with_query(Some(path)).expect("a path");
    let outgoing = request.body().expect("a body");
    let pending = outgoing_handler::handle(request, None).expect("it is sent");
    let stream = outgoing.write().expect("a stream");
    for chunk in body.as_bytes().chunks(4096) {
        stream.blocking_write_and_flush(chunk).expect("a reader");
    }
    drop(stream);
    OutgoingBody::finish(outgoing, None).expect("a whole body");
    pending
}

/// What came back, in one text.
pub fn came(pending: &FutureIncomingResponse) -> String {
    match pending.get() {
        Some(Ok(Ok(answer))) => read(answer),
        other => format!("{other:?}"),
    }
}

/// Asks, and waits for the answer.
pub fn ask(method: &Method, authority: &str, path: &str, body: &str) -> String {
    let pending = begin(method, authority, path, body);
    pending.subscribe().block();
    came(&pending)
}

fn read(answer: IncomingResponse) -> String {
    let status = answer.status();
    let body = answer.consume().expect("a body");
    let stream = body.stream().expect("a stream");
    let mut text = Vec::new();
    while let Ok(chunk) = stream.blocking_read(65_536) {
        text.extend(chunk);
    }
    format!("{status} {}", String::from_utf8_lossy(&text))
}

/// Answers with `text`.
pub fn answer(out: ResponseOutparam, status: u16, text: &str) {
    answer_with(out, status, &Fields::new(), text);
}

/// Goes on as new, with this path and query, and `text` as what is sent.
pub fn go_on(out: ResponseOutparam, path: &str, text: &str) {
    let fields = Fields::new();
    let value = path.as_bytes().to_vec();
    fields
        .append("holdfast-continue", &value)
        .expect("a header");
    answer_with(out, 200, &fields, text);
}

fn answer_with(out: ResponseOutparam, status: u16, fields: &Fields, text: &str) {
    let response = OutgoingResponse::new(fields.clone());
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("a stream");
    for chunk in text.as_bytes().chunks(4096) {
        stream.blocking_write_and_flush(chunk).expect("a reader");
    }
    drop(stream);
    OutgoingBody::finish(body, None).expect("a whole body");
}
