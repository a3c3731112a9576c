//! The mapping, form by form: what is written, what is taken, and what is said of everything else.

use super::super::{json, path, read, write};
use holdfast_call::contract::{Case, Contract, Docs, Field, Function, Interface, Mode, Type};
use holdfast_call::{Value, Violation};

fn field(name: &str, ty: Type) -> Field {
    Field {
        name: name.into(),
        ty,
        docs: Docs::default(),
    }
}

fn option(ty: Type) -> Type {
    Type::Option(ty.into())
}

fn list(ty: Type) -> Type {
    Type::List(ty.into())
}

fn record(fields: &[(&str, Type)]) -> Type {
    Type::Record(
        fields
            .iter()
            .map(|(name, ty)| field(name, ty.clone()))
            .collect(),
    )
}

fn case(name: &str, ty: Option<Type>) -> Case {
    Case {
        name: name.into(),
        ty,
        docs: Docs::default(),
    }
}

fn colours() -> Type {
    Type::Enum(["red".into(), "dark-blue".into()].into())
}

fn shape() -> Type {
    Type::Variant([case("dot", None), case("circle", Some(Type::F64))].into())
}

/// What is read from `text`, written again.
fn taken(text: &str, ty: &Type) -> String {
    let value = read::value(text.as_bytes(), ty)
        .unwrap_or_else(|wrong| panic!("{text} as {ty}: {wrong:?}"));
    String::from_utf8(write::value(&value, ty).unwrap()).unwrap()
}

/// Where something is wrong, and what.
fn wrong(text: &str, ty: &Type) -> Vec<(String, String)> {
    let wrong = read::value(text.as_bytes(), ty).expect_err(text);
    let told = |wrong: Violation| (wrong.pointer, wrong.reason);
    wrong.into_iter().map(told).collect()
}

#[test]
fn each_form_has_one_way_to_be_written() {
    let perms = Type::Flags(["read".into(), "write".into(), "run".into()].into());
    let outcome = Type::Result(Some(Type::Text.into()), None);
    for (ty, text, written) in [
        (Type::Bool, "true", "true"),
        (Type::U8, "255", "255"),
        (Type::U8, "1.0", "1"),
        (Type::S8, "-128", "-128"),
        (Type::U32, "4e2", "400"),
        (Type::S32, "-0", "0"),
        (
            Type::U64,
            "18446744073709551615",
            "\"18446744073709551615\"",
        ),
        (
            Type::U64,
            "\"18446744073709551615\"",
            "\"18446744073709551615\"",
        ),
        (
            Type::S64,
            "\"-9223372036854775808\"",
            "\"-9223372036854775808\"",
        ),
        (Type::F64, "-0.0", "-0.0"),
        (Type::F64, "\"NaN\"", "\"NaN\""),
        (Type::F32, "\"-Infinity\"", "\"-Infinity\""),
        (Type::F32, "0.1", "0.1"),
        (Type::F64, "1", "1.0"),
        (Type::Char, "\"\\ud83d\\ude00\"", "\"\u{1f600}\""),
        (Type::Text, "\"\\u0000\\u00e9\"", "\"\\u0000\u{e9}\""),
        (Type::Bytes, "\"AP8=\"", "\"AP8=\""),
        (list(Type::U16), " [ 1 , 2 ] ", "[1,2]"),
        (
            Type::Tuple([Type::U8, Type::Text].into()),
            "[1,\"a\"]",
            "[1,\"a\"]",
        ),
        (
            record(&[("a", Type::U8), ("b", option(Type::U8))]),
            "{\"a\":1}",
            "{\"a\":1,\"b\":null}",
        ),
        (
            record(&[("a", Type::U8), ("b", Type::U8)]),
            "{\"b\":2,\"a\":1}",
            "{\"a\":1,\"b\":2}",
        ),
        (option(Type::U8), "null", "null"),
        (option(Type::U8), "7", "7"),
        (option(option(Type::U8)), "null", "null"),
        (
            option(option(Type::U8)),
            "{\"some\":null}",
            "{\"some\":null}",
        ),
        (option(option(Type::U8)), "{\"some\":7}", "{\"some\":7}"),
        (shape(), "\"dot\"", "\"dot\""),
        (shape(), "{\"circle\":2.5}", "{\"circle\":2.5}"),
        (colours(), "\"dark-blue\"", "\"dark-blue\""),
        (perms.clone(), "[\"run\",\"read\"]", "[\"read\",\"run\"]"),
        (perms, "[]", "[]"),
        (outcome.clone(), "{\"ok\":\"yes\"}", "{\"ok\":\"yes\"}"),
        (outcome, "{\"error\":null}", "{\"error\":null}"),
    ] {
        assert_eq!(taken(text, &ty), written, "{text} as {ty}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let order = record(&[
        ("id", Type::U64),
        (
            "lines",
            list(record(&[("sku/x", Type::Text), ("count", Type::U8)])),
        ),
        ("colour", option(colours())),
        ("shape", shape()),
    ]);
    let text = "{\"id\":-1,\"lines\":[{\"sku/x\":\"a\",\"count\":1},{\"sku/x\":5,\"count\":300,\"~odd\":1}],\"colour\":\"green\",\
                \"shape\":{\"circle\":\"wide\"},\"more\":{}}";
    let told = wrong(text, &order);
    let places: Vec<_> = told.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(
        places,
        [
            "/more",
            "/id",
            "/lines/1/~0odd",
            "/lines/1/sku~1x",
            "/lines/1/count",
            "/colour",
            "/shape/circle"
        ]
    );
    assert_eq!(
        told[0].1,
        "is not known here: `id`, `lines`, `colour`, `shape`"
    );
    assert_eq!(told[4].1, "must be a whole number, 0 to 255");
    assert_eq!(told[5].1, "must be one of `red`, `dark-blue`");
    let missing = wrong("{}", &order);
    let missing: Vec<_> = missing
        .iter()
        .map(|(place, reason)| format!("{place} {reason}"))
        .collect();
    assert_eq!(
        missing,
        [
            "/id is required",
            "/lines is required",
            "/shape is required"
        ]
    );
    assert_eq!(
        wrong("{\"id\":1,\"id\":2,\"lines\":[],\"shape\":\"dot\"}", &order),
        [("/id".into(), "stands there twice".into())]
    );
}

