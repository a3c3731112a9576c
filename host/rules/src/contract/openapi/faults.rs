//! The ways in which a call goes wrong, as responses: the host's codes by their status, and the error that a function declares.

use holdfast_call::HostCode;
use holdfast_call::contract::Type;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The status of an error that a function declares.
pub(super) const DECLARED: u16 = 422;

const PROBLEM: &str = "application/problem+json";

/// About what the references of one operation take.
pub(super) const REFERENCES_BYTES: usize = 1_024;

/// Whether a call of a typed operation, asked as the document says, can end in this code. A new code does not compile until it says so.
fn is_met(code: HostCode) -> bool {
    match code {
        HostCode::NoSuchService
        | HostCode::NoSuchOperation
        | HostCode::InvalidInput
        | HostCode::PayloadTooLarge
        | HostCode::TargetTooLong
        | HostCode::ExpectationFailed
        | HostCode::FieldsTooLarge
        | HostCode::Unauthenticated
        | HostCode::Forbidden
        | HostCode::StorageUnavailable
        | HostCode::ApprovalRequired
        | HostCode::KeyReused
        | HostCode::InProgress
        | HostCode::Indeterminate
        | HostCode::RateLimited
        | HostCode::BudgetExhausted
        | HostCode::Overloaded
        | HostCode::Draining
        | HostCode::Quarantined
        | HostCode::DeadlineExceeded
        | HostCode::CpuExhausted
        | HostCode::MemoryExhausted
        | HostCode::CallsExhausted
        | HostCode::LoopDetected
        | HostCode::ServiceFault
        | HostCode::BadResponse
        | HostCode::CapabilityDenied
        | HostCode::UpstreamUnreachable
        | HostCode::UpstreamTimeout
        | HostCode::UpstreamFault
        | HostCode::UpstreamUntrusted
        | HostCode::UpstreamTooLarge
        | HostCode::SecretEchoed
        | HostCode::UpstreamThrottled
        | HostCode::UpstreamCircuitOpen
        | HostCode::Internal => true,
        // Of a method that the document does not have; of a client that is gone.
        HostCode::MethodNotAllowed | HostCode::Cancelled => false,
    }
}

/// The codes that can be met, by their status.
fn by_status() -> BTreeMap<u16, Vec<HostCode>> {
    let mut by_status = BTreeMap::<_, Vec<_>>::new();
    for code in HostCode::ALL.iter().filter(|code| is_met(**code)) {
        by_status
            .entry(code.meaning().status)
            .or_default()
            .push(*code);
    }
    by_status
}

/// The responses, for `#/components/responses`.
pub(super) fn responses() -> Value {
    let response = |(status, codes): (u16, Vec<HostCode>)| {
        let told = codes.iter().map(|code| {
            let meaning = code.meaning();
            format!("`{}`: {}.", meaning.code, meaning.title)
        });
        let schema = schema(status, &codes);
        let response = json!({
            "description": told.collect::<Vec<_>>().join("\n"),
            "headers": call_header(),
            "content": { PROBLEM: { "schema": schema } },
        });
        (name(status), response)
    };
    by_status().into_iter().map(response).collect()
}

/// A fault of the host with this status.
fn schema(status: u16, codes: &[HostCode]) -> Value {
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    json!({
        "allOf": [{ "$ref": "#/components/schemas/fault" }],
        "properties": { "status": { "const": status }, "code": { "enum": names } },
    })
}

/// What each operation refers to, by status.
pub(super) fn references() -> impl Iterator<Item = (String, Value)> {
    by_status().into_keys().map(|status| {
        let at = format!("#/components/responses/{}", name(status));
        (status.to_string(), json!({ "$ref": at }))
    })
}

fn name(status: u16) -> String {
    format!("fault-{status}")
}

/// The header that every answer has.
pub(super) fn call_header() -> Value {
    json!({ "holdfast-call": { "$ref": "#/components/headers/holdfast-call" } })
}

/// The headers, for `#/components/headers`.
pub(super) fn headers() -> Value {
    json!({ "holdfast-call": {
        "description": "The id of the call: the operator finds everything about it under that.",
        "required": true,
        "schema": { "type": "string", "format": "uuid" },
    } })
}

/// A fault of the host, for `#/components/schemas`.
pub(super) fn schemas() -> Map<String, Value> {
    let violation = json!({
        "type": "object",
        "properties": {
            "pointer": { "type": "string", "description": "Where it stands: a JSON pointer." },
            "reason": { "type": "string", "description": "What is wrong there." },
        },
        "required": ["pointer", "reason"],
    });
    let retry = json!({
        "type": "object",
        "properties": {
            "policy": { "type": "string", "enum": ["never", "later", "if-idempotent"] },
            "after_ms": { "type": "integer", "minimum": 0 },
        },
        "required": ["policy"],
    });
    let mut properties = public(json!({ "type": "string" }));
    properties.insert("detail".to_owned(), json!({ "type": "string" }));
    properties.insert("retry".to_owned(), retry);
    properties.insert(
        "violations".to_owned(),
        json!({ "type": "array", "items": violation }),
    );
    let fault = json!({
        "type": "object",
        "description": "What went wrong, as the host says it (RFC 9457).",
        "properties": properties,
        "required": ["type", "title", "status", "code", "detail", "instance", "retry"],
    });
    Map::from_iter([("fault".to_owned(), fault)])
}

/// What every problem has.
fn public(code: Value) -> Map<String, Value> {
    Map::from_iter([
        ("type".to_owned(), json!({ "type": "string" })),
        ("title".to_owned(), json!({ "type": "string" })),
        ("status".to_owned(), json!({ "type": "integer" })),
        ("code".to_owned(), code),
        ("instance".to_owned(), json!({ "type": "string" })),
    ])
}

/// The answer that an error of the contract is.
pub(super) fn declared(service: &str, ty: Option<&Type>, error: Value) -> Value {
    let codes: Vec<_> = super::super::declared::names(ty)
        .into_iter()
        .map(|name| format!("{service}/{name}"))
        .collect();
    let mut properties = public(json!({ "type": "string", "enum": codes }));
    properties.insert("status".to_owned(), json!({ "const": DECLARED }));
    properties.insert("error".to_owned(), error);
    let own = json!({
        "type": "object",
        "properties": properties,
        "required": ["type", "title", "status", "code", "instance", "error"],
    });
    let of_host = by_status().remove(&DECLARED).unwrap_or_default();
    let schema = json!({ "anyOf": [own, schema(DECLARED, &of_host)] });
    json!({
        "description": "The service says no: its own error. Or the host: the idempotency key was used for another request.",
        "headers": call_header(),
        "content": { PROBLEM: { "schema": schema } },
    })
}
