//! What the policy says of one upstream.

use super::credential::Credential;
use super::keyed::Keyed;
use super::origin::Origin;
use super::tls::Roots;
use ipnet::IpNet;
use std::time::Duration;

/// Everything the way out needs to know of one upstream: complete and checked.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name in the policy.
    pub name: String,
    /// Where it is; a request for another place is refused.
    pub origin: Origin,
    /// The longest for name, connection and TLS together, and for a free connection.
    pub connect: Duration,
    /// The longest from the request to the head of the answer.
    pub first_byte: Duration,
    /// The longest between two frames of the answer's body.
    pub between_bytes: Duration,
    /// The most bytes of an answer's body.
    pub response_bytes_max: u64,
    /// Nets that are not public, yet allowed.
    pub allow_private: Vec<IpNet>,
    /// Whom TLS trusts here instead of the public authorities.
    pub ca: Option<Roots>,
    /// What the host adds to each request, and no guest sees.
    pub credential: Option<Credential>,
    /// How it knows a request again.
    pub keyed: Option<Keyed>,
    /// The most connections at once for each service that asks.
    pub connections_max: usize,
}
