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
    request("POST /two/echo HTTP/1.1", &format!("Host: a\r\n{lines}"), body)
}

fn to(host: &str) -> Vec<u8> {
    request("GET /two/ok HTTP/1.1", host, "")
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

type Case = (&'static str, Vec<u8>, &'static [u16]);

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

const BAD: &[u16] = &[400];
const GOOD: &[u16] = &[200];

#[test]
fn a_length_is_said_once_and_plainly() {
    const TE: &str = "Transfer-Encoding: chunked\r\n";
    let cases: Vec<Case> = vec![
        ("a length", post("Content-Length: 5\r\n", "hello"), GOOD),
        ("spaces about it", post("Content-Length: \t 5 \t\r\n", "hello"), GOOD),
        ("chunks", chunks("5\r\nhello\r\n0\r\n\r\n"), GOOD),
        ("chunks in capitals", post("TRANSFER-ENCODING: Chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), GOOD),
        ("length, then chunks", post(&format!("Content-Length: 5\r\n{TE}"), "0\r\n\r\n"), BAD),
        ("chunks, then length", post(&format!("{TE}Content-Length: 5\r\n"), "0\r\n\r\n"), BAD),
        ("twice the same length", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), BAD),
        ("two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), BAD),
        ("a list of lengths", post("Content-Length: 5, 5\r\n", "hello"), BAD),
        ("a signed length", post("Content-Length: +5\r\n", "hello"), BAD),
        ("a negative length", post("Content-Length: -5\r\n", "hello"), BAD),
        ("a length of no digits", post("Content-Length: \r\n", "hello"), BAD),
        ("a hexadecimal length", post("Content-Length: 0x5\r\n", "hello"), BAD),
        ("a length with a fraction", post("Content-Length: 5.0\r\n", "hello"), BAD),
        ("digits apart", post("Content-Length: 1 0\r\n", "hello"), BAD),
        ("a length of 2^64", post("Content-Length: 18446744073709551616\r\n", "hello"), BAD),
        ("a length with many zeros", post("Content-Length: 0000000000000000000000005\r\n", "hello"), BAD),
        ("chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), BAD),
        ("identity", post("Transfer-Encoding: identity\r\n", "0\r\n\r\n"), BAD),
        ("gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), BAD),
        ("xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), BAD),
        ("chunked in quotes", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), BAD),
        ("twice chunked", post(&format!("{TE}{TE}"), "0\r\n\r\n"), BAD),
        ("chunked twice in a list", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), BAD),
        ("chunked, then none", post(&format!("{TE}Transfer-Encoding: identity\r\n"), "0\r\n\r\n"), BAD),
        ("a coding on the next line", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), BAD),
        ("a space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), BAD),
        ("a length with a space before its colon", post("Content-Length : 5\r\n", "hello"), BAD),
        ("a vertical tab before the coding", post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), BAD),
        ("a form feed behind it", post("Transfer-Encoding: chunked\x0c\r\n", "0\r\n\r\n"), BAD),
        ("chunks in HTTP/1.0", request("POST /two/echo HTTP/1.0", &format!("Host: a\r\n{TE}"), "0\r\n\r\n"), BAD),
    ];
    check(&host(), cases);
}

#[test]
fn a_line_ends_as_a_line_and_holds_no_other() {
    let lf = |text: &str| text.as_bytes().to_vec();
    let cases: Vec<Case> = vec![
        ("one empty line before", lf("\r\nGET /two/ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), GOOD),
        ("two empty lines before", lf("\r\n\r\nGET /two/ok HTTP/1.1\r\nHost: a\r\n\r\n"), BAD),
        ("a bare line feed before", lf("\nGET /two/ok HTTP/1.1\r\nHost: a\r\n\r\n"), BAD),
        ("a request line with a bare line feed", lf("GET /two/ok HTTP/1.1\nHost: a\r\n\r\n"), BAD),
        ("a field with a bare line feed", get("A: b\nB: c\r\n"), BAD),
        ("a head that ends in bare line feeds", lf("GET /two/ok HTTP/1.1\r\nHost: a\r\n\n"), BAD),
        ("a bare carriage return in a value", get("A: b\rB: c\r\n"), BAD),
        ("two carriage returns", get("A: b\r\r\n"), BAD),
        ("a NUL in a value", get("A: b\0c\r\n"), BAD),
        ("a NUL in a name", get("A\0: b\r\n"), BAD),
        ("a control character in a value", get("A: b\x01c\r\n"), BAD),
        ("a DEL in a value", get("A: b\x7fc\r\n"), BAD),
        ("a space in a name", get("A b: c\r\n"), BAD),
        ("a name of no character", get(": c\r\n"), BAD),
        ("a line without a colon", get("abc\r\n"), BAD),
        ("a value that goes on in the next line", get("A: b\r\n c\r\n"), BAD),
        ("a tab at the beginning of a line", get("A: b\r\n\tc: d\r\n"), BAD),
        ("a space before the first field", lf("GET /two/ok HTTP/1.1\r\n Host: a\r\n\r\n"), BAD),
        ("a name beyond ASCII", get("\u{e9}: c\r\n"), BAD),
        ("a value beyond ASCII", get("A: \u{e9}\r\n"), GOOD),
        ("an empty value", get("A:\r\n"), GOOD),
    ];
    check(&host(), cases);
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
        "5\r\nhello\r\n0\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
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

#[test]
fn a_request_is_for_one_host() {
    let absolute = |target: &str, host: &str| {
        request(&format!("GET {target} HTTP/1.1"), host, "")
    };
    let cases: Vec<Case> = vec![
        ("a host with a port", to("Host: a:80\r\n"), GOOD),
        ("an address", to("Host: 127.0.0.1:1\r\n"), GOOD),
        ("an address of IPv6", to("Host: [::1]:80\r\n"), GOOD),
        ("no host", to(""), BAD),
        ("no host in HTTP/1.0", request("GET /two/ok HTTP/1.0", "", ""), BAD),
        ("two hosts", to("Host: a\r\nHost: b\r\n"), BAD),
        ("twice the same", to("Host: a\r\nHost: a\r\n"), BAD),
        ("an empty one", to("Host:\r\n"), BAD),
        ("two in a list", to("Host: a,b\r\n"), BAD),
        ("one with a user", to("Host: a@b\r\n"), BAD),
        ("one with a path", to("Host: a/b\r\n"), BAD),
        ("one with a query", to("Host: a?b\r\n"), BAD),
        ("one with a space", to("Host: a b\r\n"), BAD),
        ("one encoded", to("Host: %61\r\n"), BAD),
        ("two dots", to("Host: a..b\r\n"), BAD),
        ("a port that is none", to("Host: a:b\r\n"), BAD),
        ("a port beyond all", to("Host: a:65536\r\n"), BAD),
        ("a port of nothing", to("Host: a:\r\n"), BAD),
        ("an open bracket", to("Host: [::1\r\n"), BAD),
        ("the absolute form", absolute("http://a/two/ok", "Host: a\r\n"), GOOD),
        ("the absolute form, in other letters", absolute("http://A/two/ok", "Host: a\r\n"), GOOD),
        ("the absolute form of another host", absolute("http://b/two/ok", "Host: a\r\n"), BAD),
        ("the absolute form with a user", absolute("http://u@a/two/ok", "Host: u@a\r\n"), BAD),
        ("the absolute form of another scheme", absolute("ftp://a/two/ok", "Host: a\r\n"), BAD),
        ("the absolute form of an encrypted one", absolute("https://a/two/ok", "Host: a\r\n"), BAD),
    ];
    check(&host(), cases);
}

#[test]
fn a_target_is_read_in_one_way() {
    let cases: Vec<Case> = vec![
        ("a query as browsers send it", line("GET /two/ok?a={|}^`\\ HTTP/1.1"), GOOD),
        ("dots that are no segment", line("GET /two/ok?..=/../ HTTP/1.1"), GOOD),
        ("a fragment", line("GET /two/ok#a HTTP/1.1"), BAD),
        ("a space", line("GET /two/ok b HTTP/1.1"), BAD),
        ("two spaces before it", line("GET  /two/ok HTTP/1.1"), BAD),
        ("a tab for a space", line("GET\t/two/ok HTTP/1.1"), BAD),
        ("a space behind the version", line("GET /two/ok HTTP/1.1 "), BAD),
        ("a byte beyond ASCII", line("GET /two/ok\u{e9} HTTP/1.1"), BAD),
        ("a control character", line("GET /two/ok\x01 HTTP/1.1"), BAD),
        ("an angle", line("GET /two/ok<b> HTTP/1.1"), BAD),
        ("a quote", line("GET /two/\"ok HTTP/1.1"), BAD),
        ("a backslash", line("GET /two\\ok HTTP/1.1"), BAD),
        ("a segment of two dots", line("GET /three/../two/ok HTTP/1.1"), BAD),
        ("one at the end", line("GET /two/ok/.. HTTP/1.1"), BAD),
        ("a segment of one dot", line("GET /two/./ok HTTP/1.1"), BAD),
        ("encoded dots", line("GET /two/%2e%2E/ok HTTP/1.1"), BAD),
        ("half encoded dots", line("GET /two/.%2e/ok HTTP/1.1"), BAD),
        ("dots before an encoded slash", line("GET /two/..%2fok HTTP/1.1"), BAD),
        ("dots with a parameter", line("GET /two/..;a/ok HTTP/1.1"), BAD),
        ("an encoded NUL", line("GET /two/ok%00 HTTP/1.1"), BAD),
        ("a broken escape", line("GET /two/ok%4 HTTP/1.1"), BAD),
        ("an encoded slash is no slash", line("GET /two%2fok HTTP/1.1"), &[404]),
        ("an encoded letter is another", line("GET /%74wo/ok HTTP/1.1"), &[404]),
        ("two slashes are not one", line("GET //two/ok HTTP/1.1"), &[404]),
        ("another host's path", line("GET //a/two/ok HTTP/1.1"), &[404]),
        ("no path", line("GET two/ok HTTP/1.1"), BAD),
        ("an authority", line("GET a:80 HTTP/1.1"), BAD),
        ("an asterisk", line("GET * HTTP/1.1"), BAD),
        ("CONNECT", line("CONNECT a:80 HTTP/1.1"), BAD),
        ("CONNECT with a path", line("CONNECT /two/ok HTTP/1.1"), BAD),
        ("HTTP/0.9", b"GET /two/ok\r\n\r\n".to_vec(), BAD),
        ("HTTP/1.2", line("GET /two/ok HTTP/1.2"), BAD),
        ("HTTP/2.0", line("GET /two/ok HTTP/2.0"), BAD),
        ("HTTP/1.10", line("GET /two/ok HTTP/1.10"), BAD),
        ("http/1.1", line("GET /two/ok http/1.1"), BAD),
        ("a method in small letters", line("get /two/ok HTTP/1.1"), BAD),
        ("a method that nobody knows", line("BREW /two/ok HTTP/1.1"), GOOD),
        ("a method of no letter", line("G(T /two/ok HTTP/1.1"), BAD),
        ("a method without an end", line(&format!("{} /two/ok HTTP/1.1", "A".repeat(40))), BAD),
        ("a long target", line(&format!("GET /two/ok?{} HTTP/1.1", "a".repeat(20_000))), &[414]),
        ("a head that is too large", get(&format!("A: {}\r\n", "b".repeat(70_000))), &[431]),
        ("too many fields", get(&"A: b\r\n".repeat(101)), &[431]),
    ];
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
        ("another expectation", get("Expect: the-best\r\n"), &[417]),
        ("one among others", get("Expect: 100-continue, x\r\n"), &[417]),
        ("an upgrade", get("Upgrade: websocket\r\n"), BAD),
        ("an upgrade beside h2c", get("Upgrade: h2c, websocket\r\n"), BAD),
        ("an offer of h2c", get("Upgrade: h2c\r\n"), GOOD),
        ("trailers are taken", get("TE: trailers\r\n"), GOOD),
        ("two requests, one after the other", pipelined, &[200, 200]),
        ("garbage behind a request", garbage, &[200, 400]),
        ("a request in the body of another", request("GET /two/ok HTTP/1.1", &format!("Host: a\r\n{sized}"), hidden), GOOD),
        ("one behind a close", [get(""), get("")].concat(), GOOD),
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
    for kept in ["authorization: mine", "cookie: c=1", "x-forwarded-for: 127.0.0.1"] {
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
    let seen: Vec<_> = text.lines().filter(|line| line.starts_with("header ")).collect();
    for gone in ["content", "transfer", "6.6.6.6", "forged", "4bf92f", "https"] {
        assert!(!seen.iter().any(|line| line.contains(gone)), "{gone}: {text}");
    }
    assert!(text.contains("header my_own: kept"), "{text}");
    assert!(text.contains("scheme: http\n"), "{text}");
}

#[test]
fn a_client_that_sends_no_more_gets_nothing_executed_twice() {
    let host = host();
    let mut stream = Ask::new(host.gateway, "GET", "/").connect();
    stream.write_all(b"GET /two/ok HTTP/1.1\r\nHost: a\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut text = Vec::new();
    // A reset is an end as good as another.
    let _ = stream.read_to_end(&mut text);
    assert!(!text.starts_with(b"HTTP/1.1 200"), "half a head is no request");
    assert_eq!(statuses(&host, &get("")), GOOD);
}
