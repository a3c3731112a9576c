//! What stands in an entry: what was asked, as a hash, and what came of it, as it is given back; and what an execution was begun with.

use super::Names;
use crate::once::{self, outcome};
use crate::retry::{self, Harmless};
use crate::whole::{NotWhole, whole};
use bytes::Bytes;
use holdfast_call::{
    Answer, Body, Call, CallId, Fault, HostCode, Payload, Refusal, Reply, StepName, Target, Trace,
    Verdict, WallTime, Why,
};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The longest body of a request or an answer that an entry has, in bytes.
pub const BYTES_MAX: usize = 2 << 20;
/// The longest text of values that is shown, in bytes.
const SAID_BYTES_MAX: usize = 200;

// === What is asked ===

/// A child call, and how it stands in the journal.
pub(super) struct Asked {
    pub(super) call: Box<Call>,
    pub(super) entered: Entered,
}

/// In what form it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Over HTTP.
    Http,
    /// With values.
    Values,
}

/// A child call that is not made: it is longer than an entry may be, or was cut. That is what comes of it.
pub(super) struct NotAsked {
    pub(super) entered: Entered,
    pub(super) fault: Fault,
}

/// How a child call stands in the journal.
#[derive(Clone, Debug)]
pub(super) struct Entered {
    pub(super) what: String,
    pub(super) hash: [u8; 32],
    pub(super) form: Form,
}

/// Reads a child call whole.
///
/// # Errors
/// It is longer than an entry may be, or was cut.
pub(super) async fn asked(mut call: Box<Call>) -> Result<Asked, NotAsked> {
    let what = format!("{} {}", call.target, call.operation);
    let mut hash = Sha256::new();
    add(&mut hash, what.as_bytes());
    let form = match &call.payload {
        Payload::Http(_) => Form::Http,
        Payload::Values(..) => Form::Values,
    };
    let nothing = Payload::Values("".into(), Vec::new());
    call.payload = match std::mem::replace(&mut call.payload, nothing) {
        Payload::Http(request) => {
            let (head, body) = request.into_parts();
            add(&mut hash, head.method.as_str().as_bytes());
            add(&mut hash, head.uri.to_string().as_bytes());
            for (name, value) in &head.headers {
                add(&mut hash, name.as_str().as_bytes());
                add(&mut hash, value.as_bytes());
            }
            let bytes = match whole(body, BYTES_MAX).await {
                Ok(read) => read.bytes,
                Err(not) => {
                    let entered = Entered {
                        what,
                        hash: hash.finalize().into(),
                        form,
                    };
                    let fault = match not {
                        NotWhole::Cut(fault) => fault,
                        NotWhole::TooLong => too_long("a request"),
                    };
                    return Err(NotAsked { entered, fault });
                }
            };
            add(&mut hash, &bytes);
            Payload::Http(Request::from_parts(head, Body::whole(bytes)))
        }
        Payload::Values(operation, list) => {
            let text = written(&list);
            add(&mut hash, operation.as_bytes());
            add(&mut hash, text.as_bytes());
            if text.len() > BYTES_MAX {
                let entered = Entered {
                    what,
                    hash: hash.finalize().into(),
                    form,
                };
                let fault = too_long("what is asked");
                return Err(NotAsked { entered, fault });
            }
            Payload::Values(operation, list)
        }
    };
    let entered = Entered {
        what,
        hash: hash.finalize().into(),
        form,
    };
    Ok(Asked { call, entered })
}

/// The hash of a sleep until then.
pub(super) fn sleep_hash(until_ns: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    add(&mut hash, b"sleep");
    hash.update(until_ns.to_be_bytes());
    hash.finalize().into()
}

/// How it is known that something was asked for before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is as if it were done once, however often.
    ByItself,
    /// Whoever is asked knows the name, as long as he remembers it.
    ByItsName,
    /// It is not: it could be another effect.
    Not,
}

