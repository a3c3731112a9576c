//! `holdfast serve`: from the command line and the policy to a running host.

use crate::assembly;
use crate::backup::Backups;
use crate::cli::speaker::Speaker;
use crate::drain::{Drained, Gate};
use crate::entry::http::Gateway;
use crate::entry::peer::TrustedProxies;
use crate::logs::{Flushed, LogWriter, Renew, Sink};
use crate::plugins::{Reload, Say, SecretFiles};
use crate::router::Routes;
use crate::serve::handed::Handed;
use crate::serve::{self, LetsIn};
use crate::settings::environment;
use crate::settings::policy::DEFAULT_FILE;
use crate::settings::{Anonymous, Callers, Flags, LogForm, Policy};
use anyhow::Context as _;
use holdfast_call::{BoxFuture, Level, Log as _, Sources};
use holdfast_rules::clock;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long the serving threads may take to let go of what they hold.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);
/// How long the last words may take to be shown.
const SAID_MAX: Duration = Duration::from_secs(1);
/// How long the last lines may take to be written.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// What `serve` is told. An option given here wins over the policy's line.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeArgs {
    /// The plugin directory [default: the policy's, else `plugins`].
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
    /// The policy; without it, `holdfast.toml` if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where everything that must last is kept [default: the policy's, else `data`].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The address of the gateway [default: the policy's, else 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The address of the read-only admin pages [default: the policy's, else 127.0.0.1:8081].
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,
    /// The form of the log lines [default: the policy's, else `json`].
    #[arg(long, value_name = "json|text", value_parser = form)]
    pub log: Option<LogForm>,
}

fn form(text: &str) -> Result<LogForm, String> {
    match text {
        "json" => Ok(LogForm::Json),
        "text" => Ok(LogForm::Text),
        _ => Err("it is neither json nor text".to_owned()),
    }
}

/// Becomes the host.
///
/// # Errors
/// The host cannot begin.
pub fn run(args: &ServeArgs) -> anyhow::Result<Drained> {
    let flags = Flags {
        listen: args.listen,
        admin: args.admin,
        plugins: args.plugins.clone(),
        data: args.data.clone(),
        log: args.log,
    };
    let policy = Policy::load(args.config.as_deref())?.with_flags(flags.clone());
    // Before anything else: there is no other thread yet that could read the environment, and this may be where the program begins again.
    environment::take(&policy.secret_variables())?;
    keep_to_ourselves().context("cannot forbid that the memory of the host is dumped")?;
    let handed = Handed::from_environment()?;
    let sources = clock::of_this_machine();
    let renew = Renew::default();
    let sink = match &policy.log_file {
        Some(path) => Sink::renewed(path, &renew)
            .with_context(|| format!("cannot write the log file {}", path.display()))?,
        None => Sink::stdout().context("cannot write to standard output")?,
    };
    let log = Arc::new(
        LogWriter::start(policy.log, sink, sources.clock.clone())
            .context("cannot start the log")?,
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("holdfast-serve")
        .enable_all()
        .build()
        .context("cannot start the serving threads")?;
    let speaker = Speaker::start().context("cannot start the thread that speaks to people")?;
    let drained = runtime.block_on(begin(
        policy,
        flags,
        args.config.clone(),
        log.clone(),
        sources,
        (&speaker, handed, renew),
    ));
    // What still ran is dropped here, and leaves its closing line. What cannot be dropped must not keep the process alive.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    match log.flush(FLUSH_MAX) {
        Flushed::All => {}
        Flushed::GaveUp => (speaker.say())("the last log lines could not be written"),
    }
    speaker.finish(SAID_MAX);
    drained
}

/// What is in the memory of the host is nobody else's: no core of it is written, and no other program of the same user looks into it.
fn keep_to_ourselves() -> rustix::io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

