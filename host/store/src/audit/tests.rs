//! The tests of the audit log: on a disk that loses what was not synced, and on the machine's own with somebody else's hands in it.

mod crash;
mod disk;
mod fork;
mod kill;
mod tamper;
mod writer;

use super::checkpoint::Checkpoint;
use super::disk::{Disk, Private, Source};
use super::key::SigningKey;
use super::log::{Limits, Log, Pending};
use super::read::{Since, read_from};
use super::recover::{Cut, recover};
use super::{AuditError, PublicKey};
use holdfast_call::WallTime;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

const LIMITS: Limits = Limits {
    segment_bytes: 2_000,
    budget_bytes: 1 << 30,
    keep_days: u64::MAX,
};

fn key() -> SigningKey {
    SigningKey::of(&[7; 32]).unwrap()
}

fn public() -> PublicKey {
    key().public().clone()
}

fn pending(name: &str) -> Pending {
    Pending {
        at: WallTime(1_000),
        body: format!("{{\"name\":\"{name}\"}}"),
    }
}

fn open<D: Disk>(disk: D, limits: Limits) -> Result<(Log<D>, Option<Cut>), AuditError> {
    recover(disk, key(), limits, None)
}

fn open_folder(path: &Path) -> Log<Private> {
    open(Private::open(path).unwrap(), LIMITS).unwrap().0
}

/// Writes records with these names as one group.
fn commit<D: Disk>(log: &mut Log<D>, names: &[String]) -> Result<u64, AuditError> {
    let group: Vec<_> = names.iter().map(|name| pending(name)).collect();
    let group: Vec<_> = group.iter().collect();
    log.commit(&group, WallTime(2_000))
}

fn checkpoint<D: Disk>(log: &mut Log<D>) -> Result<(), AuditError> {
    log.checkpoint(WallTime(3_000))
}

/// The names of the records that have one, by their numbers.
fn names(source: &dyn Source) -> BTreeMap<u64, String> {
    let mut names = BTreeMap::new();
    let each = |line: &super::read::Line<'_>| {
        let value: serde_json::Value = serde_json::from_str(line.text).unwrap();
        if let Some(name) = value["name"].as_str() {
            names.insert(line.seq, name.to_owned());
        }
        ControlFlow::Continue(())
    };
    read_from(source, Since::Beginning, each).unwrap();
    names
}

/// The checkpoint that somebody makes who has the key.
fn signed(seq: u64, hash: [u8; 32]) -> String {
    Checkpoint::sign(&key(), seq, hash, WallTime(3_000)).note()
}
