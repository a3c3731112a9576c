//! A service: a component that was verified, compiled and linked, with the limits and surroundings its guests get.
//!
//! A call gets a fresh instance, or one that served another call to its end before (`idle.rs`), as often as its limits say. The guest's
//! future owns its store, so dropping it is the hard end of the guest wherever it runs.

use crate::answer;
use crate::bounds::Bounds;
use crate::compile::{Compiler, FromCache};
use crate::drained::Beyond;
use crate::drive::{Driver, Work};
use crate::durable::Operations;
use crate::engine::{CORE_INSTANCES_PER_SLOT, EngineKind, Engines, Metering, PerKind};
use crate::guest::{Guest, Supplies, Surroundings};
use crate::idle::{Idle, Keep, Version};
use crate::imports;
use crate::imports::typed::{self, Link};
use crate::lane::Lane;
use crate::life::{Life, Taking};
use crate::limits::Limits;
use crate::load_error::LoadError;
use crate::memory::HostMemory;
use crate::pace::Pace;
use crate::run::{Job, Pre, PreHttp, Ready};
use crate::serve_typed::{self, Asked};
use crate::share::Share;
use crate::verify::Exports;
use holdfast_call::contract::{Contract, Interface};
use holdfast_call::{
    Admitted, Answer, BoxFuture, Call, Clock, Failure, FailureKind, Implementation, Journal, Log,
    Payload, Scope, Target,
};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use wasmtime::component::Linker;
use wasmtime::{Engine, Store};
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
    /// On which engine it runs. With durable operations it is the metered one, whatever stands here; calls with a journal need it too.
    pub metering: Metering,
    /// Whether some of its operations are durable.
    pub operations: Operations,
    /// What its guests get besides their call.
    pub surroundings: Surroundings,
}

/// Finds who serves an interface that a component imports.
pub type Find<'a> = &'a dyn Fn(&Interface) -> Result<Link, String>;

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

