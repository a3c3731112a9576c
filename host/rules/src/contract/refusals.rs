//! What this layer says no to, in words.

use holdfast_call::contract::{Contract, Function};
use holdfast_call::{Boundary, Fault, HostCode, Refusal, Verdict, Violation};

/// There is nothing of that name.
pub(super) fn no_such(operation: &str, contract: &Contract) -> Fault {
    let known = contract.exports.iter();
    let known: Vec<_> = known.map(|interface| &*interface.id).collect();
    let detail = "The service has no such operation.".to_owned();
    refused(
        HostCode::NoSuchOperation,
        detail,
        operation.to_owned(),
        known.join(", "),
    )
}

/// The input is none of this function.
pub(super) fn unfit(function: &Function, violations: Vec<Violation>) -> Fault {
    let first = violations.first();
    let seen = first.map_or_else(
        || "values of other types".to_owned(),
        |first| {
            format!(
                "{} at `{}`, and {} more",
                first.reason,
                first.pointer,
                violations.len() - 1
            )
        },
    );
    let detail = "The input is not what the operation takes.".to_owned();
    refused(HostCode::InvalidInput, detail, seen, function.to_string()).with_violations(violations)
}

/// Any other no.
pub(super) fn refused(code: HostCode, detail: String, seen: String, limit: String) -> Fault {
    let refusal = Refusal {
        code,
        layer: "contract",
        detail,
        rule: "what goes into an operation is what its service's WIT says".to_owned(),
        seen,
        limit,
        change: "the input: GET /NAME/wit shows what is taken".to_owned(),
        retry_after: None,
    };
    refusal.into()
}

/// What came out is not what was promised. It cannot come from a component that the engine links, but anything may stand in its place.
pub(super) fn bad_answer(function: &Function, why: impl std::fmt::Display) -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Application,
        stage: "contract",
        cause: format!("what the service gave is not what it promised: {why}"),
        evidence: vec![("promised", function.to_string())],
        next: "read the lines of this call in the log".to_owned(),
    };
    let code = HostCode::BadResponse;
    Fault::host(code, format!("{}.", code.meaning().title), verdict)
}
