//! What this host offers to guests: every interface that its linkers have, with the version they have it in.
//!
//! A table, so that a component can be checked without an engine and told what is nearest; a test holds it against the real linkers.

pub use holdfast_call::version::same_line;
use std::fmt;

/// One interface on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// `namespace:package/interface`.
    pub interface: &'static str,
    /// The highest version; a guest built for an older one of the same line (0.2.x, 0.3.x) is served by it too.
    pub version: &'static str,
}

/// The name of an import or export, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// `namespace:package/interface`.
    pub interface: &'a str,
    /// What stands behind the `@`.
    pub version: Option<&'a str>,
}

const fn v02(interface: &'static str) -> Offer {
    Offer {
        interface,
        version: "0.2.12",
    }
}

const fn v03(interface: &'static str) -> Offer {
    Offer {
        interface,
        version: "0.3.0",
    }
}

const fn own(interface: &'static str) -> Offer {
    Offer {
        interface,
        version: "0.1.0",
    }
}

const fn draft(interface: &'static str) -> Offer {
    Offer {
        interface,
        version: "0.2.0-draft2",
    }
}

const OFFERS: &[Offer] = &[
    v02("wasi:io/error"),
    v02("wasi:io/poll"),
    v02("wasi:io/streams"),
    v02("wasi:cli/environment"),
    v02("wasi:cli/exit"),
    v02("wasi:cli/stderr"),
    v02("wasi:cli/stdin"),
    v02("wasi:cli/stdout"),
    v02("wasi:cli/terminal-input"),
    v02("wasi:cli/terminal-output"),
    v02("wasi:cli/terminal-stderr"),
    v02("wasi:cli/terminal-stdin"),
    v02("wasi:cli/terminal-stdout"),
    v02("wasi:clocks/monotonic-clock"),
    v02("wasi:clocks/wall-clock"),
    v02("wasi:filesystem/preopens"),
    v02("wasi:filesystem/types"),
    v02("wasi:http/outgoing-handler"),
    v02("wasi:http/types"),
    v02("wasi:random/insecure"),
    v02("wasi:random/insecure-seed"),
    v02("wasi:random/random"),
    v02("wasi:sockets/instance-network"),
    v02("wasi:sockets/ip-name-lookup"),
    v02("wasi:sockets/network"),
    v02("wasi:sockets/tcp"),
    v02("wasi:sockets/tcp-create-socket"),
    v02("wasi:sockets/udp"),
    v02("wasi:sockets/udp-create-socket"),
    v03("wasi:cli/environment"),
    v03("wasi:cli/exit"),
    v03("wasi:cli/stderr"),
    v03("wasi:cli/stdin"),
    v03("wasi:cli/stdout"),
    v03("wasi:cli/terminal-input"),
    v03("wasi:cli/terminal-output"),
    v03("wasi:cli/terminal-stderr"),
    v03("wasi:cli/terminal-stdin"),
    v03("wasi:cli/terminal-stdout"),
    v03("wasi:clocks/monotonic-clock"),
    v03("wasi:clocks/system-clock"),
    v03("wasi:clocks/types"),
    v03("wasi:filesystem/preopens"),
    v03("wasi:filesystem/types"),
    v03("wasi:http/client"),
    v03("wasi:http/types"),
    v03("wasi:random/insecure"),
    v03("wasi:random/insecure-seed"),
    v03("wasi:random/random"),
    v03("wasi:sockets/ip-name-lookup"),
    v03("wasi:sockets/types"),
    own("holdfast:host/ids"),
    own("holdfast:host/leases"),
    own("holdfast:host/queue"),
    own("holdfast:host/secrets"),
    // These have no released version; only exactly these are on offer.
    draft("wasi:keyvalue/atomics"),
    draft("wasi:keyvalue/batch"),
    draft("wasi:keyvalue/store"),
    Offer {
        interface: "wasi:config/store",
        version: "0.2.0-rc.1",
    },
    Offer {
        interface: "wasi:logging/logging",
        version: "0.1.0-draft",
    },
];

/// Everything on offer.
#[must_use]
pub fn offered() -> &'static [Offer] {
    OFFERS
}

/// Whether the host offers what a guest imports.
#[must_use]
pub fn offers(name: &str) -> Offered {
    let named = Named::parse(name);
    let met = OFFERS.iter().any(|offer| {
        offer.interface == named.interface
            && named
                .version
                .is_some_and(|version| same_line(version, offer.version))
    });
    if met { Offered::Yes } else { Offered::No }
}

/// Whether something is on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// The longest name that is compared with the offers, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// The offer nearest to a name: the same interface in another version if there is one, else the most similar name.
#[must_use]
pub fn nearest(name: &str) -> Option<Offer> {
    // A comparison takes time by the product of the lengths, and every import of a component may ask for one.
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let named = Named::parse(name);
    OFFERS.iter().copied().min_by_key(|offer| {
        let version = named.version.unwrap_or_default();
        (
            strsim::levenshtein(named.interface, offer.interface),
            !same_line(version, offer.version),
            strsim::levenshtein(version, offer.version),
        )
    })
}

/// Whether a name is of the host's own: what no other service exports.
#[must_use]
pub fn is_own(name: &str) -> bool {
    name.starts_with("wasi:") || name.starts_with("holdfast:")
}

impl<'a> Named<'a> {
    /// Takes a name apart.
    #[must_use]
    pub fn parse(name: &'a str) -> Self {
        match name.split_once('@') {
            Some((interface, version)) => Self {
                interface,
                version: Some(version),
            },
            None => Self {
                interface: name,
                version: None,
            },
        }
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.interface, self.version)
    }
}