/// Types, each with texts that are none of its values.
fn refused() -> Vec<(Type, &'static [&'static str])> {
    vec![
        (Type::Bool, &["0", "\"true\"", "null", "[]"]),
        (
            Type::U8,
            &["-1", "256", "1.5", "\"1\"", "true", "1e9", "null"],
        ),
        (
            Type::S64,
            &[
                "\"1.0\"",
                "\"\"",
                "\"-\"",
                "\"+1\"",
                "\" 1\"",
                "\"1e3\"",
                "9223372036854775808",
                "1e300",
            ],
        ),
        (
            Type::U64,
            &[
                "\"18446744073709551616\"",
                "-1",
                "18446744073709551616",
                "\"-1\"",
                "\"999999999999999999999999999\"",
            ],
        ),
        (Type::F32, &["1e39", "\"inf\"", "\"nan\"", "true"]),
        (Type::F64, &["1e400", "\"1\"", "{}"]),
        (Type::Char, &["\"\"", "\"ab\"", "65", "\"e\\u0301\""]),
        (Type::Text, &["1", "null", "\"\\ud800\"", "\"\u{1}\""]),
        (Type::Bytes, &["\"AP8\"", "\"A-_=\"", "[0,255]", "\"AP9=\""]),
    ]
}

/// The same of types that are made of others.
fn refused_of_parts() -> Vec<(Type, &'static [&'static str])> {
    vec![
        (Type::Tuple([Type::U8].into()), &["[]", "[1,2]", "1"]),
        (
            Type::Flags(["a".into()].into()),
            &["\"a\"", "[\"a\",\"a\"]", "[\"b\"]", "[1]", "{\"a\":true}"],
        ),
        (
            Type::Result(None, None),
            &[
                "{}",
                "{\"ok\":1}",
                "{\"ok\":null,\"error\":null}",
                "{\"err\":null}",
                "\"ok\"",
                "null",
            ],
        ),
        (
            Type::Text,
            &[
                "",
                "\"",
                "{",
                "\"a\" \"b\"",
                "nul",
                "'a'",
                "\u{feff}\"a\"",
                "// x\n1",
            ],
        ),
        (
            list(Type::U16),
            &["{}", "[1,]", "[1 2]", "[1,\"2\"]", "[[1]]"],
        ),
        (
            option(option(Type::U8)),
            &["7", "{}", "{\"some\":1,\"x\":2}", "{\"none\":1}"],
        ),
        (
            shape(),
            &[
                "\"circle\"",
                "{\"dot\":null}",
                "{\"circle\":1,\"dot\":2}",
                "{}",
                "\"line\"",
                "{\"line\":1}",
                "null",
            ],
        ),
        (colours(), &["\"Red\"", "0", "{\"red\":null}", "\"\""]),
    ]
}

