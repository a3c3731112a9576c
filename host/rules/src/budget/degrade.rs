//! What a service answers once a budget that it spends of is nearly spent: something that costs less, if its operator has said what.
//!
//! It is decided before the service runs, from what was last heard of the budgets; so the first call after a start may still be a dear one.
//! A service that is asked in its place is asked by it: within the grants, the deadline and the tree of the call.

use super::{Limits, Purse, levels, till::Till};
use bytes::Bytes;
use holdfast_call::{
    Answer, Body, Call, CallId, Entry, Meter, Moment, Next, Payload, Reply, Sources, Target,
};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use std::sync::Arc;

/// The field of an answer that is not what the service would have given, and why.
pub const DEGRADED: HeaderName = HeaderName::from_static("holdfast-degraded");

/// What is answered in the place of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Degrade {
    /// This, over HTTP.
    Answer {
        /// The status.
        status: StatusCode,
        /// What the body is.
        content_type: HeaderValue,
        /// The body.
        body: Bytes,
    },
    /// What another service answers.
    Service(Arc<str>),
}

/// What is to be answered in the place of the service that `call` is for, if one of its budgets is nearly spent.
pub(super) fn due(call: &Call, purse: &Purse, till: &Till, now: Moment) -> Option<Arc<Degrade>> {
    let degrade = purse.degrade.as_ref()?;
    let Target::Service(name) = &call.target else {
        return None;
    };
    let Limits {
        host,
        caller,
        soft,
        execution: _,
    } = purse.limits;
    let asks = levels::caller(call);
    let own = [
        ("host", "", host),
        ("service", name, purse.budget),
        ("caller", asks.as_str(), caller),
    ];
    let upstreams = purse.upstreams.iter();
    let upstreams = upstreams.map(|(name, limit)| ("upstream", &**name, Some(*limit)));
    let nearly = own
        .into_iter()
        .chain(upstreams)
        .any(|(level, name, limit)| {
            limit.is_some_and(|limit| till.is_nearly(level, name, (limit.amount, soft), now))
        });
    // A fixed answer is one over HTTP; whoever asks for values is served.
    let fits = match (&**degrade, &call.payload) {
        (Degrade::Answer { .. }, Payload::Values(..)) => false,
        (Degrade::Answer { .. } | Degrade::Service(_), _) => true,
    };
    (nearly && fits).then(|| degrade.clone())
}

/// Answers it.
pub(super) async fn instead(
    call: Box<Call>,
    degrade: &Degrade,
    sources: &Sources,
    next: Next<'_>,
) -> Reply {
    let reply = match degrade {
        Degrade::Answer {
            status,
            content_type,
            body,
        } => {
            let mut response = Response::new(Body::whole(body.clone()));
            *response.status_mut() = *status;
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, content_type.clone());
            Ok(Answer::Http(response))
        }
        Degrade::Service(name) => {
            let other = in_its_place(*call, name.clone(), sources);
            next.afresh(other).await
        }
    };
    reply.map(|answer| match answer {
        Answer::Http(mut response) => {
            let budget = HeaderValue::from_static("budget");
            response.headers_mut().insert(DEGRADED, budget);
            Answer::Http(response)
        }
        Answer::Values(_) => answer,
    })
}

/// The call that the service makes of another one in its place.
fn in_its_place(mut call: Call, other: Arc<str>, sources: &Sources) -> Call {
    let caller = match &call.target {
        Target::Service(name) => call.caller.through(name),
        Target::Capability { .. } => call.caller.clone(),
    };
    if let Payload::Http(request) = &mut call.payload {
        caller.tell(request.headers_mut());
    }
    Call {
        id: CallId::new(sources.clock.wall(), sources.random.sixteen()),
        parent: Some(call.id),
        entry: Entry::Import,
        caller,
        asker: call.registered.take(),
        target: Target::Service(other),
        trace: call.trace.child(sources.random.sixteen()),
        ordinal: 1,
        key: None,
        above: Some(call.meter),
        meter: Arc::new(Meter::default()),
        ..call
    }
}
