//! What callers and operators are told where a try is not made.

use super::till::SOON;
use holdfast_call::{Fault, HostCode, NanoUsd, Reached, Refusal, Verdict};
use holdfast_store::db::DbError;
use holdfast_store::ledger::{Budget, Standing};

const RULE: &str = "nothing is sent whose worst case is not reserved under every budget";
const DETAIL: &str = "The budget for this is spent.";

/// One of the budgets has too little left.
pub(super) fn spent(budget: Option<&Budget>, standing: &Standing, wanted: NanoUsd) -> Fault {
    let (level, name) = (standing.level.as_str(), &standing.name);
    let limit = budget.map_or_else(String::new, |budget| {
        format!("{} / {}", budget.limit, budget.span)
    });
    let whose = match level {
        "host" => "the host".to_owned(),
        _ => format!("{level} {name}"),
    };
    let change = match level {
        "service" => format!("budget under [services.{name}] in holdfast.toml"),
        "upstream" => format!("budget under [upstreams.{name}] in holdfast.toml"),
        _ => format!("{level} under [budget] in holdfast.toml"),
    };
    let refusal = Refusal {
        code: HostCode::BudgetExhausted,
        layer: "budget",
        detail: DETAIL.to_owned(),
        rule: RULE.to_owned(),
        seen: format!(
            "{} paid and {} reserved for {whose}, and {wanted} for this",
            standing.settled, standing.reserved
        ),
        limit,
        change,
        retry_after: Some(standing.left),
    };
    Fault::from(refusal)
        .with("level", level)
        .with("settled", standing.settled)
        .with("reserved", standing.reserved)
}

/// The calls of one tree have too little left.
pub(super) fn execution(cost: NanoUsd, wanted: NanoUsd, limit: Option<NanoUsd>) -> Fault {
    let refusal = Refusal {
        code: HostCode::BudgetExhausted,
        layer: "budget",
        detail: DETAIL.to_owned(),
        rule: RULE.to_owned(),
        seen: format!(
            "{cost} paid and reserved for this call and all below it, and {wanted} for this"
        ),
        limit: limit.unwrap_or(NanoUsd::MAX).to_string(),
        change: "execution under [budget] in holdfast.toml".to_owned(),
        // However long it waits, it is the same call.
        retry_after: None,
    };
    Fault::from(refusal).with("level", "execution")
}

/// The database does not do its part.
pub(super) fn unavailable(error: &DbError) -> Fault {
    let verdict = Verdict {
        boundary: HostCode::StorageUnavailable.meaning().boundary,
        stage: "budget",
        cause: error.to_string(),
        evidence: Vec::new(),
        next: "holdfast doctor".to_owned(),
    };
    let detail = "What this costs cannot be put on record at present.";
    Fault::host(HostCode::StorageUnavailable, detail, verdict)
        .having_reached(Reached::Nothing)
        .retry_after(SOON)
}

/// Nobody has said where the ledger is.
pub(super) fn nowhere() -> Fault {
    unavailable(&DbError::Failing("there is no database".to_owned()))
}
