//! Takes the webhooks of a shop, keeps what became of each order, and says so in a chat.
//!
//! | what comes | what is done |
//! |---|---|
//! | a webhook at `POST /webhooks` | the host verifies it, keeps it, and answers; it comes here as a message |
//! | a message | the order is kept, and the chat is told |
//! | `GET /orders/ID` | what became of the order |
//!
//! A webhook is `{"id": "evt_1", "type": "order.paid", "data": {"order": "A-17", "total": "12.50 EUR"}}`. What happened to an order is kept
//! under a key of its own, so it does not matter in which order webhooks come, or whether one comes again.

use plain::{Asked, answer, ask};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wasip2::exports::http::incoming_handler;
use wasip2::http::types::{IncomingRequest, Method, ResponseOutparam};

mod host {
    wit_bindgen::generate!({
        inline: "
            package services:orders;
            world orders {
                import wasi:config/store@0.2.0-rc.1;
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/batch@0.2.0-draft2;
                export holdfast:service/consumer@0.1.0;
            }
        ",
        path: ["../../../wit", "../../../wit/service"],
        generate_all,
    });
}

use host::exports::holdfast::service::consumer::{self, Failure, Message};
use host::wasi::keyvalue::{batch, store};

wasip2::http::proxy::export!(Orders);
host::export!(Orders with_types_in host);

/// What happens to an order, in the order in which it does.
const STEPS: [&str; 4] = ["placed", "paid", "shipped", "refunded"];

struct Orders;

/// What the shop sends.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Order,
}

/// What it says of the order.
#[derive(Deserialize, Serialize)]
struct Order {
    order: String,
    total: String,
}

impl consumer::Guest for Orders {
    fn handle(message: Message) -> Result<(), Failure> {
        // What is no event now is none the next time either.
        let event: Event = serde_json::from_slice(&message.body)
            .map_err(|error| Failure::Permanent(format!("this is no event: {error}")))?;
        let step = step(&event.kind)
            .ok_or_else(|| Failure::Permanent(format!("{} is no step of an order", event.kind)))?;
        let Order { order, total } = &event.data;
        keep(order, step, &event).map_err(again)?;
        tell(&format!("Order {order} ({total}) is {step}."))
    }
}

fn step(kind: &str) -> Option<&'static str> {
    let name = kind.strip_prefix("order.")?;
    STEPS.into_iter().find(|step| *step == name)
}

fn keep(order: &str, step: &str, event: &Event) -> Result<(), store::Error> {
    let value = json!({ "event": event.id, "total": event.data.total });
    let orders = store::open("")?;
    orders.set(&format!("{order}/{step}"), value.to_string().as_bytes())
}

/// Says it in the chat whose URL is in the settings or, where there is none, in the log.
fn tell(text: &str) -> Result<(), Failure> {
    let chat = host::wasi::config::store::get("chat").map_err(again)?;
    let Some(chat) = chat else {
        println!("{text}");
        return Ok(());
    };
    match ask(&Method::Post, &chat, Some(&json!({ "text": text }))) {
        Ok((200..300, _)) => Ok(()),
        Ok((status, _)) => Err(Failure::Again(format!("the chat answered {status}"))),
        Err(error) => Err(again(error)),
    }
}

fn again(error: impl std::fmt::Debug) -> Failure {
    Failure::Again(format!("{error:?}"))
}

impl incoming_handler::Guest for Orders {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let asked = Asked::of(&request);
        let order = asked.path.strip_prefix("/orders/");
        match (&asked.method, order.map(read)) {
            (Method::Get, Some(Ok(Some(order)))) => answer(out, 200, &order),
            (_, Some(Err(error))) => answer(out, 500, &json!({ "error": format!("{error:?}") })),
            _ => answer(out, 404, &json!({ "error": "there is no such order" })),
        }
    }
}

/// What became of an order, if anything did: all that happened, and how far it came.
fn read(order: &str) -> Result<Option<Value>, store::Error> {
    let keys = STEPS.map(|step| format!("{order}/{step}"));
    let values = batch::get_many(&store::open("")?, &keys)?;
    let mut happened = serde_json::Map::new();
    for (step, value) in STEPS.into_iter().zip(values) {
        if let Some((_, value)) = value {
            let value = serde_json::from_slice(&value).unwrap_or_default();
            happened.insert(step.to_owned(), value);
        }
    }
    let furthest = STEPS.into_iter().rfind(|step| happened.contains_key(*step));
    Ok(furthest.map(|state| json!({ "order": order, "state": state, "happened": happened })))
}