#[test]
fn what_is_no_value_of_its_type_is_refused() {
    for (ty, texts) in refused().into_iter().chain(refused_of_parts()) {
        for text in texts {
            let told = wrong(text, &ty);
            assert!(
                !told.is_empty() && told.iter().all(|(_, reason)| !reason.is_empty()),
                "{text} as {ty}"
            );
        }
    }
    assert!(read::value(b"\"\xff\"", &Type::Text).is_err(), "not UTF-8");
}

#[test]
fn a_text_that_would_become_much_is_refused() {
    let deep = "[".repeat(100_000);
    assert!(
        wrong(&deep, &list(Type::U8))[0]
            .1
            .contains("recursion limit")
    );
    let many = format!("[{}0]", "0,".repeat(json::VALUES_MAX));
    assert!(
        wrong(&many, &list(Type::U16))[0]
            .1
            .contains("more than 262144 values")
    );
    let all_wrong = format!("[{}0]", "\"\",".repeat(1_000));
    let told = wrong(&all_wrong, &list(Type::U16));
    assert_eq!(told.len(), read::VIOLATIONS_MAX);
    assert_eq!(told[19].0, "/19");
    let unknown: Vec<_> = (0..1_000).map(|place| format!("\"x{place}\":1")).collect();
    let told = wrong(
        &format!("{{{}}}", unknown.join(",")),
        &record(&[("a", Type::U8)]),
    );
    assert_eq!(told.len(), read::VIOLATIONS_MAX);
}

fn function(name: &str, params: Vec<Field>) -> Function {
    Function {
        name: name.into(),
        docs: Docs::default(),
        params,
        result: None,
        mode: Mode::Sync,
    }
}

#[test]
fn arguments_are_an_object_of_the_parameters() {
    let add = function(
        "add",
        vec![field("a", Type::U8), field("b", option(Type::U8))],
    );
    let given = |text: &str| read::arguments(text.as_bytes(), &add);
    assert_eq!(
        given("{\"a\":1}").unwrap(),
        [Value::U8(1), Value::Option(None)]
    );
    assert_eq!(
        given("[1]").unwrap_err()[0].reason,
        "must be an object with `a`, `b`"
    );
    assert_eq!(given("").unwrap_err()[0].pointer, "/a");
    let none = function("tick", Vec::new());
    assert_eq!(read::arguments(b"", &none).unwrap(), []);
    assert_eq!(read::arguments(b"{}", &none).unwrap(), []);
    assert_eq!(
        read::arguments(b"{\"x\":1}", &none).unwrap_err()[0].pointer,
        "/x"
    );
}

fn contract(ids: &[&str]) -> Contract {
    let interface = |id: &&str| Interface {
        id: (*id).into(),
        docs: Docs::default(),
        functions: vec![function("run", Vec::new())],
    };
    Contract {
        exports: ids.iter().map(interface).collect(),
        ..Contract::default()
    }
}

#[test]
fn a_path_means_one_function_or_none() {
    let contract = contract(&[
        "",
        "a:one/jobs@1.0.0",
        "a:one/jobs@2.1.0",
        "b:two/tasks@0.1.0",
        "c:three/bare",
    ]);
    for (path, id) in [
        ("/run", Some("")),
        ("/tasks/run", Some("b:two/tasks@0.1.0")),
        ("/tasks@0.1.0/run", Some("b:two/tasks@0.1.0")),
        ("/b:two/tasks@0.1.0/run", Some("b:two/tasks@0.1.0")),
        ("/bare/run", Some("c:three/bare")),
        ("/jobs/run", None),
        ("/jobs@2.1.0/run", Some("a:one/jobs@2.1.0")),
        ("/jobs@3.0.0/run", None),
        ("/tasks/stop", None),
        ("/tasks/", None),
        ("//run", None),
        ("/", None),
        ("run", None),
    ] {
        let found = path::find(&contract, path);
        assert_eq!(found.map(|(interface, _)| &*interface.id), id, "{path}");
    }
    let shortest: Vec<_> = contract
        .exports
        .iter()
        .map(|one| path::of(&contract, one))
        .collect();
    assert_eq!(
        shortest,
        ["", "/jobs@1.0.0", "/jobs@2.1.0", "/tasks", "/bare"]
    );
}
