//! The layer: a request becomes values and values an answer, and nothing runs that does not fit.

use super::super::query::QUERY_BYTES_MAX;
use super::super::safe::Safe;
use super::super::{Front, Settings as Wanted};
use crate::testing::*;
use holdfast_call::contract::{Contract, Docs, Field, Function, Interface, Mode, Type};
use holdfast_call::{Answer, Body, Code, Payload, Pipeline, Reply, Settings, Value, Values};
use http::{Method, Request, header};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const ID: &str = "acme:jobs/jobs@1.0.0";

fn contract() -> Contract {
    let add = Function {
        name: "add".into(),
        docs: Docs::default(),
        params: vec![Field {
            name: "title".into(),
            ty: Type::Text,
            docs: Docs::default(),
        }],
        result: Some(Type::Result(
            Some(Type::U64.into()),
            Some(Type::Enum(["full".into(), "closed".into()].into()).into()),
        )),
        mode: Mode::Sync,
    };
    let quiet = Function {
        name: "quiet".into(),
        params: Vec::new(),
        result: None,
        ..add.clone()
    };
    let find = Function {
        name: "find".into(),
        ..add.clone()
    };
    Contract {
        exports: vec![Interface {
            id: ID.into(),
            docs: Docs::default(),
            functions: vec![add, quiet, find],
        }],
        ..Contract::default()
    }
}

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    ran: Arc<AtomicU32>,
}

/// A service whose guest gives `given`.
fn world(given: Vec<Value>, front: Front) -> World {
    let bench = Bench::new();
    let pipeline = bench.only(&["contract"]);
    let ran = Arc::<AtomicU32>::default();
    let counted = ran.clone();
    let settings = Settings::default().with(Wanted {
        contract: Arc::new(contract()),
        safe: Safe::of(&contract(), ["jobs/quiet", "jobs/find"]).unwrap(),
        shown: Arc::default(),
        front,
    });
    register(&pipeline, &service("jobs"), settings, move |admitted| {
        counted.fetch_add(1, Ordering::Relaxed);
        let given = given.clone();
        Box::pin(async move {
            Ok(match admitted.into_parts().0.payload {
                Payload::Values(..) => Answer::Values(Values::new(given)),
                Payload::Http(_) => answer(200, text("plain")),
            })
        })
    });
    World {
        bench,
        pipeline,
        ran,
    }
}

impl World {
    fn ask(&self, request: Request<Body>) -> Reply {
        let mut call = self.bench.call(&service("jobs"));
        call.payload = Payload::Http(request);
        run(&self.pipeline, call)
    }

    fn post(&self, path: &str, body: &'static str) -> Reply {
        let request = Request::post(format!("http://host{path}"))
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        self.ask(request.body(text(body)).unwrap())
    }

    fn empty(&self, method: Method, path: &str) -> Reply {
        let request = Request::builder().method(method);
        let request = request.uri(format!("http://host{path}"));
        self.ask(request.body(Body::empty()).unwrap())
    }

    fn values(&self, operation: &str, values: Vec<Value>) -> Reply {
        let mut call = self.bench.call(&service("jobs"));
        call.operation = operation.into();
        call.payload = Payload::Values(operation.into(), values);
        run(&self.pipeline, call)
    }

    fn ran(&self) -> u32 {
        self.ran.load(Ordering::Relaxed)
    }
}

/// Status and body.
fn said(reply: Reply) -> (u16, String) {
    let Answer::Http(response) = reply.unwrap() else {
        panic!("values instead of a response");
    };
    let status = response.status().as_u16();
    let whole = response.into_body().as_whole().cloned().unwrap();
    (status, String::from_utf8(whole.to_vec()).unwrap())
}

fn ok(value: u64) -> Vec<Value> {
    vec![Value::Result(Ok(Some(Value::U64(value).into())))]
}

#[test]
fn a_request_becomes_values_and_what_is_given_an_answer() {
    let world = world(ok(u64::MAX), Front::None);
    for path in ["/jobs/add", "/jobs@1.0.0/add", "/acme:jobs/jobs@1.0.0/add"] {
        let given = said(world.post(path, "{\"title\":\"x\"}"));
        assert_eq!(given, (200, "\"18446744073709551615\"".to_owned()));
    }
}

