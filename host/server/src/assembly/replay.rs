//! What `holdfast replay` runs calls with: the engines of a host under the same policy, and nothing else of it. No capability is there, no
//! socket, no database: whatever a guest asks for, it is told what the record says.

use super::cache::Cache;
use super::captured::{Besides, Linked};
use super::{compiling, engine, guest_memory};
use crate::settings::Policy;
use anyhow::Context as _;
use holdfast_call::contract::Interface;
use holdfast_call::{
    Closing, GuestLine, Level, Log, Notice, Notices, Registered, Settings, Target,
};
use holdfast_rules::capture::{Record, Replayed, replay};
use holdfast_rules::{Parts, clock};
use holdfast_wasm::compile::Compiler;
use holdfast_wasm::durable::Operations;
use holdfast_wasm::engine::{Engines, Metering};
use holdfast_wasm::guest::Surroundings;
use holdfast_wasm::imports::typed::Link;
use holdfast_wasm::lane::Lane;
use holdfast_wasm::memory::HostMemory;
use holdfast_wasm::service::{Service, Wanted, Workshop};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Hears what a guest logs, a line at a time.
pub type Hear = Arc<dyn Fn(&str) + Send + Sync>;

/// What calls are run again with.
pub struct Replays {
    runtime: Runtime,
    workshop: Workshop,
    parts: Parts,
    /// The components that were compiled, by their names and what else was to be with them.
    made: HashMap<(String, String), Arc<Service>>,
}

/// A component to be run.
pub struct Component<'a> {
    /// Its name: a digest, or a file.
    pub name: &'a str,
    /// Reads it.
    pub read: &'a dyn Fn() -> anyhow::Result<Vec<u8>>,
}

impl Replays {
    /// Makes the engines as a host under this policy would.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn new(policy: &Policy, hear: Hear) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("cannot start a thread")?;
        let sources = clock::of_this_machine();
        let told = Arc::new(Told(hear));
        let log: Arc<dyn Log> = told.clone();
        let engines = Engines::new(engine(policy)?, log.clone()).context("make the engine")?;
        let compiler = Compiler::new(
            engines.clone(),
            compiling(policy),
            Cache::beside(&policy.data, log.clone()),
            sources.clock.clone(),
            log.clone(),
        );
        let memory = HostMemory::new(guest_memory(policy.memory)?);
        let lane = Arc::new(Lane::new(log.clone())?);
        let entered = runtime.enter();
        let clock = sources.clock.clone();
        let workshop = Workshop::new(engines, compiler, lane, memory, clock, log.clone())?;
        drop(entered);
        let parts = Parts {
            sources,
            log,
            notices: told,
            metrics: Arc::default(),
            host: Arc::default(),
            keys: Arc::default(),
            issuers: Arc::default(),
            executions: Arc::default(),
            ledger: Arc::default(),
            trail: Arc::default(),
            captures: Arc::default(),
        };
        Ok(Self {
            runtime,
            workshop,
            parts,
            made: HashMap::new(),
        })
    }

    /// Runs a call again, as this component serves it.
    ///
    /// # Errors
    /// The component cannot be had, or the record not be read.
    pub fn run(&mut self, record: Record, component: &Component<'_>) -> anyhow::Result<Replayed> {
        let service = self.service(&record, component)?;
        let pipeline = holdfast_rules::replaying(&self.parts)?;
        let registered = Registered::new(
            &pipeline,
            Target::Service(record.service.as_str().into()),
            Some(component.name.into()),
            Settings::default(),
            service,
        );
        let replayed = replay(&pipeline, registered, Arc::new(record));
        Ok(self.runtime.block_on(replayed)?)
    }

    fn service(
        &mut self,
        record: &Record,
        component: &Component<'_>,
    ) -> anyhow::Result<Arc<Service>> {
        let key = (component.name.to_owned(), record.world.to_string());
        if let Some(made) = self.made.get(&key) {
            return Ok(made.clone());
        }
        let besides: Besides = serde_json::from_value(record.world.clone())
            .context("what its guest had besides cannot be read: it was kept by another version of this program")?;
        let wanted = Wanted {
            limits: besides.limits,
            metering: Metering::Metered,
            operations: Operations::Ordinary,
            surroundings: Surroundings {
                env: besides.env,
                config: besides.config,
                directories: Vec::new(),
            },
        };
        let bytes = (component.read)()?;
        let made = {
            let _entered = self.runtime.enter();
            let find = |interface: &Interface| Ok(link(&besides.links, interface));
            self.workshop.make(&bytes, wanted, &find)?
        };
        self.made.insert(key, made.service.clone());
        Ok(made.service)
    }
}

/// Whom the guest was linked to then. What it was not, it asks of nobody.
fn link(links: &[Linked], interface: &Interface) -> Link {
    let known = links.iter().find(|link| *link.interface == *interface.id);
    let (service, exported) = match known {
        Some(link) => (link.service.as_str(), link.exported.as_str()),
        None => ("nobody", &*interface.id),
    };
    Link {
        interface: interface.clone(),
        service: service.into(),
        exported: exported.into(),
    }
}

/// What a guest says; what the host says of itself, nobody wants to know here.
struct Told(Hear);

impl Log for Told {
    fn closing(&self, _closing: Closing) {}
    fn guest(&self, line: GuestLine) {
        (self.0)(&line.text);
    }
    fn host(&self, _level: Level, _text: String) {}
}

impl Notices for Told {
    fn tell(&self, _notice: Notice) {}
}
