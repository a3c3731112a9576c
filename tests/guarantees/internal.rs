//! Services call each other through the same pipeline.
//!
//! 1. The naive snippet: `http://notes.internal/count`.
//! 2. The missing rule: what holds between services. An address in a setting, no deadline passed on, a circle that nobody sees.
//! 3. The tax: service discovery, a mesh, a header that everybody must pass on.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: the call goes to the service in the process, with what is left of the deadline, the same trace and the chain of who
//!    asked whom; a circle is refused.
//! 6. The checklist is below.

use super::{three, two};
use crate::harness::{Guest, Setup, encoded, until};

fn services(grant: &str) -> Setup {
    Setup::new()
        .service("front", Guest::Service("front"), "services = [\"notes\"]")
        .service(
            "notes",
            Guest::Service("notes"),
            "purpose = \"stream notes\"",
        )
        .policy(grant)
}

#[test]
fn a_service_calls_another_by_its_name() {
    let host = services("[services.front]\nservices = [\"notes\"]").start();
    let answer = host.get("/front/count?n=3");
    assert_eq!(answer.text(), "note 1\nnote 2\nnote 3\n");
    let outer = host.closing(answer.call());
    let inner = &host.children(answer.call(), 1)[0];
    assert_eq!(inner["service"], "notes", "{inner}");
    assert_eq!(inner["trace"], outer["trace"]);
    assert!(inner["caller"].to_string().contains("front"), "{inner}");
    assert_eq!(inner["outcome"], "ok");
}

#[test]
fn a_service_that_does_not_read_what_it_asked_for_holds_nothing_of_the_other() {
    let host = two("services = [\"other\"]")
        .service("other", Guest::Case("wasi02"), "[limits]\nidle = \"300ms\"")
        .policy("[services.two]\nservices = [\"other\"]")
        .start();
    let url = encoded("http://other.internal/flood-body");
    let _asking = host
        .ask("GET", &format!("/two/fetch-unread?url={url}"))
        .write();
    let closing = until("the unread answer to be cut", || {
        let lines = host.closings();
        lines.into_iter().find(|line| line["service"] == "other")
    });
    assert_eq!(closing["code"], "deadline-exceeded", "{closing}");
    assert_eq!(host.metric("holdfast_open_streams", "other"), 0.0);
}

#[test]
fn it_needs_both_owners() {
    let host = services("").start();
    // The manifest asks for what the policy does not allow: the service is not loaded, and the line says what would change that.
    host.get("/front/count").fault("no-such-service");
    let listed = host.listed("front").unwrap().to_string();
    assert!(
        listed.contains("notes") && listed.contains("holdfast allow front"),
        "{listed}"
    );
    assert_eq!(host.get("/notes/count?n=1").text(), "note 1\n");
}

#[test]
fn a_circle_is_found() {
    let manifest = "services = [\"two\"]";
    let host = two(manifest)
        .policy("[services.two]\nservices = [\"two\"]")
        .start();
    let inner = encoded("http://two.internal/ok");
    let once = host.get(&format!("/two/fetch?url={inner}"));
    assert!(
        once.text().ends_with("ok\n"),
        "one call of oneself is allowed: {}",
        once.text()
    );
    let url = (0..3).fold("http://two.internal/ok".to_owned(), |url, _| {
        format!("http://two.internal/fetch?url={}", encoded(&url))
    });
    let answer = host.get(&format!("/two/fetch?url={}", encoded(&url)));
    crate::harness::until("the circle to be refused", || {
        host.closings()
            .into_iter()
            .find(|line| line["code"] == "loop-detected")
    });
    assert_eq!(
        answer.status,
        200,
        "the guest was told, and went on: {}",
        answer.text()
    );
}

#[test]
fn a_guest_of_0_3_calls_too() {
    let host = three("services = [\"notes\"]")
        .service("notes", Guest::Service("notes"), "")
        .policy("[services.three]\nservices = [\"notes\"]")
        .start();
    let url = encoded("http://notes.internal/upper");
    let text = host
        .get(&format!("/three/fetch?body=quiet&url={url}"))
        .text();
    assert!(
        text.starts_with("status 200") && text.ends_with("QUIET"),
        "{text}"
    );
}

#[test]
fn a_service_that_is_not_there_is_an_error_to_the_guest() {
    let host = two("services = [\"gone\"]")
        .policy("[services.two]\nservices = [\"gone\"]")
        .start();
    let text = host
        .get(&format!(
            "/two/fetch?url={}",
            encoded("http://gone.internal/")
        ))
        .text();
    assert!(
        text.starts_with("error ") || text.starts_with("status 404"),
        "{text}"
    );
}
