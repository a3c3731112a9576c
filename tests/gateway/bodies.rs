//! Bodies stream both ways, frame by frame, and one that was cut is seen as cut.

use super::client::{Plain, ask, get, h2};
use crate::bed::{Bed, fed};
use bytes::Bytes;
use holdfast_call::{
    Answer, Body, BodySource, Boundary, Fault, HostCode, Verdict, problem::CALL_HEADER,
};
use http_body::Frame;
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

fn fault() -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Application,
        stage: "guest",
        cause: "it trapped".to_owned(),
        evidence: Vec::new(),
        next: "its lines".to_owned(),
    };
    Fault::host(HostCode::ServiceFault, "The service failed.", verdict)
}

/// A gateway whose service `fed` answers with what the test feeds it.
async fn feeding() -> (Bed, crate::bed::Feed) {
    let bed = Bed::new(16).await;
    let (feed, body) = fed();
    let body = Mutex::new(Some(body));
    bed.serve("fed", move |_| {
        let body = body.lock().unwrap().take().unwrap();
        Box::pin(async move { Ok(Answer::Http(http::Response::new(body))) })
    });
    (bed, feed)
}

async fn echoing() -> Bed {
    let bed = Bed::new(16).await;
    bed.serve("echo", |admitted| {
        let (call, _) = admitted.into_parts();
        let request = call.payload.into_http().unwrap();
        Box::pin(async move { Ok(Answer::Http(http::Response::new(request.into_body()))) })
    });
    bed
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once_over_http_1() {
    let mut bed = echoing().await;
    let mut client = Plain::to(bed.address).await;
    client
        .send("POST /echo/ HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    client.until("\r\n\r\n").await;
    for word in ["one", "two", "three"] {
        client
            .send(&format!("{:x}\r\n{word}\r\n", word.len()))
            .await;
        client.until(&format!("{word}\r\n")).await;
    }
    client.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    assert!(bed.ended().await.ends_with("finished"));
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once_over_http_2_and_trailers_pass() {
    let mut bed = echoing().await;
    let mut client = h2(bed.address).await;
    let (feed, frames) = mpsc::unbounded_channel::<Frame<Bytes>>();
    let request = get(bed.address, "/echo/").map(|_| Frames(frames).boxed());
    let mut body = client.send_request(request).await.unwrap().into_body();
    for word in ["one", "two"] {
        feed.send(Frame::data(Bytes::from(word))).unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), word);
    }
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", "6".parse().unwrap());
    trailers.insert(CALL_HEADER, "forged".parse().unwrap());
    feed.send(Frame::trailers(trailers)).unwrap();
    drop(feed);
    let trailers = body
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_trailers()
        .unwrap();
    assert_eq!(trailers.get("x-sum").unwrap(), "6");
    assert!(
        !trailers.contains_key(CALL_HEADER),
        "a trailer must not forge the id"
    );
    assert!(body.frame().await.is_none());
    assert!(bed.ended().await.ends_with("finished"));
}

/// A client's body that comes from a channel.
struct Frames(mpsc::UnboundedReceiver<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

#[tokio::test]
async fn the_first_event_arrives_while_the_second_is_not_yet_made() {
    let (mut bed, feed) = feeding().await;
    let mut client = Plain::to(bed.address).await;
    client.send("GET /fed/ HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.until("\r\n\r\n").await;
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        feed.send(Ok(Frame::data(Bytes::from(event))))
            .await
            .unwrap();
        client.until(event).await;
    }
    drop(feed);
    client.until("0\r\n\r\n").await;
    assert!(bed.ended().await.ends_with("finished"));
}

#[tokio::test]
async fn a_cut_body_has_no_last_chunk_in_http_1() {
    let (mut bed, feed) = feeding().await;
    let mut client = Plain::to(bed.address).await;
    client.send("GET /fed/ HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.until("\r\n\r\n").await;
    feed.send(Ok(Frame::data(Bytes::from("half"))))
        .await
        .unwrap();
    client.until("half\r\n").await;
    feed.send(Err(fault())).await.unwrap();
    assert_eq!(
        client.rest().await,
        "",
        "a last chunk would say that all is well"
    );
    assert!(bed.ended().await.ends_with("cut service-fault"));
}

#[tokio::test]
async fn a_cut_body_is_reset_in_http_2() {
    let (mut bed, feed) = feeding().await;
    let mut client = h2(bed.address).await;
    let response = client
        .send_request(get(bed.address, "/fed/"))
        .await
        .unwrap();
    let mut body = response.into_body();
    feed.send(Ok(Frame::data(Bytes::from("half"))))
        .await
        .unwrap();
    assert!(body.frame().await.unwrap().is_ok());
    feed.send(Err(fault())).await.unwrap();
    assert!(body.frame().await.unwrap().is_err());
    assert!(bed.ended().await.ends_with("cut service-fault"));
    // The other streams of the connection live on.
    bed.serve("ok", |_| Box::pin(async { crate::bed::answer("ok") }));
    let response = client.send_request(get(bed.address, "/ok/")).await.unwrap();
    assert_eq!(response.status(), 200);
}

const FRAME: usize = 64 * 1024;
const FRAMES: usize = 1024;

/// Makes 64 MiB as fast as it is asked, and counts how often it was.
struct Spring(Arc<AtomicUsize>);

impl BodySource for Spring {
    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.0.fetch_add(1, SeqCst) >= FRAMES {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; FRAME])))))
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_writer() {
    let mut bed = Bed::new(16).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    bed.serve("spring", move |_| {
        let body = Body::stream(Box::pin(Spring(count.clone())));
        Box::pin(async move { Ok(Answer::Http(http::Response::new(body))) })
    });
    bed.serve("ok", |_| Box::pin(async { crate::bed::answer("ok") }));
    let mut client = Plain::to(bed.address).await;
    client
        .send("GET /spring/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    client.until("\r\n\r\n").await;
    // The writer has all the time of two hundred other calls to run away in.
    for _ in 0..200 {
        ask(bed.address, "GET /ok/ HTTP/1.1\nhost: a\n").await;
        assert!(bed.ended().await.starts_with("service:ok"));
    }
    let made = asked.load(SeqCst);
    assert!(
        made < FRAMES / 2,
        "{made} of {FRAMES} frames were made for nobody"
    );
    let body = client.rest().await;
    assert_eq!(body.matches('x').count(), FRAME * FRAMES);
    assert!(bed.ended().await.ends_with("finished"));
}

#[tokio::test]
async fn bytes_in_are_counted_for_the_call() {
    let bed = Bed::new(16).await;
    bed.serve("count", |admitted| {
        let (call, _) = admitted.into_parts();
        let (meter, call) = (call.meter.clone(), call);
        let request = call.payload.into_http().unwrap();
        Box::pin(async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            crate::bed::answer(&format!("{} {}", body.len(), meter.read().bytes_in))
        })
    });
    let mut client = Plain::to(bed.address).await;
    client
        .send("POST /count/ HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello")
        .await;
    client.until("5 5").await;
}

#[tokio::test]
async fn a_request_that_breaks_off_is_a_fault_to_its_reader_and_never_an_end() {
    let bed = Bed::new(16).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    bed.serve("read", move |admitted| {
        let (call, scope) = admitted.into_parts();
        let request = call.payload.into_http().unwrap();
        let tell = tell.clone();
        Box::pin(async move {
            // Shielded, so that the reader lives to see the end although its client is gone.
            let shield = scope.tree().shield();
            let end = request.into_body().collect().await.map(|_| ());
            tell.send(end.map_err(|fault| fault.code().to_string()))
                .unwrap();
            drop(shield);
            crate::bed::answer("read")
        })
    });
    let mut client = Plain::to(bed.address).await;
    client
        .send("POST /read/ HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello")
        .await;
    drop(client);
    assert_eq!(told.recv().await.unwrap(), Err("cancelled".to_owned()));
}
