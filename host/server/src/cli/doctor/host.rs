//! The host that runs on the data directory, if one does: whether its socket answers, its services serve, and it calls itself ready.

use super::{Boundary, Finding, State};
use crate::control::client::Client;
use crate::control::words::{Request, Response};
use crate::settings::Policy;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const HERE: Boundary = Boundary::Lifecycle;
/// How long a host that is well may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the host how it is.
pub(super) fn probe(policy: &Policy, findings: &mut Vec<Finding>) {
    let socket = crate::control::path(&policy.data);
    if !socket.exists() {
        let text = format!("skipped: no host runs on {}", policy.data.display());
        findings.push(Finding::new(HERE, "host", State::Ok, text));
        return;
    }
    let Ok(client) = Client::connect(&policy.data) else {
        let text = format!("{} is left over from a host that is gone", socket.display());
        findings
            .push(Finding::new(HERE, "host", State::Warn, text).next("the next start replaces it"));
        return;
    };
    match services(client) {
        Ok(services) => {
            let text = format!("it answers, and has {} services", services.len());
            findings.push(Finding::new(HERE, "host", State::Ok, text));
            findings.extend(services.iter().filter_map(trouble));
            findings.push(ready(policy.admin));
        }
        Err(error) => {
            let next = "see its log; end it and start it anew if it stays so";
            let text = format!("its socket does not answer: {error:#}");
            findings.push(Finding::new(HERE, "host", State::Fail, text).next(next));
        }
    }
}

fn services(client: Client) -> anyhow::Result<Vec<Value>> {
    match client.within(PATIENCE)?.ask(&Request::Ls)? {
        Response::Services(services) => Ok(services),
        _ => anyhow::bail!("the host speaks another version of this program"),
    }
}

/// What is wrong with a service: its last load failed.
fn trouble(service: &Value) -> Option<Finding> {
    let word = |key| service.get(key).and_then(Value::as_str);
    let error = word("error")?;
    let name = word("name").unwrap_or("?");
    // With a digest, an older version goes on serving.
    let (state, still) = match word("digest") {
        Some(_) => (State::Warn, "the version before serves on"),
        None => (State::Fail, "nothing serves it"),
    };
    let text = format!("service {name} did not load, and {still}: {error}");
    Some(
        Finding::new(HERE, "service", state, text)
            .next("holdfast check says everything that stops it"),
    )
}

/// Asks the admin page. A host that was started with another `--admin` cannot be asked this way, which is no failure of its own.
fn ready(admin: SocketAddr) -> Finding {
    match status(admin) {
        Ok(line) if line.contains(" 200") => {
            Finding::new(HERE, "ready", State::Ok, "it calls itself ready")
        }
        Ok(line) => {
            let text = format!("it calls itself not ready: {line}");
            Finding::new(HERE, "ready", State::Fail, text)
                .next("see its log, and /readyz of its admin address")
        }
        Err(error) => {
            let text = format!("its admin page at {admin} cannot be asked: {error}");
            Finding::new(HERE, "ready", State::Warn, text)
                .next("was it started with another --admin?")
        }
    }
}

fn status(admin: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