/// Gives the call the name of its entry, where whoever is asked takes one. How it is known again then.
pub(super) fn named(call: &mut Call, name: StepName) -> Known {
    call.step = Some(name);
    match &call.target {
        Target::Service(_) => {
            if !once::changes(call) {
                return Known::ByItself;
            }
            if !once::is_keyed(call) {
                call.key = Some(name.to_string().into());
            }
            Known::ByItsName
        }
        Target::Capability { name: "http", .. } => request(call, name),
        Target::Capability { name: "queue", .. } => Known::ByItsName,
        Target::Capability { .. } => {
            let known = call.registered.as_ref();
            let listed = known.and_then(|known| known.settings.get::<super::Repeatable>());
            let listed = listed.is_some_and(|listed| listed.0.contains(&&*call.operation));
            match listed || !once::changes(call) {
                true => Known::ByItself,
                false => Known::Not,
            }
        }
    }
}

fn request(call: &mut Call, name: StepName) -> Known {
    let known = call.registered.clone();
    let settings = known.as_ref().map(|known| &known.settings);
    let Payload::Http(request) = &mut call.payload else {
        return Known::Not;
    };
    if request.method().is_idempotent() {
        return Known::ByItself;
    }
    if let Some(Names(header)) = settings.and_then(|settings| settings.get::<Names>()) {
        if !request.headers().contains_key(header)
            && let Ok(value) = HeaderValue::try_from(name.to_string())
        {
            request.headers_mut().insert(header.clone(), value);
        }
        return Known::ByItsName;
    }
    let tried = settings.and_then(|settings| settings.get::<retry::Settings>());
    match tried.map(|tried| tried.harmless) {
        Some(Harmless::All) => Known::ByItself,
        Some(Harmless::Idempotent) | None => Known::Not,
    }
}

// === What came ===

/// Reads a reply whole, and writes it down.
pub(super) async fn came(reply: Reply, id: CallId) -> Vec<u8> {
    let reply = match reply {
        Ok(Answer::Http(response)) => {
            let (head, body) = response.into_parts();
            let read = read(body, "an answer").await;
            read.map(|bytes| Answer::Http(Response::from_parts(head, Body::whole(bytes))))
        }
        other => other,
    };
    let written = outcome::ended(reply, id).await.outcome;
    match written.len() > BYTES_MAX * 2 {
        true => outcome::of_fault(&too_long("an answer"), id),
        false => written,
    }
}

/// What came of an entry, as it is given to the guest.
pub(super) fn given(bytes: &[u8], form: Form) -> Reply {
    match (outcome::recorded(bytes), form) {
        (Some(reply @ (Err(_) | Ok(Answer::Http(_)))), Form::Http)
        | (Some(reply @ (Err(_) | Ok(Answer::Values(_)))), Form::Values) => reply,
        (Some(_) | None, _) => Err(once::unreadable()),
    }
}

/// What came of something, in a word for people.
#[must_use]
pub fn said(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "it is over".to_owned();
    }
    match outcome::recorded(bytes) {
        Some(Ok(Answer::Http(response))) => {
            let length = response.body().as_whole().map_or(0, Bytes::len);
            format!("{}, {length} bytes", response.status().as_u16())
        }
        Some(Ok(Answer::Values(values))) => {
            let shown: Vec<_> = values
                .list()
                .iter()
                .map(|value| format!("{value:?}"))
                .collect();
            let shown = shown.join(", ");
            shown[..shown.floor_char_boundary(SAID_BYTES_MAX)].to_owned()
        }
        Some(Err(fault)) => format!("{}: {}", fault.code(), fault.detail()),
        None => "it cannot be read".to_owned(),
    }
}

/// What an execution comes to that a person ends. `call` is its name.
#[must_use]
pub fn killed(call: &str) -> Vec<u8> {
    let verdict = Verdict {
        boundary: HostCode::Cancelled.meaning().boundary,
        stage: "journal",
        cause: "a person has ended it".to_owned(),
        evidence: Vec::new(),
        next: format!("holdfast run show {call}"),
    };
    let fault = Fault::host(
        HostCode::Cancelled,
        "The execution was ended by its operator.",
        verdict,
    );
    let id = CallId::parse(call).unwrap_or_else(|| CallId::new(WallTime(0), [0; 16]));
    outcome::of_fault(&fault, id)
}

