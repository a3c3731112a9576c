//! The tests of `kv`: what is taken, what is given, and what is said where neither is.

use super::*;
use holdfast_call::{FailureKind, HostCode};
use holdfast_store::db::Place;
use holdfast_store::executions::Holder;
use holdfast_store::kv::{KEY_BYTES_MAX, MANY_BYTES_MAX, MANY_KEYS_MAX, VALUE_BYTES_MAX};

const QUOTA: Quota = Quota {
    bytes: 64 << 20,
    keys: 10,
};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn sized(bytes: usize) -> Value {
    self::bytes(vec![7; bytes])
}

fn said(failure: Failure) -> String {
    match failure.kind {
        FailureKind::Passed(fault) => fault.code().to_string(),
        other => format!("{other:?}"),
    }
}

fn read(operation: &str, values: Vec<Value>) -> Result<Asked, String> {
    asked::read(operation, values).map_err(said)
}

/// Runs operations on a bucket of the service `notes`, one after the other.
fn run(asked: Vec<(&str, Vec<Value>)>) -> Vec<Result<Value, Fault>> {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("test.db"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let database = Database::open(place).await.unwrap();
        let holder = Holder {
            host: "host".to_owned(),
            epoch: 1,
        };
        let leases = Leases::begin(database.clone(), holder).await.unwrap();
        let bucket = KeyValue {
            database,
            bucket: "default".into(),
            leases,
        };
        let mut given = Vec::new();
        for (number, (operation, values)) in asked.into_iter().enumerate() {
            let writer = Writer {
                bucket: Bucket {
                    service: "notes".to_owned(),
                    name: "default".to_owned(),
                },
                quota: QUOTA,
                call: format!("call-{number}"),
                leases: Vec::new(),
            };
            let asked = asked::read(operation, values).unwrap();
            given.push(bucket.run(writer, asked, Ok(Vec::new())).await);
        }
        given
    })
}

#[test]
fn what_is_set_is_read_and_seen_and_listed() {
    let given = run(vec![
        (OPEN, vec![]),
        (SET, vec![text("k"), sized(3)]),
        (GET, vec![text("k")]),
        (GET, vec![text("none")]),
        (EXISTS, vec![text("k")]),
        (VERSION, vec![text("k")]),
        (LIST_KEYS, vec![Value::Option(None)]),
        (DELETE, vec![text("k")]),
        (GET_MANY, vec![Value::List(vec![text("k")])]),
    ]);
    let given: Vec<_> = given.into_iter().map(Result::unwrap).collect();
    let some = |value| Value::Option(Some(Box::new(value)));
    assert_eq!(given[2], some(sized(3)));
    assert_eq!(given[3], Value::Option(None));
    assert_eq!(given[4], Value::Bool(true));
    assert_eq!(given[5], some(text("call-1")));
    let page = Value::Many(vec![Value::List(vec![text("k")]), Value::Option(None)]);
    assert_eq!(given[6], page);
    assert_eq!(given[8], Value::List(vec![Value::Option(None)]));
}

#[test]
fn who_swaps_too_late_is_told_what_is_there_now() {
    let none = || Value::Option(None);
    let given = run(vec![
        (INCREMENT, vec![text("k"), Value::S64(5)]),
        (SWAP, vec![text("k"), none(), sized(1)]),
        (SWAP, vec![text("new"), none(), sized(1)]),
    ]);
    assert_eq!(given[0].as_ref().unwrap(), &Value::S64(5));
    let now = Value::Option(Some(Box::new(text("call-0"))));
    let late = Value::Result(Err(Some(Box::new(now))));
    assert_eq!(given[1].as_ref().unwrap(), &late);
    assert_eq!(given[2].as_ref().unwrap(), &Value::Result(Ok(None)));
}

#[test]
fn a_quota_is_told_with_the_line_that_would_change_it() {
    let pairs = (0..11).map(|number| Value::Many(vec![text(&format!("k{number}")), sized(1)]));
    let given = run(vec![(SET_MANY, vec![Value::List(pairs.collect())])]);
    let fault = given[0].as_ref().unwrap_err();
    assert_eq!(fault.host_code(), Some(HostCode::CapabilityDenied));
    let verdict = fault.verdict();
    assert!(
        verdict
            .next
            .contains("kv_keys under [limits] in notes.toml")
    );
    assert!(verdict.next.contains("[services.notes.limits]"));
    assert!(fault.detail().contains("10 keys"), "{}", fault.detail());
}

#[test]
fn what_is_no_number_is_not_added_to() {
    let given = run(vec![
        (SET, vec![text("k"), sized(1)]),
        (INCREMENT, vec![text("k"), Value::S64(1)]),
        (
            SET,
            vec![text("n"), bytes(i64::MAX.to_string().into_bytes())],
        ),
        (INCREMENT, vec![text("n"), Value::S64(1)]),
    ]);
    for refused in [&given[1], &given[3]] {
        let fault = refused.as_ref().unwrap_err();
        assert_eq!(fault.host_code(), Some(HostCode::InvalidInput));
    }
}

#[test]
fn every_limit_of_what_is_asked_bites() {
    let key = |bytes| text(&"k".repeat(bytes));
    assert!(read(GET, vec![key(KEY_BYTES_MAX)]).is_ok());
    for bad in [key(KEY_BYTES_MAX + 1), key(0), text("a\nb")] {
        assert_eq!(read(GET, vec![bad]).unwrap_err(), "invalid-input");
    }
    assert!(read(SET, vec![key(1), sized(VALUE_BYTES_MAX)]).is_ok());
    let large = read(SET, vec![key(1), sized(VALUE_BYTES_MAX + 1)]);
    assert_eq!(large.unwrap_err(), "invalid-input");
    let keys = |count| vec![Value::List(vec![key(1); count])];
    assert!(read(DELETE_MANY, keys(MANY_KEYS_MAX)).is_ok());
    let many = read(GET_MANY, keys(MANY_KEYS_MAX + 1));
    assert_eq!(many.unwrap_err(), "invalid-input");
    let pairs = |count| {
        let pair = Value::Many(vec![key(1), sized(VALUE_BYTES_MAX)]);
        vec![Value::List(vec![pair; count])]
    };
    let most = MANY_BYTES_MAX / VALUE_BYTES_MAX;
    assert!(read(SET_MANY, pairs(most)).is_ok());
    let large = read(SET_MANY, pairs(most + 1));
    assert_eq!(large.unwrap_err(), "invalid-input");
}

#[test]
fn what_is_no_operation_of_a_bucket_is_none() {
    for (operation, values) in [
        ("drop", vec![]),
        (GET, vec![]),
        (GET, vec![text("k"), text("k")]),
        (SET, vec![text("k"), text("v")]),
        (INCREMENT, vec![text("k"), text("1")]),
        (SET_MANY, vec![Value::List(vec![text("k")])]),
        (LIST_KEYS, vec![text("k")]),
    ] {
        let refused = read(operation, values).unwrap_err();
        assert_eq!(refused, "NoSuchOperation", "{operation}");
    }
}
