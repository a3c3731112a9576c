//! The texts of `holdfast policy`: the host's settings and layers, or everything that holds for one service, each with its origin.

use crate::settings::audit;
use crate::settings::budget;
use crate::settings::capture;
use crate::settings::compile;
use crate::settings::effective::{Effective, Fuel, Row};
use crate::settings::effects;
use crate::settings::host::HostMemory;
use crate::settings::listen;
use crate::settings::notify;
use crate::settings::policy::Policy;
use crate::settings::price;
use crate::settings::store;
use crate::settings::units::{duration_text, size_text};
use crate::settings::upstream::Upstream;
use holdfast_call::problem::push_escaped;
use holdfast_store::approvals::Own;
use std::fmt::Write as _;

/// One layer of the pipeline, as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct LayerLine<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether this host has it yet.
    pub built: Built,
    /// Its rule, in one sentence.
    pub rule: &'a str,
}

/// Whether a layer is in the pipeline of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Built {
    /// It is.
    Yes,
    /// Its place is fixed; it comes later.
    Planned,
}

/// `holdfast policy`: the host's settings with their origin, what exists, and the layers, outermost first.
#[must_use]
pub fn host_text(policy: &Policy, layers: &[LayerLine<'_>]) -> String {
    let mut out = match &policy.source {
        Some(file) => format!("policy {}\n\n", file.display()),
        None => "no policy file: loopback only, everybody is served as anonymous, nothing else is allowed\n\n".to_owned(),
    };
    push_rows(&mut out, &host_rows(policy));
    push_exists(&mut out, policy);
    out.push_str("\nlayers, outermost first\n");
    let width = layers
        .iter()
        .map(|layer| layer.name.len())
        .max()
        .unwrap_or(0);
    for (place, layer) in layers.iter().enumerate() {
        let mark = match layer.built {
            Built::Yes => "",
            Built::Planned => " (planned)",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{:>3}  {:width$}  {}{mark}",
            place + 1,
            layer.name,
            layer.rule
        );
    }
    out
}

/// `holdfast policy NAME`: everything that holds for the service, and where it came from.
#[must_use]
pub fn service_text(effective: &Effective) -> String {
    let mut out = format!("service {}\n\n", effective.name);
    push_rows(&mut out, effective.table());
    if effective.fuel == Fuel::Off {
        out.push_str("\nlimits.fuel bites on the metered engine alone (fuel = true).\n");
    }
    for note in &effective.notes {
        let _ = writeln!(out, "\nnote: {note}");
    }
    out
}

/// The host's own settings.
#[must_use]
pub fn host_rows(policy: &Policy) -> Vec<Row> {
    let memory = match policy.memory {
        HostMemory::Percent(percent) => format!("{percent}%"),
        HostMemory::Bytes(bytes) => size_text(bytes),
    };
    let log_file = policy.log_file.as_ref().map_or_else(
        || "standard output".to_owned(),
        |file| file.display().to_string(),
    );
    let proxies: Vec<_> = policy
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    let nameservers: Vec<_> = policy.nameservers.iter().map(ToString::to_string).collect();
    let nameservers = match nameservers.as_slice() {
        [] => "those of the system".to_owned(),
        servers => servers.join(", "),
    };
    let caller_rate = policy
        .caller_rate
        .map_or_else(|| "none".to_owned(), |quota| quota.to_string());
    let values = [
        ("listen", policy.listen.to_string()),
        ("admin", policy.admin.to_string()),
        ("plugins", policy.plugins.display().to_string()),
        ("data", policy.data.display().to_string()),
        ("log", policy.log.as_str().to_owned()),
        ("log_file", log_file),
        ("call_log", size_text(policy.call_log)),
        ("anonymous", policy.anonymous.as_str().to_owned()),
        ("callers", policy.callers.to_string()),
        (
            "idempotency_keep",
            duration_text(u64::try_from(policy.idempotency_keep.as_nanos()).unwrap_or(u64::MAX)),
        ),
        ("undeclared", effects::shown(policy.undeclared).to_owned()),
        ("self_approve", (policy.own == Own::Approved).to_string()),
        ("drain_ms", policy.drain.as_millis().to_string()),
        ("trusted_proxies", none_or(&proxies)),
        ("nameservers", nameservers),
        ("fuel", policy.fuel.to_string()),
        ("memory", memory),
        ("shed_memory", format!("{}%", policy.shed_memory)),
        ("slots", policy.slots.to_string()),
        ("pool", policy.pool.as_str().to_owned()),
        ("rate.caller", caller_rate),
    ];
    values
        .into_iter()
        .chain(audit::rows(&policy.audit))
        .chain(capture::rows(policy.capture))
        .chain(notify::rows(&policy.notify))
        .chain(budget::rows(&policy.budget))
        .chain(price::rows(&policy.price))
        .chain(store::rows(&policy.store))
        .chain(compile::rows(&policy.compile))
        .chain(listen::rows(&policy.listen_limits, policy.tls.as_ref()))
        .map(|(key, value)| Row {
            key: key.to_owned(),
            value,
            origin: policy.origin(key),
        })
        .collect()
}

fn push_exists(out: &mut String, policy: &Policy) {
    if !policy.upstreams.is_empty() {
        out.push_str("\nupstreams\n");
    }
    for upstream in policy.upstreams.values() {
        push_upstream(out, policy, upstream);
    }
    if !policy.secrets.is_empty() {
        out.push_str("\nsecrets\n");
    }
    for (name, secret) in &policy.secrets {
        let origin = policy.origin(&format!("secrets.{name}"));
        let _ = writeln!(out, "  {name}  {}  ({origin})", clean(&secret.to_string()));
    }
    if !policy.jwt.is_empty() {
        out.push_str("\nissuers of tokens\n");
    }
    for (name, jwt) in &policy.jwt {
        let origin = policy.origin(&format!("jwt.{name}"));
        let _ = writeln!(out, "  {name}  {}  ({origin})", clean(&jwt.to_string()));
    }
    if !policy.files.is_empty() {
        out.push_str("\nfolders\n");
    }
    for (name, folder) in &policy.files {
        let way = if folder.writable {
            "read and write"
        } else {
            "read only"
        };
        let origin = policy.origin(&format!("files.{name}"));
        let _ = writeln!(
            out,
            "  {name}  {} ({way})  ({origin})",
            clean(&folder.path.display().to_string())
        );
    }
}

fn push_upstream(out: &mut String, policy: &Policy, upstream: &Upstream) {
    let times = [
        upstream.connect,
        upstream.first_byte,
        upstream.between_bytes,
    ]
    .map(|span| duration_text(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)));
    let [connect, first_byte, between_bytes] = times;
    let credential = upstream.credential.as_ref().map_or_else(
        || "no credential".to_owned(),
        |credential| clean(&credential.to_string()).to_string(),
    );
    let only = |words: &[String]| match words {
        [] => String::new(),
        some => format!("only {}, ", some.join(" ")),
    };
    let methods: Vec<_> = upstream.methods.iter().map(ToString::to_string).collect();
    let only = only(&methods) + &only(&upstream.paths);
    let rate = upstream.per_second;
    let rate = rate.map_or_else(String::new, |rate| format!("{rate} a second, "));
    let price = upstream.price.as_ref();
    let price = price.map_or_else(String::new, |list| price::shown(list) + ", ");
    let spent = upstream.budget;
    let spent = spent.map_or_else(String::new, |limit| format!("at most {limit}, "));
    let _ = writeln!(
        out,
        "  {}  {}  class {}, connect {connect}, first byte {first_byte}, between bytes {between_bytes}, body {}, places {}, {only}{rate}{}, {price}{spent}{credential}  ({})",
        upstream.name,
        upstream.origin,
        upstream.class.as_str(),
        size_text(upstream.response_bytes),
        upstream.places,
        upstream.again,
        policy.origin(&format!("upstreams.{}", upstream.name)),
    );
}

fn push_rows(out: &mut String, rows: &[Row]) {
    let widest = |cell: fn(&Row) -> &str| rows.iter().map(|row| cell(row).chars().count()).max();
    let keys = widest(|row| &row.key).unwrap_or(0);
    let values = widest(|row| &row.value).unwrap_or(0).min(48);
    for row in rows {
        let [key, value] = [&row.key, &row.value].map(|cell| clean(cell));
        let _ = writeln!(out, "  {:keys$}  {:values$}  {}", key, value, row.origin);
    }
}

/// A value may be any text of a file; the terminal that shows it must not be steered by it.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    push_escaped(&mut clean, text);
    clean
}

fn none_or(items: &[String]) -> String {
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}
