//! Headers that belong to one connection, and travel no further.

use http::header::{self, HeaderMap, HeaderName};

/// Headers that belong to one connection. `te` and `trailer` are looked at on their own.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether a header belongs to a connection, and so never travels further than that.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

/// Takes out what belongs to the connection, and what the `Connection` header says belongs to it.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most heads have none of them, and looking at each name is cheaper than asking for seven.
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}
