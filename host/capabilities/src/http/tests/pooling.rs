//! Which connections are used again, and which never.

use super::support::*;
use crate::http::pool::{IDLE_CONNECTIONS_MAX, IDLE_MAX};
use crate::http::send::REST_SPAN;
use crate::http::{Counts, Upstream};
use holdfast_call::{FailureKind, Moment};
use std::sync::Arc;

async fn ask(world: &World, url: &str) -> String {
    text(world.call(get(url)).await.unwrap()).await.unwrap()
}

/// Waits until the connections are as they should be. A connection's own task may have to run first.
async fn settled(world: &World, open: usize, idle: usize) {
    let wanted = Counts { open, idle };
    for _ in 0..1_000_000 {
        if world.out.counts() == wanted {
            return;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(world.out.counts(), wanted);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::answering(OK).await;
    let world = World::new(upstream(&server.url()));
    for _ in 0..5 {
        assert_eq!(ask(&world, &server.url()).await, "ok");
        settled(&world, 1, 1).await;
    }
    assert_eq!(server.accepts(), 1);
}

#[tokio::test]
async fn an_answer_without_a_body_gives_its_connection_back_at_once() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let world = World::new(upstream(&server.url()));
    for _ in 0..3 {
        world.call(post(&server.url(), "body")).await.unwrap();
        settled(&world, 1, 1).await;
    }
    assert_eq!(server.accepts(), 1);
}

#[tokio::test]
async fn services_share_no_connection() {
    let server = Server::answering(OK).await;
    let world = World::new(upstream(&server.url()));
    for (asker, connections) in [("front", 1), ("notes", 2), ("front", 2)] {
        let response = world
            .call_as(asker, Moment::FAR, Arc::default(), get(&server.url()))
            .await
            .unwrap();
        text(response).await.unwrap();
        settled(&world, connections, connections).await;
    }
    assert_eq!(server.accepts(), 2);
}

#[tokio::test]
async fn a_connection_that_idles_too_long_is_closed() {
    let mut server = Server::answering(OK).await;
    let world = World::new(upstream(&server.url()));
    ask(&world, &server.url()).await;
    server.seen().await;
    world.clock.ring(IDLE_MAX).await;
    assert_eq!(server.seen().await, "closed");
    settled(&world, 0, 0).await;
    ask(&world, &server.url()).await;
    assert_eq!(server.accepts(), 2);
}

#[tokio::test]
async fn a_connection_that_the_upstream_has_closed_is_not_used() {
    let server = Server::once(OK).await;
    let world = World::new(upstream(&server.url()));
    for _ in 0..3 {
        assert_eq!(ask(&world, &server.url()).await, "ok");
        settled(&world, 0, 0).await;
    }
    assert_eq!(server.accepts(), 3);
}

#[tokio::test]
async fn a_request_that_dies_on_a_kept_connection_is_not_sent_again() {
    let mut server = Server::start(|mut peer| async move {
        peer.head().await;
        peer.write(OK).await;
        // Reads the second request and breaks off: it may have been acted upon.
        peer.head().await;
    })
    .await;
    let world = World::new(upstream(&server.url()));
    ask(&world, &server.url()).await;
    settled(&world, 1, 1).await;
    let failure = world.call(get(&server.url())).await.unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamFault),
        "{failure:?}"
    );
    server.seen().await;
    server.seen().await;
    assert_eq!(server.accepts(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_does_not_come_to_rest_is_closed() {
    // Answers, and never reads the body: the connection goes on writing behind its answer.
    let server = Server::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            peer.write(OK).await;
            if head.starts_with("POST") {
                std::future::pending::<()>().await;
            }
        }
    })
    .await;
    let world = World::new(upstream(&server.url()));
    let large: &'static str = "x".repeat(16 << 20).leak();
    let answer = world.call(post(&server.url(), large)).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), "ok");
    settled(&world, 1, 1).await;
    let next = world.spawn(get(&server.url()));
    world.clock.ring(REST_SPAN).await;
    assert_eq!(text(next.await.unwrap().unwrap()).await.unwrap(), "ok");
    settled(&world, 1, 1).await;
    assert_eq!(server.accepts(), 2);
}

#[tokio::test]
async fn only_so_many_connections_are_kept() {
    let mut server = Server::answering(OK).await;
    let most = IDLE_CONNECTIONS_MAX + 5;
    let world = World::new(Upstream {
        connections_max: most,
        ..upstream(&server.url())
    });
    let mut answers = Vec::new();
    for _ in 0..most {
        answers.push(world.call(get(&server.url())).await.unwrap());
        server.seen().await;
    }
    assert_eq!(
        world.out.counts(),
        Counts {
            open: most,
            idle: 0
        }
    );
    for answer in answers {
        text(answer).await.unwrap();
    }
    settled(&world, IDLE_CONNECTIONS_MAX, IDLE_CONNECTIONS_MAX).await;
}

#[tokio::test]
async fn an_upstream_that_is_dropped_closes_its_connections() {
    let mut server = Server::answering(OK).await;
    let world = World::new(upstream(&server.url()));
    ask(&world, &server.url()).await;
    server.seen().await;
    settled(&world, 1, 1).await;
    drop(world);
    assert_eq!(server.seen().await, "closed");
}
