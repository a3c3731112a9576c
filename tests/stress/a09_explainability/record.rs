//! The calls as the audit log has them, each put together of its records, which is all that is known here.

use crate::harness::run;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A call, as it is on record.
pub(super) struct Record(Map<String, Value>);

impl Record {
    /// One of the lines that `explain` prints.
    pub(super) fn read(line: &str) -> Self {
        Self(serde_json::from_str(line).unwrap())
    }

    /// What it says there; nothing, if it does not.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The number that it says there.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.0.get(name).and_then(Value::as_u64).unwrap_or_default()
    }

    /// Whether it says what came of it.
    pub(super) fn ended(&self) -> bool {
        !matches!(self.text("outcome"), "" | "streams")
    }

    /// All of it.
    pub(super) fn shown(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

/// Every call of a log.
pub(super) struct Rebuilt(BTreeMap<String, Record>);

impl Rebuilt {
    /// Of the log in this data directory.
    pub(super) fn from(data: &Path) -> Self {
        let said = run(&["audit", "show", "--data", data.to_str().unwrap()]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let mut calls = BTreeMap::new();
        for line in said.out.lines() {
            let record = Record::read(line);
            // What operators did is not a call of anybody.
            if record.text("call").is_empty() {
                continue;
            }
            let known = calls
                .entry(record.text("call").to_owned())
                .or_insert_with(|| Record(Map::new()));
            known.0.extend(record.0);
        }
        Self(calls)
    }

    pub(super) fn find(&self, id: &str) -> Option<&Record> {
        self.0.get(id)
    }

    /// The call of this name, which must be there.
    pub(super) fn call(&self, id: &str) -> &Record {
        let missing = || panic!("the call {id} is not on record");
        self.find(id).unwrap_or_else(missing)
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = &Record> {
        self.0.values()
    }

    /// Those that came from outside.
    pub(super) fn outer(&self) -> impl Iterator<Item = &Record> {
        let outside = |record: &&Record| record.text("entry") == "http";
        self.calls()
            .filter(outside)
            .filter(|record| record.text("parent").is_empty())
    }

    /// Those that reached out to this origin.
    pub(super) fn of(&self, origin: &str) -> impl Iterator<Item = &Record> {
        let target = format!("http:{origin}");
        self.calls()
            .filter(move |record| record.text("target") == target)
    }

    /// The names of a call and of all that were made for it.
    pub(super) fn tree<'a>(&'a self, id: &'a str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::from([id]);
        let below = self.calls().filter(|record| record.text("parent") == id);
        for record in below {
            found.extend(self.tree(record.text("call")));
        }
        found
    }
}
