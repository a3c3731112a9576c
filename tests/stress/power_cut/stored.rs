//! What a disk holds after the power has failed, looked at by those who keep it: the audit log, the versions and the database, opened and
//! read.

use super::load::Recording;
use super::tables;
use holdfast_rules::clock::HostClock;
use holdfast_store::audit::{self, Since};
use holdfast_store::{Audit, Versions};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// What is wrong with it: nothing, if all is there that was said to be.
pub(super) fn wrong(recording: &Recording, cut: usize, data: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    if cut >= recording.began {
        wrong.extend(of_the_versions(data).err());
    }
    let calls = of_the_log(recording, cut, data).unwrap_or_else(|why| {
        wrong.push(why);
        HashMap::new()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match runtime.block_on(tables::wrong(recording, cut, data, &calls)) {
        Ok(more) => wrong.extend(more),
        Err(error) => wrong.push(format!("the database: {error}")),
    }
    wrong
}

/// What serves is kept.
fn of_the_versions(data: &Path) -> Result<(), String> {
    let versions = Versions::open(&data.join("versions")).map_err(|error| error.to_string())?;
    for service in ["two", "kv"] {
        let state = versions.state(service);
        let state = state.map_err(|error| error.to_string())?;
        let none = || format!("no version of {service} is kept");
        let serving = state.serving.ok_or_else(none)?;
        let kept = versions.pair(service, &serving);
        kept.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The audit log verifies, every effect was on record before it was had, and every outcome before it was told. For each effect on record,
/// which call it was had for.
fn of_the_log(
    recording: &Recording,
    cut: usize,
    data: &Path,
) -> Result<HashMap<String, String>, String> {
    let directory = audit::directory(data);
    let opened = Audit::open(
        audit::Setup {
            data: data.to_owned(),
            copy: None,
            budget_bytes: u64::MAX,
            keep_days: 400,
            clock: Arc::new(HostClock::start()),
            tell: Arc::new(|_| {}),
        },
        || [7; 32],
    );
    let key = opened.and_then(|log| {
        // What the power has torn is cut off now.
        log.close();
        log.public()
    });
    let key = key.map_err(|error| error.to_string())?;
    let report = audit::verify(&directory, &key, None).map_err(|error| error.to_string())?;
    if report.found.is_some() || report.unfinished.is_some() {
        return Err(format!("the audit log: {report:?}"));
    }
    // What was to be done, and for which call; those that something came of, themselves or what was done for them.
    let (mut effects, mut parents) = (HashMap::new(), HashMap::new());
    let mut ended = HashSet::new();
    let read = audit::read(&directory, Since::Beginning, |line| {
        let record: Value = serde_json::from_str(line.text).unwrap();
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        match record["kind"].as_str() {
            Some("intent") => {
                effects.insert(text("operation"), text("parent"));
                parents.insert(text("call"), text("parent"));
            }
            Some("outcome") => {
                ended.extend(parents.get(&text("call")).cloned());
                ended.insert(text("call"));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    });
    read.map_err(|error| error.to_string())?;
    for (_, path) in recording.seen.iter().filter(|(at, _)| *at <= cut) {
        if !effects.contains_key(&format!("POST {path}")) {
            return Err(format!("nothing is on record of {path}"));
        }
    }
    for told in &recording.told {
        let served = told.served(cut);
        if served.is_some_and(|answer| !ended.contains(answer.call())) {
            let path = told.errand().path(told.nth);
            return Err(format!("no outcome of {path} is on record"));
        }
    }
    Ok(effects)
}
