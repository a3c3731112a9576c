//! Tasks are kept as their author described them, and somebody is reminded of each that is due, once, whatever happens meanwhile.
//!
//! 1. The naive snippet: a handful of routes over a store, and a loop that looks for what is due and tells a chat.
//! 2. The missing rule: what a request must be; two hosts that both look; a chat that is down while something is due; a host that is restarted
//!    each minute and has told somebody each time.
//! 3. The tax: a validator, a scheduler, a lock, a table of what was told, a queue with back-off.
//! 4. The snippet again: guests/services/task-manager, which has a route for the reminder and a function that tells of one task.
//! 5. The pipeline: the manifest says what a request must be and when the host asks for the reminder; what it sends goes out when it has
//!    ended, and comes again until it was told.
//! 6. The checklist is below.

use crate::harness::{Answer, Chaos, Does, Guest, Host, Setup, root, until};
use serde_json::{Value, json};

const TASKS: &str = "/task-manager/tasks";
/// A time that is over, and one that is not.
const OVER: &str = "2020-01-01T00:00:00Z";
const FAR: &str = "2999-01-01T00:00:00Z";
const POLICY: &str = r#"
[services.task-manager]
upstreams = ["chat"]
kv = ["tasks", "done", "reminded"]
queues = ["task-manager"]
"#;

/// The service as it is delivered, with a chat, and reminded each second.
fn start(chat: &Chaos) -> Host {
    let folder = root().join("guests/services/task-manager");
    let setup = Setup::new();
    for document in [
        "task-manager.new.schema.json",
        "task-manager.task.schema.json",
    ] {
        std::fs::copy(folder.join(document), setup.plugins().join(document)).unwrap();
    }
    let manifest = std::fs::read_to_string(folder.join("task-manager.toml")).unwrap();
    let manifest = manifest.replace("every = \"1m\"", "every = \"1s\"");
    let url = chat.url("");
    let manifest = format!("upstreams = [\"chat\"]\n{manifest}\n[config]\nchat = \"{url}/hook\"");
    let upstream =
        format!("[upstreams.chat]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\n");
    setup
        .service("task-manager", Guest::Service("task-manager"), &manifest)
        .policy(POLICY)
        .policy(&upstream)
        .start()
}

