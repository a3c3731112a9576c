//! What is declared is found under every spelling, and what is not is as grave as anything that could be meant.

use super::*;
use holdfast_call::contract::{Docs, Field, Function, Interface, Mode, Type};

fn contract() -> Contract {
    let function = |name: &str, params: usize| Function {
        name: name.into(),
        docs: Docs::default(),
        params: (0..params)
            .map(|number| Field {
                name: format!("p{number}").into(),
                docs: Docs::default(),
                ty: Type::U32,
            })
            .collect(),
        result: None,
        mode: Mode::Sync,
    };
    Contract {
        exports: vec![Interface {
            id: "acme:shop/orders@1.0.0".into(),
            docs: Docs::default(),
            functions: vec![
                function("place", 1),
                function("cancel", 1),
                function("move", 2),
            ],
        }],
        ..Contract::default()
    }
}

fn effects(declared: &[(&str, Declared)], undeclared: Undeclared) -> Effects {
    let declared = declared
        .iter()
        .map(|(name, declared)| ((*name).to_owned(), declared.clone()));
    Effects::new(&declared.collect(), &[], &contract(), undeclared).unwrap()
}

fn mails() -> Effects {
    let declared = [
        ("POST /mails", Declared::Irreversible),
        ("POST /mails/drafts/...", Declared::Idempotent),
        ("PUT /orders", Declared::Undo("DELETE /orders/{id}".into())),
    ];
    effects(&declared, Undeclared::Allow)
}

#[test]
fn what_is_declared_is_found_however_it_is_spelled() {
    for (method, path, effect, needs) in [
        ("POST", "/mails", Effect::Irreversible, Needs::Approval),
        ("POST", "/mails/", Effect::Irreversible, Needs::Approval),
        ("POST", "//mails", Effect::Irreversible, Needs::Approval),
        ("POST", "/./mails", Effect::Irreversible, Needs::Approval),
        ("POST", "/%6dails", Effect::Irreversible, Needs::Approval),
        ("POST", "/mails;x", Effect::Irreversible, Needs::Approval),
        ("POST", "/x/../mails", Effect::Irreversible, Needs::Approval),
        (
            "POST",
            "/mails/drafts/7",
            Effect::Idempotent,
            Needs::Nothing,
        ),
        ("POST", "/mails/drafts", Effect::Idempotent, Needs::Nothing),
        ("POST", "/letters", Effect::Undeclared, Needs::Nothing),
        ("post", "/mails", Effect::Irreversible, Needs::Approval),
        ("PUT", "/mails", Effect::Irreversible, Needs::Approval),
        ("SEND", "/mails/", Effect::Irreversible, Needs::Approval),
        ("DELETE", "/letters", Effect::Undeclared, Needs::Nothing),
        ("DELETE", "//mails", Effect::Irreversible, Needs::Approval),
        ("PUT", "/orders", Effect::Undo, Needs::Nothing),
        ("PUT", "//orders", Effect::Irreversible, Needs::Approval),
    ] {
        let terms = mails().of_path(method, path);
        assert_eq!(
            (terms.effect, terms.needs),
            (effect, needs),
            "{method} {path}"
        );
    }
    let terms = mails().of_path("PUT", "/orders");
    assert_eq!(terms.undo.as_deref(), Some("DELETE /orders/{id}"));
}

#[test]
fn of_two_that_mean_one_path_the_graver_holds() {
    let declared = [
        ("POST /...", Declared::Idempotent),
        ("POST /mails", Declared::Irreversible),
    ];
    let effects = effects(&declared, Undeclared::Refuse);
    assert_eq!(
        effects.of_path("POST", "/mails").effect,
        Effect::Irreversible
    );
    assert_eq!(effects.of_path("POST", "/a").effect, Effect::Idempotent);
    assert_eq!(effects.of_path("PUT", "/a").needs, Needs::Declaration);
}

#[test]
fn what_nobody_declares_is_as_the_policy_says() {
    for (undeclared, needs) in [
        (Undeclared::Allow, Needs::Nothing),
        (Undeclared::Hold, Needs::Approval),
        (Undeclared::Refuse, Needs::Declaration),
    ] {
        let terms = effects(&[], undeclared).of_path("POST", "/");
        assert_eq!((terms.effect, terms.needs), (Effect::Undeclared, needs));
    }
}

#[test]
fn functions_are_named_as_in_a_request_and_undone_by_one_that_can_be_given_the_answer() {
    let declared = [
        ("orders/place", Declared::Undo("orders/cancel".into())),
        ("orders/move", Declared::Irreversible),
    ];
    let effects = effects(&declared, Undeclared::Allow);
    let place = &effects.functions["acme:shop/orders@1.0.0#place"];
    let cancel = Declared::Undo("acme:shop/orders@1.0.0#cancel".into());
    assert_eq!(*place, cancel);
    for (named, declared) in [
        ("orders/lose", Declared::Irreversible),
        ("orders/place", Declared::Undo("orders/lose".into())),
        ("orders/place", Declared::Undo("orders/move".into())),
        ("GET", Declared::Idempotent),
    ] {
        let wrong = BTreeMap::from([(named.to_owned(), declared)]);
        assert!(
            Effects::new(&wrong, &[], &contract(), Undeclared::Allow).is_err(),
            "{wrong:?}"
        );
    }
}

#[test]
fn what_undoes_something_changes_something_and_is_one_path() {
    for text in [
        "DELETE /orders/{id}",
        "POST /undo",
        "PUT /{a}/b/{c-d}",
        "orders/cancel",
    ] {
        assert_eq!(parse_undo(text).as_deref(), Ok(text));
    }
    for text in [
        "",
        "GET /orders/{id}",
        "HEAD /a",
        "OPTIONS /a",
        "DELETE orders",
        "DELETE /orders/{}",
        "DELETE /orders/{id",
        "DELETE /orders/{i d}",
        "DELETE /orders/x{id}",
        "DELETE /orders/../{id}",
        "DELETE /orders/{a}{b}",
        "orders/",
        &format!("POST /{}", "a".repeat(600)),
    ] {
        assert!(parse_undo(text).is_err(), "{text}");
    }
}
