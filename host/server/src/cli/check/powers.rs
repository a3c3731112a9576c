//! What a component's imports mean for the operator: each kind of power, whether it is allowed, and by which line.
//!
//! It only words what `merge` has decided.

use crate::settings::{Merged, Origin, Row};
use std::collections::BTreeMap;

/// What an import is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Power {
    Network,
    Secrets,
    KeyValue,
    Queue,
    Sockets,
    Files,
    Environment,
    Config,
    Log,
    Clock,
    Random,
    Nothing,
    Unknown,
}

/// By the beginning of the import's name; the first that fits.
const POWERS: &[(&str, Power)] = &[
    ("wasi:http/outgoing-handler", Power::Network),
    ("wasi:http/client", Power::Network),
    ("wasi:http/types", Power::Nothing),
    ("holdfast:host/secrets", Power::Secrets),
    ("holdfast:host/queue", Power::Queue),
    ("wasi:keyvalue/", Power::KeyValue),
    ("holdfast:host/leases", Power::KeyValue),
    ("holdfast:host/ids", Power::KeyValue),
    ("wasi:sockets/", Power::Sockets),
    ("wasi:filesystem/", Power::Files),
    ("wasi:cli/environment", Power::Environment),
    ("wasi:cli/stdout", Power::Log),
    ("wasi:cli/stderr", Power::Log),
    ("wasi:logging/", Power::Log),
    ("wasi:config/", Power::Config),
    ("wasi:clocks/", Power::Clock),
    ("wasi:random/", Power::Random),
    ("wasi:io/", Power::Nothing),
    ("wasi:cli/", Power::Nothing),
];

impl Power {
    fn of(import: &str) -> Self {
        let found = POWERS.iter().find(|(prefix, _)| import.starts_with(prefix));
        found.map_or(Self::Unknown, |(_, power)| *power)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network, through http",
            Self::Secrets => "use of secrets",
            Self::KeyValue => "keys and values of its own",
            Self::Queue => "messages to queues",
            Self::Sockets => "network, by sockets",
            Self::Files => "files",
            Self::Environment => "environment",
            Self::Config => "configuration",
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Nothing => "no power of its own",
            Self::Unknown => "not offered by this host",
        }
    }
}

/// One line for each kind of power that is imported.
pub(super) fn lines(imports: &[String], merged: &Merged) -> Vec<String> {
    let mut powers: BTreeMap<Power, Vec<&str>> = BTreeMap::new();
    for import in imports {
        let name = import
            .split_once('@')
            .map_or(import.as_str(), |(name, _)| name);
        let short = name.split_once(':').map_or(name, |(_, short)| short);
        powers.entry(Power::of(import)).or_default().push(short);
    }
    powers
        .iter()
        .map(|(power, names)| {
            let names: String = names.join(", ").escape_debug().collect();
            format!("{} ({names}): {}", power.as_str(), said(*power, merged))
        })
        .collect()
}

fn said(power: Power, merged: &Merged) -> String {
    let name = &merged.effective.name;
    match power {
        Power::Network => named(merged, &["upstreams", "services"]),
        Power::Secrets => named(merged, &["secrets"]),
        Power::KeyValue => kept(merged),
        Power::Queue => named(merged, &["queues"]),
        Power::Sockets => "denied: always; there is no way out but http".to_owned(),
        Power::Files => under(merged, "files.").unwrap_or_else(|| {
            format!(
                "denied: no folder is granted; the manifest must name one under [files], and so must [services.{name}] of the policy"
            )
        }),
        Power::Environment => under(merged, "env.")
            .unwrap_or_else(|| "allowed, but empty: the manifest has no [env]".to_owned()),
        Power::Config => under(merged, "config.")
            .unwrap_or_else(|| "allowed, but empty: the manifest has no [config]".to_owned()),
        Power::Log => {
            let limit = |key| {
                row(merged, key).map_or(String::new(), |row| format!("{} ({})", row.value, row.origin))
            };
            format!(
                "allowed: up to {} lines and {} a call",
                limit("limits.log_lines"),
                limit("limits.log_bytes")
            )
        }
        Power::Clock | Power::Random => "allowed: always".to_owned(),
        Power::Nothing => "used by the others".to_owned(),
        Power::Unknown => "it keeps the component from loading".to_owned(),
    }
}

/// The buckets that are granted, and how much may be in them.
fn kept(merged: &Merged) -> String {
    let said = named(merged, &["kv"]);
    let quota = ["limits.kv_bytes", "limits.kv_keys"].map(|key| row(merged, key));
    match quota {
        [Some(bytes), Some(keys)] if said.starts_with("allowed") => {
            format!("{said}; up to {} in {} keys", bytes.value, keys.value)
        }
        _ => said,
    }
}

/// What is granted under these keys, each with its line.
fn named(merged: &Merged, keys: &[&str]) -> String {
    let granted: Vec<_> = keys
        .iter()
        .filter_map(|key| Some((key, row(merged, key)?)))
        .filter(|(_, row)| row.value != "none")
        .map(|(key, row)| format!("{key} {} ({})", row.value, row.origin))
        .collect();
    if granted.is_empty() {
        format!(
            "denied: nothing is granted; the manifest must name it under {}, and so must [services.{}] of the policy",
            keys.join(" or "),
            merged.effective.name
        )
    } else {
        format!("allowed: {}", granted.join("; "))
    }
}

fn row<'a>(merged: &'a Merged, key: &str) -> Option<&'a Row> {
    merged.effective.table().iter().find(|row| row.key == key)
}

/// What is granted of a table, each with its line; `None` if nothing is. Values are left out: they may be long, and are shown below.
fn under(merged: &Merged, prefix: &str) -> Option<String> {
    let rows = merged.effective.table().iter();
    let granted: Vec<_> = rows
        .filter_map(|row| Some((row.key.strip_prefix(prefix)?, row)))
        .map(|(name, row)| {
            let way = match row.origin {
                Origin::Policy { .. } => format!(" as {}", row.value),
                Origin::Default | Origin::Flag | Origin::Manifest { .. } => String::new(),
            };
            format!("{name}{way} ({})", row.origin)
        })
        .map(|line| line.escape_debug().collect::<String>())
        .collect();
    (!granted.is_empty()).then(|| format!("allowed: {}", granted.join("; ")))
}
