//! `wasi:cli` output: what a guest writes to stdout and stderr becomes log lines of its call, as many and as long as its limits allow.

use crate::limits::Limits;
use bytes::Bytes;
use holdfast_call::{Clock, GuestLine, Level, Log, Scope};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The longest line; what goes on beyond it begins another.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// The log lines of one call.
pub(crate) struct Lines {
    scope: Scope,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    lines_left: u64,
    bytes_left: u64,
    dropped: u64,
    /// What was written to stdout and stderr since the last line's end.
    open: [Vec<u8>; 2],
}

impl Lines {
    pub(crate) fn new(
        scope: &Scope,
        limits: &Limits,
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let state = State {
            lines_left: u64::from(limits.log_lines),
            bytes_left: limits.log_bytes,
            dropped: 0,
            open: [Vec::new(), Vec::new()],
        };
        Arc::new(Self {
            scope: scope.clone(),
            log,
            clock,
            state: Mutex::new(state),
        })
    }

    /// Where a guest's stdout (lines of level info) or stderr (warn) goes.
    pub(crate) fn stream(self: &Arc<Self>, level: Level) -> Output {
        Output {
            lines: self.clone(),
            level,
        }
    }

    /// One line of the guest; beyond its limits it is dropped, and counted.
    pub(crate) fn write(&self, level: Level, text: String) {
        let allowed = {
            let mut state = self.lock();
            state.allow(text.len())
        };
        match allowed {
            Allowed::Yes => self.line(level, text),
            Allowed::No => self.scope.meter().add_lines_dropped(1),
        }
    }

    /// Writes what was begun and not ended, and says how much was dropped. Called when the guest has ended.
    pub(crate) fn flush(&self) {
        let open = std::mem::take(&mut self.lock().open);
        for (level, bytes) in [Level::Info, Level::Warn].into_iter().zip(open) {
            if !bytes.is_empty() {
                self.write(level, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        let dropped = std::mem::take(&mut self.lock().dropped);
        if dropped > 0 {
            self.line(
                Level::Warn,
                format!("{dropped} lines beyond log_lines or log_bytes were dropped"),
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half way, so a poisoned one is as good as new.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, level: Level, text: String) {
        self.log.guest(GuestLine {
            wall: self.clock.wall(),
            id: self.scope.id(),
            trace: self.scope.trace(),
            target: self.scope.registered().target.clone(),
            level,
            text,
        });
    }

    fn bytes(&self, level: Level, bytes: &[u8]) {
        let mut whole = Vec::new();
        {
            let mut state = self.lock();
            let [out, err] = &mut state.open;
            let open = if level == Level::Info { out } else { err };
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                open.extend_from_slice(piece);
                if piece.ends_with(b"\n") || open.len() >= LINE_BYTES_MAX {
                    whole.push(std::mem::take(open));
                }
            }
        }
        for line in whole {
            self.write(
                level,
                String::from_utf8_lossy(&line)
                    .trim_end_matches(['\r', '\n'])
                    .to_owned(),
            );
        }
    }
}

enum Allowed {
    Yes,
    No,
}

impl State {
    fn allow(&mut self, bytes: usize) -> Allowed {
        let bytes = bytes as u64;
        if self.lines_left == 0 || bytes > self.bytes_left {
            // Once a line was too much, so is every later one: a log with holes in it misleads.
            self.lines_left = 0;
            self.dropped += 1;
            return Allowed::No;
        }
        self.lines_left -= 1;
        self.bytes_left -= bytes;
        Allowed::Yes
    }
}

/// One of the two outputs of a guest. Every stream of it writes to the same lines, and never waits.
#[derive(Clone)]
pub(crate) struct Output {
    lines: Arc<Lines>,
    level: Level,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.lines.bytes(self.level, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.lines.bytes(self.level, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_BYTES_MAX)
    }
}
