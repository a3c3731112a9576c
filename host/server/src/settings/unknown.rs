//! The keys there are, and what is said about one that is not among them: the key, its line and the nearest known one.
//!
//! The list is the only one: what is not here is refused before serde sees the file, and a test compares it with the example file.

use crate::settings::error::Problem;
use crate::settings::limits::Limit;
use crate::settings::source::{Source, join};
use std::collections::BTreeSet;
use toml::de::{DeTable, DeValue};

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `NAME.toml`, the author's.
    Manifest,
    /// `holdfast.toml`, the operator's.
    Policy,
}

/// The author's keys; `*` stands for any name, `limits.+` for every limit.
const MANIFEST: &[&str] = &[
    "purpose",
    "routes",
    "public",
    "public_routes",
    "priority",
    "fuel",
    "reuse",
    "upstreams",
    "services",
    "secrets",
    "kv",
    "queues",
    "contract.safe",
    "effects.durable",
    "effects.idempotent",
    "effects.irreversible",
    "effects.undo.*",
    "schedule.*.cron",
    "schedule.*.every",
    "schedule.*.zone",
    "schedule.*.operation",
    "schedule.*.overlap",
    "schedule.*.catch_up",
    "files.*",
    "env.*",
    "config.*",
    "contract.openapi",
    "contract.check",
    "contract.routes.*.request",
    "contract.routes.*.answer",
    "limits.+",
];

/// The operator's keys.
const POLICY: &[&str] = &[
    "listen.address",
    "listen.tls.cert",
    "listen.tls.key",
    "listen.limits.connections",
    "listen.limits.connections_per_address",
    "listen.limits.head",
    "listen.limits.idle",
    "listen.limits.write",
    "listen.limits.head_bytes",
    "listen.limits.fields",
    "listen.limits.target_bytes",
    "listen.limits.body_bytes",
    "listen.limits.streams",
    "listen.limits.resets",
    "listen.limits.frames",
    "admin",
    "plugins",
    "data",
    "log",
    "log_file",
    "call_log",
    "anonymous",
    "callers",
    "drain_ms",
    "idempotency_keep",
    "undeclared",
    "self_approve",
    "trusted_proxies",
    "nameservers",
    "fuel",
    "memory",
    "shed_memory",
    "slots",
    "pool",
    "store.url",
    "store.password.systemd",
    "store.password.file",
    "store.password.env",
    "compile.memory",
    "compile.cpu",
    "compile.wall",
    "compile.output",
    "limits.+",
    "rate.caller",
    "audit.calls",
    "audit.keep",
    "audit.keep_days",
    "notify.url",
    "notify.secret",
    "notify.command",
    "notify.on",
    "notify.again",
    "notify.disk_free",
    "budget.host",
    "budget.caller",
    "budget.execution",
    "budget.soft",
    "price.cpu_second",
    "price.gib_out",
    "price.version",
    "audit.copy",
    "capture.keep",
    "capture.keep_days",
    "services.*.upstreams",
    "services.*.services",
    "services.*.secrets",
    "services.*.kv",
    "services.*.queues",
    "services.*.files",
    "services.*.anonymous",
    "services.*.callers",
    "services.*.public_routes",
    "services.*.priority",
    "services.*.canary",
    "services.*.idempotency",
    "services.*.capture",
    "services.*.undeclared",
    "services.*.rate.caller",
    "services.*.rate.calls",
    "services.*.rate.operations.*",
    "services.*.budget",
    "services.*.degrade.cached",
    "services.*.degrade.answer",
    "services.*.degrade.status",
    "services.*.degrade.content_type",
    "services.*.degrade.service",
    "services.*.fuel",
    "services.*.webhooks.*.from",
    "services.*.webhooks.*.secrets",
    "services.*.webhooks.*.body_bytes",
    "services.*.webhooks.*.accept",
    "services.*.limits.+",
    "upstreams.*.url",
    "upstreams.*.class",
    "upstreams.*.connect",
    "upstreams.*.first_byte",
    "upstreams.*.between_bytes",
    "upstreams.*.response_bytes",
    "upstreams.*.places",
    "upstreams.*.methods",
    "upstreams.*.paths",
    "upstreams.*.per_second",
    "upstreams.*.attempts",
    "upstreams.*.repeat",
    "upstreams.*.idempotency_header",
    "upstreams.*.breaker",
    "upstreams.*.allow_private",
    "upstreams.*.ca",
    "upstreams.*.override_floor",
    "upstreams.*.price.request",
    "upstreams.*.price.version",
    "upstreams.*.price.units.*.rate",
    "upstreams.*.price.units.*.header",
    "upstreams.*.price.units.*.pointer",
    "upstreams.*.price.units.*.most",
    "upstreams.*.budget",
    "upstreams.*.credential.header",
    "upstreams.*.credential.format",
    "upstreams.*.credential.user",
    "upstreams.*.credential.query",
    "upstreams.*.credential.systemd",
    "upstreams.*.credential.file",
    "upstreams.*.credential.env",
    "secrets.*.uses",
    "secrets.*.encoding",
    "secrets.*.systemd",
    "secrets.*.file",
    "secrets.*.env",
    "files.*.path",
    "files.*.write",
    "jwt.*.issuer",
    "jwt.*.audience",
    "jwt.*.keys",
    "jwt.*.url",
    "jwt.*.algorithms",
    "jwt.*.subject",
    "jwt.*.scopes",
    "jwt.*.claim",
    "jwt.*.grants.*",
];

