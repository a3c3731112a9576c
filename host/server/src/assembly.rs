//! Assembly: where the parts meet, and the only place that knows them all.
//!
//! It makes the host's parts from the policy, services from components and manifests, and upstreams from the policy, and gives each its
//! layers' settings. It holds no rule: a value goes from the settings into the part that enforces it.

mod audit;
mod cache;
mod captured;
pub mod described;
mod gauges;
pub mod inspect;
mod kv;
mod layers;
mod links;
mod notices;
mod pressure;
pub mod probe;
mod queues;
mod rates;
pub mod replay;
mod runs;
mod secrets;
mod services;
mod sharing;
mod upstreams;
mod versions;
mod webhooks;

use self::cache::Cache;
pub(crate) use self::described::described;
use self::secrets::Secrets;
use self::sharing::Sharing;
use self::upstreams::Unusable;
use crate::captures::CaptureWriter;
use crate::cli;
use crate::executions::HostExecutions;
use crate::keys::CallerKeys;
use crate::ledger::HostLedger;
use crate::logs::{LogWriter, Sink};
use crate::notices::Teller;
use crate::plugins::KeepVersions;
use crate::router::Routes;
use crate::settings::{Flags, HostMemory as MemorySetting, Limit, Policy, Pool, SettingsError};
use crate::tokens::{self, TokenKeys};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use holdfast_call::{Level, Log, Notices, Pipeline, Settings, Sources, Target};
use holdfast_capabilities::http::{HttpOut, Keys, NameServers};
use holdfast_capabilities::leases::Leases;
use holdfast_rules::notices::Line;
use holdfast_rules::trail::Trail;
use holdfast_rules::{HostGate, Metrics, Parts};
use holdfast_store::Audit;
use holdfast_store::db::Database;
use holdfast_store::{CallLog, DataLock, HostKey, Versions};
use holdfast_wasm::cache::ArtifactCache;
use holdfast_wasm::compile::Compiler;
use holdfast_wasm::compile::process::CompileProcess;
use holdfast_wasm::engine::{EngineSettings, Engines};
use holdfast_wasm::lane::Lane;
use holdfast_wasm::memory::{HostMemory, machine_memory};
use holdfast_wasm::pool::PoolChoice;
use holdfast_wasm::service::Workshop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where in the data directory the call log is.
pub const CALLS: &str = "calls";

/// Everything that runs in one host, put together.
pub struct Host {
    pipeline: Arc<Pipeline>,
    metrics: Arc<Metrics>,
    gate: Arc<HostGate>,
    workshop: Workshop,
    nameservers: Arc<NameServers>,
    out: Arc<HttpOut>,
    log: Arc<LogWriter>,
    versions: Arc<Versions>,
    caller_keys: Arc<CallerKeys>,
    token_keys: TokenKeys,
    executions: Arc<HostExecutions>,
    ledger: Arc<HostLedger>,
    database: Database,
    leases: Arc<Leases>,
    audit: Audit,
    trail: Arc<Trail>,
    captures: CaptureWriter,
    notices: Arc<Line>,
    teller: Arc<Teller>,
    policy: ArcSwap<Policy>,
    flags: Flags,
    /// The policy file that the command line named.
    named: Option<PathBuf>,
    sharing: Sharing,
    secrets: Secrets,
    /// The upstreams and secrets that are without a value: services that need one are not loaded.
    unusable: ArcSwap<Unusable>,
    /// What makes the keys by which upstreams know requests again.
    keys: Keys,
    /// Held for its drop: another host must not use the same data directory.
    _lock: DataLock,
}

