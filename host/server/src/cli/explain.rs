//! `holdfast explain ID`: what became of a call, from the call log in the data directory, or from the audit log where the call log no longer
//! has it; a host that runs is not needed.
//!
//! It shows the whole tree that the call belongs to: each hop with its answer, its time and its tries, and for each that failed the verdict
//! with what was seen and what to look at next.

mod record;
mod tree;

use crate::assembly::CALLS;
use crate::cli::{DataArgs, print};
use anyhow::{Context as _, bail};
use holdfast_call::CallId;
use holdfast_store::audit::directory;
use holdfast_store::read_calls;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;
use tree::Tree;

/// The arguments of `holdfast explain`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// The call: what the header `holdfast-call` of its answer says.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print the closing lines as the log has them, one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Take it from the audit log alone.
    #[arg(long)]
    pub audit: bool,
    /// Where the host's data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Explains a call.
///
/// # Errors
/// The log cannot be read, or the call is not in it.
pub fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let Some(id) = CallId::parse(&args.id) else {
        bail!(
            "`{}` is not the name of a call: the header `holdfast-call` of each answer has it",
            args.id.escape_debug()
        );
    };
    let data = &args.data.data;
    let lines = match args.audit {
        true => on_record(data, id)?,
        false => match related(&data.join(CALLS), &args.id) {
            Ok(lines) => lines,
            // What is on record goes back further.
            Err(error) => Some(record::of_trace(data, id)?)
                .filter(|lines| !lines.is_empty())
                .ok_or(error)?,
        },
    };
    let tree = Tree::around(&args.id, &lines);
    if args.json {
        for line in tree.lines() {
            print(&line)?;
        }
    } else {
        print(&tree.text())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn on_record(data: &Path, id: CallId) -> anyhow::Result<Vec<Value>> {
    let lines = record::of_trace(data, id)?;
    if lines.is_empty() {
        let log = directory(data);
        bail!(
            "the call {id} is not in {}: it was made elsewhere, is older than `[audit] keep` goes back, or was a reader's under `calls = \"changes\"`",
            log.display()
        );
    }
    Ok(lines)
}

/// Every closing line of the trace that the call belongs to.
fn related(log: &Path, id: &str) -> anyhow::Result<Vec<Value>> {
    let shown = log.display();
    let read = |line: &mut dyn FnMut(&str)| {
        read_calls(log, line).with_context(|| format!("cannot read the call log {shown}"))
    };
    let (mut trace, mut oldest) = (None, None);
    read(&mut |line| {
        if oldest.is_none() {
            oldest = field(line, "ts");
        }
        if line.contains(id) && field(line, "call").as_deref() == Some(id) {
            trace = field(line, "trace");
        }
    })?;
    let Some(trace) = trace else {
        match oldest {
            Some(oldest) => bail!(
                "the call {id} is not in {shown}, which reaches back to {oldest}: it is older, still runs, or was made elsewhere; `call_log` \
                 in holdfast.toml says how much is kept"
            ),
            None => bail!(
                "there is no call in {shown}: is --data the directory of the host, and `call_log` in its holdfast.toml not 0?"
            ),
        }
    };
    let mut lines = Vec::new();
    read(&mut |line| {
        if line.contains(&trace) {
            // A line that was torn says nothing.
            lines.extend(serde_json::from_str::<Value>(line));
        }
    })?;
    Ok(lines)
}

fn field(line: &str, name: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    value.get(name)?.as_str().map(str::to_owned)
}
