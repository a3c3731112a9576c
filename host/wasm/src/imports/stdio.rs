//! `wasi:cli` input and output: what a guest writes to stdout and stderr becomes log lines of its call, as many and as long as its limits
//! allow. There is nothing to read on stdin.
//!
//! Most languages open these once and never close them. So a stream of `wasi:io` belongs to the instance and not to one call: it writes to
//! the lines of whichever call the instance serves, and to nobody's between two calls.

use crate::limits::Limits;
use bytes::Bytes;
use holdfast_call::{Clock, GuestLine, Level, Log, Scope, Standing};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

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

    /// One line of the guest; beyond its limits it is dropped, and counted. What it wrote before, when its execution was run the last time,
    /// is in the log, and counts for nothing.
    pub(crate) fn write(&self, level: Level, text: String) {
        let journal = self.scope.journal();
        if journal.is_some_and(|journal| journal.standing() == Standing::Again) {
            return;
        }
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

/// The standard streams of one instance.
#[derive(Default)]
pub(crate) struct Stdio {
    /// Of the call that it serves; none between two calls.
    lines: Mutex<Option<Arc<Lines>>>,
    /// Streams of `wasi:io` that are open, of the two outputs and of the input.
    outputs: Arc<()>,
    inputs: Arc<()>,
}

impl Stdio {
    /// The call whose lines are written from now on.
    pub(crate) fn begin(&self, lines: Arc<Lines>) {
        *self.lock() = Some(lines);
    }

    /// Writes what its call had begun and not ended. What is written from now on goes nowhere.
    pub(crate) fn leave(&self) {
        let lines = self.lock().take();
        if let Some(lines) = lines {
            lines.flush();
        }
    }

    /// The lines of the call.
    pub(crate) fn lines(&self) -> Option<Arc<Lines>> {
        self.lock().clone()
    }

    /// Where a guest's stdout (lines of level info) or stderr (warn) goes.
    pub(crate) fn output(self: &Arc<Self>, level: Level) -> Output {
        Output {
            stdio: self.clone(),
            level,
        }
    }

    /// Where a guest's stdin comes from.
    pub(crate) fn input(self: &Arc<Self>) -> Input {
        Input(self.clone())
    }

    /// How many output streams of `wasi:io` are open.
    pub(crate) fn open_outputs(&self) -> usize {
        Arc::strong_count(&self.outputs) - 1
    }

    /// How many input streams of `wasi:io` are open.
    pub(crate) fn open_inputs(&self) -> usize {
        Arc::strong_count(&self.inputs) - 1
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Lines>>> {
        // Nothing under this lock can panic half way, so a poisoned one is as good as new.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stdin of a guest, which has ended.
pub(crate) struct Input(Arc<Stdio>);

/// A stream of stdin, for `wasi:io`.
struct InputOpen {
    _open: Arc<()>,
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        let open = self.0.inputs.clone();
        Box::new(InputOpen { _open: open })
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for InputOpen {
    async fn ready(&mut self) {}
}

impl InputStream for InputOpen {
    fn read(&mut self, _size: usize) -> StreamResult<Bytes> {
        Err(StreamError::Closed)
    }
}

/// One of the two outputs of a guest.
pub(crate) struct Output {
    stdio: Arc<Stdio>,
    level: Level,
}

/// A stream of an output, for `wasi:io`. It never waits.
struct OutputOpen {
    stdio: Arc<Stdio>,
    level: Level,
    _open: Arc<()>,
}

/// A stream of an output, for the streams of the component model: it belongs to the call that opened it. It never waits.
struct OutputOfCall {
    lines: Option<Arc<Lines>>,
    level: Level,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(OutputOfCall {
            lines: self.stdio.lines(),
            level: self.level,
        })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(OutputOpen {
            stdio: self.stdio.clone(),
            level: self.level,
            _open: self.stdio.outputs.clone(),
        })
    }
}

impl AsyncWrite for OutputOfCall {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(lines) = &self.lines {
            lines.bytes(self.level, bytes);
        }
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
impl Pollable for OutputOpen {
    async fn ready(&mut self) {}
}

impl OutputStream for OutputOpen {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if let Some(lines) = self.stdio.lines() {
            lines.bytes(self.level, &bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_BYTES_MAX)
    }
}
