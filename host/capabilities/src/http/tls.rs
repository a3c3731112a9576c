//! TLS to an upstream: always verified, against the public authorities or, instead of them, the roots that the policy names.
//!
//! There is no switch that turns verification off.

use super::origin::{Origin, Scheme};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why a file of roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// It cannot be read as PEM.
    #[error("the certificates cannot be read: {0}")]
    Pem(rustls::pki_types::pem::Error),
    /// A certificate that cannot be a root.
    #[error("a certificate cannot be used as a root: {0}")]
    Root(rustls::Error),
    /// There is none in it.
    #[error("there is no certificate in it")]
    Empty,
}

/// Certificate authorities that one upstream is verified against, instead of the public ones.
#[derive(Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Reads every certificate of a PEM file. One that cannot be used refuses the whole file.
    ///
    /// # Errors
    /// The file is damaged, empty, or holds what is no root.
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            store
                .add(certificate.map_err(RootsError::Pem)?)
                .map_err(RootsError::Root)?;
        }
        if store.is_empty() {
            return Err(RootsError::Empty);
        }
        Ok(Self(Arc::new(store)))
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}

/// How connections to one upstream are secured. Made once: a configuration carries the cache of sessions to resume.
pub(super) enum Tls {
    /// Not at all.
    Clear,
    /// With these roots, for this name.
    Verified(TlsConnector, ServerName<'static>),
    /// It could not be set up, so nothing is sent.
    Broken(String),
}

impl Tls {
    pub(super) fn new(origin: &Origin, roots: Option<&Roots>) -> Self {
        if origin.scheme() == Scheme::Http {
            return Self::Clear;
        }
        let name = match ServerName::try_from(origin.host().to_owned()) {
            Ok(name) => name,
            Err(error) => return Self::Broken(error.to_string()),
        };
        match config(roots) {
            Ok(config) => Self::Verified(TlsConnector::from(Arc::new(config)), name),
            Err(error) => Self::Broken(error.to_string()),
        }
    }
}

fn config(roots: Option<&Roots>) -> Result<ClientConfig, rustls::Error> {
    let roots = match roots {
        Some(Roots(store)) => store.clone(),
        None => Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether the other side chose HTTP/2.
pub(super) fn speaks_h2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_usable_root_is_refused() {
        assert!(matches!(Roots::from_pem(b""), Err(RootsError::Empty)));
        assert!(matches!(Roots::from_pem(b"no pem"), Err(RootsError::Empty)));
        let torn = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(Roots::from_pem(torn), Err(RootsError::Pem(_))));
        let no_root = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(Roots::from_pem(no_root), Err(RootsError::Root(_))));
    }
}
