//! The tests of `ids`: what is taken for a wish for a number, and what is given.

use super::*;
use holdfast_call::FailureKind;
use holdfast_store::db::Place;

fn said(given: Result<Value, Failure>) -> String {
    match given {
        Ok(value) => format!("{value:?}"),
        Err(failure) => match failure.kind {
            FailureKind::Passed(fault) => fault.code().to_string(),
            other => format!("{other:?}"),
        },
    }
}

#[tokio::test]
async fn a_sequence_gives_its_next_number_and_nothing_else_is_an_operation() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("test.db"));
    let sequences = Sequences(Database::open(place).await.unwrap());
    let ask = |operation: &str, values: Vec<Value>| {
        let payload = Payload::Values(operation.into(), values);
        sequences.run("notes".to_owned(), payload)
    };
    let text = |text: &str| Value::Text(text.to_owned());
    for expected in ["U64(1)", "U64(2)"] {
        assert_eq!(said(ask(SEQUENCE, vec![text("n")]).await), expected);
    }
    let long = text(&"n".repeat(257));
    for (operation, values, expected) in [
        (SEQUENCE, vec![long], "invalid-input"),
        (SEQUENCE, vec![text("")], "invalid-input"),
        (SEQUENCE, vec![Value::U64(1)], "NoSuchOperation"),
        ("reset", vec![text("n")], "NoSuchOperation"),
    ] {
        assert_eq!(said(ask(operation, values).await), expected, "{operation}");
    }
}