async fn read(body: Body, what: &str) -> Result<Bytes, Fault> {
    match whole(body, BYTES_MAX).await {
        Ok(read) => Ok(read.bytes),
        Err(NotWhole::TooLong) => Err(too_long(what)),
        Err(NotWhole::Cut(fault)) => Err(fault),
    }
}

fn too_long(what: &str) -> Fault {
    let refusal = Refusal {
        code: HostCode::PayloadTooLarge,
        layer: "journal",
        detail: "This is longer than what a durable execution may send or be answered.".to_owned(),
        rule: "what a durable execution asks and is answered is written down whole".to_owned(),
        seen: format!("{what} that is longer"),
        limit: format!("{BYTES_MAX} bytes"),
        change: "the service: let it ask for less at once, or for a reference".to_owned(),
        retry_after: None,
    };
    refusal.into()
}

// === What it was begun with ===

/// What an execution was begun with, as it is kept: a line of JSON, and the body.
#[derive(Serialize, Deserialize)]
struct Line {
    why: String,
    trace: String,
    http: Option<Head>,
    values: Option<(String, Vec<serde_json::Value>)>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    method: String,
    uri: String,
    headers: Vec<(String, Vec<u8>)>,
}

/// What an execution is begun with.
#[derive(Debug)]
pub struct Beginning {
    /// What is asked.
    pub payload: Payload,
    /// Why.
    pub why: Why,
    /// The trace that it goes on.
    pub trace: Option<Trace>,
}

/// Writes down what this call asks. `body` is the whole of a request's body.
pub(crate) fn beginning(call: &Call, body: &[u8]) -> Vec<u8> {
    let (http, values) = match &call.payload {
        Payload::Http(request) => {
            let headers = request.headers().iter();
            let headers =
                headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            let head = Head {
                method: request.method().to_string(),
                uri: request.uri().to_string(),
                headers: headers.collect(),
            };
            (Some(head), None)
        }
        Payload::Values(operation, list) => {
            let list = list.iter().map(once::written).collect();
            (None, Some((operation.to_string(), list)))
        }
    };
    let line = Line {
        why: call.why.as_str().to_owned(),
        trace: call.trace.header(),
        http,
        values,
    };
    // Texts and numbers alone: there is nothing in it that could not be written.
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    if matches!(call.payload, Payload::Http(_)) {
        bytes.extend_from_slice(body);
    }
    bytes
}

/// Reads what an execution was begun with; none if nobody can read it.
#[must_use]
pub fn begun_with(bytes: &[u8]) -> Option<Beginning> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, body) = bytes.split_at_checked(end)?;
    let line: Line = serde_json::from_slice(line).ok()?;
    let payload = match (line.http, line.values) {
        (Some(head), None) => {
            let mut request = Request::new(Body::whole(Bytes::copy_from_slice(body.get(1..)?)));
            *request.method_mut() = head.method.parse::<Method>().ok()?;
            *request.uri_mut() = head.uri.parse::<Uri>().ok()?;
            for (name, value) in head.headers {
                let name = HeaderName::try_from(name).ok()?;
                let value = HeaderValue::from_bytes(&value).ok()?;
                request.headers_mut().append(name, value);
            }
            Payload::Http(request)
        }
        (None, Some((operation, list))) => {
            let list = list.iter().map(once::read).collect::<Option<_>>()?;
            Payload::Values(operation.into(), list)
        }
        (Some(_), Some(_)) | (None, None) => return None,
    };
    Some(Beginning {
        payload,
        why: Why::claimed(&line.why).unwrap_or_else(Why::undeclared),
        trace: Trace::parse(&line.trace),
    })
}

fn written(list: &[holdfast_call::Value]) -> String {
    serde_json::Value::Array(list.iter().map(once::written).collect()).to_string()
}

/// Its length first, so that nothing of one part can pass for the beginning of the next.
fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

#[cfg(test)]
mod tests;
