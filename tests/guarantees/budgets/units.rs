//! What is paid for by the piece: the answer says how many, in its head or in its body, and what it does not say is not guessed.

use super::{Host, PRICE, paid};
use crate::guarantees::two;
use crate::harness::{Chaos, Does, encoded};

/// A host that asks an upstream of which a request costs 0.0004 USD, a token 0.000001 USD and a page 0.00001 USD.
fn host(chaos: &Chaos) -> Host {
    two("upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]\n[budget]\nhost = \"1 USD / month\"")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\nattempts = 1\nbreaker = false",
            chaos.url("")
        ))
        .policy("[upstreams.api.price]\nrequest = \"0.0004 USD\"")
        .policy("[upstreams.api.price.units.token]\nrate = \"0.000001 USD\"\npointer = \"/usage/total\"\nmost = 1000")
        .policy("[upstreams.api.price.units.page]\nrate = \"0.00001 USD\"\nheader = \"x-pages\"\nmost = 100")
        .start()
}

const TOKEN: u64 = 1_000;
const PAGE: u64 = 10_000;
const WORST: u64 = PRICE + 1_000 * TOKEN + 100 * PAGE;

const BOTH: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-pages: 3\r\ncontent-length: 24\r\n\r\n{\"usage\": {\"total\": 17}}";
const MORE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-pages: 0\r\ncontent-length: 26\r\n\r\n{\"usage\": {\"total\": 5000}}";
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-pages: 1\r\ntransfer-encoding: chunked\r\n\r\n\
    19\r\ndata: {\"usage\": null}\n\nda\r\n24\r\nta: {\"usage\": {\"total\": 40}, \"c\": 1}\r\n10\r\n\n\ndata: [DONE]\n\n\r\n0\r\n\r\n";
const NO_PAGES: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n{\"usage\": {\"total\": 17}}";
const NO_USAGE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-pages: 3\r\ncontent-length: 13\r\n\r\n{\"usage\": {}}";
const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-pages: 3\r\ncontent-length: 99\r\n\r\n{\"usage\": {\"total\": 17}}";

#[test]
fn what_the_answer_says_was_used_is_paid_and_what_it_does_not_say_is_not_guessed() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos);
    let (mut amount, mut unconfirmed) = (0, 0);
    for (does, costs, unknown) in [
        (BOTH, PRICE + 17 * TOKEN + 3 * PAGE, 0),
        (STREAM, PRICE + 40 * TOKEN + PAGE, 0),
        // More than was reserved is a fact.
        (MORE, PRICE + 5_000 * TOKEN, 0),
        (NO_PAGES, PRICE + 17 * TOKEN + 100 * PAGE, 1),
        (NO_USAGE, PRICE + 1_000 * TOKEN + 3 * PAGE, 1),
        (CUT, WORST, 1),
    ] {
        chaos.next(&[Does::Writes(does)]);
        let path = format!("/two/fetch?url={}", encoded(&chaos.url("/ask")));
        let answer = host.get(&path);
        (amount, unconfirmed) = (amount + costs, unconfirmed + unknown * costs);
        assert_eq!(paid(&host), (amount, unconfirmed), "{does}: {answer:?}");
        let line = host.children(answer.call(), 1)[0].clone();
        assert_eq!(line["cost_nanousd"], costs, "{does}");
    }
    host.said("a try of api came to 0.0054 USD, more than the 0.0024 USD that was reserved");
    assert_eq!(host.log_text().matches("that was reserved").count(), 1);
}

#[test]
fn an_answer_is_not_held_up_for_what_it_costs() {
    let chaos = Chaos::start(Does::Writes(BOTH));
    let host = host(&chaos);
    let path = format!("/two/fetch?url={}", encoded(&chaos.url("/ask")));
    let answer = host.get(&path);
    assert!(
        answer.text().contains("{\"usage\": {\"total\": 17}}"),
        "{answer:?}"
    );
}
