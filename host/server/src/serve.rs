//! A running host: sockets opened, plugins served, signals heard, everything drained at the end.
//!
//! What it is made of comes in from outside ([`Host`]); nothing is decided here but the order in which things begin and end.

use crate::admin::{Admin, Metrics};
use crate::backup::Backups;
use crate::control::{self, Control};
use crate::drain::{self, Drained, Gate, Phase, Stop};
use crate::entry::connections::{self, Terms};
use crate::entry::http::Gateway;
use crate::executions::HostExecutions;
use crate::keys::CallerKeys;
use crate::ledger::HostLedger;
use crate::notices::Teller;
use crate::plugins::{
    Candidates, KeepVersions, LoadService, Parts, Plugins, Reload, Say, SecretFiles, load::Loader,
};
use crate::queues::Queues;
use crate::router::Routes;
use crate::runs::Runs;
use crate::settings::{ListenLimits, Tls};
use crate::tls::Keys;
use anyhow::Context as _;
use holdfast_call::{Clock, Log, Notices, Pipeline, in_time};
use holdfast_store::Audit;
use holdfast_store::db::Database;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};

mod doors;
pub mod handed;

use doors::Way;
pub use doors::exposure;
use handed::{Handed, Socket};

/// Connections of the admin pages at once.
const ADMIN_CONNECTIONS_MAX: u32 = 64;

/// How long the end waits for the ledger, and for messages to be given back.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// How long the queue of a socket that was handed over is left alone while the plugin directory is read for the first time.
const USEFUL_MAX: Duration = Duration::from_secs(10);

/// Whom the policy lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetsIn {
    /// There is no policy: everybody is served, on loopback only.
    NoPolicy,
    /// Strangers: `anonymous = "allow"`, for the host or for a service.
    Strangers,
    /// Only who has proved who he is: `callers`, for the host or for a service.
    Known,
    /// Nobody.
    Nobody,
}

/// Where the host is found, and where its files are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The gateway's address.
    pub listen: SocketAddr,
    /// What clients may hold of it.
    pub limits: ListenLimits,
    /// The files of its encryption, if it is encrypted.
    pub tls: Option<Tls>,
    /// The admin pages' address.
    pub admin: Option<SocketAddr>,
    /// The plugin directory.
    pub plugins: PathBuf,
    /// The data directory; its lock is held by the caller.
    pub data: PathBuf,
    /// The policy file to be watched.
    pub policy: Option<PathBuf>,
    /// Whom the policy lets in.
    pub lets_in: LetsIn,
    /// How long what runs may take to finish.
    pub drain: Duration,
}

/// What the host is made of.
pub struct Host {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// The routes, empty yet.
    pub routes: Arc<Routes>,
    /// The gateway to them.
    pub gateway: Arc<Gateway>,
    /// The gate of the `admit` layer.
    pub gate: Arc<dyn Gate>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// What loads services.
    pub service: Arc<dyn LoadService>,
    /// The keys of callers.
    pub keys: Arc<CallerKeys>,
    /// What is kept of calls that carry a key.
    pub executions: Arc<HostExecutions>,
    /// What is paid for.
    pub ledger: Arc<HostLedger>,
    /// Where leases are kept.
    pub database: Database,
    /// Where it is on record what the operator changes.
    pub audit: Audit,
    /// What delivers messages.
    pub queues: Arc<Queues>,
    /// What goes on with durable executions.
    pub runs: Arc<Runs>,
    /// What takes backups.
    pub backups: Backups,
    /// What tells him what waits for him.
    pub teller: Arc<Teller>,
    /// Where it is said what that is.
    pub notices: Arc<dyn Notices>,
    /// What keeps their versions.
    pub versions: Arc<dyn KeepVersions>,
    /// Takes a new policy.
    pub reload: Reload,
    /// The files that the policy in force takes secrets from.
    pub secrets: SecretFiles,
    /// Writes the metrics out.
    pub metrics: Metrics,
    /// Where people read what is done, a line a step.
    pub say: Say,
    /// The sockets that whoever started the host has opened for it.
    pub handed: Handed,
}

/// Serves until a signal ends it.
///
/// # Errors
/// The host cannot begin.
pub async fn run(settings: Settings, host: Host) -> anyhow::Result<Drained> {
    let signals = Signals::new()?;
    let hangups = signal(SignalKind::hangup()).context("cannot hear signals")?;
    let running = start(settings, host).await?;
    running.until(signals, hangups).await
}

