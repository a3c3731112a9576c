//! `[rate]` and `[services.NAME.rate]` of the policy: how many calls may come, of a caller, to a service, to one of its operations.

use crate::settings::reader::Reader;
use crate::settings::source::join;
use holdfast_rules::rate::flow::Quota;
use holdfast_rules::rate::route::Operation;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Each call is compared with each of them.
const OPERATIONS_MAX: usize = 64;

/// `[rate]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenRate {
    pub(crate) caller: Option<String>,
}

/// `[services.NAME.rate]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenServiceRate {
    pub(crate) caller: Option<String>,
    pub(crate) calls: Option<String>,
    pub(crate) operations: BTreeMap<String, String>,
}

/// How many calls of one service may come; as many as do where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceRate {
    /// Of each caller.
    pub caller: Option<Quota>,
    /// In all.
    pub calls: Option<Quota>,
    /// Of single operations.
    pub operations: Vec<(Operation, Quota)>,
}

/// How many calls each caller may make, to all services together.
pub(super) fn check(written: &WrittenRate, reader: &mut Reader<'_>) -> Option<Quota> {
    quota(written.caller.as_deref(), "rate.caller", reader)
}

pub(super) fn check_service(
    written: &WrittenServiceRate,
    path: &str,
    reader: &mut Reader<'_>,
) -> ServiceRate {
    ServiceRate {
        caller: quota(written.caller.as_deref(), &join(path, "caller"), reader),
        calls: quota(written.calls.as_deref(), &join(path, "calls"), reader),
        operations: operations(&written.operations, &join(path, "operations"), reader),
    }
}

fn quota(written: Option<&str>, key: &str, reader: &mut Reader<'_>) -> Option<Quota> {
    written.and_then(|text| reader.take(key, Quota::parse(text)))
}

fn operations(
    written: &BTreeMap<String, String>,
    path: &str,
    reader: &mut Reader<'_>,
) -> Vec<(Operation, Quota)> {
    if written.len() > OPERATIONS_MAX {
        let message = format!(
            "names {} operations; at most {OPERATIONS_MAX}",
            written.len()
        );
        reader.wrong(path, message);
    }
    let mut limits = Vec::<(Operation, Quota)>::new();
    for (name, text) in written {
        let key = join(path, name);
        let operation = reader.take(&key, Operation::parse(name));
        let (Some(operation), Some(quota)) = (operation, quota(Some(text), &key, reader)) else {
            continue;
        };
        match limits.iter().find(|(known, _)| known.is(&operation)) {
            Some((known, _)) => reader.wrong(&key, format!("means the same as `{known}`")),
            None => limits.push((operation, quota)),
        }
    }
    limits
}
