//! Whoever runs a host is told what waits for him: few things, once each, by a way of his own.
//!
//! 1. The naive snippet: a line in a log.
//! 2. The missing rule: which of ten thousand lines somebody must act on, today, and who tells him while he does not read logs.
//! 3. The tax: a second system that reads the logs, with rules of its own about texts that change with each release.
//! 4. The snippet again, unchanged.
//! 5. The host: what finds such a thing says so to one line of notices, which holds nobody up; they are posted through the one way out, or a
//!    command is given them. The same is told once in a while, what is lost is counted, and no secret is in them.
//! 6. The checklist is below.

use super::two;
use crate::harness::{
    Chaos, Does, Guest, Host, Setup, Upstream, closed_port, encoded, keep_private, run, until,
};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_call::Clock as _;
use holdfast_rules::clock::HostClock;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use sha2::Sha256;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What notices are signed with.
const SECRET: &str = "CANARY-notices-are-signed-with-this";

/// With a receiver at this path of `upstream`, and these further lines of [notify].
fn receiver(setup: Setup, upstream: &Upstream, path: &str, more: &str) -> Setup {
    let url = upstream.url(path);
    setup
        .upstream("hooks", upstream)
        .policy(&format!("[notify]\nurl = \"{url}\"\n{more}"))
}

/// What the receiver was told so far, by the word for what happened.
fn told(upstream: &Upstream, kind: &str) -> Vec<Value> {
    let seen = upstream.seen().into_iter();
    let all = seen.map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap_or_default());
    all.filter(|told| told["type"] == kind).collect()
}

/// The first notice of this kind, waited for.
fn first(upstream: &Upstream, kind: &str) -> Value {
    until(&format!("a notice of {kind}"), || {
        told(upstream, kind).into_iter().next()
    })
}

fn field(head: &str, name: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
        .to_owned()
}

fn start_fails(host: &Host, name: &str) {
    for _ in 0..3 {
        let answer = host.get(&format!("/{name}/"));
        assert!(answer.text().contains("service-fault"), "{answer:?}");
    }
}

