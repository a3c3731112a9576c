//! What a key takes: seen from its example, or told here where an example cannot show it.

use crate::settings::limits::{Limit, Unit};
use serde_json::{Value, json};

/// A form of value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// `"250ms"`.
    Duration,
    /// `"64KiB"`, or bytes; with `share` also `"60%"`.
    Size {
        /// Whether a share may stand there.
        share: Share,
    },
    /// A text, of a pattern.
    Text {
        /// The pattern, if it has one.
        pattern: Option<&'static str>,
    },
    /// One of these words.
    Words(&'static [&'static str]),
    /// A program with its arguments.
    Command,
    /// A list of texts, each of a pattern.
    List(Option<&'static str>),
}

/// Whether `"60%"` may stand in the place of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// It may.
    Taken,
    /// It may not.
    Refused,
}

const NAME: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
const NET: &str = "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$";
const NAMESERVER: &str = "^([0-9]{1,3}(\\.[0-9]{1,3}){3}(:[0-9]{1,5})?|[0-9a-fA-F:.]+|\\[[0-9a-fA-F:.%]+\\]:[0-9]{1,5})$";
const ADDRESS: &str = "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|\\[[0-9a-fA-F:.%]+\\]):[0-9]{1,5}$";
const URL: &str = "^[hH][tT][tT][pP][sS]?://[^@\\s]+$";
const ROUTE: &str = "^[a-z0-9.-]*/";
const FUNCTION: &str = "^[!-.0-~]+(/[!-.0-~]+)*$";
const DURATION: &str = "^[0-9]+\\s*(h|m|s|ms|us)$";
const SIZE: &str = "^[0-9]+\\s*(TiB|GiB|MiB|KiB|B)$";
const MONEY: &str = "^[0-9]+(\\.[0-9]{1,9})? *USD$";
const RATE: &str = "^[0-9]+(\\.[0-9]{1,12})? *USD$";
const BUDGET: &str = "^[0-9]+(\\.[0-9]{1,9})? *USD */ *(hour|day|month)$";
const POINTER: &str = "^/.{0,255}$";
const CALLER: &str = "^(\\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(:[!#-\\[\\]-~]{1,200})?)$";
const PUBLIC: &str = "^[A-Z]+ /[!-~]*$";
const CHANGE: &str = "^([A-Z]+ /[!-~]*|[!-~]+)$";
const ALGORITHM: &str = "^(RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|EdDSA)$";
const ACCESS: &str = "^(\\*|[a-z0-9-]+)(:[A-Z]+)?(/[!-~]*)?$";
const SHARE: &str = "^\\+?[0-9]+%$";
const QUOTA: &str = "^[0-9]+/[smhd]( burst [0-9]+)?$";
const EVENT: &str = "^(approval-wanted|budget-soft|quarantine|put-back|indeterminate|dead-letter|disk-low|certificate-ending|audit-unverifiable)$";
const PART: &str = "^[0-9]+(\\.[0-9])?%$";

