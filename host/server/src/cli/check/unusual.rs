//! What is unusual about a component, each with its figure and what one would do about it. Nothing here stops a load.

use super::{Anatomy, Inspection};
use crate::settings::Effective;
use crate::settings::units::size_text;
use holdfast_wasm::contract::is_entry;

const MIB: u64 = 1 << 20;
/// Debug information and names of this size are worth stripping: every load hashes and reads them.
const DEBUG_BYTES: u64 = 256 << 10;
/// Data that is copied into memory for every call.
const DATA_BYTES: u64 = 8 * MIB;
/// Services in Rust have some thousands, language runtimes some ten thousand.
const FUNCTIONS: u64 = 50_000;
/// What tools emit is one module and a few small adapters.
const MODULES: u64 = 16;
/// A component that begins with more than this share of its limit has little room to work in: three quarters.
const SHARE: (u64, u64) = (3, 4);
/// Memory that is in use before the first byte is served.
const MEMORY_BYTES: u64 = 64 * MIB;

/// A line for each thing.
pub(super) fn lines(inspection: &Inspection, effective: &Effective) -> Vec<String> {
    let mut said = Vec::new();
    let anatomy = &inspection.anatomy;
    if effective.purpose.is_none() {
        said.push(
            "it declares no purpose: add purpose = \"…\" to its manifest, so that the log says why calls are made"
                .to_owned(),
        );
    }
    said.extend(interfaces(inspection, effective));
    said.extend(memory(anatomy, effective));
    said.extend(parts(anatomy));
    said.extend(weight(anatomy));
    said
}

fn interfaces(inspection: &Inspection, effective: &Effective) -> Vec<String> {
    let mut said = Vec::new();
    let has = |prefix: &str| {
        inspection
            .imports
            .iter()
            .any(|name| name.starts_with(prefix))
    };
    if has("wasi:sockets/") {
        said.push("it imports wasi:sockets: every use of it will be denied".to_owned());
    }
    if has("wasi:filesystem/") && effective.mounts.is_empty() {
        said.push(
            "it imports wasi:filesystem, but no folder is granted: every use of it will be denied"
                .to_owned(),
        );
    }
    let network = has("wasi:http/outgoing-handler") || has("wasi:http/client");
    let grants = &effective.grants;
    let asks = !grants.upstreams_asked.is_empty() || !grants.services_asked.is_empty();
    if !grants.secrets_asked.is_empty() && !has("holdfast:host/secrets") {
        said.push(
            "its manifest asks for secrets, but it does not import holdfast:host/secrets"
                .to_owned(),
        );
    }
    let keeps = [
        "wasi:keyvalue/",
        "holdfast:host/leases",
        "holdfast:host/ids",
    ];
    if !grants.kv_asked.is_empty() && !keeps.iter().any(|prefix| has(prefix)) {
        said.push("its manifest asks for buckets, but it does not import wasi:keyvalue".to_owned());
    }
    if !grants.queues_asked.is_empty() && !has("holdfast:host/queue") {
        said.push(
            "its manifest asks for queues, but it does not import holdfast:host/queue".to_owned(),
        );
    }
    if asks && !network {
        said.push("its manifest asks for upstreams or services, but it does not import the way out (wasi:http)".to_owned());
    }
    for name in &inspection.anatomy.unused {
        said.push(format!(
            "it imports {}, and nothing in it uses that",
            name.escape_debug()
        ));
    }
    let served = |name: &&String| {
        name.starts_with("wasi:http/incoming-handler@")
            || name.starts_with("wasi:http/handler@")
            || is_entry(name)
    };
    for name in inspection.exports.iter().filter(|name| !served(name)) {
        said.push(format!(
            "it exports {}, which nobody here calls",
            name.escape_debug()
        ));
    }
    if inspection
        .exports
        .iter()
        .any(|name| name.starts_with("wasi:http/handler@0.3"))
    {
        said.push("it is built for wasi:http 0.3, and so needs the engine with tasks, which is a little slower".to_owned());
    }
    said
}

fn memory(anatomy: &Anatomy, effective: &Effective) -> Option<String> {
    let (begin, limit) = (anatomy.memory_bytes, effective.limits.memory);
    let (part, whole) = SHARE;
    if begin.saturating_mul(whole) > limit.saturating_mul(part) {
        return Some(format!(
            "its memories begin with {}, and limits.memory = {} leaves little above: raise it, or lower the initial memory of the build",
            size_text(begin),
            size_text(limit)
        ));
    }
    (begin > MEMORY_BYTES).then(|| {
        format!(
            "its memories begin with {}: every call in flight counts that much against the host's memory",
            size_text(begin)
        )
    })
}

fn parts(anatomy: &Anatomy) -> Vec<String> {
    let rows = [
        ("core modules", anatomy.modules, MODULES),
        ("core instances", anatomy.instances, 2 * MODULES),
        ("components inside it", anatomy.components, MODULES),
        ("memories", anatomy.memories, 2),
        ("tables", anatomy.tables, 8),
        ("functions", anatomy.functions, FUNCTIONS),
    ];
    let many = rows.into_iter().filter(|(_, has, usual)| has > usual);
    many.map(|(what, has, usual)| format!("it has {has} {what}; more than {usual} are rare"))
        .collect()
}

fn weight(anatomy: &Anatomy) -> Vec<String> {
    let mut said = Vec::new();
    let spare = anatomy.debug_bytes + anatomy.name_bytes;
    if spare > DEBUG_BYTES {
        said.push(format!(
            "{} of its {} are debug information and names: strip them (strip = true in the profile, or wasm-tools strip)",
            rounded(spare),
            rounded(anatomy.bytes)
        ));
    }
    if anatomy.data_bytes > DATA_BYTES {
        said.push(format!(
            "it carries {} of data, of which every call gets a copy as soon as it writes there",
            rounded(anatomy.data_bytes)
        ));
    }
    said
}

/// A size for people; what is exact stands in the file.
fn rounded(bytes: u64) -> String {
    if bytes >= MIB {
        format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB)
    } else {
        format!("{} KiB", bytes.div_ceil(1 << 10))
    }
}
