//! The call being served, as its implementation holds it: what it knows of itself, and the only door to calls of its own.

use crate::body::{Body, BodyEnd, BodyWatch};
use crate::call::{Call, Entry, Target};
use crate::caller::{CALLER_HEADER, Caller};
use crate::child::Child;
use crate::execution::{Execution, claimed_key};
use crate::fault::Fault;
use crate::future::BoxFuture;
use crate::id::CallId;
use crate::journal::{Journal, Seat};
use crate::lot::Lot;
use crate::message::Outbox;
use crate::meter::Meter;
use crate::money::NanoUsd;
use crate::payload::Payload;
use crate::pipeline::{Pipeline, Reply};
use crate::prefer::wished_wait;
use crate::principal::Principal;
use crate::priority::Priority;
use crate::registry::Registered;
use crate::time::{Clock, Moment};
use crate::trace::Trace;
use crate::why::Why;
use http::Request;
use std::any::Any;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// What all calls of one tree share: the call from outside, its children, theirs.
#[derive(Debug, Default)]
pub struct Tree {
    shields: AtomicU32,
    /// Of what class it is, once its root was admitted.
    priority: AtomicU8,
    lot: Lot,
    /// Who asked for its root, once he is known to be who he says.
    principal: OnceLock<Arc<Principal>>,
    /// What all of its calls have cost, and may still cost that are under way, in nano-USD.
    cost: AtomicU64,
    /// What its calls hold that outlasts a child of theirs, each with the call that holds it.
    kept: Mutex<Vec<(CallId, Kept)>>,
}

/// Something that is let go of by being dropped.
pub type Kept = Box<dyn Any + Send + Sync>;

impl Tree {
    /// The tree of a call from this caller.
    #[must_use]
    pub fn of(lot: Lot) -> Self {
        Self {
            lot,
            ..Self::default()
        }
    }

    /// Whose call it is, so that all of its calls go to the same versions.
    #[must_use]
    pub fn lot(&self) -> Lot {
        self.lot
    }

    /// Who asked for its root, if he proved who he is.
    #[must_use]
    pub fn principal(&self) -> Option<&Arc<Principal>> {
        self.principal.get()
    }

    /// Says who asked for its root; whoever says it first has said it.
    pub fn set_principal(&self, principal: Arc<Principal>) {
        // A root that is tried again proves the same thing again.
        let _ = self.principal.set(principal);
    }

    /// Sets `amount` aside for a call of it that is about to be paid for, if all that it costs stays within `limit`.
    ///
    /// # Errors
    /// It does not; what it costs without this one.
    pub fn set_aside(&self, amount: NanoUsd, limit: NanoUsd) -> Result<(), NanoUsd> {
        let within = |cost| {
            let cost = NanoUsd(cost).plus(amount);
            (cost <= limit).then_some(cost.0)
        };
        let kept = self
            .cost
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, within);
        kept.map(|_| ()).map_err(NanoUsd)
    }

    /// What was set aside for a call has come to `actual`, which may be more.
    pub fn paid(&self, aside: NanoUsd, actual: NanoUsd) {
        let settled = |cost: u64| Some(cost.saturating_sub(aside.0).saturating_add(actual.0));
        // It always has an answer, so this cannot fail.
        let _ = self
            .cost
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, settled);
    }

    /// Keeps something until what serves the call of this name is gone, however it ends: what a guest was given by a child call, and would
    /// not give back when it is killed.
    pub fn keep(&self, call: CallId, kept: Kept) {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((call, kept));
    }

    /// Lets go of what was kept for it.
    fn let_go(&self, call: CallId) {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let of_call = |kept: &mut (CallId, Kept)| kept.0 == call;
        let gone: Vec<_> = all.extract_if(.., of_call).collect();
        // What letting go does is no business of those who wait for the lock.
        drop(all);
        drop(gone);
    }

    /// Of what class all of its calls are.
    #[must_use]
    pub fn priority(&self) -> Priority {
        Priority::numbered(self.priority.load(Ordering::Relaxed))
    }

    /// Says of what class they are; whoever admits the root knows.
    pub fn set_priority(&self, priority: Priority) {
        self.priority.store(priority as u8, Ordering::Relaxed);
    }

    /// Holds the tree up although its client goes away: something is under way whose end must be known.
    #[must_use]
    pub fn shield(self: &Arc<Self>) -> Shield {
        self.shields.fetch_add(1, Ordering::AcqRel);
        Shield(self.clone())
    }

    /// Whether anything of the tree is shielded now.
    #[must_use]
    pub fn shielded(&self) -> bool {
        self.shields.load(Ordering::Acquire) > 0
    }
}

