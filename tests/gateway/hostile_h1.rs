//! HTTP/1.1 from hostile clients: the bytes that are sent, and every status that comes back before the connection is closed.
//!
//! What the protocol's library, or the look at its bytes, refuses is no call yet: its 400, 414 or 431 has no id and no body, and the
//! connection ends. What is refused with an id is asked to `close`, so that every case ends. `200` is the guest's, and comes from nobody else.

use crate::harness::{Ask, Guest, Host, Setup};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;

/// A request to the guest with these lines beside the host's.
fn get(lines: &str) -> Vec<u8> {
    request("GET /two/ok HTTP/1.1", &format!("Host: a\r\n{lines}"), "")
}

fn post(lines: &str, body: &str) -> Vec<u8> {
    request(
        "POST /two/echo HTTP/1.1",
        &format!("Host: a\r\n{lines}"),
        body,
    )
}

fn line(line: &str) -> Vec<u8> {
    request(line, "Host: a\r\n", "")
}

fn chunks(body: &str) -> Vec<u8> {
    post("Transfer-Encoding: chunked\r\n", body)
}

fn request(line: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("{line}\r\n{fields}Connection: close\r\n\r\n{body}").into_bytes()
}

/// Every status that comes back, until the connection ends.
fn statuses(host: &Host, bytes: &[u8]) -> Vec<u16> {
    answers(host, bytes).0
}

/// The same with everything that was read.
fn answers(host: &Host, bytes: &[u8]) -> (Vec<u16>, String) {
    let mut stream = Ask::new(host.gateway, "GET", "/").connect();
    // It may be closed before it has taken everything.
    let _ = stream.write_all(bytes);
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let found = text.match_indices("HTTP/1.").filter_map(|(at, _)| {
        let line = text.get(at + 9..at + 12)?;
        line.parse().ok().filter(|status| *status >= 200)
    });
    (found.collect(), text)
}

fn host() -> Host {
    Setup::new()
        .service("two", Guest::Case("wasi02"), "")
        .policy("[limits]\nidle = \"2s\"")
        .start()
}

