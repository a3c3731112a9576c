//! Tasks and their times, over plain HTTP, and a reminder of each that is due.
//!
//! | request | answer |
//! |---|---|
//! | `POST /tasks` `{"title", "due"?}` | the task, with its number; `due` is a time such as `2026-12-01T09:00:00Z` |
//! | `GET /tasks`, `GET /tasks/ID` | all of them, or one |
//! | `POST /tasks/ID/done` | the task, done |
//! | `DELETE /tasks/ID` | nothing |
//! | `POST /remind` | how many are due; the host asks for it each minute |
//!
//! What a request must look like stands in the manifest, so it is not looked at here. A task is written once; that it is done, and that
//! somebody was reminded of it, stands in buckets of their own: nobody ever writes over what another call has written meanwhile.

mod tasks;

use plain::{Asked, answer, ask};
use serde_json::{Value, json};
use tasks::Task;
use wasip2::clocks::wall_clock;
use wasip2::exports::http::incoming_handler;
use wasip2::http::types::{IncomingRequest, Method, ResponseOutparam};

mod host {
    wit_bindgen::generate!({
        inline: "
            package services:tasks;
            world tasks {
                import wasi:config/store@0.2.0-rc.1;
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/batch@0.2.0-draft2;
                import holdfast:host/ids@0.1.0;
                import holdfast:host/queue@0.1.0;
                export holdfast:service/consumer@0.1.0;
            }
        ",
        path: ["../../../wit", "../../../wit/service"],
        generate_all,
    });
}

use host::exports::holdfast::service::consumer::{self, Failure};
use host::holdfast::host::queue;

wasip2::http::proxy::export!(Tasks);
host::export!(Tasks with_types_in host);

/// As many messages as one call may send; the others have their turn a minute later.
const AT_ONCE: usize = 1_000;

struct Tasks;

/// A status, and what is said with it.
type Said = Result<(u16, Value), String>;

impl incoming_handler::Guest for Tasks {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let asked = Asked::of(&request);
        let words: Vec<_> = asked.path.split('/').skip(1).collect();
        let said = match (&asked.method, &words[..]) {
            (Method::Post, ["tasks"]) => made(&asked.body),
            (Method::Get, ["tasks"]) => tasks::all().map(|all| (200, json!(all))),
            (Method::Get, ["tasks", id]) => one(id),
            (Method::Post, ["tasks", id, "done"]) => tasks::done(id).and_then(|()| one(id)),
            (Method::Delete, ["tasks", id]) => tasks::remove(id).map(|()| (204, Value::Null)),
            (Method::Post, ["remind"]) => remind(),
            _ => Ok((404, json!({ "error": "there is nothing" }))),
        };
        match said {
            Ok((status, said)) => answer(out, status, &said),
            Err(error) => answer(out, 500, &json!({ "error": error })),
        }
    }
}

fn made(body: &[u8]) -> Said {
    let task = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok((201, json!(tasks::add(task)?)))
}

fn one(id: &str) -> Said {
    Ok(match tasks::get(id)? {
        Some(task) => (200, json!(task)),
        None => (404, json!({ "error": "there is no such task" })),
    })
}

/// Leaves a message for each task that is due and of which nobody was told.
fn remind() -> Said {
    let now = now();
    let due = tasks::all()?.into_iter().filter(|task| task.is_due(&now));
    let messages: Vec<_> = due.take(AT_ONCE).map(|task| message(&task)).collect();
    queue::send("task-manager", &messages).map_err(|failure| failure.detail)?;
    Ok((200, json!({ "due": messages.len() })))
}

fn message(task: &Task) -> queue::Message {
    queue::Message {
        body: task.id.clone().into_bytes(),
        content_type: None,
        attributes: Vec::new(),
        key: None,
        // One that waits is not sent again by the next minute.
        dedupe: Some(task.id.clone()),
        delay_ms: 0,
    }
}

impl consumer::Guest for Tasks {
    fn handle(message: consumer::Message) -> Result<(), Failure> {
        let id = String::from_utf8_lossy(&message.body);
        match tasks::get(&id).map_err(Failure::Again)? {
            // It may have been done, or removed, since.
            Some(task) if task.is_due(&now()) => {
                tell(&format!("Due: {}", task.title)).map_err(Failure::Again)?;
                tasks::reminded(&id).map_err(Failure::Again)
            }
            _ => Ok(()),
        }
    }
}

/// Says it in the chat whose URL is in the settings or, where there is none, in the log.
fn tell(text: &str) -> Result<(), String> {
    let chat = host::wasi::config::store::get("chat").map_err(|error| format!("{error:?}"))?;
    let Some(chat) = chat else {
        println!("{text}");
        return Ok(());
    };
    match ask(&Method::Post, &chat, Some(&json!({ "text": text }))) {
        Ok((200..300, _)) => Ok(()),
        Ok((status, _)) => Err(format!("the chat answered {status}")),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// The time as tasks have theirs, so that the two can be compared as texts.
fn now() -> String {
    let seconds = wall_clock::now().seconds;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since the first of March of the year 0: the leap day is the last of its year then.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u64::from(month < 3);
    let day = day - (153 * march + 2) / 5 + 1;
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
