//! Some routes of a service are for everybody, and the rest of it is not: where both owners name them, and nowhere near.
//!
//! 1. The naive snippet: `if path.startswith("/public"): return next()`, before the check of who asks.
//! 2. The missing rule: which of the many spellings of a path is meant, and whether the operator agrees.
//! 3. The tax: a list in each service, that grows, and that nobody who runs it has read.
//! 4. The snippet again: `public_routes = ["GET /ok"]` in the manifest, a wish.
//! 5. The pipeline: what author and operator both name is open, to the letter; a path that could be read in two ways is none of them.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Host, Setup, until};

const WISH: &str = "public_routes = [\"GET /ok\", \"GET /request/...\"]";

fn setup(policy: &str) -> Setup {
    two(WISH).policy(&format!(
        "anonymous = \"deny\"\ncallers = [\"ann\"]\n{policy}"
    ))
}

fn granted() -> Host {
    setup("[services.two]\npublic_routes = [\"GET /...\"]").start()
}

#[test]
fn what_both_name_is_open_and_nothing_that_could_be_taken_for_it() {
    let host = granted();
    for (method, path, open) in [
        ("GET", "/two/ok", true),
        ("HEAD", "/two/ok", true),
        ("GET", "/two/ok?a=/../request", true),
        ("GET", "/two/request/a%20b", true),
        ("POST", "/two/ok", false),
        ("OPTIONS", "/two/ok", false),
        ("GET", "/two/ok/", false),
        ("GET", "/two//ok", false),
        ("GET", "/two/./ok", false),
        ("GET", "/two/%6fk", false),
        ("GET", "/two/ok;x", false),
        ("GET", "/two/request", false),
        ("GET", "/two/request/../echo", false),
        ("GET", "/two/request/%2e%2e/echo", false),
        ("GET", "/two/request/..%2fecho", false),
        ("GET", "/two/request%2fa", false),
        ("GET", "/two/request//echo", false),
        ("GET", "/two/request/%252e%252e/echo", false),
        ("GET", "/two/", false),
        ("GET", "/two/echo", false),
    ] {
        let answer = host.ask(method, path).send();
        // What the gateway itself does not take is as closed.
        let refused = matches!(answer.status, 400 | 401);
        assert_eq!(!refused, open, "{method} {path}: {answer:?}");
    }
    // Whoever says who he is and is not known is refused there too, and so is everybody by whatever name.
    let forged = host
        .ask("GET", "/two/ok")
        .header("authorization", "Bearer hf_a_b");
    forged.send().fault("unauthenticated");
    for name in [
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
        "x-forwarded-prefix",
    ] {
        let answer = host.ask("GET", "/two/echo").header(name, "/ok").send();
        answer.fault("unauthenticated");
    }
    let answer = host.get("/two/ok");
    assert_eq!(host.closing(answer.call())["caller"], "anonymous");
}

#[test]
fn neither_owner_opens_anything_alone_and_the_operator_is_asked() {
    // The author alone.
    let host = setup("").start();
    host.get("/two/ok").fault("unauthenticated");
    let shown = host.offline(&["allow", "two"]);
    let text = format!("{shown:?}");
    assert!(
        text.contains("public_routes") && text.contains("GET /ok"),
        "{text}"
    );
    host.set_policy("anonymous = \"deny\"\ncallers = [\"ann\"]\n[services.two]\npublic_routes = [\"GET /ok\", \"POST /ok\"]");
    until("the route to be open", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
    host.get("/two/request/a").fault("unauthenticated");
    host.ask("POST", "/two/ok").send().fault("unauthenticated");
    let shown = host.offline(&["policy", "two"]).out;
    let row = shown
        .lines()
        .find(|line| line.trim_start().starts_with("public_routes"));
    assert!(
        row.unwrap().contains("GET /ok ") && row.unwrap().contains("policy line"),
        "{shown}"
    );
    assert!(
        shown.contains("`GET /request/...` to be open to everybody"),
        "{shown}"
    );
    // And taken back.
    host.set_policy("anonymous = \"deny\"\ncallers = [\"ann\"]");
    until("the route to be closed", || {
        (host.get("/two/ok").status == 401).then_some(())
    });

    // The operator alone.
    let host = two("")
        .policy("anonymous = \"deny\"\ncallers = [\"ann\"]\n[services.two]\npublic_routes = [\"GET /ok\"]")
        .start();
    host.get("/two/ok").fault("unauthenticated");
}
