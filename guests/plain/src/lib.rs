//! Plain HTTP with JSON in it, for services that are written over the bare interface: what was asked, what is answered, and what an upstream says.

use serde_json::Value;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};

/// A request: its method, its path, and what is in it.
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn of(request: &IncomingRequest) -> Self {
        let target = request.path_with_query().unwrap_or_default();
        Self {
            method: request.method(),
            path: target.split('?').next().unwrap_or_default().to_owned(),
            body: read(request.consume().unwrap()),
        }
    }
}

/// Answers with this; `null` is nothing.
pub fn answer(out: ResponseOutparam, status: u16, said: &Value) {
    let headers = Fields::new();
    headers.append("content-type", b"application/json").unwrap();
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    write(body, said);
}

/// Asks the upstream at this URL for something, and reads what it answers.
pub fn ask(method: &Method, url: &str, said: Option<&Value>) -> Result<(u16, Vec<u8>), ErrorCode> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = match scheme {
        "http" => Scheme::Http,
        _ => Scheme::Https,
    };
    let headers = Fields::new();
    headers.append("content-type", b"application/json").unwrap();
    let request = OutgoingRequest::new(headers);
    request.set_method(method).unwrap();
    request.set_scheme(Some(&scheme)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(path)).unwrap();
    let body = request.body().unwrap();
    let pending = outgoing_handler::handle(request, None)?;
    match said {
        Some(said) => write(body, said),
        None => OutgoingBody::finish(body, None)?,
    }
    pending.subscribe().block();
    let answer = pending.get().unwrap().unwrap()?;
    Ok((answer.status(), read(answer.consume().unwrap())))
}

fn write(body: OutgoingBody, said: &Value) {
    let stream = body.write().unwrap();
    for chunk in said.to_string().as_bytes().chunks(4096) {
        // Who has gone away reads nothing more.
        if stream.blocking_write_and_flush(chunk).is_err() {
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn read(body: IncomingBody) -> Vec<u8> {
    let stream = body.stream().unwrap();
    let mut all = Vec::new();
    while let Ok(more) = stream.blocking_read(64 * 1024) {
        all.extend(more);
    }
    all
}
