//! The document: what it says of every function, that it holds together, and that it has a limit.

use super::super::openapi::{About, DOCUMENT_BYTES_MAX, TooLong, document};
use super::super::safe::Safe;
use super::generated::some_type;
use holdfast_call::HostCode;
use holdfast_call::contract::{Case, Contract, Docs, Field, Function, Interface, Mode, Type};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn field(name: &str, ty: Type) -> Field {
    Field {
        name: name.into(),
        ty,
        docs: Docs(Some(format!("The {name}.").into())),
    }
}

fn function(name: &str, params: Vec<Field>, result: Option<Type>) -> Function {
    Function {
        name: name.into(),
        docs: Docs(Some(format!("Does {name}.\n\nAnd more.").into())),
        params,
        result,
        mode: Mode::Sync,
    }
}

fn interface(id: &str, functions: Vec<Function>) -> Interface {
    Interface {
        id: id.into(),
        docs: Docs(Some("Jobs of all kinds.".into())),
        functions,
    }
}

fn jobs() -> Contract {
    let case = |name: &str, ty| Case {
        name: name.into(),
        ty,
        docs: Docs::default(),
    };
    let failure = Type::Variant([case("full", None), case("late", Some(Type::U64))].into());
    let params = vec![
        field("text", Type::Text),
        field("from", Type::Option(Type::U64.into())),
        field("n", Type::Option(Type::U8.into())),
        field("tags", Type::List(Type::Text.into())),
    ];
    let found = Type::Result(Some(Type::F64.into()), Some(failure.into()));
    let find = function("find", params, Some(found));
    let quiet = function("quiet", Vec::new(), None);
    let alone = function("alone", Vec::new(), Some(Type::Result(None, None)));
    Contract {
        exports: vec![
            interface("acme:jobs/jobs@1.2.0", vec![find, quiet]),
            interface("", vec![alone]),
        ],
        ..Contract::default()
    }
}

fn about() -> About {
    About {
        name: "work".into(),
        purpose: Some("keeps jobs".into()),
        servers: vec!["/work".to_owned()],
    }
}

fn made(contract: &Contract, safe: &[&str]) -> Value {
    let safe = Safe::of(contract, safe.iter().copied()).unwrap();
    let text = document(contract, &safe, &about()).unwrap();
    let document = serde_json::from_slice(&text).unwrap();
    holds_together(&document);
    document
}

/// What OpenAPI 3.1 asks of a document, as far as ours has it.
fn holds_together(document: &Value) {
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with('/') && !path.contains('{'), "{path}");
        for (method, operation) in methods.as_object().unwrap() {
            assert!(["get", "post"].contains(&method.as_str()), "{method}");
            assert_eq!(method == "post", operation["requestBody"].is_object());
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} stands twice");
            let mut names = BTreeSet::new();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(names.insert(parameter["name"].as_str().unwrap()));
                assert_eq!(parameter["in"], "query");
                assert!(parameter["schema"].is_null() != parameter["content"].is_null());
            }
            for (status, answer) in operation["responses"].as_object().unwrap() {
                assert!(status.parse::<u16>().is_ok_and(|status| status >= 200));
                assert!(answer["description"].is_string() || answer["$ref"].is_string());
            }
            let tag = &operation["tags"][0];
            let tags = document["tags"].as_array().unwrap();
            assert!(tags.iter().any(|known| known["name"] == *tag), "{tag}");
        }
    }
    refer_to_what_is_there(document, document);
}

fn refer_to_what_is_there(value: &Value, document: &Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(to)) = map.get("$ref") {
                let pointer = to.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{to}");
            }
            for value in map.values() {
                refer_to_what_is_there(value, document);
            }
        }
        Value::Array(list) => {
            for value in list {
                refer_to_what_is_there(value, document);
            }
        }
        _ => {}
    }
}