type Case = (&'static str, Vec<u8>, Vec<u16>);

#[track_caller]
fn check(host: &Host, cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for (name, bytes, wanted) in cases {
        let (found, text) = answers(host, &bytes);
        if found != wanted {
            wrong.push(format!("{name}: {found:?} and not {wanted:?}\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(host.get("/two/ok").status, 200);
}

const GOOD: &[u16] = &[200];

/// What is said of a body's length, the body, and the status.
const LENGTHS: &[(&str, &str, &str, u16)] = &[
    ("a length", "Content-Length: 5\r\n", "hello", 200),
    (
        "spaces about it",
        "Content-Length: \t 5 \t\r\n",
        "hello",
        200,
    ),
    (
        "chunks in capitals",
        "TRANSFER-ENCODING: Chunked\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        200,
    ),
    (
        "length, then chunks",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "chunks, then length",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "twice the same length",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "hello",
        400,
    ),
    (
        "two lengths",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "hello",
        400,
    ),
    (
        "a list of lengths",
        "Content-Length: 5, 5\r\n",
        "hello",
        400,
    ),
    ("a signed length", "Content-Length: +5\r\n", "hello", 400),
    ("a negative length", "Content-Length: -5\r\n", "hello", 400),
    (
        "a length of no digits",
        "Content-Length: \r\n",
        "hello",
        400,
    ),
    (
        "a hexadecimal length",
        "Content-Length: 0x5\r\n",
        "hello",
        400,
    ),
    (
        "a length with a fraction",
        "Content-Length: 5.0\r\n",
        "hello",
        400,
    ),
    ("digits apart", "Content-Length: 1 0\r\n", "hello", 400),
    (
        "a length of 2^64",
        "Content-Length: 18446744073709551616\r\n",
        "hello",
        400,
    ),
    (
        "a length with many zeros",
        "Content-Length: 0000000000000000000000005\r\n",
        "hello",
        400,
    ),
    (
        "chunked, identity",
        "Transfer-Encoding: chunked, identity\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "identity",
        "Transfer-Encoding: identity\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "gzip, chunked",
        "Transfer-Encoding: gzip, chunked\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "xchunked",
        "Transfer-Encoding: xchunked\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "chunked in quotes",
        "Transfer-Encoding: \"chunked\"\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "twice chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "chunked twice in a list",
        "Transfer-Encoding: chunked, chunked\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "chunked, then none",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "a coding on the next line",
        "Transfer-Encoding:\r\n chunked\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "a space before the colon",
        "Transfer-Encoding : chunked\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "a length with a space before its colon",
        "Content-Length : 5\r\n",
        "hello",
        400,
    ),
    (
        "a vertical tab before the coding",
        "Transfer-Encoding: \x0bchunked\r\n",
        "0\r\n\r\n",
        400,
    ),
    (
        "a form feed behind it",
        "Transfer-Encoding: chunked\x0c\r\n",
        "0\r\n\r\n",
        400,
    ),
];

#[test]
fn a_length_is_said_once_and_plainly() {
    let mut cases: Vec<Case> = LENGTHS
        .iter()
        .map(|&(name, fields, body, status)| (name, post(fields, body), vec![status]))
        .collect();
    let fields = "Host: a\r\nTransfer-Encoding: chunked\r\n";
    let old = request("POST /two/echo HTTP/1.0", fields, "0\r\n\r\n");
    cases.push(("chunks in HTTP/1.0", old, vec![400]));
    cases.push(("chunks", chunks("5\r\nhello\r\n0\r\n\r\n"), vec![200]));
    check(&host(), cases);
}

/// Whole requests, and the status.
const LINES: &[(&str, &str, u16)] = &[
    (
        "one empty line before",
        "\r\nGET /two/ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        200,
    ),
    (
        "two empty lines before",
        "\r\n\r\nGET /two/ok HTTP/1.1\r\nHost: a\r\n\r\n",
        400,
    ),
    (
        "a bare line feed before",
        "\nGET /two/ok HTTP/1.1\r\nHost: a\r\n\r\n",
        400,
    ),
    (
        "a request line with a bare line feed",
        "GET /two/ok HTTP/1.1\nHost: a\r\n\r\n",
        400,
    ),
    (
        "a field with a bare line feed",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA: b\nB: c\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a head that ends in bare line feeds",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\n\n",
        400,
    ),
    (
        "a bare carriage return in a value",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA: b\rB: c\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "two carriage returns",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA: b\r\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a NUL in a value",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA: b\0c\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a NUL in a name",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA\0: b\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a control character in a value",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA: b\x01c\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a DEL in a value",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA: b\x7fc\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a space in a name",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA b: c\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a name of no character",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\n: c\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a line without a colon",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nabc\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a value that goes on in the next line",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a tab at the beginning of a line",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA: b\r\n\tc: d\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a space before the first field",
        "GET /two/ok HTTP/1.1\r\n Host: a\r\n\r\n",
        400,
    ),
    (
        "a name beyond ASCII",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\n\u{e9}: c\r\nConnection: close\r\n\r\n",
        400,
    ),
    (
        "a value beyond ASCII",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA: \u{e9}\r\nConnection: close\r\n\r\n",
        200,
    ),
    (
        "an empty value",
        "GET /two/ok HTTP/1.1\r\nHost: a\r\nA:\r\nConnection: close\r\n\r\n",
        200,
    ),
];

#[test]
fn a_line_ends_as_a_line_and_holds_no_other() {
    check(
        &host(),
        LINES
            .iter()
            .map(|&(name, text, status)| (name, text.as_bytes().to_vec(), vec![status]))
            .collect(),
    );
}

#[test]
fn a_body_that_breaks_a_rule_is_never_whole() {
    let host = host();
    let cases = [
        "5;a=b\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\x01\"\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nA b: c\r\n\r\n",
        "5\r\nhello\r\n0\r\nA: b\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n",
        "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5\r\nhello\r\n0\r\nHost: b\r\n\r\n",
        "5\r\nhello\r\n0\r\nAuthorization: b\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent_Length: 3\r\n\r\n",
        "5\r\nhello\r\n",
    ];
    for body in cases {
        let (found, text) = answers(&host, &chunks(body));
        // It is an echo: what it sends back has not ended, if anything came back at all.
        let whole = found == GOOD && text.ends_with("0\r\n\r\n");
        assert!(!whole && found.len() <= 1, "{body:?}: {text}");
    }
    let longest = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(1_000));
    assert!(!answers(&host, &chunks(&longest)).1.ends_with("0\r\n\r\n"));
    let extended = "5;a=b;c=\"d e\"\r\nhello\r\n0\r\nX-End: 1\r\n\r\n";
    assert!(answers(&host, &chunks(extended)).1.ends_with("0\r\n\r\n"));
    assert_eq!(host.get("/two/ok").status, 200);
}

/// The target, what is said of the host, and the status.
const HOSTS: &[(&str, &str, &str, u16)] = &[
    ("a host with a port", "/two/ok", "Host: a:80\r\n", 200),
    ("an address", "/two/ok", "Host: 127.0.0.1:1\r\n", 200),
    ("an address of IPv6", "/two/ok", "Host: [::1]:80\r\n", 200),
    ("no host", "/two/ok", "", 400),
    ("two hosts", "/two/ok", "Host: a\r\nHost: b\r\n", 400),
    ("twice the same", "/two/ok", "Host: a\r\nHost: a\r\n", 400),
    ("an empty one", "/two/ok", "Host:\r\n", 400),
    ("two in a list", "/two/ok", "Host: a,b\r\n", 400),
    ("one with a user", "/two/ok", "Host: a@b\r\n", 400),
    ("one with a path", "/two/ok", "Host: a/b\r\n", 400),
    ("one with a query", "/two/ok", "Host: a?b\r\n", 400),
    ("one with a space", "/two/ok", "Host: a b\r\n", 400),
    ("one encoded", "/two/ok", "Host: %61\r\n", 400),
    ("two dots", "/two/ok", "Host: a..b\r\n", 400),
    ("a port that is none", "/two/ok", "Host: a:b\r\n", 400),
    ("a port beyond all", "/two/ok", "Host: a:65536\r\n", 400),
    ("a port of nothing", "/two/ok", "Host: a:\r\n", 400),
    ("an open bracket", "/two/ok", "Host: [::1\r\n", 400),
    ("the absolute form", "http://a/two/ok", "Host: a\r\n", 200),
    (
        "the absolute form, in other letters",
        "http://A/two/ok",
        "Host: a\r\n",
        200,
    ),
    (
        "the absolute form of another host",
        "http://b/two/ok",
        "Host: a\r\n",
        400,
    ),
    (
        "the absolute form with a user",
        "http://u@a/two/ok",
        "Host: u@a\r\n",
        400,
    ),
    (
        "the absolute form of another scheme",
        "ftp://a/two/ok",
        "Host: a\r\n",
        400,
    ),
    (
        "the absolute form of an encrypted one",
        "https://a/two/ok",
        "Host: a\r\n",
        400,
    ),
];

#[test]
fn a_request_is_for_one_host() {
    let case = |&(name, target, host, status): &(&'static str, &str, &str, u16)| {
        let line = format!("GET {target} HTTP/1.1");
        (name, request(&line, host, ""), vec![status])
    };
    let mut cases: Vec<Case> = HOSTS.iter().map(case).collect();
    let old = request("GET /two/ok HTTP/1.0", "", "");
    cases.push(("no host in HTTP/1.0", old, vec![400]));
    check(&host(), cases);
}

/// Request lines, and the status.
const TARGETS: &[(&str, &str, u16)] = &[
    (
        "a query as browsers send it",
        "GET /two/ok?a={|}^`\\ HTTP/1.1",
        200,
    ),
    (
        "dots that are no segment",
        "GET /two/ok?..=/../ HTTP/1.1",
        200,
    ),
    ("a fragment", "GET /two/ok#a HTTP/1.1", 400),
    ("a space", "GET /two/ok b HTTP/1.1", 400),
    ("two spaces before it", "GET  /two/ok HTTP/1.1", 400),
    ("a tab for a space", "GET\t/two/ok HTTP/1.1", 400),
    ("a space behind the version", "GET /two/ok HTTP/1.1 ", 400),
    ("a byte beyond ASCII", "GET /two/ok\u{e9} HTTP/1.1", 400),
    ("a control character", "GET /two/ok\x01 HTTP/1.1", 400),
    ("an angle", "GET /two/ok<b> HTTP/1.1", 400),
    ("a quote", "GET /two/\"ok HTTP/1.1", 400),
    ("a backslash", "GET /two\\ok HTTP/1.1", 400),
    (
        "a segment of two dots",
        "GET /three/../two/ok HTTP/1.1",
        400,
    ),
    ("one at the end", "GET /two/ok/.. HTTP/1.1", 400),
    ("a segment of one dot", "GET /two/./ok HTTP/1.1", 400),
    ("encoded dots", "GET /two/%2e%2E/ok HTTP/1.1", 400),
    ("half encoded dots", "GET /two/.%2e/ok HTTP/1.1", 400),
    (
        "dots before an encoded slash",
        "GET /two/..%2fok HTTP/1.1",
        400,
    ),
    ("dots with a parameter", "GET /two/..;a/ok HTTP/1.1", 400),
    ("an encoded NUL", "GET /two/ok%00 HTTP/1.1", 400),
    ("a broken escape", "GET /two/ok%4 HTTP/1.1", 400),
    (
        "an encoded slash is no slash",
        "GET /two%2fok HTTP/1.1",
        404,
    ),
    (
        "an encoded letter is another",
        "GET /%74wo/ok HTTP/1.1",
        404,
    ),
    ("two slashes are not one", "GET //two/ok HTTP/1.1", 404),
    ("another host's path", "GET //a/two/ok HTTP/1.1", 404),
    ("no path", "GET two/ok HTTP/1.1", 400),
    ("an authority", "GET a:80 HTTP/1.1", 400),
    ("an asterisk", "GET * HTTP/1.1", 400),
    ("CONNECT", "CONNECT a:80 HTTP/1.1", 400),
    ("CONNECT with a path", "CONNECT /two/ok HTTP/1.1", 400),
    ("HTTP/1.2", "GET /two/ok HTTP/1.2", 400),
    ("HTTP/2.0", "GET /two/ok HTTP/2.0", 400),
    ("HTTP/1.10", "GET /two/ok HTTP/1.10", 400),
    ("http/1.1", "GET /two/ok http/1.1", 400),
    ("a method in small letters", "get /two/ok HTTP/1.1", 400),
    ("a method that nobody knows", "BREW /two/ok HTTP/1.1", 200),
    ("a method of no letter", "G(T /two/ok HTTP/1.1", 400),
];

#[test]
fn a_target_is_read_in_one_way() {
    let mut cases: Vec<Case> = TARGETS
        .iter()
        .map(|&(name, text, status)| (name, line(text), vec![status]))
        .collect();
    let long = |bytes: usize| "a".repeat(bytes);
    let method = line(&format!("{} /two/ok HTTP/1.1", long(40)));
    let target = line(&format!("GET /two/ok?{} HTTP/1.1", long(20_000)));
    let field = get(&format!("A: {}\r\n", long(70_000)));
    cases.push(("HTTP/0.9", b"GET /two/ok\r\n\r\n".to_vec(), vec![400]));
    cases.push(("a method without an end", method, vec![400]));
    cases.push(("a long target", target, vec![414]));
    cases.push(("a head that is too large", field, vec![431]));
    cases.push(("too many fields", get(&"A: b\r\n".repeat(101)), vec![431]));
    check(&host(), cases);
}

#[test]
fn what_is_expected_or_asked_for_beside_is_not_given() {
    let two = "GET /two/ok HTTP/1.1\r\nHost: a\r\n\r\n";
    let hidden = "GET /two/request HTTP/1.1\r\nHost: hidden\r\nConnection: close\r\n\r\n";
    let sized = format!("Content-Length: {}\r\n", hidden.len());
    let pipelined = [two.as_bytes(), &get("")].concat();
    let garbage = [two.as_bytes(), b"\x16\x03\x01 garbage\r\n\r\n"].concat();
    let cases: Vec<Case> = vec![
        (
            "another expectation",
            get("Expect: the-best\r\n"),
            vec![417],
        ),
        (
            "one among others",
            get("Expect: 100-continue, x\r\n"),
            vec![417],
        ),
        ("an upgrade", get("Upgrade: websocket\r\n"), vec![400]),
        (
            "an upgrade beside h2c",
            get("Upgrade: h2c, websocket\r\n"),
            vec![400],
        ),
        ("an offer of h2c", get("Upgrade: h2c\r\n"), vec![200]),
        ("trailers are taken", get("TE: trailers\r\n"), vec![200]),
        (
            "two requests, one after the other",
            pipelined,
            vec![200, 200],
        ),
        ("garbage behind a request", garbage, vec![200, 400]),
        (
            "a request in the body of another",
            request(
                "GET /two/ok HTTP/1.1",
                &format!("Host: a\r\n{sized}"),
                hidden,
            ),
            vec![200],
        ),
        ("one behind a close", [get(""), get("")].concat(), vec![200]),
    ];
    check(&host(), cases);
}

#[test]
fn what_a_connection_header_lists_takes_nothing_away_that_says_who_asks() {
    let host = host();
    let (_, text) = answers(
        &host,
        b"GET /two/request HTTP/1.1\r\nHost: a\r\nAuthorization: mine\r\nCookie: c=1\r\nX-Gone: 1\r\n\
          Connection: close, host, authorization, cookie, x-forwarded-for, x-gone\r\n\r\n",
    );
    for kept in [
        "authorization: mine",
        "cookie: c=1",
        "x-forwarded-for: 127.0.0.1",
    ] {
        assert!(text.contains(&format!("header {kept}")), "{kept}: {text}");
    }
    assert!(!text.contains("x-gone"), "{text}");
}

#[test]
fn a_name_with_an_underscore_is_not_read_as_one_that_decides() {
    let host = host();
    let lines = "Content_Length: 7\r\nTransfer_Encoding: chunked\r\nHOST: a\r\nX_Forwarded_For: 6.6.6.6\r\n\
                 Holdfast_Call: forged\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
                 Forwarded: for=6.6.6.6\r\nX-Forwarded_Proto: https\r\nTrace_Parent: x\r\nMy_Own: kept\r\n";
    let (found, text) = answers(&host, &request("GET /two/request HTTP/1.1", lines, ""));
    assert_eq!(found, GOOD, "{text}");
    let seen: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("header "))
        .collect();
    for gone in [
        "content", "transfer", "6.6.6.6", "forged", "4bf92f", "https",
    ] {
        assert!(
            !seen.iter().any(|line| line.contains(gone)),
            "{gone}: {text}"
        );
    }
    assert!(text.contains("header my_own: kept"), "{text}");
    assert!(text.contains("scheme: http\n"), "{text}");
}

#[test]
fn a_client_that_sends_no_more_gets_nothing_executed_twice() {
    let host = host();
    let mut stream = Ask::new(host.gateway, "GET", "/").connect();
    stream
        .write_all(b"GET /two/ok HTTP/1.1\r\nHost: a\r\n")
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut text = Vec::new();
    // A reset is an end as good as another.
    let _ = stream.read_to_end(&mut text);
    assert!(
        !text.starts_with(b"HTTP/1.1 200"),
        "half a head is no request"
    );
    assert_eq!(statuses(&host, &get("")), GOOD);
}
