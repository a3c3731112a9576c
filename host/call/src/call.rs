//! A call: one piece of work at the boundary, wherever it comes from and whatever it is for.

use crate::caller::Caller;
use crate::execution::Execution;
use crate::id::CallId;
use crate::journal::{Journal, StepName};
use crate::message::Outbox;
use crate::meter::Meter;
use crate::payload::Payload;
use crate::registry::Registered;
use crate::scope::Tree;
use crate::spent::Spent;
use crate::time::Moment;
use crate::trace::Trace;
use crate::why::Why;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where a call came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The HTTP gateway.
    Http,
    /// The command line, over the owner's socket.
    Command,
    /// An import of a guest that is itself serving a call.
    Import,
    /// A queue, from which a message is delivered.
    Queue,
    /// A schedule: it is time.
    Timer,
    /// A durable execution, which is begun, or goes on.
    Execution,
    /// None: the host itself asks.
    Host,
}

impl Entry {
    /// The word of the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Command => "command",
            Self::Import => "import",
            Self::Queue => "queue",
            Self::Timer => "timer",
            Self::Execution => "execution",
            Self::Host => "host",
        }
    }
}

/// What a call is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A service, by name.
    Service(Arc<str>),
    /// A capability of the host.
    Capability {
        /// Its one name in all places: `http`, `kv`, ….
        name: &'static str,
        /// Which of its resources: for `http` the upstream's origin (`https://api.example.com:443`).
        resource: Arc<str>,
    },
}

impl Target {
    /// The resource of a capability that each service has one of, its own.
    pub const OWN: &'static str = "own";

    /// Whether it is another system, to be waited for: all else is done in this host.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        matches!(self, Self::Capability { name: "http", .. })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Capability { name, resource } => write!(f, "{name}:{resource}"),
        }
    }
}

/// One piece of work at the boundary.
///
/// An entry makes one from what it saw; a guest's import can only have one made from the call being served (see
/// [`Scope`](crate::Scope)), so it inherits trace, caller chain, reason and what is left of the deadline. The fields are open to the
/// layers, which narrow them on the way in; what a layer may not change it has no reason to touch.
pub struct Call {
    /// Its name.
    pub id: CallId,
    /// The call that made it, if a guest asked for it.
    pub parent: Option<CallId>,
    /// Where it came in.
    pub entry: Entry,
    /// Who asks.
    pub caller: Caller,
    /// The service that asks, as it is registered; its manifest and policy say what it may ask for.
    pub asker: Option<Arc<Registered>>,
    /// What it is for.
    pub target: Target,
    /// The target as registered, once it is known. An entry that has routed a call sets it, so that a call keeps the version it was
    /// routed to; otherwise the pipeline looks it up.
    pub registered: Option<Arc<Registered>>,
    /// What is to be done, for people: `GET /path`, never with the query.
    pub operation: Arc<str>,
    /// Why.
    pub why: Why,
    /// The moment by which its answer must have begun. The `deadline` layer only brings it closer.
    pub deadline: Moment,
    /// How long its answer may go on from then, if it is streamed. The `deadline` layer says so.
    pub stream: Duration,
    /// Which trace it belongs to.
    pub trace: Trace,
    /// The how-manieth call of its parent it is, from 1; 0 for a call from outside.
    pub ordinal: u32,
    /// What makes it the same as an earlier one, as whoever asks has written it.
    pub key: Option<Arc<str>>,
    /// How long whoever asks would wait for the end of an earlier call with the same key.
    pub wait: Option<Duration>,
    /// The execution that it is part of.
    pub execution: Option<Arc<dyn Execution>>,
    /// Where the calls are written down that it makes; of a call that it makes, where that one is to be written down.
    pub journal: Option<Arc<dyn Journal>>,
    /// Which entry of such a journal it is.
    pub step: Option<StepName>,
    /// Where the messages lie that it sends, until it has come to something; of a call to a capability, that of the call that makes it.
    pub outbox: Option<Arc<Outbox>>,
    /// What it carries.
    pub payload: Payload,
    /// What it has used so far.
    pub meter: Arc<Meter>,
    /// What the call that made it has used so far, if a guest asked for it.
    pub above: Option<Arc<Meter>>,
    /// What it shares with every call of its tree.
    pub tree: Arc<Tree>,
}

impl Call {
    /// The same call with another payload: for one more try of it.
    #[must_use]
    pub fn again(&self, payload: Payload) -> Self {
        Self {
            id: self.id,
            parent: self.parent,
            entry: self.entry,
            caller: self.caller.clone(),
            asker: self.asker.clone(),
            target: self.target.clone(),
            registered: self.registered.clone(),
            operation: self.operation.clone(),
            why: self.why.clone(),
            deadline: self.deadline,
            stream: self.stream,
            trace: self.trace,
            ordinal: self.ordinal,
            key: self.key.clone(),
            wait: self.wait,
            execution: self.execution.clone(),
            journal: self.journal.clone(),
            step: self.step,
            outbox: self.outbox.clone(),
            payload,
            meter: self.meter.clone(),
            above: self.above.clone(),
            tree: self.tree.clone(),
        }
    }

    /// The name of the service that asks; empty for a call that no service makes.
    #[must_use]
    pub fn asking(&self) -> Arc<str> {
        match self.asker.as_ref().map(|asker| &asker.target) {
            Some(Target::Service(name)) => name.clone(),
            Some(Target::Capability { .. }) | None => "".into(),
        }
    }

    /// Where the time went that this call should have had: that of the call that made it, or its own where none did.
    #[must_use]
    pub fn spent_above(&self, now: Moment) -> Spent {
        let meter = self.above.as_ref().unwrap_or(&self.meter);
        meter.time().read(now, meter.read().cpu_nanos)
    }

    /// Whether a guest asked for it while serving another call.
    #[must_use]
    pub fn nested(&self) -> bool {
        self.parent.is_some()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {} {})", self.id, self.target, self.operation)
    }
}
