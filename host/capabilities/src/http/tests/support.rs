//! What the tests of the way out share: settings.

use crate::http::{Origin, Upstream};
use std::time::Duration;

/// Settings for an upstream on loopback, with limits that no test meets by chance.
pub(crate) fn upstream(url: &str) -> Upstream {
    Upstream {
        name: "api".to_owned(),
        origin: Origin::parse(url).unwrap(),
        connect: Duration::from_secs(10),
        first_byte: Duration::from_secs(20),
        between_bytes: Duration::from_secs(30),
        response_bytes_max: 1 << 20,
        allow_private: vec!["127.0.0.0/8".parse().unwrap()],
        ca: None,
        credential: None,
        connections_max: 8,
    }
}
