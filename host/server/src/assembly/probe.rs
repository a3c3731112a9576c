//! What `holdfast doctor` asks of the parts: whether the engine can be made and the upstreams reached under a policy.

use super::{engine as settings, guest_memory, upstreams::roots};
use crate::settings::units::size_text;
use crate::settings::{Policy, Upstream};
use holdfast_call::{Closing, Failure, GuestLine, Level, Log};
use holdfast_capabilities::http::{HttpOut, NameServers, Origin, Upstream as Way};
use holdfast_rules::clock;
use holdfast_wasm::engine::Engines;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Makes an engine as a host would, and says what the host would say of it.
///
/// # Errors
/// It cannot be made.
pub fn engine(policy: &Policy) -> Result<Vec<(Level, String)>, String> {
    let log = Arc::new(Lines::default());
    let settings = settings(policy).map_err(|error| format!("{error:#}"))?;
    Engines::new(settings, log.clone()).map_err(|error| error.to_string())?;
    let memory = guest_memory(policy.memory).map_err(|error| format!("{error:#}"))?;
    let mut lines = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = format!(
        "all guests together may have {}",
        size_text(memory >> 20 << 20)
    );
    lines.push((Level::Info, text));
    Ok(lines)
}

/// Reaches for every upstream at once: name, guard, connection, TLS. No longer than the longest `connect` among them.
///
/// # Errors
/// No runtime can be made.
pub fn upstreams(policy: &Policy) -> anyhow::Result<Vec<(String, Result<SocketAddr, String>)>> {
    let sources = clock::of_this_machine();
    let nameservers = NameServers::new(policy.nameservers.clone());
    let out = HttpOut::new(sources, Arc::new(Lines::default()), nameservers);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let reached = runtime.block_on(async {
        let tasks: Vec<_> = policy
            .upstreams
            .values()
            .map(|upstream| {
                let task = tokio::spawn(reach(out.clone(), upstream.clone()));
                (upstream.name.to_string(), task)
            })
            .collect();
        let mut reached = Vec::with_capacity(tasks.len());
        for (name, task) in tasks {
            let result = task.await.unwrap_or_else(|error| Err(error.to_string()));
            reached.push((name, result));
        }
        reached
    });
    Ok(reached)
}

async fn reach(out: Arc<HttpOut>, upstream: Upstream) -> Result<SocketAddr, String> {
    let way = way(&upstream).map_err(|error| format!("{error:#}"))?;
    out.reach(&way).await.map_err(|failure| said(&failure))
}

/// The upstream without its credential: nothing is sent, so the secret stays where it is.
fn way(upstream: &Upstream) -> anyhow::Result<Way> {
    Ok(Way {
        name: upstream.name.as_str().to_owned(),
        origin: Origin::parse(&upstream.origin)?,
        connect: upstream.connect,
        first_byte: upstream.first_byte,
        between_bytes: upstream.between_bytes,
        response_bytes_max: upstream.response_bytes,
        allow_private: upstream.allow_private.clone(),
        ca: upstream.ca.as_ref().map(roots).transpose()?,
        credential: None,
        keyed: None,
        connections_max: 1,
    })
}

fn said(failure: &Failure) -> String {
    let evidence: Vec<_> = failure
        .evidence
        .iter()
        .map(|(key, value)| format!("{key} {value}"))
        .collect();
    format!("{} ({})", failure.cause, evidence.join(", "))
}

/// Keeps what would be logged.
#[derive(Default)]
struct Lines(Mutex<Vec<(Level, String)>>);

impl Log for Lines {
    fn closing(&self, _closing: Closing) {}
    fn guest(&self, _line: GuestLine) {}
    fn host(&self, level: Level, text: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((level, text));
    }
}
