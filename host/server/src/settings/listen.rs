//! `listen`: where the gateway is found, as a text, or as a table that also says how it is encrypted and how much a client may hold.
//!
//! These limits bind whoever connects, before there is a call and a service whose own limits could bind him. Each has a default that an
//! ordinary client never meets.

use crate::settings::policy::parse_address;
use crate::settings::reader::Reader;
use crate::settings::units::{Raw, duration_text, size_text};
use crate::settings::upstream::within;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What one client, and all of them, may hold of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenLimits {
    /// Connections at once; the next waits in the system's queue.
    pub connections: u32,
    /// Connections at once from one address; those of trusted proxies are not counted, because behind them is everybody.
    pub connections_per_address: u32,
    /// From the first byte of a head (on a new connection: from its beginning, with the encryption's handshake) to its end.
    pub head: Duration,
    /// How long a connection is kept on which nothing is asked.
    pub idle: Duration,
    /// How long a client may take nothing of what is ready for it.
    pub write: Duration,
    /// Bytes of one head.
    pub head_bytes: u32,
    /// Fields of one head.
    pub fields: u32,
    /// Bytes of the target of a request.
    pub target_bytes: u32,
    /// Bytes of the body of a request.
    pub body_bytes: u64,
    /// Requests at once on one connection of HTTP/2.
    pub streams: u32,
    /// Requests that one connection of HTTP/2 may take back within ten seconds.
    pub resets: u32,
    /// Frames that one connection of HTTP/2 may send within ten seconds beyond what its requests and bytes account for.
    pub frames: u32,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 1_024,
            head: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(30),
            head_bytes: 64 << 10,
            fields: 100,
            target_bytes: 16 << 10,
            body_bytes: 1 << 30,
            streams: 250,
            resets: 500,
            frames: 10_000,
        }
    }
}

/// The files of the encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and those that vouch for it, as PEM.
    pub cert: PathBuf,
    /// Its key, as PEM.
    pub key: PathBuf,
}

/// `listen` as it is written.
#[derive(Debug, Default)]
pub(crate) enum WrittenListen {
    #[default]
    Absent,
    Address(String),
    Table(Box<WrittenTable>),
}

/// `[listen]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenTable {
    address: Option<String>,
    tls: Option<WrittenTls>,
    limits: WrittenLimits,
}

/// `[listen.tls]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenTls {
    cert: Option<String>,
    key: Option<String>,
}

/// `[listen.limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenLimits {
    connections: Option<Raw>,
    connections_per_address: Option<Raw>,
    head: Option<Raw>,
    idle: Option<Raw>,
    write: Option<Raw>,
    head_bytes: Option<Raw>,
    fields: Option<Raw>,
    target_bytes: Option<Raw>,
    body_bytes: Option<Raw>,
    streams: Option<Raw>,
    resets: Option<Raw>,
    frames: Option<Raw>,
}