/// A host that serves.
pub struct Running {
    /// Where the gateway is found.
    pub listen: SocketAddr,
    /// Where the admin pages are found.
    pub admin: Option<SocketAddr>,
    /// The plugin directory.
    pub plugins: Arc<Plugins>,
    stop: Stop,
    gate: Arc<dyn Gate>,
    pipeline: Arc<Pipeline>,
    ledger: Arc<HostLedger>,
    say: Say,
    socket: Socket,
    drain: Duration,
    control: PathBuf,
    connections: tokio::task::JoinHandle<()>,
    queues: tokio::task::JoinHandle<()>,
    runs: tokio::task::JoinHandle<()>,
}

/// Opens everything and begins to serve.
///
/// # Errors
/// An address, a directory or the socket cannot be used.
pub async fn start(settings: Settings, host: Host) -> anyhow::Result<Running> {
    let say = host.say.clone();
    let socket = host.handed.socket();
    let (door, admin) = doors::of(host.handed, &settings, &say)?;
    let warning = doors::check(&door, admin.as_ref(), settings.lets_in)?;
    directory(&settings.plugins, &say)?;
    let keys = settings.tls.map(Keys::load).transpose()?.map(Arc::new);
    let (gateway, listen) = doors::open(door).await?;
    let (stop, terms) = terms((&host.pipeline, &host.log), settings.limits, keys.clone());
    let owners = owners_socket(&settings.data)?;
    let plugins = Plugins::start(Parts {
        directory: settings.plugins.clone(),
        policy: settings.policy,
        secrets: host.secrets,
        loader: Loader {
            candidates: Candidates::default(),
            pipeline: host.pipeline.clone(),
            routes: host.routes,
            service: host.service,
            versions: host.versions,
            say: say.clone(),
            notices: host.notices,
        },
        reload: host.reload,
    })
    .context("cannot start the threads of the plugin directory")?;
    let waits = (socket == Socket::Handed).then(|| plugins.clone());
    let connections = tokio::spawn(take_in(gateway, host.gateway, terms.clone(), waits));
    let pages = Admin::new(plugins.clone(), host.metrics, stop.clone());
    let admin = look(admin, pages, terms).await?;
    let control = Arc::new(Control {
        plugins: plugins.clone(),
        pipeline: host.pipeline.clone(),
        keys: host.keys.clone(),
        executions: host.executions.clone(),
        ledger: host.ledger.clone(),
        database: host.database,
        audit: host.audit,
        backups: host.backups,
        teller: host.teller,
        log: host.log.clone(),
    });
    let clock = host.pipeline.sources().clock.clone();
    let queues = tokio::spawn(host.queues.follow(stop.clone()));
    let runs = go_on(host.runs, &plugins, &stop);
    keep_up(&host.ledger, host.executions, host.keys, clock, host.log);
    tokio::spawn(control.run(owners, stop.clone()));
    greet(follow(keys, &host.pipeline, &say), listen, admin, &say);
    tell(&settings.plugins, &settings.data, warning, &say);
    Ok(Running {
        listen,
        admin,
        plugins,
        stop,
        gate: host.gate,
        pipeline: host.pipeline,
        ledger: host.ledger,
        say,
        socket,
        drain: settings.drain,
        control: control::path(&settings.data),
        connections,
        queues,
        runs,
    })
}

/// Goes on with durable executions once what they may ask is there.
fn go_on(runs: Arc<Runs>, plugins: &Arc<Plugins>, stop: &Stop) -> tokio::task::JoinHandle<()> {
    let (plugins, stop) = (plugins.clone(), stop.clone());
    tokio::spawn(runs.follow(stop, async move { plugins.until_ready().await }))
}

/// What stops the host, and what the listeners need besides their sockets.
fn terms(
    (pipeline, log): (&Pipeline, &Arc<dyn Log>),
    limits: ListenLimits,
    keys: Option<Arc<Keys>>,
) -> (Stop, Terms) {
    let stop = Stop::default();
    let terms = Terms {
        stop: stop.clone(),
        until: Phase::Leaving,
        limits,
        keys,
        clock: pipeline.sources().clock.clone(),
        log: log.clone(),
    };
    (stop, terms)
}

/// Has what is kept in the database followed, for ever.
fn keep_up(
    ledger: &Arc<HostLedger>,
    executions: Arc<HostExecutions>,
    keys: Arc<CallerKeys>,
    clock: Arc<dyn Clock>,
    log: Arc<dyn Log>,
) {
    tokio::spawn(ledger.clone().follow());
    tokio::spawn(executions.clone().hint());
    tokio::spawn(executions.follow(clock, log));
    tokio::spawn(keys.follow());
}

/// The socket of the owner of this data directory.
fn owners_socket(data: &Path) -> anyhow::Result<UnixListener> {
    let at = data.display();
    control::open(data).with_context(|| format!("cannot open the control socket in {at}"))
}

