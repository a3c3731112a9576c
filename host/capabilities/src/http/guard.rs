//! Which addresses may be dialled: the public ones, and of the others only what the policy lists.
//!
//! A pure function on the *resolved* address, so that neither a spelling of a literal nor a name that points inside gets past it. IPv6 is
//! refused by default: only what is handed out as global unicast (2000::/3) is public, and forms that carry an IPv4 address are as public
//! as the address they carry.

use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address may be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It may.
    Allowed,
    /// It may not, for this reason.
    Refused(Reason),
}

/// Why an address may not be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// This network segment.
    LinkLocal,
    /// Behind a carrier's address translation.
    CarrierGrade,
    /// The metadata service of a cloud.
    Metadata,
    /// A group, not a host.
    Multicast,
    /// Everybody on the segment.
    Broadcast,
    /// No address at all, or "this network".
    Unspecified,
    /// Set aside for examples in texts.
    Documentation,
    /// Set aside for measurements.
    Benchmarking,
    /// Set aside for protocols, for later, or not handed out.
    Reserved,
    /// A tunnel or a translator that leads to an address which cannot be checked.
    Translated,
}

impl Reason {
    /// The word of the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::CarrierGrade => "carrier-grade",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Unspecified => "unspecified",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Reserved => "reserved",
            Self::Translated => "translated",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Checks one address. A net of `allow_private` allows what it contains; an IPv4 address in IPv6 clothes is compared as IPv4 too.
#[must_use]
pub fn check(address: IpAddr, allow_private: &[IpNet]) -> Check {
    let plain = match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
    };
    let listed = |net: &IpNet| net.contains(&address) || net.contains(&plain);
    if allow_private.iter().any(listed) {
        return Check::Allowed;
    }
    let refused = match plain {
        IpAddr::V4(v4) => refused_v4(v4),
        IpAddr::V6(v6) => refused_v6(v6),
    };
    refused.map_or(Check::Allowed, Check::Refused)
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated (`::ffff:0:a.b.c.d`), or 6to4.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match v6.segments() {
        // `::` and `::1` are addresses of IPv6 itself.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            Some(v4(high, low))
        }
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

fn refused_v4(v4: Ipv4Addr) -> Option<Reason> {
    Some(match v4.octets() {
        // The last two are the metadata services of Azure and Alibaba; the first of nearly everybody else.
        [169, 254, 169, 254] | [168, 63, 129, 16] | [100, 100, 100, 200] => Reason::Metadata,
        [0, ..] => Reason::Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reason::Private,
        [100, 64..=127, ..] => Reason::CarrierGrade,
        [127, ..] => Reason::Loopback,
        [169, 254, ..] => Reason::LinkLocal,
        [192, 0, 0, _] => Reason::Reserved,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reason::Documentation,
        [192, 88, 99, _] => Reason::Translated,
        [198, 18..=19, ..] => Reason::Benchmarking,
        [224..=239, ..] => Reason::Multicast,
        [255, 255, 255, 255] => Reason::Broadcast,
        [240..=255, ..] => Reason::Reserved,
        _ => return None,
    })
}

fn refused_v6(v6: Ipv6Addr) -> Option<Reason> {
    Some(match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reason::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Reason::Loopback,
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Reason::Metadata,
        [0x64, 0xff9b, ..] => Reason::Translated,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Reason::Private,
        [0xfe80..=0xfebf, ..] => Reason::LinkLocal,
        [0xff00..=0xffff, ..] => Reason::Multicast,
        // Teredo.
        [0x2001, 0, ..] => Reason::Translated,
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Reason::Documentation,
        [0x2001, 0x0002, 0, ..] => Reason::Benchmarking,
        // The rest of 2001::/23 belongs to protocols.
        [0x2001, 0..=0x01ff, ..] => Reason::Reserved,
        [0x2000..=0x3fff, ..] => return None,
        _ => Reason::Reserved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NETS: &[(&str, &str, Reason)] = &[
        ("0.0.0.0", "0.255.255.255", Reason::Unspecified),
        ("10.0.0.0", "10.255.255.255", Reason::Private),
        ("100.64.0.0", "100.127.255.255", Reason::CarrierGrade),
        ("127.0.0.0", "127.255.255.255", Reason::Loopback),
        ("169.254.0.0", "169.254.255.255", Reason::LinkLocal),
        ("169.254.169.254", "169.254.169.254", Reason::Metadata),
        ("168.63.129.16", "168.63.129.16", Reason::Metadata),
        ("100.100.100.200", "100.100.100.200", Reason::Metadata),
        ("172.16.0.0", "172.31.255.255", Reason::Private),
        ("192.0.0.0", "192.0.0.255", Reason::Reserved),
        ("192.0.2.0", "192.0.2.255", Reason::Documentation),
        ("192.88.99.0", "192.88.99.255", Reason::Translated),
        ("192.168.0.0", "192.168.255.255", Reason::Private),
        ("198.18.0.0", "198.19.255.255", Reason::Benchmarking),
        ("198.51.100.0", "198.51.100.255", Reason::Documentation),
        ("203.0.113.0", "203.0.113.255", Reason::Documentation),
        ("224.0.0.0", "239.255.255.255", Reason::Multicast),
        ("240.0.0.0", "255.255.255.254", Reason::Reserved),
        ("255.255.255.255", "255.255.255.255", Reason::Broadcast),
        ("::", "::", Reason::Unspecified),
        ("::1", "::1", Reason::Loopback),
        ("::127.0.0.1", "::127.255.255.255", Reason::Loopback),
        (
            "::ffff:0.0.0.0",
            "::ffff:0.255.255.255",
            Reason::Unspecified,
        ),
        ("::ffff:10.0.0.0", "::ffff:10.255.255.255", Reason::Private),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", Reason::Loopback),
        (
            "::ffff:169.254.169.254",
            "::ffff:169.254.169.254",
            Reason::Metadata,
        ),
        ("::ffff:0:127.0.0.1", "::ffff:0:127.0.0.1", Reason::Loopback),
        ("64:ff9b::", "64:ff9b::ffff:ffff", Reason::Translated),
        (
            "64:ff9b:1::",
            "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
            Reason::Translated,
        ),
        ("100::", "100::ffff:ffff:ffff:ffff", Reason::Reserved),
        (
            "2001::",
            "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
            Reason::Translated,
        ),
        (
            "2001:2::",
            "2001:2:0:ffff:ffff:ffff:ffff:ffff",
            Reason::Benchmarking,
        ),
        (
            "2001:10::",
            "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
            Reason::Reserved,
        ),
        (
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            Reason::Documentation,
        ),
        ("2002:7f00:1::", "2002:7f00:1:ffff::1", Reason::Loopback),
        ("2002:a9fe:a9fe::", "2002:a9fe:a9fe::1", Reason::Metadata),
        (
            "3fff::",
            "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
            Reason::Documentation,
        ),
        (
            "4000::",
            "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Reason::Reserved,
        ),
        (
            "fc00::",
            "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Reason::Private,
        ),
        ("fd00:ec2::254", "fd00:ec2::254", Reason::Metadata),
        (
            "fe00::",
            "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Reason::Reserved,
        ),
        (
            "fe80::",
            "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Reason::LinkLocal,
        ),
        (
            "fec0::",
            "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Reason::Private,
        ),
        (
            "ff00::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Reason::Multicast,
        ),
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn nets(text: &[&str]) -> Vec<IpNet> {
        text.iter().map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn both_ends_of_every_net_that_is_not_public_are_refused() {
        for (first, last, reason) in NETS {
            for address in [first, last] {
                assert_eq!(
                    check(ip(address), &[]),
                    Check::Refused(*reason),
                    "{address}"
                );
            }
        }
    }

    #[test]
    fn the_neighbours_of_those_nets_are_allowed() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "8.8.8.8",
            "2000::",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2002:808:808::1",
            "2606:4700::1111",
            "3ffe:ffff::",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
        ] {
            assert_eq!(check(ip(address), &[]), Check::Allowed, "{address}");
        }
    }

    #[test]
    fn a_listed_net_allows_what_it_contains_and_nothing_else() {
        let allow = nets(&["10.1.2.0/24", "fd12::/16"]);
        for address in [
            "10.1.2.0",
            "10.1.2.255",
            "::ffff:10.1.2.9",
            "2002:a01:209::",
            "fd12::1",
        ] {
            assert_eq!(check(ip(address), &allow), Check::Allowed, "{address}");
        }
        for address in [
            "10.1.1.255",
            "10.1.3.0",
            "::ffff:10.1.3.0",
            "fd13::1",
            "127.0.0.1",
            "169.254.169.254",
        ] {
            assert!(
                matches!(check(ip(address), &allow), Check::Refused(_)),
                "{address}"
            );
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_refused_in_every_form_or_in_none(bits: u32, tail: u64, local in 0usize..NETS.len(), near: bool) {
            // Half of the addresses lie in a net that is not public: chance alone would rarely hit the small ones.
            let bits = match (near, NETS[local].0.parse::<Ipv4Addr>()) {
                (true, Ok(first)) => first.to_bits() | (bits & 0xff),
                (true, Err(_)) | (false, _) => bits,
            };
            let v4 = Ipv4Addr::from_bits(bits);
            let plain = check(IpAddr::V4(v4), &[]);
            let tail = u128::from(tail);
            let bits = u128::from(bits);
            for form in [0xffff_0000_0000 | bits, 0xffff_0000_0000_0000 | bits, 0x2002 << 112 | bits << 80 | tail] {
                prop_assert_eq!(check(IpAddr::V6(Ipv6Addr::from_bits(form)), &[]), plain);
            }
            if bits > 1 {
                prop_assert_eq!(check(IpAddr::V6(Ipv6Addr::from_bits(bits)), &[]), plain);
            }
        }

        #[test]
        fn only_global_unicast_is_ever_allowed_of_ipv6(bits: u128) {
            let v6 = Ipv6Addr::from_bits(bits);
            if embedded(v6).is_none() && bits >> 125 != 1 {
                prop_assert!(matches!(check(IpAddr::V6(v6), &[]), Check::Refused(_)));
            }
        }

        #[test]
        fn a_host_net_of_an_address_allows_that_address(bits: u32) {
            let address = IpAddr::V4(Ipv4Addr::from_bits(bits));
            prop_assert_eq!(check(address, &[IpNet::from(address)]), Check::Allowed);
        }
    }
}