#[test]
fn an_error_that_was_declared_is_the_services_own_problem() {
    let world = world(
        vec![Value::Result(Err(Some(Value::Case(1, None).into())))],
        Front::None,
    );
    let (status, text) = said(world.post("/jobs/add", "{\"title\":\"x\"}"));
    assert_eq!(status, 422);
    assert!(
        text.starts_with("{\"type\":\"urn:holdfast:fault:jobs/closed\","),
        "{text}"
    );
    assert!(text.ends_with("\"error\":\"closed\"}"), "{text}");
}

#[test]
fn nothing_given_is_an_answer_without_a_body() {
    let world = world(Vec::new(), Front::None);
    assert_eq!(said(world.post("/jobs/quiet", "")), (204, String::new()));
}

#[test]
fn what_does_not_fit_is_told_before_anything_runs() {
    let world = world(ok(1), Front::None);
    let fault = fault(world.post("/jobs/add", "{\"titel\":\"x\"}"));
    assert!(matches!(fault.code(), Code::Host(code) if code.as_str() == "invalid-input"));
    let told: Vec<_> = fault
        .violations()
        .iter()
        .map(|one| one.pointer.as_str())
        .collect();
    assert_eq!(told, ["/titel", "/title"]);
    let form = Request::post("http://host/jobs/add").header(header::CONTENT_TYPE, "text/plain");
    assert_eq!(
        code(world.ask(form.body(text("{\"title\":\"x\"}")).unwrap())),
        "invalid-input"
    );
    assert_eq!(code(world.post("/jobs/lose", "{}")), "no-such-operation");
    assert_eq!(code(world.post("/", "{}")), "no-such-operation");
    assert_eq!(world.ran(), 0);
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let world = world(ok(1), Front::None);
    let long = "x".repeat(super::super::TEXT_BYTES_MAX + 1);
    let request = Request::post("http://host/jobs/add")
        .body(Body::whole(long.into()))
        .unwrap();
    assert_eq!(code(world.ask(request)), "payload-too-large");
    assert_eq!(world.ran(), 0);
}

#[test]
fn a_call_with_values_is_checked_and_passes_as_it_is() {
    let world = world(ok(7), Front::None);
    let add = format!("{ID}#add");
    match world.values(&add, vec![Value::Text("x".into())]).unwrap() {
        Answer::Values(values) => assert_eq!(values.into_list(), ok(7)),
        Answer::Http(_) => panic!("a response instead of values"),
    }
    assert_eq!(
        code(world.values(&add, vec![Value::U8(1)])),
        "invalid-input"
    );
    assert_eq!(code(world.values(&add, Vec::new())), "invalid-input");
    assert_eq!(
        code(world.values("acme:jobs/jobs@2.0.0#add", Vec::new())),
        "no-such-operation"
    );
    assert_eq!(world.ran(), 1);
}

#[test]
fn what_was_not_promised_goes_to_nobody() {
    for given in [
        Vec::new(),
        vec![Value::U8(1)],
        vec![Value::Result(Ok(None))],
    ] {
        let world = world(given.clone(), Front::None);
        assert_eq!(
            code(world.post("/jobs/add", "{\"title\":\"x\"}")),
            "bad-response",
            "{given:?}"
        );
        let values = world.values(&format!("{ID}#add"), vec![Value::Text("x".into())]);
        assert_eq!(code(values), "bad-response", "{given:?}");
        assert_eq!(world.post("/jobs/quiet", "").is_err(), !given.is_empty());
    }
}

#[test]
fn a_component_that_serves_http_itself_gets_the_rest() {
    let world = world(ok(1), Front::Own);
    assert_eq!(
        said(world.post("/somewhere", "{}")),
        (200, "plain".to_owned())
    );
    assert_eq!(said(world.post("/jobs/add", "{\"title\":\"x\"}")).0, 200);
}

