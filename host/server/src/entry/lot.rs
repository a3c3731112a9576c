//! By what the callers of the gateway are told apart, for those versions that only some of them get.

use crate::entry::peer::{Peer, TrustedProxies};
use holdfast_call::Lot;
use http::{HeaderMap, HeaderName};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The numbers of whoever sent this. `headers` are as the gateway has left them: what strangers say of others is gone.
#[must_use]
pub(super) fn of(headers: &HeaderMap, peer: &Peer, proxies: &TrustedProxies) -> Lot {
    let caller = number(client(headers, peer, proxies));
    let draw = Some(headers.get(KEY).map_or(caller, |key| {
        let mut hasher = DefaultHasher::new();
        key.as_bytes().hash(&mut hasher);
        hasher.finish()
    }));
    Lot { draw, caller }
}

/// The address nearest to us that is no proxy of the policy's.
fn client(headers: &HeaderMap, peer: &Peer, proxies: &TrustedProxies) -> IpAddr {
    let mut nearest = peer.address;
    if !proxies.has(nearest) {
        return nearest;
    }
    let values = headers.get_all(FORWARDED_FOR).iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    for text in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        let Ok(address) = text.trim().parse::<IpAddr>() else {
            break;
        };
        nearest = address.to_canonical();
        if !proxies.has(nearest) {
            break;
        }
    }
    nearest
}

/// Whoever has an address of IPv6 has as many more as he likes in the same network of 64 bits.
fn number(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::uri::Scheme;
    use std::net::SocketAddr;

    fn lot(from: &str, headers: &[(&'static str, &str)]) -> Lot {
        let address: IpAddr = from.parse().unwrap();
        let peer = Peer::at(SocketAddr::new(address, 9), Scheme::HTTP);
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        of(&headers.collect(), &peer, &proxies)
    }

    #[test]
    fn a_caller_is_an_address_and_a_key_decides_without_making_another_caller() {
        let plain = lot("192.0.2.1", &[]);
        assert_eq!(plain.draw, Some(plain.caller));
        assert_ne!(plain, lot("192.0.2.2", &[]));
        let keyed = lot("192.0.2.1", &[("idempotency-key", "a")]);
        assert_eq!(keyed.caller, plain.caller);
        assert_ne!(keyed.draw, plain.draw);
        let elsewhere = lot("192.0.2.2", &[("idempotency-key", "a")]);
        assert_eq!(elsewhere.draw, keyed.draw);
        assert_eq!(lot("2001:db8::1", &[]), lot("2001:db8::2:3", &[]));
        assert_ne!(lot("2001:db8::1", &[]), lot("2001:db8:0:1::1", &[]));
    }

    #[test]
    fn behind_a_proxy_that_is_trusted_the_caller_is_the_one_it_names() {
        let direct = lot("192.0.2.1", &[]);
        for forwarded in ["192.0.2.1", "203.0.113.9, 192.0.2.1", "192.0.2.1, 10.0.0.7"] {
            assert_eq!(lot("10.0.0.1", &[("x-forwarded-for", forwarded)]), direct);
        }
        // What he says of himself through it changes nothing, and a stranger is who he is.
        assert_eq!(
            lot("192.0.2.1", &[("x-forwarded-for", "203.0.113.9")]),
            direct
        );
        let proxy = lot("10.0.0.1", &[]);
        assert_eq!(lot("10.0.0.1", &[("x-forwarded-for", "unknown")]), proxy);
    }
}
