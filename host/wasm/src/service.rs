//! A service: a component that was verified, compiled and linked, with the limits and surroundings its guests get.
//!
//! Every call gets a fresh instance. The guest's future owns its store, so dropping it is the hard end of the guest wherever it runs.

use crate::answer;
use crate::compile::{Compiler, FromCache};
use crate::drive::{Driver, Work};
use crate::engine::{CORE_INSTANCES_PER_SLOT, EngineKind, Engines, Metering, PerKind};
use crate::guest::{Guest, Supplies, Surroundings};
use crate::imports;
use crate::lane::Lane;
use crate::life::Life;
use crate::limits::Limits;
use crate::load_error::LoadError;
use crate::memory::HostMemory;
use crate::pace::Pace;
use crate::verify::Exports;
use crate::{serve02, serve03};
use holdfast_call::{
    Admitted, Answer, BoxFuture, Call, Clock, Failure, FailureKind, Implementation, Log, Payload,
    Scope, Target,
};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use wasmtime::Engine;
use wasmtime::component::Linker;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;

/// What all services of a host share, and what makes them.
pub struct Workshop {
    engines: Arc<Engines>,
    compiler: Compiler,
    lane: Arc<Lane>,
    supplies: Arc<Supplies>,
    linkers: PerKind<Linker<Guest>>,
}

/// What a service is to be.
pub struct Wanted {
    /// What each of its guests may use.
    pub limits: Limits,
    /// On which engine it runs.
    pub metering: Metering,
    /// What its guests get besides their call.
    pub surroundings: Surroundings,
}

/// A service that was made, and how.
pub struct Made {
    /// The service.
    pub service: Arc<Service>,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// Whether it had to be compiled.
    pub from_cache: FromCache,
    /// How long that took.
    pub took: Duration,
}

#[derive(Clone)]
enum Pre {
    Http02(ProxyPre<Guest>),
    Http03(ServicePre<Guest>),
}

/// A component that serves calls.
pub struct Service {
    pre: Pre,
    kind: EngineKind,
    slots: u32,
    limits: Limits,
    surroundings: Arc<Surroundings>,
    lane: Arc<Lane>,
    pace: Arc<Pace>,
    supplies: Arc<Supplies>,
}

impl Workshop {
    /// Sets the workshop up. Call it on the serving runtime: child calls of guests will run there.
    ///
    /// # Errors
    /// The engine cannot be linked.
    pub fn new(
        engines: Arc<Engines>,
        compiler: Compiler,
        lane: Arc<Lane>,
        memory: Arc<HostMemory>,
        clock: Arc<dyn Clock>,
        log: Arc<dyn Log>,
    ) -> Result<Self, LoadError> {
        let supplies = Arc::new(Supplies {
            clock,
            log,
            memory,
            serving: Handle::current(),
        });
        Ok(Self {
            engines,
            compiler,
            lane,
            supplies,
            linkers: PerKind::default(),
        })
    }

    /// Verifies, compiles, links and warms a component. Takes seconds for a large one: never call it on a serving thread.
    ///
    /// # Errors
    /// It cannot be served; the error says what to change.
    pub fn make(&self, component: &[u8], wanted: Wanted) -> Result<Made, LoadError> {
        let compiled = self.compiler.compile(component, wanted.metering)?;
        compiled.needs.fit(&wanted.limits)?;
        let refused = |error: wasmtime::Error| LoadError::Compile(format!("{error:#}"));
        let pre = self
            .linker(compiled.kind)?
            .instantiate_pre(&compiled.component)
            .map_err(refused)?;
        let pre = match compiled.exports {
            Exports::Http02 => Pre::Http02(ProxyPre::new(pre).map_err(refused)?),
            Exports::Http03 => Pre::Http03(ServicePre::new(pre).map_err(refused)?),
        };
        // Warm: the first call finds the image of its memory made.
        compiled
            .component
            .initialize_copy_on_write_image()
            .map_err(refused)?;
        let service = Service {
            pre,
            kind: compiled.kind,
            slots: compiled.needs.slots(),
            limits: wanted.limits,
            surroundings: Arc::new(wanted.surroundings),
            lane: self.lane.clone(),
            pace: Pace::new(self.supplies.clock.clone()),
            supplies: self.supplies.clone(),
        };
        let (digest, from_cache, took) = (compiled.digest, compiled.from_cache, compiled.took);
        Ok(Made {
            service: Arc::new(service),
            digest,
            from_cache,
            took,
        })
    }

