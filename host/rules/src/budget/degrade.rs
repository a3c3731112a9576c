//! What a service answers once a budget that it spends of is nearly spent: something that costs less, if its operator has said what.
//!
//! It is decided before the service runs, from what was last heard of the budgets; so the first call after a start may still be a dear one.
//! What the service itself answered before comes first, where it was kept; then a text, or another service. A service that is asked in its
//! place is asked by it: within the grants, the deadline and the tree of the call. Where nothing fits a call, the service runs.

use super::{Limits, Purse, levels, till::Till};
use bytes::Bytes;
use holdfast_call::{
    Answer, Body, Call, CallId, Degraded, Entry, Meter, Moment, Next, Payload, Reply, Sources,
    Target,
};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;

/// The field of an answer that is not what the service would have given, and why.
pub const DEGRADED: HeaderName = HeaderName::from_static("holdfast-degraded");

/// What is answered in the place of a service. At least one of the two is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degrade {
    /// How old an answer of its own may be that it gives again.
    pub cached: Option<Duration>,
    /// What is answered where there is none.
    pub instead: Option<Instead>,
}

/// What is answered in the place of a service, by somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
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

impl Degrade {
    /// What is answered instead of what `call` asks for. A fixed answer is one over HTTP; whoever asks for values is served.
    pub(super) fn instead_of(&self, call: &Call) -> Option<&Instead> {
        self.instead
            .as_ref()
            .filter(|instead| match (instead, &call.payload) {
                (Instead::Answer { .. }, Payload::Values(..)) => false,
                (Instead::Answer { .. } | Instead::Service(_), _) => true,
            })
    }
}

/// What the operator of the service that `call` is for would have answered in its place, if anything.
pub(super) fn of(call: &Call) -> Option<(&Purse, &Arc<Degrade>)> {
    let Target::Service(_) = &call.target else {
        return None;
    };
    let purse = call.registered.as_ref()?.settings.get::<Purse>()?;
    Some((purse, purse.degrade.as_ref()?))
}

/// Whether a budget that `call` would be paid from is nearly spent.
pub(super) fn is_due(call: &Call, purse: &Purse, till: &Till, now: Moment) -> bool {
    let Target::Service(name) = &call.target else {
        return false;
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
    own.into_iter()
        .chain(upstreams)
        .any(|(level, name, limit)| {
            limit.is_some_and(|limit| till.is_nearly(level, name, (limit.amount, soft), now))
        })
}

/// Answers `instead`.
pub(super) async fn answered(
    call: Box<Call>,
    instead: &Instead,
    sources: &Sources,
    next: Next<'_>,
) -> Reply {
    let reply = match instead {
        Instead::Answer {
            status,
            content_type,
            body,
        } => {
            call.meter.set_degraded(Degraded::Answer);
            let mut response = Response::new(Body::whole(body.clone()));
            *response.status_mut() = *status;
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, content_type.clone());
            Ok(Answer::Http(response))
        }
        Instead::Service(name) => {
            call.meter.set_degraded(Degraded::Service);
            let other = in_its_place(*call, name.clone(), sources);
            next.afresh(other).await
        }
    };
    reply.map(marked)
}

/// Says of an answer that it is not what the service would have given. An answer of values says so once it is one over HTTP.
pub(super) fn marked(answer: Answer) -> Answer {
    match answer {
        Answer::Http(mut response) => {
            let budget = HeaderValue::from_static("budget");
            response.headers_mut().insert(DEGRADED, budget);
            Answer::Http(response)
        }
        Answer::Values(_) => answer,
    }
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
        wait: None,
        above: Some(call.meter),
        meter: Arc::new(Meter::default()),
        ..call
    }
}
