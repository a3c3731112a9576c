//! Who is at the other end of a connection, and which of those are believed.
//!
//! Trust comes from the policy's `trusted_proxies`, never from an address being local: behind a proxy the internet *is* loopback.

use http::HeaderValue;
use http::uri::Scheme;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// Whether what a peer says about others is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is one of the policy's proxies: its `x-forwarded-*` and `traceparent` are taken over.
    Proxy,
    /// It speaks for itself alone.
    Stranger,
}

/// The networks of the proxies that the policy trusts.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// These networks.
    #[must_use]
    pub fn new(nets: Vec<IpNet>) -> Self {
        Self(nets)
    }

    /// Whether `address` is believed.
    #[must_use]
    pub fn trust(&self, address: IpAddr) -> Trust {
        // A socket bound to `::` shows IPv4 peers as mapped addresses; the policy names them as what they are.
        if self.has(address.to_canonical()) {
            Trust::Proxy
        } else {
            Trust::Stranger
        }
    }

    /// Whether `address` is one of theirs.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The same as a header's value, written once a connection.
    pub text: HeaderValue,
    /// What its connection speaks: `https` if it is encrypted.
    pub scheme: Scheme,
}

impl Peer {
    /// The peer at `address`, over a connection of `scheme`.
    #[must_use]
    pub fn at(address: SocketAddr, scheme: Scheme) -> Self {
        let address = address.ip().to_canonical();
        // The text of an address holds digits, letters, dots and colons alone, so this never falls back.
        let text = HeaderValue::from_str(&address.to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self {
            address,
            text,
            scheme,
        }
    }
}
