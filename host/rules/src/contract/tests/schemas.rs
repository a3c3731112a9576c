//! What a schema says of a text is what the reader says of it, and what is written is what the schema of what is given says.

use super::super::schema::{Schemas, Side, shared};
use super::super::{read, write};
use super::generated::{some_type, some_value};
use holdfast_call::contract::{Case, Docs, Field, Type};
use jsonschema::Validator;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

const TYPES: u64 = 300;
const VALUES: usize = 30;

fn validator(ty: &Type, side: Side) -> Validator {
    let mut schema = Schemas::new(side, 1 << 24).of(ty);
    schema["components"] = json!({ "schemas": shared() });
    let made = jsonschema::draft202012::new(&schema);
    made.unwrap_or_else(|error| panic!("{error} in {schema}"))
}

/// Another text near this one: one of its values is another, gone, twice, or under another name.
fn changed(value: &mut Value, rng: &mut StdRng) {
    let deeper = rng.random_range(0..4) > 0;
    match value {
        Value::Array(items) if deeper && !items.is_empty() => {
            let at = rng.random_range(0..items.len());
            match rng.random_range(0..5) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => changed(&mut items[at], rng),
            }
        }
        Value::Object(map) if deeper && !map.is_empty() => {
            let names: Vec<_> = map.keys().cloned().collect();
            let name = &names[rng.random_range(0..names.len())];
            match rng.random_range(0..5) {
                0 => drop(map.remove(name)),
                1 => {
                    let moved = map.remove(name).unwrap();
                    map.insert(other_name(rng), moved);
                }
                2 => drop(map.insert(other_name(rng), json!(null))),
                _ => changed(&mut map[name], rng),
            }
        }
        value => *value = another(value, rng),
    }
}

fn other_name(rng: &mut StdRng) -> String {
    let names = ["a", "some", "ok", "error", "n7", "other"];
    names[rng.random_range(0..names.len())].to_owned()
}

fn another(value: &Value, rng: &mut StdRng) -> Value {
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(-129),
        json!(255),
        json!(256),
        json!(65_536),
        json!(4_294_967_296u64),
        json!(-2_147_483_649i64),
        json!(9_007_199_254_740_992u64),
        json!(1e300),
        json!(""),
        json!("a"),
        json!("ok"),
        json!("ab"),
        json!("\u{1f600}"),
        json!("NaN"),
        json!("-Infinity"),
        json!("7"),
        json!("-1"),
        json!("18446744073709551615"),
        json!("18446744073709551616"),
        json!("9223372036854775808"),
        json!("-9223372036854775808"),
        json!("-9223372036854775809"),
        json!("1 "),
        json!("+1"),
        json!("AA=="),
        json!("AB=="),
        json!("AAA="),
        json!("AAAA"),
        json!("AAA"),
        json!("AA==AA=="),
        json!("AA==\n"),
        json!([]),
        json!([1, "a"]),
        json!(["a", "a"]),
        json!({}),
        json!({ "some": null }),
        json!({ "ok": null }),
        json!({ "error": null }),
        json!({ "ok": null, "error": null }),
        json!([value]),
        json!({ "some": value }),
        json!({ "a": value }),
    ];
    others[rng.random_range(0..others.len())].clone()
}

