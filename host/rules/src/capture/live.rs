//! The journal of a call that is captured, while it is served: whatever its guest is told is kept beside.
//!
//! It is the same call as without it, but for three things: its guest is told one result at a time, when it can go no further; its clock
//! stands still in between; and answers are read whole before they are handed on, as far as that is soon. What does not fit is handed on as
//! it comes, and the record says that it is not complete.

use super::record::{self, At, Gap, HIDDEN, Kept, Kind, Record, Step, headers, sent, shown};
use crate::journal::book::{Book, Idle};
use crate::journal::entry::{self, Asking, Entered};
use crate::journal::reading::Reading;
use crate::journal::{BYTES_MAX, beginning};
use crate::once::outcome;
use crate::whole::{Begun, begun};
use data_encoding::HEXLOWER;
use holdfast_call::{
    Answer, Body, BoxFuture, Call, CallId, Clock, Journal, Next, Payload, Purpose, Reply, Seat,
    Sources, Standing,
};
use http::{HeaderMap, Response, header};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long an answer that has begun is waited for; then it goes on as it comes.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// How long a request is waited for likewise.
const REQUEST_WAIT: Duration = Duration::from_secs(1);
/// How many bytes of one call are kept.
pub const CALL_BYTES_MAX: usize = 8 << 20;
/// How many steps of one call are kept.
pub const STEPS_MAX: usize = 10_000;

/// One captured call.
pub(super) struct Live {
    reading: Reading,
    clock: Arc<dyn Clock>,
    serving: Handle,
    tape: Mutex<Tape>,
}

/// What is kept of it so far.
struct Tape {
    record: Record,
    steps: BTreeMap<u32, Step>,
    /// The numbers of its sleeps, which are no calls.
    sleeps: Vec<u32>,
    bytes: usize,
    gaps: BTreeSet<Gap>,
    stand_ins: BTreeSet<String>,
}

/// What is known of a call from its beginning on.
pub(super) struct Beginning<'a> {
    pub(super) sources: &'a Sources,
    pub(super) world: &'a serde_json::Value,
    /// What is in no record of this service.
    pub(super) gaps: &'a [Gap],
}

