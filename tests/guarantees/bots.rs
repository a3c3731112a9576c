//! A bot that asks for what people write answers each of them once, in the order in which they wrote, and without an address of its own.
//!
//! 1. The naive snippet: a loop that asks for updates, answers each, and asks for those behind the last one.
//! 2. The missing rule: the loop dies, and nobody begins it again; two hosts have two loops; what was confirmed and not yet answered is lost
//!    with its host; what fails is answered again from the beginning of the batch; and one update that nobody understands stops all others.
//! 3. The tax: a supervisor, a lock, a table of updates, workers, back-off; and the token in the code, in its logs and in its errors.
//! 4. The snippet again: guests/services/telegram-bot, with `every = "0s"` and a queue of its own.
//! 5. The pipeline: the host asks for the poll again as soon as it has ended, wherever it lives; the poll is durable, so that what it sent and
//!    what it noted belong together; each update is a message known by its number; and the host puts the token where it goes.
//! 6. The checklist is below.

mod telegram;

use crate::harness::{Guest, Host, Setup, keep_private, root, until};
use serde_json::json;
use telegram::{TOKEN, Telegram};

const NAME: &str = "telegram-bot";

/// The service as it is delivered.
fn start(telegram: &Telegram) -> Host {
    let file = root().join(format!("guests/services/{NAME}/{NAME}.toml"));
    let manifest = std::fs::read_to_string(file).unwrap();
    let url = telegram.url();
    let manifest = manifest.replace("https://api.telegram.org", &url);
    let setup = Setup::new().service(NAME, Guest::Service("telegram-bot"), &manifest);
    keep_private(&setup.dir.path().join("telegram.secret"), TOKEN);
    let policy = format!(
        "[services.telegram-bot]\nanonymous = \"deny\"\nupstreams = [\"telegram\"]\nkv = [\"default\"]\nqueues = [\"telegram-bot\"]\n\
         [upstreams.telegram]\nurl = \"{url}/bot{{secret}}\"\nfirst_byte = \"28s\"\nallow_private = [\"127.0.0.0/8\"]\n\
         [upstreams.telegram.credential]\nfile = \"telegram.secret\""
    );
    setup.policy(&policy).start()
}

/// Waits until so many messages were taken, and then for what might come behind them.
fn wait_for(telegram: &Telegram, count: usize) -> Vec<(u64, String)> {
    until(&format!("{count} answers"), || {
        (telegram.sent().len() >= count).then_some(())
    });
    wait_for_polls(telegram, 2);
    telegram.sent()
}

fn wait_for_polls(telegram: &Telegram, more: usize) {
    let before = telegram.polled();
    until("more polls", || {
        (telegram.polled() >= before + more).then_some(())
    });
}

fn texts(sent: &[(u64, String)]) -> Vec<&str> {
    sent.iter().map(|(_, text)| text.as_str()).collect()
}

/// Answers to chats of which each was sent one, by their numbers.
fn chats(mut sent: Vec<(u64, String)>) -> Vec<u64> {
    sent.sort_unstable();
    sent.into_iter().map(|(chat, _)| chat).collect()
}

#[test]
fn what_is_written_is_answered_in_its_order_and_the_token_is_nowhere_else() {
    let telegram = Telegram::start();
    let host = start(&telegram);
    telegram.writes(100, 1, "/start");
    telegram.writes(101, 1, "/remember milk");
    telegram.writes(102, 1, "/remember@some_bot eggs");
    telegram.writes(103, 1, "/list");
    let sent = wait_for(&telegram, 4);
    let expected = [
        "I remember things: /remember TEXT, and /list.",
        "I remember: milk",
        "I remember: eggs",
        "milk\neggs",
    ];
    assert_eq!(texts(&sent), expected);
    // What one chat says is none of another's business.
    telegram.writes(104, 2, "/list");
    assert_eq!(
        wait_for(&telegram, 5).last().unwrap().1,
        "There is nothing."
    );
    let stranger = host.ask("POST", "/telegram-bot/poll").send();
    stranger.fault("forbidden");
    let all = host.log_text() + &host.stderr() + &host.metrics();
    assert!(!all.contains("canary-token"), "{all}");
}

#[test]
fn an_update_that_comes_again_is_answered_once() {
    let telegram = Telegram::start();
    let mut host = start(&telegram);
    telegram.repeats(true);
    for number in 0..3 {
        telegram.writes(100 + number, number, "/list");
    }
    wait_for(&telegram, 3);
    wait_for_polls(&telegram, 5);
    host.restart();
    wait_for_polls(&telegram, 5);
    assert_eq!(chats(telegram.sent()), [0, 1, 2]);
}

#[test]
fn an_update_that_nobody_understands_is_passed_over() {
    let telegram = Telegram::start();
    let host = start(&telegram);
    for odd in [
        json!({ "update_id": 100, "poll": {} }),
        json!({ "update_id": 101, "message": { "chat": { "id": 1 }, "sticker": {} } }),
        json!({ "update_id": 102, "message": { "chat": "nobody", "text": 7 } }),
        json!({ "update_id": "none", "message": { "chat": { "id": 1 }, "text": "/list" } }),
    ] {
        telegram.happens(odd);
    }
    telegram.writes(103, 1, "/list");
    assert_eq!(texts(&wait_for(&telegram, 1)), ["There is nothing."]);
    let dead = host.command(&["queue", "ls", NAME, "--dead", "--json"]);
    assert_eq!(dead.out.trim(), "", "{dead:?}");
}

#[test]
fn while_telegram_fails_nothing_is_lost_and_nothing_is_said_twice() {
    let telegram = Telegram::start();
    let host = start(&telegram);
    telegram.sends_end(&[500, 502]);
    telegram.writes(100, 1, "/remember milk");
    telegram.writes(101, 1, "/list");
    let sent = wait_for(&telegram, 2);
    assert_eq!(texts(&sent), ["I remember: milk", "milk"]);
    telegram.polls_end(Some(502));
    wait_for_polls(&telegram, 2);
    telegram.writes(102, 1, "/list");
    wait_for_polls(&telegram, 1);
    telegram.polls_end(None);
    assert_eq!(
        texts(&wait_for(&telegram, 3)),
        ["I remember: milk", "milk", "milk"]
    );
    drop(host);
}

#[test]
fn a_host_that_is_killed_while_it_answers_answers_in_its_next_life() {
    let telegram = Telegram::start();
    let mut host = start(&telegram);
    telegram.hangs(true);
    for number in 0..4 {
        telegram.writes(100 + number, number, "/list");
    }
    until("all to be under way", || {
        (telegram.hung() == 4).then_some(())
    });
    host.kill();
    telegram.hangs(false);
    host.again();
    assert_eq!(chats(wait_for(&telegram, 4)), [0, 1, 2, 3]);
}

#[test]
fn a_host_that_is_killed_while_it_asks_loses_nothing() {
    let telegram = Telegram::start();
    let mut host = start(&telegram);
    for life in 0..4 {
        wait_for_polls(&telegram, 1);
        // Whether it has the updates, has left them in the queue or has noted that, differs from one time to the next.
        telegram.writes(100 + life, life, "/list");
        host.restart();
    }
    wait_for(&telegram, 4);
    // Telegram knows no keys: of a host that was killed between its answer and its own note nobody knows that it was one.
    let mut chats = chats(telegram.sent());
    chats.dedup();
    assert_eq!(chats, [0, 1, 2, 3]);
}
