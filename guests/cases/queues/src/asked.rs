//! What was asked, and how it is answered.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};

/// One request, read apart. Nothing in it needs decoding.
pub struct Asked {
    /// Without the query.
    pub path: String,
    query: Vec<(String, String)>,
    tick: Option<String>,
}

impl Asked {
    /// Reads `request` apart.
    pub fn of(request: &IncomingRequest) -> Self {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let tick = request.headers().get("holdfast-tick");
        let tick = tick.into_iter().next();
        Self {
            path: path.to_owned(),
            tick: tick.and_then(|tick| String::from_utf8(tick).ok()),
            query: pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// A value of the query, if it is there.
    pub fn text(&self, key: &str) -> Option<String> {
        let found = self.query.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone())
    }

    /// The moment for which it is asked by the clock, if it is.
    pub fn tick(&self) -> Option<&str> {
        self.tick.as_deref()
    }

    /// A number of the query, or this one.
    pub fn number(&self, key: &str, otherwise: u64) -> u64 {
        let said = self.text(key).and_then(|text| text.parse().ok());
        said.unwrap_or(otherwise)
    }
}

/// Has another service do something, and says with what status it answers.
pub fn another(authority: &str, path: &str) -> String {
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(&Method::Post).expect("a method");
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request
        .set_authority(Some(authority))
        .expect("an authority");
    request.set_path_with_query(Some(path)).expect("a path");
    let pending = match outgoing_handler::handle(request, None) {
        Ok(pending) => pending,
        Err(error) => return format!("{error:?}"),
    };
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(answer))) => answer.status().to_string(),
        other => format!("{other:?}"),
    }
}

/// Answers with `text`.
pub fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
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
