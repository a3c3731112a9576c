//! HTTP/2 as it comes in: what a peer sends is counted against what it asks for and takes.
//!
//! The protocol's library answers settings and pings for as long as they come, and reads frames without any content. Each is little work, but
//! a stream of nothing else is somebody who wants the work. Frames are only counted here; what is in them is the library's to judge.

use holdfast_call::Moment;
use std::time::Duration;

/// What is counted is forgotten after this span: a connection that is kept open by a ping now and then lives for days.
const WINDOW: Duration = Duration::from_secs(10);
/// Frames beside its own that a request may need: of its windows, of its priority, the end of its head.
const FRAMES_PER_REQUEST: u64 = 8;
/// Bytes that went over the connection, either way, for each frame that may come with them: windows are opened and data is cut in pieces.
const BYTES_PER_FRAME: u64 = 1024;
const FRAME_HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;

/// How much of nothing is borne within [`WINDOW`].
#[derive(Clone, Copy, Debug)]
pub struct Borne {
    /// Streams that the peer resets.
    pub resets_max: u32,
    /// Frames beyond what requests and bytes account for.
    pub frames_max: u32,
}

/// The peer sends more of nothing than is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// It opens streams to reset them.
    Resets,
    /// Its frames ask for nothing.
    Frames,
}

/// The state between two reads, from behind the preface.
#[derive(Debug)]
pub struct Http2 {
    borne: Borne,
    since: Moment,
    head: [u8; FRAME_HEAD],
    /// How much of the next frame's head has come.
    known: usize,
    /// How much of the last frame is still to come.
    skip: u64,
    requests: u64,
    resets: u64,
    frames: u64,
    bytes: u64,
}

impl Http2 {
    /// From `now` on.
    pub fn new(borne: Borne, now: Moment) -> Self {
        Self {
            borne,
            since: now,
            head: [0; FRAME_HEAD],
            known: 0,
            skip: 0,
            requests: 0,
            resets: 0,
            frames: 0,
            bytes: 0,
        }
    }

    /// The peer took `bytes`.
    pub fn taken(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Looks at the next bytes.
    pub fn look(&mut self, mut bytes: &[u8], now: Moment) -> Result<(), Flood> {
        if self.since.after(WINDOW) <= now {
            self.since = now;
            (self.requests, self.resets, self.frames, self.bytes) = (0, 0, 0, 0);
        }
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = bytes
                    .len()
                    .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= skipped as u64;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let wanted = (FRAME_HEAD - self.known).min(bytes.len());
            let (some, rest) = bytes.split_at_checked(wanted).unwrap_or_default();
            if let Some(place) = self.head.get_mut(self.known..self.known + wanted) {
                place.copy_from_slice(some);
            }
            self.known += wanted;
            bytes = rest;
            if self.known == FRAME_HEAD {
                self.known = 0;
                self.count()?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Flood> {
        let [a, b, c, kind, ..] = self.head;
        let length = u64::from(u32::from_be_bytes([0, a, b, c]));
        self.skip = length;
        match kind {
            HEADERS => self.requests += 1,
            DATA if length > 0 => {
                self.bytes += length;
                self.frames += 1;
            }
            RESET => {
                self.resets += 1;
                self.frames += 1;
            }
            _ => self.frames += 1,
        }
        let accounted = self.requests * FRAMES_PER_REQUEST + self.bytes / BYTES_PER_FRAME;
        if self.resets > u64::from(self.borne.resets_max) {
            Err(Flood::Resets)
        } else if self.frames > u64::from(self.borne.frames_max) + accounted {
            Err(Flood::Frames)
        } else {
            Ok(())
        }
    }
}
