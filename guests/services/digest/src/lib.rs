//! A typed service that calls two others: `tasks`, as functions, and `proxy`, over HTTP. Nothing here says how long a call may take, how
//! often it is made, or what to tell whom when it fails.

use acme::tasks::todo;
use exports::acme::digest::daily::{Date, Failure, Guest, Report};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

wit_bindgen::generate!({
    world: "acme:digest/digest",
    path: ["../../../wit/faults.wit", "../tasks/wit", "wit"],
    generate_all,
});

/// The status of a call that the host did not make.
const NOT_ASKED: u16 = 0;

struct Digest;

impl Guest for Digest {
    fn from_lines(lines: Vec<String>, today: Date) -> Result<Report, Failure> {
        let todo::Parsed { tasks, skipped } = todo::parse(&lines).map_err(Failure::Fault)?;
        let tasks = todo::order(&tasks);
        Ok(Report {
            summary: todo::count(&tasks, today),
            tasks,
            skipped,
        })
    }

    fn from_page(path: String, today: Date) -> Result<Report, Failure> {
        let page = page(&path)?;
        let lines = page.lines().map(str::to_owned).collect();
        Self::from_lines(lines, today)
    }
}

/// What the service `proxy` answers at that path.
fn page(path: &str) -> Result<String, Failure> {
    let not_asked = |_| Failure::Unread(NOT_ASKED);
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some("proxy.internal")).unwrap();
    request
        .set_path_with_query(Some(path))
        .map_err(|()| Failure::Unread(NOT_ASKED))?;
    let pending = outgoing_handler::handle(request, None).map_err(not_asked)?;
    pending.subscribe().block();
    let answer = pending.get().unwrap().unwrap().map_err(not_asked)?;
    if answer.status() != 200 {
        return Err(Failure::Unread(answer.status()));
    }
    let body = answer.consume().unwrap();
    let stream = body.stream().unwrap();
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return Err(Failure::Unread(NOT_ASKED)),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

export!(Digest);