#[test]
fn a_service_that_is_left_alone_is_told_of_once_and_the_notice_is_signed() {
    let upstream = Upstream::start();
    let setup = two("").service("dead", Guest::Text("start-trap"), "");
    keep_private(&setup.dir.path().join("notices.secret"), SECRET);
    let host = receiver(
        setup,
        &upstream,
        "/ok?token=CANARY-token",
        "secret = \"notices\"",
    )
    .policy("[secrets.notices]\nuses = [\"sign\"]\nfile = \"notices.secret\"")
    .start();
    start_fails(&host, "dead");
    let notice = first(&upstream, "quarantine");
    assert_eq!(notice["data"]["about"], "service:dead");
    let text = notice["data"]["text"].as_str().unwrap();
    assert!(text.contains("does not start"), "{text}");
    assert_eq!(notice["data"]["lost"], 0);
    // Whoever has the secret can tell that it is ours.
    let seen = &upstream.seen()[0];
    let (id, time) = (
        field(&seen.head, "webhook-id: "),
        field(&seen.head, "webhook-timestamp: "),
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(&seen.body);
    let code = BASE64.encode(&mac.finalize().into_bytes()).to_lowercase();
    assert_eq!(
        field(&seen.head, "webhook-signature: "),
        format!("v1,{code}")
    );
    // A probe that fails is the same event about the same thing.
    until("another start that fails", || {
        host.get("/dead/");
        (host.listed("dead").unwrap()["quarantine"]["failures"].as_u64() > Some(3)).then_some(())
    });
    assert_eq!(told(&upstream, "quarantine").len(), 1);
    assert_eq!(host.metric("holdfast_notices_total", "told"), 1.0);
    // The host made the request itself, and nothing secret is anywhere.
    assert!(host.log_text().contains("\"caller\":\"host\""));
    let everything = format!("{}{}{notice}", host.log_text(), host.stderr());
    assert!(!everything.contains("CANARY"), "{everything}");
}

#[test]
fn a_version_that_is_put_back_is_told_of_and_so_is_a_full_disk() {
    let upstream = Upstream::start();
    let setup = Setup::new().service("two", Guest::Service("hello"), "");
    let host = receiver(setup, &upstream, "/ok", "disk_free = \"1024TiB\"").start();
    let low = first(&upstream, "disk-low");
    assert!(low.to_string().contains("notify.disk_free = 1024TiB"));
    let good = host.listed("two").unwrap()["digest"].clone();
    assert_eq!(host.get("/two/panic").status, 200);
    host.drop_in("two", Guest::Case("wasi02"), "");
    until("the new version", || {
        (host.listed("two").unwrap()["digest"] != good).then_some(())
    });
    for _ in 0..50 {
        host.get("/two/panic");
    }
    let notice = first(&upstream, "put-back");
    assert_eq!(notice["data"]["about"], "service:two");
    let text = notice["data"]["text"].as_str().unwrap();
    assert!(text.contains("50 of its first 50"), "{text}");
}

#[test]
fn a_budget_that_is_nearly_spent_is_told_of() {
    let (upstream, chaos) = (Upstream::start(), Chaos::start(Does::Serves));
    let setup = Setup::new()
        .policy("[budget]\nhost = \"0.004 USD / month\"")
        .naive("api", &chaos.url(""), "")
        .policy("[upstreams.api.price]\nrequest = \"0.0004 USD\"");
    let host = receiver(
        setup,
        &upstream,
        "/ok",
        "on = [\"budget-soft\"]\ndisk_free = \"1024TiB\"",
    )
    .start();
    for _ in 0..9 {
        assert_eq!(host.get("/api/pay").status, 200);
    }
    let notice = first(&upstream, "budget-soft");
    assert_eq!(notice["data"]["about"], "budget of the host");
    // Nobody wants to hear of the disk.
    assert_eq!(told(&upstream, "disk-low").len(), 0);
}

#[test]
fn a_call_of_which_nobody_knows_the_end_is_told_of_and_by_its_name_when_it_is_asked_for_again() {
    let upstream = Upstream::start();
    let setup = two("upstreams = [\"hooks\"]").policy("[services.two]\nupstreams = [\"hooks\"]");
    let mut host = receiver(setup, &upstream, "/ok", "").start();
    let url = encoded(&upstream.url("/hang"));
    let ask = |host: &Host| {
        host.ask(
            "POST",
            &format!("/two/fetch?method=POST&body=order&url={url}"),
        )
        .header("idempotency-key", "paid")
    };
    let paying = ask(&host).begin();
    until("the upstream to have the request", || {
        let seen = upstream.seen();
        seen.iter()
            .any(|seen| seen.head.starts_with("post /hang"))
            .then_some(())
    });
    host.kill();
    drop(paying);
    host.again();
    let begun = first(&upstream, "indeterminate");
    assert_eq!(begun["data"]["about"], "host");
    until("the service to be there", || {
        let answer = ask(&host).send();
        (answer.status != 404).then_some(answer)
    })
    .fault("indeterminate");
    let notice = until("the notice of the call", || {
        let mut all = told(&upstream, "indeterminate").into_iter();
        all.find(|notice| notice["data"]["about"] != "host")
    });
    let listed = host.command(&["executions", "ls", "--json"]).out;
    let line: Value = serde_json::from_str(listed.trim()).unwrap();
    let call = line["call"].as_str().unwrap();
    assert_eq!(notice["data"]["about"], format!("call:{call}"));
    assert!(notice.to_string().contains("holdfast executions release"));
}

#[test]
fn a_log_that_was_touched_up_is_told_of_although_nothing_can_be_put_on_record_any_more() {
    let upstream = Upstream::start();
    let mut host = receiver(two(""), &upstream, "/ok", "").start();
    assert_eq!(host.command(&["reload"]).code, Some(0));
    host.kill();
    let files = std::fs::read_dir(host.dir().join("data/audit")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let file = files
        .into_iter()
        .find(|file| std::fs::read_to_string(file).is_ok_and(|text| text.contains("\"reload\"")));
    let file = file.unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"reload\"", "\"unload\"")).unwrap();
    host.again();
    let notice = first(&upstream, "audit-unverifiable");
    assert!(notice.to_string().contains("holdfast audit verify"));
}

