//! What can be called of a typed service, in words.

use crate::cli::{clean, complain, print};
use crate::control::client::Client;
use crate::control::words::{OperationLine, Request, Response};
use crate::settings::unknown::nearest;
use anyhow::bail;
use std::path::Path;
use std::process::ExitCode;

/// The longest signature that is shown whole, in characters.
const SIGNATURE_CHARS_MAX: usize = 400;

/// Every operation of a service; none, if it is not typed.
///
/// # Errors
/// No host runs, or no such service serves.
pub(super) fn of(data: &Path, name: &str) -> anyhow::Result<Vec<OperationLine>> {
    let name = name.to_owned();
    match Client::connect(data)?.ask(&Request::Operations { name })? {
        Response::Operations(lines) => Ok(lines),
        _ => bail!("the host speaks another version of this program"),
    }
}

/// Shows them.
///
/// # Errors
/// The terminal cannot be written.
pub(super) fn list(name: &str, lines: &[OperationLine]) -> anyhow::Result<ExitCode> {
    let mut interface = None;
    for line in lines {
        if interface.replace(&line.interface) != Some(&line.interface) {
            print(&clean(&line.interface))?;
        }
        let signature = line.signature.split_once(": ");
        let signature = clean(signature.map_or("", |(_, signature)| signature));
        let word = if line.safe { " (safe)" } else { "" };
        print(&format!("  {}{word}", clean(&line.name)))?;
        print(&format!("      {}", cut(&signature)))?;
        for said in line.docs.iter().flat_map(|docs| docs.lines()) {
            print(&format!("      {}", clean(said)))?;
        }
    }
    complain(&format!(
        "call one with: holdfast call {name} INTERFACE/FUNCTION '{{…}}'"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Says what was most likely meant by an operation that there is not.
pub(super) fn suggest(data: &Path, name: &str, given: &str) {
    // Who cannot be told this has been told the rest.
    let Ok(lines) = of(data, name) else { return };
    let known = lines.iter().map(|line| line.name.as_str());
    match nearest(given, known) {
        Some(near) => complain(&format!("did you mean `{}`?", clean(near))),
        None if lines.is_empty() => {}
        None => complain(&format!("`holdfast call {name}` lists what there is")),
    }
}

fn cut(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(SIGNATURE_CHARS_MAX).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}
