//! Secrets from the host's own environment: read once, at start, and then no longer there for others to read.
//!
//! The system keeps the environment that a program was started with where the program cannot reach it (`/proc/PID/environ`), and every
//! child inherits it. So a host that is given secrets that way starts itself again without them, in the same process, and hands them to
//! itself over its standard input, which it then lets go. What the environment did not have at start it does not have later.

use anyhow::{Context as _, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Says to the second start that its secrets come over its standard input.
const MARK: &str = "HOLDFAST_SECRETS_ON_STDIN";

/// This very program, also where its file was replaced since it was started.
const SELF: &str = "/proc/self/exe";

/// What was taken out of the environment. Set once, before there is another thread; only a host that serves does it.
static TAKEN: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// The secret in a variable of the environment.
///
/// # Errors
/// There is none that can be read.
pub(super) fn read(name: &str) -> Result<String, String> {
    match TAKEN.get() {
        Some(taken) => taken.get(name).cloned().ok_or_else(|| {
            format!(
                "the environment had no readable variable {name} when the host started, or nothing named it: a restart reads it"
            )
        }),
        None => std::env::var(name)
            .map_err(|_| format!("the environment has no readable variable {name}")),
    }
}

/// Takes these variables out of the environment, for good. Does not return if there are any: the program begins again, without them. Call it
/// before anything else is done that a second start would do twice.
///
/// # Errors
/// They cannot be handed over, so they would stay where others can read them.
pub fn take(names: &BTreeSet<&str>) -> anyhow::Result<()> {
    if std::env::var_os(MARK).is_some() {
        return keep(handed_over().context("cannot read the secrets of the first start")?);
    }
    let found: BTreeMap<_, _> = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .collect();
    if found.is_empty() {
        return keep(found);
    }
    let why = "cannot start again without the secrets in the environment";
    Err(again(&found).context(why))
}

fn keep(taken: BTreeMap<String, String>) -> anyhow::Result<()> {
    if TAKEN.set(taken).is_err() {
        bail!("the secrets of the environment were taken twice");
    }
    Ok(())
}

/// Becomes the same program without them; returns only if that fails.
fn again(found: &BTreeMap<String, String>) -> anyhow::Error {
    let handed = match hand_over(found) {
        Ok(handed) => handed,
        Err(error) => return error,
    };
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| SELF.into());
    let mut command = Command::new(SELF);
    command.arg0(name).args(arguments).env(MARK, "1");
    command.stdin(Stdio::from(handed));
    for name in found.keys() {
        command.env_remove(name);
    }
    command.exec().into()
}

/// A file that is in no directory, with the secrets in it.
fn hand_over(found: &BTreeMap<String, String>) -> anyhow::Result<File> {
    let memory = rustix::fs::memfd_create("secrets", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    file.write_all(&serde_json::to_vec(found)?)?;
    file.rewind()?;
    Ok(file)
}

fn handed_over() -> anyhow::Result<BTreeMap<String, String>> {
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text)?;
    // Who asks for the standard input later finds nothing, and not the secrets.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(serde_json::from_slice(&text)?)
}
