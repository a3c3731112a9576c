//! TLS and HTTP/2: verified, chosen by both sides, and cut stream by stream.

use super::support::*;
use crate::http::{Counts, Roots, Upstream};
use bytes::Bytes;
use holdfast_call::{FailureKind, HostCode};
use http::{Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate for `localhost`, and what trusts it.
fn identity(alpn: &str) -> (TlsAcceptor, Roots) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![made.cert.der().clone()], key)
    .unwrap();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let roots = Roots::from_pem(made.cert.pem().as_bytes()).unwrap();
    (TlsAcceptor::from(Arc::new(config)), roots)
}

pub(super) async fn secured<F, Fut>(alpn: &str, script: F) -> (Server, Upstream)
where
    F: Fn(Peer<TlsStream<TcpStream>>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (acceptor, roots) = identity(alpn);
    let server = Server::start(move |peer| {
        let (acceptor, script) = (acceptor.clone(), script.clone());
        async move {
            let (stream, rest) = peer.split();
            match acceptor.accept(stream).await {
                Ok(stream) => script(rest.over(stream)).await,
                Err(_) => rest.say("no handshake"),
            }
        }
    })
    .await;
    let url = format!("https://localhost:{}", server.address.port());
    (
        server,
        Upstream {
            ca: Some(roots),
            ..upstream(&url)
        },
    )
}

async fn plain(mut peer: Peer<TlsStream<TcpStream>>) {
    while peer.head().await.is_some() {
        peer.write(OK).await;
    }
}

#[tokio::test]
async fn an_upstream_is_verified_against_the_roots_of_the_policy() {
    let (mut server, settings) = secured("http/1.1", plain).await;
    let url = settings.origin.to_string();
    let world = World::new(settings);
    let response = world.call(get(&url)).await.unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
    let head = server.seen().await;
    assert!(
        head.contains(&format!("host: localhost:{}\r\n", server.address.port())),
        "{head}"
    );
}

#[tokio::test]
async fn an_upstream_that_cannot_be_verified_is_sent_nothing() {
    let (_, foreign) = identity("http/1.1");
    for ca in [None, Some(foreign)] {
        let (mut server, settings) = secured("http/1.1", plain).await;
        let url = settings.origin.to_string();
        let failure = World::new(Upstream { ca, ..settings })
            .call(get(&url))
            .await
            .unwrap_err();
        assert!(
            matches!(failure.kind, FailureKind::UpstreamUntrusted),
            "{failure:?}"
        );
        assert_eq!(evidence(&failure, "stage"), "tls");
        assert_eq!(server.seen().await, "no handshake");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (mut server, settings) = secured("http/1.1", plain).await;
    let url = format!("https://other.example:{}", server.address.port());
    let origin = crate::http::Origin::parse(&url).unwrap();
    let failure = World::new(Upstream { origin, ..settings })
        .call(get(&url))
        .await
        .unwrap_err();
    assert_eq!(evidence(&failure, "stage"), "tls");
    assert_eq!(server.seen().await, "no handshake");
}

#[tokio::test]
async fn an_end_that_tls_does_not_vouch_for_is_a_cut() {
    let (_server, settings) = secured("http/1.1", |mut peer| async move {
        peer.head().await;
        peer.write("HTTP/1.1 200 OK\r\n\r\nhalf").await;
        // The socket closes without the farewell of TLS, as it would if somebody on the way cut it.
    })
    .await;
    let url = settings.origin.to_string();
    let response = World::new(settings).call(get(&url)).await.unwrap();
    assert_eq!(
        text(response).await.unwrap_err().host_code(),
        Some(HostCode::UpstreamFault)
    );
}

/// Serves HTTP/2: `/` answers at once, `/echo` with the request's body, and any other path never.
pub(super) async fn multiplexing(peer: Peer<TlsStream<TcpStream>>) {
    let (stream, rest) = peer.split();
    let rest = Arc::new(rest);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let rest = rest.clone();
        async move {
            rest.say(&format!(
                "{} {:?} {:?}",
                request.uri(),
                request.version(),
                request.headers()
            ));
            let path = request.uri().path().to_owned();
            if path == "/" {
                return Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))));
            }
            match request.into_body().collect().await {
                Ok(body) if path == "/echo" => {
                    return Ok(Response::new(Full::new(body.to_bytes())));
                }
                Ok(_) => {}
                Err(_) => rest.say("the request was cut"),
            }
            std::future::pending().await
        }
    });
    // However the connection ends, its test has seen what it wanted.
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[tokio::test]
async fn one_connection_over_http2_serves_many_calls() {
    let (mut server, settings) = secured("h2", multiplexing).await;
    let url = settings.origin.to_string();
    let world = World::new(Upstream {
        connections_max: 1,
        ..settings
    });
    let held = world.spawn(get(&format!("{url}/never")));
    server.seen().await;
    for _ in 0..3 {
        let response = world.call(get(&format!("{url}/"))).await.unwrap();
        assert_eq!(
            response.version(),
            Version::HTTP_11,
            "a guest sees no difference"
        );
        assert_eq!(text(response).await.unwrap(), "ok");
        let seen = server.seen().await;
        assert!(
            seen.contains("HTTP/2.0") && seen.contains("traceparent"),
            "{seen}"
        );
    }
    let response = world
        .call(post(&format!("{url}/echo"), "body"))
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap(), "body");
    assert_eq!(
        (server.accepts(), world.out.counts()),
        (1, Counts { open: 1, idle: 0 })
    );
    held.abort();
}

#[tokio::test]
async fn a_call_that_is_dropped_resets_its_stream_and_leaves_the_connection() {
    let (mut server, settings) = secured("h2", multiplexing).await;
    let url = settings.origin.to_string();
    let world = World::new(settings);
    let (feed, body) = fed();
    let call = world.spawn(Request::post(format!("{url}/never")).body(body).unwrap());
    feed.send(Ok(Frame::data("half".into()))).unwrap();
    server.seen().await;
    call.abort();
    assert_eq!(server.seen().await, "the request was cut");
    feed.closed().await;
    let response = world.call(get(&format!("{url}/"))).await.unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
    assert_eq!(server.accepts(), 1);
}

#[tokio::test]
async fn a_sender_that_dies_resets_its_stream_over_http2() {
    let (mut server, settings) = secured("h2", multiplexing).await;
    let url = settings.origin.to_string();
    let world = World::new(settings);
    let (feed, body) = fed();
    let call = world.spawn(Request::post(format!("{url}/echo")).body(body).unwrap());
    feed.send(Ok(Frame::data("half".into()))).unwrap();
    server.seen().await;
    feed.send(Err(fault("the guest died"))).unwrap();
    assert_eq!(server.seen().await, "the request was cut");
    let failure = call.await.unwrap().unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::CallerCut),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_shared_connection_that_does_not_answer_is_not_used_again() {
    let (mut server, settings) = secured("h2", multiplexing).await;
    let url = settings.origin.to_string();
    let world = World::new(settings);
    let call = world.spawn(get(&format!("{url}/never")));
    server.seen().await;
    world.clock.ring(FIRST_BYTE).await;
    let failure = call.await.unwrap().unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamTimeout),
        "{failure:?}"
    );
    let response = world.call(get(&format!("{url}/"))).await.unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
    assert_eq!(server.accepts(), 2);
}
