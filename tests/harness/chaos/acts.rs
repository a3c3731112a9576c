//! How it is done, on the wire.

use super::does::Does;
use super::seed;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Whether the connection can carry another request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoesOn,
    Ends,
}

/// How often a slow body gets its next bytes.
const PIECE: Duration = Duration::from_millis(20);
/// Only what has arrived can be followed by a reset without being lost.
const ARRIVES: Duration = Duration::from_millis(50);
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";

/// Does with one request, whose head this is and which is the `nth`, what it was told.
pub(super) fn act(
    does: Does,
    mut stream: &TcpStream,
    head: &str,
    nth: u64,
) -> std::io::Result<Then> {
    match does {
        Does::Serves => answer(stream, 200, "", "done"),
        Does::Echoes => answer(stream, 200, "", head),
        Does::Answers(status, headers) => answer(stream, status, headers, "CANARY-upstream"),
        Does::Wants(line) if head.lines().any(|known| known == line) => {
            answer(stream, 200, "", "done")
        }
        Does::Wants(_) => answer(stream, 401, "", "who are you?"),
        Does::Dawdles(span) => {
            std::thread::sleep(span);
            answer(stream, 200, "", "late")
        }
        Does::Lags {
            least,
            jitter,
            seed,
        } => {
            let more = jitter.as_micros() as u64;
            let more = seed::number(seed, nth) % more.max(1);
            std::thread::sleep(least + Duration::from_micros(more));
            answer(stream, 200, "", "late")
        }
        Does::Trickles { bytes, per_second } => trickle(stream, bytes, per_second),
        Does::Slams | Does::Resets => ends(reset(stream)),
        Does::Breaks => {
            stream.write_all(HALF.as_bytes())?;
            std::thread::sleep(ARRIVES);
            ends(reset(stream))
        }
        Does::Stalls => {
            stream.write_all(HALF.as_bytes())?;
            ends(read_on(stream))
        }
        Does::Writes(text) => ends(close(stream, text.as_bytes())),
        Does::Babbles(seed, count) => ends(close(stream, &seed::bytes(seed, count))),
        Does::Lingers(span) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nslow")?;
            std::thread::sleep(span);
            Ok(Then::Ends)
        }
        Does::Floods => ends(flood(stream)),
        Does::Hangs => ends(read_on(stream)),
        Does::Deafens => ends(ignore(stream)),
    }
}

fn ends(done: std::io::Result<()>) -> std::io::Result<Then> {
    done.map(|()| Then::Ends)
}

fn answer(mut stream: &TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<Then> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all(format!("{head}{body}").as_bytes())?;
    Ok(Then::GoesOn)
}

fn trickle(mut stream: &TcpStream, bytes: u32, per_second: u32) -> std::io::Result<Then> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let pieces = 1_000 / PIECE.as_millis() as u32;
    let piece = vec![b'.'; per_second.div_ceil(pieces) as usize];
    let mut left = bytes as usize;
    while left > 0 {
        let now = piece.len().min(left);
        stream.write_all(&piece[..now])?;
        left -= now;
        std::thread::sleep(PIECE);
    }
    Ok(Then::GoesOn)
}

fn flood(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    loop {
        stream.write_all(&chunk)?;
    }
}

/// Sends the last bytes of a connection, and sees to it that they arrive.
fn close(mut stream: &TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)
}

/// Says nothing more, until the other side has gone.
fn read_on(mut stream: &TcpStream) -> std::io::Result<()> {
    std::io::copy(&mut stream, &mut std::io::sink()).map(|_| ())
}

/// Reads nothing and says nothing.
pub(super) fn ignore(stream: &TcpStream) -> std::io::Result<()> {
    // Looked at, not read: what was sent stays where it is.
    let mut byte = [0; 1];
    while stream.peek(&mut byte)? > 0 {
        std::thread::sleep(PIECE);
    }
    Ok(())
}

/// Closes it so that the other side sees a reset.
pub(super) fn reset(stream: &TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    stream.shutdown(Shutdown::Read)
}
