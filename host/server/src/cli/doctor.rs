//! `holdfast doctor`: probes everything that a host stands on, from its settings to the machine, one line each with what to do.
//!
//! The probes stand in the order of the boundaries; the exit code is that of the first boundary at which one failed. It changes nothing
//! but a probe file that it removes again, and may run beside the host it looks at.

pub mod cache;
pub mod clock;
pub mod configuration;
pub mod disk;

mod database;
mod engine;
mod host;
pub mod logs;
mod notify;
mod routes;
mod tokens;
mod upstreams;

use crate::cli::print;
use crate::settings::{Flags, Policy};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the exit codes mean.
pub const CODES: &str = "Exit codes: 0 nothing failed · 2 wrong command line · else the first boundary at which something failed:
  10 configuration (policy, manifests, secrets) · 11 policy (a manifest asks for more than it allows) · 12 routing (two services want
  one route) · 13 storage (disk, cache, database) · 14 platform (clock, engine) · 15 upstream (name, address, connection, TLS) · 16 lifecycle (the
  host that runs is not ready)";

/// The arguments of `holdfast doctor`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DoctorArgs {
    /// The policy.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The directory of components; by default the policy's.
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
    /// The data directory; by default the policy's.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The address of the admin pages of the host that runs; by default the policy's.
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,
}

/// Where something fails; of the boundaries that verdicts name, those that can be probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Boundary {
    /// What was written.
    Configuration,
    /// What is allowed.
    Policy,
    /// Who is found where.
    Routing,
    /// What must last.
    Storage,
    /// The machine and the engine.
    Platform,
    /// The systems outside.
    Upstream,
    /// The host that runs.
    Lifecycle,
}

impl Boundary {
    /// The exit code if it is the first one at which something fails.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Configuration => 10,
            Self::Policy => 11,
            Self::Routing => 12,
            Self::Storage => 13,
            Self::Platform => 14,
            Self::Upstream => 15,
            Self::Lifecycle => 16,
        }
    }
}

/// How a probe went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Well.
    Ok,
    /// Well enough to serve.
    Warn,
    /// Not.
    Fail,
}

impl State {
    /// The word of the line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub boundary: Boundary,
    /// What was probed, in one word.
    pub probe: &'static str,
    /// How it went.
    pub state: State,
    /// What was seen.
    pub said: String,
    /// What to do about it; empty if there is nothing to do.
    pub next: String,
}

impl Finding {
    fn new(boundary: Boundary, probe: &'static str, state: State, said: impl Into<String>) -> Self {
        Self {
            boundary,
            probe,
            state,
            said: said.into(),
            next: String::new(),
        }
    }

    /// The same with what to do about it.
    fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<4}  {:<9}  {}",
            self.state.as_str(),
            self.probe,
            plain(&self.said)
        )?;
        if self.next.is_empty() {
            Ok(())
        } else {
            write!(f, " → {}", plain(&self.next))
        }
    }
}

/// One line, whatever a file or a name says: the terminal that shows it must not be steered by it.
fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push_str("; "),
            c if c.is_control() => line.extend(c.escape_debug()),
            c => line.push(c),
        }
    }
    line
}

/// Runs the command: prints a line for each finding.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let findings = examine(args);
    for finding in &findings {
        print(&finding.to_string())?;
    }
    Ok(
        first_failure(&findings).map_or(ExitCode::SUCCESS, |boundary| {
            ExitCode::from(boundary.code())
        }),
    )
}

/// The first boundary at which something failed.
#[must_use]
pub fn first_failure(findings: &[Finding]) -> Option<Boundary> {
    let failed = findings
        .iter()
        .filter(|finding| finding.state == State::Fail);
    failed.map(|finding| finding.boundary).min()
}

/// Probes everything, in the order of the boundaries. Without a policy that can be read there is nothing else to probe.
#[must_use]
pub fn examine(args: &DoctorArgs) -> Vec<Finding> {
    let mut findings = Vec::new();
    let policy = match Policy::load(args.config.as_deref()) {
        Ok(policy) => policy.with_flags(Flags {
            plugins: args.plugins.clone(),
            data: args.data.clone(),
            admin: args.admin,
            ..Flags::default()
        }),
        Err(error) => {
            findings.push(configuration::broken(&error));
            return findings;
        }
    };
    findings.push(configuration::policy(&policy));
    let manifests = configuration::manifests(&policy.plugins, &mut findings);
    configuration::secrets(&policy, &mut findings);
    configuration::asked(&policy, &manifests, &mut findings);
    tokens::probe(&policy, &mut findings);
    notify::probe(&policy, &mut findings);
    routes::probe(&manifests, &mut findings);
    disk::probe(&policy.data, &mut findings);
    cache::probe(&policy.data, &mut findings);
    database::probe(&policy, &mut findings);
    logs::probe(&policy, &mut findings);
    clock::probe(&mut findings);
    engine::probe(&policy, &mut findings);
    upstreams::probe(&policy, &mut findings);
    host::probe(&policy, &mut findings);
    findings
}
