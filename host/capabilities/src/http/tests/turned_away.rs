//! What an upstream says over HTTP/2 about a request that it did not take on, frame by frame.

use super::support::*;
use super::tls::secured;
use holdfast_call::{Failure, FailureKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

/// A frame: its kind, its stream, and what it says.
type Said = (u8, u32, &'static [u32]);

fn frame(kind: u8, stream: u32, words: &[u32]) -> Vec<u8> {
    let length = u8::try_from(words.len() * 4).unwrap();
    let mut frame = vec![0, 0, length, kind, 0];
    frame.extend(stream.to_be_bytes());
    frame.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    frame
}

/// Reads frames until the head of a request has come.
async fn until_asked(stream: &mut TlsStream<TcpStream>) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let [a, b, c, kind, ..] = head;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap();
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        if kind == HEADERS {
            return;
        }
    }
}

/// How a request fails that the upstream answers with these frames and the end of the connection.
async fn answered(frames: &'static [Said]) -> Failure {
    let (_server, settings) = secured("h2", move |peer| async move {
        let (mut stream, _rest) = peer.split();
        stream.write_all(&frame(SETTINGS, 0, &[])).await.unwrap();
        until_asked(&mut stream).await;
        for (kind, number, words) in frames {
            stream
                .write_all(&frame(*kind, *number, words))
                .await
                .unwrap();
        }
        stream.shutdown().await.unwrap();
        // Whatever the client still says; a socket closed before it was read would be a reset.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let url = settings.origin.to_string();
    World::new(settings).call(get(&url)).await.unwrap_err()
}

#[tokio::test]
async fn what_it_says_it_did_nothing_with_was_not_sent() {
    const ANSWERS: [&[Said]; 3] = [
        &[(RST_STREAM, 1, &[REFUSED_STREAM])],
        &[(GOAWAY, 0, &[0, NO_ERROR])],
        &[(GOAWAY, 0, &[0, INTERNAL_ERROR])],
    ];
    for frames in ANSWERS {
        let failure = answered(frames).await;
        assert!(
            matches!(failure.kind, FailureKind::UpstreamNotSent),
            "{frames:?}: {failure:?}"
        );
        assert!(
            failure.cause.contains("turned the request away"),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn what_it_may_have_begun_was_sent() {
    // The last ones name the request as one that they took on, and end.
    const ANSWERS: [&[Said]; 4] = [
        &[],
        &[(RST_STREAM, 1, &[INTERNAL_ERROR])],
        &[(GOAWAY, 0, &[1, NO_ERROR])],
        &[(GOAWAY, 0, &[1, INTERNAL_ERROR])],
    ];
    for frames in ANSWERS {
        let failure = answered(frames).await;
        assert!(
            matches!(failure.kind, FailureKind::UpstreamFault),
            "{frames:?}: {failure:?}"
        );
    }
}
