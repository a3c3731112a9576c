//! A request that the host makes on its own account: a call like any other, through the one pipeline to an upstream of the policy, with its
//! address rules, its certificates and its patience, and a closing line of its own. No guest has a hand in it.

use bytes::Bytes;
use holdfast_call::{
    Answer, Body, Call, CallId, Caller, Entry, Link, Meter, Payload, Pipeline, Target, Trace, Tree,
    Why,
};
use http::{Request, Response};
use std::sync::Arc;
use std::time::Duration;

/// What is asked for.
pub(crate) struct Errand<'a> {
    /// The origin of the upstream.
    pub(crate) origin: &'a Arc<str>,
    /// Path and query.
    pub(crate) path: &'a str,
    /// Why, as the closing line has it.
    pub(crate) why: &'a str,
    /// How long it may take.
    pub(crate) at_most: Duration,
}

impl Errand<'_> {
    /// Makes the request, which lacks nothing but its URL and its body.
    ///
    /// # Errors
    /// There was no answer; why, for the operator.
    pub(crate) async fn run(
        &self,
        pipeline: &Arc<Pipeline>,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Response<Body>, String> {
        let request = request.uri(format!("{}{}", self.origin, self.path));
        let request = request.body(Body::whole(body));
        let call = self.call(pipeline, request.map_err(|error| error.to_string())?);
        let answer = pipeline.run(call).await;
        match answer.map_err(|fault| fault.verdict().cause.clone())? {
            Answer::Http(answer) => Ok(answer),
            Answer::Values(_) => Err("it was no answer over HTTP".to_owned()),
        }
    }

    fn call(&self, pipeline: &Pipeline, request: Request<Body>) -> Call {
        let sources = pipeline.sources();
        let random = || sources.random.sixteen();
        // What stands behind the question mark may be somebody's secret.
        let shown = self.path.split('?').next().unwrap_or_default();
        Call {
            id: CallId::new(sources.clock.wall(), random()),
            parent: None,
            entry: Entry::Host,
            caller: Caller::outside(Link::Host),
            asker: None,
            target: Target::Capability {
                name: "http",
                resource: self.origin.clone(),
            },
            registered: None,
            operation: format!("{} {shown}", request.method()).into(),
            why: Why::claimed(self.why).unwrap_or_else(Why::undeclared),
            deadline: sources.clock.now().after(self.at_most),
            stream: Duration::ZERO,
            trace: Trace::start(random(), random()),
            ordinal: 0,
            key: None,
            wait: None,
            execution: None,
            journal: None,
            step: None,
            outbox: None,
            payload: Payload::Http(request),
            meter: Arc::new(Meter::default()),
            above: None,
            tree: Arc::new(Tree::default()),
        }
    }
}
