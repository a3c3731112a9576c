//! What stands in a query: as the text it is where JSON has a string, else as JSON, and never in two ways.

use super::super::query;
use holdfast_call::contract::{Docs, Field, Function, Mode, Type};
use holdfast_call::{Value, Violation};

fn function(params: &[(&str, Type)]) -> Function {
    let param = |(name, ty): &(&str, Type)| Field {
        name: (*name).into(),
        ty: ty.clone(),
        docs: Docs::default(),
    };
    Function {
        name: "find".into(),
        docs: Docs::default(),
        params: params.iter().map(param).collect(),
        result: None,
        mode: Mode::Sync,
    }
}

fn taken(query: &str, ty: Type) -> Value {
    let values = query::arguments(query, &function(&[("x", ty)]));
    values.unwrap_or_else(|wrong| panic!("{query}: {wrong:?}"))[0].clone()
}

fn wrong(query: &str, params: &[(&str, Type)]) -> Vec<(String, String)> {
    let wrong = query::arguments(query, &function(params)).expect_err(query);
    let told = |wrong: Violation| (wrong.pointer, wrong.reason);
    wrong.into_iter().map(told).collect()
}

fn option(ty: Type) -> Type {
    Type::Option(ty.into())
}

fn some(value: Value) -> Value {
    Value::Option(Some(value.into()))
}

#[test]
fn what_is_always_a_string_stands_as_it_is_and_all_else_is_json() {
    let colours = || Type::Enum(["red".into(), "blue".into()].into());
    for (query, ty, value) in [
        ("x=null", Type::Text, Value::Text("null".into())),
        ("x=", Type::Text, Value::Text(String::new())),
        ("x", Type::Text, Value::Text(String::new())),
        ("x=\"a\"", Type::Text, Value::Text("\"a\"".into())),
        ("x=a=b", Type::Text, Value::Text("a=b".into())),
        (
            "&x=%26+%2B%c3%a9&",
            Type::Text,
            Value::Text("& +\u{e9}".into()),
        ),
        ("x=%00", Type::Char, Value::Char('\u{0}')),
        ("x=blue", colours(), Value::Case(1, None)),
        ("x=18446744073709551615", Type::U64, Value::U64(u64::MAX)),
        ("x=-1", Type::S64, Value::S64(-1)),
        ("x=AP8%3D", Type::Bytes, Value::Bytes(vec![0, 255].into())),
        ("x=3", Type::U8, Value::U8(3)),
        ("x=%20true", Type::Bool, Value::Bool(true)),
        ("x=\"Infinity\"", Type::F64, Value::F64(f64::INFINITY)),
        ("x=a", option(Type::Text), some(Value::Text("a".into()))),
        ("x=null", option(Type::U8), Value::Option(None)),
        ("", option(Type::Text), Value::Option(None)),
        (
            "x=[\"a\",\"b\"]",
            Type::List(Type::Text.into()),
            Value::List(vec![Value::Text("a".into()), Value::Text("b".into())]),
        ),
        (
            "x={\"some\":\"a\"}",
            option(option(Type::Text)),
            some(some(Value::Text("a".into()))),
        ),
    ] {
        assert_eq!(taken(query, ty), value, "{query}");
    }
}

#[test]
fn all_that_is_wrong_is_told_with_its_place() {
    let params = [
        ("text", Type::Text),
        ("n", Type::U8),
        ("many", Type::List(Type::Bool.into())),
    ];
    let told = wrong("text=%e9&n=&many=[true,1]&n=1&other=%", &params);
    let places: Vec<_> = told.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["/n", "/other", "/text", "/many/1"]);
    let said: Vec<_> = told.iter().map(|(_, said)| said.as_str()).collect();
    assert_eq!(said[0], "stands there twice");
    assert!(said[1].starts_with("is not known here"), "{said:?}");
    assert_eq!(said[2], "is not percent-encoded UTF-8");
    for (query, place) in [
        ("text=a&n=256&many=[]", "/n"),
        ("text=a&n=1&many=[", "/many"),
        ("text=a&n=1&many=[]&%ff=1", ""),
        ("text=a&n=1&many=[]&%e=1", ""),
        ("text=a&n=1&many=[]&=1", "/"),
        ("text=a&n=1 1&many=[]", "/n"),
    ] {
        let told = wrong(query, &params);
        assert_eq!((told.len(), &*told[0].0), (1, place), "{query}: {told:?}");
    }
}

#[test]
fn no_query_breaks_the_reader() {
    use proptest::prelude::*;
    let params = [
        ("a", Type::Text),
        ("b", option(Type::F32)),
        ("c", Type::Tuple([Type::U8, Type::S64].into())),
    ];
    let function = function(&params);
    proptest!(|(query in "([abcd%=&+0-9.\\[\\],\"-]|\\PC){0,40}")| {
        match query::arguments(&query, &function) {
            Ok(values) => prop_assert_eq!(values.len(), 3),
            Err(wrong) => prop_assert!(!wrong.is_empty()),
        }
    });
}
