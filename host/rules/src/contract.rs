//! `contract`: what goes into a typed operation, and what comes out of it, is what its service's WIT says.
//!
//! A request over HTTP becomes values here: its body is read whole, within a limit, as a JSON object of the function's parameters, and
//! everything that does not fit is told at once, each with its place, before the guest runs. What the function gives becomes JSON again. A
//! call that came with values, from another service, is only checked. What the guest gives is checked either way: it may come from anywhere.
//!
//! A service that speaks plain HTTP and describes itself is checked by its description: [`plain`].
//!
//! A result that is an error is an answer like any other to a service that called; over HTTP it is a problem of the service's own, 422.

mod declared;
mod fits;
mod json;
mod whole;

pub mod described;
pub mod path;
pub mod plain;
pub mod read;
pub mod write;

use self::whole::NotWhole;
use crate::Parts;
use holdfast_call::contract::{Contract, Function, Type};
use holdfast_call::{
    Answer, Applies, Body, Boundary, BoxFuture, Call, CallId, Fault, HostCode, Layer, Next,
    Payload, Refusal, Reply, Settings as All, Target, Value, Verdict, Violation,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use std::sync::Arc;

/// The longest JSON text of one call, in bytes: a body that is buffered has no more (design: defaults).
pub const TEXT_BYTES_MAX: usize = 8 << 20;

/// What the contract of a typed service needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the service promises.
    pub contract: Arc<Contract>,
    /// What of it is served over plain HTTP as well.
    pub front: Front,
}

/// Whether a component also serves HTTP by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// It does: what is no operation of its contract is its own business.
    Own,
    /// It does not.
    None,
}

/// Where a typed service shows its contract.
pub const WIT_PATH: &str = "/wit";

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(crate) fn layer(_parts: &Parts) -> Box<dyn Layer> {
    Box::new(Checked)
}

struct Checked;

impl Layer for Checked {
    fn name(&self) -> &'static str {
        "contract"
    }

    fn applies(&self, _target: &Target, settings: &All) -> Applies {
        let (typed, plain) = (settings.get::<Settings>(), settings.get::<plain::Settings>());
        match (typed, plain) {
            (None, None) => Applies::No,
            (Some(_), _) | (_, Some(_)) => Applies::Yes,
        }
    }

    fn run<'a>(&'a self, mut call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let registered = call.registered.clone();
            let settings = registered
                .as_ref()
                .and_then(|known| known.settings.get::<Settings>());
            let plain = registered
                .as_ref()
                .and_then(|known| known.settings.get::<plain::Settings>());
            let nothing = Payload::Values(call.operation.clone(), Vec::new());
            match (std::mem::replace(&mut call.payload, nothing), settings) {
                (Payload::Http(request), Some(settings)) => {
                    requested(call, request, settings, plain, next).await
                }
                (Payload::Http(request), None) => {
                    plain::requested(call, request, plain, next).await
                }
                (Payload::Values(operation, values), Some(settings)) => {
                    called(call, &operation, values, settings, next).await
                }
                (payload @ Payload::Values(..), None) => {
                    call.payload = payload;
                    next.run(call).await
                }
            }
        })
    }
}

/// A call over HTTP, with JSON.
async fn requested(
    mut call: Box<Call>,
    request: Request<Body>,
    settings: &Settings,
    plain: Option<&plain::Settings>,
    next: Next<'_>,
) -> Reply {
    let path = request.uri().path();
    if request.method() == Method::GET && path == WIT_PATH && settings.front == Front::None {
        return Ok(Answer::Http(wit(&settings.contract)));
    }
    let Some((interface, function)) = path::find(&settings.contract, path) else {
        return match settings.front {
            Front::Own => plain::requested(call, request, plain, next).await,
            Front::None => Err(no_such(&call.operation, &settings.contract)),
        };
    };
    let values = arguments(request, function).await?;
    call.operation = interface.operation(function);
    call.payload = Payload::Values(call.operation.clone(), values);
    let (target, id) = (call.target.clone(), call.id);
    match next.run(call).await? {
        Answer::Values(values) => over_http(values.into_list(), function, &target, id),
        answer @ Answer::Http(_) => {
            answer.close();
            Err(bad_answer(function, "it answered over HTTP"))
        }
    }
}