async fn begin(
    policy: Policy,
    flags: Flags,
    named: Option<PathBuf>,
    log: Arc<LogWriter>,
    sources: Sources,
    (speaker, handed, renew): (&Speaker, Handed, Renew),
) -> anyhow::Result<Drained> {
    let settings = serve::Settings {
        listen: policy.listen,
        limits: policy.listen_limits,
        tls: policy.tls.clone(),
        admin: Some(policy.admin),
        plugins: policy.plugins.clone(),
        data: policy.data.clone(),
        policy: policy.source.clone().or(Some(DEFAULT_FILE.into())),
        lets_in: lets_in(&policy),
        drain: policy.drain,
    };
    let proxies = TrustedProxies::new(policy.trusted_proxies.clone());
    let limits = policy.listen_limits;
    let host = assembly::Host::start(policy, flags, named, log.clone(), sources);
    let host = Arc::new(host.await?);
    host.watch_pressure();
    host.watch_for_people();
    let routes = Arc::new(Routes::default());
    let gateway = Arc::new(Gateway::new(
        host.pipeline().clone(),
        routes.clone(),
        proxies,
        limits,
        host.nowhere(),
    ));
    // People read it at once; the log keeps it.
    let (shown, kept) = (speaker.say(), log.clone());
    let say: Say = Arc::new(move |text: &str| {
        shown(text);
        kept.host(Level::Info, text.to_owned());
    });
    let parts = serve::Host {
        pipeline: host.pipeline().clone(),
        gate: Arc::new(Drains(host.clone())),
        log,
        service: host.clone(),
        keys: host.caller_keys().clone(),
        executions: host.executions().clone(),
        ledger: host.ledger().clone(),
        database: host.database().clone(),
        audit: host.audit().clone(),
        queues: host.queues(),
        runs: host.runs(),
        backups: backups(&host),
        teller: host.teller().clone(),
        notices: host.notices(),
        versions: host.versions(),
        reload: reload(&host, &routes, &gateway, renew),
        secrets: secret_files(&host),
        metrics: Arc::new({
            let host = host.clone();
            move || host.metrics()
        }),
        say,
        routes,
        gateway,
        handed,
    };
    let drained = serve::run(settings, parts).await;
    host.finish_captures();
    drained
}

/// What takes backups of the host.
fn backups(host: &assembly::Host) -> Backups {
    let clock = host.pipeline().sources().clock.clone();
    Backups::new(&host.policy(), host.executions().clone(), clock)
}

/// The files that the policy in force takes secrets from, whenever that is asked.
fn secret_files(host: &Arc<assembly::Host>) -> SecretFiles {
    let host = host.clone();
    Arc::new(move || host.policy().secret_files())
}

fn reload(
    host: &Arc<assembly::Host>,
    routes: &Arc<Routes>,
    gateway: &Arc<Gateway>,
    renew: Renew,
) -> Reload {
    let (host, routes, gateway) = (host.clone(), routes.clone(), gateway.clone());
    Arc::new(move || {
        // Whatever becomes of the policy: whoever moved the log file away and sent a hang-up waits for it to be let go.
        renew.ask();
        host.reload(&routes).map_err(|error| format!("{error:#}"))?;
        gateway.trust(TrustedProxies::new(host.policy().trusted_proxies.clone()));
        Ok(())
    })
}

/// Whom the policy lets in, anywhere.
fn lets_in(policy: &Policy) -> LetsIn {
    let mut services = policy.services.values();
    let strangers = policy.anonymous == Anonymous::Allow
        || services.any(|service| {
            service.anonymous == Some(Anonymous::Allow) || !service.public_routes.is_empty()
        });
    let mut services = policy.services.values();
    // Who signs is known too.
    let known = policy.callers.any()
        || services.any(|service| {
            service.callers.as_ref().is_some_and(Callers::any) || !service.webhooks.is_empty()
        });
    match &policy.source {
        None => LetsIn::NoPolicy,
        Some(_) if strangers => LetsIn::Strangers,
        Some(_) if known => LetsIn::Known,
        Some(_) => LetsIn::Nobody,
    }
}

/// The gate of the `admit` layer, as the end of the host asks it.
struct Drains(Arc<assembly::Host>);

impl Gate for Drains {
    fn start_draining(&self) {
        self.0.gate().start_draining();
        self.0.close_idle();
    }

    fn start_cutting(&self) {
        self.0.gate().start_cutting();
    }

    fn idle(&self) -> BoxFuture<'static, ()> {
        let gate = self.0.gate().clone();
        Box::pin(async move { gate.idle().await })
    }
}