/// The second that it is now.
fn now() -> u64 {
    HostClock::start().wall().millis() / 1_000
}

/// Puts a pair into `dir` whose certificate ends in so many days.
fn pair(dir: &Path, days: u64) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(now() + days * 86_400);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
    keep_private(&dir.join("key.pem"), &key.serialize_pem());
}

#[test]
fn a_certificate_that_ends_soon_is_told_of_and_one_that_lasts_is_not() {
    for (days, ends) in [(3, true), (90, false)] {
        let upstream = Upstream::start();
        let setup = receiver(Setup::new(), &upstream, "/ok", "disk_free = \"1024TiB\"").policy(
            "[listen]\naddress = \"127.0.0.1:0\"\n[listen.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"",
        );
        pair(setup.dir.path(), days);
        let _host = setup.start();
        if ends {
            let notice = first(&upstream, "certificate-ending").to_string();
            assert!(
                notice.contains("ends in 2 days") || notice.contains("ends in 3 days"),
                "{notice}"
            );
        } else {
            // Both are looked at when it begins.
            first(&upstream, "disk-low");
            assert_eq!(told(&upstream, "certificate-ending").len(), 0);
        }
    }
}

#[test]
fn who_does_not_take_it_is_asked_three_times_and_the_next_notice_says_what_was_lost() {
    let upstream = Upstream::start();
    let setup = two("")
        .service("dead", Guest::Text("start-trap"), "")
        .service("gone", Guest::Text("start-trap"), "");
    let host = receiver(setup, &upstream, "/status/500", "").start();
    start_fails(&host, "dead");
    let said = host.said("nobody could be told");
    assert_eq!(said["level"], "error");
    assert!(said.to_string().contains("500"), "{said}");
    let ids: Vec<_> = upstream.seen();
    let ids: Vec<_> = ids
        .iter()
        .map(|seen| field(&seen.head, "webhook-id: "))
        .collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(host.metric("holdfast_notices_total", "lost"), 1.0);
    let policy = std::fs::read_to_string(host.config()).unwrap();
    std::fs::write(host.config(), policy.replace("/status/500", "/ok")).unwrap();
    assert_eq!(host.command(&["reload"]).code, Some(0));
    start_fails(&host, "gone");
    let notice = until("the other notice", || {
        let all = told(&upstream, "quarantine").into_iter();
        all.last()
            .filter(|notice| notice["data"]["about"] == "service:gone")
    });
    assert_eq!(notice["data"]["lost"], 1, "{notice}");
}

#[test]
fn a_flood_holds_nobody_up_and_is_bounded() {
    let upstream = Upstream::start();
    let mut setup = two("");
    let count = 72;
    for number in 0..count {
        setup = setup.service(&format!("dead-{number}"), Guest::Text("start-trap"), "");
    }
    let host = receiver(setup, &upstream, "/hang", "").start();
    for number in 0..count {
        start_fails(&host, &format!("dead-{number}"));
    }
    assert_eq!(host.get("/two/ok").status, 200);
    // One or two have been taken out of the line, 64 wait.
    let lost = host.metric("holdfast_notices_total", "lost");
    assert!((4.0..=8.0).contains(&lost), "{lost}");
    let policy = std::fs::read_to_string(host.config()).unwrap();
    std::fs::write(host.config(), policy.replace("/hang", "/ok")).unwrap();
    assert_eq!(host.command(&["reload"]).code, Some(0));
    let delivered = until("those that waited", || {
        let all = told(&upstream, "quarantine");
        let lost = |one: &Value| one["data"]["lost"].as_u64().unwrap();
        (all.iter().map(lost).sum::<u64>() >= 4 && all.len() > 64).then_some(all)
    });
    assert!(delivered.len() <= count + 2, "{}", delivered.len());
}