impl Host {
    /// Makes the host's parts. Call it on the serving runtime.
    ///
    /// # Errors
    /// A directory, the engine or a secret that is there cannot be used; the error says which.
    pub async fn start(
        policy: Policy,
        flags: Flags,
        named: Option<PathBuf>,
        log: Arc<LogWriter>,
        sources: Sources,
    ) -> anyhow::Result<Self> {
        let lock = DataLock::take(&policy.data)?;
        keep_calls(&policy, &log)?;
        let versions = Arc::new(Versions::open(&policy.data.join("versions"))?);
        let as_log: Arc<dyn Log> = log.clone();
        let workshop = workshop(&policy, &sources, &as_log)?;
        let metrics = Arc::new(Metrics::default());
        let gate = Arc::new(HostGate::default());
        let key = HostKey::open(&policy.data, || key_bytes(&sources))?;
        let notices = Line::new(sources.clock.clone());
        notices.put(policy.notify.told());
        let as_notices: Arc<dyn Notices> = notices.clone();
        let (audit, trail) = audit::open(&policy, &key, &sources, &as_log, &as_notices)?;
        let counted = (metrics.clone(), gate.clone());
        let parts = parts(&sources, &as_log, as_notices, counted, trail.clone());
        let captures = captured::writer(&policy, &parts)?;
        let database = database(&policy).await?;
        let (caller_keys, executions, ledger, leases) =
            kept(&database, &policy, &key, &parts).await?;
        let pipeline = holdfast_rules::pipeline(&parts)?;
        let token_keys = TokenKeys::new(parts.issuers, pipeline.clone(), as_log.clone());
        let teller = Teller::new(notices.clone(), pipeline.clone(), as_log.clone());
        let nameservers = NameServers::new(policy.nameservers.clone());
        let out = HttpOut::new(sources.clone(), as_log, nameservers.clone());
        let host = Self {
            pipeline,
            metrics,
            gate,
            workshop,
            nameservers,
            out,
            log,
            versions,
            caller_keys,
            token_keys,
            executions,
            ledger,
            database,
            leases,
            audit,
            trail,
            captures,
            notices,
            teller,
            policy: ArcSwap::from_pointee(policy),
            flags,
            named,
            sharing: Sharing::new(sources.clock),
            secrets: Secrets::default(),
            unusable: ArcSwap::default(),
            keys: Keys::new(key.bytes()),
            _lock: lock,
        };
        host.begin()?;
        Ok(host)
    }

    /// Puts the policy that it was started with into force.
    fn begin(&self) -> anyhow::Result<()> {
        let policy = self.policy();
        let issuers = tokens::make(&policy)?;
        let made = upstreams::make(self, &policy)?;
        let signer = self.signer(&policy)?;
        upstreams::register(self, made);
        self.token_keys.put(issuers);
        self.teller.put(&policy.notify, signer);
        self.executions.approvals().may(policy.own);
        tokio::spawn(self.teller.clone().follow());
        Ok(())
    }

    /// The one pipeline.
    #[must_use]
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// What lets calls in.
    #[must_use]
    pub fn gate(&self) -> &Arc<HostGate> {
        &self.gate
    }

    /// Lets go of the instances that wait for a next call, for there will be none.
    pub fn close_idle(&self) {
        self.workshop.idle().close();
    }

    /// The policy that holds now.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// The versions that are kept, for the loader of plugins.
    #[must_use]
    pub fn versions(&self) -> Arc<dyn KeepVersions> {
        Arc::new(versions::Kept(self.versions.clone()))
    }

    /// The keys of callers.
    #[must_use]
    pub fn caller_keys(&self) -> &Arc<CallerKeys> {
        &self.caller_keys
    }

    /// The executions of this host.
    #[must_use]
    pub fn executions(&self) -> &Arc<HostExecutions> {
        &self.executions
    }

    /// The ledger of this host.
    #[must_use]
    pub fn ledger(&self) -> &Arc<HostLedger> {
        &self.ledger
    }

    /// Where what must last is kept.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// What is on record.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The layers' settings for a request that finds no target.
    #[must_use]
    pub fn nowhere(&self) -> Settings {
        layers::nowhere()
    }

