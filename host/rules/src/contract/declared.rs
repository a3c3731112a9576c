//! A result that is an error, as an answer over HTTP: a problem (RFC 9457) of the service's own, never one of the host's codes.

use super::write::{self, Unfit};
use holdfast_call::contract::Type;
use holdfast_call::problem::{PROBLEM_JSON, push_escaped};
use holdfast_call::{Body, CallId, Target, Value};
use http::{Response, StatusCode, header};

/// The code of an error that says no name of its own.
const UNNAMED: &str = "error";

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
