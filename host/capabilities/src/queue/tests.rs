//! The tests of `queue`: what a message may be, and how much a queue takes.

use super::asked::{ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX, DELAY_MAX, TYPE_BYTES_MAX, said};
use super::*;
use holdfast_store::queue::BYTES_MAX;
use std::time::Duration;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn some(value: &str) -> Value {
    Value::Option(Some(Box::new(text(value))))
}

fn pair(name: &str, value: &str) -> Value {
    Value::Many(vec![text(name), text(value)])
}

/// A message with one field that is another one.
fn with(place: usize, value: Value) -> Value {
    let mut fields = vec![
        Value::Bytes("hello".into()),
        Value::Option(None),
        Value::List(Vec::new()),
        Value::Option(None),
        Value::Option(None),
        Value::U64(0),
    ];
    fields[place] = value;
    Value::Many(fields)
}

#[test]
fn a_message_keeps_what_is_said_of_it() {
    let full = Value::Many(vec![
        Value::Bytes("hello".into()),
        some("text/plain; charset=utf-8"),
        Value::List(vec![pair("to", "ä"), pair("to", "")]),
        some("lane"),
        some("once"),
        Value::U64(1_500),
    ]);
    let said = said(&full).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(&*said.body, b"hello");
    assert_eq!(said.content_type.unwrap(), "text/plain; charset=utf-8");
    assert_eq!(said.attributes.len(), 2);
    assert_eq!(said.lane.as_deref(), Some("lane"));
    assert_eq!(said.dedupe.as_deref(), Some("once"));
    assert_eq!(said.delay, Duration::from_millis(1_500));
}

#[test]
fn what_breaks_a_rule_is_no_message_and_says_which() {
    let many = vec![pair("a", "b"); ATTRIBUTES_MAX + 1];
    let long = "x".repeat(ATTRIBUTES_BYTES_MAX);
    let late = u64::try_from(DELAY_MAX.as_millis()).unwrap() + 1;
    for (message, why) in [
        (
            with(0, Value::Bytes(vec![0; BYTES_MAX + 1].into())),
            "at most",
        ),
        (with(1, some("")), "content-type"),
        (with(1, some("a\nb")), "content-type"),
        (
            with(1, some(&"x".repeat(TYPE_BYTES_MAX + 1))),
            "content-type",
        ),
        (with(2, Value::List(many)), "attributes"),
        (with(2, Value::List(vec![pair("a", &long)])), "attributes"),
        (with(2, Value::List(vec![pair("", "b")])), "attribute"),
        (with(2, Value::List(vec![pair("a", "\0")])), "null byte"),
        (with(2, Value::List(vec![text("a")])), "no message"),
        (with(3, some("")), "`key`"),
        (with(3, some("a\tb")), "`key`"),
        (with(4, some(&"x".repeat(257))), "`dedupe`"),
        (with(5, Value::U64(late)), "delayed"),
        (with(5, Value::U32(1)), "no message"),
        (text("hello"), "no message"),
    ] {
        let Err(said) = said(&message) else {
            panic!("{why}: taken");
        };
        assert!(said.contains(why), "{why}: {said}");
    }
}