#[test]
fn every_function_is_told_with_what_it_takes_and_gives() {
    let document = made(&jobs(), &[]);
    assert_eq!(
        document["info"],
        json!({ "title": "work", "version": "1.2.0", "description": "keeps jobs" })
    );
    assert_eq!(document["servers"], json!([{ "url": "/work" }]));
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/alone", "/jobs/find", "/jobs/quiet"]);
    let find = &document["paths"]["/jobs/find"]["post"];
    assert_eq!(find["summary"], "Does find.");
    assert_eq!(find["description"], "Does find.\n\nAnd more.");
    assert_eq!(find["requestBody"]["required"], true);
    let body = &find["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["required"], json!(["text", "tags"]));
    assert_eq!(body["properties"]["n"]["description"], "The n.");
    let given = &find["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(*given, json!({ "$ref": "#/components/schemas/f64" }));
    // The error that the function declares, or a fault of the host that has its status.
    let problem = &find["responses"]["422"]["content"]["application/problem+json"]["schema"];
    let of_host = &problem["anyOf"][1]["properties"]["code"]["enum"];
    assert_eq!(*of_host, json!(["key-reused"]));
    let problem = &problem["anyOf"][0];
    assert_eq!(
        problem["properties"]["code"]["enum"],
        json!(["work/full", "work/late"])
    );
    assert_eq!(problem["properties"]["error"]["anyOf"][0]["const"], "full");
    let quiet = &document["paths"]["/jobs/quiet"]["post"];
    assert_eq!(quiet["requestBody"]["required"], false);
    assert!(quiet["responses"]["204"].is_object() && quiet["responses"]["422"]["$ref"].is_string());
    let alone = &document["paths"]["/alone"]["post"]["responses"]["422"];
    let problem = &alone["content"]["application/problem+json"]["schema"]["anyOf"][0];
    assert_eq!(problem["properties"]["code"]["enum"], json!(["work/error"]));
    assert_eq!(problem["properties"]["error"], json!({ "type": "null" }));
}

#[test]
fn what_only_looks_has_its_parameters_in_the_query() {
    let document = made(&jobs(), &["jobs/find"]);
    assert!(document["paths"]["/jobs/quiet"]["get"].is_null());
    let get = &document["paths"]["/jobs/find"]["get"];
    let told: Vec<_> = get["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let form = if one["schema"].is_null() {
                "json"
            } else {
                "plain"
            };
            (one["name"].as_str().unwrap(), one["required"] == true, form)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("text", true, "plain"),
            ("from", false, "plain"),
            ("n", false, "plain"),
            ("tags", true, "json")
        ]
    );
    assert_eq!(
        get["parameters"][1]["schema"],
        json!({ "$ref": "#/components/schemas/u64" })
    );
}

#[test]
fn every_code_that_can_be_met_stands_under_its_status() {
    let document = made(&jobs(), &[]);
    let responses = document["components"]["responses"].as_object().unwrap();
    let mut told = BTreeSet::new();
    for (name, response) in responses {
        let schema = &response["content"]["application/problem+json"]["schema"];
        let status = &schema["properties"]["status"]["const"];
        assert_eq!(*name, format!("fault-{status}"));
        for code in schema["properties"]["code"]["enum"].as_array().unwrap() {
            let code = code.as_str().unwrap();
            let known = HostCode::ALL.iter().find(|known| known.as_str() == code);
            assert_eq!(known.unwrap().meaning().status, *status, "{code}");
            told.insert(code.to_owned());
        }
        // One that declares no error of its own: 422 is the host's alone.
        let quiet = &document["paths"]["/jobs/quiet"]["post"]["responses"];
        assert_eq!(
            quiet[status.to_string()]["$ref"],
            format!("#/components/responses/{name}")
        );
    }
    for code in ["invalid-input", "overloaded", "service-fault", "internal"] {
        assert!(told.contains(code), "{code}");
    }
    assert!(!told.contains("method-not-allowed") && !told.contains("cancelled"));
}

#[test]
fn whatever_the_types_are_the_document_holds_together() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let params = (0..3).map(|place| field(["a", "b", "c"][place], some_type(&mut rng, 3)));
        let find = function("find", params.collect(), Some(some_type(&mut rng, 3)));
        let contract = Contract {
            exports: vec![
                interface("acme:jobs/jobs@1.0.0", vec![find.clone()]),
                interface("acme:jobs/jobs@2.0.0", vec![find]),
            ],
            ..Contract::default()
        };
        let document = made(&contract, &["jobs@1.0.0/find"]);
        assert_eq!(document["info"]["version"], "1.0.0, 2.0.0");
    }
}

#[test]
fn a_document_has_a_limit() {
    let many: Vec<_> = (0..10_000)
        .map(|place| field(&format!("field-{place}"), Type::Bool))
        .collect();
    let record = Type::Record(many.into());
    let all: Vec<_> = (0..20)
        .map(|place| function(&format!("f{place}"), Vec::new(), Some(record.clone())))
        .collect();
    let contract = |functions: &[Function]| Contract {
        exports: vec![interface("acme:jobs/jobs@1.0.0", functions.to_vec())],
        ..Contract::default()
    };
    let document = |contract: &Contract| document(contract, &Safe::default(), &about());
    assert_eq!(document(&contract(&all)), Err(TooLong));
    let one = document(&contract(&all[..1])).unwrap();
    assert!(one.len() < DOCUMENT_BYTES_MAX, "{}", one.len());
    let mut wordy = all[0].clone();
    wordy.result = None;
    wordy.docs = Docs(Some("x".repeat(DOCUMENT_BYTES_MAX).into()));
    assert_eq!(document(&contract(&[wordy])), Err(TooLong));
}
