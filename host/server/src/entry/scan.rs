//! What comes in is looked at before the protocol's library reads it: a head that two parsers could read in two ways, and a flood of frames
//! that ask for nothing, end here.
//!
//! A line of a head that is none gets a byte that no head may have in the place of its end: so the library finds the mistake at the place
//! where it is, after it has answered what came before, and answers 400 as it does for what it finds itself. Such a request never becomes a
//! call, so its answer has no id. Everything else that is refused here ends the connection.

mod h1;
mod h2;
mod lines;

pub use h1::{Found, Http1};
pub use h2::{Borne, Flood, Http2};

use crate::entry::line::Line;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What every connection of HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What stands in no head.
const SPOILT: u8 = 0;
/// What every head ends with.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// How much is borne of a peer.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The largest head, in bytes.
    pub head_bytes_max: u32,
    /// What is borne in HTTP/2.
    pub borne: Borne,
}

/// A stream of bytes that is looked at while it is read.
pub struct Scan<S> {
    inner: S,
    line: Arc<Line>,
    terms: Terms,
    speaks: Speaks,
    ended: Ended,
}

/// Which protocol the peer speaks.
enum Speaks {
    /// So many bytes of the preface of HTTP/2 have come, and no other.
    Unknown(usize),
    Http1(Http1),
    Http2(Box<Http2>),
}

/// Whether more is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    No,
    /// A head was spoilt, and has to look as if it had ended: the library looks at it no sooner.
    AtHead,
    /// It has: what follows it is nothing.
    Spoilt,
    /// A body or the connection cannot go on.
    Broken,
}

impl<S> Scan<S> {
    /// Looks at what comes over `inner`, which is the stream of `line`.
    pub fn new(inner: S, line: Arc<Line>, terms: Terms) -> Self {
        Self {
            inner,
            line,
            terms,
            speaks: Speaks::Unknown(0),
            ended: Ended::No,
        }
    }

    /// Looks at what was read, and says how much of it may be seen.
    fn look(&mut self, bytes: &mut [u8]) -> usize {
        let mut from = 0;
        if let Speaks::Unknown(known) = self.speaks {
            let wanted = PREFACE.get(known..).unwrap_or_default();
            let same = wanted.iter().zip(&*bytes).take_while(|(a, b)| a == b);
            from = same.count();
            if from == wanted.len() {
                let http2 = Http2::new(self.terms.borne, self.line.clock().now());
                self.speaks = Speaks::Http2(Box::new(http2));
            } else if from == bytes.len() {
                self.speaks = Speaks::Unknown(known + from);
            } else {
                // The library refuses too long a head itself, and says why: it must get to see one.
                let mut http1 = Http1::new(self.terms.head_bytes_max as usize * 2);
                // What was taken for the preface is the beginning of a request line. It breaks no rule before its end.
                http1.look(PREFACE.get(..known).unwrap_or_default());
                from = 0;
                self.speaks = Speaks::Http1(http1);
            }
        }
        let seen = match &mut self.speaks {
            Speaks::Unknown(_) => bytes.len(),
            Speaks::Http1(http1) => {
                let (seen, ended) = look_at(http1, bytes);
                self.line.head(http1.begun());
                self.ended = ended;
                seen
            }
            Speaks::Http2(http2) => {
                let fresh = bytes.get(from..).unwrap_or_default();
                match http2.look(fresh, self.line.clock().now()) {
                    Ok(()) => bytes.len(),
                    Err(_) => {
                        self.ended = Ended::Broken;
                        0
                    }
                }
            }
        };
        seen.min(bytes.len())
    }
}

fn look_at(http1: &mut Http1, bytes: &mut [u8]) -> (usize, Ended) {
    match http1.look(bytes) {
        Found::Good => (bytes.len(), Ended::No),
        Found::BadBody(place) => (place, Ended::Broken),
        Found::BadHead(place) => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = SPOILT;
            }
            (place + 1, Ended::AtHead)
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Scan<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        match self.ended {
            Ended::No => {}
            Ended::AtHead => {
                self.ended = Ended::Spoilt;
                // Without room it looks like the end of the stream, and the connection ends without an answer.
                if buf.remaining() >= HEAD_END.len() {
                    buf.put_slice(HEAD_END);
                }
                return Poll::Ready(Ok(()));
            }
            // An end here would end the connection before its answer; with that the library ends it itself.
            Ended::Spoilt => return Poll::Pending,
            Ended::Broken => return Poll::Ready(Err(broken())),
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let Some(fresh) = buf.filled_mut().get_mut(before..) else {
            return Poll::Ready(Ok(()));
        };
        let seen = self.look(fresh);
        // Nothing read is the end of a stream, and that would be an orderly one.
        if seen == 0 && self.ended == Ended::Broken {
            return Poll::Ready(Err(broken()));
        }
        buf.set_filled(before + seen);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Scan<S> {
    fn wrote(&mut self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Speaks::Http2(http2), Poll::Ready(Ok(bytes))) = (&mut self.speaks, &done) {
            http2.taken(*bytes);
        }
        done
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Scan<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
