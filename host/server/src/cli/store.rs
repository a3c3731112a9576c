//! `holdfast store`: what a stopped host has kept, from its own file to a server.
//!
//! The host must not run, and whatever happens to the command, the server has all of it or nothing. Its password is where `[store]` has it or
//! would have it, and never among the words of the command, which everybody on the machine can read.

use crate::assembly::key_bytes;
use crate::cli::{complain, print};
use crate::control::audited::{Deed, end};
use crate::control::words::Response;
use crate::settings::secret::{SecretSource, read_first};
use crate::settings::store::Store;
use crate::settings::{Flags, Policy};
use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use holdfast_call::{Clock, Moment, Sources};
use holdfast_rules::clock;
use holdfast_store::audit::Setup;
use holdfast_store::db::{self, Copied, CopyError, Place, Progress, Server};
use holdfast_store::{Audit, DataLock};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long nothing is said of how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// What `store` is told.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// What can be done with what is kept.
#[derive(Clone, Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy the database of a stopped host from its data directory to a PostgreSQL server, all of it or nothing.
    ///
    /// The database there must be new or empty. What arrived is counted and summed up before it is kept. The file stays as it was. Then
    /// `url` of [store] names the server, and the host goes on there with the same data directory; the same with the file would do again
    /// what was done meanwhile.
    Copy(CopyArgs),
}

/// What is copied where.
#[derive(Clone, Debug, Args)]
pub struct CopyArgs {
    /// The server, without a password: postgres://USER@HOST:PORT/DATABASE [default: that of [store] in the policy].
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// The file with the password, which only its owner can read [default: where [store] has it, if that is the server].
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The variable of the environment with the password.
    #[arg(long, value_name = "NAME")]
    pub password_env: Option<String>,
    /// The credential of systemd with the password.
    #[arg(long, value_name = "NAME")]
    pub password_systemd: Option<String>,
    /// The policy; without it, `holdfast.toml` if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory of the host [default: the policy's, else `data`].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Does it.
///
/// # Errors
/// The host runs, or the file or the server is not one that can be copied; then nothing is on the server.
pub fn run(args: StoreArgs) -> anyhow::Result<ExitCode> {
    let StoreCommand::Copy(args) = args.command;
    let policy = Policy::load(args.config.as_deref())?.with_flags(Flags {
        data: args.data.clone(),
        ..Flags::default()
    });
    let server = server(args, &policy.store)?;
    let file = Store::file(&policy.data);
    if !file.exists() {
        return Err(CopyError::Nothing(policy.data).into());
    }
    let _lock = DataLock::take(&policy.data)?;
    let sources = clock::of_this_machine();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let copied = runtime.block_on(on_record(&policy, &file, &server, &sources))?;
    let (rows, tables) = (copied.rows, copied.tables);
    print(&format!(
        "{rows} rows of {tables} tables were copied to {server}\nname it with `url` of [store], and start the host on the same data \
         directory; {} is as it was, and no host must go on with it",
        file.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The server that is meant, with its password.
fn server(args: CopyArgs, store: &Store) -> anyhow::Result<Server> {
    let named = args.to.map(|url| Server::parse(&url));
    let named = named
        .transpose()
        .map_err(|why| anyhow!("the URL of --to {why}"))?;
    let mut sources = Vec::new();
    if let Some(name) = args.password_systemd {
        let source = SecretSource::credential(name);
        sources.push(source.map_err(|why| anyhow!("--password-systemd {why}"))?);
    }
    sources.extend(args.password_file.map(SecretSource::File));
    sources.extend(args.password_env.map(SecretSource::Env));
    let server = match (named, store) {
        (None, Store::File) => {
            bail!("[store] of the policy names no server: name one with --to")
        }
        (None, Store::Server { server, password }) => {
            if sources.is_empty() {
                sources.clone_from(password);
            }
            server.clone()
        }
        // The password of one server is told to no other.
        (Some(named), Store::Server { server, password }) if named == *server => {
            if sources.is_empty() {
                sources.clone_from(password);
            }
            named
        }
        (Some(named), Store::Server { .. } | Store::File) => named,
    };
    if sources.is_empty() {
        return Ok(server);
    }
    let password = read_first(&sources);
    let password = password.map_err(|error| anyhow!("the password of {server}: {error}"))?;
    Ok(server.with_password(password))
}

/// Copies it, with a record in the audit log that it is to be done and one of what came of it.
async fn on_record(
    policy: &Policy,
    file: &Path,
    server: &Server,
    sources: &Sources,
) -> anyhow::Result<Copied> {
    let setup = Setup {
        data: policy.data.clone(),
        copy: policy.audit.copy.clone(),
        // Nothing is given up here.
        budget_bytes: u64::MAX,
        keep_days: u64::MAX,
        clock: sources.clock.clone(),
        tell: Arc::new(|_| {}),
    };
    let audit = Audit::open(setup, || key_bytes(sources));
    let audit = audit.context("failed to open the audit log")?;
    let uid = rustix::process::geteuid().as_raw();
    let deed = Deed::new("store copy", Place::Server(server.clone()).to_string());
    let intent = deed.begin(&audit, uid).await?;
    let mut pace = Pace::new(sources.clock.as_ref());
    let mut tell = |progress: Progress| {
        if pace.is_due(sources.clock.now()) {
            let Progress { table, rows, of } = progress;
            complain(&format!("{table}: {rows} of {of} rows"));
        }
    };
    let copied = db::copy(file, server, &mut tell).await;
    let response = match &copied {
        Ok(copied) => Response::Text(format!("{} rows", copied.rows)),
        Err(why) => Response::Error(why.to_string()),
    };
    let ended = end(&audit, intent, &response).await;
    audit.close();
    let copied = copied?;
    ended.context("all was copied, and that is not on record")?;
    Ok(copied)
}

/// When something is said of how far it is: not of what is soon over, and not all the time.
struct Pace {
    said: Moment,
}

impl Pace {
    fn new(clock: &dyn Clock) -> Self {
        Self { said: clock.now() }
    }

    fn is_due(&mut self, now: Moment) -> bool {
        let due = now.since(self.said) >= TELL_EVERY;
        if due {
            self.said = now;
        }
        due
    }
}