impl<'de> Deserialize<'de> for WrittenListen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = WrittenListen;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address such as \"127.0.0.1:8080\", or a table with `address`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<WrittenListen, E> {
                Ok(WrittenListen::Address(text.to_owned()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<WrittenListen, A::Error> {
                let table = WrittenTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(WrittenListen::Table(Box::new(table)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The checked values: the address, the limits, the files of the encryption.
pub(crate) fn check(
    written: WrittenListen,
    default: SocketAddr,
    folder: &Path,
    reader: &mut Reader<'_>,
) -> (SocketAddr, ListenLimits, Option<Tls>) {
    let table = match written {
        WrittenListen::Absent => WrittenTable::default(),
        WrittenListen::Address(text) => {
            let address = reader.or("listen", Some(&*text), default, parse_address);
            return (address, ListenLimits::default(), None);
        }
        WrittenListen::Table(table) => *table,
    };
    let address = table.address.as_deref();
    let address = reader.or("listen.address", address, default, parse_address);
    let limits = check_limits(table.limits, reader);
    let tls = table
        .tls
        .and_then(|written| match (written.cert, written.key) {
            (Some(cert), Some(key)) => Some(Tls {
                cert: folder.join(cert),
                key: folder.join(key),
            }),
            _ => {
                reader.wrong("listen.tls", "needs both `cert` and `key`, two PEM files");
                None
            }
        });
    (address, limits, tls)
}

fn check_limits(written: WrittenLimits, reader: &mut Reader<'_>) -> ListenLimits {
    const MINUTE: u64 = 60_000_000_000;
    const SHORTEST: u64 = 100_000_000;
    let default = ListenLimits::default();
    let mut read = Read {
        reader: &mut *reader,
    };
    ListenLimits {
        connections: read.count(
            "connections",
            written.connections,
            default.connections,
            1,
            1 << 20,
        ),
        connections_per_address: read.count(
            "connections_per_address",
            written.connections_per_address,
            default.connections_per_address,
            1,
            1 << 20,
        ),
        head: read.span("head", written.head, default.head, SHORTEST, 10 * MINUTE),
        idle: read.span("idle", written.idle, default.idle, SHORTEST, 60 * MINUTE),
        write: read.span("write", written.write, default.write, SHORTEST, 10 * MINUTE),
        // The library that reads heads takes no smaller number.
        head_bytes: read.size(
            "head_bytes",
            written.head_bytes,
            default.head_bytes,
            8 << 10,
            1 << 20,
        ),
        fields: read.count("fields", written.fields, default.fields, 1, 1_000),
        target_bytes: read.size(
            "target_bytes",
            written.target_bytes,
            default.target_bytes,
            64,
            60 << 10,
        ),
        body_bytes: reader.or(
            "listen.limits.body_bytes",
            written.body_bytes,
            default.body_bytes,
            |raw| within(raw.bytes()?, 0, 1 << 40),
        ),
        ..http2(
            (written.streams, written.resets, written.frames),
            default,
            reader,
        )
    }
}

fn http2(
    (streams, resets, frames): (Option<Raw>, Option<Raw>, Option<Raw>),
    default: ListenLimits,
    reader: &mut Reader<'_>,
) -> ListenLimits {
    let mut read = Read {
        reader: &mut *reader,
    };
    ListenLimits {
        streams: read.count("streams", streams, default.streams, 1, 10_000),
        resets: read.count("resets", resets, default.resets, 1, 1 << 20),
        frames: read.count("frames", frames, default.frames, 1, 1 << 20),
        ..default
    }
}

/// Reads single values of `[listen.limits]`.
struct Read<'a, 'b> {
    reader: &'a mut Reader<'b>,
}

impl Read<'_, '_> {
    fn count(&mut self, key: &str, raw: Option<Raw>, default: u32, least: u64, most: u64) -> u32 {
        self.number(key, raw, default, |raw| within(raw.count()?, least, most))
    }

    fn size(&mut self, key: &str, raw: Option<Raw>, default: u32, least: u64, most: u64) -> u32 {
        self.number(key, raw, default, |raw| within(raw.bytes()?, least, most))
    }

    fn number(
        &mut self,
        key: &str,
        raw: Option<Raw>,
        default: u32,
        check: impl FnOnce(Raw) -> Result<u64, String>,
    ) -> u32 {
        let key = format!("listen.limits.{key}");
        self.reader.or(&key, raw, default, |raw| {
            Ok(u32::try_from(check(raw)?).unwrap_or(u32::MAX))
        })
    }

    fn span(
        &mut self,
        key: &str,
        raw: Option<Raw>,
        default: Duration,
        least: u64,
        most: u64,
    ) -> Duration {
        let key = format!("listen.limits.{key}");
        self.reader.or(&key, raw, default, |raw| {
            let nanos = raw.nanos()?;
            if (least..=most).contains(&nanos) {
                return Ok(Duration::from_nanos(nanos));
            }
            let [value, least, most] = [nanos, least, most].map(duration_text);
            Err(format!("{value} is not between {least} and {most}"))
        })
    }
}

/// The rows of `holdfast policy`.
pub(crate) fn rows(limits: &ListenLimits, tls: Option<&Tls>) -> Vec<(&'static str, String)> {
    let span = |span: Duration| duration_text(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    let size = |bytes: u32| size_text(u64::from(bytes));
    let file = |file: fn(&Tls) -> &PathBuf| {
        tls.map_or_else(|| "none".to_owned(), |tls| file(tls).display().to_string())
    };
    vec![
        ("listen.tls.cert", file(|tls| &tls.cert)),
        ("listen.tls.key", file(|tls| &tls.key)),
        ("listen.limits.connections", limits.connections.to_string()),
        (
            "listen.limits.connections_per_address",
            limits.connections_per_address.to_string(),
        ),
        ("listen.limits.head", span(limits.head)),
        ("listen.limits.idle", span(limits.idle)),
        ("listen.limits.write", span(limits.write)),
        ("listen.limits.head_bytes", size(limits.head_bytes)),
        ("listen.limits.fields", limits.fields.to_string()),
        ("listen.limits.target_bytes", size(limits.target_bytes)),
        ("listen.limits.body_bytes", size_text(limits.body_bytes)),
        ("listen.limits.streams", limits.streams.to_string()),
        ("listen.limits.resets", limits.resets.to_string()),
        ("listen.limits.frames", limits.frames.to_string()),
    ]
}