/// The contract, for people.
fn wit(contract: &Contract) -> Response<Body> {
    let text = contract.wit.as_bytes().to_vec();
    let mut response = Response::new(Body::whole(text.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    response
}

/// A call with values, from another service.
async fn called(
    mut call: Box<Call>,
    operation: &str,
    values: Vec<Value>,
    settings: &Settings,
    next: Next<'_>,
) -> Reply {
    let Some((interface, function)) = settings.contract.operation(operation) else {
        return Err(no_such(operation, &settings.contract));
    };
    if !fits::all(&values, function.params.iter().map(|param| &param.ty)) {
        return Err(unfit(function, Vec::new()));
    }
    // It may have been linked to another version of the same line.
    call.payload = Payload::Values(interface.operation(function), values);
    match next.run(call).await? {
        Answer::Values(values) if fits::all(values.list(), function.result.iter()) => {
            Ok(Answer::Values(values))
        }
        answer => {
            answer.close();
            Err(bad_answer(function, "it gave values of other types"))
        }
    }
}

/// What a request gives to a function.
async fn arguments(request: Request<Body>, function: &Function) -> Result<Vec<Value>, Fault> {
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        let detail = format!("`{}` is called with POST.", function.name);
        let code = HostCode::NoSuchOperation;
        return Err(refused(
            code,
            detail,
            head.method.to_string(),
            "POST".to_owned(),
        ));
    }
    let text = match whole::whole(body, TEXT_BYTES_MAX).await {
        Ok(whole) => whole.bytes,
        Err(NotWhole::Cut(fault)) => return Err(fault),
        Err(NotWhole::TooLong) => return Err(too_long()),
    };
    // What a page of another site can send without being asked is never taken for JSON.
    let kind = head.headers.get(header::CONTENT_TYPE);
    if !text.is_empty() && !kind.is_some_and(|kind| is_json(kind.as_bytes())) {
        let violation = Violation {
            pointer: String::new(),
            reason: "must be sent with `content-type: application/json`".to_owned(),
        };
        return Err(unfit(function, vec![violation]));
    }
    read::arguments(&text, function).map_err(|violations| unfit(function, violations))
}

fn is_json(kind: &[u8]) -> bool {
    let name = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

fn too_long() -> Fault {
    let detail = format!("The body must not have more than {TEXT_BYTES_MAX} bytes.");
    let (code, seen) = (HostCode::PayloadTooLarge, "more bytes".to_owned());
    refused(code, detail, seen, format!("{TEXT_BYTES_MAX} bytes"))
}

/// What a function gave, as an answer over HTTP.
fn over_http(mut list: Vec<Value>, function: &Function, target: &Target, id: CallId) -> Reply {
    let given = match (list.pop(), &function.result) {
        (Some(Value::Result(Ok(value))), Some(Type::Result(ok, _))) => {
            (value.map(|value| *value), ok.as_deref())
        }
        (Some(Value::Result(Err(error))), Some(Type::Result(_, err))) => {
            let problem = declared::problem(error.as_deref(), err.as_deref(), target, id);
            let response = problem.map_err(|error| bad_answer(function, error))?;
            return Ok(Answer::Http(response));
        }
        (value, ty) => (value, ty.as_ref()),
    };
    let mut response = Response::new(Body::empty());
    match given {
        (None, None) => *response.status_mut() = StatusCode::NO_CONTENT,
        (Some(value), Some(ty)) => {
            let text = write::value(&value, ty).map_err(|error| bad_answer(function, error))?;
            *response.body_mut() = Body::whole(text.into());
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        }
        (Some(_), None) | (None, Some(_)) => {
            return Err(bad_answer(function, "it gave not what it promised"));
        }
    }
    Ok(Answer::Http(response))
}

fn no_such(operation: &str, contract: &Contract) -> Fault {
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
fn unfit(function: &Function, violations: Vec<Violation>) -> Fault {
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

fn refused(code: HostCode, detail: String, seen: String, limit: String) -> Fault {
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
fn bad_answer(function: &Function, why: impl std::fmt::Display) -> Fault {
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

#[cfg(test)]
mod tests;