/// [notify] with a shell as the command; its words are told what follows.
fn shell(script: &str, more: &[&Path]) -> String {
    let mut words = vec![
        "/bin/sh".to_owned(),
        "-c".to_owned(),
        script.to_owned(),
        "sh".to_owned(),
    ];
    words.extend(more.iter().map(|path| path.display().to_string()));
    format!("command = {}", json!(words))
}

#[test]
fn a_command_is_given_it_with_nothing_of_the_hosts_in_its_environment() {
    let setup = two("").environment("HOLDFAST_TEST_CANARY", "CANARY");
    let (message, environment) = (
        setup.dir.path().join("message"),
        setup.dir.path().join("environment"),
    );
    let script =
        "env > \"$2.new\" && mv \"$2.new\" \"$2\"; cat > \"$1.new\" && mv \"$1.new\" \"$1\"";
    let command = shell(script, &[&message, &environment]);
    let host = setup.policy(&format!("[notify]\n{command}")).start();
    let said = host.command(&["notify", "test"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let told: Value = serde_json::from_slice(&std::fs::read(&message).unwrap()).unwrap();
    assert_eq!(told["type"], "test");
    let environment = std::fs::read_to_string(environment).unwrap();
    // The shell makes some of its own.
    let own = ["PATH=", "PWD=", "OLDPWD=", "SHLVL=", "_="];
    let foreign = environment
        .lines()
        .find(|line| !own.iter().any(|own| line.starts_with(own)));
    assert_eq!(foreign, None, "{environment}");
    // What an operator has done is on record.
    assert!(host.command(&["audit", "show"]).out.contains("notify test"));
}

/// Whether the process whose number is in this file lives.
fn lives(file: &PathBuf) -> bool {
    let pid = std::fs::read_to_string(file).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // One that nobody has waited for yet is dead all the same.
    status.is_ok_and(|status| !status.contains(") Z "))
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let setup = two("");
    let (own, child) = (setup.dir.path().join("own"), setup.dir.path().join("child"));
    let script = "echo $$ > \"$1\"; sleep 1000 & echo $! > \"$2\"; wait";
    let command = shell(script, &[&own, &child]);
    let host = setup.policy(&format!("[notify]\n{command}")).start();
    let said = host.command(&["notify", "test"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("killed after 10 s"), "{said:?}");
    until("both to be dead", || {
        (!lives(&own) && !lives(&child)).then_some(())
    });
    assert_eq!(host.get("/two/ok").status, 200);
}

#[test]
fn where_the_receiver_is_dead_the_command_is_run() {
    let setup = two("").service("dead", Guest::Text("start-trap"), "");
    let message = setup.dir.path().join("message");
    let nowhere = closed_port();
    let command = shell("cat > \"$1.new\" && mv \"$1.new\" \"$1\"", &[&message]);
    let host = setup
        .policy(&format!(
            "[upstreams.hooks]\nurl = \"http://{nowhere}\"\nallow_private = [\"127.0.0.0/8\"]\n\
             [notify]\nurl = \"http://{nowhere}/\"\n{command}"
        ))
        .start();
    start_fails(&host, "dead");
    let told = until("the command to be run", || std::fs::read(&message).ok());
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["type"], "quarantine");
    // A trial tries every way, and says which one leads nowhere.
    let said = host.command(&["notify", "test"]);
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[test]
fn where_nobody_is_told_a_trial_says_so_and_a_program_that_is_not_there_is_found_by_doctor() {
    let host = two("").start();
    let said = host.command(&["notify", "test"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("[notify]"), "{said:?}");
    let config = host.dir().join("other.toml");
    let missing = host.dir().join("no-such-program");
    let text = format!(
        "anonymous = \"allow\"\n[notify]\ncommand = [\"{}\"]",
        missing.display()
    );
    std::fs::write(&config, text).unwrap();
    let said = run(&["doctor", "--config", config.to_str().unwrap()]);
    assert_eq!(said.code, Some(10), "{said:?}");
    assert!(
        said.out.contains("no-such-program cannot be run"),
        "{said:?}"
    );
}
