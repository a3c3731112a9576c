//! Whom a request of HTTP/1.1 is for, and what it asks for, as a hostile client writes it: raw bytes in, a status out.

use super::hostile_h1::{Case, GOOD, check, get, host, line, request, statuses};
use crate::harness::Ask;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;

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
