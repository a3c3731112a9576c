//! `holdfast keys`: make, list and take back the keys by which callers are known.

use crate::cli::{DataArgs, complain, print, text};
use crate::control::client::Client;
use crate::control::words::{KeyLine, KeyRequest, Request, Response};
use crate::logs::date;
use anyhow::bail;
use clap::{Args, Subcommand};
use holdfast_call::{Clock as _, WallTime};
use holdfast_rules::clock::HostClock;
use std::process::ExitCode;

/// What `keys` is told.
#[derive(Clone, Debug, Args)]
pub struct KeysArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What can be done with keys.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key for a caller, and print it: it is shown this once and kept nowhere.
    ///
    /// It is sent as `Authorization: Bearer KEY`. Which services its caller may call is the policy's word: `callers = ["PRINCIPAL"]`, for
    /// the host or for one service. A caller has at most two keys that hold, so that a new one can take the place of the old one.
    New(NewArgs),
    /// List the keys, without their secrets.
    Ls(LsArgs),
    /// Take a key back. It opens nothing from now on; on other hosts that share the database, after two seconds.
    Revoke(RevokeArgs),
}

/// What a key is to be.
#[derive(Clone, Debug, Args)]
pub struct NewArgs {
    /// Whose it is: the name by which the policy calls him.
    #[arg(value_name = "PRINCIPAL")]
    pub principal: String,
    /// What it is good for: SERVICE[:METHOD][/PATH], as in `notes:GET/lists`; * is every service. Can be given more than once.
    #[arg(long = "scope", value_name = "SCOPE", default_value = "*")]
    pub scopes: Vec<String>,
    /// How long it lasts: 90d, 12h, 30m, or never.
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = Lasts::parse)]
    pub expires: Lasts,
    /// What it is for, for whoever reads the list.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub why: String,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Which keys are listed, and how.
#[derive(Clone, Debug, Args)]
pub struct LsArgs {
    /// Print them as JSON, an object a line.
    #[arg(long)]
    pub json: bool,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Which key is taken back.
#[derive(Clone, Debug, Args)]
pub struct RevokeArgs {
    /// The key's name, as the list has it: the part between the first and the second underscore of the key.
    #[arg(value_name = "ID")]
    pub id: String,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// How long a key lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Until it is taken back.
    Ever,
    /// So many seconds.
    Seconds(u64),
}

/// The longest span of a key: ten years.
const LASTS_S_MAX: u64 = 10 * 366 * 24 * 3600;

impl Lasts {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Ever);
        }
        let unit = text.chars().last().unwrap_or(' ');
        let seconds = match unit {
            'd' => 24 * 3600,
            'h' => 3600,
            'm' => 60,
            _ => return Err("a span is written as 90d, 12h, 30m, or never".to_owned()),
        };
        let count = text.strip_suffix(unit).unwrap_or_default();
        match count
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(seconds))
        {
            Some(span @ 1..=LASTS_S_MAX) => Ok(Self::Seconds(span)),
            Some(_) => Err("a span is more than nothing and at most ten years".to_owned()),
            None => Err("a span is written as 90d, 12h, 30m, or never".to_owned()),
        }
    }
}

/// Does it.
///
/// # Errors
/// No host runs, or it refused.
pub fn run(args: &KeysArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        KeysCommand::New(args) => new(args),
        KeysCommand::Ls(args) => ls(args),
        KeysCommand::Revoke(args) => text(
            &args.data,
            &Request::RevokeKey {
                id: args.id.clone(),
            },
        ),
    }
}

fn new(args: &NewArgs) -> anyhow::Result<ExitCode> {
    let request = Request::NewKey(KeyRequest {
        principal: args.principal.clone(),
        scopes: args.scopes.clone(),
        lasts_s: match args.expires {
            Lasts::Ever => None,
            Lasts::Seconds(seconds) => Some(seconds),
        },
        why: args.why.clone(),
    });
    let Response::Key { key, id } = Client::connect(&args.data.data)?.ask(&request)? else {
        bail!("the host speaks another version of this program");
    };
    print(&key)?;
    let ends = match args.expires {
        Lasts::Ever => "it does not expire".to_owned(),
        Lasts::Seconds(seconds) => format!("it holds until {}", date(from_now(seconds))),
    };
    complain(&format!(
        "the key {id} of {} is shown this once; {ends}; take it back with `holdfast keys revoke {id}`",
        args.principal
    ));
    Ok(ExitCode::SUCCESS)
}

fn from_now(seconds: u64) -> WallTime {
    let now = HostClock::start().wall();
    WallTime(now.0.saturating_add(seconds.saturating_mul(1_000_000)))
}

fn ls(args: &LsArgs) -> anyhow::Result<ExitCode> {
    let Response::Keys(keys) = Client::connect(&args.data.data)?.ask(&Request::Keys)? else {
        bail!("the host speaks another version of this program");
    };
    if args.json {
        for key in &keys {
            print(&serde_json::to_string(key)?)?;
        }
    } else {
        print(&table(&keys, from_now(0)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys as a table.
fn table(keys: &[KeyLine], now: WallTime) -> String {
    if keys.is_empty() {
        return "no keys: make one with `holdfast keys new PRINCIPAL`".to_owned();
    }
    let mut lines = vec![format!(
        "{:<14} {:<16} {:<24} {:<20} WHY",
        "ID", "PRINCIPAL", "STANDING", "SCOPES"
    )];
    let day = |millis: u64| date(WallTime(millis.saturating_mul(1_000)));
    for key in keys {
        let standing = match (key.revoked_ms, key.expires_ms) {
            (Some(revoked), _) => format!("revoked {}", day(revoked)),
            (None, None) => "holds".to_owned(),
            (None, Some(end)) if end <= now.millis() => format!("expired {}", day(end)),
            (None, Some(end)) => format!("holds until {}", day(end)),
        };
        let line = format!(
            "{:<14} {:<16} {standing:<24} {:<20} {}",
            key.id, key.principal, key.scopes, key.why
        );
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}