#[test]
fn what_is_written_is_what_the_schema_says_and_what_it_refuses_the_reader_refuses() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..TYPES {
        let mut rng = StdRng::seed_from_u64(seed);
        let ty = some_type(&mut rng, 3);
        let [takes, gives] = [Side::Taken, Side::Given].map(|side| validator(&ty, side));
        for _ in 0..VALUES {
            let value = some_value(&mut rng, &ty);
            let text = write::value(&value, &ty).unwrap();
            let mut json: Value = serde_json::from_slice(&text).unwrap();
            for side in [&takes, &gives] {
                assert!(side.is_valid(&json), "{seed}: {json} of {ty}");
            }
            for _ in 0..rng.random_range(1..3) {
                changed(&mut json, &mut rng);
            }
            let read = read::value(json.to_string().as_bytes(), &ty);
            assert_eq!(
                takes.is_valid(&json),
                read.is_ok(),
                "{seed}: {json} of {ty}, {read:?}"
            );
            match read {
                Ok(value) => {
                    taken += 1;
                    let given = write::value(&value, &ty).unwrap();
                    let given: Value = serde_json::from_slice(&given).unwrap();
                    assert!(gives.is_valid(&given), "{seed}: {given} of {ty}");
                }
                Err(_) => refused += 1,
            }
        }
    }
    // Both happen, or nothing was shown.
    assert!(taken > 500 && refused > 500, "{taken} and {refused}");
}

#[test]
fn each_form_has_its_schema() {
    let is = |ty: &Type, side: Side, value: Value| validator(ty, side).is_valid(&value);
    for (ty, good, bad) in [
        (
            Type::U64,
            vec![
                json!("0"),
                json!("10"),
                json!("18446744073709551615"),
                json!("18446744073709551609"),
                json!("9999999999999999999"),
            ],
            vec![
                json!("18446744073709551616"),
                json!("20000000000000000000"),
                json!("01"),
                json!("-1"),
                json!(""),
                json!("1\n"),
            ],
        ),
        (
            Type::S64,
            vec![
                json!("-9223372036854775808"),
                json!("9223372036854775807"),
                json!("-1"),
            ],
            vec![
                json!("9223372036854775808"),
                json!("-9223372036854775809"),
                json!("+1"),
                json!("--1"),
            ],
        ),
        (
            Type::F32,
            vec![json!(f32::MAX), json!(0.1), json!(1), json!("NaN")],
            vec![json!(f64::MAX), json!("nan"), json!("1")],
        ),
    ] {
        for value in good {
            assert!(is(&ty, Side::Given, value.clone()), "{value} of {ty}");
        }
        for value in bad {
            assert!(!is(&ty, Side::Given, value.clone()), "{value} of {ty}");
        }
    }
    // A number is taken where digits are given.
    assert!(is(&Type::U64, Side::Taken, json!(7)) && !is(&Type::U64, Side::Given, json!(7)));
    assert!(!is(&Type::U64, Side::Taken, json!(-7)));
}

#[test]
fn what_its_author_says_stands_beside_it() {
    let said = |text: &str| Docs(Some(text.into()));
    let field = |name: &str, ty| Field {
        name: name.into(),
        ty,
        docs: said("A field."),
    };
    let case = |name: &str, ty| Case {
        name: name.into(),
        ty,
        docs: said("A case."),
    };
    let cases = Type::Variant([case("none", None), case("some", Some(Type::U64))].into());
    let ty = Type::Record(
        [
            field("id", Type::U64),
            field("why", Type::Option(cases.into())),
        ]
        .into(),
    );
    let taken = Schemas::new(Side::Taken, 1 << 20).of(&ty);
    assert_eq!(taken["properties"]["id"]["description"], "A field.");
    assert_eq!(taken["required"], json!(["id"]));
    let cases = &taken["properties"]["why"]["anyOf"][0]["anyOf"];
    assert_eq!(
        (&cases[0]["description"], &cases[1]["description"]),
        (&json!("A case."), &json!("A case."))
    );
    let given = Schemas::new(Side::Given, 1 << 20).of(&ty);
    assert_eq!(given["required"], json!(["id", "why"]));
}

#[test]
fn what_would_become_too_long_is_not_made() {
    let many: Vec<_> = (0..1_000).map(|_| Type::Text).collect();
    let mut schemas = Schemas::new(Side::Given, 10_000);
    let made = schemas.of(&Type::List(Type::Tuple(many.into()).into()));
    assert_eq!(schemas.left(), 0);
    assert!(
        made.to_string().len() < 20_000,
        "{}",
        made.to_string().len()
    );
}
