//! Every limit of the way out, biting. Time moves only when a test rings the timer that the code has set.

use super::support::*;
use crate::http::Upstream;
use holdfast_call::{FailureKind, HostCode, Moment, Timeouts};
use http::Request;
use http_body::Frame;
use http_body_util::BodyExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// An upstream that reads a head and never answers.
async fn silent() -> Server {
    Server::start(|mut peer| async move {
        peer.head().await;
        peer.rest().await;
    })
    .await
}

fn asking(url: &str, timeouts: Timeouts) -> Request<holdfast_call::Body> {
    let mut request = get(url);
    request.extensions_mut().insert(timeouts);
    request
}

#[tokio::test]
async fn a_name_that_does_not_resolve_in_time_is_unreachable() {
    let world = World::resolving(upstream("http://api.example.com"), Arc::new(Fixed(None)));
    let call = world.spawn(get("http://api.example.com/"));
    world.clock.ring(CONNECT).await;
    let failure = call.await.unwrap().unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamUnreachable),
        "{failure:?}"
    );
    assert_eq!(evidence(&failure, "stage"), "resolve");
    assert_eq!(evidence(&failure, "ms"), "10000");
    assert_eq!(world.out.counts().open, 0, "its room was given back");
}

#[tokio::test]
async fn tls_that_is_not_up_in_time_is_unreachable() {
    let server = Server::start(|mut peer| async move { peer.rest().await }).await;
    let url = format!("https://127.0.0.1:{}", server.address.port());
    let world = World::new(upstream(&url));
    let call = world.spawn(get(&url));
    world.clock.ring(CONNECT).await;
    let failure = call.await.unwrap().unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamUnreachable),
        "{failure:?}"
    );
    assert_eq!(evidence(&failure, "stage"), "tls");
}

#[tokio::test]
async fn who_gives_an_upstream_less_time_says_nothing_of_it_to_others() {
    let url = "http://api.example.com/";
    let world = World::resolving(upstream("http://api.example.com"), Arc::new(Fixed(None)));
    let hurried = Timeouts {
        connect: Some(Duration::from_nanos(1)),
        ..Timeouts::default()
    };
    let call = world.spawn(asking(url, hurried));
    world.clock.ring(Duration::from_nanos(1)).await;
    let failure = call.await.unwrap().unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamNotSent),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = World::new(upstream(&url))
        .call(get(&url))
        .await
        .unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamUnreachable),
        "{failure:?}"
    );
    assert_eq!(evidence(&failure, "stage"), "connect");
    assert_eq!(evidence(&failure, "upstream"), "api");
}

#[tokio::test]
async fn an_upstream_that_never_answers_runs_out_of_time_and_is_hung_up_on() {
    let mut server = silent().await;
    let world = World::new(upstream(&server.url()));
    let call = world.spawn(post(&server.url(), "body"));
    server.seen().await;
    world.clock.ring(FIRST_BYTE).await;
    let failure = call.await.unwrap().unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamTimeout),
        "{failure:?}"
    );
    assert_eq!(evidence(&failure, "limit"), "first_byte");
    assert_eq!(server.seen().await, "end: body");
}

#[tokio::test]
async fn a_slow_sender_is_not_the_upstreams_fault_but_the_deadline_still_holds() {
    let mut server = silent().await;
    let world = World::new(upstream(&server.url()));
    let (feed, body) = fed();
    let request = Request::post(server.url()).body(body).unwrap();
    let deadline = Duration::from_secs(70);
    let call = tokio::spawn(world.call_as(
        "front",
        Moment::START.after(deadline),
        Arc::default(),
        request,
    ));
    server.seen().await;
    // The body is awaited: each time the limit comes round, it begins anew.
    world.clock.ring(FIRST_BYTE).await;
    world.clock.ring(FIRST_BYTE * 2).await;
    world.clock.ring(FIRST_BYTE * 3).await;
    world.clock.ring(deadline).await;
    let failure = call.await.unwrap().unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamTimeout),
        "{failure:?}"
    );
    assert_eq!(evidence(&failure, "limit"), "deadline");
    drop(feed);
}

