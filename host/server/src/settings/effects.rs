//! `[effects]` of a manifest: what the operations of a service do when they change something. And `undeclared` of the policy: what happens
//! to those of which nothing is said.

use crate::settings::reader::Reader;
use holdfast_rules::effects::{Declared, Undeclared, parse_undo};
use holdfast_rules::method_path::MethodPath;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Each request that changes something is compared with each of them.
const OPERATIONS_MAX: usize = 256;

/// `[effects]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenEffects {
    pub(crate) idempotent: Vec<String>,
    pub(crate) irreversible: Vec<String>,
    pub(crate) undo: BTreeMap<String, String>,
    pub(crate) durable: Vec<String>,
}

/// What is declared.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// What each operation is.
    pub(super) declared: BTreeMap<String, Declared>,
    /// Those that are durable.
    pub(super) durable: Vec<String>,
}

/// Reads it: each operation with what it is. Whether a function is one, the component says.
pub(super) fn check(written: WrittenEffects, reader: &mut Reader<'_>) -> Checked {
    let durable = durable(written.durable, reader);
    let mut declared = BTreeMap::new();
    let plain = |list: Vec<String>, key: &str, what: &Declared| -> Vec<_> {
        let list = list.into_iter();
        list.map(|named| (key.to_owned(), named, Some(what.clone())))
            .collect()
    };
    let mut all = plain(
        written.idempotent,
        "effects.idempotent",
        &Declared::Idempotent,
    );
    let irreversible = Declared::Irreversible;
    all.extend(plain(
        written.irreversible,
        "effects.irreversible",
        &irreversible,
    ));
    for (named, undo) in written.undo {
        let key = format!("effects.undo.{named}");
        let undo = parse_undo(&undo).and_then(|undo| same_kind(&named, undo));
        let undo = reader.take(&key, undo).map(Declared::Undo);
        all.push((key, named, undo));
    }
    if all.len() > OPERATIONS_MAX {
        let message = format!("names {} operations; at most {OPERATIONS_MAX}", all.len());
        reader.wrong("effects", message);
    }
    for (key, named, what) in all {
        let named = reader.take(&key, operation(&named));
        let (Some(named), Some(what)) = (named, what) else {
            continue;
        };
        if declared.insert(named.clone(), what).is_some() {
            let message =
                format!("`{named}` is declared twice under [effects]: say once what it is");
            reader.wrong(&key, message);
        }
    }
    Checked { declared, durable }
}

fn durable(written: Vec<String>, reader: &mut Reader<'_>) -> Vec<String> {
    const KEY: &str = "effects.durable";
    if written.len() > OPERATIONS_MAX {
        let message = format!(
            "names {} operations; at most {OPERATIONS_MAX}",
            written.len()
        );
        reader.wrong(KEY, message);
    }
    let mut durable = Vec::new();
    for named in written {
        let Some(named) = reader.take(KEY, operation(&named)) else {
            continue;
        };
        match durable.contains(&named) {
            true => reader.wrong(KEY, format!("`{named}` is named twice")),
            false => durable.push(named),
        }
    }
    durable
}

/// An operation that changes something.
fn operation(text: &str) -> Result<String, String> {
    if !text.contains(' ') {
        // Whether it is a function is known once there is a component.
        return super::manifest::function(text);
    }
    let path = MethodPath::parse(text)?;
    match path.method() {
        "GET" | "OPTIONS" | "TRACE" => Err(format!(
            "`{path}` changes nothing: what {} does is not declared",
            path.method()
        )),
        _ => Ok(path.to_string()),
    }
}

/// What undoes a request is a request, what undoes a function is one.
fn same_kind(named: &str, undo: Arc<str>) -> Result<Arc<str>, String> {
    match named.contains(' ') == undo.contains(' ') {
        true => Ok(undo),
        false => Err(format!(
            "`{undo}` cannot undo `{}`: a request is undone by a request, a function by a function",
            named.escape_debug()
        )),
    }
}

/// Reads `undeclared`.
pub(crate) fn undeclared(text: &str) -> Result<Undeclared, String> {
    match text {
        "allow" => Ok(Undeclared::Allow),
        "hold" => Ok(Undeclared::Hold),
        "refuse" => Ok(Undeclared::Refuse),
        _ => Err(format!(
            "`{}` is neither \"allow\" nor \"hold\" nor \"refuse\"",
            text.escape_debug()
        )),
    }
}

/// The word of the file.
pub(crate) const fn shown(undeclared: Undeclared) -> &'static str {
    match undeclared {
        Undeclared::Allow => "allow",
        Undeclared::Hold => "hold",
        Undeclared::Refuse => "refuse",
    }
}
