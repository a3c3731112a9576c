//! The bad days there are.

use std::time::Duration;

/// What an upstream does with one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// Answers 200 and `done`.
    Serves,
    /// Answers with this status and these header lines.
    Answers(u16, &'static str),
    /// Answers 200 where the head of the request holds this line, and else 401.
    Wants(&'static str),
    /// Takes the connection and resets it before it has read a byte.
    Slams,
    /// Takes the connection and never reads from it.
    Deafens,
    /// Reads the request, and resets the connection.
    Resets,
    /// Sends the head and half of the body, and resets the connection.
    Breaks,
    /// Sends the head and half of the body, and then nothing.
    Stalls,
    /// Sends these bytes, and closes the connection: see [`wire`].
    Writes(&'static str),
    /// Sends so many bytes that chance made of this seed, and closes the connection.
    Babbles(u64, usize),
    /// Answers after a while.
    Dawdles(Duration),
    /// Answers after at least `least`, and up to `jitter` more, as chance made of `seed` wills.
    Lags {
        least: Duration,
        jitter: Duration,
        seed: u64,
    },
    /// Answers with a body of so many bytes, at so many bytes a second.
    Trickles { bytes: u32, per_second: u32 },
    /// Answers with a body that ends with the connection, which it closes after a while.
    Lingers(Duration),
    /// Answers with an endless body.
    Floods,
    /// Answers with the head of the request, in lower case.
    Echoes,
    /// Never answers.
    Hangs,
}

/// What is no HTTP, or no whole answer.
pub(crate) mod wire {
    /// Says that it sends more than it does.
    pub(crate) const SHORT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nless";
    /// Sends more than it said: what comes behind is nobody's answer.
    pub(crate) const LONG: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndoneHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nCANARY";
    /// A chunk and no end.
    pub(crate) const UNENDED: &str =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    /// A chunk whose size is no number.
    pub(crate) const BAD_CHUNK: &str =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nCANARY\r\nhalf\r\n0\r\n\r\n";
    /// A first line that is none.
    pub(crate) const BAD_STATUS: &str = "HTTP/1.1 CANARY OK\r\ncontent-length: 4\r\n\r\ndone";
    /// A version that there is not.
    pub(crate) const BAD_VERSION: &str = "HTTP/7.3 200 OK\r\ncontent-length: 4\r\n\r\ndone";
    /// A header without a name.
    pub(crate) const BAD_HEADER: &str =
        "HTTP/1.1 200 OK\r\n: CANARY\r\ncontent-length: 4\r\n\r\ndone";
    /// Two lengths that differ.
    pub(crate) const TWO_LENGTHS: &str =
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 6\r\n\r\ndone";
    /// A length that is no number.
    pub(crate) const BAD_LENGTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: CANARY\r\n\r\ndone";
    /// A head that breaks off.
    pub(crate) const HALF_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-le";
    /// Another protocol that nobody asked for.
    pub(crate) const SWITCHES: &str =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    /// No HTTP at all.
    pub(crate) const PLAIN: &str = "CANARY, but no HTTP\r\n\r\n";
}
