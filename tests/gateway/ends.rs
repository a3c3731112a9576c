//! How calls and the host end: a client that goes away, a shield, a drain.

use super::client::{Plain, ask, get, h2};
use crate::bed::{Bed, answer};
use holdfast_call::Admitted;
use holdfast_server::drain::{Drained, Phase, drain};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

/// Whether the service holds its call up.
#[derive(Clone, Copy)]
enum Holds {
    Shielded,
    Nothing,
}

/// A gateway whose service `wait` says that it began, waits for the word, and says that it finished.
async fn waiting(
    connections_max: u32,
    holds: Holds,
) -> (Bed, Arc<Notify>, mpsc::UnboundedReceiver<&'static str>) {
    let bed = Bed::new(connections_max).await;
    let go = Arc::new(Notify::new());
    let (tell, told) = mpsc::unbounded_channel();
    let heard = go.clone();
    bed.serve("wait", move |admitted: Admitted| {
        let (_, scope) = admitted.into_parts();
        let (heard, tell) = (heard.clone(), tell.clone());
        Box::pin(async move {
            let _shield = match holds {
                Holds::Shielded => Some(scope.tree().shield()),
                Holds::Nothing => None,
            };
            tell.send("began").unwrap();
            heard.notified().await;
            tell.send("finished").unwrap();
            answer("done")
        })
    });
    bed.serve("ok", |_| Box::pin(async { answer("ok") }));
    (bed, go, told)
}

const WAIT: &str = "GET /wait/ HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call() {
    let (mut bed, _go, mut told) = waiting(16, Holds::Nothing).await;
    let mut client = Plain::to(bed.address).await;
    client.send(WAIT).await;
    assert_eq!(told.recv().await, Some("began"));
    drop(client);
    assert!(bed.ended().await.ends_with("future dropped"));
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn a_stream_that_is_reset_cancels_its_call() {
    let (mut bed, _go, mut told) = waiting(16, Holds::Nothing).await;
    let mut client = h2(bed.address).await;
    let call = client.send_request(get(bed.address, "/wait/"));
    let call = tokio::spawn(call);
    assert_eq!(told.recv().await, Some("began"));
    call.abort();
    assert!(bed.ended().await.ends_with("future dropped"));
}

#[tokio::test]
async fn a_shielded_call_finishes_although_its_client_went_away() {
    // One connection at a time: the second client is answered only once the first one's connection is gone.
    let (mut bed, go, mut told) = waiting(1, Holds::Shielded).await;
    let mut client = Plain::to(bed.address).await;
    client.send(WAIT).await;
    assert_eq!(told.recv().await, Some("began"));
    drop(client);
    let text = ask(bed.address, "GET /ok/ HTTP/1.1\nhost: a\n").await;
    assert!(text.ends_with("ok"), "{text}");
    assert!(bed.ended().await.starts_with("service:ok"));
    go.notify_one();
    assert_eq!(told.recv().await, Some("finished"));
    // Its answer is whole, and has nobody who reads it: it has ended well all the same.
    assert!(bed.ended().await.ends_with("finished"));
}

#[tokio::test]
async fn one_connection_more_than_allowed_waits_for_its_turn() {
    let (bed, go, mut told) = waiting(1, Holds::Nothing).await;
    let mut first = Plain::to(bed.address).await;
    first.send(WAIT).await;
    assert_eq!(told.recv().await, Some("began"));
    let mut second = Plain::to(bed.address).await;
    second.send(WAIT).await;
    go.notify_one();
    first.until("done").await;
    assert_eq!(told.recv().await, Some("finished"));
    assert!(
        told.try_recv().is_err(),
        "the second was served beside the first"
    );
    drop(first);
    assert_eq!(told.recv().await, Some("began"));
}

#[tokio::test]
async fn a_drain_lets_calls_finish_and_takes_no_connection_more() {
    let (mut bed, go, mut told) = waiting(16, Holds::Nothing).await;
    let mut client = Plain::to(bed.address).await;
    client.send(WAIT).await;
    assert_eq!(told.recv().await, Some("began"));
    let idle = Plain::to(bed.address).await;
    let (gate, stop) = (bed.gate.clone(), bed.stop.clone());
    let clock = bed.pipeline.sources().clock.clone();
    let connections = bed.connections;
    let drained = tokio::spawn(async move {
        let connections = async { connections.await.unwrap() };
        drain(
            &stop,
            &*gate,
            &*clock,
            Duration::from_secs(60),
            connections,
            pending(),
        )
        .await
    });
    assert_eq!(
        idle.rest().await,
        "",
        "an idle connection is closed at once"
    );
    assert!(TcpStream::connect(bed.address).await.is_err());
    go.notify_one();
    let text = client.rest().await;
    assert!(
        text.starts_with("HTTP/1.1 200 ") && text.ends_with("done"),
        "{text}"
    );
    assert_eq!(drained.await.unwrap(), Drained::Finished);
    assert!(bed.ends.recv().await.unwrap().ends_with("finished"));
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let (mut bed, _go, mut told) = waiting(16, Holds::Nothing).await;
    let mut client = Plain::to(bed.address).await;
    client.send(WAIT).await;
    assert_eq!(told.recv().await, Some("began"));
    let clock = bed.pipeline.sources().clock.clone();
    let span = Duration::from_millis(1);
    let drained = drain(&bed.stop, &*bed.gate, &*clock, span, pending(), pending()).await;
    assert_eq!(drained, Drained::OutOfTime);
    assert_eq!(client.rest().await, "");
    assert!(bed.ended().await.ends_with("future dropped"));
}

#[tokio::test]
async fn a_second_signal_cuts_at_once() {
    let (mut bed, _go, mut told) = waiting(16, Holds::Nothing).await;
    let mut client = Plain::to(bed.address).await;
    client.send(WAIT).await;
    assert_eq!(told.recv().await, Some("began"));
    let clock = bed.pipeline.sources().clock.clone();
    let span = Duration::from_secs(3600);
    let hurry = async {};
    let drained = drain(&bed.stop, &*bed.gate, &*clock, span, pending(), hurry).await;
    assert_eq!(drained, Drained::CutShort);
    assert_eq!(bed.stop.phase(), Phase::Cut);
    assert_eq!(client.rest().await, "");
    assert!(bed.ended().await.ends_with("future dropped"));
}