/// As long as it lives, its tree is not cancelled by a client that goes away; the deadline still holds.
#[derive(Debug)]
pub struct Shield(Arc<Tree>);

impl Drop for Shield {
    fn drop(&mut self) {
        self.0.shields.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A child call on its way.
pub struct Asked {
    /// Its name.
    pub id: CallId,
    /// What it comes back with. Nothing happens until it is polled, and dropping it cancels the child.
    pub reply: BoxFuture<'static, Reply>,
    /// The place of whoever waits for it.
    pub seat: Seat,
}

/// The call being served. There is no other way to make a call from inside, so a guest that serves nobody can call nobody.
///
/// A child gets the parent's trace, tree, caller chain with the serving service added, reason, and deadline; the pipeline's `deadline`
/// layer takes the reserve off it. Once the parent's head has left, what bounds its children is the end of its stream.
#[derive(Clone)]
pub struct Scope(Arc<Parts>);

struct Parts {
    pipeline: Arc<Pipeline>,
    registered: Arc<Registered>,
    id: CallId,
    caller: Caller,
    operation: Arc<str>,
    why: Why,
    /// By when its children must have answered, in nanoseconds of the clock.
    deadline: AtomicU64,
    stream: Duration,
    trace: Trace,
    meter: Arc<Meter>,
    tree: Arc<Tree>,
    execution: Option<Arc<dyn Execution>>,
    journal: Option<Arc<dyn Journal>>,
    outbox: Option<Arc<Outbox>>,
    children: AtomicU32,
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.tree.let_go(self.id);
    }
}

impl Scope {
    pub(crate) fn of(call: &Call, registered: Arc<Registered>, pipeline: Arc<Pipeline>) -> Self {
        Self(Arc::new(Parts {
            pipeline,
            registered,
            id: call.id,
            caller: call.caller.clone(),
            operation: call.operation.clone(),
            why: call.why.clone(),
            deadline: AtomicU64::new(call.deadline.as_nanos()),
            stream: call.stream,
            trace: call.trace,
            meter: call.meter.clone(),
            tree: call.tree.clone(),
            execution: call.execution.clone(),
            journal: call.journal.clone(),
            outbox: call.outbox.clone(),
            children: AtomicU32::new(0),
        }))
    }

