//! Sends messages, and takes them: what it does with one is what the message says. It says on its output what it was given.

mod asked;

use asked::Asked;
use std::thread::sleep;
use std::time::Duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

mod sends {
    wit_bindgen::generate!({
        inline: "
            package cases:sends;
            world sends { import holdfast:host/queue@0.1.0; }
        ",
        path: "../../../wit/queue.wit",
        generate_all,
    });
}

mod takes {
    wit_bindgen::generate!({
        inline: "
            package cases:takes;
            world takes { export holdfast:service/consumer@0.1.0; }
        ",
        path: "../../../wit/service",
        generate_all,
    });
}

use sends::holdfast::host::queue::{self, Message};
use takes::exports::holdfast::service::consumer::{self, Failure};

wasip2::http::proxy::export!(Cases);
takes::export!(Cases with_types_in takes);

struct Cases;

impl Guest for Cases {
    /// Sends what the query says, and then ends as it says: `end=fail`, `refuse` or `trap`. At `/ask` it has another service send.
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let asked = Asked::of(&request);
        if asked.path == "/ask" {
            let said = asked::another("queues.internal", "/?text=asked");
            sleep(Duration::from_millis(asked.number("sleep", 0)));
            return asked::answer(out, 200, &said);
        }
        let queue = asked.text("queue").unwrap_or_else(|| "queues".to_owned());
        let said = match queue::send(&queue, &messages(&asked)) {
            Ok(ids) => ids.join(" "),
            Err(failure) => format!("{}: {}", failure.code, failure.detail),
        };
        let slow = if asked.path == "/slow" { 2_500 } else { 0 };
        sleep(Duration::from_millis(asked.number("sleep", slow)));
        if asked.path == "/fails" {
            return asked::answer(out, 500, &said);
        }
        match asked.text("end").as_deref() {
            Some("trap") => unreachable!("it is told to"),
            Some("fail") => asked::answer(out, 500, &said),
            Some("refuse") => asked::answer(out, 422, &said),
            _ => asked::answer(out, 200, &said),
        }
    }
}

fn messages(asked: &Asked) -> Vec<Message> {
    let text = match asked.tick() {
        Some(tick) => format!("tick:{tick}"),
        None => asked.text("text").unwrap_or_default(),
    };
    let message = |number: u64| Message {
        body: match asked.number("bytes", 0) {
            0 => text.replace("{n}", &number.to_string()).into_bytes(),
            bytes => vec![b'x'; bytes as usize],
        },
        content_type: asked.text("type"),
        attributes: match asked.tick().map(str::to_owned).or(asked.text("attribute")) {
            Some(value) => vec![("said".to_owned(), value)],
            None => Vec::new(),
        },
        key: asked.text("key"),
        dedupe: asked.text("dedupe"),
        // What is kept is there for whoever counts.
        delay_ms: match asked.path.as_str() {
            "/keep" => 86_400_000,
            _ => asked.number("delay", 0),
        },
    };
    (0..asked.number("count", 1)).map(message).collect()
}

impl consumer::Guest for Cases {
    fn handle(message: consumer::Message) -> Result<(), Failure> {
        let text = String::from_utf8_lossy(&message.body).into_owned();
        if text != "quiet" {
            println!("took {} {} {text}", message.id, message.delivery);
        }
        let (word, rest) = text.split_once(':').unwrap_or((&text, ""));
        let number = rest.parse().unwrap_or(0);
        match word {
            "tell" => {
                println!(
                    "told {:?}",
                    (message.content_type, message.attributes, message.key)
                );
                Ok(())
            }
            "again" if u64::from(message.delivery) < number => {
                Err(Failure::Again("not yet".to_owned()))
            }
            "later" if message.delivery == 1 => Err(Failure::Later(number)),
            "permanent" => Err(Failure::Permanent("never".to_owned())),
            "trap" => unreachable!("it is told to"),
            "spin" => loop {
                std::hint::black_box(0);
            },
            "sleep" => {
                sleep(Duration::from_millis(number));
                Ok(())
            }
            "forward" => send(rest),
            // What it sends the first time goes nowhere.
            "forward-late" => {
                send(rest)?;
                match message.delivery {
                    1 => Err(Failure::Again("only now".to_owned())),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

fn send(text: &str) -> Result<(), Failure> {
    let message = Message {
        body: text.as_bytes().to_vec(),
        content_type: None,
        attributes: Vec::new(),
        key: None,
        dedupe: None,
        delay_ms: 0,
    };
    match queue::send("queues", &[message]) {
        Ok(_) => Ok(()),
        Err(failure) => Err(Failure::Again(failure.detail)),
    }
}