#[test]
fn what_only_looks_is_asked_with_get_and_head_too() {
    let world = world(ok(7), Front::None);
    let get = |path: &str| world.empty(Method::GET, path);
    assert_eq!(
        said(get("/jobs/find?title=a+%22b%22")),
        (200, "\"7\"".to_owned())
    );
    assert_eq!(said(world.post("/jobs/find", "{\"title\":\"x\"}")).0, 200);
    let Answer::Http(head) = world.empty(Method::HEAD, "/jobs/find?title=x").unwrap() else {
        panic!("values instead of a response");
    };
    assert_eq!(
        (
            head.status().as_u16(),
            head.headers()[header::CONTENT_LENGTH].as_bytes()
        ),
        (200, &b"3"[..])
    );
    assert!(head.body().as_whole().unwrap().is_empty());
    assert_eq!(world.ran(), 3);
    for (query, at) in [
        ("?titel=x", "/titel /title"),
        ("?title=x&title=x", "/title"),
        ("?title=%ff", "/title"),
        ("?title=%4", "/title"),
        ("?%zz=x", ""),
        ("", "/title"),
    ] {
        let fault = fault(get(&format!("/jobs/find{query}")));
        assert!(matches!(fault.code(), Code::Host(code) if code.as_str() == "invalid-input"));
        let told: Vec<_> = fault
            .violations()
            .iter()
            .map(|one| one.pointer.as_str())
            .collect();
        assert_eq!(told.join(" "), at, "{query}");
    }
    let long = |bytes: usize| format!("/jobs/find?title={}", "x".repeat(bytes - "title=".len()));
    assert_eq!(said(get(&long(QUERY_BYTES_MAX))).0, 200);
    assert_eq!(code(get(&long(QUERY_BYTES_MAX + 1))), "target-too-long");
    let request = Request::get("http://host/jobs/find?title=x").body(text("{}"));
    assert_eq!(code(world.ask(request.unwrap())), "invalid-input");
    assert_eq!(world.ran(), 4);
}

#[test]
fn another_method_is_refused_with_those_that_are_taken() {
    let world = world(ok(7), Front::None);
    for (method, path, allowed) in [
        (Method::GET, "/jobs/add", "POST"),
        (Method::HEAD, "/jobs/add", "POST"),
        (Method::OPTIONS, "/jobs/add", "POST"),
        (Method::PUT, "/jobs/find", "GET, HEAD, POST"),
        (Method::POST, "/wit", "GET, HEAD"),
    ] {
        let fault = fault(world.empty(method, path));
        assert!(matches!(fault.code(), Code::Host(code) if code.as_str() == "method-not-allowed"));
        assert_eq!(fault.allow(), Some(allowed), "{path}");
    }
    assert_eq!(world.ran(), 0);
    let own = world_of_its_own();
    assert_eq!(
        code(own.empty(Method::GET, "/jobs/add")),
        "method-not-allowed"
    );
    for page in ["/wit", "/openapi.json"] {
        assert_eq!(said(own.empty(Method::GET, page)).1, "plain");
        assert_eq!(said(own.empty(Method::DELETE, page)).1, "plain");
    }
}

fn world_of_its_own() -> World {
    world(ok(1), Front::Own)
}

#[test]
fn only_what_there_is_can_be_named_as_safe() {
    for named in ["jobs/find", "jobs@1.0.0/find", "acme:jobs/jobs@1.0.0/find"] {
        let safe = Safe::of(&contract(), [named]).unwrap();
        let jobs = &contract().exports[0];
        let has = |name: &str| safe.has(jobs, jobs.function(name).unwrap());
        assert_eq!((has("find"), has("add")), (true, false));
    }
    let error = Safe::of(&contract(), ["jobs/quiet", "jobs/look"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`jobs/look` is named as safe, and the component exports no such function; there is jobs/add, jobs/quiet, jobs/find"
    );
    let error = Safe::of(&Contract::default(), ["jobs/look"]).unwrap_err();
    assert!(error.to_string().ends_with("nor any other that is typed"));
}
