//! A component that somebody built years ago, against whatever WASI 0.2 there was then, loads and answers like one of today.
//!
//! 1. The naive snippet: `cp old.wasm plugins/`.
//! 2. The missing rule: a later release of WASI 0.2 offers what an earlier one did.
//! 3. The tax: building everything anew whenever the host moves.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: imports are matched by what they are compatible with, not by their last number.
//! 6. The checklist is below.

use crate::harness::{Project, Setup, patiently};

/// Bindings as they were published, by the release of WASI that they are of.
const BINDINGS: &[(&str, &str)] = &[
    ("wasi", "=0.13.0"),
    ("wasi", "=0.13.3"),
    ("wasip2", "=1.0.1"),
    ("wasip2", "=2.0.1"),
];

const SOURCE: &str = r#"
use BINDINGS::exports::http::incoming_handler::Guest;
use BINDINGS::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

BINDINGS::http::proxy::export!(Aged);

struct Aged;

impl Guest for Aged {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().unwrap();
        stream.blocking_write_and_flush(b"Hello from VERSION\n").unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}
"#;

#[test]
fn rust_of_every_age_of_wasi_two_answers() {
    let host = Setup::new().start();
    for (bindings, version) in BINDINGS {
        let project = Project::on(&host, "aged", "rust");
        let wstd = "wstd = { version = \"=0.6.8\", default-features = false }";
        project.edit("Cargo.toml", wstd, &format!("{bindings} = \"{version}\""));
        let library = "[lib]\ncrate-type = [\"cdylib\"]\n\n[dependencies]";
        project.edit("Cargo.toml", "[dependencies]", library);
        project.remove("src/main.rs");
        let source = SOURCE
            .replace("BINDINGS", bindings)
            .replace("VERSION", version);
        project.write("src/lib.rs", &source);
        project.build().done();
        patiently(&format!("{bindings} {version} to answer"), || {
            (host.get("/aged/").text() == format!("Hello from {version}\n")).then_some(())
        });
    }
}
