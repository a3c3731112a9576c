//! The command line: what can be asked for, and which part answers.
//!
//! Exit codes, for all commands: 0 done; 1 it failed, and the last line says why; 2 the command line is wrong; `serve` 3 when calls were
//! cut because they did not finish in time or a second signal came.

pub mod allow;
pub mod approve;
pub mod audit;
pub mod backup;
pub mod build;
pub mod call;
pub mod check;
pub mod completions;
pub mod cost;
pub mod describe;
pub mod doctor;
pub mod executions;
pub mod explain;
pub mod keys;
pub mod locks;
pub mod ls;
pub mod new;
pub mod notify;
pub mod policy;
pub mod queue;
pub mod replay;
pub mod restore;
pub mod run;
pub mod schedules;
pub mod schema;
pub mod serve;
pub mod speaker;
pub mod store;
pub mod warm;

use crate::assembly::inspect::Inspector;
use crate::control::client::Client;
use crate::control::words::{Request, Response};
use crate::drain::Drained;
use crate::settings::show::{Built, LayerLine};
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// The command by which the host runs itself to compile.
pub(crate) const COMPILE: &str = "compile-confined";

const CODES: &str = "Exit codes: 0 done · 1 failed · 2 wrong command line";

/// A host for services that are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, after_help = CODES)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a small project to begin a service with, in the folder NAME.
    #[command(after_help = CODES)]
    New(new::NewArgs),
    /// Build a project to a component, and put it with its manifest into the plugin directory.
    ///
    /// Rust needs cargo and its target wasm32-wasip2, JavaScript node and npm, Python python3 with venv. A host that serves the
    /// directory swaps the new version in; one that runs is not needed.
    #[command(after_help = CODES)]
    Build(build::BuildArgs),
    /// Put the doc comments of WIT into a component, so that everybody who asks what it offers is told what its author says.
    ///
    /// `build` does it by itself with the project's own folder `wit`; this is for components that other tools have built.
    #[command(after_help = CODES)]
    Describe(describe::DescribeArgs),
    /// Serve the components of a directory behind one gateway.
    ///
    /// NAME.wasm is served at /NAME/, or at the routes of its NAME.toml, as soon as it lies in the plugin directory; a new version is
    /// swapped in without a failed call, a removed one is drained. SIGTERM or SIGINT drains the host; a second one cuts what still runs.
    /// SIGHUP reads the policy and opens the log file anew.
    ///
    /// Sockets of the gateway and of the admin pages that a service manager hands over (systemd's `LISTEN_FDS`) are used instead of opened:
    /// then a new binary takes over without a refused connection.
    #[command(
        after_help = "Exit codes: 0 drained · 1 could not start · 2 wrong command line · 3 calls were cut at the end"
    )]
    Serve(serve::ServeArgs),
    /// Say everything that would stop a component from loading, and what it could do if loaded.
    #[command(after_help = "Exit codes: 0 it would load · 1 it would not · 2 wrong command line")]
    Check(check::CheckArgs),
    /// Show what a service asks for beyond the policy, and write it into the policy on a yes.
    #[command(after_help = CODES)]
    Allow(allow::AllowArgs),
    /// Compile everything in the plugin directory into the cache, without serving: the next start finds it done.
    ///
    /// A host that runs has compiled what it serves already.
    #[command(
        after_help = "Exit codes: 0 all is compiled, or a host runs · 1 something would not load · 2 wrong command line"
    )]
    Warm(warm::WarmArgs),
    /// Print the effective settings and where each comes from.
    #[command(after_help = CODES)]
    Policy(policy::PolicyArgs),
    /// List the services of the running host.
    #[command(after_help = CODES)]
    Ls(DataArgs),
    /// Say what became of a call: its hops, its tries, which boundary failed and what to look at next.
    ///
    /// It reads the call log in the data directory; a host that runs is not needed.
    #[command(after_help = CODES)]
    Explain(explain::ExplainArgs),
    /// Make a call through the pipeline of the running host, as its owner.
    ///
    /// Status and headers go to standard error, the body to standard output.
    #[command(
        after_help = "Exit codes: 0 answered with 2xx · 1 anything else · 2 wrong command line"
    )]
    Call(call::CallArgs),
    /// Show what operators have changed, and check that the log of it is what was written.
    #[command(after_help = CODES)]
    Audit(audit::AuditArgs),
    /// Take a backup of the running host while it serves: database, audit log, versions and keys, as they are at one moment.
    ///
    /// With [store] on a server, the database is not in it: `pg_dump` is for that.
    #[command(after_help = CODES)]
    Backup(backup::BackupArgs),
    /// Put a data directory back from a backup, all of it or nothing.
    ///
    /// Each file is checked first. Calls that were under way are `indeterminate` from then on, since nobody knows what came of them after
    /// the backup; and what was done after it is not known to the host: a key that was first used then is taken for a new one.
    #[command(after_help = CODES)]
    Restore(restore::RestoreArgs),
    /// Copy what a host has kept in its own file to a server, so that it goes on there, alone or with others.
    #[command(after_help = CODES)]
    Store(store::StoreArgs),
    /// List the calls with an idempotency key that are not done, and release those of which nobody knows what came of them.
    #[command(after_help = CODES)]
    Executions(executions::ExecutionsArgs),
    /// Look at what may only be done once a person has approved it, and grant or deny it.
    #[command(after_help = CODES)]
    Approve(approve::ApproveArgs),
    /// Undo a call, by the operation that its service declares for that.
    ///
    /// It is a call of its own, with a key by which it is done once: asked again, it says what came of it. One that failed is tried again.
    #[command(after_help = CODES)]
    Undo(UndoArgs),
    /// List the leases that calls hold: on which host, since when, until when, and what for.
    #[command(after_help = CODES)]
    Locks(locks::LocksArgs),
    /// Look at what waits in queues to be delivered, and at what was delivered in vain.
    #[command(after_help = CODES)]
    Queue(queue::QueueArgs),
    /// Look at durable executions: how far each came, and what became of it; let one go on, or end it.
    #[command(after_help = CODES)]
    Run(run::RunArgs),
    /// Run captured calls again, or a durable execution: nothing is done, the guest is told what it was told then.
    ///
    /// Without a name it lists what was captured (`capture` under [services.NAME]); that and calls need no host that runs. What differs
    /// from the record is shown, the first difference first; with --component another build of the service is run.
    #[command(
        after_help = "Exit codes: 0 as then, as far as the record goes · 1 something differs, or it failed · 2 wrong command line"
    )]
    Replay(replay::ReplayArgs),
    /// List what is asked of services by the clock: when next, and how often it was skipped or missed.
    #[command(after_help = CODES)]
    Schedules(schedules::SchedulesArgs),
    /// Say what was paid, by whom and for what, and compare it with an invoice.
    #[command(after_help = CODES)]
    Cost(cost::CostArgs),
    /// Try out whether whoever is told what waits for a person can be told.
    #[command(after_help = CODES)]
    Notify(notify::NotifyArgs),
    /// Make, list and take back the keys by which callers are known.
    #[command(after_help = CODES)]
    Keys(keys::KeysArgs),
    /// Put the version before back; it stays, over restarts too, until the plugin directory holds another one.
    #[command(after_help = CODES)]
    Rollback(NameArgs),
    /// Load what lies in the plugin directory under a name once more, by itself loaded only when its files or what it needs have changed.
    #[command(after_help = CODES)]
    Load(LoadArgs),
    /// Compile one component from standard input: how the host runs itself, confined, to compile. Not for people.
    #[command(name = COMPILE, hide = true)]
    Compile {
        /// What to compile it for, and within which limits.
        words: Vec<String>,
    },
    /// Read the policy anew, as if its file had changed.
    #[command(after_help = CODES)]
    Reload(DataArgs),
    /// Probe everything that a host stands on, from its settings to the machine, and say what to do about what is wrong.
    #[command(after_help = doctor::CODES)]
    Doctor(doctor::DoctorArgs),
    /// Print the JSON Schema of a settings file, so that an editor completes its keys and marks mistakes.
    #[command(after_help = CODES)]
    Schema(schema::SchemaArgs),
    /// Print what a shell reads to complete commands and options.
    ///
    /// bash: holdfast completions bash > ~/.local/share/bash-completion/completions/holdfast
    #[command(after_help = CODES)]
    Completions(completions::CompletionsArgs),
}