/// A component that serves calls.
pub struct Service {
    pre: Pre,
    contract: Arc<Contract>,
    links: Arc<[Link]>,
    /// An instance serves the version that it was made for.
    version: Arc<Version>,
    kind: EngineKind,
    operations: Operations,
    slots: u32,
    limits: Limits,
    surroundings: Arc<Surroundings>,
    share: Arc<Share>,
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
        let serving = Handle::current();
        let idle = Idle::new(clock.clone(), serving.clone(), &memory);
        let supplies = Arc::new(Supplies {
            clock,
            log,
            memory,
            serving,
            idle,
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
    pub fn make(
        &self,
        component: &[u8],
        wanted: Wanted,
        find: Find<'_>,
    ) -> Result<Made, LoadError> {
        let metering = match wanted.operations {
            Operations::Ordinary => wanted.metering,
            Operations::Durable => Metering::Metered,
        };
        let compiled = self.compiler.compile(component, metering)?;
        compiled.needs.fit(&wanted.limits)?;
        let operations = wanted.operations;
        operations.fit(&compiled.component, &wanted.surroundings)?;
        let refused = |error: wasmtime::Error| LoadError::Compile(format!("{error:#}"));
        let linker = self.linker(compiled.kind)?;
        let links = links(&compiled.contract, find)?;
        let typed = match &*links {
            [] => linker.instantiate_pre(&compiled.component),
            links => {
                linked(linker, links).and_then(|linker| linker.instantiate_pre(&compiled.component))
            }
        };
        let typed = typed.map_err(refused)?;
        let http = match compiled.exports {
            Exports::Http02 => Some(PreHttp::Http02(
                ProxyPre::new(typed.clone()).map_err(refused)?,
            )),
            Exports::Http03 => Some(PreHttp::Http03(
                ServicePre::new(typed.clone()).map_err(refused)?,
            )),
            Exports::Typed => None,
        };
        let functions = serve_typed::functions(&compiled.component, &compiled.contract)
            .ok_or_else(LoadError::garbled)?;
        let pre = Pre {
            http,
            typed,
            functions: Arc::new(functions),
        };
        // Warm: the first call finds the image of its memory made.
        compiled
            .component
            .initialize_copy_on_write_image()
            .map_err(refused)?;
        let service = Service {
            pre,
            contract: compiled.contract.clone(),
            links: links.into(),
            version: self.supplies.idle.version(),
            kind: compiled.kind,
            operations,
            slots: compiled.needs.slots(),
            limits: wanted.limits,
            surroundings: Arc::new(wanted.surroundings),
            share: Share::of(&self.supplies.memory),
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

    /// The instances that wait for their next call.
    #[must_use]
    pub fn idle(&self) -> &Arc<Idle> {
        &self.supplies.idle
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
    ///
    /// # Errors
    /// It has durable operations, and may not have such surroundings.
    pub fn with(&self, limits: Limits, surroundings: Surroundings) -> Result<Self, LoadError> {
        self.operations
            .fit(self.pre.typed.component(), &surroundings)?;
        Ok(Self {
            pre: self.pre.clone(),
            contract: self.contract.clone(),
            links: self.links.clone(),
            version: self.supplies.idle.version(),
            kind: self.kind,
            operations: self.operations,
            slots: self.slots,
            limits,
            surroundings: Arc::new(surroundings),
            share: self.share.clone(),
            lane: self.lane.clone(),
            pace: self.pace.clone(),
            supplies: self.supplies.clone(),
        })
    }

    /// What it promises to other services and asks of them.
    #[must_use]
    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// Whom it asks.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Whether it serves plain HTTP by itself.
    #[must_use]
    pub fn serves_http(&self) -> bool {
        self.pre.http.is_some()
    }

    fn engine(&self) -> &Engine {
        self.pre.typed.engine()
    }

    /// What the guest is to do.
    fn job(&self, payload: Payload) -> Result<Job, Failure> {
        let missing = |what: &str| {
            Failure::new(
                FailureKind::NoSuchOperation,
                "the component does not serve it",
            )
            .with("asked", what)
        };
        match payload {
            Payload::Http(request) => {
                heads_fit(request.headers(), self.limits.header_bytes)?;
                let pre = self.pre.http.clone();
                Ok(Job::Http(
                    pre.ok_or_else(|| missing("plain HTTP"))?,
                    request,
                ))
            }
            Payload::Values(operation, values) => {
                let exposed = self.pre.functions.get(&operation).cloned();
                let exposed = exposed.ok_or_else(|| missing(&operation))?;
                Ok(Job::Typed(Asked { exposed, values }))
            }
        }
    }

    fn work(&self, call: Box<Call>, scope: Scope) -> Result<Driver, Failure> {
        let job = self.job(call.payload)?;
        let Target::Service(name) = &scope.registered().target else {
            return Err(Failure::new(
                FailureKind::Internal,
                "a component is registered as a capability",
            ));
        };
        let name = name.clone();
        if let Some(journal) = scope.journal().cloned() {
            return self.apart(job, scope, name, journal);
        }
        let meter = scope.meter().clone();
        let target = scope.registered().target.clone();
        let life = Life::new(target, meter.clone(), Taking::Reader);
        let found = match self.limits.reuse {
            0 | 1 => None,
            _ => self.supplies.idle.take(&name, &self.version, job.way()),
        };
        let (store, exported, served) = match found {
            Some(mut found) => {
                let (limits, supplies) = (&self.limits, &self.supplies);
                Guest::renew(&mut found.store, scope, life.clone(), limits, supplies)?;
                (found.store, Some(found.exported), found.served)
            }
            None => (self.store(scope, life.clone())?, None, 0),
        };
        let ready = Ready {
            store,
            exported,
            life,
            meter,
            keep: self.keep(&name, served),
        };
        self.driver(job, ready, name, None)
    }

    /// What has a journal has an instance of its own, which has done nothing before and does nothing afterwards.
    fn apart(
        &self,
        job: Job,
        scope: Scope,
        name: Arc<str>,
        journal: Arc<dyn Journal>,
    ) -> Result<Driver, Failure> {
        if self.kind.metering != Metering::Metered {
            let cause = "a call with a journal of a service that was not made for it";
            return Err(Failure::new(FailureKind::Internal, cause));
        }
        let meter = scope.meter().clone();
        let target = scope.registered().target.clone();
        let taking = Taking::Itself(Beyond::of(&*journal));
        let life = Life::new(target, meter.clone(), taking);
        let bounds = Bounds::new(journal, self.limits.cpu);
        let mut store = self.store(scope, life.clone())?;
        bounds.hold(&mut store, &life);
        let ready = Ready {
            store,
            exported: None,
            life,
            meter,
            keep: None,
        };
        self.driver(job, ready, name, Some(bounds))
    }

    fn driver(
        &self,
        job: Job,
        ready: Ready,
        name: Arc<str>,
        bounds: Option<Arc<Bounds>>,
    ) -> Result<Driver, Failure> {
        let (life, meter) = (ready.life.clone(), ready.meter.clone());
        let run = self.pre.run(job, ready)?;
        Ok(Driver::new(
            Work::new(run, life, meter, self.limits.cpu, bounds),
            self.lane.clone(),
            self.pace.clone(),
            name,
        ))
    }

    /// The store of an instance that is still to be made.
    fn store(&self, scope: Scope, life: Arc<Life>) -> Result<Store<Guest>, Failure> {
        self.supplies.idle.make_room(self.kind);
        Guest::store(
            self.engine(),
            scope,
            life,
            &self.limits,
            &self.surroundings,
            &self.share,
            &self.supplies,
        )
    }

    /// Where an instance may go after this call, if it has served so many before.
    fn keep(&self, name: &Arc<str>, served: u32) -> Option<Keep> {
        let served = served + 1;
        (served < self.limits.reuse).then(|| Keep {
            idle: self.supplies.idle.clone(),
            service: name.clone(),
            version: self.version.clone(),
            kind: self.kind,
            slots: self.slots(),
            served,
        })
    }
}

/// Finds who serves what a component imports of other services.
fn links(contract: &Contract, find: Find<'_>) -> Result<Vec<Link>, LoadError> {
    let links = contract.imports.iter().map(find);
    links.collect::<Result<_, _>>().map_err(LoadError::Unlinked)
}

/// The linker of the host with what other services serve.
fn linked(linker: &Linker<Guest>, links: &[Link]) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = linker.clone();
    for link in links {
        typed::add_to_linker(&mut linker, link)?;
    }
    Ok(linker)
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.limits.reuse > 1 {
            self.supplies.idle.forget(&self.version);
        }
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
        let values = matches!(call.payload, Payload::Values(..));
        let work = self.work(call, scope.clone());
        let bytes_max = self.limits.response_bytes;
        Box::pin(async move {
            if values {
                return answer::given(work?).await;
            }
            if scope.journal().is_some_and(|journal| journal.is_lasting()) {
                return answer::whole(work?, bytes_max).await;
            }
            let mut answer = answer::of(work?, bytes_max).await?;
            if answer.body_mut().as_whole().is_none() {
                scope.streams();
            }
            Ok(answer)
        })
    }
}