    /// Reads the policy file again and puts it into force for every service at once. A file that cannot be used changes nothing.
    ///
    /// # Errors
    /// The file cannot be read, weakens a floor, or names a secret that is not there.
    pub fn reload(&self, routes: &Routes) -> anyhow::Result<()> {
        // A host that began without a policy takes the default file once there is one; a file that was there must not go missing.
        let named = self.policy.load().source.clone().or(self.named.clone());
        let policy = Policy::load(named.as_deref())
            .map_err(|error: SettingsError| anyhow::anyhow!("{error}"))?;
        let policy = policy.with_flags(self.flags.clone());
        // The secrets first: services are made with them.
        let made = upstreams::make(self, &policy)?;
        made.check(&self.unusable.load())?;
        let signer = self.signer(&policy)?;
        let issuers = tokens::make(&policy)?;
        let services = self.assembled(&policy)?;
        upstreams::register(self, made);
        self.token_keys.put(issuers);
        self.teller.put(&policy.notify, signer);
        for registered in services {
            if let Target::Service(name) = &registered.target {
                routes.renew(name, registered.clone());
            }
            self.pipeline.registry().put(registered);
        }
        if self.policy.load().nameservers != policy.nameservers {
            self.nameservers.ask(policy.nameservers.clone());
            self.out.resolve_again();
        }
        for key in held_back(&self.policy.load(), &policy) {
            let text = format!("{key} is as it was: it takes effect at the next start");
            self.log.host(Level::Warn, text);
        }
        let file = policy.source.as_deref().unwrap_or(Path::new("(none)"));
        let text = format!("the policy {} is in force", file.display());
        self.log.host(Level::Info, text);
        self.executions.approvals().may(policy.own);
        self.policy.store(Arc::new(policy));
        Ok(())
    }
}

/// What the layers share; where things are kept, they are told later.
fn parts(
    sources: &Sources,
    log: &Arc<dyn Log>,
    notices: Arc<dyn Notices>,
    (metrics, host): (Arc<Metrics>, Arc<HostGate>),
    trail: Arc<Trail>,
) -> Parts {
    Parts {
        sources: sources.clone(),
        log: log.clone(),
        notices,
        metrics,
        host,
        keys: Arc::default(),
        issuers: Arc::default(),
        executions: Arc::default(),
        ledger: Arc::default(),
        trail,
        captures: Arc::default(),
    }
}

/// Has the call log kept, if it is to be.
fn keep_calls(policy: &Policy, log: &LogWriter) -> anyhow::Result<()> {
    if policy.call_log > 0 {
        let calls = CallLog::open(&policy.data.join(CALLS), policy.call_log)?;
        log.keep_calls(Sink::named("call log", calls));
    }
    Ok(())
}

/// The database of the policy.
async fn database(policy: &Policy) -> anyhow::Result<Database> {
    let place = policy.store.place(&policy.data);
    let place = place.map_err(|error| anyhow::anyhow!("the password of [store]: {error}"))?;
    let opened = Database::open(place).await;
    opened.map_err(|error| anyhow::anyhow!("failed to open the database: {error}"))
}

/// What is kept in the database, and what the rules have of it.
async fn kept(
    database: &Database,
    policy: &Policy,
    key: &HostKey,
    parts: &Parts,
) -> anyhow::Result<(
    Arc<CallerKeys>,
    Arc<HostExecutions>,
    Arc<HostLedger>,
    Arc<Leases>,
)> {
    let (sources, log) = (parts.sources.clone(), parts.log.clone());
    let keys = CallerKeys::new(database.clone(), parts.keys.clone(), sources, log);
    keys.begin().await;
    let (held, keep) = (parts.executions.clone(), policy.idempotency_keep);
    let told = (&*parts.log, &*parts.notices);
    let executions = HostExecutions::begin(database.clone(), key, (held, keep), told).await;
    let executions = executions.context("cannot begin with the database")?;
    let (holder, held) = (executions.holder(), parts.ledger.clone());
    let (clock, log) = (parts.sources.clock.clone(), parts.log.clone());
    let ledger = HostLedger::begin(database.clone(), holder, held, clock, log).await;
    let ledger = ledger.context("cannot begin with the ledger")?;
    let leases = Leases::begin(database.clone(), executions.holder()).await;
    let leases = leases.context("cannot begin with the leases")?;
    Ok((keys, executions, ledger, leases))
}

