//! Turns the bytes of a component into one that can be instantiated, by way of the cache where that is safe.
//!
//! A compiler is an attack surface: two megabytes can make it take thirty gigabytes, and an allocation that fails ends its process. So the
//! host itself neither looks into a component nor compiles it: a process of its own does ([`inside`]), which has confined itself
//! ([`confine`]) before it reads a byte, and which the host bounds from outside as well ([`process`]). What the host loads is what that
//! process answered for this component and these engines ([`artifact`]).
//!
//! It blocks the calling thread for seconds where a component is large: never call it on a serving thread. It says nothing about progress;
//! the caller knows the name of what it loads.

pub mod artifact;
pub mod confine;
pub mod inside;
pub mod job;
pub mod process;

use self::job::Job;
use self::process::CompileProcess;
use crate::cache::{self, ArtifactCache, Unsealed};
use crate::contract::wire;
use crate::engine::{EngineKind, Engines, Metering};
use crate::load_error::{LoadError, Needs};
use crate::trusted::Trusted;
use crate::verify::{Exports, HasContract, Verified};
use holdfast_call::contract::Contract;
use holdfast_call::{Clock, Level, Log};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Component;

/// Compiles components, or takes them from the cache.
#[derive(Clone)]
pub struct Compiler {
    engines: Arc<Engines>,
    process: CompileProcess,
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
    /// Its contract with other services; empty if it has none.
    pub contract: Arc<Contract>,
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
        process: CompileProcess,
        cache: Arc<dyn ArtifactCache>,
        clock: Arc<dyn Clock>,
        log: Arc<dyn Log>,
    ) -> Self {
        Self {
            engines,
            process,
            cache,
            clock,
            log,
        }
    }

    /// Loads a component from the cache, or has it verified and compiled.
    ///
    /// # Errors
    /// If the component cannot be served; the error says what to change.
    pub fn compile(&self, bytes: &[u8], metering: Metering) -> Result<Compiled, LoadError> {
        let began = self.clock.now();
        let digest = cache::digest(bytes);
        let key = cache::key(&digest, &self.engines.fingerprint(metering)?);
        let (loaded, from_cache) = match self.cached(&key, metering) {
            Some(loaded) => (loaded, FromCache::Yes),
            None => (self.fresh(&key, bytes, metering)?, FromCache::No),
        };
        let Loaded {
            component,
            verified,
            contract,
            kind,
        } = loaded;
        Ok(Compiled {
            needs: Needs::of(&component),
            component,
            kind,
            digest,
            exports: verified.exports,
            contract: Arc::new(contract),
            from_cache,
            took: self.clock.now().since(began),
        })
    }

    fn cached(&self, key: &str, metering: Metering) -> Option<Loaded> {
        let envelope = self.cache.read(key)?;
        let why = match Trusted::check(key, &envelope) {
            Ok(trusted) => match self.load(&trusted, metering) {
                Ok(loaded) => return Some(loaded),
                Err(error) => format!("the engine refuses it: {error}"),
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

    fn fresh(&self, key: &str, bytes: &[u8], metering: Metering) -> Result<Loaded, LoadError> {
        let job = Job {
            metering,
            memory_bytes_max: self.engines.memory_bytes_max(),
            limits: self.process.limits(),
        };
        let answer = self.process.answer(bytes, &job)?;
        let artifact = artifact::read_answer(&answer).unwrap_or_else(|| Err(LoadError::garbled()));
        let trusted = Trusted::compiled(artifact?);
        let loaded = self.load(&trusted, metering)?;
        self.cache.write(key, &trusted.seal(key));
        Ok(loaded)
    }

    fn load(&self, trusted: &Trusted<'_>, metering: Metering) -> Result<Loaded, LoadError> {
        let artifact = trusted.artifact().ok_or_else(LoadError::garbled)?;
        let kind = EngineKind::new(metering, artifact.verified.tasks);
        let component = trusted
            .load(self.engines.get(kind)?)
            .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        let contract = match artifact.verified.contract {
            HasContract::Yes => wire::read(artifact.contract).ok_or_else(LoadError::garbled)?,
            HasContract::No => Contract::default(),
        };
        Ok(Loaded {
            component,
            contract,
            verified: artifact.verified,
            kind,
        })
    }
}

/// A component in its engine.
struct Loaded {
    component: Component,
    contract: Contract,
    verified: Verified,
    kind: EngineKind,
}