/// What an example cannot show: words, patterns and ranges.
const TOLD: &[(&str, Shape)] = &[
    (
        "listen.address",
        Shape::Text {
            pattern: Some(ADDRESS),
        },
    ),
    (
        "admin",
        Shape::Text {
            pattern: Some(ADDRESS),
        },
    ),
    ("log", Shape::Words(&["json", "text"])),
    ("anonymous", Shape::Words(&["allow", "deny"])),
    ("services.*.anonymous", Shape::Words(&["allow", "deny"])),
    (
        "services.*.idempotency",
        Shape::Words(&["accept", "require"]),
    ),
    ("undeclared", Shape::Words(&["allow", "hold", "refuse"])),
    (
        "services.*.undeclared",
        Shape::Words(&["allow", "hold", "refuse"]),
    ),
    ("effects.durable", Shape::List(Some(CHANGE))),
    ("effects.idempotent", Shape::List(Some(CHANGE))),
    ("effects.irreversible", Shape::List(Some(CHANGE))),
    (
        "effects.undo.*",
        Shape::Text {
            pattern: Some(CHANGE),
        },
    ),
    ("priority", Shape::Words(&["batch", "default", "critical"])),
    (
        "services.*.priority",
        Shape::Words(&["batch", "default", "critical"]),
    ),
    (
        "services.*.canary",
        Shape::Text {
            pattern: Some(PART),
        },
    ),
    (
        "rate.caller",
        Shape::Text {
            pattern: Some(QUOTA),
        },
    ),
    (
        "services.*.rate.caller",
        Shape::Text {
            pattern: Some(QUOTA),
        },
    ),
    (
        "services.*.rate.calls",
        Shape::Text {
            pattern: Some(QUOTA),
        },
    ),
    (
        "services.*.rate.operations.*",
        Shape::Text {
            pattern: Some(QUOTA),
        },
    ),
    (
        "shed_memory",
        Shape::Text {
            pattern: Some(SHARE),
        },
    ),
    ("pool", Shape::Words(&["auto", "safe"])),
    (
        "services.*.capture",
        Shape::Words(&["off", "faults", "all"]),
    ),
    (
        "capture.keep_days",
        Shape::Count {
            least: 1,
            most: 366,
        },
    ),
    ("audit.calls", Shape::Words(&["all", "changes"])),
    (
        "audit.keep_days",
        Shape::Count {
            least: 1,
            most: 36_500,
        },
    ),
    ("notify.url", Shape::Text { pattern: Some(URL) }),
    (
        "notify.secret",
        Shape::Text {
            pattern: Some(NAME),
        },
    ),
    ("notify.command", Shape::Command),
    ("notify.on", Shape::List(Some(EVENT))),
    (
        "drain_ms",
        Shape::Count {
            least: 0,
            most: 600_000,
        },
    ),
    (
        "slots",
        Shape::Count {
            least: 1,
            most: 100_000,
        },
    ),
    (
        "memory",
        Shape::Size {
            share: Share::Taken,
        },
    ),
    ("trusted_proxies", Shape::List(Some(NET))),
    ("nameservers", Shape::List(Some(NAMESERVER))),
    ("upstreams.*.url", Shape::Text { pattern: Some(URL) }),
    ("upstreams.*.class", Shape::Words(&["http", "llm"])),
    (
        "upstreams.*.per_second",
        Shape::Count {
            least: 1,
            most: 1_000_000,
        },
    ),
    (
        "budget.host",
        Shape::Text {
            pattern: Some(BUDGET),
        },
    ),
    (
        "budget.caller",
        Shape::Text {
            pattern: Some(BUDGET),
        },
    ),
    (
        "budget.execution",
        Shape::Text {
            pattern: Some(MONEY),
        },
    ),
    (
        "budget.soft",
        Shape::Text {
            pattern: Some(SHARE),
        },
    ),
    (
        "price.cpu_second",
        Shape::Text {
            pattern: Some(MONEY),
        },
    ),
    (
        "price.gib_out",
        Shape::Text {
            pattern: Some(MONEY),
        },
    ),
    (
        "services.*.budget",
        Shape::Text {
            pattern: Some(BUDGET),
        },
    ),
    (
        "services.*.degrade.status",
        Shape::Count {
            least: 200,
            most: 599,
        },
    ),
    (
        "services.*.degrade.service",
        Shape::Text {
            pattern: Some(NAME),
        },
    ),
    (
        "upstreams.*.budget",
        Shape::Text {
            pattern: Some(BUDGET),
        },
    ),
    (
        "upstreams.*.price.units.*.rate",
        Shape::Text {
            pattern: Some(RATE),
        },
    ),
    (
        "upstreams.*.price.units.*.pointer",
        Shape::Text {
            pattern: Some(POINTER),
        },
    ),
    (
        "upstreams.*.price.units.*.most",
        Shape::Count {
            least: 1,
            most: 1_000_000_000_000,
        },
    ),
    (
        "upstreams.*.price.request",
        Shape::Text {
            pattern: Some(MONEY),
        },
    ),
    ("upstreams.*.attempts", Shape::Count { least: 1, most: 10 }),
    ("upstreams.*.repeat", Shape::Words(&["idempotent", "all"])),
    ("upstreams.*.allow_private", Shape::List(Some(NET))),
    ("contract.check", Shape::Words(&["requests", "both"])),
    ("routes", Shape::List(Some(ROUTE))),
    ("upstreams", Shape::List(Some(NAME))),
    ("services", Shape::List(Some(NAME))),
    ("callers", Shape::List(Some(CALLER))),
    ("services.*.callers", Shape::List(Some(CALLER))),
    ("public_routes", Shape::List(Some(PUBLIC))),
    ("services.*.public_routes", Shape::List(Some(PUBLIC))),
    ("jwt.*.url", Shape::Text { pattern: Some(URL) }),
    ("jwt.*.algorithms", Shape::List(Some(ALGORITHM))),
    ("jwt.*.scopes", Shape::List(Some(ACCESS))),
    ("jwt.*.grants.*", Shape::List(Some(ACCESS))),
    ("services.*.upstreams", Shape::List(Some(NAME))),
    ("services.*.services", Shape::List(Some(NAME))),
    ("secrets", Shape::List(Some(NAME))),
    ("services.*.secrets", Shape::List(Some(NAME))),
    ("kv", Shape::List(Some(NAME))),
    ("queues", Shape::List(Some(NAME))),
    ("services.*.kv", Shape::List(Some(NAME))),
    ("services.*.queues", Shape::List(Some(NAME))),
    ("contract.safe", Shape::List(Some(FUNCTION))),
    (
        "services.*.webhooks.*.from",
        Shape::Words(&["standard", "github", "stripe", "slack", "telegram"]),
    ),
    (
        "services.*.webhooks.*.accept",
        Shape::Words(&["service", "queue"]),
    ),
    ("services.*.webhooks.*.secrets", Shape::List(Some(NAME))),
    (
        "secrets.*.uses",
        Shape::List(Some("^(sign|verify|webhook)$")),
    ),
    (
        "secrets.*.encoding",
        Shape::Words(&["text", "base64", "hex", "ed25519"]),
    ),
    ("services.*.files", Shape::List(Some(NAME))),
];

