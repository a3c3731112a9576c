//! `holdfast warm`: compiles ahead what lies in the plugin directory, so that the next start only reads.
//!
//! It goes the way a start goes, up to the point where a service would be registered, and holds the data directory meanwhile. It serves
//! nobody and changes no version.

use crate::assembly::Host;
use crate::cli::{complain, print};
use crate::logs::{LogWriter, Sink};
use crate::plugins::{LoadService as _, Promises, directory, load};
use crate::settings::{Flags, Policy};
use anyhow::Context as _;
use holdfast_rules::clock;
use holdfast_store::StoreError;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long the last lines may take to be written.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// What `warm` is told. An option given here wins over the policy's line.
#[derive(Clone, Debug, clap::Args)]
pub struct WarmArgs {
    /// The plugin directory [default: the policy's, else `plugins`].
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
    /// The policy; without it, `holdfast.toml` if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where everything that must last is kept [default: the policy's, else `data`].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Compiles, and says what came of it.
///
/// # Errors
/// The policy, a directory or the engine cannot be used.
pub fn run(args: &WarmArgs) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        plugins: args.plugins.clone(),
        data: args.data.clone(),
        ..Flags::default()
    };
    let policy = Policy::load(args.config.as_deref())?.with_flags(flags.clone());
    let plugins = policy.plugins.clone();
    let sources = clock::of_this_machine();
    let sink = Sink::stdout().context("cannot write to standard output")?;
    let log = LogWriter::start(policy.log, sink, sources.clock.clone());
    let log = Arc::new(log.context("cannot start the log")?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a thread")?;
    let started = runtime.block_on(Host::start(
        policy,
        flags,
        args.config.clone(),
        log.clone(),
        sources,
    ));
    let host = match started {
        Ok(host) => host,
        Err(error) => return in_use(error),
    };
    let code = compile(&host, &plugins)?;
    // What is not written in time is lost; nobody is served whom that would keep waiting.
    let _ = log.flush(FLUSH_MAX);
    Ok(code)
}

/// A host that runs has compiled what it serves, and compiles what comes.
fn in_use(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::Locked { path, .. }) => {
            print(&format!(
                "a host runs on {}: it compiles what lies in its plugin directory by itself, and nothing is left to do",
                path.display()
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(error),
    }
}

fn compile(host: &Host, plugins: &std::path::Path) -> anyhow::Result<ExitCode> {
    let shown = plugins.display();
    let listing = directory::list(plugins).with_context(|| format!("cannot read {shown}"))?;
    for (file, why) in &listing.ignored {
        complain(&format!("{file} is ignored: {why}"));
    }
    let (all, mut failed) = (listing.services.len(), 0);
    for (place, name) in listing.services.keys().enumerate() {
        let say = |text: &str| complain(&format!("{}/{all} {name}: {text}", place + 1));
        let read = load::read(plugins, name).map_err(|error| error.to_string());
        let loaded = read.and_then(|pair| {
            let loaded = host.load(name, &pair, Promises::Kept, &say);
            loaded.map_err(|error| error.to_string())
        });
        if let Err(error) = loaded {
            failed += 1;
            say(&format!("would not load: {error}"));
        }
    }
    print(&format!(
        "{} of {all} in {shown} are compiled, {failed} would not load",
        all - failed
    ))?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
