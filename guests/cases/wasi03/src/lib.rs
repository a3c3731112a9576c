//! One behaviour a path, in WASI 0.3: what is different there, or driven by other code of the host.
//!
//! The table below is read by the structure test, which fails when a path is used by no test.

mod answer;
mod bodies;
mod burn;
mod keep;
mod outside;

use answer::{plain, whole};
use std::fmt::Write as _;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Request, Response, Scheme};

wasip3::http::service::export!(Cases);

struct Cases;

impl Guest for Cases {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        keep::count();
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/ok" => Ok(plain(200, "ok\n")),
            "/request" => Ok(seen(&request)),
            "/fetch" => outside::fetch(query).await,
            "/fetch-forget" => outside::forget(query),
            "/loop" => burn::forever(),
            "/grow" => burn::memory(),
            "/handles" => burn::handles(),
            "/kept" => Ok(keep::kept()),
            "/keep" => Ok(keep::keep(query)),
            "/never" => burn::never().await,
            "/trap-before" => core::arch::wasm32::unreachable(),
            "/panic" => panic!("CANARY-guest-secret at /srv/app/db.rs"),
            "/error" => Err(ErrorCode::InternalError(Some(
                "CANARY-guest-secret".to_owned(),
            ))),
            "/trap-after-headers" => Ok(bodies::trap(0)),
            "/trap-mid-body" => Ok(bodies::trap(1)),
            "/error-mid-body" => Ok(bodies::error_at_the_end()),
            "/echo" => Ok(bodies::echo(request)),
            "/drip" => Ok(bodies::drip(query)),
            "/flood-body" => Ok(bodies::flood(query)),
            "/trailers" => Ok(bodies::trailers(request)),
            "/after-answer" => Ok(bodies::works_on()),
            "/after-answer-loop" => Ok(bodies::works_on_forever()),
            _ => Ok(plain(404, "no such behaviour\n")),
        }
    }
}

/// The request as the guest sees it, a line each.
fn seen(request: &Request) -> Response {
    let scheme = match request.get_scheme() {
        Some(Scheme::Http) => "http".to_owned(),
        Some(Scheme::Https) => "https".to_owned(),
        Some(Scheme::Other(other)) => other,
        None => "none".to_owned(),
    };
    let mut text = format!(
        "method: {:?}\nscheme: {scheme}\nauthority: {}\npath: {}\n",
        request.get_method(),
        request.get_authority().unwrap_or_default(),
        request.get_path_with_query().unwrap_or_default(),
    );
    for (name, value) in request.get_headers().copy_all() {
        let _ = writeln!(text, "header {name}: {}", String::from_utf8_lossy(&value));
    }
    whole(200, text)
}
