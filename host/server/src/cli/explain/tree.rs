//! The calls around one call, as a tree, and how that is shown. Much of it was written by strangers, so nothing of it steers a terminal.

use crate::cli::clean;
use holdfast_call::NanoUsd;
use serde_json::Value;
use std::fmt::Write as _;

// Writing to a string cannot fail, here and below: so the results of it are not looked at.

/// Deeper than calls can nest: a log that somebody wrote into must not lead in circles.
const DEPTH_MAX: usize = 64;

/// A call from outside with everything that it led to.
pub(super) struct Tree {
    /// The call that was asked for.
    id: String,
    /// How deep each stands, and its closing line; in the order of the tree.
    hops: Vec<(usize, Value)>,
    /// The call above all of these, if it is not in the log.
    above: Option<String>,
}

impl Tree {
    /// The tree that `id` stands in. Of several calls from outside in one trace, only its own.
    pub(super) fn around(id: &str, lines: &[Value]) -> Self {
        let of = |id: &str| lines.iter().find(|line| text(line, "call") == Some(id));
        let mut root = id.to_owned();
        let mut above = None;
        for _ in 0..DEPTH_MAX {
            let Some(parent) = of(&root).and_then(|line| text(line, "parent")) else {
                break;
            };
            if of(parent).is_none() {
                above = Some(parent.to_owned());
                break;
            }
            parent.clone_into(&mut root);
        }
        let mut hops = Vec::new();
        descend(lines, &root, 0, &mut hops);
        Self {
            id: id.to_owned(),
            hops,
            above,
        }
    }

    /// The closing lines, as JSON.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.hops.iter().map(|(_, line)| clean(&line.to_string()))
    }

    /// What all of it cost, if it cost anything.
    fn cost(&self, out: &mut String) {
        let nanos = self.hops.iter().map(|(_, line)| cost(line).0);
        let all = NanoUsd(nanos.fold(0, u64::saturating_add));
        if all > NanoUsd::default() {
            let _ = writeln!(out, "cost      {all}");
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        if let Some((_, root)) = self.hops.first() {
            head(&mut out, root);
            self.cost(&mut out);
        }
        if let Some(above) = &self.above {
            let _ = writeln!(
                out,
                "above     {above}, which is not in the log: it still runs, or is older"
            );
        }
        out.push_str("\nhops\n");
        for (depth, line) in &self.hops {
            let here = text(line, "call") == Some(&self.id);
            hop(&mut out, *depth, line, here && self.hops.len() > 1);
        }
        let failed = self
            .hops
            .iter()
            .filter(|(_, line)| line.get("stage").is_some());
        let mut wrong = false;
        for (_, line) in failed {
            wrong = true;
            verdict(&mut out, line);
        }
        if !wrong {
            out.push_str("\nverdict   nothing failed\n");
        }
        out.truncate(out.trim_end().len());
        out
    }
}

fn descend(lines: &[Value], id: &str, depth: usize, hops: &mut Vec<(usize, Value)>) {
    let seen = |(_, line): &(usize, Value)| text(line, "call") == Some(id);
    if depth >= DEPTH_MAX || hops.iter().any(seen) {
        return;
    }
    hops.extend(
        lines
            .iter()
            .find(|line| text(line, "call") == Some(id))
            .map(|line| (depth, line.clone())),
    );
    for child in lines.iter().filter(|line| text(line, "parent") == Some(id)) {
        if let Some(child) = text(child, "call") {
            descend(lines, child, depth + 1, hops);
        }
    }
}

fn text<'a>(line: &'a Value, name: &str) -> Option<&'a str> {
    line.get(name).and_then(Value::as_str)
}

fn word(line: &Value, name: &str) -> String {
    clean(text(line, name).unwrap_or("-"))
}

fn number(line: &Value, name: &str) -> u64 {
    line.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// What its own tries cost.
fn cost(line: &Value) -> NanoUsd {
    NanoUsd(number(line, "cost_nanousd"))
}

/// What it was for: a service, or a resource of the host.
fn target(line: &Value) -> String {
    text(line, "target").map_or_else(|| word(line, "service"), clean)
}

/// Status and code.
fn result(line: &Value) -> String {
    let status = line.get("status").map(Value::to_string).unwrap_or_default();
    match text(line, "code") {
        Some(code) => clean(format!("{status} {code}").trim_start()),
        None => status,
    }
}

fn head(out: &mut String, root: &Value) {
    let _ = writeln!(out, "call      {}", word(root, "call"));
    let (operation, caller) = (word(root, "operation"), word(root, "caller"));
    let _ = writeln!(out, "asked     {operation} of {} by {caller}", target(root));
    let _ = writeln!(out, "why       {}", word(root, "why"));
    let _ = writeln!(out, "ended     {}: {}", word(root, "ts"), result(root));
    let ms = root.get("ms").map(Value::to_string).unwrap_or_default();
    let _ = writeln!(
        out,
        "used      {ms} ms, {} us of CPU, {} bytes of memory",
        number(root, "cpu_us"),
        number(root, "mem_bytes")
    );
    spent(out, root);
    let _ = writeln!(out, "trace     {}", word(root, "trace"));
}

/// Where the time went, as far as it is worth a word.
fn spent(out: &mut String, root: &Value) {
    let Some(accounts) = root.get("spent_us").and_then(Value::as_object) else {
        return;
    };
    let sum: u64 = accounts.values().filter_map(Value::as_u64).sum();
    let mut parts = Vec::new();
    for (name, micros) in accounts {
        let micros = micros.as_u64().unwrap_or(0);
        let percent = (micros * 100).checked_div(sum).unwrap_or(0);
        if percent > 0 {
            let name = clean(name);
            parts.push(format!(
                "{name} {}.{:03} ms ({percent} %)",
                micros / 1_000,
                micros % 1_000
            ));
        }
    }
    let _ = writeln!(out, "time      {}", parts.join(", "));
}

fn hop(out: &mut String, depth: usize, line: &Value, here: bool) {
    let name = format!(
        "{:indent$}{} {}",
        "",
        target(line),
        word(line, "operation"),
        indent = 2 * (depth + 1)
    );
    let ms = line.get("ms").map(Value::to_string).unwrap_or_default();
    let _ = write!(out, "{name:<50} {ms:>10} ms  {}", result(line));
    let tries = number(line, "attempts");
    if tries > 1 {
        let _ = write!(out, ", {tries} tries");
    }
    if let Some(first) = text(line, "replays") {
        let _ = write!(out, ", the answer of {}", clean(first));
    }
    if let Some(how) = text(line, "degraded") {
        let _ = write!(out, ", degraded: {}", clean(how));
    }
    let cost = cost(line);
    if cost > NanoUsd::default() {
        let _ = write!(out, ", {cost}");
    }
    out.push_str(if here { "   <- this call\n" } else { "\n" });
}

fn verdict(out: &mut String, line: &Value) {
    let (boundary, stage) = (word(line, "boundary"), word(line, "stage"));
    let _ = writeln!(
        out,
        "\nverdict   {boundary}, found by `{stage}` of {}",
        target(line)
    );
    let _ = writeln!(out, "cause     {}", word(line, "cause"));
    let seen: Vec<_> = line
        .get("evidence")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| clean(&format!("{key} {}", value.as_str().unwrap_or_default())))
        .collect();
    if !seen.is_empty() {
        let _ = writeln!(out, "seen      {}", seen.join(", "));
    }
    let _ = writeln!(out, "next      {}", word(line, "next"));
}
