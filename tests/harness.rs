//! What the tests stand on. It knows the host only as its users do: a binary, its files, its ports, its log.

mod answer;
mod ask;
mod bombs;
mod chaos;
mod dummy;
mod foreign;
mod guests;
mod h2;
mod host;
pub(crate) mod issuer;
mod log;
mod nameserver;
pub(crate) mod postgres;
mod project;
mod recorder;
mod scale;
mod setup;
mod tls;
mod upstream;
mod wait;

pub(crate) use ask::{Answer, Ask, End, Flow};
pub(crate) use bombs::Bomb;
pub(crate) use chaos::{Chaos, Does, NAMELESS, closed_port, number, wire};
pub(crate) use dummy::{dummy, dummy_of};
pub(crate) use guests::{Guest, root};
pub(crate) use host::{Host, Said, begin_in, binary, run};
pub(crate) use nameserver::{Nameserver, Says};
pub(crate) use project::Project;
pub(crate) use recorder::Recorder;
pub(crate) use scale::{full, scaled};
pub(crate) use setup::{Setup, keep_private, put};
pub(crate) use upstream::{Seen, Upstream, request};
pub(crate) use wait::{Over, patiently, rest, until};

pub(crate) use h2::{
    get as h2_get, get_with as h2_get_with, unread as h2_unread,
    without_window as h2_without_window,
};
pub(crate) use tls::{Certificate, TlsUpstream};

/// `text` as it stands in a query.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
