//! `holdfast replay`: calls that were captured, and durable executions, run again from what is kept of them. Nothing is done; what a guest does
//! otherwise than then is shown.

use crate::assembly::replay::{Component, Replays};
use crate::cli::{clean, complain, print, print_json};
use crate::control::client::Client;
use crate::control::run::RunRequest;
use crate::control::words::{Request, Response};
use crate::logs::instant;
use crate::settings::{Flags, Policy};
use anyhow::{Context as _, bail};
use holdfast_call::{CallId, WallTime};
use holdfast_rules::capture::{Ended, FORM, Kind, Record, Replayed};
use holdfast_store::captures::{self, CAPTURES};
use holdfast_store::{Digest, Read, Versions};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What `replay` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayArgs {
    /// Calls that were captured, by their names or as files; or durable executions of the host that runs.
    #[arg(value_name = "ID|FILE")]
    pub calls: Vec<String>,
    /// All calls that were captured.
    #[arg(long, conflicts_with = "calls")]
    pub all: bool,
    /// Of those only the ones of this service.
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// This build of the service, in the place of the version that served then.
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,
    /// Print JSON, an object a line.
    #[arg(long)]
    pub json: bool,
    /// The policy; without it, `holdfast.toml` if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the host's data is [default: the policy's, else `data`].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Runs them again.
///
/// # Errors
/// One is not there, or cannot be run at all.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        data: args.data.clone(),
        ..Flags::default()
    };
    let policy = Policy::load(args.config.as_deref())?.with_flags(flags);
    if args.calls.is_empty() && !args.all {
        list(args, &policy.data)?;
        return Ok(ExitCode::SUCCESS);
    }
    let calls = match args.all {
        true => captures::list(&policy.data.join(CAPTURES))?,
        false => args.calls.clone(),
    };
    let hear = Arc::new(|line: &str| complain(&format!("| {line}")));
    let mut replays = Replays::new(&policy, hear)?;
    let mut same = true;
    for call in &calls {
        let record = record(&policy.data, call)?;
        if args
            .service
            .as_ref()
            .is_some_and(|name| *name != record.service)
        {
            continue;
        }
        let line = again(args, &policy.data, &mut replays, record)?;
        same &= line.verdict != "differs";
        match args.json {
            true => print_json(&[line])?,
            false => print(&line.text())?,
        }
    }
    Ok(match same {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn again(
    args: &ReplayArgs,
    data: &Path,
    replays: &mut Replays,
    record: Record,
) -> anyhow::Result<Line> {
    let about = About::of(&record);
    let (digest, service) = (record.digest.clone(), record.service.clone());
    let file = args
        .component
        .as_ref()
        .map(|file| file.display().to_string());
    let read = || match &args.component {
        Some(file) => std::fs::read(file).with_context(|| format!("{}", file.display())),
        None => kept(data, &service, &digest),
    };
    let component = Component {
        name: file.as_deref().unwrap_or(&digest),
        read: &read,
    };
    let replayed = replays.run(record, &component);
    let replayed = replayed.with_context(|| format!("{} cannot be run again", about.call))?;
    Ok(Line::of(about, component.name, replayed))
}

/// What is kept of a call, wherever that is.
fn record(data: &Path, call: &str) -> anyhow::Result<Record> {
    let file = Path::new(call);
    let bytes = match CallId::parse(call) {
        None if file.is_file() => std::fs::read(file).with_context(|| call.to_owned())?,
        None => bail!(
            "`{}` is neither the name of a call nor a file: `holdfast replay` lists what was captured",
            call.escape_debug()
        ),
        Some(_) => match captures::read(&data.join(CAPTURES), call)? {
            Read::Found(bytes) => bytes,
            Read::Untrusted(why) => bail!("what was captured of {call} is not read: {why}"),
            Read::Absent => return execution(data, call),
        },
    };
    let record: Record = serde_json::from_slice(&bytes)
        .with_context(|| format!("what was captured of {call} cannot be read"))?;
    if record.form != FORM {
        bail!(
            "what was captured of {call} has the form {}, and this program reads {FORM}",
            record.form
        );
    }
    Ok(record)
}

/// What is on record of a durable execution.
fn execution(data: &Path, call: &str) -> anyhow::Result<Record> {
    let nowhere = || {
        format!(
            "nothing was captured of {call} (`capture` under [services.NAME] in holdfast.toml says of which calls it is), and no host that \
             runs on {} has an execution of this name",
            data.display()
        )
    };
    let mut client = Client::connect(data).with_context(nowhere)?;
    let asked = RunRequest::Record {
        call: call.to_owned(),
    };
    match client.ask(&Request::Run(asked)).with_context(nowhere)? {
        Response::Record(record) => Ok(*record),
        _ => bail!("the host speaks another version of this program"),
    }
}

/// The component that served then.
fn kept(data: &Path, service: &str, digest: &str) -> anyhow::Result<Vec<u8>> {
    let versions = Versions::open(&data.join("versions"))?;
    let named = Digest::parse(digest).context("the digest in the record is none")?;
    let pair = versions.pair(service, &named).with_context(|| {
        format!(
            "the version {digest} of {service} that served then is not kept here any more: name a build with --component"
        )
    })?;
    Ok(pair.component)
}

// === What is printed ===

/// What a call was.
#[derive(Debug, Serialize)]
struct About {
    call: String,
    kind: &'static str,
    service: String,
    operation: String,
    began: String,
    version: String,
    steps: usize,
    complete: bool,
    gaps: Vec<String>,
    stand_ins: Vec<String>,
}

impl About {
    fn of(record: &Record) -> Self {
        Self {
            call: record.call.clone(),
            kind: match record.kind {
                Kind::Call => "call",
                Kind::Execution => "execution",
            },
            service: record.service.clone(),
            operation: record.operation.clone(),
            began: instant(WallTime(record.began_ns / 1_000)),
            version: record.digest.clone(),
            steps: record.steps.len(),
            complete: record.gaps.is_empty() && record.outcome.is_some(),
            gaps: record.gaps.iter().map(ToString::to_string).collect(),
            stand_ins: record.stand_ins.clone(),
        }
    }
}

/// What came of one.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    about: About,
    component: String,
    /// `same`, `differs` or `record-ends`.
    verdict: &'static str,
    told: u64,
    kept: u64,
    then: Option<String>,
    now: Option<String>,
    differences: Vec<String>,
}

impl Line {
    fn of(about: About, component: &str, replayed: Replayed) -> Self {
        let (verdict, differences) = match replayed.ended {
            Ended::Same => ("same", Vec::new()),
            Ended::Differs(lines) => ("differs", lines),
            Ended::RecordEnds(why) => ("record-ends", vec![why]),
        };
        Self {
            about,
            component: component.to_owned(),
            verdict,
            told: replayed.told,
            kept: replayed.kept,
            then: replayed.then,
            now: replayed.now,
            differences,
        }
    }

    fn text(&self) -> String {
        let about = &self.about;
        let none = || "it did not come to its end".to_owned();
        let rows = [
            (about.kind, about.call.clone()),
            ("service", format!("{} {}", about.service, about.version)),
            ("operation", about.operation.clone()),
            ("began", about.began.clone()),
            ("component", self.component.clone()),
            (
                "results",
                format!("{} of {} were told", self.told, self.kept),
            ),
            ("then", self.then.clone().unwrap_or_else(none)),
            ("now", self.now.clone().unwrap_or_else(none)),
        ];
        let mut text: Vec<_> = rows
            .iter()
            .map(|(name, value)| format!("{name:<12} {}", clean(value)))
            .collect();
        text.push(match self.verdict {
            "same" => "the same: what it asked for, and what it came to".to_owned(),
            "differs" => "it differs:".to_owned(),
            _ => "the same, as far as the record goes:".to_owned(),
        });
        let lines = self.differences.iter();
        text.extend(lines.map(|line| format!("  {}", clean(line))));
        text.join("\n")
    }
}

fn list(args: &ReplayArgs, data: &Path) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for call in captures::list(&data.join(CAPTURES))? {
        let record = record(data, &call)?;
        if args
            .service
            .as_ref()
            .is_none_or(|name| *name == record.service)
        {
            all.push(About::of(&record));
        }
    }
    if args.json {
        return print_json(&all);
    }
    if all.is_empty() {
        return print(
            "nothing was captured: `capture = \"faults\"` under [services.NAME] in holdfast.toml keeps the calls that fail",
        );
    }
    let mut text = vec![format!(
        "{:<36} {:<27} {:<16} {:>5} {:<8} OPERATION",
        "CALL", "BEGAN", "SERVICE", "STEPS", "COMPLETE"
    )];
    text.extend(all.iter().map(|about| {
        let complete = if about.complete { "yes" } else { "no" };
        format!(
            "{:<36} {:<27} {:<16} {:>5} {complete:<8} {}",
            about.call,
            about.began,
            about.service,
            about.steps,
            clean(&about.operation)
        )
    }));
    print(&text.join("\n"))
}
