//! HTTP/2 from hostile clients: frames written by hand, and what never comes back for them.
//!
//! Every script ends with a refusal: the stream is reset, the connection is told to go away, or it is closed. No answer of the guest comes.

use crate::harness::{Ask, Guest, Host, Setup};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const AWAY: u8 = 7;
const WINDOW: u8 = 8;
const MORE: u8 = 9;
/// The stream ends; the head ends.
const ENDS: u8 = 1;
const WHOLE: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Fields as literals that no table keeps.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            bytes.push(u8::try_from(text.len()).ok().filter(|n| *n < 127).unwrap());
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

fn head<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<u8> {
    let mut all = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", path),
    ];
    all.extend(more);
    fields(&all)
}

fn ask(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, ENDS | WHOLE, stream, &head("/two/ok", more))
}

/// What came back: the kinds of the frames with their payloads.
fn send(host: &Host, script: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut stream = Ask::new(host.gateway, "GET", "/").connect();
    let settings = frame(SETTINGS, 0, 0, &[]);
    // It may be closed before it has taken everything.
    let _ = stream.write_all(&[PREFACE, &settings, script].concat());
    let mut frames = Vec::new();
    while let Some(frame) = next(&mut stream) {
        let last = frame.0 == RESET || frame.0 == AWAY;
        frames.push(frame);
        if last {
            break;
        }
    }
    frames
}

/// The next frame, or nothing where the connection has ended.
fn next(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).ok()?;
    Some((head[3], payload))
}

/// Whether a guest's answer is among the frames: a head with the status 200, which stands in the table of HPACK at 8.
fn served(frames: &[(u8, Vec<u8>)]) -> bool {
    frames
        .iter()
        .any(|(kind, payload)| *kind == HEADERS && payload.first() == Some(&0x88))
}

fn host(limits: &str) -> Host {
    Setup::new()
        .service("two", Guest::Case("wasi02"), "")
        .policy(&format!(
            "[listen.limits]\nhead = \"2s\"\nidle = \"2s\"\n{limits}"
        ))
        .start()
}

#[test]
fn an_honest_script_is_served() {
    let host = host("");
    let frames = send(&host, &ask(1, &[]));
    assert!(served(&frames), "{frames:?}");
}

/// Fields of a request that make it none.
const FIELDS: &[(&str, &[(&str, &str)])] = &[
    ("a name in capitals", &[("X-Big", "a")]),
    ("a coding", &[("transfer-encoding", "chunked")]),
    ("an upgrade", &[("upgrade", "websocket")]),
    ("te that is not trailers", &[("te", "gzip")]),
    ("two paths", &[(":path", "/two/ok")]),
    ("a value of two lines", &[("a", "b\r\nc: d")]),
    ("a NUL", &[("a", "b\0c")]),
    ("a length that lies", &[("content-length", "5")]),
];

#[test]
fn fields_that_break_the_protocol_are_refused() {
    let host = host("");
    for (name, fields) in FIELDS {
        let frames = send(&host, &ask(1, fields));
        assert!(!served(&frames), "{name}: {frames:?}");
    }
    assert_eq!(host.get("/two/ok").status, 200);
}

#[test]
fn scripts_that_break_the_protocol_are_refused() {
    let host = host("");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a stream of an even number", ask(2, &[])),
        ("stream 0", ask(0, &[])),
        ("data on no stream", frame(DATA, 0, 0, b"a")),
        ("data on a stream that is not open", frame(DATA, 0, 1, b"a")),
        (
            "more of a head that never began",
            frame(MORE, WHOLE, 1, &head("/two/ok", &[])),
        ),
        (
            "another frame within a head",
            [
                frame(HEADERS, ENDS, 1, &head("/two/ok", &[])),
                frame(PING, 0, 0, &[0; 8]),
            ]
            .concat(),
        ),
        ("settings of an odd length", frame(SETTINGS, 0, 0, &[0; 5])),
        ("settings on a stream", frame(SETTINGS, 0, 1, &[])),
        ("a ping of seven bytes", frame(PING, 0, 0, &[0; 7])),
        ("a window of nothing", frame(WINDOW, 0, 0, &[0; 4])),
        ("a frame that is too large", frame(DATA, 0, 1, &[0; 20_000])),
        (
            "padding that is longer than its frame",
            frame(HEADERS, ENDS | WHOLE | 8, 1, &[200, 0]),
        ),
        (
            "a reset of a stream that never was",
            frame(RESET, 0, 1, &[0; 4]),
        ),
        (
            "a head that is no HPACK",
            frame(HEADERS, ENDS | WHOLE, 1, &[0xff; 20]),
        ),
        (
            "a header of a connection",
            ask(1, &[("connection", "close")]),
        ),
        (
            "a pseudo field behind the others",
            ask(1, &[("a", "b"), (":path", "/two/ok")]),
        ),
        (
            "a pseudo field that nobody knows",
            ask(1, &[(":other", "a")]),
        ),
        ("no path", frame(HEADERS, ENDS | WHOLE, 1, &head("", &[]))),
        (
            "two lengths",
            ask(1, &[("content-length", "0"), ("content-length", "1")]),
        ),
    ];
    for (name, script) in cases {
        let frames = send(&host, &script);
        assert!(!served(&frames), "{name}: {frames:?}");
    }
    assert_eq!(host.get("/two/ok").status, 200);
}

