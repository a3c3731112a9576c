//! The same upstream behind TLS, with a certificate that only those trust who were given its authority.

use super::upstream::{Shared, serve};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// What a TLS upstream shows of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// One for `localhost`.
    Good,
    /// One for somebody else.
    OfAnother,
    /// One for `localhost`, of another century.
    Expired,
}

/// A running TLS upstream, at the name `localhost`.
pub(crate) struct TlsUpstream {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    /// Its certificate, which is its own authority, as PEM.
    pub(crate) authority: String,
}

/// One connection, read and written by turns on one thread.
#[derive(Clone)]
struct Shareable(Arc<Mutex<StreamOwned<ServerConnection, std::net::TcpStream>>>);

impl Read for Shareable {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().read(buffer)
    }
}

impl Write for Shareable {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.lock().unwrap().flush()
    }
}

impl TlsUpstream {
    /// On a free port of 127.0.0.1.
    pub(crate) fn start() -> Self {
        Self::with(Certificate::Good)
    }

    /// The same with this certificate.
    pub(crate) fn with(certificate: Certificate) -> Self {
        let key = KeyPair::generate().unwrap();
        let name = match certificate {
            Certificate::Good | Certificate::Expired => "localhost",
            Certificate::OfAnother => "elsewhere.example",
        };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if certificate == Certificate::Expired {
            params.not_before = rcgen::date_time_ymd(1990, 1, 1);
            params.not_after = rcgen::date_time_ymd(1999, 12, 31);
        }
        let certificate = params.self_signed(&key).unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                std::thread::spawn(move || {
                    let stream = StreamOwned::new(session, stream);
                    let stream = Shareable(Arc::new(Mutex::new(stream)));
                    let shared = Mutex::new(Shared::default());
                    // A client that does not trust us ends the connection; that is a case, not a failure.
                    let _ = serve(BufReader::new(stream.clone()), stream, &shared);
                });
            }
        });
        Self {
            port,
            authority: certificate.pem(),
        }
    }
}
