//! What is sent and what comes back when all goes well.

use super::support::*;
use crate::http::{Credential, Format, Held, Place, Upstream};
use holdfast_call::{Body, FailureKind, Moment, Secret, Tree};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use std::sync::Arc;

fn with_credential(url: &str) -> Upstream {
    let place = Place::Header {
        name: HeaderName::from_static("authorization"),
        format: Format::parse("Bearer {secret}").unwrap(),
    };
    let held = Held::fixed(Secret::new("CANARY-CANARY").unwrap());
    let credential = Credential::new(place, held).unwrap();
    Upstream {
        credential: Some(credential),
        ..upstream(url)
    }
}

fn has(head: &str, line: &str) -> bool {
    head.lines().any(|held| held.eq_ignore_ascii_case(line))
}

#[tokio::test]
async fn a_request_reaches_its_upstream_and_the_answer_comes_back() {
    let mut server =
        Server::answering("HTTP/1.1 201 Created\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nok").await;
    let world = World::new(upstream(&server.url()));
    let response = world
        .call(get(&format!("{}/path?q=1", server.url())))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["x-a"], "1");
    assert_eq!(text(response).await.unwrap(), "ok");
    let head = server.seen().await;
    assert!(head.starts_with("GET /path?q=1 HTTP/1.1\r\n"), "{head}");
    assert!(has(&head, &format!("host: {}", server.address)), "{head}");
    assert!(
        has(
            &head,
            "traceparent: 00-03030303030303030303030303030303-0404040404040404-01"
        ),
        "{head}"
    );
}

#[tokio::test]
async fn what_belongs_to_the_connection_or_the_host_does_not_leave() {
    let mut server = Server::answering(OK).await;
    let world = World::new(upstream(&server.url()));
    let request = Request::get(server.url())
        .header("host", "elsewhere.example")
        .header("connection", "x-mine, close")
        .header("x-mine", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-authorization", "CANARY")
        .header("transfer-encoding", "chunked")
        .header("expect", "100-continue")
        .header("holdfast-why", "CANARY")
        .header("holdfast-call", "CANARY")
        .header(
            "traceparent",
            "00-11111111111111111111111111111111-1111111111111111-01",
        )
        .header("tracestate", "CANARY=1")
        .header("baggage", "CANARY=1")
        .header("x-kept", "yes")
        .body(Body::empty())
        .unwrap();
    world.call(request).await.unwrap();
    let head = server.seen().await;
    let mut names: Vec<_> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "traceparent", "x-kept"], "{head}");
    assert!(
        !head.contains("CANARY") && !head.contains("elsewhere"),
        "{head}"
    );
}

#[tokio::test]
async fn the_credential_is_put_in_and_the_guests_own_is_dropped() {
    let mut server = Server::answering(OK).await;
    let world = World::new(with_credential(&server.url()));
    let request = Request::get(server.url())
        .header("Authorization", "mine")
        .header("AUTHORIZATION", "mine too")
        .body(Body::empty())
        .unwrap();
    world.call(request).await.unwrap();
    let head = server.seen().await;
    assert_eq!(head.matches("authorization").count(), 1, "{head}");
    assert!(has(&head, "authorization: Bearer CANARY-CANARY"), "{head}");
}

#[tokio::test]
async fn trailers_pass_both_ways_but_none_that_would_be_a_credential() {
    let mut server = Server::start(|mut peer| async move {
        peer.head().await;
        // The request's own end: the last chunk and its trailers.
        peer.head().await;
        peer.write(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n",
        )
        .await;
        peer.head().await;
    })
    .await;
    let world = World::new(with_credential(&server.url()));
    let (feed, body) = fed();
    let mut trailers = HeaderMap::new();
    for name in ["x-sum", "authorization", "holdfast-why"] {
        trailers.insert(name, HeaderValue::from_static("9"));
    }
    feed.send(Ok(Frame::data("hello".into()))).unwrap();
    feed.send(Ok(Frame::trailers(trailers))).unwrap();
    drop(feed);
    let request = Request::post(server.url())
        .header("trailer", "x-sum, authorization, holdfast-why")
        .header("te", "trailers")
        .body(body)
        .unwrap();
    let response = world.call(request).await.unwrap();
    let answer = response.into_body().collect().await.unwrap();
    assert_eq!(answer.trailers().unwrap()["x-sum"], "7");
    let head = server.seen().await;
    assert!(
        has(&head, "te: trailers") && has(&head, "connection: te"),
        "{head}"
    );
    assert_eq!(server.seen().await, "5\r\nhello\r\n0\r\nx-sum: 9\r\n\r\n");
}

#[tokio::test]
async fn a_redirect_is_handed_on_and_not_followed() {
    let elsewhere = Server::answering(OK).await;
    let answer = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    );
    let server = Server::answering(answer.leak()).await;
    let world = World::new(upstream(&server.url()));
    let response = world.call(get(&server.url())).await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.headers()["location"], elsewhere.url());
    assert_eq!((server.accepts(), elsewhere.accepts()), (1, 0));
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_its_connection() {
    let server = Server::once("HTTP/1.1 200 OK\r\n\r\nto the end").await;
    let world = World::new(upstream(&server.url()));
    let response = world.call(get(&server.url())).await.unwrap();
    assert_eq!(text(response).await.unwrap(), "to the end");
}

#[tokio::test]
async fn hop_by_hop_headers_of_the_answer_stay_here() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nx-kept: 1\r\ncontent-length: 0\r\n\r\n").await;
    let world = World::new(upstream(&server.url()));
    let response = world.call(get(&server.url())).await.unwrap();
    let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-kept", "content-length"]);
}

#[tokio::test]
async fn a_length_that_is_not_the_bodys_is_refused() {
    let server = Server::answering(OK).await;
    let world = World::new(upstream(&server.url()));
    for lengths in [&["3"][..], &["+2"], &["2", "2"], &["two"], &["2, 2"], &[""]] {
        let mut request = post(&server.url(), "ok");
        for length in lengths {
            request
                .headers_mut()
                .append("content-length", HeaderValue::from_static(length));
        }
        let failure = world.call(request).await.unwrap_err();
        assert!(
            matches!(failure.kind, FailureKind::InvalidInput),
            "{lengths:?}"
        );
    }
    assert_eq!(server.accepts(), 0);
}

#[tokio::test]
async fn a_request_that_changes_something_shields_its_tree_until_the_head_has_come() {
    let mut server = Server::start(|mut peer| async move {
        while peer.head().await.is_some() {
            // The test answers by ending its own wait: one byte of a body it sends after the head.
            let mut byte = [0];
            if tokio::io::AsyncReadExt::read_exact(&mut peer.stream, &mut byte)
                .await
                .is_err()
            {
                return;
            }
            peer.write(OK).await;
        }
    })
    .await;
    let world = World::new(upstream(&server.url()));
    for (method, shielded) in [
        ("POST", true),
        ("DELETE", true),
        ("OPTIONS", false),
        ("PUT", true),
    ] {
        let tree = Arc::<Tree>::default();
        let (feed, body) = fed();
        let request = Request::builder()
            .method(method)
            .uri(server.url())
            .header("content-length", "1")
            .body(body)
            .unwrap();
        let call = tokio::spawn(world.call_as("front", Moment::FAR, tree.clone(), request));
        server.seen().await;
        assert_eq!(tree.shielded(), shielded, "{method}");
        feed.send(Ok(Frame::data("x".into()))).unwrap();
        drop(feed);
        let response = call.await.unwrap().unwrap();
        assert!(!tree.shielded(), "{method}");
        assert_eq!(text(response).await.unwrap(), "ok");
    }
}
