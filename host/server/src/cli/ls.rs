//! `holdfast ls`: every service of the running host, a line each.

use crate::cli::{DataArgs, print};
use crate::control::client::Client;
use crate::control::words::{Request, Response};
use serde_json::Value;
use std::process::ExitCode;

/// Lists the services.
///
/// # Errors
/// No host runs, or it went away.
pub fn run(args: &DataArgs) -> anyhow::Result<ExitCode> {
    let Response::Services(services) = Client::connect(&args.data)?.ask(&Request::Ls)? else {
        anyhow::bail!("the host speaks another version of this program");
    };
    print(&table(&services))?;
    Ok(ExitCode::SUCCESS)
}

/// The services as a table, what went wrong on a line of its own below its service.
#[must_use]
pub fn table(services: &[Value]) -> String {
    if services.is_empty() {
        return "no services: copy NAME.wasm into the plugin directory".to_owned();
    }
    let mut lines = vec![format!(
        "{:<20} {:<11} {:<16} {}",
        "NAME", "STATE", "DIGEST", "ROUTES"
    )];
    for service in services {
        let word = |key| service.get(key).and_then(Value::as_str).unwrap_or("-");
        let digest: String = word("digest").chars().take(16).collect();
        let routes: Vec<_> = service
            .get("routes")
            .and_then(Value::as_array)
            .map(|routes| routes.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let routes = routes.join(", ");
        lines.push(format!(
            "{:<20} {:<11} {digest:<16} {routes}",
            word("name"),
            word("state")
        ));
        if let Some(kept) = service.get("quarantine") {
            let number = |key| kept.get(key).and_then(Value::as_u64).unwrap_or(0);
            let (failures, since) = (number("failures"), number("since_ms").div_ceil(1_000));
            let probe = number("next_probe_ms").div_ceil(1_000);
            lines.push(format!(
                "  does not start: {failures} starts in a row have failed; left alone for {since} s, tried again in {probe} s"
            ));
        }
        if let Some(canary) = service.get("canary").filter(|canary| !canary.is_null()) {
            let text = |key| canary.get(key).and_then(Value::as_str).unwrap_or("-");
            let digest: String = text("digest").chars().take(16).collect();
            lines.push(format!("  {digest} has {} of the callers", text("share")));
        }
        if let Some(why) = service.get("held").and_then(Value::as_str) {
            lines.push(format!("  {why}"));
        }
        if let Some(error) = service.get("error").and_then(Value::as_str) {
            lines.push(format!("  {error}"));
        }
    }
    lines.join("\n")
}
