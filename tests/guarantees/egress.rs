//! The one way out, and whom it leads to.
//!
//! 1. The naive snippet: fetch the URL that the caller sent.
//! 2. The missing rule: whom a service may talk to. A URL of the caller's is a request from inside the network: to the metadata address,
//!    to the database's admin page, to the host itself.
//! 3. The tax: a list of forbidden names, which names resolve round; a proxy; a key in every service that calls anything.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: a request goes to an upstream that manifest and policy both name, or nowhere. The name is resolved once, the resolved
//!    address is checked, and that address is dialled. The credential is the host's and never in a guest.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Host, Setup, TlsUpstream, Upstream, closed_port, encoded};
use std::os::unix::fs::PermissionsExt;

fn allowed(setup: Setup, upstream: &Upstream) -> Host {
    setup
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", upstream)
        .start()
}

/// What a guest is told that asks for `url`.
fn fetched(host: &Host, url: &str) -> String {
    let answer = host.get(&format!("/two/fetch?url={}", encoded(url)));
    assert_eq!(
        answer.status,
        200,
        "a denial is told to the guest, not a trap: {}",
        answer.text()
    );
    answer.text()
}

const DENIED: &str = "error HttpRequestDenied\n";

#[test]
fn an_upstream_that_both_name_is_reached() {
    let upstream = Upstream::start();
    let host = allowed(two("upstreams = [\"api\"]"), &upstream);
    let text = fetched(&host, &upstream.url("/ok"));
    assert!(
        text.starts_with("status 200\n") && text.ends_with("body whole 11 bytes\nupstream ok"),
        "{text}"
    );
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn an_address_in_disguise_is_denied_and_no_packet_is_sent() {
    let upstream = Upstream::start();
    let port = upstream.port();
    // The policy names one origin; none of these is it, and most lead to the same place or to a worse one.
    let host = allowed(two("upstreams = [\"api\"]"), &upstream);
    for authority in [
        format!("localhost:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("0177.0.0.1:{port}"),
        format!("127.1:{port}"),
        format!("127.0.0.2:{port}"),
        format!("0.0.0.0:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("[64:ff9b::7f00:1]:{port}"),
        "169.254.169.254".to_owned(),
        "[fd00:ec2::254]".to_owned(),
        "10.0.0.1".to_owned(),
        "172.16.0.1".to_owned(),
        "192.168.0.1".to_owned(),
        "100.64.0.1".to_owned(),
        format!("user@127.0.0.1:{port}"),
    ] {
        let text = fetched(&host, &format!("http://{authority}/ok"));
        // A URL that HTTP does not allow is refused as such, before anybody asks where it leads.
        assert!(
            text == DENIED || text == "error HttpRequestUriInvalid\n",
            "{authority}: {text}"
        );
    }
    let https = fetched(&host, &format!("https://127.0.0.1:{port}/ok"));
    assert_eq!(https, DENIED, "another scheme is another origin");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn an_upstream_whose_name_leads_inside_is_denied_and_no_packet_is_sent() {
    let upstream = Upstream::start();
    let port = upstream.port();
    for authority in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
    ] {
        // The operator named it, but not that it may be inside.
        let host = two("upstreams = [\"api\"]")
            .policy("[services.two]\nupstreams = [\"api\"]")
            .policy(&format!("[upstreams.api]\nurl = \"http://{authority}\""))
            .start();
        let answer = host.get(&format!(
            "/two/fetch?url={}",
            encoded(&format!("http://{authority}/ok"))
        ));
        assert_eq!(answer.text(), DENIED, "{authority}");
        let child = &host.children(answer.call(), 1)[0];
        assert_eq!(child["code"], "capability-denied", "{child}");
        assert!(
            child.to_string().contains("allow_private"),
            "the log says which line: {child}"
        );
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_redirect_is_handed_to_the_guest_and_leads_nowhere_new() {
    let (upstream, elsewhere) = (Upstream::start(), Upstream::start());
    let host = allowed(two("upstreams = [\"api\"]"), &upstream);
    let to = elsewhere.url("/ok");
    let text = fetched(&host, &upstream.url(&format!("/redirect?{to}")));
    assert!(
        text.starts_with("status 302\n") && text.contains(&format!("header location: {to}")),
        "{text}"
    );
    assert_eq!(fetched(&host, &to), DENIED);
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_denial_says_in_the_log_what_would_change_it() {
    let upstream = Upstream::start();
    let url = upstream.url("/ok");
    for (manifest, policy, change) in [
        ("", "[services.two]\nupstreams = [\"api\"]", "upstreams"),
        (
            "upstreams = [\"api\"]\n",
            "[services.two]\nupstreams = [\"api\"]",
            "",
        ),
    ] {
        let host = two(manifest)
            .policy(policy)
            .upstream("api", &upstream)
            .start();
        let answer = host.get(&format!("/two/fetch?url={}", encoded(&url)));
        if change.is_empty() {
            assert!(answer.text().starts_with("status 200"), "{}", answer.text());
            continue;
        }
        assert_eq!(answer.text(), DENIED);
        let child = &host.children(answer.call(), 1)[0];
        assert_eq!(child["code"], "capability-denied");
        assert_eq!(child["boundary"], "policy");
        assert!(
            child["next"]
                .as_str()
                .is_some_and(|next| next.contains(change)),
            "{child}"
        );
    }
}

#[test]
fn the_credential_is_the_hosts() {
    let upstream = Upstream::start();
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("key");
    std::fs::write(&file, "CANARY-credential\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let credential = format!(
        "[upstreams.api.credential]\nheader = \"authorization\"\nformat = \"Bearer {{secret}}\"\nfile = \"{}\"",
        file.display()
    );
    let host = two("upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .policy(&credential)
        .start();
    let url = encoded(&upstream.url("/ok"));
    let text = host
        .get(&format!("/two/fetch?header=authorization:mine&url={url}"))
        .text();
    assert!(text.starts_with("status 200"), "{text}");
    let head = &upstream.seen()[0].head;
    assert!(
        head.contains("authorization: bearer canary-credential"),
        "{head}"
    );
    assert!(
        !head.contains("mine"),
        "the guest's own value is dropped: {head}"
    );
    // An upstream that gives it back gives it to the guest, which is why the log at least does not keep it.
    host.get("/two/log?text=CANARY-credential");
    host.said("out ");
    assert!(!host.log_text().contains("CANARY-credential"));
    assert!(!host.metrics().contains("CANARY"));
}

#[test]
fn a_secret_that_others_may_read_stops_the_host() {
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("key");
    std::fs::write(&file, "open to all").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = two("")
        .policy("[upstreams.api]\nurl = \"https://api.example.com\"")
        .policy(&format!(
            "[upstreams.api.credential]\nheader = \"x-key\"\nfile = \"{}\"",
            file.display()
        ))
        .refused();
    assert_ne!(code, Some(0));
    assert!(said.contains("0600"), "{said}");
}

#[test]
fn tls_is_verified() {
    let upstream = TlsUpstream::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, &upstream.authority).unwrap();
    let url = format!("https://localhost:{}", upstream.port);
    let lines = format!(
        "[services.two]\nupstreams = [\"api\"]\n[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\", \"::1/128\"]"
    );
    let trusting = format!("{lines}\nca = \"{}\"", file.display());
    let host = two("upstreams = [\"api\"]").policy(&trusting).start();
    assert!(fetched(&host, &format!("{url}/ok")).starts_with("status 200"));
    let host = two("upstreams = [\"api\"]").policy(&lines).start();
    let answer = host.get(&format!("/two/fetch?url={}", encoded(&format!("{url}/ok"))));
    assert!(answer.text().starts_with("error "), "{}", answer.text());
    assert_eq!(
        host.children(answer.call(), 1)[0]["code"],
        "upstream-untrusted"
    );
}

#[test]
fn an_upstream_has_deadlines_and_a_size() {
    let upstream = Upstream::start();
    let host = two("upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .policy("connect = \"1s\"\nfirst_byte = \"300ms\"\nbetween_bytes = \"300ms\"\nresponse_bytes = \"1MiB\"\noverride_floor = true")
        .start();
    for (path, code, told) in [
        ("/hang", "upstream-timeout", "error "),
        ("/stall", "upstream-timeout", "body cut"),
        ("/reset", "upstream-fault", "body cut"),
        ("/garbage", "upstream-fault", "error "),
        ("/huge", "upstream-too-large", "body cut"),
    ] {
        let answer = host.get(&format!("/two/fetch?url={}", encoded(&upstream.url(path))));
        assert!(answer.text().contains(told), "{path}: {}", answer.text());
        let child = &host.children(answer.call(), 1)[0];
        assert_eq!(
            (&child["code"], &child["boundary"]),
            (&code.into(), &"upstream".into()),
            "{path}: {child}"
        );
    }
    // A guest may be more impatient than the policy, never more patient.
    let url = encoded(&upstream.url("/hang"));
    let answer = host.get(&format!("/two/fetch?first_byte_ms=100&url={url}"));
    assert!(answer.text().starts_with("error "), "{}", answer.text());
}

#[test]
fn an_upstream_that_is_not_there_is_unreachable() {
    let gone = closed_port();
    let host = two("upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"http://{gone}\"\nallow_private = [\"127.0.0.0/8\"]"
        ))
        .start();
    let answer = host.get(&format!(
        "/two/fetch?url={}",
        encoded(&format!("http://{gone}/"))
    ));
    assert!(answer.text().starts_with("error "), "{}", answer.text());
    assert_eq!(
        host.children(answer.call(), 1)[0]["code"],
        "upstream-unreachable"
    );
}

#[test]
fn an_upstream_is_sent_only_what_the_policy_lists() {
    let upstream = Upstream::start();
    let host = two("upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .policy("methods = [\"GET\"]\npaths = [\"/ok\"]")
        .start();
    for (path, more) in [
        ("/status/200", ""),
        ("/ok/../status/200", ""),
        ("/ok%2f..%2fstatus/200", ""),
        ("/ok", "&method=POST&body=x"),
    ] {
        let url = encoded(&upstream.url(path));
        let answer = host.get(&format!("/two/fetch?url={url}{more}"));
        assert_eq!(answer.text(), DENIED, "{path}");
        let child = &host.children(answer.call(), 1)[0];
        let next = child["next"].as_str().unwrap();
        assert!(
            next.ends_with("under [upstreams.api] in holdfast.toml"),
            "{next}"
        );
    }
    assert_eq!(upstream.seen().len(), 0);
    fetched(&host, &upstream.url("/ok/below"));
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn connections_are_kept_and_counted() {
    let upstream = Upstream::start();
    let host = allowed(two("upstreams = [\"api\"]"), &upstream);
    let url = encoded(&upstream.url("/ok"));
    let answer = host.get(&format!("/two/fetch-many?n=10&url={url}"));
    assert_eq!(
        answer.text().matches("status 200").count(),
        10,
        "{}",
        answer.text()
    );
    assert_eq!((upstream.seen().len(), upstream.connections()), (10, 1));
}

#[test]
fn a_call_may_make_so_many_calls_and_no_more() {
    let upstream = Upstream::start();
    let host = allowed(two("upstreams = [\"api\"]\n[limits]\ncalls = 3"), &upstream);
    let url = encoded(&upstream.url("/ok"));
    let answer = host.get(&format!("/two/fetch-many?n=5&url={url}"));
    assert_eq!(
        answer.text().matches("status 200").count(),
        3,
        "{}",
        answer.text()
    );
    assert_eq!(upstream.seen().len(), 3);
    let children = host.children(answer.call(), 5);
    assert_eq!(
        children
            .iter()
            .filter(|line| line["code"] == "calls-exhausted")
            .count(),
        2
    );
}

#[test]
fn a_child_calls_line_says_what_was_sent() {
    let upstream = Upstream::start();
    let host = allowed(two("upstreams = [\"api\"]"), &upstream);
    let url = encoded(&upstream.url("/ok"));
    let answer = host.get(&format!("/two/fetch?method=POST&body=hello&url={url}"));
    assert_eq!(host.children(answer.call(), 1)[0]["bytes_in"], 5);
}

#[test]
fn who_goes_on_asking_for_calls_that_are_refused_costs_no_more_lines() {
    let upstream = Upstream::start();
    let host = allowed(two("[limits]\ncalls = 3"), &upstream);
    let url = encoded(&upstream.url("/ok"));
    let answer = host.get(&format!("/two/fetch-many?n=10&url={url}"));
    let denied = answer.text().matches("error ").count();
    assert_eq!(denied, 10, "{}", answer.text());
    assert_eq!(host.closing(answer.call())["calls_dropped"], 4);
    assert_eq!(host.children(answer.call(), 6).len(), 6);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn an_upstream_has_so_many_places_and_no_more() {
    let upstream = Upstream::start();
    let host = two("upstreams = [\"api\"]\n[limits]\ndeadline = \"5s\"")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .policy("places = 1")
        .start();
    let held = host
        .ask(
            "GET",
            &format!("/two/fetch?url={}", encoded(&upstream.url("/hang"))),
        )
        .write();
    crate::harness::until("the upstream to be asked", || {
        (!upstream.seen().is_empty()).then_some(())
    });
    let answer = host.get(&format!("/two/fetch?url={}", encoded(&upstream.url("/ok"))));
    assert!(answer.text().starts_with("error "), "{}", answer.text());
    assert_eq!(host.children(answer.call(), 1)[0]["code"], "overloaded");
    drop(held);
}

#[test]
fn a_request_after_the_answer_is_still_the_calls() {
    let upstream = Upstream::start();
    let host = allowed(two("upstreams = [\"api\"]"), &upstream);
    let answer = host.get(&format!(
        "/two/fetch-after-answer?url={}",
        encoded(&upstream.url("/ok"))
    ));
    assert_eq!(answer.text(), "answered\n");
    let child = &host.children(answer.call(), 1)[0];
    assert_eq!(child["outcome"], "ok", "{child}");
    assert_eq!(host.said("after the answer")["call"], answer.call());
}
