//! Ticks: messages by which a service is asked for what is on its schedule.
//!
//! What a service sends itself can look like none of them: their lanes and names begin with what no guest can write.

use super::delivering::Asked;
use bytes::Bytes;
use holdfast_call::message::Message;
use holdfast_call::{Body, CallId, Caller, Entry, KEY_HEADER, Link, Payload, Sources, Trace, Why};
use holdfast_rules::schedule::{Schedule, When};
use holdfast_store::queue::Delivery;
use http::{HeaderName, HeaderValue, Request};
use std::sync::Arc;
use std::time::Duration;

/// What no guest can write into the name of a lane or of a message.
const OURS: char = '\u{1}';
/// The attributes of a tick.
const SCHEDULE: &str = "schedule";
const TICK_MS: &str = "tick-ms";
const ALWAYS: &str = "always";
/// The header by which a service over plain HTTP is told for which moment it is asked, in milliseconds since 1970.
const TICK_HEADER: HeaderName = HeaderName::from_static("holdfast-tick");
/// How long what runs again as soon as it has ended waits after it has failed, at least and at most, in milliseconds.
const BREATH_MS: (u64, u64) = (1_000, 5_000);

/// A tick, as it was taken from the queue.
pub(super) struct Tick {
    schedule: String,
    tick_ms: String,
    kind: Kind,
    operation: Arc<str>,
}

/// Whether there is a moment for each, or another one as soon as the last has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Moment,
    Always,
}

/// The message that a tick of a schedule is.
pub(super) fn message(
    service: &Arc<str>,
    schedule: &Schedule,
    tick_ms: i64,
    sources: &Sources,
) -> Message {
    let kind = match schedule.when {
        When::Always => Kind::Always,
        When::Every(_) | When::Cron(_) => Kind::Moment,
    };
    let what = (&schedule.operation, &*schedule.name);
    made(service, what, (tick_ms, kind), sources)
}

fn made(
    service: &Arc<str>,
    (operation, name): (&Arc<str>, &str),
    (tick_ms, kind): (i64, Kind),
    sources: &Sources,
) -> Message {
    let random = || sources.random.sixteen();
    let id = CallId::new(sources.clock.wall(), random());
    let mut attributes = vec![
        (SCHEDULE.to_owned(), name.to_owned()),
        (TICK_MS.to_owned(), tick_ms.to_string()),
    ];
    if kind == Kind::Always {
        attributes.push((ALWAYS.to_owned(), "true".to_owned()));
    }
    Message {
        id,
        queue: service.clone(),
        operation: Some(operation.clone()),
        body: Bytes::new(),
        content_type: None,
        attributes,
        lane: Some(format!("{OURS}schedule:{name}")),
        dedupe: (kind == Kind::Moment).then(|| format!("{OURS}tick:{name}:{tick_ms}")),
        delay: Duration::ZERO,
        sent_by: id,
        caller: Caller::outside(Link::Host),
        why: Why::claimed(&format!("schedule {name}")).unwrap_or_else(Why::undeclared),
        trace: Trace::start(random(), random()),
    }
}

impl Tick {
    /// The tick that a message is, if it is one.
    pub(super) fn of(message: &Delivery) -> Option<Self> {
        let said = |wanted: &str| {
            let mut all = message.attributes.iter();
            all.find(|(name, _)| name == wanted)
                .map(|(_, value)| value.clone())
        };
        Some(Self {
            operation: message.operation.clone()?,
            schedule: said(SCHEDULE)?,
            tick_ms: said(TICK_MS)?,
            kind: match said(ALWAYS) {
                Some(_) => Kind::Always,
                None => Kind::Moment,
            },
        })
    }

    /// What is asked of the service. The message's name is the key: asked for again, it is the same.
    pub(super) fn asked(&self, service: &str, message: &Delivery) -> Option<Asked> {
        let key: Arc<str> = format!("\"{}\"", message.receipt.id).into();
        let payload = match self.operation.split_once(' ') {
            Some((method, path)) => Payload::Http(self.request(service, (method, path), &key)?),
            None => Payload::Values(self.operation.clone(), Vec::new()),
        };
        Some(Asked {
            entry: Entry::Timer,
            operation: self.operation.clone(),
            key: Some(key),
            payload,
        })
    }

    fn request(
        &self,
        service: &str,
        (method, path): (&str, &str),
        key: &str,
    ) -> Option<Request<Body>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{service}.internal{path}"))
            .header(TICK_HEADER, HeaderValue::try_from(&self.tick_ms).ok()?)
            .header(KEY_HEADER, HeaderValue::try_from(key).ok()?);
        request.body(Body::empty()).ok()
    }

    /// The next one of what runs again as soon as it has ended, after it has failed.
    pub(super) fn again(
        &self,
        service: &Arc<str>,
        sources: &Sources,
        random: u64,
    ) -> Option<Message> {
        if self.kind == Kind::Moment {
            return None;
        }
        let (least, most) = BREATH_MS;
        let now = i64::try_from(sources.clock.wall().millis()).unwrap_or(i64::MAX);
        let what = (&self.operation, self.schedule.as_str());
        Some(Message {
            delay: Duration::from_millis(least + random % (most - least)),
            ..made(service, what, (now, self.kind), sources)
        })
    }
}