impl Live {
    /// Begins with a call, whose request is read.
    pub(super) async fn begin(call: &mut Call, known: Beginning<'_>) -> Arc<Self> {
        let Beginning {
            sources,
            world,
            gaps,
        } = known;
        let clock = sources.clock.clone();
        let began_ns = clock.wall().0.saturating_mul(1_000);
        let mut seed = [0; 32];
        for half in seed.chunks_mut(16) {
            half.copy_from_slice(&sources.random.sixteen());
        }
        let over = clock.sleep_until(clock.now().after(REQUEST_WAIT));
        let (body, part) = read(&mut call.payload, over).await;
        let record = Record {
            form: record::FORM,
            kind: Kind::Call,
            call: call.id.to_string(),
            service: service(call),
            digest: digest(call),
            caller: call.caller.to_string(),
            operation: call.operation.to_string(),
            began_ns,
            seed: HEXLOWER.encode(&seed),
            world: world.clone(),
            asked: Kept::of(&beginning(call, &body, headers)),
            steps: Vec::new(),
            outcome: None,
            gaps: Vec::new(),
            stand_ins: Vec::new(),
        };
        let mut tape = Tape {
            record,
            steps: BTreeMap::new(),
            sleeps: Vec::new(),
            bytes: body.len(),
            gaps: gaps.iter().cloned().collect(),
            stand_ins: BTreeSet::new(),
        };
        if let Some(why) = part {
            tape.lacks(At::Request, why);
        }
        if let Payload::Http(request) = &call.payload {
            tape.hides(request.headers());
        }
        Arc::new(Self {
            reading: Reading::new(seed, Book::new(Vec::new(), began_ns)),
            clock,
            serving: Handle::current(),
            tape: Mutex::new(tape),
        })
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        // Each change of it is whole.
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of it is not kept.
    pub(super) fn lacks(&self, at: At, why: impl Into<String>) {
        self.tape().lacks(at, why);
    }

    /// What was kept, with what it came to.
    pub(super) fn record(&self, outcome: Option<&[u8]>) -> Record {
        let tape = &mut *self.tape();
        let mut record = tape.record.clone();
        record.outcome = outcome.map(Kept::of);
        record.steps = std::mem::take(&mut tape.steps).into_values().collect();
        record.gaps = tape.gaps.iter().cloned().collect();
        record.stand_ins = tape.stand_ins.iter().cloned().collect();
        record
    }

    /// The response of a guest, or of somebody that it asked, as it is kept.
    pub(super) fn written(&self, id: CallId, head: &http::response::Parts, body: &[u8]) -> Vec<u8> {
        self.tape().hides(&head.headers);
        outcome::of_response(id, head.status, headers(&head.headers), body)
    }

    fn now_ns(&self) -> u64 {
        self.clock.wall().0.saturating_mul(1_000)
    }

    async fn stepped(&self, mut call: Box<Call>, next: Next<'_>) -> Reply {
        let (id, ordinal) = (call.id, call.ordinal);
        let under_way = UnderWay(self, ordinal);
        call.journal = None;
        call.ordinal = self.tape().nth_call(ordinal);
        let mut asking = Asking::of(&call, shown);
        let over = self.clock.sleep_until(call.deadline);
        let (body, part) = read(&mut call.payload, over).await;
        asking.body(&body);
        let sent = sent(&call.payload, &body, shown);
        let entered = asking.entered();
        {
            let mut tape = self.tape();
            if let Some(why) = part {
                tape.lacks(At::Sent(ordinal), why);
            }
            if let Payload::Http(request) = &call.payload {
                tape.hides(request.headers());
            }
            tape.asked(ordinal, id.to_string(), entered, Some(sent), self.now_ns());
        }
        let reply = next.run(call).await;
        let (reply, kept, part) = self.whole(reply, id).await;
        self.came(ordinal, &kept, part);
        drop(under_way);
        self.reading.once(|book| book.take(ordinal)).await;
        reply
    }

    /// Reads an answer whole, as far as that is soon: what is handed on, what is kept, and why that is not all of it.
    async fn whole(&self, reply: Reply, id: CallId) -> (Reply, Vec<u8>, Option<&'static str>) {
        let response = match reply {
            Ok(Answer::Http(response)) => response,
            other => {
                let outcome::Ended { reply, outcome } = outcome::ended(other, id).await;
                return (reply, outcome, None);
            }
        };
        let (head, body) = response.into_parts();
        let wait = match is_stream(&head.headers) {
            true => Duration::ZERO,
            false => ANSWER_WAIT,
        };
        let over = self.clock.sleep_until(self.clock.now().after(wait));
        let (body, bytes, part) = match begun(body, BYTES_MAX, over).await {
            Begun::Whole(whole) => {
                let part = whole.has_trailers().then_some("it has trailers");
                let bytes = whole.bytes.clone();
                (whole.again(), bytes, part)
            }
            Begun::Part(body, why) => (body, bytes::Bytes::new(), Some(why)),
        };
        let kept = self.written(id, &head, &bytes);
        let reply = Ok(Answer::Http(Response::from_parts(head, body)));
        (reply, kept, part)
    }

    /// What came of a step is kept, and let through in its turn.
    fn came(&self, ordinal: u32, kept: &[u8], part: Option<&'static str>) {
        let ended_ns = self.now_ns();
        let mut book = self.reading.book();
        let place = book.next_place();
        self.tape().came(ordinal, (place, ended_ns), kept, part);
        book.came(ordinal, ended_ns, Vec::new());
        drop(book);
        self.reading.turned();
    }

    async fn sleeps_on(&self, ordinal: u32, until_ns: u64) {
        loop {
            let left = Duration::from_nanos(until_ns.saturating_sub(self.now_ns()));
            let over = self.clock.sleep_until(self.clock.now().after(left));
            tokio::select! {
                () = self.reading.once(|book| book.is_taken(ordinal).then_some(())) => return,
                () = over => {}
            }
            if self.now_ns() >= until_ns {
                break;
            }
        }
        self.came(ordinal, &[], None);
    }
}

impl Journal for Live {
    fn purpose(&self) -> Purpose {
        Purpose::Capture
    }

    fn seed(&self) -> [u8; 32] {
        self.reading.guest_seed()
    }

    fn new_id(&self) -> CallId {
        self.reading.new_id()
    }

    fn read_clock(&self) -> u64 {
        self.reading.book().read_clock()
    }

    fn next_ordinal(&self) -> u32 {
        self.reading.book().issue()
    }

    fn told(&self, _ordinal: u32, id: CallId) -> CallId {
        id
    }

    fn sleep(self: Arc<Self>, until: u64) -> BoxFuture<'static, ()> {
        let ordinal = {
            let mut book = self.reading.book();
            let ordinal = book.issue();
            book.sleeps(ordinal, until);
            ordinal
        };
        self.tape().falls_asleep(ordinal, until);
        let sleeper = self.clone();
        let slept = async move { sleeper.sleeps_on(ordinal, until).await };
        drop(self.serving.spawn(slept));
        let seat = Seat::at(self.clone(), ordinal);
        Box::pin(async move {
            let _until_woken = seat;
            self.reading.once(|book| book.take(ordinal)).await;
        })
    }

