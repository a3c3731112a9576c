//! `contract`: what goes into a typed operation, and what comes out of it, is what its service's WIT says.
//!
//! A request over HTTP becomes values here: the JSON object in its body, or the query of a function that only looks, is read whole, within
//! a limit, and everything that does not fit is told at once, each with its place, before the guest runs. What the function gives becomes
//! JSON again. A call that came with values, from another service, is only checked. What the guest gives is checked either way: it may come
//! from anywhere.
//!
//! A service that speaks plain HTTP and describes itself is checked by its description: [`plain`].
//!
//! A result that is an error is an answer like any other to a service that called; over HTTP it is a problem of the service's own, 422. Where
//! it is nothing but the fault of a call that the service made, handed on, it is that fault again, for whoever asked.

mod declared;
pub mod described;
mod fits;
mod json;
pub mod listed;
pub mod openapi;
pub mod pages;
pub mod path;
pub mod plain;
pub mod query;
pub mod read;
mod refusals;
mod request;
pub mod safe;
pub mod schema;
pub mod write;

use crate::Parts;
use crate::budget::DEGRADED;
use crate::once::REPLAYED;
use holdfast_call::contract::{Contract, Function, Type};
use holdfast_call::{
    Answer, Applies, Body, BoxFuture, Call, CallId, Entry, Fault, Layer, Next, Payload, Reply,
    Settings as All, Target, Value,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use pages::{Page, Shown};
use refusals::{bad_answer, no_such, unfit};
use request::{LOOK, Ways};
use safe::Safe;
use std::sync::Arc;

/// The longest JSON text of one call, in bytes: a body that is buffered has no more (design: defaults).
pub const TEXT_BYTES_MAX: usize = 8 << 20;

/// What the contract of a typed service needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the service promises.
    pub contract: Arc<Contract>,
    /// Which of its functions only look.
    pub safe: Safe,
    /// What it shows of both.
    pub shown: Arc<Shown>,
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
        let (typed, plain) = (
            settings.get::<Settings>(),
            settings.get::<plain::Settings>(),
        );
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
    let found = path::find(&settings.contract, path);
    if settings.front == Front::None
        && let Some(page) = Page::at(path)
    {
        let method = request.method();
        if request::looks(method) {
            let shown = page.show(settings)?;
            return Ok(Answer::Http(without_body_for(method, shown)));
        }
        if found.is_none() {
            return Err(request::method(method, path, LOOK));
        }
    }
    let Some((interface, function)) = found else {
        return match settings.front {
            Front::Own => plain::requested(call, request, plain, next).await,
            Front::None => Err(no_such(&call.operation, &settings.contract)),
        };
    };
    let ways = match settings.safe.has(interface, function) {
        true => Ways::GetToo,
        false => Ways::Post,
    };
    let method = request.method().clone();
    let values = request::arguments(request, function, ways).await?;
    call.operation = interface.operation(function);
    call.payload = Payload::Values(call.operation.clone(), values);
    let (target, id, meter) = (call.target.clone(), call.id, call.meter.clone());
    match next.run(call).await? {
        Answer::Values(values) => {
            declared::not_handed_on(values.list(), function, &target, &meter)?;
            let mut response = over_http(values.into_list(), function, &target, id)?;
            if meter.replays().is_some() {
                let how = HeaderValue::from_static("true");
                response.headers_mut().insert(REPLAYED, how);
            }
            if meter.degraded().is_some() {
                let why = HeaderValue::from_static("budget");
                response.headers_mut().insert(DEGRADED, why);
            }
            Ok(Answer::Http(without_body_for(&method, response)))
        }
        answer @ Answer::Http(_) => {
            answer.close();
            Err(bad_answer(function, "it answered over HTTP"))
        }
    }
}

/// The answer, without its body but with its length where only the head was asked for.
fn without_body_for(method: &Method, response: Response<Body>) -> Response<Body> {
    if *method != Method::HEAD {
        return response;
    }
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    body.close();
    Response::from_parts(head, Body::empty())
}

/// A call with values, from another service.
async fn called(
    mut call: Box<Call>,
    operation: &str,
    values: Vec<Value>,
    settings: &Settings,
    next: Next<'_>,
) -> Reply {
    let entered = settings.contract.consumer();
    if let (Entry::Queue, Some((_, function))) = (call.entry, entered) {
        return delivered(call, values, function, next).await;
    }
    let Some((interface, function)) = settings.contract.operation(operation) else {
        return Err(no_such(operation, &settings.contract));
    };
    if !fits::all(&values, function.params.iter().map(|param| &param.ty)) {
        return Err(unfit(function, Vec::new()));
    }
    // It may have been linked to another version of the same line.
    call.payload = Payload::Values(interface.operation(function), values);
    let (target, meter) = (call.target.clone(), call.meter.clone());
    match next.run(call).await? {
        Answer::Values(values) if fits::all(values.list(), function.result.iter()) => {
            declared::not_handed_on(values.list(), function, &target, &meter)?;
            Ok(Answer::Values(values))
        }
        answer => {
            answer.close();
            Err(bad_answer(function, "it gave values of other types"))
        }
    }
}

/// A message from the service's queue.
async fn delivered(
    mut call: Box<Call>,
    values: Vec<Value>,
    function: &Function,
    next: Next<'_>,
) -> Reply {
    if !fits::all(&values, function.params.iter().map(|param| &param.ty)) {
        return Err(unfit(function, Vec::new()));
    }
    call.payload = Payload::Values(call.operation.clone(), values);
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

/// What a function gave, as an answer over HTTP.
fn over_http(
    mut list: Vec<Value>,
    function: &Function,
    target: &Target,
    id: CallId,
) -> Result<Response<Body>, Fault> {
    let given = match (list.pop(), &function.result) {
        (Some(Value::Result(Ok(value))), Some(Type::Result(ok, _))) => {
            (value.map(|value| *value), ok.as_deref())
        }
        (Some(Value::Result(Err(error))), Some(Type::Result(_, err))) => {
            let problem = declared::problem(error.as_deref(), err.as_deref(), target, id);
            return problem.map_err(|error| bad_answer(function, error));
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
    Ok(response)
}

#[cfg(test)]
mod tests;