pub(crate) fn key_bytes(sources: &Sources) -> [u8; 32] {
    let mut key = [0; 32];
    for half in key.chunks_mut(16) {
        half.copy_from_slice(&sources.random.sixteen());
    }
    key
}

fn workshop(policy: &Policy, sources: &Sources, log: &Arc<dyn Log>) -> anyhow::Result<Workshop> {
    let engines = Engines::new(engine(policy)?, log.clone()).context("make the engine")?;
    let cache: Arc<dyn ArtifactCache> = Arc::new(Cache::open(&policy.data, log.clone())?);
    let compiler = Compiler::new(
        engines.clone(),
        compiling(policy),
        cache,
        sources.clock.clone(),
        log.clone(),
    );
    let memory = HostMemory::new(guest_memory(policy.memory)?);
    let lane = Arc::new(Lane::new(log.clone())?);
    Ok(Workshop::new(
        engines,
        compiler,
        lane,
        memory,
        sources.clock.clone(),
        log.clone(),
    )?)
}

/// This very program, also where its file was replaced since it was started.
const SELF: &str = "/proc/self/exe";

/// The process that compiles under a policy.
fn compiling(policy: &Policy) -> CompileProcess {
    CompileProcess::new(SELF.into(), cli::COMPILE, policy.compile)
}

/// The share of the guests' memory that may stay with the pool beside it, as a divisor.
const RESIDUE_SHARE: u64 = 4;

/// How the engines are made under a policy.
fn engine(policy: &Policy) -> anyhow::Result<EngineSettings> {
    Ok(EngineSettings {
        slots: policy.slots,
        pool: match policy.pool {
            Pool::Auto => PoolChoice::Auto,
            Pool::Safe => PoolChoice::Safe,
        },
        residue_bytes_max: guest_memory(policy.memory)? / RESIDUE_SHARE,
        ..room(policy)
    })
}

/// The keys that differ and are read only once, at start.
fn held_back(old: &Policy, new: &Policy) -> Vec<&'static str> {
    let keys = [
        ("listen", old.listen != new.listen),
        ("listen.limits", old.listen_limits != new.listen_limits),
        ("listen.tls", old.tls != new.tls),
        ("admin", old.admin != new.admin),
        ("plugins", old.plugins != new.plugins),
        ("data", old.data != new.data),
        ("log", old.log != new.log),
        ("log_file", old.log_file != new.log_file),
        ("call_log", old.call_log != new.call_log),
        (
            "idempotency_keep",
            old.idempotency_keep != new.idempotency_keep,
        ),
        ("drain_ms", old.drain != new.drain),
        ("memory", old.memory != new.memory),
        ("slots", old.slots != new.slots),
        ("pool", old.pool != new.pool),
        ("compile", old.compile != new.compile),
        ("store", old.store != new.store),
        ("audit", old.audit != new.audit),
        ("capture", old.capture != new.capture),
    ];
    let differs = keys.into_iter().filter(|(_, differs)| *differs);
    differs.map(|(key, _)| key).collect()
}

/// What the pool must have room for: the defaults, and whatever larger limit the policy has for any service.
fn room(policy: &Policy) -> EngineSettings {
    let most = |limit: Limit, least: u32| {
        let services = policy.services.values().map(|service| &service.limits);
        let set = services
            .chain([&policy.limits])
            .filter_map(|limits| limits.get(limit));
        let most = set.max().unwrap_or(0);
        u32::try_from(most).unwrap_or(u32::MAX).max(least)
    };
    let default = EngineSettings::default();
    EngineSettings {
        memories_per_module_max: most(Limit::Memories, default.memories_per_module_max),
        tables_per_module_max: most(Limit::Tables, default.tables_per_module_max),
        table_elements_max: most(Limit::TableElements, default.table_elements_max),
        ..default
    }
}

fn guest_memory(setting: MemorySetting) -> anyhow::Result<u64> {
    let total = machine_memory().context(
        "how much memory the machine has cannot be read; set memory in the policy to a size",
    )?;
    Ok(setting.bytes_of(total.bytes))
}
