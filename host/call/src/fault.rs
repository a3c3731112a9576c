//! How anything that goes wrong reaches a caller: a [`Fault`], stable and masked, with a [`Verdict`] for the operator.
//!
//! There are three kinds of beginning. A layer says no: a [`Refusal`]. An implementation fails: a [`Failure`], which the `attempt` layer
//! turns into a fault. A service declares a code of its own. A fault has two messages: `detail`, which a stranger may read, and the
//! verdict's cause and evidence, which only the operator sees. No constructor goes without a verdict.

use crate::codes::{Boundary, Class, HostCode, Retry};
use crate::id::CallId;
use crate::shed::Shed;
use http::{HeaderName, HeaderValue};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Whose code it is, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// One of the host's.
    Host(HostCode),
    /// One that a service declared; it always carries the service's name.
    Service {
        /// The service that declared it.
        service: Arc<str>,
        /// The code, without the service's name.
        code: Arc<str>,
    },
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(code) => f.write_str(code.as_str()),
            Self::Service { service, code } => write!(f, "{service}/{code}"),
        }
    }
}

/// Which boundary failed, how that is known, and what to look at next. For the operator alone.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Where to look.
    pub boundary: Boundary,
    /// The stage of the call that found it: a layer's name, or `dispatch`, `guest`, `route`, `connect`, ….
    pub stage: &'static str,
    /// What happened, in one sentence.
    pub cause: String,
    /// What was seen, as key and value.
    pub evidence: Vec<(&'static str, String)>,
    /// The command to run or the line to change next.
    pub next: String,
}

/// One thing that is wrong with what a caller gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where it stands: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong there; nothing of what the caller gave is repeated but names.
    pub reason: String,
}

/// A failure as it reaches a caller. One pointer wide: the good path does not pay for it.
#[derive(Clone)]
pub struct Fault(Box<Parts>);

#[derive(Clone)]
struct Parts {
    code: Code,
    status: u16,
    class: Class,
    retry: Retry,
    title: String,
    detail: String,
    retry_after: Option<Duration>,
    shed: Option<Shed>,
    instance: Option<CallId>,
    allow: Option<Cow<'static, str>>,
    told: Vec<(HeaderName, HeaderValue)>,
    violations: Vec<Violation>,
    reached: Reached,
    verdict: Verdict,
}

/// How far a call that failed came to what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It is certain that nothing came to it.
    Nothing,
    /// Something may have: it may have been done, and is paid for.
    Perhaps,
}

impl Fault {
    /// A fault of the host. `detail` is read by strangers: no names from inside, no paths, no foreign text.
    #[must_use]
    pub fn host(code: HostCode, detail: impl Into<String>, verdict: Verdict) -> Self {
        let meaning = code.meaning();
        Self(Box::new(Parts {
            code: Code::Host(code),
            status: meaning.status,
            class: meaning.class,
            retry: meaning.retry,
            title: meaning.title.to_owned(),
            detail: detail.into(),
            retry_after: None,
            shed: None,
            instance: None,
            allow: None,
            told: Vec::new(),
            violations: Vec::new(),
            reached: Reached::Perhaps,
            verdict,
        }))
    }

    /// When asking again may help.
    #[must_use]
    pub fn retry_after(mut self, span: Duration) -> Self {
        self.0.retry_after = Some(span);
        self
    }

    /// Says of what class the call was, and for want of what it was turned away: it is counted by that.
    #[must_use]
    pub fn for_want(mut self, shed: Shed) -> Self {
        self.0.shed = Some(shed);
        self
    }

    /// Says that it is another call's: this one has only found it.
    #[must_use]
    pub fn of_call(mut self, id: CallId) -> Self {
        self.0.instance = Some(id);
        self
    }

    /// Says which methods would be taken instead, as the header `Allow` has them.
    #[must_use]
    pub fn allowing(mut self, methods: impl Into<Cow<'static, str>>) -> Self {
        self.0.allow = Some(methods.into());
        self
    }

    /// Tells the caller something more, in a field of the answer's head.
    #[must_use]
    pub fn telling(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.told.push((name, value));
        self
    }

    /// Says what is wrong with what the caller gave.
    #[must_use]
    pub fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations = violations;
        self
    }

    /// Says how far the call came to what it was for.
    #[must_use]
    pub fn having_reached(mut self, reached: Reached) -> Self {
        self.0.reached = reached;
        self
    }

    /// Adds something seen to its verdict.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.verdict.evidence.push((key, value.to_string()));
        self
    }

    /// The same, blamed on another boundary than its code names where nothing better is known.
    #[must_use]
    pub fn blamed(mut self, boundary: Boundary) -> Self {
        self.0.verdict.boundary = boundary;
        self
    }

    /// Whose code it is, and which.
    #[must_use]
    pub fn code(&self) -> &Code {
        &self.0.code
    }

    /// The host's code, if it is one of the host's.
    #[must_use]
    pub fn host_code(&self) -> Option<HostCode> {
        match self.0.code {
            Code::Host(code) => Some(code),
            Code::Service { .. } => None,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn class(&self) -> Class {
        self.0.class
    }

    /// What the caller is advised to do.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// How long to wait before asking again, if that is known.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// For want of what it was turned away, if it was: every `overloaded` says so.
    #[must_use]
    pub fn shed(&self) -> Option<Shed> {
        self.0.shed
    }

    /// The call whose fault it is, where that is another one than it reaches a caller by.
    #[must_use]
    pub fn instance(&self) -> Option<CallId> {
        self.0.instance
    }

    /// The methods that would be taken instead, where it was the method that was wrong.
    #[must_use]
    pub fn allow(&self) -> Option<&str> {
        self.0.allow.as_deref()
    }

    /// What more the caller is told, in fields of the answer's head.
    #[must_use]
    pub fn told(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.told
    }

    /// The stable sentence of the code.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// What a stranger may read.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is wrong with what the caller gave.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// How far the call came to what it was for.
    #[must_use]
    pub fn reached(&self) -> Reached {
        self.0.reached
    }

    /// What only the operator may read.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.0.verdict
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {}",
            self.code(),
            self.verdict().boundary.as_str(),
            self.verdict().cause
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail())
    }
}