/// Every key of a file, as dotted paths with `*` where a name stands.
#[must_use]
pub fn known_keys(kind: Kind) -> BTreeSet<String> {
    let patterns = match kind {
        Kind::Manifest => MANIFEST,
        Kind::Policy => POLICY,
    };
    let mut keys = BTreeSet::new();
    for pattern in patterns {
        match pattern.strip_suffix('+') {
            Some(prefix) => {
                // In a manifest, `reuse` is a wish of its own.
                let limits = Limit::ALL.iter();
                let limits =
                    limits.filter(|limit| kind == Kind::Policy || !matches!(limit, Limit::Reuse));
                keys.extend(limits.map(|limit| format!("{prefix}{limit}")));
            }
            None => {
                keys.insert((*pattern).to_owned());
            }
        }
    }
    keys
}

/// Every unknown key of `table`.
pub(crate) fn problems(source: &Source, table: &DeTable<'_>, kind: Kind) -> Vec<Problem> {
    let known = known_keys(kind);
    let mut problems = Vec::new();
    let mut walk = Walk {
        source,
        known: &known,
        problems: &mut problems,
    };
    walk.table("", "", table);
    problems
}

struct Walk<'a> {
    source: &'a Source,
    known: &'a BTreeSet<String>,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, path: &str, pattern: &str, table: &DeTable<'_>) {
        let siblings = self.under(pattern);
        if siblings.is_empty() {
            // A leaf that was written as a table: serde says so, with the type it wants.
            return;
        }
        for (key, value) in table {
            let key = key.get_ref();
            let path = join(path, key);
            let segment = if siblings.contains("*") {
                "*"
            } else if siblings.contains(&**key) {
                key
            } else {
                let message = self.unknown(key, &siblings);
                self.problems.push(self.source.problem(&path, message));
                continue;
            };
            if let DeValue::Table(inner) = value.get_ref() {
                self.table(&path, &join(pattern, segment), inner);
            }
        }
    }

    /// The names that may stand directly under `pattern`.
    fn under(&self, pattern: &str) -> BTreeSet<String> {
        let prefix = if pattern.is_empty() {
            String::new()
        } else {
            format!("{pattern}.")
        };
        self.known
            .iter()
            .filter_map(|key| key.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('.').next())
            .map(str::to_owned)
            .collect()
    }

    fn unknown(&self, key: &str, siblings: &BTreeSet<String>) -> String {
        // A key that exists in another table is most often under the wrong heading.
        let elsewhere = self
            .known
            .iter()
            .filter(|known| known.rsplit('.').next() == Some(key))
            .min_by_key(|known| known.len());
        if let Some(known) = elsewhere {
            return format!("unknown key here; did you mean `{known}`?");
        }
        match nearest(key, siblings.iter().map(String::as_str)) {
            Some(near) => format!("unknown key; did you mean `{near}`?"),
            None => {
                let all: Vec<_> = siblings.iter().map(String::as_str).collect();
                format!("unknown key; known here are {}", all.join(", "))
            }
        }
    }
}

/// The longest word that is compared with the known ones, in bytes.
const WORD_BYTES_MAX: usize = 128;

/// The one of `known` that `word` most likely was meant to be.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The comparison takes time and memory by the product of the lengths; what is far longer than every key is near to none.
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
