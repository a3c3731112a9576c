//! An HTTP/1.1 client by hand, because a library would hide what these tests look for: how a body ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a silent host is listened to: only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As HTTP says it ends.
    Whole,
    /// Before its length was reached or its last chunk was seen.
    Cut,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) end: End,
}

/// A request being put together.
pub(crate) struct Ask {
    to: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Body,
}

enum Body {
    None,
    Whole(Vec<u8>),
    Chunks(Vec<Vec<u8>>, Vec<(String, String)>),
    Cut(Vec<u8>),
}

/// An answer whose body is still coming.
pub(crate) struct Flow {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) trailers: Vec<(String, String)>,
    reader: BufReader<TcpStream>,
    left: Left,
}

enum Left {
    Bytes(usize),
    Chunks,
    UntilClose,
    Done,
}

impl Ask {
    /// A request to `to`.
    pub(crate) fn new(to: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            to,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Body::None,
        }
    }

    /// With this header; `host` replaces the one that is sent otherwise.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body, its length announced.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// With this body in chunks, then these trailers.
    pub(crate) fn chunks(mut self, chunks: &[&str], trailers: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.body = Body::Chunks(
            chunks
                .iter()
                .map(|chunk| chunk.as_bytes().to_vec())
                .collect(),
            trailers.iter().map(owned).collect(),
        );
        self
    }

    /// With this much of a body that was announced longer; then the connection is closed for writing.
    pub(crate) fn cut_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Cut(body.into());
        self
    }

    /// Sends it and reads the answer to its end.
    pub(crate) fn send(self) -> Answer {
        self.open().finish()
    }

    /// The same of whoever may die meanwhile; then there is no answer.
    pub(crate) fn attempt(self) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.to).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(self.head().as_bytes()).ok()?;
        if let Body::Whole(body) = &self.body {
            stream.write_all(body).ok()?;
        }
        let answer = Flow::try_read(stream)?.finish();
        (answer.end == End::Whole).then_some(answer)
    }

    /// Sends it and reads the head of the answer.
    pub(crate) fn open(self) -> Flow {
        Flow::read(self.write())
    }

    /// A connection to whom it would be sent, and nothing on it.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends its head and as much of its body as is taken at once, and leaves the rest.
    pub(crate) fn begin(self) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(self.head().as_bytes()).unwrap();
        if let Body::Whole(body) = &self.body {
            stream.set_nonblocking(true).unwrap();
            // What does not fit now is not sent; whoever reads it is not there.
            let _ = stream.write(body);
            stream.set_nonblocking(false).unwrap();
        }
        stream
    }

    /// Sends it, and leaves the answer unread on the connection.
    pub(crate) fn write(self) -> TcpStream {
        let mut stream = self.connect();
        let head = self.head();
        stream.write_all(head.as_bytes()).unwrap();
        // The host may answer, and close, before it has read all of a body; what it answered is what counts.
        let _ = match &self.body {
            Body::None => Ok(()),
            Body::Whole(body) => stream.write_all(body),
            Body::Chunks(chunks, trailers) => write_chunks(&mut stream, chunks, trailers),
            Body::Cut(body) => stream
                .write_all(body)
                .and_then(|()| stream.shutdown(std::net::Shutdown::Write)),
        };
        stream
    }

    fn head(&self) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nconnection: close\r\n",
            self.method, self.path
        );
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head.push_str(&format!("host: {}\r\n", self.to));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match &self.body {
            Body::None => {}
            Body::Whole(body) => head.push_str(&format!("content-length: {}\r\n", body.len())),
            Body::Chunks(..) => head.push_str("transfer-encoding: chunked\r\n"),
            Body::Cut(body) => head.push_str(&format!("content-length: {}\r\n", body.len() + 100)),
        }
        head.push_str("\r\n");
        head
    }
}

fn write_chunks(
    stream: &mut TcpStream,
    chunks: &[Vec<u8>],
    trailers: &[(String, String)],
) -> std::io::Result<()> {
    for chunk in chunks {
        write!(stream, "{:x}\r\n", chunk.len())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n")?;
    for (name, value) in trailers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")
}

impl Flow {
    /// Reads the head of the answer that comes over `stream`.
    pub(crate) fn read(stream: TcpStream) -> Self {
        Self::try_read(stream).expect("the whole head of an answer")
    }

    /// The same, if it comes.
    fn try_read(stream: TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let first = line(&mut reader)?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let headers = fields(&mut reader)?;
        let of = |name: &str| find(&headers, name);
        let status: u16 = status.unwrap_or_else(|| panic!("not an answer: {first}"));
        let left = match (of("transfer-encoding"), of("content-length")) {
            _ if matches!(status, 204 | 304) => Left::Done,
            (Some(_), _) => Left::Chunks,
            (None, Some(length)) => Left::Bytes(length.parse().unwrap()),
            (None, None) => Left::UntilClose,
        };
        Some(Self {
            status,
            headers,
            trailers: Vec::new(),
            reader,
            left,
        })
    }

    /// The value of a header of the head.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The next piece of the body, or how it ended.
    pub(crate) fn next(&mut self) -> Result<Vec<u8>, End> {
        match self.left {
            Left::Done => Err(End::Whole),
            Left::Bytes(0) => self.done(),
            Left::Bytes(left) => {
                let piece = self.some(left)?;
                self.left = Left::Bytes(left - piece.len());
                Ok(piece)
            }
            Left::UntilClose => match self.some(64 * 1024) {
                Ok(piece) => Ok(piece),
                // Without a length and without chunks, HTTP/1.1 knows no other end than this one.
                Err(_) => self.done(),
            },
            Left::Chunks => self.chunk(),
        }
    }

    /// Reads the rest.
    pub(crate) fn finish(mut self) -> Answer {
        let mut body = Vec::new();
        let end = loop {
            match self.next() {
                Ok(piece) => body.extend_from_slice(&piece),
                Err(end) => break end,
            }
        };
        Answer {
            status: self.status,
            headers: self.headers,
            body,
            trailers: self.trailers,
            end,
        }
    }

    fn done(&mut self) -> Result<Vec<u8>, End> {
        self.left = Left::Done;
        Err(End::Whole)
    }

    fn some(&mut self, most: usize) -> Result<Vec<u8>, End> {
        let mut piece = vec![0; most.min(64 * 1024)];
        match self.reader.read(&mut piece) {
            Ok(0) | Err(_) => Err(End::Cut),
            Ok(bytes) => {
                piece.truncate(bytes);
                Ok(piece)
            }
        }
    }

    fn chunk(&mut self) -> Result<Vec<u8>, End> {
        let size = line(&mut self.reader).ok_or(End::Cut)?;
        let size = usize::from_str_radix(&size, 16).map_err(|_| End::Cut)?;
        if size == 0 {
            self.trailers = fields(&mut self.reader).ok_or(End::Cut)?;
            return self.done();
        }
        let mut piece = vec![0; size + 2];
        self.reader.read_exact(&mut piece).map_err(|_| End::Cut)?;
        piece.truncate(size);
        Ok(piece)
    }
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = String::new();
    reader.read_line(&mut text).ok()?;
    text.ends_with('\n').then(|| text.trim_end().to_owned())
}

fn fields(reader: &mut BufReader<TcpStream>) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let text = line(reader)?;
        if text.is_empty() {
            return Some(fields);
        }
        let (name, value) = text.split_once(':')?;
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// The value of the field `name`.
pub(crate) fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}