/// Where a host's data is.
#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// The data directory of the host.
    #[arg(long, default_value = "data", value_name = "DIR")]
    pub data: PathBuf,
}

/// One service of a host.
#[derive(Clone, Debug, Args)]
pub struct NameArgs {
    /// The service.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// What is to be undone.
#[derive(Clone, Debug, Args)]
pub struct UndoArgs {
    /// The call, as `holdfast-call` and the log have it.
    #[arg(value_name = "CALL")]
    pub call: String,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// What is to be loaded once more.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// The service.
    #[command(flatten)]
    pub service: NameArgs,
    /// Load it although services that serve now import what it no longer exports, or exports in another shape: their calls to that fail,
    /// and they do not load again until they ask for something else.
    #[arg(long)]
    pub breaking: bool,
}

/// Runs the command line of this process and says how it ended. A wrong one ends the process with 2 and says what is right.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match obey(cli.command) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn obey(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(args) => new::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Describe(args) => describe::run(&args),
        Command::Serve(args) => Ok(match serve::run(&args)? {
            Drained::Finished => ExitCode::SUCCESS,
            Drained::OutOfTime | Drained::CutShort => ExitCode::from(3),
        }),
        Command::Check(args) => check::run(&args, &Inspector::default()),
        Command::Allow(args) => allow::run(&args),
        Command::Warm(args) => warm::run(&args),
        Command::Policy(args) => policy::run(&args, &layers()),
        Command::Ls(args) => ls::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Call(args) => call::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Store(args) => store::run(args),
        Command::Executions(args) => executions::run(&args),
        Command::Approve(args) => approve::run(args),
        Command::Undo(UndoArgs { call, data }) => text(&data, &Request::Undo { call }),
        Command::Locks(args) => locks::run(&args),
        Command::Queue(args) => queue::run(args),
        Command::Run(args) => run::run(args),
        Command::Replay(args) => replay::run(&args),
        Command::Schedules(args) => schedules::run(&args),
        Command::Cost(args) => cost::run(&args),
        Command::Notify(args) => notify::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Rollback(args) => text(&args.data, &Request::Rollback { name: args.name }),
        Command::Load(LoadArgs {
            service: NameArgs { name, data },
            breaking,
        }) => text(&data, &Request::Load { name, breaking }),
        Command::Compile { words } => Ok(holdfast_wasm::compile::inside::run(&words)),
        Command::Reload(args) => text(&args, &Request::Reload),
        Command::Doctor(args) => doctor::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// The order of the layers, as the rules have it.
fn layers() -> Vec<LayerLine<'static>> {
    let line = |rule: &holdfast_rules::Rule| LayerLine {
        name: rule.name,
        built: match rule.state {
            holdfast_rules::State::Built => Built::Yes,
            holdfast_rules::State::Planned => Built::Planned,
        },
        rule: rule.rule,
    };
    holdfast_rules::ORDER.iter().map(line).collect()
}

fn text(data: &DataArgs, request: &Request) -> anyhow::Result<ExitCode> {
    match Client::connect(&data.data)?.ask(request)? {
        Response::Text(text) => print(text.trim_end())?,
        _ => anyhow::bail!("the host speaks another version of this program"),
    }
    Ok(ExitCode::SUCCESS)
}

/// A text that strangers may have written, with everything escaped that steers a terminal, or has a person read something else than what
/// stands there; the same escapes as in JSON.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Marks that are not seen, and those that turn the direction of reading.
        let unseen = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || unseen {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Writes a line to standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// Writes things to standard output as JSON, an object a line.
pub(crate) fn print_json<T: Serialize>(things: &[T]) -> anyhow::Result<()> {
    for thing in things {
        print(&serde_json::to_string(thing)?)?;
    }
    Ok(())
}

/// Writes a line to standard error: a step done, or what went wrong.
pub fn complain(text: &str) {
    // Where standard error cannot be written, nobody reads it.
    let _ = writeln!(std::io::stderr(), "holdfast: {text}");
}