    /// Makes a child call and sends it through the pipeline, from its top.
    ///
    /// `why` is the guest's own reason; without one the child says what this call is doing.
    #[must_use]
    pub fn ask(
        &self,
        target: Target,
        operation: Arc<str>,
        why: Option<Why>,
        payload: Payload,
    ) -> Asked {
        let parts = &self.0;
        let sources = parts.pipeline.sources();
        let caller = match &parts.registered.target {
            Target::Service(name) => parts.caller.through(name),
            Target::Capability { .. } => parts.caller.clone(),
        };
        let meter = Arc::new(Meter::default());
        let (mut key, mut wait) = (None, None);
        let payload = match payload {
            Payload::Http(mut request) => {
                key = claimed_key(request.headers());
                wait = wished_wait(request.headers());
                match &target {
                    Target::Service(_) => caller.tell(request.headers_mut()),
                    // Who asks is no business of others.
                    Target::Capability { .. } => {
                        request.headers_mut().remove(CALLER_HEADER);
                    }
                }
                Payload::Http(counted(request, &meter))
            }
            Payload::Values(..) => payload,
        };
        let call = Call {
            id: CallId::new(sources.clock.wall(), sources.random.sixteen()),
            parent: Some(parts.id),
            entry: Entry::Import,
            caller,
            asker: Some(parts.registered.clone()),
            target,
            registered: None,
            operation,
            why: why
                .or_else(|| Why::shared(&parts.operation))
                .unwrap_or_else(|| parts.why.clone()),
            deadline: self.deadline(),
            stream: Duration::ZERO,
            trace: parts.trace.child(sources.random.sixteen()),
            ordinal: self.next_ordinal(),
            key,
            wait,
            execution: parts.execution.clone(),
            journal: parts.journal.clone(),
            step: None,
            outbox: parts.outbox.clone(),
            payload,
            meter,
            above: Some(parts.meter.clone()),
            tree: parts.tree.clone(),
        };
        let child = Child {
            target: call.target.clone(),
            asker: parts.meter.clone(),
            clock: sources.clock.clone(),
        };
        Asked {
            id: call.id,
            seat: Seat::of(&call.journal, call.ordinal),
            reply: Box::pin(child.followed(parts.pipeline.run(call))),
        }
    }

    fn next_ordinal(&self) -> u32 {
        match &self.0.journal {
            Some(journal) => journal.next_ordinal(),
            None => self.0.children.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }

    /// The journal of the execution that it runs, if it is a durable one.
    #[must_use]
    pub fn journal(&self) -> Option<&Arc<dyn Journal>> {
        self.0.journal.as_ref()
    }

    /// The name of the call being served.
    #[must_use]
    pub fn id(&self) -> CallId {
        self.0.id
    }

    /// What serves it, as registered.
    #[must_use]
    pub fn registered(&self) -> &Arc<Registered> {
        &self.0.registered
    }

    /// By when its answer must have begun; once it has, by when it must have ended.
    #[must_use]
    pub fn deadline(&self) -> Moment {
        Moment::from_nanos(self.0.deadline.load(Ordering::Acquire))
    }

    /// The head of its answer has left, and the rest is streamed.
    pub fn streams(&self) {
        let now = self.0.pipeline.sources().clock.now();
        let end = now.after(self.0.stream).as_nanos();
        self.0.deadline.fetch_max(end, Ordering::AcqRel);
    }

    /// A name that nothing else has, on this host or another.
    #[must_use]
    pub fn new_id(&self) -> CallId {
        if let Some(journal) = &self.0.journal {
            return journal.new_id();
        }
        let sources = self.0.pipeline.sources();
        CallId::new(sources.clock.wall(), sources.random.sixteen())
    }

    /// The clock by which all of this is meant.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.pipeline.sources().clock
    }

    /// Which trace it belongs to.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.0.trace
    }

    /// Why it was made.
    #[must_use]
    pub fn why(&self) -> &Why {
        &self.0.why
    }

    /// Who asks for it.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// What it has used so far.
    #[must_use]
    pub fn meter(&self) -> &Arc<Meter> {
        &self.0.meter
    }

    /// What it shares with its tree.
    #[must_use]
    pub fn tree(&self) -> &Arc<Tree> {
        &self.0.tree
    }
}

/// The request, whose bytes count as what its call is sent.
fn counted(mut request: Request<Body>, meter: &Arc<Meter>) -> Request<Body> {
    let whole = request.body().as_whole();
    if whole.is_none_or(|whole| !whole.is_empty()) {
        request.body_mut().watch(Box::new(Received(meter.clone())));
    }
    request
}

/// Counts the bytes that a child call is sent.
struct Received(Arc<Meter>);

impl BodyWatch for Received {
    fn frame(&mut self, bytes: usize) -> Result<(), Fault> {
        self.0.add_in(bytes as u64);
        Ok(())
    }

    fn end(&mut self, _end: &BodyEnd<'_>) {}
}