#[tokio::test]
async fn the_time_for_the_head_begins_anew_with_each_frame_of_the_request() {
    let mut server = silent().await;
    let world = World::new(upstream(&server.url()));
    let (feed, body) = fed();
    let request = Request::post(server.url()).body(body).unwrap();
    let call = world.spawn(request);
    server.seen().await;
    world.clock.ring(FIRST_BYTE).await;
    feed.send(Ok(Frame::data("x".into()))).unwrap();
    drop(feed);
    world.clock.ring(FIRST_BYTE * 2).await;
    let failure = call.await.unwrap().unwrap_err();
    assert_eq!(evidence(&failure, "limit"), "first_byte");
}

#[tokio::test]
async fn the_calls_deadline_comes_first_where_it_is_nearer() {
    let mut server = silent().await;
    let world = World::new(upstream(&server.url()));
    let deadline = Duration::from_secs(5);
    let call = tokio::spawn(world.call_as(
        "front",
        Moment::START.after(deadline),
        Arc::default(),
        get(&server.url()),
    ));
    server.seen().await;
    world.clock.ring(deadline).await;
    let failure = call.await.unwrap().unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamTimeout),
        "{failure:?}"
    );
    assert_eq!(evidence(&failure, "limit"), "deadline");
}

#[tokio::test]
async fn a_guest_may_shorten_each_limit() {
    let short = Some(Duration::from_secs(1));
    let world = World::resolving(upstream("http://api.example.com"), Arc::new(Fixed(None)));
    let connect = Timeouts {
        connect: short,
        ..Timeouts::default()
    };
    let call = world.spawn(asking("http://api.example.com/", connect));
    world.clock.ring(Duration::from_secs(1)).await;
    assert_eq!(
        evidence(&call.await.unwrap().unwrap_err(), "stage"),
        "resolve"
    );

    let mut server = silent().await;
    let world = World::new(upstream(&server.url()));
    let first_byte = Timeouts {
        first_byte: short,
        ..Timeouts::default()
    };
    let call = world.spawn(asking(&server.url(), first_byte));
    server.seen().await;
    world.clock.ring(Duration::from_secs(1)).await;
    assert_eq!(
        evidence(&call.await.unwrap().unwrap_err(), "limit"),
        "first_byte"
    );

    let server = dripping(Arc::default()).await;
    let world = World::new(upstream(&server.url()));
    let between_bytes = Timeouts {
        between_bytes: short,
        ..Timeouts::default()
    };
    let response = world
        .call(asking(&server.url(), between_bytes))
        .await
        .unwrap();
    let body = tokio::spawn(text(response));
    world.clock.ring(Duration::from_secs(1)).await;
    assert_eq!(
        body.await.unwrap().unwrap_err().host_code(),
        Some(HostCode::UpstreamTimeout)
    );
}

