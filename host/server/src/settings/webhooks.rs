//! `[services.NAME.webhooks."/path"]`: paths of a service that take what one provider has signed, and nothing else.

use crate::settings::lent::LentSecret;
use crate::settings::name::Name;
use crate::settings::policy::no_such;
use crate::settings::reader::Reader;
use crate::settings::source::join;
use crate::settings::units::Raw;
use crate::settings::upstream::within;
use holdfast_call::AccessScope;
use holdfast_capabilities::secrets::{Encoding, WEBHOOK};
use holdfast_rules::identify::signed::{Accept, BODY_BYTES, BODY_BYTES_MAX, same};
use holdfast_rules::identify::webhook::Provider;
use holdfast_store::queue::BYTES_MAX as MESSAGE_BYTES_MAX;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The longest path of a webhook, in bytes.
const PATH_BYTES_MAX: usize = 256;

/// The most keys of a webhook: one, and another while they are exchanged.
const SECRETS_MAX: usize = 2;

/// The largest body that is checked with a public key, in bytes: it is not hashed piece by piece, so others wait for it.
const PUBLIC_BYTES_MAX: u64 = BODY_BYTES as u64;

/// `[services.NAME.webhooks."/path"]`, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenWebhook {
    from: Option<String>,
    secrets: Vec<String>,
    body_bytes: Option<Raw>,
    accept: Option<String>,
}

/// Whose requests a path takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Who sends.
    pub from: Provider,
    /// The secrets that it may be signed with.
    pub secrets: Vec<Name>,
    /// The largest body, in bytes.
    pub body_bytes: u64,
    /// What becomes of a request that is verified.
    pub accept: Accept,
}

/// A webhook as it holds for its service: with what its secrets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPath {
    /// The path, as the service sees it.
    pub path: String,
    /// Who sends.
    pub from: Provider,
    /// The secrets that it may be signed with.
    pub secrets: Vec<LentSecret>,
    /// The largest body, in bytes.
    pub body_bytes: u64,
    /// What becomes of a request that is verified.
    pub accept: Accept,
}

/// The webhooks of a service, by their paths.
pub type Webhooks = BTreeMap<String, Webhook>;

/// Reads the table of a service; `table` is its dotted path.
pub(crate) fn check(
    written: BTreeMap<String, WrittenWebhook>,
    table: &str,
    reader: &mut Reader<'_>,
) -> Webhooks {
    let mut webhooks = Webhooks::new();
    for (path, written) in written {
        let key = join(table, &path);
        if reader.take(&key, check_path(&path)).is_none() {
            continue;
        }
        if let Some(other) = webhooks.keys().find(|other| same(other, &path)) {
            let message = format!("can be read as `{other}`, which is a webhook too");
            reader.wrong(&key, message);
            continue;
        }
        if let Some(webhook) = one(written, &key, reader) {
            webhooks.insert(path, webhook);
        }
    }
    webhooks
}

fn one(written: WrittenWebhook, key: &str, reader: &mut Reader<'_>) -> Option<Webhook> {
    let own = |name: &str| join(key, name);
    let body_bytes = reader.or(
        &own("body_bytes"),
        written.body_bytes,
        BODY_BYTES as u64,
        |raw| within(raw.bytes()?, 1, BODY_BYTES_MAX as u64),
    );
    let secrets = reader.list(&own("secrets"), &written.secrets, Name::parse);
    if !(1..=SECRETS_MAX).contains(&written.secrets.len()) {
        let message = "needs `secrets`: the name of one, or of two while they are exchanged";
        reader.wrong(key, message);
    }
    let Some(from) = written.from else {
        let message = format!("needs `from`: who sends, one of {}", providers());
        reader.wrong(key, message);
        return None;
    };
    let from = Provider::parse(&from).ok_or_else(|| {
        let from = from.escape_debug();
        format!("`{from}` is none of {}", providers())
    });
    let accept = written.accept.as_deref().map(accept);
    let accept = accept.and_then(|accept| reader.take(&own("accept"), accept));
    let accept = accept.unwrap_or_default();
    if accept == Accept::Queue && body_bytes > MESSAGE_BYTES_MAX as u64 {
        let message = format!("is at most {MESSAGE_BYTES_MAX} where requests go into a queue");
        reader.wrong(&own("body_bytes"), message);
    }
    Some(Webhook {
        from: reader.take(&own("from"), from)?,
        secrets,
        body_bytes,
        accept,
    })
}

fn accept(word: &str) -> Result<Accept, String> {
    match word {
        "service" => Ok(Accept::Service),
        "queue" => Ok(Accept::Queue),
        other => Err(format!(
            "`{}` is neither \"service\", which is asked at once, nor \"queue\", from which it is given the request",
            other.escape_debug()
        )),
    }
}

fn providers() -> String {
    let all = Provider::ALL.map(|provider| format!("\"{provider}\""));
    all.join(", ")
}

/// A path that everybody reads alike.
fn check_path(path: &str) -> Result<(), String> {
    let plain = path.starts_with('/') && path.len() <= PATH_BYTES_MAX;
    if plain && AccessScope::parse(&format!("any{path}")).is_ok() {
        return Ok(());
    }
    Err(format!(
        "is not a path of the service that is read in one way: write it as \"/hooks/github\", without `..`, `//`, `;`, `%`, `\\`, `?` and `#`, of at most {PATH_BYTES_MAX} bytes"
    ))
}

/// The secrets that webhooks name must be there, and be keys of their provider. `table` is the dotted path of the service's webhooks.
pub(crate) fn check_secrets(
    webhooks: &Webhooks,
    there_are: &BTreeMap<Name, LentSecret>,
    table: &str,
    reader: &mut Reader<'_>,
) {
    for (path, webhook) in webhooks {
        let key = join(&join(table, path), "secrets");
        for name in &webhook.secrets {
            match there_are.get(name) {
                None => {
                    let known = there_are.keys().map(Name::as_str);
                    reader.wrong(&key, no_such("secrets", name, known));
                }
                Some(secret) => {
                    reader.take(&key, fits(webhook, secret));
                }
            }
        }
    }
}

fn fits(webhook: &Webhook, secret: &LentSecret) -> Result<(), String> {
    let name = &secret.name;
    if !secret.uses.contains(&WEBHOOK) {
        return Err(format!(
            "`{name}` is not for webhooks: write \"webhook\" in `uses` under [secrets.{name}]"
        ));
    }
    match (webhook.from, secret.encoding) {
        (Provider::Standard, Encoding::Ed25519) if webhook.body_bytes > PUBLIC_BYTES_MAX => {
            Err(format!(
                "`{name}` is a public key: `body_bytes` is at most {PUBLIC_BYTES_MAX} with one"
            ))
        }
        (Provider::Standard, Encoding::Text) => Err(format!(
            "`{name}` is a key as text, and Standard Webhooks have it in base64: `encoding` under [secrets.{name}] is \"base64\" (whsec_…) or \"ed25519\" (whpk_…)"
        )),
        (Provider::Standard, Encoding::Base64 | Encoding::Hex | Encoding::Ed25519)
        | (_, Encoding::Text | Encoding::Base64 | Encoding::Hex) => Ok(()),
        (from, Encoding::Ed25519) => Err(format!(
            "`{name}` is a public key, and {from} signs with one that both sides have"
        )),
    }
}
