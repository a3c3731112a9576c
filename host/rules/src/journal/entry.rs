//! What stands in an entry: what was asked, as a hash, and what came of it, as it is given back.

use super::Names;
use crate::once::{self, outcome};
use crate::retry::{self, Harmless};
use crate::whole::{NotWhole, whole};
use bytes::Bytes;
use holdfast_call::{
    Answer, Body, Call, CallId, Fault, HostCode, Payload, Refusal, Reply, StepName, Target,
    Verdict, WallTime,
};
use http::{HeaderName, HeaderValue, Request, Response};
use sha2::{Digest as _, Sha256};

/// The longest body of a request or an answer that an entry has, in bytes.
pub const BYTES_MAX: usize = 2 << 20;
/// How a sleep stands in a journal.
const SLEEP: &str = "sleep";
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
pub(crate) enum Form {
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
pub(crate) struct Entered {
    pub(crate) what: String,
    pub(crate) hash: [u8; 32],
    pub(crate) form: Form,
}

/// A child call on its way into a journal, as far as it was read.
pub(crate) struct Asking {
    what: String,
    hash: Sha256,
    form: Form,
}

impl Asking {
    /// Reads all but the body of a request. `shown` is how a header stands in the journal.
    pub(crate) fn of(call: &Call, shown: Shown) -> Self {
        let what = format!("{} {}", call.target, call.operation);
        let mut hash = Sha256::new();
        add(&mut hash, what.as_bytes());
        let form = match &call.payload {
            Payload::Http(request) => {
                add(&mut hash, request.method().as_str().as_bytes());
                add(&mut hash, request.uri().to_string().as_bytes());
                for (name, value) in request.headers() {
                    add(&mut hash, name.as_str().as_bytes());
                    add(&mut hash, shown(name, value.as_bytes()));
                }
                Form::Http
            }
            Payload::Values(operation, list) => {
                add(&mut hash, operation.as_bytes());
                add(&mut hash, written(list).as_bytes());
                Form::Values
            }
        };
        Self { what, hash, form }
    }

    /// Reads the body of the request.
    pub(crate) fn body(&mut self, bytes: &[u8]) {
        add(&mut self.hash, bytes);
    }

    /// As it is written down.
    pub(crate) fn entered(self) -> Entered {
        Entered {
            what: self.what,
            hash: self.hash.finalize().into(),
            form: self.form,
        }
    }
}

/// How the value of a header stands in a journal.
pub(crate) type Shown = for<'a> fn(&HeaderName, &'a [u8]) -> &'a [u8];

/// As it is.
pub(crate) fn plain<'a>(_name: &HeaderName, value: &'a [u8]) -> &'a [u8] {
    value
}

/// Reads a child call whole.
///
/// # Errors
/// It is longer than an entry may be, or was cut.
pub(super) async fn asked(mut call: Box<Call>) -> Result<Asked, NotAsked> {
    let mut asking = Asking::of(&call, plain);
    let nothing = Payload::Values("".into(), Vec::new());
    call.payload = match std::mem::replace(&mut call.payload, nothing) {
        Payload::Http(request) => {
            let (head, body) = request.into_parts();
            let bytes = match whole(body, BYTES_MAX).await {
                Ok(read) => read.bytes,
                Err(not) => {
                    let entered = asking.entered();
                    let fault = match not {
                        NotWhole::Cut(fault) => fault,
                        NotWhole::TooLong => too_long("a request"),
                    };
                    return Err(NotAsked { entered, fault });
                }
            };
            asking.body(&bytes);
            Payload::Http(Request::from_parts(head, Body::whole(bytes)))
        }
        Payload::Values(operation, list) => {
            if written(&list).len() > BYTES_MAX {
                let (entered, fault) = (asking.entered(), too_long("what is asked"));
                return Err(NotAsked { entered, fault });
            }
            Payload::Values(operation, list)
        }
    };
    let entered = asking.entered();
    Ok(Asked { call, entered })
}

/// A sleep until then, in nanoseconds since 1970.
pub(crate) fn sleep(until_ns: u64) -> Entered {
    let mut hash = Sha256::new();
    add(&mut hash, SLEEP.as_bytes());
    hash.update(until_ns.to_be_bytes());
    Entered {
        what: SLEEP.to_owned(),
        hash: hash.finalize().into(),
        form: Form::Values,
    }
}

/// Whether that is how a sleep stands in a journal.
pub(super) fn is_sleep(what: &str) -> bool {
    what == SLEEP
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
pub(crate) fn given(bytes: &[u8], form: Form) -> Reply {
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

pub(crate) fn written(list: &[holdfast_call::Value]) -> String {
    serde_json::Value::Array(list.iter().map(once::written).collect()).to_string()
}

/// Its length first, so that nothing of one part can pass for the beginning of the next.
fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

#[cfg(test)]
mod tests;
