//! The commented example files, read as what they are for people: above each setting the sentences that explain it.

use crate::settings::unknown::{Kind, known_keys};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const POLICY: &str = include_str!("../../../../../holdfast.example.toml");
const MANIFEST: &str = include_str!("../../../../../service.example.toml");

/// What must be said, and so has no default.
const NEEDED: &[&str] = &[
    "listen.tls.cert",
    "listen.tls.key",
    "upstreams.*.url",
    "upstreams.*.price.units.*.rate",
    "upstreams.*.price.units.*.most",
    "secrets.*.uses",
    "services.*.webhooks.*.from",
    "files.*.path",
    "jwt.*.issuer",
];

/// What an example file says of a key or of a table.
#[derive(Clone, Debug)]
pub(super) struct Example {
    /// The sentences above it.
    pub(super) text: String,
    /// The value that is shown; null for a table.
    pub(super) value: Value,
}

impl Example {
    /// Whether the value that is shown is the default: it is, where the sentences tell no other and it shows no name of the reader's.
    pub(super) fn is_default(&self, key: &str) -> bool {
        let simple = self.value.is_string() || self.value.is_number() || self.value.is_boolean();
        let tells = ["Default", "absent", "Either this or"];
        let told = self.text.is_empty() || tells.iter().any(|word| self.text.contains(word));
        simple && !told && !NEEDED.contains(&key)
    }
}

/// Every key and table of an example file, by the dotted path with `*` where a name stands.
pub(super) fn examples(kind: Kind) -> BTreeMap<String, Example> {
    let text = match kind {
        Kind::Policy => POLICY,
        Kind::Manifest => MANIFEST,
    };
    let known = known_keys(kind);
    let mut found = BTreeMap::new();
    let (mut sentences, mut table) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("# ") {
            if !sentences.is_empty() {
                sentences.push(' ');
            }
            sentences.push_str(words);
            continue;
        }
        if let Some(setting) = line.strip_prefix('#').filter(|setting| !setting.is_empty()) {
            note(setting, &sentences, &mut table, &known, &mut found);
        }
        sentences.clear();
    }
    found
}

/// Notes one line: the head of a table, or a key with its value.
fn note(
    setting: &str,
    sentences: &str,
    table: &mut Vec<String>,
    known: &BTreeSet<String>,
    found: &mut BTreeMap<String, Example>,
) {
    let head = setting
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let (path, value) = if let Some(head) = head {
        *table = head.split('.').map(str::to_owned).collect();
        (table.clone(), Value::Null)
    } else {
        let Ok(parsed) = setting.parse::<toml::Table>() else {
            return;
        };
        let Some((key, value)) = parsed.into_iter().next() else {
            return;
        };
        let mut path = table.clone();
        path.push(key);
        (path, serde_json::to_value(value).unwrap_or_default())
    };
    if let Some(pattern) = pattern(&path, known) {
        // The first time is where it is explained; later ones show another value.
        found.entry(pattern).or_insert_with(|| Example {
            text: sentences.to_owned(),
            value,
        });
    }
}

/// The known key, or the beginning of one, that a path is an instance of.
fn pattern(path: &[String], known: &BTreeSet<String>) -> Option<String> {
    known.iter().find_map(|known| {
        let parts: Vec<_> = known.split('.').take(path.len()).collect();
        let fits = parts.len() == path.len()
            && parts
                .iter()
                .zip(path)
                .all(|(known, part)| *known == "*" || known == part);
        fits.then(|| parts.join("."))
    })
}