#[test]
fn what_the_gateway_refuses_in_http_1_1_it_refuses_here() {
    let host = host("");
    let get = |path: &str| frame(HEADERS, ENDS | WHOLE, 1, &head(path, &[]));
    let scripts: Vec<(&str, Vec<u8>)> = vec![
        ("another host", ask(1, &[("host", "b")])),
        ("two hosts", ask(1, &[("host", "a"), ("host", "a")])),
        ("dots", get("/two/../two/ok")),
        ("a backslash", get("/two\\ok")),
        ("an encoded NUL", get("/two/ok%00")),
        ("another expectation", ask(1, &[("expect", "more")])),
    ];
    for (name, script) in scripts {
        let frames = send(&host, &script);
        let refused = frames.iter().any(|(kind, _)| *kind == HEADERS);
        assert!(refused && !served(&frames), "{name}: {frames:?}");
    }
}

/// The connection ends long before everything was sent, although each frame alone is allowed.
#[track_caller]
fn ends(host: &Host, name: &str, mut each: impl FnMut(u32) -> Vec<u8>) {
    let mut stream = Ask::new(host.gateway, "GET", "/").connect();
    let settings = frame(SETTINGS, 0, 0, &[]);
    stream.write_all(&[PREFACE, &settings].concat()).unwrap();
    let mut reader = stream.try_clone().unwrap();
    // What is answered is read, or the host would be stopped by that.
    let reading = std::thread::spawn(move || while next(&mut reader).is_some() {});
    let sent = (0..200_000).take_while(|number| stream.write_all(&each(*number)).is_ok());
    let sent = sent.count();
    reading.join().unwrap();
    assert!(sent < 200_000, "{name} is borne for ever");
    assert_eq!(host.get("/two/ok").status, 200, "{name}");
}

#[test]
fn floods_of_frames_that_ask_for_nothing_end_the_connection() {
    let host = host("frames = 100\nresets = 20");
    ends(&host, "pings", |_| frame(PING, 0, 0, &[0; 8]));
    ends(&host, "settings", |_| frame(SETTINGS, 0, 0, &[]));
    ends(&host, "windows", |_| frame(WINDOW, 0, 0, &[0, 0, 0, 1]));
    ends(&host, "priorities", |_| frame(PRIORITY, 0, 1, &[0; 5]));
    ends(&host, "frames that nobody knows", |_| frame(200, 0, 0, &[]));
    let open = frame(HEADERS, WHOLE, 1, &head("/two/never", &[]));
    ends(&host, "data without any", |number| match number {
        0 => open.clone(),
        _ => frame(DATA, 0, 1, &[]),
    });
    let begin = frame(HEADERS, ENDS, 1, &head("/two/ok", &[]));
    ends(
        &host,
        "heads that go on without any",
        |number| match number {
            0 => begin.clone(),
            _ => frame(MORE, 0, 1, &[]),
        },
    );
    ends(&host, "heads that go on", |number| match number {
        0 => begin.clone(),
        _ => frame(MORE, 0, 1, &fields(&[("a", "b")])),
    });
    ends(&host, "requests that are taken back", |number| {
        let stream = number * 2 + 1;
        [ask(stream, &[]), frame(RESET, 0, stream, &[0, 0, 0, 8])].concat()
    });
}

#[test]
fn more_streams_than_there_may_be_are_refused() {
    let host = host("streams = 2");
    let open = |stream| frame(HEADERS, ENDS | WHOLE, stream, &head("/two/never", &[]));
    let frames = send(&host, &[open(1), open(3), open(5)].concat());
    assert!(
        frames
            .iter()
            .any(|(kind, _)| *kind == RESET || *kind == AWAY),
        "{frames:?}"
    );
}
