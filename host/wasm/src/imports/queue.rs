//! `holdfast:host/queue`: to send messages is a child call.

use super::capability::{self, Unanswered};
use crate::guest::Guest;
use holdfast_call::Value;
use wasmtime::component::{ComponentType, Lift, Linker, Lower};
use wasmtime::{Result, StoreContextMut};

/// The name under which guests import it (`wit/queue.wit`).
const NAME: &str = "holdfast:host/queue@0.1.0";

/// The longest name of a queue, in bytes; what is longer by one is nobody's, and the rest is not carried there.
const NAME_BYTES_MAX: usize = 256;

#[derive(ComponentType, Lift)]
#[component(record)]
struct Message {
    body: Vec<u8>,
    #[component(name = "content-type")]
    content_type: Option<String>,
    attributes: Vec<(String, String)>,
    key: Option<String>,
    dedupe: Option<String>,
    #[component(name = "delay-ms")]
    delay_ms: u64,
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Failure {
    code: String,
    detail: String,
}

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    let mut queue = linker.instance(NAME)?;
    queue.func_wrap_async("send", |store, given| Box::new(send(store, given)))
}

async fn send(
    mut store: StoreContextMut<'_, Guest>,
    (mut queue, messages): (String, Vec<Message>),
) -> Result<(std::result::Result<Vec<String>, Failure>,)> {
    queue.truncate(queue.floor_char_boundary(NAME_BYTES_MAX + 1));
    let messages = messages.into_iter().map(Value::from).collect();
    let values = vec![Value::List(messages)];
    let given = capability::ask(store.data_mut(), "queue", queue.into(), "send", values).await;
    Ok((match given {
        Ok(Value::List(ids)) => ids.into_iter().map(text).collect(),
        Ok(_) => Err(Unanswered::Nothing.into()),
        Err(unanswered) => Err(unanswered.into()),
    },))
}

fn text(value: Value) -> std::result::Result<String, Failure> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(Unanswered::Nothing.into()),
    }
}

impl From<Message> for Value {
    fn from(message: Message) -> Self {
        let optional =
            |text: Option<String>| Self::Option(text.map(|text| Box::new(Self::Text(text))));
        let attributes = message.attributes.into_iter();
        let attributes =
            attributes.map(|(name, value)| Self::Many(vec![Self::Text(name), Self::Text(value)]));
        Self::Many(vec![
            Self::Bytes(message.body.into()),
            optional(message.content_type),
            Self::List(attributes.collect()),
            optional(message.key),
            optional(message.dedupe),
            Self::U64(message.delay_ms),
        ])
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        Self {
            code: unanswered.code(),
            detail: unanswered.detail(),
        }
    }
}
