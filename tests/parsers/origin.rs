//! URLs of upstreams, and the addresses behind them: an origin has one spelling, and what is dialled is public in every dress.

use holdfast_capabilities::http::{Check, Origin, check as guard};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads the bytes as a URL, and as addresses.
pub(crate) fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(origin) = Origin::parse(text) {
            one_spelling(&origin);
            literal(&origin);
        }
        if let Ok(address) = text.trim().parse() {
            public(address);
        }
    }
    if let Some(bits) = bytes.first_chunk::<16>() {
        public(IpAddr::V6(Ipv6Addr::from_bits(u128::from_be_bytes(*bits))));
    }
    if let Some(bits) = bytes.first_chunk::<4>() {
        let v4 = Ipv4Addr::from_bits(u32::from_be_bytes(*bits));
        public(IpAddr::V4(v4));
        let mapped = v4.to_ipv6_mapped();
        assert_eq!(
            guard(IpAddr::V4(v4), &[]),
            guard(IpAddr::V6(mapped), &[]),
            "{v4}"
        );
    }
}

fn one_spelling(origin: &Origin) {
    let text = origin.to_string();
    assert_eq!(Origin::parse(&text).as_ref(), Ok(origin), "{text}");
    assert_eq!(text, text.to_ascii_lowercase());
    let host = origin.host();
    assert!(!host.is_empty() && origin.port() != 0);
    let odd = |c: char| c.is_control() || c.is_whitespace() || "@/?#\\[]".contains(c);
    assert!(!host.contains(odd), "{text}");
    assert!(
        !host.contains(':') || host.parse::<Ipv6Addr>().is_ok(),
        "{text}"
    );
    let url = format!("{}://{}/", origin.scheme().as_str(), origin.authority());
    assert_eq!(Origin::parse(&url).as_ref(), Ok(origin), "{url}");
}

/// A literal in a URL is judged as the address it is.
fn literal(origin: &Origin) {
    if let Ok(address) = origin.host().parse::<IpAddr>() {
        public(address);
    }
}

/// By the standard library's own words, where it has some: nothing private is allowed, however it is dressed.
fn public(address: IpAddr) {
    if guard(address, &[]) != Check::Allowed {
        return;
    }
    let plain = address.to_canonical();
    assert!(
        !plain.is_loopback() && !plain.is_unspecified() && !plain.is_multicast(),
        "{address}"
    );
    match plain {
        IpAddr::V4(v4) => {
            assert!(
                !v4.is_private() && !v4.is_link_local() && !v4.is_broadcast(),
                "{address}"
            );
            assert!(!v4.is_documentation() && v4.octets()[0] != 0, "{address}");
        }
        IpAddr::V6(v6) => {
            assert!(
                !v6.is_unique_local() && !v6.is_unicast_link_local(),
                "{address}"
            );
            let inner = v6.to_ipv4();
            assert!(
                !inner.is_some_and(|v4| v4.is_private() || v4.is_loopback()),
                "{address}"
            );
        }
    }
}
