//! A result that is an error, as an answer over HTTP: a problem (RFC 9457) of the service's own, never one of the host's codes. One that is the
//! fault of a call of the service's own is no such result.

use super::write::{self, Unfit};
use holdfast_call::contract::{Function, Type, faults};
use holdfast_call::problem::{PROBLEM_JSON, push_escaped};
use holdfast_call::{Body, CallId, Fault, Meter, Target, Value};
use http::{Response, StatusCode, header};

/// The code of an error that says no name of its own.
const UNNAMED: &str = "error";

/// An error that says, word for word, what became of a call that the service itself made is that fault: the caller is told it as it was, and
/// the log whose it is.
pub(super) fn not_handed_on(
    values: &[Value],
    function: &Function,
    target: &Target,
    meter: &Meter,
) -> Result<(), Fault> {
    let ([given @ Value::Result(Err(Some(_)))], Some(result)) = (values, &function.result) else {
        return Ok(());
    };
    match meter.below().fault() {
        Some(fault) if faults::error_of(&fault, result).as_ref() == Some(given) => {
            Err(fault.with("handed_on_by", target))
        }
        _ => Ok(()),
    }
}

/// The answer: the code is the service's name with that of the case, and `error` holds all of it.
pub(super) fn problem(
    error: Option<&Value>,
    ty: Option<&Type>,
    target: &Target,
    id: CallId,
) -> Result<Response<Body>, Unfit> {
    let Target::Service(service) = target else {
        return Err(Unfit::new("no service gave it"));
    };
    let text = match (error, ty) {
        (Some(error), Some(ty)) => write::value(error, ty)?,
        (None, None) => b"null".to_vec(),
        (Some(_), None) | (None, Some(_)) => {
            return Err(Unfit::new("it is an error that was not promised"));
        }
    };
    let mut code = String::new();
    push_escaped(
        &mut code,
        &format!("{service}/{}", name(error, ty).unwrap_or(UNNAMED)),
    );
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let mut body = format!(
        "{{\"type\":\"urn:holdfast:fault:{code}\",\"title\":\"The service says no\",\"status\":{},\"code\":\"{code}\",\
         \"instance\":\"urn:uuid:{id}\",\"error\":",
        status.as_u16()
    )
    .into_bytes();
    body.extend_from_slice(&text);
    body.push(b'}');
    let mut response = Response::new(Body::whole(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, PROBLEM_JSON);
    Ok(response)
}

/// Every name that an error of this type can have.
pub(super) fn names(ty: Option<&Type>) -> Vec<&str> {
    match ty {
        Some(Type::Variant(cases)) => cases.iter().map(|case| &*case.name).collect(),
        Some(Type::Enum(names)) => names.iter().map(|name| &**name).collect(),
        _ => vec![UNNAMED],
    }
}

/// The name of the case that an error is.
fn name<'a>(error: Option<&Value>, ty: Option<&'a Type>) -> Option<&'a str> {
    match (error?, ty?) {
        (Value::Case(place, _), Type::Variant(cases)) => {
            cases.get(*place as usize).map(|case| &*case.name)
        }
        (Value::Case(place, _), Type::Enum(names)) => {
            names.get(*place as usize).map(|name| &**name)
        }
        _ => None,
    }
}
