//! Turns the bytes of a component into one that can be instantiated, by way of the cache where that is safe.
//!
//! Runs on the calling thread and takes seconds for large components: never call it on a serving thread. It says nothing about progress;
//! the caller knows the name of what it loads.

use crate::cache::{self, ArtifactCache, Unsealed};
use crate::engine::{EngineKind, Engines, Metering};
use crate::load_error::{LoadError, Needs};
use crate::trusted::Trusted;
use crate::verify::{self, Exports};
use holdfast_call::{Clock, Level, Log};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiles components, or takes them from the cache.
#[derive(Clone)]
pub struct Compiler {
    engines: Arc<Engines>,
    cache: Arc<dyn ArtifactCache>,
    clock: Arc<dyn Clock>,
    log: Arc<dyn Log>,
}

/// A component, ready to be linked.
#[derive(Clone)]
pub struct Compiled {
    /// The component, for the engine of this kind.
    pub component: Component,
    /// The engine that it needs.
    pub kind: EngineKind,
    /// SHA-256 of its bytes, in hexadecimal.
    pub digest: String,
    /// What it exports for the host to call.
    pub exports: Exports,
    /// What instantiating it takes.
    pub needs: Needs,
    /// Whether the cache had it.
    pub from_cache: FromCache,
    /// How long this took.
    pub took: Duration,
}

/// Whether a component came from the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromCache {
    /// It did.
    Yes,
    /// It was compiled now.
    No,
}

impl Compiler {
    /// A compiler for those engines.
    #[must_use]
    pub fn new(
        engines: Arc<Engines>,
        cache: Arc<dyn ArtifactCache>,
        clock: Arc<dyn Clock>,
        log: Arc<dyn Log>,
    ) -> Self {
        Self {
            engines,
            cache,
            clock,
            log,
        }
    }

    /// Verifies, then compiles or loads.
    ///
    /// # Errors
    /// If the component cannot be served; the error says what to change.
    pub fn compile(&self, bytes: &[u8], metering: Metering) -> Result<Compiled, LoadError> {
        let began = self.clock.now();
        let verified = verify::verify(bytes)?;
        let kind = EngineKind::new(metering, verified.tasks);
        let engine = self.engines.get(kind)?;
        let digest = cache::digest(bytes);
        let key = cache::key(&digest, engine);
        let (component, from_cache) = match self.cached(engine, &key) {
            Some(component) => (component, FromCache::Yes),
            None => (self.fresh(engine, &key, bytes)?, FromCache::No),
        };
        Ok(Compiled {
            needs: Needs::of(&component),
            component,
            kind,
            digest,
            exports: verified.exports,
            from_cache,
            took: self.clock.now().since(began),
        })
    }

    fn cached(&self, engine: &Engine, key: &str) -> Option<Component> {
        let envelope = self.cache.read(key)?;
        let why = match Trusted::check(key, &envelope) {
            Ok(trusted) => match trusted.load(engine) {
                Ok(component) => return Some(component),
                Err(error) => format!("the engine refuses it: {error:#}"),
            },
            Err(Unsealed::Foreign) => "it is not one of this host's".to_owned(),
            Err(Unsealed::Damaged) => "its digest is wrong".to_owned(),
        };
        self.log.host(
            Level::Warn,
            format!("cached artefact {key} is not used and compiled again: {why}"),
        );
        None
    }

    fn fresh(&self, engine: &Engine, key: &str, bytes: &[u8]) -> Result<Component, LoadError> {
        let component = Component::from_binary(engine, bytes)
            .map_err(|error| verify::explain(engine, bytes, &error))?;
        match component.serialize() {
            Ok(artifact) => self.cache.write(key, &cache::seal(key, &artifact)),
            // The component works; only the next start is slower.
            Err(error) => self.log.host(
                Level::Warn,
                format!("the compiled component cannot be cached: {error:#}"),
            ),
        }
        Ok(component)
    }
}
