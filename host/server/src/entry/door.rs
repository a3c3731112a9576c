//! What is refused before it has a target: no route, no valid host, an upgrade.
//!
//! Such a request still becomes a call and crosses the pipeline, so that its answer has an id and it has its closing line. Its target is
//! registered nowhere and can be reached in no other way.

use holdfast_call::{
    Admitted, Answer, BoxFuture, Failure, FailureKind, Fault, Implementation, Pipeline, Registered,
    Settings, Target,
};
use std::sync::Arc;

/// The name that stands in the closing line; no service can have it.
const NAME: &str = "(none)";

/// Makes the target of a refused request, with the fault it ends in.
pub struct Door {
    pipeline: Arc<Pipeline>,
    settings: Settings,
    name: Arc<str>,
}

impl Door {
    /// A door whose calls cross the layers with `settings`.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, settings: Settings) -> Self {
        Self {
            pipeline,
            settings,
            name: NAME.into(),
        }
    }

    /// What a request that ends in `fault` is for.
    #[must_use]
    pub fn refuse(&self, fault: Fault) -> Arc<Registered> {
        Registered::new(
            &self.pipeline,
            Target::Service(self.name.clone()),
            None,
            self.settings.clone(),
            Arc::new(Refused(fault)),
        )
    }
}

struct Refused(Fault);

impl Implementation for Refused {
    fn call(&self, _admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        let failure = Failure::new(
            FailureKind::Passed(self.0.clone()),
            "refused before it had a target",
        );
        Box::pin(std::future::ready(Err(failure)))
    }
}