impl std::error::Error for Fault {}

/// A rule said no, and the implementation did not run. It tells its reader the rule, the value seen, the limit, and the line that would
/// change it.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The code that the caller sees.
    pub code: HostCode,
    /// The layer that refused.
    pub layer: &'static str,
    /// What the caller may read.
    pub detail: String,
    /// The rule, in one sentence.
    pub rule: String,
    /// The value that was seen.
    pub seen: String,
    /// The limit it met.
    pub limit: String,
    /// The settings line, or the command, that would change it.
    pub change: String,
    /// When asking again may help.
    pub retry_after: Option<Duration>,
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let verdict = Verdict {
            boundary: refusal.code.meaning().boundary,
            stage: refusal.layer,
            cause: refusal.rule,
            evidence: vec![("seen", refusal.seen), ("limit", refusal.limit)],
            next: refusal.change,
        };
        let fault = Self::host(refusal.code, refusal.detail, verdict);
        let fault = fault.having_reached(Reached::Nothing);
        match refusal.retry_after {
            Some(span) => fault.retry_after(span),
            None => fault,
        }
    }
}

/// How an implementation failed, before it is masked. Only the `attempt` layer reads it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which kind.
    pub kind: FailureKind,
    /// What happened, for the operator: may quote a trap, a path, an upstream.
    pub cause: String,
    /// What was seen, as key and value, for the operator.
    pub evidence: Vec<(&'static str, String)>,
}

/// The kinds of failure an implementation can report.
#[derive(Clone, Debug)]
pub enum FailureKind {
    /// The guest trapped, panicked, exited, or returned without an answer.
    Trapped,
    /// The guest gave up: it answered with a server error, or broke its answer off. It may only be telling what became of its own calls.
    GaveUp,
    /// The guest answered with an error instead of a response: most often the one that a call of its own came back with.
    HandedOn,
    /// The guest used up its CPU time or its fuel.
    CpuExhausted,
    /// The guest used up its memory, tables, instances or resource handles.
    MemoryExhausted,
    /// All guests together use all the memory the host gives them.
    HostMemoryExhausted,
    /// The pool has no free instance.
    PoolExhausted,
    /// The guest's answer cannot be passed on: status, headers, size.
    BadResponse,
    /// The deadline passed inside the implementation.
    DeadlineExceeded,
    /// There is no such operation.
    NoSuchOperation,
    /// The request cannot be handed to the implementation.
    InvalidInput,
    /// The way out refused: an address that is not allowed, a redirect, a scheme.
    Denied {
        /// The line or command that would allow it.
        change: String,
    },
    /// The upstream could not be reached; nothing was sent.
    UpstreamUnreachable,
    /// Nothing was sent, for a reason of this call alone: it had too little time, its service had no free connection, or the upstream
    /// turned this one request away. It says nothing of the upstream to others.
    UpstreamNotSent,
    /// The machine had no socket left to reach the upstream with; nothing was sent.
    NoSocket,
    /// The upstream could not prove who it is; nothing was sent.
    UpstreamUntrusted,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The upstream broke off, or answered what is no HTTP.
    UpstreamFault,
    /// The upstream's answer is larger than allowed.
    UpstreamTooLarge,
    /// The upstream's answer holds the secret that it was asked with.
    SecretEchoed,
    /// The request's body was cut by the one who sent it.
    CallerCut,
    /// A child call's fault, passed through as it is.
    Passed(Fault),
    /// What a setting names is not there any more.
    Misconfigured {
        /// The setting.
        change: String,
    },
    /// The host failed.
    Internal,
}

impl FailureKind {
    /// Whether it is certain that nothing came to what was to be called. A new kind of failure does not compile until it says so.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::NoSuchOperation
            | Self::InvalidInput
            | Self::Denied { .. }
            | Self::Misconfigured { .. }
            | Self::UpstreamUnreachable
            | Self::UpstreamNotSent
            | Self::UpstreamUntrusted
            | Self::NoSocket
            | Self::PoolExhausted => true,
            Self::Trapped
            | Self::GaveUp
            | Self::HandedOn
            | Self::CpuExhausted
            | Self::MemoryExhausted
            | Self::HostMemoryExhausted
            | Self::BadResponse
            | Self::DeadlineExceeded
            | Self::UpstreamTimeout
            | Self::UpstreamFault
            | Self::UpstreamTooLarge
            | Self::SecretEchoed
            | Self::CallerCut
            | Self::Passed(_)
            | Self::Internal => false,
        }
    }
}

impl Failure {
    /// A failure with its cause.
    #[must_use]
    pub fn new(kind: FailureKind, cause: impl Into<String>) -> Self {
        Self {
            kind,
            cause: cause.into(),
            evidence: Vec::new(),
        }
    }

    /// Adds something seen.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.evidence.push((key, value.to_string()));
        self
    }
}
