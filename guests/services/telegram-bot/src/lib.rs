//! A bot for Telegram that remembers what it is told. It asks for what people have written, so it needs no address of its own.
//!
//! | command | answer |
//! |---|---|
//! | `/start` | what it is |
//! | `/remember TEXT` | that it is remembered |
//! | `/list` | all that it remembers of this chat |
//!
//! The host asks for `POST /poll` again and again. Each update that comes is left in the bot's own queue, and is answered from there. The
//! token of the bot is nowhere in here: the host puts it where it goes.

use plain::{Asked, answer, ask};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wasip2::exports::http::incoming_handler;
use wasip2::http::types::{ErrorCode, IncomingRequest, Method, ResponseOutparam};

mod host {
    wit_bindgen::generate!({
        inline: "
            package services:bot;
            world bot {
                import wasi:config/store@0.2.0-rc.1;
                import wasi:keyvalue/store@0.2.0-draft2;
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
use host::wasi::keyvalue::store;

wasip2::http::proxy::export!(Bot);
host::export!(Bot with_types_in host);

/// The key of the number from which on updates are asked for.
const OFFSET: &str = "offset";

struct Bot;

/// A message that somebody wrote in a chat.
#[derive(Deserialize)]
struct Message {
    chat: Chat,
    text: String,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
}

impl incoming_handler::Guest for Bot {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let asked = Asked::of(&request);
        match (&asked.method, asked.path.as_str()) {
            (Method::Post, "/poll") => match poll() {
                Ok(count) => answer(out, 200, &json!({ "updates": count })),
                Err(error) => ResponseOutparam::set(out, Err(error)),
            },
            _ => answer(out, 404, &json!({ "error": "there is nothing" })),
        }
    }
}

/// Waits for updates, leaves each in the queue, and notes that they need not come again.
fn poll() -> Result<usize, ErrorCode> {
    let bucket = store::open("").map_err(failed)?;
    let offset = bucket.get(OFFSET).map_err(failed)?.unwrap_or_default();
    let offset = String::from_utf8_lossy(&offset).parse().unwrap_or(0_u64);
    let path = format!("/getUpdates?offset={offset}&timeout=25");
    let said = telegram(&Method::Get, &path, None)?;
    let updates = said["result"].as_array().cloned().unwrap_or_default();
    let Some(last) = updates.iter().filter_map(number).max() else {
        return Ok(0);
    };
    let messages: Vec<_> = updates.iter().filter_map(message).collect();
    queue::send("telegram-bot", &messages).map_err(failed)?;
    let next = (last + 1).to_string();
    bucket.set(OFFSET, next.as_bytes()).map_err(failed)?;
    Ok(messages.len())
}

fn number(update: &Value) -> Option<u64> {
    update["update_id"].as_u64()
}

/// The update as a message, if it has a number and somebody wrote something. All of one chat are answered one after the other.
fn message(update: &Value) -> Option<queue::Message> {
    let wrote = Message::deserialize(&update["message"]).ok()?;
    Some(queue::Message {
        body: update.to_string().into_bytes(),
        content_type: Some("application/json".to_owned()),
        attributes: Vec::new(),
        key: Some(wrote.chat.id.to_string()),
        dedupe: Some(number(update)?.to_string()),
        delay_ms: 0,
    })
}

impl consumer::Guest for Bot {
    fn handle(message: consumer::Message) -> Result<(), Failure> {
        let never = |error| Failure::Permanent(format!("this is no update: {error}"));
        let update: Value = serde_json::from_slice(&message.body).map_err(never)?;
        let Message { chat, text } = Message::deserialize(&update["message"]).map_err(never)?;
        let id = number(&update).unwrap_or_default();
        let text = reply(chat.id, id, text.trim()).map_err(again)?;
        let said = json!({ "chat_id": chat.id, "text": text });
        telegram(&Method::Post, "/sendMessage", Some(&said)).map_err(again)?;
        Ok(())
    }
}

/// What a chat is told when it says this. What it wants remembered is kept by the number of its update, so hearing it twice changes nothing.
fn reply(chat: i64, update: u64, text: &str) -> Result<String, store::Error> {
    let bucket = store::open("")?;
    let key = format!("chat/{chat}");
    let kept = bucket.get(&key)?.unwrap_or_default();
    let mut kept: BTreeMap<u64, String> = serde_json::from_slice(&kept).unwrap_or_default();
    let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    // In a group, commands are written as /list@NAME.
    let command = command.split('@').next().unwrap_or(command);
    Ok(match (command, rest.trim()) {
        ("/start", _) => "I remember things: /remember TEXT, and /list.".to_owned(),
        ("/remember", "") => "What? /remember TEXT".to_owned(),
        ("/remember", what) => {
            kept.insert(update, what.to_owned());
            bucket.set(&key, json!(kept).to_string().as_bytes())?;
            format!("I remember: {what}")
        }
        ("/list", _) if kept.is_empty() => "There is nothing.".to_owned(),
        ("/list", _) => kept.into_values().collect::<Vec<_>>().join("\n"),
        _ => "I know /start, /remember TEXT and /list.".to_owned(),
    })
}

/// Asks Telegram for something, and reads what it says.
fn telegram(method: &Method, path: &str, said: Option<&Value>) -> Result<Value, ErrorCode> {
    let telegram = host::wasi::config::store::get("telegram").map_err(failed)?;
    let telegram = telegram.ok_or(ErrorCode::ConfigurationError)?;
    match ask(method, &format!("{telegram}{path}"), said)? {
        (200, body) => serde_json::from_slice(&body).map_err(failed),
        (status, _) => Err(failed(format!("telegram answered {status}"))),
    }
}

fn failed(error: impl std::fmt::Debug) -> ErrorCode {
    ErrorCode::InternalError(Some(format!("{error:?}")))
}

fn again(error: impl std::fmt::Debug) -> Failure {
    Failure::Again(format!("{error:?}"))
}