/// The limit of a key.
pub(super) fn limit(key: &str) -> Option<Limit> {
    Limit::ALL.iter().copied().find(|limit| limit.key() == key)
}

/// What a key takes.
pub(super) fn shape(key: &str, example: Option<&Value>) -> Shape {
    if let Some((_, last)) = key.rsplit_once("limits.")
        && let Some(limit) = limit(last)
    {
        return of_limit(limit);
    }
    let told = TOLD.iter().find(|(told, _)| *told == key);
    if let Some((_, shape)) = told {
        return shape.clone();
    }
    match example {
        Some(Value::Bool(_)) => Shape::Flag,
        Some(Value::Number(_)) => Shape::Count {
            least: 0,
            most: u64::from(u32::MAX),
        },
        Some(Value::Array(_)) => Shape::List(None),
        Some(Value::String(text)) => of_text(key, text),
        Some(Value::Null | Value::Object(_)) | None => Shape::Text { pattern: None },
    }
}

fn of_limit(limit: Limit) -> Shape {
    match limit.unit() {
        Unit::Time => Shape::Duration,
        Unit::Bytes => Shape::Size {
            share: Share::Refused,
        },
        Unit::Count => {
            let (least, most) = limit.range();
            Shape::Count { least, most }
        }
    }
}

/// A text that reads as a duration or a size is one; what a guest reads as its environment is text, whatever it looks like.
fn of_text(key: &str, text: &str) -> Shape {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let named = key.ends_with('*');
    let has_number = digits.len() < text.len() && !named;
    match digits {
        "h" | "m" | "s" | "ms" | "us" if has_number => Shape::Duration,
        "TiB" | "GiB" | "MiB" | "KiB" | "B" if has_number => Shape::Size {
            share: Share::Refused,
        },
        _ => Shape::Text { pattern: None },
    }
}

impl Shape {
    /// The form as a schema.
    pub(super) fn schema(&self) -> Value {
        let count = |least: u64, most: u64| {
            // TOML's own numbers end here, and so do those of a schema.
            let most = most.min(u64::try_from(i64::MAX).unwrap_or(u64::MAX));
            json!({ "type": "integer", "minimum": least, "maximum": most })
        };
        match self {
            Self::Flag => json!({ "type": "boolean" }),
            Self::Count { least, most } => count(*least, *most),
            Self::Duration => json!({ "type": "string", "pattern": DURATION }),
            Self::Size { share } => {
                let mut ways = vec![
                    count(0, u64::MAX),
                    json!({ "type": "string", "pattern": SIZE }),
                ];
                if *share == Share::Taken {
                    ways.push(json!({ "type": "string", "pattern": SHARE }));
                }
                json!({ "anyOf": ways })
            }
            Self::Text { pattern: None } => json!({ "type": "string" }),
            Self::Text {
                pattern: Some(pattern),
            } => json!({ "type": "string", "pattern": pattern }),
            Self::Words(words) => json!({ "type": "string", "enum": words }),
            Self::Command => {
                let word = json!({ "type": "string" });
                json!({ "type": "array", "items": word, "minItems": 1 })
            }
            Self::List(pattern) => {
                let item = Self::Text { pattern: *pattern };
                json!({ "type": "array", "items": item.schema(), "uniqueItems": true })
            }
        }
    }
}
