//! The gateway's encryption: one certificate with its key, read from two files, and read again when they change.
//!
//! TLS 1.2 and 1.3 by rustls, whose cipher suites all keep past traffic secret and authenticate what they carry. Two files are never replaced
//! in one moment, so a pair that does not fit together is passed over, said once, and looked at again when one of them changes. Connections
//! that stand keep what they began with.

use crate::file;
use crate::plugins::Say;
use crate::settings::{Tls, secret};
use anyhow::{Context as _, anyhow, bail};
use arc_swap::ArcSwap;
use holdfast_call::Clock;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, version};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The largest file of certificates, in bytes.
const CERT_BYTES_MAX: u64 = 1 << 20;

/// What handshakes are made with.
pub struct Keys {
    files: Tls,
    now: ArcSwap<ServerConfig>,
}

impl Keys {
    /// Reads the pair.
    ///
    /// # Errors
    /// A file cannot be read, may be read by others, or the two do not belong together.
    pub fn load(files: Tls) -> anyhow::Result<Self> {
        let config = config(&files)?;
        Ok(Self {
            files,
            now: ArcSwap::from_pointee(config),
        })
    }

    /// Makes a handshake with whoever is at the other end of `stream`.
    ///
    /// # Errors
    /// It went wrong.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> std::io::Result<TlsStream<S>> {
        let acceptor = TlsAcceptor::from(self.now.load_full());
        acceptor.accept(stream).await
    }

    /// Takes a new pair whenever the files change, and says so. It never ends.
    pub async fn follow(self: Arc<Self>, clock: Arc<dyn Clock>, say: Say) {
        let mut seen = stamps(&self.files);
        loop {
            clock.sleep_until(clock.now().after(LOOK)).await;
            let now = stamps(&self.files);
            if now == seen {
                continue;
            }
            seen = now;
            let cert = self.files.cert.display();
            match config(&self.files) {
                Ok(config) => {
                    self.now.store(Arc::new(config));
                    say(&format!("the certificate of {cert} is in use from now on"));
                }
                Err(error) => say(&format!(
                    "the certificate stays as it was, its files cannot be used: {error:#}"
                )),
            }
        }
    }
}

/// What of a file changes when it is replaced or written: its number, its size, its times.
type Stamp = Option<(u64, u64, i64, i64, i64, i64)>;

fn stamps(files: &Tls) -> [Stamp; 2] {
    [&files.cert, &files.key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        let changed = (about.ctime(), about.ctime_nsec());
        let written = (about.mtime(), about.mtime_nsec());
        Some((
            about.ino(),
            about.len(),
            changed.0,
            changed.1,
            written.0,
            written.1,
        ))
    })
}

fn config(files: &Tls) -> anyhow::Result<ServerConfig> {
    let chain = chain(&files.cert)?;
    let key = key(&files.key)?;
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| {
            let (cert, key) = (files.cert.display(), files.key.display());
            format!("{cert} and {key} do not belong together")
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let shown = path.display();
    let text = file::read(path, CERT_BYTES_MAX).with_context(|| format!("cannot read {shown}"))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    // The parser's error may quote what it read.
    let chain = chain.map_err(|_| anyhow!("{shown} is not PEM"))?;
    if chain.is_empty() {
        bail!("{shown} holds no certificate");
    }
    Ok(chain)
}

fn key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let text = secret::read_private(path).map_err(|why| anyhow!(why))?;
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| anyhow!("{} holds no private key as PEM", path.display()))
}
