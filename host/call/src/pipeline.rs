//! The one pipeline: an ordered list of layers that every call crosses, and the only place where a call becomes [`Admitted`].
//!
//! Order is data. The list is fixed at start, outermost first, and refused unless it is the whole ordered set. Which layers have
//! something to say about a target is planned once, when the target is registered.

use crate::call::{Call, Target};
use crate::codes::{Boundary, HostCode};
use crate::fault::{Failure, Fault, Verdict};
use crate::future::BoxFuture;
use crate::payload::Answer;
use crate::random::Random;
use crate::registry::{Registered, Registry};
use crate::scope::Scope;
use crate::settings::Settings;
use crate::time::Clock;
use std::sync::Arc;

/// What a call comes back with.
pub type Reply = Result<Answer, Fault>;

/// Whether a layer has anything to say about a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// It is crossed.
    Yes,
    /// It is passed by.
    No,
}

/// One rule. It answers the call itself (with a refusal), or lets it go on through `next`, any number of times, and may change what comes
/// back. What it holds until the call has ended it hangs on the answer's body.
pub trait Layer: Send + Sync {
    /// Its name: the file it lives in.
    fn name(&self) -> &'static str;

    /// Whether it has anything to say about `target`; asked once, at load.
    fn applies(&self, _target: &Target, _settings: &Settings) -> Applies {
        Applies::Yes
    }

    /// The rule.
    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply>;
}

/// The innermost layer: the only one that sees an implementation fail, and turns that into a fault.
pub trait Attempt: Send + Sync {
    /// Its name: the file it lives in.
    fn name(&self) -> &'static str;

    /// One try.
    fn attempt<'a>(&'a self, call: Box<Call>, dispatch: Dispatch<'a>) -> BoxFuture<'a, Reply>;
}

/// Where time and chance come from.
#[derive(Clone)]
pub struct Sources {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random source.
    pub random: Arc<dyn Random>,
}

/// Why a list of layers is no pipeline.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PipelineError {
    /// The list is not the whole set, in its order.
    #[error("the layers are {found:?}, but the order says {order:?}")]
    Order {
        /// What was given.
        found: Vec<&'static str>,
        /// What it must be.
        order: Vec<&'static str>,
    },
    /// A plan has a bit for each layer, and no more than 32.
    #[error("{0} layers are more than a plan can hold")]
    TooMany(usize),
}

/// Which layers a target's calls cross: bit `n` for the `n`th of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan(u32);

/// The list of layers, what lies behind it, and nothing else.
pub struct Pipeline {
    layers: Vec<Box<dyn Layer>>,
    attempt: Box<dyn Attempt>,
    registry: Registry,
    sources: Sources,
}

impl Pipeline {
    /// Puts the pipeline together. `order` is the whole set of layers, outermost first, with the attempt as its last; a list that differs
    /// is refused, because a rule that is missing or in the wrong place is a promise broken in silence.
    ///
    /// # Errors
    /// The list is not the ordered set, or too long.
    pub fn new(
        order: &[&'static str],
        layers: Vec<Box<dyn Layer>>,
        attempt: Box<dyn Attempt>,
        sources: Sources,
    ) -> Result<Arc<Self>, PipelineError> {
        let found: Vec<_> = layers
            .iter()
            .map(|layer| layer.name())
            .chain([attempt.name()])
            .collect();
        if found != order {
            return Err(PipelineError::Order {
                found,
                order: order.to_vec(),
            });
        }
        if layers.len() > 32 {
            return Err(PipelineError::TooMany(layers.len()));
        }
        Ok(Arc::new(Self {
            layers,
            attempt,
            registry: Registry::default(),
            sources,
        }))
    }

    /// The names of the layers, outermost first.
    #[must_use]
    pub fn order(&self) -> Vec<&'static str> {
        self.layers
            .iter()
            .map(|layer| layer.name())
            .chain([self.attempt.name()])
            .collect()
    }

