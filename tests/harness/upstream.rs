//! An upstream on loopback that counts who comes, remembers what was asked, and behaves as its path says:
//!
//! `/ok`, `/echo` (head and body of the request as text), `/status/N`, `/redirect?URL`, `/slow` (answers after [`SLOW`]), `/hang` (never
//! answers), `/drip` (a byte now and then), `/stall` (half a body, then nothing), `/reset` (half a body, then the end), `/garbage` (no HTTP), `/huge` (without end).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long `/slow` takes to answer.
pub(crate) const SLOW: Duration = Duration::from_millis(400);

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Request line and headers, in lower case.
    pub(crate) head: String,
    /// As much of the body as came.
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) whole: bool,
}

#[derive(Default)]
pub(crate) struct Shared {
    connections: usize,
    seen: Vec<Seen>,
    left: usize,
}

/// A running upstream. It lives as long as the test process, which is short.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Upstream {
    /// On a free port of 127.0.0.1.
    pub(crate) fn start() -> Self {
        Self::on(([127, 0, 0, 1], 0).into())
    }

    /// At this address.
    pub(crate) fn on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&of_thread);
                shared.lock().unwrap().connections += 1;
                std::thread::spawn(move || connection(stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// The URL of `path` on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections were opened to it.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().unwrap().connections
    }

    /// Every request it saw.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.lock().unwrap().seen.clone()
    }

    /// How many of those who waited for an answer went away.
    pub(crate) fn left(&self) -> usize {
        self.shared.lock().unwrap().left
    }
}

/// Serves one connection until its end, over whatever carries it.
fn connection(stream: TcpStream, shared: &Mutex<Shared>) {
    let writer = stream.try_clone().unwrap();
    // A client that goes away is the end of the connection, whichever write or read finds it.
    let _ = serve(BufReader::new(stream), writer, shared);
}

pub(crate) fn serve(
    mut reader: impl BufRead,
    mut writer: impl Write,
    shared: &Mutex<Shared>,
) -> std::io::Result<()> {
    while let Some(seen) = request(&mut reader)? {
        let (head, body) = (seen.head.clone(), seen.body.clone());
        let whole = seen.whole;
        shared.lock().unwrap().seen.push(seen);
        if !whole {
            break;
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        match path.split(['?', '/']).nth(1).unwrap_or_default() {
            "echo" => answer(
                &mut writer,
                "200 OK",
                "",
                &[head.as_bytes(), &body].concat(),
            )?,
            "status" => {
                let code = path.rsplit('/').next().unwrap_or_default();
                answer(
                    &mut writer,
                    &format!("{code} Said"),
                    "",
                    b"CANARY-upstream-body",
                )?;
            }
            "redirect" => {
                let to = path.split_once('?').map_or("/", |(_, to)| to);
                answer(
                    &mut writer,
                    "302 Found",
                    &format!("location: {to}\r\n"),
                    b"",
                )?;
            }
            "slow" => {
                std::thread::sleep(SLOW);
                answer(&mut writer, "200 OK", "", b"at last")?;
            }
            "hang" => return wait_for_leave(&mut reader, shared),
            "drip" => return drip(&mut writer, shared),
            "stall" => {
                writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")?;
                return wait_for_leave(&mut reader, shared);
            }
            "reset" => {
                return writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
            }
            "garbage" => return writer.write_all(b"this is not HTTP, but a CANARY\r\n\r\n"),
            "huge" => return huge(&mut writer),
            _ => answer(&mut writer, "200 OK", "", b"upstream ok")?,
        }
    }
    Ok(())
}

/// Reads a request, if another one comes.
pub(crate) fn request(reader: &mut impl BufRead) -> std::io::Result<Option<Seen>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let head = head.to_ascii_lowercase();
    let mut seen = Seen {
        head: head.clone(),
        ..Seen::default()
    };
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    if let Some(length) = field("content-length: ").and_then(|text| text.parse().ok()) {
        reader.by_ref().take(length).read_to_end(&mut seen.body)?;
        seen.whole = seen.body.len() as u64 == length;
    } else if field("transfer-encoding: ").is_some() {
        seen.whole = chunks(reader, &mut seen.body).unwrap_or(false);
    } else {
        seen.whole = true;
    }
    Ok(Some(seen))
}

/// Reads chunks into `body`; whether the last one was among them.
fn chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Ok(size) = usize::from_str_radix(line.trim(), 16) else {
            return Ok(false);
        };
        if size == 0 {
            while !matches!(line.as_str(), "\r\n" | "") {
                line.clear();
                reader.read_line(&mut line)?;
            }
            return Ok(true);
        }
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk[..size]);
    }
}

fn answer(writer: &mut impl Write, status: &str, more: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{more}\r\n",
        body.len()
    );
    writer.write_all(&[head.as_bytes(), body].concat())?;
    writer.flush()
}

fn wait_for_leave(reader: &mut impl BufRead, shared: &Mutex<Shared>) -> std::io::Result<()> {
    // A reset tells the same as an orderly end.
    let _ = std::io::copy(reader, &mut std::io::sink());
    shared.lock().unwrap().left += 1;
    Ok(())
}

fn drip(writer: &mut impl Write, shared: &Mutex<Shared>) -> std::io::Result<()> {
    writer.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    while writer
        .write_all(b"1\r\n.\r\n")
        .and_then(|()| writer.flush())
        .is_ok()
    {
        std::thread::sleep(Duration::from_millis(50));
    }
    shared.lock().unwrap().left += 1;
    Ok(())
}

fn huge(writer: &mut impl Write) -> std::io::Result<()> {
    writer.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    loop {
        writer.write_all(&chunk)?;
    }
}
