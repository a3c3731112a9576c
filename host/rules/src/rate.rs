//! `rate`: no caller, service or operation gets more calls in its time than the policy says.
//!
//! | limit | counts | setting |
//! |---|---|---|
//! | `caller` | each caller's calls from outside, to all services | `[rate] caller` |
//! | `caller-here` | each caller's calls from outside, to one service | `[services.NAME.rate] caller` |
//! | `service` | all calls of a service, those that services make too | `[services.NAME.rate] calls` |
//! | `operation` | those of one operation of it | `[services.NAME.rate.operations]` |
//!
//! A call is counted by all of its limits or by none: each is looked at while those before it are held, always in this order, and counted
//! only if none refuses. So nobody uses up what is his own by running against what is everybody's. What was let in here and shed further
//! in had nothing of it, and is given back; whatever went further counts, whatever came of it. What services ask of upstreams is counted
//! try by try, by [`attempt`](crate::attempt), with the same arithmetic.

mod caller;
pub mod flow;
mod headers;
pub mod limit;
mod reading;
mod refusal;
pub mod route;
mod table;

use crate::{Parts, record};
use caller::Key;
use flow::{Grant, Share};
use headers::Left;
use holdfast_call::{
    Answer, Applies, BoxFuture, Call, Entry, Fault, HostCode, Layer, Meter, Moment, Next, Reply,
    Sources, Target,
};
use limit::Limit;
use route::{Operation, Operations};
use std::sync::Arc;
use std::time::Duration;

pub use table::KEYS_MAX;

/// The limits of a service.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Of each caller, at all services together.
    pub caller: Option<Arc<Limit>>,
    /// Of each caller, at this one.
    pub caller_here: Option<Arc<Limit>>,
    /// Of the service.
    pub calls: Option<Arc<Limit>>,
    /// Of its operations.
    pub operations: Operations,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// A caller's calls.
    Caller,
    /// A caller's calls to one service.
    CallerHere,
    /// A service's calls.
    Service,
    /// An operation's calls.
    Operation,
}

impl Dimension {
    /// All of them, in the order in which they are looked at.
    pub const ALL: [Self; 4] = [
        Self::Caller,
        Self::CallerHere,
        Self::Service,
        Self::Operation,
    ];

    /// The word of the metrics and of what callers are told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::CallerHere => "caller-here",
            Self::Service => "service",
            Self::Operation => "operation",
        }
    }
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Rate {
        sources: parts.sources.clone(),
    })
}

struct Rate {
    sources: Sources,
}

impl Layer for Rate {
    fn name(&self) -> &'static str {
        "rate"
    }

    fn applies(&self, _target: &Target, settings: &holdfast_call::Settings) -> Applies {
        match settings.get::<Settings>() {
            Some(settings) if !settings.is_empty() => Applies::Yes,
            Some(_) | None => Applies::No,
        }
    }

    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        if call.entry == Entry::Execution {
            // It was counted when it was begun.
            return next.run(call);
        }
        Box::pin(async move {
            let registered = call.registered.clone();
            let registered = registered.as_ref();
            let Some(settings) = registered.and_then(|known| known.settings.get::<Settings>())
            else {
                return next.run(call).await;
            };
            let clock = &*self.sources.clock;
            let now = clock.now();
            let mut asked = Asked::new();
            take(settings.ways(&call), now, &mut asked);
            if let Some(late) = asked.late {
                let known = registered.and_then(|known| known.settings.get::<record::Settings>());
                if let Some(record::Settings { series }) = known {
                    series.limited(late.way.dimension);
                }
                let fault = refusal::of(&call, &late, now);
                let wait = fault.wait();
                return told(Err(fault), asked.left(), wait);
            }
            let meter = call.meter.clone();
            let reply = next.run(call).await;
            if shed(&reply, &meter) {
                asked.give_back(clock.now());
            }
            told(reply, asked.left(), None)
        })
    }
}

/// One limit that a call is counted by.
#[derive(Clone, Copy)]
struct Way<'a> {
    dimension: Dimension,
    limit: &'a Limit,
    key: Key,
    operation: Option<&'a Operation>,
}