/// Says what is served from where, and what an operator should know of that.
fn tell(plugins: &Path, data: &Path, warning: Option<&str>, say: &Say) {
    let (at, data) = (plugins.display(), data.display());
    say(&format!(
        "serving what lies in {at}, keeping what must last in {data}"
    ));
    if let Some(warning) = warning {
        say(&format!("warning: {warning}"));
    }
}

impl Running {
    /// A hang-up asks for the policy to be read and the log file to be opened anew.
    async fn until(self, mut signals: Signals, mut hangups: Signal) -> anyhow::Result<Drained> {
        let ready = self.plugins.until_ready();
        let plugins = self.plugins.clone();
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                // What comes of it is said where every reload is.
                let _ = plugins.reload().await;
            }
        });
        tokio::select! {
            () = signals.next() => {}
            () = async {
                ready.await;
                let services = self.plugins.services().len();
                (self.say)(&format!("ready: {services} found in the plugin directory"));
                std::future::pending::<()>().await;
            } => {}
        }
        (self.say)("draining: no new calls; a second signal cuts what still runs");
        Ok(self.end(signals.next()).await)
    }

    /// Drains; `hurry` cuts it short.
    pub async fn end(self, hurry: impl Future<Output = ()>) -> Drained {
        let clock = &*self.pipeline.sources().clock;
        if self.socket == Socket::Handed {
            drain::leave(&self.stop, clock, || self.connections.is_finished()).await;
        }
        let connections = async {
            // The accept loop ends by itself; had it panicked, nothing of it would be left to wait for.
            let _ = self.connections.await;
            // What an execution has begun to ask for is waited for as what a client has.
            let _ = self.runs.await;
        };
        let drained = drain::drain(
            &self.stop,
            &*self.gate,
            clock,
            self.drain,
            connections,
            hurry,
        )
        .await;
        // What is not on record by then is found by the next life, which does not know what came of it.
        let until = clock.now().after(SETTLE_MAX);
        in_time(clock, until, self.ledger.settled()).await;
        // What is not given back by then is free when its lease is over.
        let _ = in_time(clock, until, self.queues).await;
        // A socket that stays behind is removed by the next host; this only spares its owner a puzzle.
        let _ = std::fs::remove_file(&self.control);
        (self.say)(match drained {
            Drained::Finished => "ended: everything had finished",
            Drained::OutOfTime => "ended: what had not finished in time was cut",
            Drained::CutShort => "ended: what still ran was cut",
        });
        drained
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let hear = |kind| signal(kind).context("cannot hear signals");
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Keeps the keys as their files are, if there are any; the scheme under which the gateway is found.
fn follow(keys: Option<Arc<Keys>>, pipeline: &Pipeline, say: &Say) -> &'static str {
    match keys {
        None => "http",
        Some(keys) => {
            tokio::spawn(keys.follow(pipeline.sources().clock.clone(), say.clone()));
            "https"
        }
    }
}

fn greet(scheme: &str, listen: SocketAddr, admin: Option<SocketAddr>, say: &Say) {
    say(&format!("listening on {scheme}://{listen}"));
    if let Some(admin) = admin {
        say(&format!("admin pages on http://{admin}"));
    }
}

/// Takes connections at the gateway; `waits` is there where they are queued by a socket that was handed over.
async fn take_in(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    terms: Terms,
    waits: Option<Arc<Plugins>>,
) {
    if let Some(plugins) = waits {
        until_useful(&plugins, &terms).await;
    }
    connections::run(listener, gateway, terms).await;
}

/// Whoever waits in the queue of a socket that was handed over waited for a service, not for a host without any.
async fn until_useful(plugins: &Plugins, terms: &Terms) {
    let mut stop = terms.stop.listen();
    let late = terms.clock.sleep_until(terms.clock.now().after(USEFUL_MAX));
    tokio::select! {
        () = plugins.until_ready() => {}
        () = stop.reached(Phase::Leaving) => {}
        () = late => {}
    }
}

/// Opens the admin pages, if there is an address for them.
async fn look(way: Option<Way>, pages: Admin, terms: Terms) -> anyhow::Result<Option<SocketAddr>> {
    let Some(way) = way else {
        return Ok(None);
    };
    let (listener, address) = doors::open(way).await?;
    let terms = Terms {
        limits: ListenLimits {
            connections: ADMIN_CONNECTIONS_MAX,
            ..terms.limits
        },
        keys: None,
        // Whoever looks on must be told that the host drains, and not be refused.
        until: Phase::Cut,
        ..terms
    };
    tokio::spawn(connections::run(listener, Arc::new(pages), terms));
    Ok(Some(address))
}

fn directory(path: &Path, say: &Say) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let shown = path.display();
    std::fs::create_dir_all(path)
        .with_context(|| format!("cannot make the plugin directory {shown}"))?;
    say(&format!(
        "made the plugin directory {shown}: components copied there are served"
    ));
    Ok(())
}
