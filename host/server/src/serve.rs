//! A running host: sockets opened, plugins served, signals heard, everything drained at the end.
//!
//! What it is made of comes in from outside ([`Host`]); nothing is decided here but the order in which things begin and end.

use crate::admin::{Admin, Metrics};
use crate::control::{self, Control};
use crate::drain::{self, Drained, Gate, Stop};
use crate::entry::connections::{self, Terms};
use crate::entry::http::Gateway;
use crate::plugins::{KeepVersions, LoadService, Parts, Plugins, Reload, Say, load::Loader};
use crate::router::Routes;
use crate::settings::{ListenLimits, Tls};
use crate::tls::Keys;
use anyhow::{Context as _, bail};
use holdfast_call::{Log, Pipeline};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Connections of the admin pages at once.
const ADMIN_CONNECTIONS_MAX: u32 = 64;

/// Whom the policy lets in without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// There is no policy: everybody is served, on loopback only.
    NoPolicy,
    /// The policy says `anonymous = "allow"`, for the host or for a service.
    Allowed,
    /// The policy lets nobody in.
    Denied,
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
    /// Whom the policy lets in without a name.
    pub anonymous: Anonymous,
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
    /// What keeps their versions.
    pub versions: Arc<dyn KeepVersions>,
    /// Takes a new policy.
    pub reload: Reload,
    /// Writes the metrics out.
    pub metrics: Metrics,
    /// Where people read what is done, a line a step.
    pub say: Say,
}

/// Whether the host may listen there, and what must be said about it.
///
/// # Errors
/// It would be open to strangers whom nobody let in.
pub fn exposure(listen: SocketAddr, anonymous: &Anonymous) -> anyhow::Result<Option<&'static str>> {
    let outside = !listen.ip().to_canonical().is_loopback();
    match (anonymous, outside) {
        (Anonymous::NoPolicy, true) => bail!(
            "to listen on {listen} needs a policy that lets strangers in: write `anonymous = \"allow\"` into holdfast.toml"
        ),
        (Anonymous::Denied, true) => bail!(
            "to listen on {listen} needs a policy that lets strangers in, and this one lets nobody in: change `anonymous = \"deny\"` to \"allow\" in holdfast.toml, for the host or for one service"
        ),
        (Anonymous::NoPolicy, false) => Ok(Some(
            "no policy file: everybody who reaches this machine's loopback is served as anonymous",
        )),
        (Anonymous::Denied, false) => Ok(Some(
            "the policy lets nobody in: every call from outside will be refused",
        )),
        (Anonymous::Allowed, _) => Ok(None),
    }
}

/// Whether the admin pages may be found there.
///
/// # Errors
/// Other machines would see them, and no policy says that they may.
pub fn shown(admin: SocketAddr, anonymous: &Anonymous) -> anyhow::Result<()> {
    if *anonymous == Anonymous::NoPolicy && !admin.ip().to_canonical().is_loopback() {
        bail!(
            "to show the admin pages on {admin} needs a policy: write `admin = \"{admin}\"` into holdfast.toml"
        );
    }
    Ok(())
}

/// Serves until a signal ends it.
///
/// # Errors
/// The host cannot begin.
pub async fn run(settings: Settings, host: Host) -> anyhow::Result<Drained> {
    let signals = Signals::new()?;
    let running = start(settings, host).await?;
    running.until(signals).await
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
    say: Say,
    drain: Duration,
    control: PathBuf,
    connections: tokio::task::JoinHandle<()>,
}

/// Opens everything and begins to serve.
///
/// # Errors
/// An address, a directory or the socket cannot be used.
pub async fn start(settings: Settings, host: Host) -> anyhow::Result<Running> {
    let warning = exposure(settings.listen, &settings.anonymous)?;
    if let Some(admin) = settings.admin {
        shown(admin, &settings.anonymous)?;
    }
    let say = host.say.clone();
    directory(&settings.plugins, &say)?;
    let keys = settings.tls.map(Keys::load).transpose()?.map(Arc::new);
    let (gateway, listen) = bind(settings.listen).await?;
    let stop = Stop::default();
    let terms = Terms {
        stop: stop.clone(),
        limits: settings.limits,
        keys: keys.clone(),
        clock: host.pipeline.sources().clock.clone(),
        log: host.log.clone(),
    };
    let data = settings.data.display();
    let socket = control::open(&settings.data)
        .with_context(|| format!("cannot open the control socket in {data}"))?;
    let plugins = Plugins::start(Parts {
        directory: settings.plugins.clone(),
        policy: settings.policy,
        loader: Loader {
            pipeline: host.pipeline.clone(),
            routes: host.routes,
            service: host.service,
            versions: host.versions,
            say: say.clone(),
        },
        reload: host.reload,
    })
    .context("cannot start the threads of the plugin directory")?;
    let connections = tokio::spawn(connections::run(gateway, host.gateway, terms.clone()));
    let pages = Admin::new(plugins.clone(), host.metrics);
    let admin = look(settings.admin, pages, terms).await?;
    let control = Arc::new(Control {
        plugins: plugins.clone(),
        pipeline: host.pipeline.clone(),
        log: host.log,
    });
    tokio::spawn(control.run(socket, stop.clone()));

    let scheme = match &keys {
        None => "http",
        Some(keys) => {
            let (keys, clock) = (keys.clone(), host.pipeline.sources().clock.clone());
            tokio::spawn(keys.follow(clock, say.clone()));
            "https"
        }
    };
    say(&format!("listening on {scheme}://{listen}"));
    if let Some(admin) = admin {
        say(&format!("admin pages on http://{admin}"));
    }
    let at = settings.plugins.display();
    say(&format!(
        "serving what lies in {at}, keeping what must last in {data}"
    ));
    if let Some(warning) = warning {
        say(&format!("warning: {warning}"));
    }
    Ok(Running {
        listen,
        admin,
        plugins,
        stop,
        gate: host.gate,
        pipeline: host.pipeline,
        say,
        drain: settings.drain,
        control: control::path(&settings.data),
        connections,
    })
}

impl Running {
    async fn until(self, mut signals: Signals) -> anyhow::Result<Drained> {
        let ready = self.plugins.until_ready();
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
        let connections = async {
            // The accept loop ends by itself; had it panicked, nothing of it would be left to wait for.
            let _ = self.connections.await;
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

/// Opens the admin pages, if there is an address for them.
async fn look(
    address: Option<SocketAddr>,
    pages: Admin,
    terms: Terms,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(address) = address else {
        return Ok(None);
    };
    let (listener, address) = bind(address).await?;
    let terms = Terms {
        limits: ListenLimits {
            connections: ADMIN_CONNECTIONS_MAX,
            ..terms.limits
        },
        keys: None,
        ..terms
    };
    tokio::spawn(connections::run(listener, Arc::new(pages), terms));
    Ok(Some(address))
}

async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
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
