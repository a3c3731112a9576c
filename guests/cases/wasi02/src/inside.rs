//! Answers well, and shows what the guest sees from inside.

use crate::asked::Asked;
use crate::reply::Reply;
use std::fmt::Write as _;
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::http::types::{Fields, IncomingBody, Method, Scheme};
use wasip2::io::streams::StreamError;

wit_bindgen::generate!({
    inline: "
        package holdfast:cases;
        world settings { import wasi:config/store@0.2.0-rc.1; }
        package wasi:config@0.2.0-rc.1 {
            interface store {
                variant error { upstream(string), io(string) }
                get: func(key: string) -> result<option<string>, error>;
                get-all: func() -> result<list<tuple<string, string>>, error>;
            }
        }
    ",
    generate_all,
});

/// The bystander of every other case.
pub fn ok(_asked: Asked, reply: Reply) {
    reply.text(200, "ok\n");
}

/// The request as the guest sees it, a line each.
pub fn request(asked: Asked, reply: Reply) {
    let request = &asked.request;
    let scheme = match request.scheme() {
        Some(Scheme::Http) => "http".to_owned(),
        Some(Scheme::Https) => "https".to_owned(),
        Some(Scheme::Other(other)) => other,
        None => "none".to_owned(),
    };
    let mut text = format!(
        "method: {}\nscheme: {scheme}\nauthority: {}\npath: {}\n",
        method(&request.method()),
        request.authority().unwrap_or_default(),
        request.path_with_query().unwrap_or_default(),
    );
    for (name, value) in request.headers().entries() {
        let _ = writeln!(text, "header {name}: {}", String::from_utf8_lossy(&value));
    }
    reply.text(200, &text);
}

fn method(method: &Method) -> String {
    match method {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Other(other) => other.clone(),
        other => format!("{other:?}"),
    }
}

/// The body, streamed back as it comes.
pub fn echo(asked: Asked, reply: Reply) {
    let body = asked.request.consume().expect("a body");
    let bytes = body.stream().expect("a stream");
    let mut open = reply.open(200, &[]);
    loop {
        match bytes.blocking_read(64 * 1024) {
            Ok(chunk) => open.say(&chunk),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return,
        }
    }
    open.finish(None);
}

/// Reads the body and its trailers, and sends trailers of its own.
pub fn trailers(asked: Asked, reply: Reply) {
    let body = asked.request.consume().expect("a body");
    let bytes = body.stream().expect("a stream");
    while bytes.blocking_read(64 * 1024).is_ok() {}
    drop(bytes);
    let future = IncomingBody::finish(body);
    future.subscribe().block();
    let mut text = String::new();
    if let Some(Ok(Ok(Some(fields)))) = future.get() {
        for (name, value) in fields.entries() {
            let _ = writeln!(text, "trailer {name}: {}", String::from_utf8_lossy(&value));
        }
    }
    let mut open = reply.open(200, &[("trailer", "x-end")]);
    open.say(text.as_bytes());
    let end = Fields::new();
    end.append("x-end", b"seen").expect("a trailer");
    open.finish(Some(end));
}

/// Every environment variable, a line each.
pub fn environment(_asked: Asked, reply: Reply) {
    let mut text = String::new();
    for (key, value) in std::env::vars() {
        let _ = writeln!(text, "{key}={value}");
    }
    reply.text(200, &text);
}

/// Every argument, a line each.
pub fn arguments(_asked: Asked, reply: Reply) {
    let all: Vec<String> = std::env::args().collect();
    reply.text(200, &all.join("\n"));
}

/// The value of `key` in `wasi:config/store`, or all of them.
pub fn config(asked: Asked, reply: Reply) {
    let text = match asked.text("key") {
        "" => {
            let mut text = String::new();
            for (key, value) in wasi::config::store::get_all().expect("config") {
                let _ = writeln!(text, "{key}={value}");
            }
            text
        }
        key => wasi::config::store::get(key)
            .expect("config")
            .unwrap_or_else(|| "none".to_owned()),
    };
    reply.text(200, &text);
}

/// Asks for `bytes` random bytes, and says how many came.
pub fn random(asked: Asked, reply: Reply) {
    let bytes = wasip2::random::random::get_random_bytes(asked.number("bytes", 16));
    reply.text(200, &format!("{} {:?}\n", bytes.len(), bytes.get(..8)));
}

/// What time it is, and whether the steady clock is steady.
pub fn clock(_asked: Asked, reply: Reply) {
    let first = monotonic_clock::now();
    let second = monotonic_clock::now();
    let wall = wall_clock::now().seconds;
    reply.text(200, &format!("wall {wall} steady {}\n", second >= first));
}
