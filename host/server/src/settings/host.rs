//! How the host itself runs: the words of the policy's own keys, each a small type with its spelling.

use crate::settings::units::Raw;
use crate::settings::upstream::within;
use holdfast_call::Priority;
use holdfast_capabilities::http::NAMESERVER_PORT;
use holdfast_rules::once::KEEP_MIN;
use holdfast_rules::trial::canary::Share;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Whether callers whom nobody vouches for are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// They are.
    Allow,
    /// They are refused.
    Deny,
}

impl Anonymous {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err(format!("`{text}` is neither \"allow\" nor \"deny\"")),
        }
    }
}

/// Whether what changes something must carry a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idempotency {
    /// It may.
    #[default]
    Accept,
    /// It must.
    Require,
}

impl Idempotency {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Require => "require",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "accept" => Ok(Self::Accept),
            "require" => Ok(Self::Require),
            _ => Err(format!("`{text}` is neither \"accept\" nor \"require\"")),
        }
    }
}

/// The longest time for which outcomes are kept: a year.
const KEEP_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// How long outcomes are kept.
pub(crate) fn parse_keep(raw: &Raw) -> Result<Duration, String> {
    let span = raw.duration()?;
    if (KEEP_MIN..=KEEP_MAX).contains(&span) {
        return Ok(span);
    }
    Err(
        "is at least \"24h\", so that whoever asks again the next day is known, and at most a year"
            .to_owned(),
    )
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl LogForm {
    /// The word of the file and of the flag.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(format!("`{text}` is neither \"json\" nor \"text\"")),
        }
    }
}

/// How the engine's pool is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The fast way where the machine allows it safely.
    Auto,
    /// The way that is safe on every machine.
    Safe,
}

impl Pool {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Safe => "safe",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "safe" => Ok(Self::Safe),
            _ => Err(format!("`{text}` is neither \"auto\" nor \"safe\"")),
        }
    }
}

/// What class a service is of (`control` is the operator's, and none's).
pub(crate) fn parse_priority(text: &str) -> Result<Priority, String> {
    let classes = [Priority::Batch, Priority::Default, Priority::Critical];
    classes
        .into_iter()
        .find(|class| class.as_str() == text)
        .ok_or_else(|| {
            format!(
                "`{}` is none of \"batch\", \"default\", \"critical\"",
                text.escape_debug()
            )
        })
}

/// A share of the memory: `"85%"`, in per cent.
pub(crate) fn parse_share(text: &str) -> Result<u32, String> {
    let number = text
        .strip_suffix('%')
        .and_then(|number| number.parse().ok());
    number.filter(|percent| *percent <= 100).ok_or_else(|| {
        format!(
            "`{}` is not a share between \"0%\" and \"100%\"",
            text.escape_debug()
        )
    })
}

/// The share of the callers that a new version gets first; all of them is no canary.
pub(crate) fn parse_canary(text: &str) -> Result<Share, String> {
    let thousandths = text.strip_suffix('%').and_then(|number| {
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 1 {
            return None;
        }
        let (whole, part): (u32, u32) = (whole.parse().ok()?, part.parse().ok()?);
        Share::of(whole.checked_mul(10)?.checked_add(part)?)
    });
    thousandths.ok_or_else(|| {
        format!(
            "`{}` is not a share of the callers between \"0.1%\" and \"100%\"",
            text.escape_debug()
        )
    })
}

/// How much memory all guests together may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostMemory {
    /// So many per cent of what the machine or the cgroup has.
    Percent(u8),
    /// So many bytes.
    Bytes(u64),
}

impl HostMemory {
    /// The budget in bytes, where the machine or the cgroup has `total`.
    #[must_use]
    pub fn bytes_of(self, total: u64) -> u64 {
        match self {
            Self::Percent(percent) => total / 100 * u64::from(percent),
            Self::Bytes(bytes) => bytes,
        }
    }

    pub(crate) fn parse(raw: &Raw) -> Result<Self, String> {
        if let Raw::Text(text) = raw
            && let Some(number) = text.strip_suffix('%')
        {
            return number
                .parse()
                .ok()
                .filter(|percent| (1..=95).contains(percent))
                .map(Self::Percent)
                .ok_or_else(|| format!("`{text}` is not a share between \"1%\" and \"95%\""));
        }
        let bytes = raw.bytes().map_err(|_| {
            "is neither a share such as \"60%\" nor a size such as \"2GiB\"".to_owned()
        })?;
        within(bytes, 16 << 20, 1 << 50).map(Self::Bytes)
    }
}

/// A nameserver: an address, and a port where it is not the usual one.
pub(crate) fn parse_nameserver(text: &str) -> Result<SocketAddr, String> {
    let alone = |ip: IpAddr| SocketAddr::new(ip, NAMESERVER_PORT);
    let server = text.parse().or_else(|_| text.parse().map(alone));
    match server {
        Ok(server) if server.port() != 0 && !server.ip().is_unspecified() => Ok(server),
        Ok(_) | Err(_) => Err(format!(
            "`{}` is not the address of a nameserver, such as \"10.0.0.2\" or \"127.0.0.1:5353\"",
            text.escape_debug()
        )),
    }
}
