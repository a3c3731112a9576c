//! Granting what a manifest asks for beyond the policy: which lines of `holdfast.toml` change, without touching a comment or the order
//! of anything else. Pure: a text goes in, a text and a diff come out; nothing is written here.

use crate::settings::error::SettingsError;
use crate::settings::excess::{Change, Excess};
use crate::settings::limits::{Limit, Unit};
use crate::settings::manifest::Manifest;
use crate::settings::merge::merge;
use crate::settings::name::Name;
use crate::settings::policy::Policy;
use std::fmt::Write as _;
use std::path::Path;
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value, value};

/// What a policy begins with where there was none: writing one must not take away what its absence gave.
const FRESH: &str = "\
# Settings of this holdfast host. Every key is explained in holdfast.example.toml.

# Callers whom nobody vouches for are served, as they were without this file.
anonymous = \"allow\"
";

/// A change of the policy, ready to be written.
#[derive(Clone, Debug)]
pub struct Grant {
    /// What is granted.
    pub granted: Vec<Excess>,
    /// What cannot be granted before the operator has written a table that only they can write.
    pub needs: Vec<Excess>,
    /// The whole new text of the policy.
    pub text: String,
    /// The lines that change.
    pub diff: String,
}

/// What `holdfast allow` found.
#[derive(Clone, Debug)]
pub enum Plan {
    /// The manifest asks for nothing beyond the policy.
    Nothing,
    /// It asks for more, and this would allow it.
    Grant(Grant),
}

/// Works out the change. `text` is the policy as it stands, or `None` where there is no file at `path`.
///
/// # Errors
/// The policy as it stands, or as it would stand, is not valid.
pub fn plan(path: &Path, text: Option<&str>, manifest: &Manifest) -> Result<Plan, SettingsError> {
    let policy = match text {
        Some(text) => Policy::parse(path, text)?,
        None => Policy::default_for_one_person(),
    };
    let merged = merge(manifest, &policy);
    let (needs, granted): (Vec<_>, Vec<_>) = merged
        .excess
        .into_iter()
        .chain(merged.wishes)
        .partition(|excess| excess.needs.is_some());
    if granted.is_empty() && needs.is_empty() {
        return Ok(Plan::Nothing);
    }
    let before = text.unwrap_or_default();
    let changed = if granted.is_empty() {
        before.to_owned()
    } else {
        edit(path, text.unwrap_or(FRESH), &manifest.name, &granted)?
    };
    let diff = diff(path, before, &changed);
    Ok(Plan::Grant(Grant {
        granted,
        needs,
        text: changed,
        diff,
    }))
}

fn edit(path: &Path, text: &str, name: &Name, granted: &[Excess]) -> Result<String, SettingsError> {
    let file = path.display().to_string();
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| SettingsError::file(&file, error.message()))?;
    // A comment that ends the file stays before what is added behind it.
    let last = document.trailing().as_str().unwrap_or_default().to_owned();
    for excess in granted {
        apply(document.as_table_mut(), name, &excess.change).ok_or_else(|| {
            SettingsError::file(&file, format!("[services.{name}] is not a table"))
        })?;
    }
    let changed = with_last(text, &last, document.to_string());
    // What is written must be a policy again: a change that broke it would stop the host.
    Policy::parse(path, &changed)?;
    Ok(changed)
}

/// Puts the end of the old text back to where it stood, if tables were added before it.
fn with_last(before: &str, last: &str, changed: String) -> String {
    let added = before
        .strip_suffix(last)
        .and_then(|head| changed.strip_suffix(last)?.strip_prefix(head));
    match added {
        Some(added) if !last.is_empty() && !added.is_empty() => {
            let gap = if before.ends_with('\n') { "\n" } else { "\n\n" };
            format!("{before}{gap}{}", added.trim_start())
        }
        Some(_) | None => changed,
    }
}

fn apply(root: &mut Table, name: &Name, change: &Change) -> Option<()> {
    let service = table_in(
        table_in(root, "services", Show::No)?,
        name.as_str(),
        Show::Yes,
    )?;
    match change {
        Change::Limit { limit, amount } => {
            let limits = table_in(service, "limits", Show::Yes)?;
            set(limits, limit.key(), limit_value(*limit, *amount));
        }
        Change::Upstream(upstream) => add(service, "upstreams", upstream.as_str())?,
        Change::Service(other) => add(service, "services", other.as_str())?,
        Change::Secret(secret) => add(service, "secrets", secret.as_str())?,
        Change::Bucket(bucket) => add(service, "kv", bucket.as_str())?,
        Change::Queue(queue) => add(service, "queues", queue.as_str())?,
        Change::Files(folder) => add(service, "files", folder.as_str())?,
        Change::Public(route) => add(service, "public_routes", &route.to_string())?,
        Change::Priority(class) => set(service, "priority", class.as_str().into()),
        Change::Fuel => set(service, "fuel", true.into()),
        Change::Anonymous => set(service, "anonymous", "allow".into()),
    }
    Some(())
}