    /// The names of the layers that a target's calls cross, outermost first.
    #[must_use]
    pub fn crossed(&self, registered: &Registered) -> Vec<&'static str> {
        let planned = |(place, _): &(usize, _)| registered.plan.0 & (1 << place) != 0;
        self.layers
            .iter()
            .enumerate()
            .filter(planned)
            .map(|(_, layer)| layer.name())
            .chain([self.attempt.name()])
            .collect()
    }

    /// What can be called.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where time and chance come from.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Takes a call through the layers to its implementation and back. Dropping the future cancels the call.
    #[must_use]
    pub fn run(self: &Arc<Self>, call: Call) -> BoxFuture<'static, Reply> {
        let pipeline = self.clone();
        // Each layer hands it on: boxed once, it is not copied by each.
        let mut call = Box::new(call);
        Box::pin(async move {
            if call.registered.is_none() {
                call.registered = pipeline.registry.get(&call.target);
            }
            // A call for what is not there crosses every layer: it too is recorded, and takes no less time than one that is refused.
            let plan = call
                .registered
                .as_ref()
                .map_or(Plan(u32::MAX), |registered| registered.plan);
            Next {
                pipeline: &pipeline,
                plan,
                place: 0,
            }
            .run(call)
            .await
        })
    }

    pub(crate) fn plan(&self, target: &Target, settings: &Settings) -> Plan {
        let mut bits = 0;
        for (place, layer) in self.layers.iter().enumerate() {
            if layer.applies(target, settings) == Applies::Yes {
                bits |= 1 << place;
            }
        }
        Plan(bits)
    }
}

/// The rest of the pipeline, seen from one layer.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    pipeline: &'a Arc<Pipeline>,
    plan: Plan,
    place: usize,
}

impl<'a> Next<'a> {
    /// Lets the call go on. May be used again: every run is an attempt of its own.
    #[must_use]
    pub fn run(&self, call: Box<Call>) -> BoxFuture<'a, Reply> {
        let mut place = self.place;
        while let Some(layer) = self.pipeline.layers.get(place) {
            if self.plan.0 & (1 << place) != 0 {
                return layer.run(
                    call,
                    Self {
                        place: place + 1,
                        ..*self
                    },
                );
            }
            place += 1;
        }
        self.pipeline.attempt.attempt(
            call,
            Dispatch {
                pipeline: self.pipeline,
            },
        )
    }
}

impl Next<'_> {
    /// Takes another call through the whole pipeline, from its outermost layer. It is no part of the call that this layer sees.
    #[must_use]
    pub fn afresh(&self, call: Call) -> BoxFuture<'static, Reply> {
        self.pipeline.run(call)
    }
}

/// The inner end of the pipeline, given to the attempt alone.
#[derive(Clone, Copy)]
pub struct Dispatch<'a> {
    pipeline: &'a Arc<Pipeline>,
}

impl Dispatch<'_> {
    /// Admits the call and hands it to its implementation.
    #[must_use]
    pub fn run(self, call: Box<Call>) -> BoxFuture<'static, Result<Answer, Failure>> {
        let Some(registered) = call.registered.clone() else {
            let fault = not_there(&call.target);
            return Box::pin(async move {
                Err(Failure::new(
                    crate::FailureKind::Passed(fault),
                    "not registered",
                ))
            });
        };
        let scope = Scope::of(&call, registered.clone(), self.pipeline.clone());
        registered.implementation.call(Admitted { call, scope })
    }
}

fn not_there(target: &Target) -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Routing,
        stage: "dispatch",
        cause: format!("nothing is registered as {target}"),
        evidence: vec![("target", target.to_string())],
        next: "holdfast ls".to_owned(),
    };
    Fault::host(HostCode::NoSuchService, "No service answers here.", verdict)
}

/// A call that every rule has let pass: the only thing an implementation accepts. It has no public constructor, so going round the rules
/// does not compile.
pub struct Admitted {
    call: Box<Call>,
    scope: Scope,
}

impl Admitted {
    /// The call.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The call, and the door to calls of its own.
    #[must_use]
    pub fn into_parts(self) -> (Box<Call>, Scope) {
        (self.call, self.scope)
    }
}
