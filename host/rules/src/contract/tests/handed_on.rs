//! A service that gives the fault of a call of its own as its error: whoever asked is told that fault, and an error of its own making stays one.

use super::super::safe::Safe;
use super::super::{Front, Settings as Wanted};
use crate::testing::*;
use holdfast_call::contract::{Case, Contract, Docs, Function, Interface, Mode, Type, faults};
use holdfast_call::{
    Answer, Body, Boundary, Fault, HostCode, Payload, Reply, Settings, Target, Value, Values,
    Verdict,
};
use http::Request;
use std::sync::Arc;

const ID: &str = "acme:jobs/jobs@1.0.0";

/// `result<_, variant { full, fault }>`.
fn result() -> Type {
    let case = |name: &str| Case {
        name: name.into(),
        ty: None,
        docs: Docs::default(),
    };
    let error = Type::Variant([case("full"), case("fault")].into());
    Type::Result(None, Some(error.into()))
}

fn contract() -> Contract {
    let add = Function {
        name: "add".into(),
        docs: Docs::default(),
        params: Vec::new(),
        result: Some(result()),
        mode: Mode::Sync,
    };
    Contract {
        exports: vec![Interface {
            id: ID.into(),
            docs: Docs::default(),
            functions: vec![add],
        }],
        ..Contract::default()
    }
}

fn trap() -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Application,
        stage: "guest",
        cause: "CANARY".to_owned(),
        evidence: Vec::new(),
        next: String::new(),
    };
    Fault::host(HostCode::ServiceFault, "It failed.", verdict)
}

/// What became of the one call that the service makes.
#[derive(Clone, Copy, PartialEq)]
enum Child {
    None,
    Failed,
    /// The second time.
    Well,
}

/// What two callers are told, one over HTTP and one with values, of a service whose own call came to this and that gives `given`.
fn told(child: Child, given: Value) -> [Reply; 2] {
    let bench = Bench::new();
    let pipeline = bench.only(&["contract"]);
    let settings = Settings::default().with(Wanted {
        contract: Arc::new(contract()),
        safe: Safe::default(),
        shown: Arc::default(),
        front: Front::None,
    });
    register(&pipeline, &service("jobs"), settings, move |admitted| {
        let (call, ..) = admitted.into_parts();
        let asked = Target::Service("tasks".into());
        if child != Child::None {
            call.meter.below().failed(&asked, &trap());
        }
        if child == Child::Well {
            call.meter.below().well(&asked);
        }
        let given = given.clone();
        Box::pin(async move { Ok(Answer::Values(Values::new(vec![given]))) })
    });
    let mut over_http = bench.call(&service("jobs"));
    let request = Request::post("http://host/jobs/add").body(Body::empty());
    over_http.payload = Payload::Http(request.unwrap());
    let mut with_values = bench.call(&service("jobs"));
    with_values.payload = Payload::Values(format!("{ID}#add").into(), Vec::new());
    with_values.operation = format!("{ID}#add").into();
    [over_http, with_values].map(|call| run(&pipeline, call))
}

fn error(place: u32) -> Value {
    Value::Result(Err(Some(Value::Case(place, None).into())))
}

#[test]
fn a_fault_that_is_handed_on_is_that_fault_with_its_verdict_for_whoever_asked() {
    let handed_on = faults::error_of(&trap(), &result()).unwrap();
    for reply in told(Child::Failed, handed_on) {
        let fault = fault(reply);
        assert_eq!(fault.host_code(), Some(HostCode::ServiceFault));
        assert_eq!(fault.verdict().boundary, Boundary::Application);
        let by = ("handed_on_by", service("jobs").to_string());
        assert!(fault.verdict().evidence.contains(&by));
        assert!(!fault.detail().contains("CANARY"));
    }
}

#[test]
fn an_error_of_its_own_making_is_its_own_whatever_it_is_called() {
    for (child, given) in [
        (Child::Failed, error(0)),
        (Child::None, error(1)),
        (Child::Well, error(1)),
    ] {
        let [over_http, with_values] = told(child, given.clone());
        let Ok(Answer::Http(response)) = over_http else {
            panic!("no answer over HTTP");
        };
        assert_eq!(response.status(), 422);
        let Ok(Answer::Values(values)) = with_values else {
            panic!("no values");
        };
        assert_eq!(values.into_list(), [given]);
    }
}
