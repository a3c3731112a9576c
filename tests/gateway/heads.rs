//! What a service sees of a request's head, what a client sees of an answer's, and what never becomes a call to a service.

use super::client::{ask, get, h2};
use crate::bed::{Bed, answer};
use holdfast_call::{Admitted, Answer, Body};
use holdfast_server::entry::peer::TrustedProxies;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Shows a request as the service sees it: a line for the URI, then the headers in the order of their names.
fn show(admitted: Admitted) -> String {
    let (call, _) = admitted.into_parts();
    let trace = call.trace;
    let request = call.payload.into_http().unwrap();
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let mut text = format!("{} {}\n", request.method(), request.uri());
    writeln!(text, "trace {:x}", trace.trace_id).unwrap();
    text + &headers.join("\n") + "\nend"
}

async fn shown() -> Bed {
    let bed = Bed::new(16).await;
    bed.serve("echo", |admitted| {
        let text = show(admitted);
        Box::pin(async move { answer(&text) })
    });
    bed
}

#[tokio::test]
async fn a_service_sees_the_host_s_word_and_not_a_stranger_s() {
    let mut bed = shown().await;
    let text = ask(
        bed.address,
        "GET /echo/a/b?c=d HTTP/1.1\nhost: Shop.Example:8080\nx-forwarded-for: 6.6.6.6\nx-forwarded-proto: https\n\
         x-forwarded-prefix: /evil\nx-forwarded-port: 1\nforwarded: for=6.6.6.6\nx-real-ip: 6.6.6.6\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nholdfast-why: paying\nholdfast-call: forged\n\
         te: trailers\nkeep-alive: 5\nx-mine: kept\n",
    )
    .await;
    assert!(
        text.contains("GET http://Shop.Example:8080/a/b?c=d\n"),
        "{text}"
    );
    let headers = text.split_once("trace ").unwrap().1;
    let headers: Vec<_> = headers
        .lines()
        .skip(1)
        .take_while(|line| *line != "end")
        .collect();
    let expected = [
        "host: Shop.Example:8080",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: Shop.Example:8080",
        "x-forwarded-prefix: /echo",
        "x-forwarded-proto: http",
        "x-mine: kept",
    ];
    assert_eq!(headers, expected);
    assert!(!text.contains("trace 4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(bed.ended().await, "service:echo GET /a/b (paying) finished");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_its_chain_is_continued() {
    let bed = shown().await;
    bed.gateway
        .trust(TrustedProxies::new(vec!["127.0.0.1/32".parse().unwrap()]));
    let text = ask(
        bed.address,
        "GET /echo HTTP/1.1\nhost: inner\nx-forwarded-for: 9.9.9.9\nx-forwarded-proto: https\nx-forwarded-host: shop.example\n\
         x-forwarded-prefix: /outer\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n",
    )
    .await;
    for line in [
        "GET https://inner/\n",
        "x-forwarded-for: 9.9.9.9, 127.0.0.1",
        "x-forwarded-proto: https",
        "x-forwarded-host: shop.example",
        "x-forwarded-prefix: /outer/echo",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[tokio::test]
async fn what_a_connection_header_lists_is_for_that_connection_alone() {
    let bed = shown().await;
    let head = "GET /echo/ HTTP/1.1\nhost: h\nconnection: x-secret\nx-secret: 1\nx-kept: 1\n";
    let text = ask(bed.address, head).await;
    assert!(
        text.contains("x-kept: 1") && !text.contains("x-secret"),
        "{text}"
    );
}

#[tokio::test]
async fn what_never_reaches_a_service_is_still_a_call_with_an_id_and_an_end() {
    let mut bed = shown().await;
    let cases = [
        ("GET /echo/ HTTP/1.1\n", 400, "invalid-input"),
        (
            "GET /echo/ HTTP/1.1\nhost: a\nhost: b\n",
            400,
            "invalid-input",
        ),
        ("GET /echo/ HTTP/1.1\nhost: a b\n", 400, "invalid-input"),
        ("GET /echo/ HTTP/1.1\nhost: user@a\n", 400, "invalid-input"),
        (
            "GET /echo/ HTTP/1.1\nhost: a\nupgrade: websocket\n",
            400,
            "invalid-input",
        ),
        ("CONNECT a:1 HTTP/1.1\nhost: a\n", 400, "invalid-input"),
        ("GET /nobody/ HTTP/1.1\nhost: a\n", 404, "no-such-service"),
        ("GET /echoes HTTP/1.1\nhost: a\n", 404, "no-such-service"),
    ];
    for (head, status, code) in cases {
        let text = ask(bed.address, head).await;
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head}: {text}"
        );
        assert!(
            text.contains("content-type: application/problem+json"),
            "{head}: {text}"
        );
        assert!(
            text.contains(&format!("\"code\":\"{code}\"")),
            "{head}: {text}"
        );
        let id = text
            .split_once("holdfast-call: ")
            .unwrap()
            .1
            .get(..36)
            .unwrap();
        assert!(text.contains(&format!("urn:uuid:{id}")), "{head}: {text}");
        let ended = bed.ended().await;
        assert!(
            ended.starts_with("service:(none) ") && ended.ends_with(code),
            "{ended}"
        );
    }
}

#[tokio::test]
async fn an_offer_of_h2c_is_left_unanswered_and_served() {
    let bed = shown().await;
    let head = "GET /echo/ HTTP/1.1\nhost: a\nupgrade: h2c\nhttp2-settings: AAMAAABkAAQAAP__\n";
    let text = ask(bed.address, head).await;
    assert!(
        text.starts_with("HTTP/1.1 200 ") && !text.contains("http2-settings"),
        "{text}"
    );
}

#[tokio::test]
async fn an_answer_carries_the_host_s_id_and_nothing_for_another_connection() {
    let bed = Bed::new(16).await;
    bed.serve("forge", |_| {
        Box::pin(async {
            let response = http::Response::builder()
                .header("holdfast-call", "forged")
                .header("keep-alive", "timeout=5")
                .header("proxy-connection", "x")
                .header("x-kept", "1")
                .body(Body::whole("body".into()))
                .unwrap();
            Ok(Answer::Http(response))
        })
    });
    let text = ask(bed.address, "GET /forge/ HTTP/1.1\nhost: a\n").await;
    assert!(
        text.contains("x-kept: 1") && !text.contains("keep-alive"),
        "{text}"
    );
    assert!(
        !text.contains("forged") && !text.contains("proxy-connection"),
        "{text}"
    );
    assert_eq!(text.matches("holdfast-call: ").count(), 1);
}

#[tokio::test]
async fn an_answer_without_a_body_ends_its_call_well() {
    let mut bed = Bed::new(16).await;
    bed.serve("some", |admitted| {
        let (call, _) = admitted.into_parts();
        let request = call.payload.into_http().unwrap();
        let status: u16 = request.uri().path().trim_matches('/').parse().unwrap();
        Box::pin(async move {
            let mut response = http::Response::new(Body::whole("a body".into()));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            Ok(Answer::Http(response))
        })
    });
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
        let head = format!("{method} /some/{status} HTTP/1.1\nhost: a\n");
        let text = ask(bed.address, &head).await;
        assert!(text.ends_with("\r\n\r\n"), "{text}");
        let length = text.contains("content-length: 6");
        assert_eq!(length, method == "HEAD", "{text}");
        assert!(bed.ended().await.ends_with("finished"));
    }
    bed.serve("none", |_| {
        let response = http::Response::new(Body::empty());
        Box::pin(async move { Ok(Answer::Http(response)) })
    });
    for method in ["GET", "POST", "HEAD"] {
        let text = ask(bed.address, &format!("{method} /none/ HTTP/1.1\nhost: a\n")).await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(bed.ended().await.ends_with("finished"));
    }
}

#[tokio::test]
async fn http_2_is_served_without_a_host_header() {
    let bed = shown().await;
    let mut client = h2(bed.address).await;
    let response = client
        .send_request(get(bed.address, "/echo/x"))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap();
    let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    assert!(
        text.starts_with(&format!("GET http://{}/x\n", bed.address)),
        "{text}"
    );
}

#[tokio::test]
async fn a_route_s_purpose_is_the_reason_of_a_call_that_gives_none() {
    let bed = Bed::new(16).await;
    let (seen, mut whys) = mpsc::unbounded_channel();
    let seen = Arc::new(seen);
    let registered = crate::bed::native(&bed.pipeline, "shop", move |admitted| {
        seen.send(admitted.call().why.clone()).unwrap();
        Box::pin(async { answer("ok") })
    });
    let claim = holdfast_server::router::Claim {
        service: "shop".into(),
        routes: Vec::new(),
        purpose: holdfast_call::Why::claimed("sells things"),
        registered,
    };
    bed.routes.put(claim).unwrap();
    ask(bed.address, "GET /shop/ HTTP/1.1\nhost: a\n").await;
    ask(
        bed.address,
        "GET /shop/ HTTP/1.1\nhost: a\nholdfast-why: audit\n",
    )
    .await;
    assert_eq!(whys.recv().await.unwrap().as_str(), "sells things");
    assert_eq!(whys.recv().await.unwrap().as_str(), "audit");
}
