//! What is refused, and that nothing is sent then.

use super::support::*;
use crate::http::Upstream;
use holdfast_call::{Body, Failure, FailureKind};
use http::Request;

/// The line that would allow what was refused.
fn change(failure: &Failure) -> &str {
    match &failure.kind {
        FailureKind::Denied { change } => change,
        other => panic!("{other:?}: {}", failure.cause),
    }
}

#[tokio::test]
async fn a_request_for_another_place_is_refused_and_nothing_is_sent() {
    let server = Server::answering(OK).await;
    let world = World::new(upstream(&server.url()));
    let port = server.address.port();
    for url in [
        "http://127.0.0.1:1/".to_owned(),
        format!("https://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://user@127.0.0.1:{port}/"),
        format!("http://user:password@127.0.0.1:{port}/"),
        "/relative".to_owned(),
    ] {
        change(&world.call(get(&url)).await.unwrap_err());
    }
    assert_eq!(server.accepts(), 0);
}

#[tokio::test]
async fn tunnels_and_upgrades_are_refused_and_nothing_is_sent() {
    let server = Server::answering(OK).await;
    let world = World::new(upstream(&server.url()));
    let connect = Request::connect(server.url()).body(Body::empty()).unwrap();
    change(&world.call(connect).await.unwrap_err());
    let upgrade = Request::get(server.url())
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .body(Body::empty())
        .unwrap();
    let failure = world.call(upgrade).await.unwrap_err();
    assert!(failure.cause.contains("WebSockets"), "{}", failure.cause);
    assert_eq!(server.accepts(), 0);
}

#[tokio::test]
async fn an_answer_that_switches_protocols_is_refused_and_its_connection_closed() {
    let mut server = Server::start(|mut peer| async move {
        peer.head().await;
        peer.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
            .await;
        peer.rest().await;
    })
    .await;
    let world = World::new(upstream(&server.url()));
    let failure = world.call(get(&server.url())).await.unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::UpstreamFault),
        "{failure:?}"
    );
    server.seen().await;
    assert_eq!(server.seen().await, "end: ");
}

#[tokio::test]
async fn an_address_that_is_not_public_is_never_dialled() {
    let server = Server::answering(OK).await;
    let port = server.address.port();
    for address in [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "::1",
        "10.0.0.1",
        "169.254.169.254",
        "fd00:ec2::254",
    ] {
        let settings = Upstream {
            allow_private: vec![],
            ..upstream(&format!("http://api.example.com:{port}"))
        };
        let world = World::resolving(settings, Fixed::to(&[address]));
        let request = get(&format!("http://api.example.com:{port}/"));
        let failure = world.call(request).await.unwrap_err();
        assert!(
            change(&failure).contains("`allow_private` of [upstreams.api]"),
            "{}",
            change(&failure)
        );
        assert!(
            evidence(&failure, "refused").contains(address),
            "{failure:?}"
        );
        assert_eq!(world.out.counts().open, 0);
    }
    // A literal is checked as a name is.
    let settings = Upstream {
        allow_private: vec![],
        ..upstream(&server.url())
    };
    change(
        &World::new(settings)
            .call(get(&server.url()))
            .await
            .unwrap_err(),
    );
    assert_eq!(server.accepts(), 0);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_are_dialled() {
    let server = Server::answering(OK).await;
    let port = server.address.port();
    let settings = upstream(&format!("http://api.example.com:{port}"));
    let world = World::resolving(settings, Fixed::to(&["10.0.0.1", "127.0.0.1", "fe80::1"]));
    let response = world
        .call(get(&format!("http://api.example.com:{port}/")))
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
    let lines = world.log.0.lock().unwrap();
    assert!(
        lines[0].contains("10.0.0.1 (private), fe80::1 (link-local)"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_mapped_address_that_the_policy_lists_is_dialled() {
    let server = Server::answering(OK).await;
    let port = server.address.port();
    let settings = upstream(&format!("http://api.example.com:{port}"));
    let world = World::resolving(settings, Fixed::to(&["::ffff:127.0.0.1"]));
    let response = world
        .call(get(&format!("http://api.example.com:{port}/")))
        .await;
    // A machine without IPv6 cannot dial it; what counts is that the guard let it pass.
    match response {
        Ok(response) => assert_eq!(text(response).await.unwrap(), "ok"),
        Err(failure) => assert!(
            matches!(failure.kind, FailureKind::UpstreamUnreachable),
            "{failure:?}"
        ),
    }
}
