//! What is said where a bucket does not do what it is asked: to the guest, and to the operator.

use crate::kept;
use holdfast_call::{Fault, HostCode, Refusal};
use holdfast_store::db::DbError;
use holdfast_store::kv::{Full, MANY_BYTES_MAX, Measure};
use holdfast_store::leases::Lease;

/// The stage of all that is refused here.
const STAGE: &str = "kv";

/// What is given breaks a rule. The guest may read which one.
pub(super) fn invalid(why: String) -> Fault {
    kept::invalid(STAGE, why)
}

/// The value is no number, so nothing can be added to it.
pub(super) fn no_number() -> Fault {
    invalid("the value of this key is no whole number in decimal digits".to_owned())
}

/// The sum cannot be held.
pub(super) fn beyond() -> Fault {
    invalid("the sum is beyond what 64 bits hold".to_owned())
}

/// Too much at once.
pub(super) fn together() -> Fault {
    invalid(format!(
        "at most {MANY_BYTES_MAX} bytes of values go together"
    ))
}

/// The call holds a lease that has run out, so somebody else may hold it now.
pub(super) fn stale(lease: &Lease) -> Fault {
    let refusal = Refusal {
        code: HostCode::CapabilityDenied,
        layer: STAGE,
        detail: format!(
            "The lease {} of this call has run out, so nothing was changed.",
            lease.name
        ),
        rule: "who holds a lease changes keys only while it is his".to_owned(),
        seen: format!("the lease {} under the fence {}", lease.name, lease.fence),
        limit: "its time, of which the last fifth is left to others".to_owned(),
        change: "nothing: the service renews its lease in time, or takes it for longer".to_owned(),
        retry_after: None,
    };
    refusal.into()
}

/// There is no room for it.
pub(super) fn full(service: &str, full: Full) -> Fault {
    let Full {
        what,
        used,
        wanted,
        limit,
    } = full;
    let (key, words) = match what {
        Measure::Bytes => ("kv_bytes", "bytes of keys and values"),
        Measure::Keys => ("kv_keys", "keys"),
    };
    let refusal = Refusal {
        code: HostCode::CapabilityDenied,
        layer: STAGE,
        detail: format!(
            "The quota of {limit} {words} has no room for this; deleting keys makes some."
        ),
        rule: "a service keeps no more than its quota".to_owned(),
        seen: format!("{used} {words} are kept, and with this it would be {wanted}"),
        limit: format!("{key} = {limit}"),
        change: format!(
            "{key} under [limits] in {service}.toml or [services.{service}.limits] in holdfast.toml"
        ),
        retry_after: None,
    };
    refusal.into()
}

/// The database did not do it, or nobody knows.
pub(super) fn away(error: &DbError) -> Fault {
    kept::away(STAGE, error)
}
