//! What breaks off, on either side: it is seen as broken, never as an end.

use super::support::*;
use holdfast_call::{FailureKind, HostCode};
use http::Request;
use http_body::Frame;
use http_body_util::BodyExt as _;

#[tokio::test]
async fn an_upstream_that_breaks_off_before_its_head_is_a_fault() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nx-half: ",
        "garbage\r\n\r\n",
        "HTTP/1.1 999999 X\r\n\r\n",
        "SSH-2.0-x\r\n",
    ] {
        let server = Server::once(answer).await;
        let world = World::new(upstream(&server.url()));
        let failure = world.call(get(&server.url())).await.unwrap_err();
        assert!(
            matches!(failure.kind, FailureKind::UpstreamFault),
            "{answer:?}: {failure:?}"
        );
        assert_eq!(evidence(&failure, "stage"), "head");
        assert_eq!(
            server.accepts(),
            1,
            "what may have been sent is not sent again"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_cut_never_ends_cleanly() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalfz\r\n0\r\n\r\n",
    ] {
        let server = Server::once(answer).await;
        let world = World::new(upstream(&server.url()));
        let response = world.call(get(&server.url())).await.unwrap();
        let fault = text(response).await.unwrap_err();
        assert_eq!(
            fault.host_code(),
            Some(HostCode::UpstreamFault),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_request_whose_sender_dies_is_seen_as_cut_by_the_upstream() {
    let mut server = Server::start(|mut peer| async move {
        peer.head().await;
        peer.rest().await;
    })
    .await;
    let world = World::new(upstream(&server.url()));
    let (feed, body) = fed();
    let call = world.spawn(Request::post(server.url()).body(body).unwrap());
    feed.send(Ok(Frame::data("half".into()))).unwrap();
    server.seen().await;
    feed.send(Err(fault("the guest died"))).unwrap();
    let failure = call.await.unwrap().unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::CallerCut),
        "{failure:?}"
    );
    assert_eq!(evidence(&failure, "code"), "service-fault");
    // No last chunk.
    assert_eq!(server.seen().await, "end: 4\r\nhalf\r\n");
}

#[tokio::test]
async fn a_sender_that_dies_behind_the_head_cuts_the_answer_with_its_own_fault() {
    let server = Server::start(|mut peer| async move {
        peer.head().await;
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            .await;
        peer.rest().await;
    })
    .await;
    let world = World::new(upstream(&server.url()));
    let (feed, body) = fed();
    let mut answer = world
        .call(Request::post(server.url()).body(body).unwrap())
        .await
        .unwrap()
        .into_body();
    answer.frame().await.unwrap().unwrap();
    feed.send(Err(fault("the guest died"))).unwrap();
    let fault = answer.frame().await.unwrap().unwrap_err();
    assert_eq!(fault.verdict().cause, "the guest died");
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_at_the_upstream_too() {
    let mut server = Server::start(|mut peer| async move {
        peer.head().await;
        peer.rest().await;
    })
    .await;
    let world = World::new(upstream(&server.url()));
    let call = world.spawn(get(&server.url()));
    server.seen().await;
    call.abort();
    assert_eq!(server.seen().await, "end: ");
    assert_eq!(world.out.counts().idle, 0);
}

#[tokio::test]
async fn an_answer_that_is_dropped_half_read_closes_its_connection() {
    let mut server = Server::start(|mut peer| async move {
        peer.head().await;
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            .await;
        peer.rest().await;
    })
    .await;
    let world = World::new(upstream(&server.url()));
    let mut body = world.call(get(&server.url())).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    server.seen().await;
    drop(body);
    assert_eq!(server.seen().await, "end: ");
    assert_eq!(world.out.counts().idle, 0);
}

#[tokio::test]
async fn a_request_still_on_its_way_ends_with_its_answer() {
    let mut server = Server::start(|mut peer| async move {
        peer.head().await;
        peer.write(OK).await;
        peer.rest().await;
    })
    .await;
    let world = World::new(upstream(&server.url()));
    let (feed, body) = fed();
    let response = world
        .call(Request::post(server.url()).body(body).unwrap())
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
    server.seen().await;
    assert_eq!(server.seen().await, "end: ", "no last chunk");
    assert_eq!(world.out.counts().idle, 0);
    feed.closed().await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_upstream() {
    let mut server = Server::start(|mut peer| async move {
        peer.head().await;
        peer.write("HTTP/1.1 200 OK\r\n\r\n").await;
        let chunk = "x".repeat(1 << 16);
        // Nobody reads, so this must come to a stand long before the end; the test then hangs up.
        for _ in 0..4096 {
            if tokio::io::AsyncWriteExt::write_all(&mut peer.stream, chunk.as_bytes())
                .await
                .is_err()
            {
                peer.tell("stopped");
                return;
            }
        }
        peer.tell("all written");
    })
    .await;
    let settings = crate::http::Upstream {
        response_bytes_max: u64::MAX,
        ..upstream(&server.url())
    };
    let world = World::new(settings);
    let response = world.call(get(&server.url())).await.unwrap();
    server.seen().await;
    drop(response);
    assert_eq!(server.seen().await, "stopped");
}
