//! Reaches out: files, sockets, and requests over the network.

use crate::asked::Asked;
use crate::reply::Reply;
use std::fmt::Write as _;
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use wasip2::clocks::monotonic_clock;
use wasip2::filesystem::preopens;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};

/// The directories it was given, and what it finds where it was given nothing.
pub fn files(_asked: Asked, reply: Reply) {
    let mut text = String::new();
    for (_, path) in preopens::get_directories() {
        let _ = writeln!(text, "given {path}");
    }
    for path in ["/etc/passwd", "/proc/self/environ", "../../etc/hosts", "."] {
        let found = match std::fs::metadata(path) {
            Ok(_) => "found".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        };
        let _ = writeln!(text, "{path}: {found}");
    }
    reply.text(200, &text);
}

/// Reads the file `path`.
pub fn file(asked: Asked, reply: Reply) {
    match std::fs::read_to_string(asked.text("path")) {
        Ok(text) => reply.text(200, &text),
        Err(error) => reply.text(200, &format!("denied: {:?}\n", error.kind())),
    }
}

/// Writes to the file `path`.
pub fn write(asked: Asked, reply: Reply) {
    match std::fs::write(asked.text("path"), "written by a guest") {
        Ok(()) => reply.text(200, "written\n"),
        Err(error) => reply.text(200, &format!("denied: {:?}\n", error.kind())),
    }
}

/// Tries TCP, UDP and names, to the address `to`.
pub fn sockets(asked: Asked, reply: Reply) {
    let to = asked.text("to");
    let tcp = match TcpStream::connect(to) {
        Ok(_) => "connected".to_owned(),
        Err(error) => format!("denied: {:?}", error.kind()),
    };
    let udp = match UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"x", to)) {
        Ok(_) => "sent".to_owned(),
        Err(error) => format!("denied: {:?}", error.kind()),
    };
    let name = match "localhost:80".to_socket_addrs() {
        Ok(_) => "resolved".to_owned(),
        Err(error) => format!("denied: {:?}", error.kind()),
    };
    reply.text(200, &format!("tcp {tcp}\nudp {udp}\nname {name}\n"));
}

/// Asks for `url` and shows what came: the status, the headers, the body; or which error.
pub fn fetch(asked: Asked, reply: Reply) {
    match send(&asked).and_then(wait) {
        Ok(answer) => reply.text(200, &show(&answer)),
        Err(error) => reply.text(200, &format!("error {}\n", name(&error))),
    }
}

/// Asks `n` times, one after the other, and says what came of each.
pub fn fetch_many(asked: Asked, reply: Reply) {
    let mut text = String::new();
    for nth in 1..=asked.number("n", 10) {
        let came = match send(&asked).and_then(wait) {
            Ok(answer) => format!("status {}", answer.status()),
            Err(error) => format!("error {}", name(&error)),
        };
        let _ = writeln!(text, "{nth} {came}");
    }
    reply.text(200, &text);
}

/// Asks, and answers without waiting for what it asked.
pub fn fetch_forget(asked: Asked, reply: Reply) {
    let pending = send(&asked);
    reply.text(200, "forgotten\n");
    drop(pending);
}

/// Asks, reads nothing of the answer, and waits for ever.
pub fn fetch_unread(asked: Asked, _reply: Reply) {
    let _unread = send(&asked).and_then(wait);
    monotonic_clock::subscribe_duration(u64::MAX).block();
}

/// Begins to answer, waits `ms`, asks, and says in its answer what came of it.
pub fn fetch_mid_stream(asked: Asked, reply: Reply) {
    let mut open = reply.open(200, &[]);
    open.say(b"begun\n");
    monotonic_clock::subscribe_duration(asked.number("ms", 100) * 1_000_000).block();
    let text = match send(&asked).and_then(wait) {
        Ok(answer) => format!("status {}\n", answer.status()),
        Err(error) => format!("error {}\n", name(&error)),
    };
    open.say(text.as_bytes());
    open.finish(None);
}

/// Answers, and asks afterwards.
pub fn fetch_after_answer(asked: Asked, reply: Reply) {
    reply.text(200, "answered\n");
    match send(&asked).and_then(wait) {
        Ok(answer) => println!("after the answer: status {}", answer.status()),
        Err(error) => println!("after the answer: error {}", name(&error)),
    }
}

/// Sends half a request body, then dies.
pub fn fetch_cut(asked: Asked, _reply: Reply) {
    let request = request(&asked);
    let body = request.body().expect("a body");
    let _pending = outgoing_handler::handle(request, None).expect("a request");
    let stream = body.write().expect("a stream");
    stream
        .blocking_write_and_flush(b"the first half, ")
        .expect("a reader");
    core::arch::wasm32::unreachable()
}

/// Starts the request that the query describes: `url`, `method`, `body`, `body_kib` more of it, and the header `header=name:value`.
pub fn send(asked: &Asked) -> Result<FutureIncomingResponse, ErrorCode> {
    let request = request(asked);
    let options = RequestOptions::new();
    let ms = asked.number("first_byte_ms", 0);
    if ms > 0 {
        let _ = options.set_first_byte_timeout(Some(ms * 1_000_000));
    }
    let body = request.body().expect("a body");
    let pending = outgoing_handler::handle(request, Some(options))?;
    let kib = usize::try_from(asked.number("body_kib", 0)).unwrap_or(0);
    let text = asked.text("body").to_owned() + &"x".repeat(kib * 1024);
    if !text.is_empty() {
        let stream = body.write().expect("a stream");
        for chunk in text.as_bytes().chunks(4096) {
            // The upstream may be gone already; its answer tells.
            let _ = stream.blocking_write_and_flush(chunk);
        }
    }
    let _ = OutgoingBody::finish(body, None);
    Ok(pending)
}

fn request(asked: &Asked) -> OutgoingRequest {
    let url = asked.text("url");
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let headers = Fields::new();
    if let Some((key, value)) = asked.text("header").split_once(':') {
        let _ = headers.append(key, value.as_bytes());
    }
    let request = OutgoingRequest::new(headers);
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.to_owned()),
    };
    let method = match asked.text("method") {
        "POST" => Method::Post,
        "PUT" => Method::Put,
        _ => Method::Get,
    };
    let _ = request.set_method(&method);
    let _ = request.set_scheme(Some(&scheme));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some(if path.is_empty() { "/" } else { path }));
    request
}

fn wait(pending: FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    pending.subscribe().block();
    pending.get().expect("ready").expect("first time")
}

fn show(answer: &IncomingResponse) -> String {
    let mut text = format!("status {}\n", answer.status());
    for (name, value) in answer.headers().entries() {
        let _ = writeln!(text, "header {name}: {}", String::from_utf8_lossy(&value));
    }
    let body = answer.consume().expect("a body");
    let bytes = body.stream().expect("a stream");
    let mut whole = Vec::new();
    let end = loop {
        match bytes.blocking_read(64 * 1024) {
            Ok(chunk) => whole.extend_from_slice(&chunk),
            Err(wasip2::io::streams::StreamError::Closed) => break "whole",
            Err(_) => break "cut",
        }
    };
    let _ = writeln!(text, "body {end} {} bytes", whole.len());
    text.push_str(&String::from_utf8_lossy(&whole[..whole.len().min(4096)]));
    text
}

/// The error as its name in the WIT, without its payload.
fn name(error: &ErrorCode) -> String {
    let text = format!("{error:?}");
    let end = text.find(['(', ' ', '{']).unwrap_or(text.len());
    text[..end].trim_start_matches("ErrorCode::").to_owned()
}