    /// The memory that all guests share.
    #[must_use]
    pub fn memory(&self) -> &Arc<HostMemory> {
        &self.supplies.memory
    }

    /// The engines.
    #[must_use]
    pub fn engines(&self) -> &Arc<Engines> {
        &self.engines
    }

    fn linker(&self, kind: EngineKind) -> Result<&Linker<Guest>, LoadError> {
        let made = || {
            let linker = imports::linker(self.engines.get(kind)?);
            linker.map_err(|error| LoadError::Compile(format!("the linker: {error:#}")))
        };
        let place = self.linkers.of(kind);
        if let Some(linker) = place.get() {
            return Ok(linker);
        }
        let linker = made()?;
        Ok(place.get_or_init(|| linker))
    }
}

impl Service {
    /// The engine it runs on.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// How many slots of the pool one call takes.
    #[must_use]
    pub fn slots(&self) -> u32 {
        let instances = self.limits.instances.div_ceil(CORE_INSTANCES_PER_SLOT);
        self.slots.max(instances)
    }

    /// The same component with other limits and surroundings, for calls from now on.
    #[must_use]
    pub fn with(&self, limits: Limits, surroundings: Surroundings) -> Self {
        Self {
            pre: self.pre.clone(),
            kind: self.kind,
            slots: self.slots,
            limits,
            surroundings: Arc::new(surroundings),
            lane: self.lane.clone(),
            pace: self.pace.clone(),
            supplies: self.supplies.clone(),
        }
    }

    fn engine(&self) -> &Engine {
        match &self.pre {
            Pre::Http02(pre) => pre.engine(),
            Pre::Http03(pre) => pre.engine(),
        }
    }

    fn work(&self, call: Box<Call>, scope: Scope) -> Result<Driver, Failure> {
        let Payload::Http(request) = call.payload;
        let Target::Service(name) = &scope.registered().target else {
            return Err(Failure::new(
                FailureKind::Internal,
                "a component is registered as a capability",
            ));
        };
        let name = name.clone();
        heads_fit(request.headers(), self.limits.header_bytes)?;
        let life = Life::new(scope.registered().target.clone());
        let meter = scope.meter().clone();
        let store = Guest::store(
            self.engine(),
            scope,
            life.clone(),
            &self.limits,
            &self.surroundings,
            &self.supplies,
        )?;
        let run: BoxFuture<'static, ()> = match &self.pre {
            Pre::Http02(pre) => {
                let (pre, life) = (pre.clone(), life.clone());
                Box::pin(serve02::run(pre, store, request, life, meter.clone()))
            }
            Pre::Http03(pre) => {
                let (pre, life) = (pre.clone(), life.clone());
                Box::pin(serve03::run(pre, store, request, life, meter.clone()))
            }
        };
        Ok(Driver::new(
            Work::new(run, life, meter, self.limits.cpu),
            self.lane.clone(),
            self.pace.clone(),
            name,
        ))
    }
}

/// What comes in is bounded as what the guest makes itself is: it holds it all the same.
fn heads_fit(headers: &HeaderMap, most: u64) -> Result<(), Failure> {
    let sizes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    let bytes = sizes.sum::<usize>() as u64;
    if bytes <= most {
        return Ok(());
    }
    let cause = "the headers of the request have more bytes than the service takes";
    let failure = Failure::new(FailureKind::InvalidInput, cause);
    Err(failure
        .with("bytes", bytes)
        .with("key", "limits.header_bytes")
        .with("limit", most))
}

impl Implementation for Service {
    fn call(&self, admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        let (call, scope) = admitted.into_parts();
        let work = self.work(call, scope.clone());
        let bytes_max = self.limits.response_bytes;
        Box::pin(async move {
            let mut answer = answer::of(work?, bytes_max).await?;
            if answer.body_mut().as_whole().is_none() {
                scope.streams();
            }
            Ok(answer)
        })
    }
}