/// An upstream that writes one byte of its answer now, and one for each time it is told.
async fn dripping(drip: Arc<Notify>) -> Server {
    Server::start(move |mut peer| {
        let drip = drip.clone();
        async move {
            peer.head().await;
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")
                .await;
            loop {
                drip.notified().await;
                peer.write("x").await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_pause_within_the_answer_cuts_it_but_a_drip_in_time_does_not() {
    let drip = Arc::new(Notify::new());
    let server = dripping(drip.clone()).await;
    let world = World::new(upstream(&server.url()));
    let mut body = world.call(get(&server.url())).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    let (told, mut frames) = tokio::sync::mpsc::unbounded_channel();
    let reader = tokio::spawn(async move {
        loop {
            match body.frame().await.unwrap() {
                Ok(_) => told.send(()).unwrap(),
                Err(fault) => return fault,
            }
        }
    });
    // A timer set for the first pause rings while a byte has come in between: it is set anew, and nothing is cut.
    world.clock.await_timer(BETWEEN_BYTES).await;
    world.clock.set(BETWEEN_BYTES / 2);
    drip.notify_one();
    frames.recv().await.unwrap();
    world.clock.ring(BETWEEN_BYTES).await;
    world.clock.ring(BETWEEN_BYTES + BETWEEN_BYTES / 2).await;
    let fault = reader.await.unwrap();
    assert_eq!(fault.host_code(), Some(HostCode::UpstreamTimeout));
    assert!(fault.verdict().next.contains("between_bytes"), "{fault:?}");
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_refused_unread() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n").await;
    let world = World::new(upstream(&server.url()));
    let failure = world.call(get(&server.url())).await.unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamTooLarge),
        "{failure:?}"
    );
    assert!(
        failure
            .cause
            .contains("`response_bytes` of [upstreams.api]"),
        "{}",
        failure.cause
    );
}

#[tokio::test]
async fn an_answer_that_grows_too_large_is_cut_and_hung_up_on() {
    let mut server = Server::start(|mut peer| async move {
        peer.head().await;
        let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
        peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        peer.write(&chunk).await;
        peer.write("1\r\nx\r\n").await;
        peer.rest().await;
    })
    .await;
    let world = World::new(upstream(&server.url()));
    let response = world.call(get(&server.url())).await.unwrap();
    let fault = text(response).await.unwrap_err();
    assert_eq!(fault.host_code(), Some(HostCode::UpstreamTooLarge));
    assert!(fault.verdict().next.contains("response_bytes"), "{fault:?}");
    server.seen().await;
    assert_eq!(server.seen().await, "end: ");
}

#[tokio::test]
async fn an_answer_of_just_the_largest_size_passes() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}",
        "x".repeat(1000)
    );
    let server = Server::answering(answer.leak()).await;
    let world = World::new(upstream(&server.url()));
    let response = world.call(get(&server.url())).await.unwrap();
    assert_eq!(text(response).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_failure() {
    let long = format!(
        "HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n",
        "x".repeat(64 * 1024)
    );
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-many: 1\r\n".repeat(300));
    for head in [long, many] {
        let server = Server::once(head.leak()).await;
        let world = World::new(upstream(&server.url()));
        let failure = world.call(get(&server.url())).await.unwrap_err();
        assert!(
            matches!(failure.kind, FailureKind::UpstreamTooLarge),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn a_service_has_no_more_connections_than_allowed() {
    let mut server = silent().await;
    let world = World::new(Upstream {
        connections_max: 2,
        ..upstream(&server.url())
    });
    let held = [
        world.spawn(get(&server.url())),
        world.spawn(get(&server.url())),
    ];
    server.seen().await;
    server.seen().await;
    let third = world.spawn(get(&server.url()));
    world.clock.ring(CONNECT).await;
    let failure = third.await.unwrap().unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamNotSent),
        "{failure:?}"
    );
    assert_eq!(
        (
            evidence(&failure, "stage"),
            evidence(&failure, "connections_max")
        ),
        ("pool".into(), "2".into())
    );
    assert_eq!((server.accepts(), world.out.counts().open), (2, 2));
    held.iter().for_each(|call| call.abort());
}

#[tokio::test]
async fn who_waits_for_a_connection_gets_the_next_one_that_is_free() {
    let mut server = silent().await;
    let world = World::new(Upstream {
        connections_max: 1,
        ..upstream(&server.url())
    });
    let first = world.spawn(get(&server.url()));
    server.seen().await;
    let second = world.spawn(get(&server.url()));
    // Another service is not held up by it.
    let other =
        tokio::spawn(world.call_as("other", Moment::FAR, Arc::default(), get(&server.url())));
    server.seen().await;
    assert_eq!(server.accepts(), 2);
    first.abort();
    assert_eq!(server.seen().await, "end: ");
    server.seen().await;
    assert_eq!(server.accepts(), 3);
    second.abort();
    other.abort();
}
