//! A service that calls an upstream: its manifest names the upstream, and the `[config]` key `upstream` says where it is.
//!
//! It holds no secret and sets no timeout; both are the host's.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, IncomingResponse, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::StreamError;

wit_bindgen::generate!({
    inline: "
        package holdfast:proxy;
        world settings { import wasi:config/store@0.2.0-rc.1; }
        package wasi:config@0.2.0-rc.1 {
            interface store {
                variant error { upstream(string), io(string) }
                get: func(key: string) -> result<option<string>, error>;
            }
        }
    ",
    generate_all,
});

wasip2::http::proxy::export!(Proxy);

struct Proxy;

impl Guest for Proxy {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match ask(&request) {
            Ok(answer) => pass_on(&answer, out),
            Err(error) => ResponseOutparam::set(out, Err(error)),
        }
    }
}

/// Asks the upstream for the path that was asked of us.
fn ask(request: &IncomingRequest) -> Result<IncomingResponse, ErrorCode> {
    let upstream = wasi::config::store::get("upstream")
        .ok()
        .flatten()
        .ok_or(ErrorCode::ConfigurationError)?;
    let (scheme, authority) = match upstream.split_once("://") {
        Some(("http", authority)) => (Scheme::Http, authority),
        Some(("https", authority)) => (Scheme::Https, authority),
        _ => return Err(ErrorCode::ConfigurationError),
    };
    let asked = OutgoingRequest::new(Fields::new());
    asked.set_scheme(Some(&scheme)).unwrap();
    asked.set_authority(Some(authority)).unwrap();
    asked
        .set_path_with_query(request.path_with_query().as_deref())
        .unwrap();
    let pending = outgoing_handler::handle(asked, None)?;
    pending.subscribe().block();
    pending.get().unwrap().unwrap()
}

/// Streams the upstream's answer to our caller.
fn pass_on(answer: &IncomingResponse, out: ResponseOutparam) {
    let headers = Fields::new();
    for kind in answer.headers().get("content-type") {
        headers.append("content-type", &kind).unwrap();
    }
    let response = OutgoingResponse::new(headers);
    response.set_status_code(answer.status()).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().unwrap();
    let incoming = answer.consume().unwrap();
    let bytes = incoming.stream().unwrap();
    loop {
        match stream.blocking_splice(&bytes, 64 * 1024) {
            Ok(_) => {}
            Err(StreamError::Closed) => break,
            // What was cut on its way in is not finished on its way out.
            Err(StreamError::LastOperationFailed(_)) => return,
        }
    }
    stream.blocking_flush().unwrap();
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}
