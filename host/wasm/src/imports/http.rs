//! `wasi:http` out, 0.2 and 0.3: the one hook through which every outgoing request passes. It decides nothing: it makes a child call.

use super::child;
use crate::life::Life;
use holdfast_call::{CallId, Journal, Scope};
use http::HeaderName;
use std::sync::{Arc, LazyLock};
use tokio::runtime::Handle;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, Result, WasiBody,
    WasiHttpHooks,
};

/// How much of a body is copied out of a guest at once, in bytes: twice as much is buffered at most.
const BODY_CHUNK_BYTES: usize = 64 * 1024;

static FORBIDDEN: LazyLock<ForbiddenHeaderFilter> = LazyLock::new(|| Arc::new(forbidden));

/// Headers that belong to a connection, not to a message: no guest sees or sets them.
fn forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name)
}

/// How often a guest is heard that asks for more calls than it may make: so many times its limit. Each refusal is a line of the log and
/// work of the host; a guest that goes on all the same wants nothing but those.
const ASKED_MAX: u32 = 2;

/// What the engine asks the host about HTTP, for one call.
pub(crate) struct Hooks {
    /// Whom the guest serves, and its life while it does; none between two calls.
    call: Option<(Scope, Arc<Life>)>,
    /// Where child calls run: a guest in the lane does not take its children there.
    serving: Handle,
    /// How many more calls are made of what the guest asks for.
    left: u32,
    /// Held by each request that the guest sent and that has no answer yet, also where the guest has let go of it.
    unanswered: Arc<()>,
}

impl Hooks {
    pub(crate) fn new(scope: Scope, life: Arc<Life>, serving: Handle, calls_max: u32) -> Self {
        // A durable execution has a bound of its own, over all the times that it is run.
        let calls_max = match scope.journal().is_some_and(|journal| journal.is_lasting()) {
            true => u32::MAX,
            false => calls_max,
        };
        Self {
            call: Some((scope, life)),
            serving,
            left: calls_max.max(1).saturating_mul(ASKED_MAX),
            unanswered: Arc::default(),
        }
    }

    /// The journal of the guest's call, if it has one.
    pub(crate) fn journal(&self) -> Option<&Arc<dyn Journal>> {
        self.call.as_ref()?.0.journal()
    }

    /// The door to one more child call; none between two calls, and for a guest that has asked too often.
    pub(crate) fn next(&mut self) -> Option<(Scope, Arc<Life>)> {
        let (scope, life) = self.call.as_ref()?;
        let Some(left) = self.left.checked_sub(1) else {
            scope.meter().add_call_dropped();
            return None;
        };
        self.left = left;
        Some((scope.clone(), life.clone()))
    }

    /// A name that nothing else has; none between two calls.
    pub(crate) fn new_id(&self) -> Option<CallId> {
        self.call.as_ref().map(|(scope, _)| scope.new_id())
    }

    /// Where child calls run.
    pub(crate) fn serving(&self) -> &Handle {
        &self.serving
    }

    /// Whether a request is under way that has no answer yet.
    pub(crate) fn awaits(&self) -> bool {
        Arc::strong_count(&self.unanswered) > 1
    }

    /// The call is over: nothing more can be asked for in its name.
    pub(crate) fn leave(&mut self) {
        self.call = None;
    }
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        FORBIDDEN.clone()
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_processed: Io,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io)>> + Send> {
        let Some((scope, life)) = self.next() else {
            return Box::new(std::future::ready(Err(Error::HttpRequestDenied)));
        };
        let answer = child::spawn(&self.serving, &scope, life, request, options);
        let unanswered = self.unanswered.clone();
        Box::new(async move {
            let answer = answer.await?;
            drop(unanswered);
            Ok((answer, Box::new(std::future::ready(Ok(()))) as Io))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}
