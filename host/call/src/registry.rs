//! What can be called, and who does it: services and capabilities side by side.

use crate::call::Target;
use crate::fault::Failure;
use crate::future::BoxFuture;
use crate::payload::Answer;
use crate::pipeline::{Admitted, Pipeline, Plan};
use crate::settings::Settings;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Who does the work: a guest, or a capability of the host.
pub trait Implementation: Send + Sync {
    /// Does it. Only a call that went through every layer is [`Admitted`], and there is one `Admitted` an attempt.
    ///
    /// Dropping the future cancels the work. An answer whose body still comes carries the work with it.
    fn call(&self, admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>>;
}

/// One target with everything the pipeline needs to know about it; immutable, replaced as a whole.
pub struct Registered {
    /// What it is.
    pub target: Target,
    /// The digest of the component and manifest that serve it; `None` for a capability.
    pub digest: Option<Arc<str>>,
    /// The layers' settings for it.
    pub settings: Settings,
    pub(crate) plan: Plan,
    pub(crate) implementation: Arc<dyn Implementation>,
}

impl Registered {
    /// Puts a target together; which layers apply to it is planned here, once.
    #[must_use]
    pub fn new(
        pipeline: &Pipeline,
        target: Target,
        digest: Option<Arc<str>>,
        settings: Settings,
        implementation: Arc<dyn Implementation>,
    ) -> Arc<Self> {
        let plan = pipeline.plan(&target, &settings);
        Arc::new(Self {
            target,
            digest,
            settings,
            plan,
            implementation,
        })
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registered({})", self.target)
    }
}

/// The targets there are now. A call keeps the one it found, so a swap never touches a call in flight.
#[derive(Debug, Default)]
pub struct Registry {
    targets: RwLock<HashMap<Target, Arc<Registered>>>,
}

impl Registry {
    /// What `target` is registered as.
    #[must_use]
    pub fn get(&self, target: &Target) -> Option<Arc<Registered>> {
        // A poisoned lock still guards a whole map: every change is one insert or one remove.
        self.targets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(target)
            .cloned()
    }

    /// Puts a target in, in place of what was registered under its name.
    pub fn put(&self, registered: Arc<Registered>) {
        let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        targets.insert(registered.target.clone(), registered);
    }

    /// Takes a target out.
    pub fn remove(&self, target: &Target) {
        self.targets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(target);
    }

    /// Every target there is now.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Registered>> {
        self.targets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }
}
