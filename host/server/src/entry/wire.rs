//! What the protocol's library reads from and writes to: the socket, with a bound on how long a peer may take no byte.

use crate::entry::line::Line;
use holdfast_call::BoxFuture;
use rustix::net::SendFlags;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// How much is read at first. What is read into is cleared before, which for a small request costs more than the reading.
const ROOM: usize = 1024;

/// A line as a stream of bytes.
pub struct Wire {
    line: Arc<Line>,
    /// How much is read at once: twice as much as soon as that was filled.
    room: usize,
    /// Running while a write waits for the peer.
    stuck: Option<BoxFuture<'static, ()>>,
}

impl Wire {
    /// Reads from and writes to `line`.
    pub fn new(line: Arc<Line>) -> Self {
        Self {
            line,
            room: ROOM,
            stuck: None,
        }
    }

    /// Writes with `write`; `first` is the beginning of what it writes.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        write: impl Fn() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.line.stream().poll_write_ready(cx) {
                Poll::Ready(Ok(())) => match write() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => {
                        self.stuck = None;
                        self.line.taken();
                        return Poll::Ready(written);
                    }
                },
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let clock = self.line.clock();
                    let span = self.line.spans().write;
                    let stuck = self
                        .stuck
                        .get_or_insert_with(|| clock.sleep_until(clock.now().after(span)));
                    ready!(stuck.as_mut().poll(cx));
                    return Poll::Ready(self.last_try(first));
                }
            }
        }
    }
}

impl Wire {
    /// The system tells of room only once there is much of it. A peer that takes its bytes slowly has made some all the same.
    fn last_try(&mut self, first: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::send(self.line.stream(), first, flags) {
            Ok(written) => {
                self.stuck = None;
                self.line.taken();
                Ok(written)
            }
            Err(error) => {
                self.line.reset_at_end();
                let full = error == rustix::io::Errno::AGAIN;
                Err(if full {
                    io::ErrorKind::TimedOut.into()
                } else {
                    error.into()
                })
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = self.line.clone();
        let stream = line.stream();
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let room = buf.initialize_unfilled_to(self.room.min(buf.remaining()));
            let mut got = 0;
            // Less than there was room for means that the socket is empty now. Saying so here spares the read that would only find that.
            let done = stream.try_io(Interest::READABLE, || {
                got = rustix::io::read(stream, &mut *room)?;
                if 0 < got && got < room.len() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match done {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && got == 0 => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                _ => {
                    self.room = if got == self.room { got * 2 } else { ROOM };
                    buf.advance(got);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let line = self.line.clone();
        Wire::poll_write(&mut self, cx, buf, || line.stream().try_write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let line = self.line.clone();
        let first = bufs.iter().find(|buf| !buf.is_empty());
        let first = first.map_or(&[][..], |buf| buf);
        Wire::poll_write(&mut self, cx, first, || {
            line.stream().try_write_vectored(bufs)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = rustix::net::shutdown(self.line.stream(), rustix::net::Shutdown::Write);
        Poll::Ready(ended.map_err(Into::into))
    }
}
