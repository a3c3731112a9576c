//! A component of a compiler that knows only the old WASI: C on its own library, Go with its whole runtime.
//!
//! 1. The naive snippet: `cp handler.wasm plugins/`.
//! 2. The missing rule: a runtime asks for files, clocks and chance before it asks for a request.
//! 3. The tax: a host that grants those by hand, or refuses what it does not know.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: what the adapter asks for is there, and holds nothing.
//! 6. The checklist is below.

use crate::harness::{Guest, Setup, patiently};

#[test]
fn c_and_go_answer_within_the_default_limits_and_start_once_where_that_is_asked_for() {
    let host = Setup::new().start();
    for (language, name) in [("c", "C"), ("go", "Go")] {
        let says = format!("Hello from {name}, at /some/where?x=1\n");
        let path = format!("/{language}/some/where?x=1");
        for manifest in ["", "reuse = 50\n"] {
            host.drop_in(language, Guest::Foreign(language), manifest);
            patiently(&format!("{language} to answer"), || {
                (host.get(&path).text() == says).then_some(())
            });
            for _ in 0..60 {
                assert_eq!(host.get(&path).text(), says);
            }
        }
        patiently("an instance to wait for its next call", || {
            assert_eq!(host.get(&path).text(), says);
            (host.metric("holdfast_idle_instances", "") >= 1.0).then_some(())
        });
        host.remove(language);
    }
}