/// The limit that lets a call come last of all.
#[derive(Clone, Copy)]
struct Late<'a> {
    way: Way<'a>,
    then: Moment,
}

/// What came of asking the limits of a call.
struct Asked<'a> {
    late: Option<Late<'a>>,
    counted: Vec<(Way<'a>, Share)>,
    left: [Option<Left>; 2],
}

impl Settings {
    /// Whether there is no limit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let [caller, here, calls] =
            [&self.caller, &self.caller_here, &self.calls].map(Option::is_none);
        caller && here && calls && self.operations.is_empty()
    }

    /// The limits that a call is counted by, in the order in which they are held.
    fn ways(&self, call: &Call) -> impl Iterator<Item = Way<'_>> {
        let caller = caller::of(call);
        let of_caller = [
            (Dimension::Caller, &self.caller),
            (Dimension::CallerHere, &self.caller_here),
        ];
        let of_caller = of_caller.into_iter().filter_map(move |(dimension, limit)| {
            Some(Way {
                dimension,
                limit: limit.as_deref()?,
                key: caller?,
                operation: None,
            })
        });
        let of_all = |dimension, limit, operation| Way {
            dimension,
            limit,
            key: Key::Nobody,
            operation,
        };
        let calls = self.calls.iter();
        let calls = calls.map(move |limit| of_all(Dimension::Service, limit, None));
        let operations = self.operations.counted(call);
        let operations = operations
            .map(move |one| of_all(Dimension::Operation, &one.limit, Some(&one.operation)));
        of_caller.chain(calls).chain(operations)
    }
}

/// Looks at one limit after the other, each while those before it are held, and counts the call by all of them if all let it come now.
fn take<'a>(mut ways: impl Iterator<Item = Way<'a>>, now: Moment, asked: &mut Asked<'a>) {
    let Some(way) = ways.next() else { return };
    way.limit.held(way.key, now, |flow| {
        let quota = way.limit.quota();
        if let Grant::Later(then) = flow.look(quota, 1, now)
            && asked.late.is_none_or(|late| late.then < then)
        {
            asked.late = Some(Late { way, then });
        }
        take(ways, now, asked);
        if asked.late.is_none() {
            asked.counted.push((way, flow.count(quota, 1, now)));
        }
        let left = || Some(Left::of(way.dimension, quota, flow, now));
        let [caller, here] = &mut asked.left;
        match way.dimension {
            Dimension::Caller => *caller = left(),
            Dimension::CallerHere => *here = left(),
            Dimension::Service | Dimension::Operation => {}
        }
    });
}

impl Asked<'_> {
    fn new() -> Self {
        Self {
            late: None,
            // Nothing is allocated while a limit is held, but where one path may mean many operations.
            counted: Vec::with_capacity(Dimension::ALL.len()),
            left: [None; 2],
        }
    }

    fn left(&self) -> impl Iterator<Item = Left> {
        self.left.into_iter().flatten()
    }

    fn give_back(&self, now: Moment) {
        for (way, share) in &self.counted {
            way.limit.give_back(way.key, *share, now);
        }
    }
}

/// Whether a call was turned away further in for want of room, before anything was done for it.
fn shed(reply: &Reply, meter: &Meter) -> bool {
    let code = reply.as_ref().err().and_then(Fault::host_code);
    let shed = matches!(code, Some(HostCode::Overloaded | HostCode::Draining));
    shed && meter.read().attempts == 0
}

/// The reply, with what the caller is told of his limits.
fn told(reply: Reply, left: impl Iterator<Item = Left>, wait: Option<Duration>) -> Reply {
    let Some(fields) = headers::fields(left, wait) else {
        return reply;
    };
    match reply {
        Ok(Answer::Http(mut response)) => {
            for (name, value) in fields {
                // In the place of what the service may say under this name.
                response.headers_mut().insert(name, value);
            }
            Ok(Answer::Http(response))
        }
        Ok(answer @ Answer::Values(_)) => Ok(answer),
        Err(fault) => Err(fields
            .into_iter()
            .fold(fault, |fault, (name, value)| fault.telling(name, value))),
    }
}

#[cfg(test)]
mod tests;
