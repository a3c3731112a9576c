//! How requests to an upstream are sent again: how often, which of them, under which key, and when not at all.

use crate::settings::credential::check_header;
use crate::settings::reader::Reader;
use crate::settings::upstream::within;
use crate::settings::written::WrittenUpstream;
use http::HeaderName;
use std::fmt;

/// Which requests may be sent twice although the first may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Those whose method says so (`GET`, `PUT`, …), and any that carries a key which the upstream knows.
    Idempotent,
    /// All of them.
    All,
}

impl Repeat {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idempotent => "idempotent",
            Self::All => "all",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "idempotent" => Ok(Self::Idempotent),
            "all" => Ok(Self::All),
            _ => Err(format!(
                "`{}` is not one of \"idempotent\" and \"all\"",
                text.escape_debug()
            )),
        }
    }
}

/// Three tries: what one more does not mend, a fourth seldom does.
const ATTEMPTS: u64 = 3;
/// More would only be load.
const ATTEMPTS_MAX: u64 = 10;

/// How requests to one upstream are sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// How many tries a call has, the first one included.
    pub attempts: u32,
    /// Which requests may be sent twice although the first may have taken effect.
    pub repeat: Repeat,
    /// The header in which the upstream takes a key by which it knows a request again.
    pub header: Option<HeaderName>,
    /// Whether the upstream is left alone for a while when it keeps failing.
    pub breaker: Breaker,
}

/// Whether an upstream that keeps failing is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// It is.
    On,
    /// It is asked all the same.
    Off,
}

impl Again {
    pub(crate) fn check(
        written: &WrittenUpstream,
        usual: Repeat,
        path: &str,
        reader: &mut Reader<'_>,
    ) -> Self {
        let key = |name: &str| format!("{path}.{name}");
        let attempts = reader.or(
            &key("attempts"),
            written.attempts.clone(),
            ATTEMPTS,
            |raw| within(raw.count()?, 1, ATTEMPTS_MAX),
        );
        let repeat = reader.or(
            &key("repeat"),
            written.repeat.as_deref(),
            usual,
            Repeat::parse,
        );
        let header = written.idempotency_header.as_deref();
        let header =
            header.and_then(|text| reader.take(&key("idempotency_header"), check_header(text)));
        Self {
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            repeat,
            header,
            breaker: if written.breaker.unwrap_or(true) {
                Breaker::On
            } else {
                Breaker::Off
            },
        }
    }
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "attempts {}, repeat {}",
            self.attempts,
            self.repeat.as_str()
        )?;
        if let Some(header) = &self.header {
            write!(f, ", keyed by `{header}`")?;
        }
        match self.breaker {
            Breaker::On => Ok(()),
            Breaker::Off => f.write_str(", no breaker"),
        }
    }
}
