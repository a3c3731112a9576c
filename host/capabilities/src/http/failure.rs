//! How the way out fails, decided by how far the bytes got: before the head as a [`Failure`], behind it as the [`Fault`] that cuts the body.
//!
//! Causes and evidence are for the operator alone; the detail of a fault is one of the few sentences here.

use holdfast_call::{Boundary, Failure, FailureKind, Fault, HostCode, Verdict};
use std::error::Error;
use std::fmt::Write as _;

/// Where in an exchange something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Request,
    Pool,
    Resolve,
    Connect,
    Tls,
    Head,
    Body,
}

impl Stage {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Pool => "pool",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Head => "head",
            Self::Body => "body",
        }
    }
}

/// A failure before the head of the answer.
pub(super) fn failure(kind: FailureKind, stage: Stage, cause: impl Into<String>) -> Failure {
    Failure::new(kind, cause).with("stage", stage.as_str())
}

/// The way out refuses; `change` is the line that would allow it, or says that none would.
pub(super) fn denied(stage: Stage, cause: impl Into<String>, change: impl Into<String>) -> Failure {
    let change = change.into();
    failure(FailureKind::Denied { change }, stage, cause)
}

/// Nothing of the request was sent.
pub(super) fn unreachable(stage: Stage, cause: impl Into<String>) -> Failure {
    failure(FailureKind::UpstreamUnreachable, stage, cause)
}

/// Nothing of the request was sent, for a reason of this call alone.
pub(super) fn not_sent(stage: Stage, cause: impl Into<String>) -> Failure {
    failure(FailureKind::UpstreamNotSent, stage, cause)
}

/// What is said of an answer that holds the secret it was asked with.
pub(super) const ECHOED: &str = "the answer holds the secret that the upstream was asked with";

/// What cuts an answer's body.
#[derive(Debug)]
pub(super) enum Cut {
    /// The upstream broke off, or sent what is no HTTP.
    Broken(String),
    /// It paused for too long; how long was allowed.
    Paused(std::time::Duration),
    /// It sent more than this many bytes.
    TooLarge(u64),
    /// It sent the secret that it was asked with.
    Echoed,
}

/// The fault that a cut body ends with.
pub(super) fn cut(upstream: &str, cut: &Cut, seen: u64) -> Fault {
    let (code, detail, cause, next) = match cut {
        Cut::Broken(cause) => (
            HostCode::UpstreamFault,
            "The upstream broke off within its answer.",
            format!("the answer's body broke off: {cause}"),
            "look at the upstream's own log".to_owned(),
        ),
        Cut::Paused(limit) => (
            HostCode::UpstreamTimeout,
            "The upstream paused too long within its answer.",
            format!(
                "no byte of the answer's body came for {} ms",
                limit.as_millis()
            ),
            format!("`between_bytes` of [upstreams.{upstream}] in holdfast.toml"),
        ),
        Cut::TooLarge(limit) => (
            HostCode::UpstreamTooLarge,
            "The upstream's answer is larger than allowed.",
            format!("the answer's body has more than {limit} bytes"),
            format!("`response_bytes` of [upstreams.{upstream}] in holdfast.toml"),
        ),
        Cut::Echoed => (
            HostCode::SecretEchoed,
            "The upstream answered what nobody may read.",
            ECHOED.to_owned(),
            format!("`methods` and `paths` of [upstreams.{upstream}] in holdfast.toml"),
        ),
    };
    let verdict = Verdict {
        boundary: Boundary::Upstream,
        stage: Stage::Body.as_str(),
        cause,
        evidence: vec![
            ("upstream", upstream.to_owned()),
            ("bytes", seen.to_string()),
        ],
        next,
    };
    Fault::host(code, detail, verdict)
}

/// An error with all that lies behind it, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