fn read(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn asked(host: &Host, method: &str, path: &str) -> Answer {
    host.ask(method, &format!("{TASKS}{path}")).send()
}

fn post(host: &Host, task: &Value) -> Answer {
    let ask = host.ask("POST", TASKS);
    let ask = ask.header("content-type", "application/json");
    ask.body(task.to_string()).send()
}

/// Has a task kept; its number.
fn add(host: &Host, title: &str, due: &str) -> String {
    let answer = post(host, &json!({ "title": title, "due": due }));
    assert_eq!(answer.status, 201, "{}", answer.text());
    read(&answer)["id"].as_str().unwrap().to_owned()
}

/// Waits until the task is one of which somebody was told.
fn wait_for_reminder(host: &Host, id: &str) {
    until(&format!("a reminder of {id}"), || {
        let task = read(&asked(host, "GET", &format!("/{id}")));
        (task["reminded"] == true).then_some(())
    });
}

/// Waits until the host has asked for reminders twice more, so that the second time began after this.
fn wait_for_ticks(host: &Host) {
    let fired = || {
        let said = host.command(&["schedules", "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let line: Value = serde_json::from_str(said.out.lines().next()?).unwrap();
        line["fired"].as_u64()
    };
    let before = until("a schedule", fired);
    until("two more ticks", || (fired()? >= before + 2).then_some(()));
}

/// What the chat was told since somebody asked last, sorted.
fn told(chat: &Chaos) -> Vec<String> {
    let taken = chat.taken().into_iter();
    let texts = taken.map(|(_, seen)| {
        let said: Value = serde_json::from_slice(&seen.body).unwrap();
        said["text"].as_str().unwrap().to_owned()
    });
    let mut texts: Vec<_> = texts.collect();
    texts.sort_unstable();
    texts
}

#[test]
fn tasks_are_kept_listed_done_and_removed() {
    let chat = Chaos::start(Does::Serves);
    let mut host = start(&chat);
    let answer = post(&host, &json!({ "title": "call Ann" }));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let whenever = json!({ "id": "1", "title": "call Ann", "done": false, "reminded": false });
    assert_eq!(read(&answer), whenever);
    assert_eq!(add(&host, "pay the rent", FAR), "2");
    assert_eq!(add(&host, "rest", FAR), "3");
    let done = read(&asked(&host, "POST", "/2/done"));
    assert_eq!(done["done"], true, "{done}");
    assert_eq!(asked(&host, "DELETE", "/3").status, 204);
    for (method, path) in [("GET", "/3"), ("POST", "/3/done"), ("GET", "/none")] {
        assert_eq!(asked(&host, method, path).status, 404, "{method} {path}");
    }
    host.restart();
    let all = read(&asked(&host, "GET", ""));
    let all: Vec<_> = all.as_array().unwrap().iter().collect();
    assert_eq!(all, [&whenever, &done]);
    // A number is never another's.
    assert_ne!(add(&host, "sleep", FAR), "3");
}

#[test]
fn what_is_no_task_does_not_come_that_far() {
    let chat = Chaos::start(Does::Serves);
    let host = start(&chat);
    let problem = post(&host, &json!({ "due": "tomorrow" })).fault("invalid-input");
    let places: Vec<_> = problem["violations"].as_array().unwrap().iter().collect();
    let at = |pointer: &str| places.iter().any(|place| place["pointer"] == pointer);
    assert!(at("/title") && at("/due"), "{problem}");
    host.get("/task-manager/other").fault("no-such-operation");
    assert_eq!(read(&asked(&host, "GET", "")), json!([]));
}

#[test]
fn a_task_that_was_added_by_mistake_is_undone_by_one_command() {
    let chat = Chaos::start(Does::Serves);
    let host = start(&chat);
    let answer = post(&host, &json!({ "title": "call Ann" }));
    let undone = host.command(&["undo", answer.call()]);
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert_eq!(asked(&host, "GET", "/1").status, 404);
}

#[test]
fn somebody_is_told_of_each_that_is_due_once_over_restarts() {
    let chat = Chaos::start(Does::Serves);
    let mut host = start(&chat);
    let due = ["call Ann", "pay the rent", "rest"].map(|title| add(&host, title, OVER));
    add(&host, "sleep", FAR);
    post(&host, &json!({ "title": "whenever" }));
    for id in &due {
        wait_for_reminder(&host, id);
    }
    for _ in 0..2 {
        host.restart();
        wait_for_ticks(&host);
    }
    assert_eq!(
        told(&chat),
        ["Due: call Ann", "Due: pay the rent", "Due: rest"]
    );
}

#[test]
fn of_what_is_done_in_time_nobody_is_told() {
    let chat = Chaos::start(Does::Hangs);
    let mut host = start(&chat);
    let (done, removed) = (add(&host, "call Ann", OVER), add(&host, "rest", OVER));
    // They may be under way already, to a chat that does not answer.
    assert_eq!(asked(&host, "POST", &format!("/{done}/done")).status, 200);
    assert_eq!(asked(&host, "DELETE", &format!("/{removed}")).status, 204);
    host.kill();
    chat.taken();
    chat.usually(Does::Serves);
    host.again();
    let last = add(&host, "sleep", OVER);
    wait_for_reminder(&host, &last);
    wait_for_ticks(&host);
    assert_eq!(told(&chat), ["Due: sleep"]);
}

#[test]
fn while_the_chat_fails_the_reminder_comes_again_and_is_told_once() {
    let chat = Chaos::start(Does::Serves);
    chat.next(&[Does::Answers(503, ""), Does::Answers(500, "")]);
    let host = start(&chat);
    let id = add(&host, "call Ann", OVER);
    wait_for_reminder(&host, &id);
    wait_for_ticks(&host);
    // Twice in vain, though each second asks for it, and then no more than once.
    assert_eq!(chat.count(), 3);
}

#[test]
fn a_host_that_is_killed_while_it_tells_tells_in_its_next_life() {
    let chat = Chaos::start(Does::Hangs);
    let mut host = start(&chat);
    let id = add(&host, "call Ann", OVER);
    until("it to be told", || (chat.count() > 0).then_some(()));
    host.kill();
    chat.taken();
    chat.usually(Does::Serves);
    host.again();
    wait_for_reminder(&host, &id);
    wait_for_ticks(&host);
    assert_eq!(told(&chat), ["Due: call Ann"]);
}
