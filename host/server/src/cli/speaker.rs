//! What the running host says to people, on a thread of its own: a terminal or a pipe that takes nothing must not hold the host up.
//!
//! What comes faster than it can be shown is left out; the log has it all the same.

use crate::cli::complain;
use crate::plugins::Say;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

/// How many lines may wait to be shown.
const WAITING_MAX: usize = 1024;

enum Word {
    Line(String),
    /// Everything said before this was shown.
    Shown(Sender<()>),
}

/// Shows lines on standard error, one after the other.
pub struct Speaker(SyncSender<Word>);

impl Speaker {
    /// Starts the thread. It ends with the process.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start() -> io::Result<Self> {
        let (words, heard) = sync_channel(WAITING_MAX);
        std::thread::Builder::new()
            .name("holdfast-say".to_owned())
            .spawn(move || {
                for word in heard {
                    match word {
                        Word::Line(line) => complain(&plain(&line)),
                        // Nobody may be waiting any more.
                        Word::Shown(tell) => drop(tell.send(())),
                    }
                }
            })?;
        Ok(Self(words))
    }

    /// Says a line, without ever waiting.
    #[must_use]
    pub fn say(&self) -> Say {
        let words = self.0.clone();
        Arc::new(move |text| drop(words.try_send(Word::Line(text.to_owned()))))
    }

    /// Waits until everything was shown, `at_most` so long.
    pub fn finish(&self, at_most: Duration) {
        let (tell, told) = channel();
        if self.0.try_send(Word::Shown(tell)).is_ok() {
            // Whoever does not read it in time does without.
            let _ = told.recv_timeout(at_most);
        }
    }
}

/// A line as one line, whatever a file's name has in it.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    for char in line.chars() {
        if char.is_control() {
            plain.extend(char.escape_default());
        } else {
            plain.push(char);
        }
    }
    plain
}
