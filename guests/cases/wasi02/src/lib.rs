//! One behaviour a path: everything a WASI 0.2 guest may do to its host, each thing by itself.
//!
//! The table below is read by the structure test, which fails when a path is used by no test.

mod answers;
mod asked;
mod burn;
mod floods;
mod frames;
mod inside;
mod keep;
mod outside;
mod reply;
mod secrets;

use asked::Asked;
use reply::Reply;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

wasip2::http::proxy::export!(Cases);

struct Cases;

/// What a path does.
type Behaviour = fn(Asked, Reply);

const BEHAVIOURS: &[(&str, Behaviour)] = &[
    // Uses up what it was given.
    ("/loop", burn::forever),
    ("/spin", burn::rounds),
    ("/spin-between-calls", burn::between_host_calls),
    ("/grow", burn::memory),
    ("/recurse", burn::stack),
    ("/handles", burn::handles),
    // Answers as it should not.
    ("/trap-before", answers::trap_before),
    ("/trap-after-headers", answers::trap_after_headers),
    ("/trap-mid-body", answers::trap_mid_body),
    ("/never", answers::never),
    ("/no-answer", answers::none),
    ("/twice", answers::twice),
    ("/unfinished", answers::unfinished),
    ("/short-body", answers::shorter_than_said),
    ("/status", answers::status),
    ("/body", answers::body),
    ("/stack-trace", answers::stack_trace),
    ("/panic", answers::panic),
    ("/after-answer", answers::works_on),
    ("/after-answer-loop", answers::works_on_forever),
    // Says too much.
    ("/says", frames::says),
    ("/ends-with", frames::ends_with),
    ("/drip", floods::drip),
    ("/flood-body", floods::body),
    ("/flood-headers", floods::headers),
    ("/flood-log", floods::log),
    ("/log", floods::say),
    ("/log-control", floods::control_characters),
    // Answers well, and shows what it sees.
    ("/ok", inside::ok),
    ("/request", inside::request),
    ("/echo", inside::echo),
    ("/trailers", inside::trailers),
    ("/env", inside::environment),
    ("/args", inside::arguments),
    ("/config", inside::config),
    ("/random", inside::random),
    ("/clock", inside::clock),
    // Keeps something for its next call, if it has one.
    ("/kept", keep::kept),
    ("/keep", keep::keep),
    ("/say", keep::say),
    // Reaches out.
    ("/files", outside::files),
    ("/file", outside::file),
    ("/write", outside::write),
    ("/sockets", outside::sockets),
    ("/fetch", outside::fetch),
    ("/fetch-many", outside::fetch_many),
    ("/fetch-forget", outside::fetch_forget),
    ("/fetch-cut", outside::fetch_cut),
    ("/fetch-unread", outside::fetch_unread),
    ("/fetch-mid-stream", outside::fetch_mid_stream),
    ("/fetch-after-answer", outside::fetch_after_answer),
    ("/sign", secrets::sign),
    ("/verify", secrets::verify),
];

impl Guest for Cases {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        keep::count();
        let asked = Asked::of(request);
        let reply = Reply::to(out);
        match BEHAVIOURS.iter().find(|(path, _)| *path == asked.path) {
            Some((_, behaviour)) => behaviour(asked, reply),
            None => reply.text(404, "no such behaviour\n"),
        }
    }
}