/// Whether a new table gets a heading of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Yes,
    No,
}

fn table_in<'a>(
    table: &'a mut dyn TableLike,
    key: &str,
    show: Show,
) -> Option<&'a mut dyn TableLike> {
    let item = table.entry(key).or_insert_with(|| {
        let mut fresh = Table::new();
        fresh.set_implicit(show == Show::No);
        Item::Table(fresh)
    });
    item.as_table_like_mut()
}

/// Sets a value; the comment behind the old one stays.
fn set(table: &mut dyn TableLike, key: &str, new: Value) {
    let mut new = new;
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    match table.get_mut(key) {
        Some(item) => *item = value(new),
        None => {
            table.insert(key, value(new));
        }
    }
}

/// Adds a word to a list, which is made if it is not there.
fn add(table: &mut dyn TableLike, key: &str, word: &str) -> Option<()> {
    table
        .entry(key)
        .or_insert_with(|| value(Array::new()))
        .as_array_mut()?
        .push(word);
    Some(())
}

fn limit_value(limit: Limit, amount: u64) -> Value {
    match limit.unit() {
        Unit::Count => i64::try_from(amount).unwrap_or(i64::MAX).into(),
        Unit::Time | Unit::Bytes => limit.text(amount).into(),
    }
}

/// The lines that differ, with three lines around them, much as `diff -u` shows them.
fn diff(path: &Path, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let steps = steps(&old, &new);
    let near: Vec<bool> = (0..steps.len())
        .map(|at| {
            let around = at.saturating_sub(3)..steps.len().min(at + 4);
            steps
                .get(around)
                .is_some_and(|steps| steps.iter().any(|step| !matches!(step, Step::Keep(_))))
        })
        .collect();
    let mut out = format!("--- {0}\n+++ {0}\n", path.display());
    let (mut line, mut gap) = (1, true);
    for (step, near) in steps.iter().zip(near) {
        if near && gap {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "@@ line {line} @@");
        }
        gap = !near;
        let (mark, text) = match step {
            Step::Keep(text) => (' ', text),
            Step::Remove(text) => ('-', text),
            Step::Add(text) => ('+', text),
        };
        if near {
            let _ = writeln!(out, "{mark}{text}");
        }
        if !matches!(step, Step::Add(_)) {
            line += 1;
        }
    }
    out
}

enum Step<'a> {
    Keep(&'a str),
    Remove(&'a str),
    Add(&'a str),
}

fn steps<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Step<'a>> {
    // What is the same at both ends is kept as it is.
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (
        old.get(head..).unwrap_or_default(),
        new.get(head..).unwrap_or_default(),
    );
    let tail = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let old_mid = old_rest.get(..old_rest.len() - tail).unwrap_or_default();
    let new_mid = new_rest.get(..new_rest.len() - tail).unwrap_or_default();
    let kept = |lines: &[&'a str]| {
        lines
            .iter()
            .map(|line| Step::Keep(line))
            .collect::<Vec<_>>()
    };
    let mut steps = kept(old.get(..head).unwrap_or_default());
    steps.extend(middle(old_mid, new_mid));
    steps.extend(kept(old_rest.get(old_mid.len()..).unwrap_or_default()));
    steps
}

/// The edit only adds lines and exchanges single ones, so a greedy walk finds it: an old line is kept where it comes again later on.
fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Step<'a>> {
    let mut steps = Vec::with_capacity(old.len() + new.len());
    let mut rest = new;
    for line in old {
        match rest.iter().position(|candidate| candidate == line) {
            Some(at) => {
                steps.extend(rest.iter().take(at).map(|line| Step::Add(line)));
                steps.push(Step::Keep(line));
                rest = rest.get(at + 1..).unwrap_or_default();
            }
            None => steps.push(Step::Remove(line)),
        }
    }
    steps.extend(rest.iter().map(|line| Step::Add(line)));
    steps
}
