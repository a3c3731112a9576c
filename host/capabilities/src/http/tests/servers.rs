//! Upstreams on loopback that do as they are told, and tell what they see.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// One connection at the upstream's end.
pub(crate) struct Peer<S = TcpStream> {
    pub(crate) stream: S,
    seen: mpsc::UnboundedSender<String>,
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Peer<S> {
    /// The head of the next request, told to the test; `None` if the connection ended instead.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return None,
            }
        }
        let head = String::from_utf8(head).unwrap();
        self.tell(&head);
        Some(head)
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Everything up to the end of the connection, told to the test.
    pub(crate) async fn rest(&mut self) {
        let mut rest = Vec::new();
        // Closed or reset, it has ended.
        let _ = self.stream.read_to_end(&mut rest).await;
        self.tell(&format!("end: {}", String::from_utf8_lossy(&rest)));
    }

    pub(crate) fn tell(&self, text: &str) {
        // A test that is over listens no more.
        let _ = self.seen.send(text.to_owned());
    }

    pub(crate) fn split(self) -> (S, Peer<()>) {
        (
            self.stream,
            Peer {
                stream: (),
                seen: self.seen,
            },
        )
    }
}

impl Peer<()> {
    pub(crate) fn over<T>(self, stream: T) -> Peer<T> {
        Peer {
            stream,
            seen: self.seen,
        }
    }

    pub(crate) fn say(&self, text: &str) {
        let _ = self.seen.send(text.to_owned());
    }
}

/// An upstream on loopback that treats each connection as its script says, and counts them.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepts: Arc<AtomicUsize>,
    seen: mpsc::UnboundedReceiver<String>,
}

impl Server {
    pub(crate) async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepts = Arc::new(AtomicUsize::new(0));
        let (tell, seen) = mpsc::unbounded_channel();
        let count = accepts.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(Peer {
                    stream,
                    seen: tell.clone(),
                }));
            }
        });
        Self {
            address,
            accepts,
            seen,
        }
    }

    /// An upstream that answers every request of every connection with `answer`.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut peer| async move {
            while peer.head().await.is_some() {
                peer.write(answer).await;
            }
            peer.tell("closed");
        })
        .await
    }

    /// An upstream that reads one head, writes `answer` and closes.
    pub(crate) async fn once(answer: &'static str) -> Self {
        Self::start(move |mut peer| async move {
            peer.head().await;
            peer.write(answer).await;
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next thing that a script told.
    pub(crate) async fn seen(&mut self) -> String {
        self.seen.recv().await.unwrap()
    }

    /// How many connections there were.
    pub(crate) fn accepts(&self) -> usize {
        self.accepts.load(Ordering::SeqCst)
    }
}

/// The plainest answer.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
