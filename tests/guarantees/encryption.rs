//! The gateway, encrypted: nothing weak is spoken, and a certificate is exchanged without anybody noticing.
//!
//! 1. The naive snippet: a proxy in front, because the service speaks plain HTTP alone.
//! 2. The missing rule: which versions, which suites, which protocol within, and what happens in the night when the certificate runs out.
//! 3. The tax: a second program with a language of its own, and a restart for every certificate.
//! 4. The snippet again, unchanged.
//! 5. The entry: `[listen.tls]` with two files, and no other choice that could be made badly.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Host, Setup, until};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A pair, its certificate its own authority.
struct Pair {
    cert: String,
    key: String,
    der: CertificateDer<'static>,
}

fn pair() -> Pair {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let cert = params.unwrap().self_signed(&key).unwrap();
    Pair {
        cert: cert.pem(),
        key: key.serialize_pem(),
        der: cert.der().clone(),
    }
}

fn put(dir: &Path, name: &str, text: &str, mode: u32) {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn setup(pair: &Pair) -> Setup {
    let setup = two("").policy(
        "[listen]\naddress = \"127.0.0.1:0\"\n[listen.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n\
         [listen.limits]\nhead = \"2s\"",
    );
    put(setup.dir.path(), "cert.pem", &pair.cert, 0o644);
    put(setup.dir.path(), "key.pem", &pair.key, 0o600);
    setup
}

/// A client that trusts `pair`, and offers `protocols`.
fn client(pair: &Pair, protocols: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(pair.der.clone()).unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    config
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn shake(host: &Host, config: ClientConfig, name: &'static str) -> std::io::Result<Stream> {
    let tcp = TcpStream::connect(host.gateway).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let name = ServerName::try_from(name).unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(session, tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn ask(stream: &mut Stream, path: &str) -> String {
    let text = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut some = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let whole = length.and_then(|length| length.parse().ok()) == Some(body.len());
            if whole || body.ends_with("0\r\n\r\n") {
                return text;
            }
        }
        let read = stream.read(&mut some).unwrap();
        assert!(read > 0, "closed after {text}");
        seen.extend_from_slice(&some[..read]);
    }
}

#[test]
fn a_guest_sees_that_its_caller_came_encrypted() {
    let pair = pair();
    let host = setup(&pair).start();
    let mut stream = shake(&host, client(&pair, &["http/1.1"]), "localhost").unwrap();
    let text = ask(&mut stream, "/two/request");
    assert!(text.contains("scheme: https\n"), "{text}");
    assert!(text.contains("header x-forwarded-proto: https\n"), "{text}");
    // The bytes within are looked at as everywhere.
    stream
        .write_all(b"GET /two/ok HTTP/1.1\nhost: a\r\n\r\n")
        .unwrap();
    let mut end = Vec::new();
    let _ = stream.read_to_end(&mut end);
    assert!(end.starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn a_scan_finds_nothing_weak() {
    let pair = pair();
    let host = setup(&pair).start();
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"][..], Some("http/1.1")),
        (&[][..], None),
    ] {
        let stream = shake(&host, client(&pair, offered), "localhost").unwrap();
        let protocol = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(protocol.as_deref(), chosen.map(str::as_bytes));
    }
    assert!(shake(&host, client(&pair, &["spdy/3"]), "localhost").is_err());
    // An address as the name is no SNI at all.
    shake(&host, client(&pair, &[]), "127.0.0.1").unwrap();
    let provider = rustls::crypto::ring::default_provider();
    for suite in provider.cipher_suites.clone() {
        let name = format!("{:?}", suite.suite());
        let forward_secret = name.starts_with("TLS13_") || name.contains("_ECDHE_");
        let sealed = name.contains("GCM") || name.contains("POLY1305");
        assert!(forward_secret && sealed, "{name}");
    }
    for version in [0x0300_u16, 0x0301, 0x0302] {
        let answer = hello(&host, version, &[0xc02f, 0xc02b, 0x009c, 0x002f, 0x000a]);
        assert_refused(&answer, &format!("version {version:x}"));
    }
    // TLS 1.2 with suites alone that keep no past traffic secret, or do not authenticate it, or do not encrypt.
    for suite in [
        0x009c_u16, 0x002f, 0x000a, 0xc013, 0xc014, 0xc027, 0x0005, 0x0000, 0x0033,
    ] {
        let answer = hello(&host, 0x0303, &[suite]);
        assert_refused(&answer, &format!("suite {suite:x}"));
    }
    // The same by a suite that is good shows that this hello is well made; and that no compression is chosen of those it offers.
    let answer = hello(&host, 0x0303, &[0xc02b, 0xc02f]);
    assert_eq!(answer.first(), Some(&22), "{answer:x?}");
    let session = usize::from(answer[43]);
    assert_eq!(answer[44 + session + 2], 0, "compression in {answer:x?}");
}

/// What is answered to a hello of `version` with `suites`, written by hand.
fn hello(host: &Host, version: u16, suites: &[u16]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    // Compression by deflate is offered before none at all.
    body.extend([2, 1, 0]);
    // Groups, point formats, signatures.
    let extensions: &[u8] = &[
        0, 10, 0, 6, 0, 4, 0, 29, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 10, 0, 8, 4, 3, 8, 4, 4, 1,
        2, 1,
    ];
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let mut message = vec![1, length[1], length[2], length[3]];
    message.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
    record.extend(message);
    let mut tcp = TcpStream::connect(host.gateway).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    tcp.write_all(&record).unwrap();
    let mut answer = vec![0; 512];
    let read = tcp.read(&mut answer).unwrap_or(0);
    answer.truncate(read);
    answer
}

/// A fatal alert, or nothing at all.
#[track_caller]
fn assert_refused(answer: &[u8], what: &str) {
    let alert = answer.first() == Some(&21) && answer.get(5) == Some(&2);
    assert!(answer.is_empty() || alert, "{what}: {answer:x?}");
}

#[test]
fn what_is_not_encrypted_is_not_served() {
    let pair = pair();
    let host = setup(&pair).start();
    let mut tcp = TcpStream::connect(host.gateway).unwrap();
    tcp.write_all(b"GET /two/ok HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"));
    // A handshake that is not ended ends with the time of a head.
    for begun in [&b""[..], &[22, 3, 1, 0, 200, 1]] {
        let mut tcp = TcpStream::connect(host.gateway).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        tcp.write_all(begun).unwrap();
        let end = tcp.read_to_end(&mut Vec::new());
        let timed_out = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!end.is_err_and(|error| timed_out(&error)));
    }
}

#[test]
fn a_new_pair_is_taken_while_connections_stand() {
    let (old, new) = (pair(), pair());
    let host = setup(&old).start();
    let mut standing = shake(&host, client(&old, &[]), "localhost").unwrap();
    ask(&mut standing, "/two/ok");
    // Half of a pair changes nothing, and is said.
    put(host.dir(), "cert.pem", &new.cert, 0o644);
    until("the host to say that it stays", || {
        host.stderr()
            .contains("do not belong together")
            .then_some(())
    });
    shake(&host, client(&old, &[]), "localhost").unwrap();
    put(host.dir(), "key.pem", &new.key, 0o600);
    until("the new pair", || {
        shake(&host, client(&new, &[]), "localhost").ok()
    });
    assert!(ask(&mut standing, "/two/ok").contains(" 200 "));
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let pair = pair();
    let setup = setup(&pair);
    put(setup.dir.path(), "key.pem", &pair.key, 0o644);
    let (code, said) = setup.refused();
    assert_ne!(code, Some(0));
    assert!(said.contains("0600"), "{said}");
}

#[test]
fn a_pair_that_does_not_belong_together_is_refused_at_start() {
    let (one, other) = (pair(), pair());
    let setup = setup(&one);
    put(setup.dir.path(), "key.pem", &other.key, 0o600);
    let (_, said) = setup.refused();
    assert!(said.contains("do not belong together"), "{said}");
}