    fn root<'a>(self: Arc<Self>, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        next.run(call)
    }

    fn step<'a>(self: Arc<Self>, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move { self.stepped(call, next).await })
    }

    fn taken(&self, ordinal: u32) {
        self.reading.book().taken(ordinal);
        self.reading.turned();
    }

    fn idle(&self) {
        let through = self.reading.book().idle(self.now_ns());
        if through == Idle::Through {
            self.reading.turned();
        }
    }

    fn let_through(&self) -> u64 {
        self.reading.book().let_through()
    }

    fn standing(&self) -> Standing {
        Standing::Anew
    }
}

/// Something is under way, as long as it lives.
struct UnderWay<'a>(&'a Live, u32);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.reading.book().ends(self.1);
        self.0.reading.turned();
    }
}

impl Tape {
    /// The how-manieth call of its guest this is.
    fn nth_call(&self, ordinal: u32) -> u32 {
        let sleeps = self.sleeps.partition_point(|sleep| *sleep < ordinal);
        ordinal - u32::try_from(sleeps).unwrap_or(ordinal)
    }

    fn asked(
        &mut self,
        ordinal: u32,
        call: String,
        entered: Entered,
        sent: Option<String>,
        began_ns: u64,
    ) {
        let bytes = entered.what.len() + sent.as_ref().map_or(0, String::len);
        if !self.has_room(bytes) {
            return;
        }
        let step = Step {
            number: ordinal,
            call,
            what: entered.what,
            hash: HEXLOWER.encode(&entered.hash),
            sent,
            began_ns,
            came: None,
        };
        self.steps.insert(ordinal, step);
    }

    fn falls_asleep(&mut self, ordinal: u32, until_ns: u64) {
        self.sleeps.push(ordinal);
        let entered = entry::sleep(until_ns);
        self.asked(ordinal, String::new(), entered, None, until_ns);
    }

    fn came(
        &mut self,
        ordinal: u32,
        (place, ended_ns): (u32, u64),
        kept: &[u8],
        part: Option<&'static str>,
    ) {
        if let Some(why) = part {
            self.lacks(At::Step(ordinal), why);
        }
        if !self.has_room(kept.len()) {
            return;
        }
        if let Some(step) = self.steps.get_mut(&ordinal) {
            step.came = Some(record::Result {
                place,
                ended_ns,
                kept: Kept::of(kept),
                part: part.map(str::to_owned),
            });
        }
    }

    /// Whether there is room for so much more. Where there was none once, nothing more is kept.
    fn has_room(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let room = self.bytes <= CALL_BYTES_MAX && self.steps.len() <= STEPS_MAX;
        if !room {
            self.bytes = usize::MAX;
            self.lacks(
                At::Steps,
                format!("there are more than {STEPS_MAX}, or than {CALL_BYTES_MAX} bytes of them"),
            );
        }
        room
    }

    fn lacks(&mut self, at: At, why: impl Into<String>) {
        let why = why.into();
        self.gaps.insert(Gap { at, why });
    }

    fn hides(&mut self, headers: &HeaderMap) {
        let hidden = HIDDEN.iter().filter(|name| headers.contains_key(*name));
        self.stand_ins.extend(hidden.map(ToString::to_string));
    }
}

/// Reads the body of a request, as far as it is there before `over`: what is kept of it, and why that is not all.
pub(super) async fn read(
    payload: &mut Payload,
    over: impl Future<Output = ()>,
) -> (bytes::Bytes, Option<&'static str>) {
    let Payload::Http(request) = payload else {
        return (bytes::Bytes::new(), None);
    };
    let body = std::mem::replace(request.body_mut(), Body::empty());
    let (body, bytes, part) = match begun(body, BYTES_MAX, over).await {
        Begun::Whole(whole) => {
            let part = whole.has_trailers().then_some("it has trailers");
            let bytes = whole.bytes.clone();
            (whole.again(), bytes, part)
        }
        Begun::Part(body, why) => (body, bytes::Bytes::new(), Some(why)),
    };
    *request.body_mut() = body;
    (bytes, part)
}

/// Whether an answer is one that never comes to its end soon.
fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    kind.trim_start().starts_with("text/event-stream")
}

fn service(call: &Call) -> String {
    match &call.target {
        holdfast_call::Target::Service(name) => name.to_string(),
        other @ holdfast_call::Target::Capability { .. } => other.to_string(),
    }
}

fn digest(call: &Call) -> String {
    let known = call.registered.as_ref();
    let digest = known.and_then(|known| known.digest.as_deref());
    digest.unwrap_or_default().to_owned()
}
