//! What somebody is told who comes too soon: when he may come, and what would have to be changed.

use super::{Dimension, Late, Way};
use holdfast_call::{Call, Fault, HostCode, Moment, Refusal};
use std::time::Duration;

/// The refusal of a call that one of its limits lets come later.
pub(super) fn of(call: &Call, late: &Late<'_>, now: Moment) -> Fault {
    let Way {
        dimension,
        limit,
        operation,
        ..
    } = late.way;
    let quota = limit.quota();
    let service = match &call.target {
        holdfast_call::Target::Service(name) => &**name,
        holdfast_call::Target::Capability { name, .. } => name,
    };
    let named = operation.map_or_else(String::new, |operation| format!("\"{operation}\""));
    let (rule, key, table) = match dimension {
        Dimension::Caller => (
            "a caller makes only so many calls",
            "caller",
            "[rate]".to_owned(),
        ),
        Dimension::CallerHere => (
            "a caller makes only so many calls of one service",
            "caller",
            format!("[services.{service}.rate]"),
        ),
        Dimension::Service => (
            "a service takes only so many calls",
            "calls",
            format!("[services.{service}.rate]"),
        ),
        Dimension::Operation => (
            "an operation takes only so many calls",
            named.as_str(),
            format!("[services.{service}.rate.operations]"),
        ),
    };
    let refusal = Refusal {
        code: HostCode::RateLimited,
        layer: "rate",
        detail: match dimension {
            Dimension::Caller | Dimension::CallerHere => "You have made too many requests.",
            Dimension::Service | Dimension::Operation => "There are too many requests for this.",
        }
        .to_owned(),
        rule: rule.to_owned(),
        seen: format!(
            "{} more than {} at once and then one every {:?}",
            call.operation,
            quota.burst(),
            quota.takes(1)
        ),
        limit: format!("{key} = \"{quota}\""),
        change: format!("{key} under {table} in holdfast.toml"),
        retry_after: Some(whole(late.then.since(now))),
    };
    Fault::from(refusal).with("dimension", dimension.as_str())
}

/// Rounded up to milliseconds, which is what callers are told: nobody is told to come before he is let in.
fn whole(wait: Duration) -> Duration {
    let millis = wait.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
