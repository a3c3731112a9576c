//! What authors say, in a component: put in once, read where it fits, bounded, and no part of any promise.

use crate::harness::dummy;
use holdfast_call::contract::{Contract, Type};
use holdfast_wasm::contract::said::SAID_BYTES_MAX;
use holdfast_wasm::contract::{SAID_OF_TYPES_BYTES_MAX, read};
use holdfast_wasm::describe::{Described, describe};
use std::path::PathBuf;

/// A component of this WIT, and the same with its comments.
fn both(wit: &str) -> (Vec<u8>, Described) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.wit");
    std::fs::write(&file, wit).unwrap();
    let component = dummy(wit);
    let described = describe(&component, &[file]).unwrap();
    (component, described)
}

const WIT: &str = "package test:said@1.0.0;\n\
    /// All jobs.\ninterface jobs {\n\
    use holdfast:host/faults@0.1.0.{fault};\n\
    record job {\n/// Its title.\ntitle: string }\n\
    variant why {\n/// There is no room.\nfull,\nfault(fault) }\n\
    /// Adds one.\nadd: func(job: job) -> result<u64, why>;\n}\n\
    world w {\nexport jobs;\n/// Alone.\nexport alone: func();\n\
    export inside: interface {\n/// Within.\nf: func(); } }";

fn said(contract: &Contract) -> Vec<String> {
    let mut said = Vec::new();
    for interface in &contract.exports {
        said.extend(interface.docs.0.as_deref().map(str::to_owned));
        for function in &interface.functions {
            said.extend(function.docs.0.as_deref().map(str::to_owned));
        }
    }
    said
}

#[test]
fn what_is_said_is_read_again_and_makes_no_other_contract() {
    let (plain, described) = both(WIT);
    let (before, after) = (read(&plain).unwrap(), read(&described.component).unwrap());
    assert_eq!(before.exports, after.exports);
    assert!(said(&before).is_empty());
    assert_eq!(
        said(&after),
        ["All jobs.", "Adds one.", "Within.", "Alone."]
    );
    let jobs = &after.exports[0].functions[0];
    let Type::Record(fields) = &jobs.params[0].ty else {
        panic!("a record");
    };
    assert_eq!(fields[0].docs.0.as_deref(), Some("Its title."));
    let Some(Type::Result(_, Some(why))) = &jobs.result else {
        panic!("a result");
    };
    let Type::Variant(cases) = &**why else {
        panic!("a variant");
    };
    assert_eq!(cases[0].docs.0.as_deref(), Some("There is no room."));
    // What the host says of faults comes with it.
    assert!(
        described
            .packages
            .contains(&"holdfast:host@0.1.0".to_owned())
    );
    assert!(after.wit.contains("/// Its title.") && !before.wit.contains("///"));
}

#[test]
fn other_words_take_the_place_of_the_ones_before() {
    let (_, first) = both(WIT);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.wit");
    std::fs::write(&file, WIT.replace("Adds one.", "Adds another.")).unwrap();
    let wit: &[PathBuf] = &[file];
    let second = describe(&first.component, wit).unwrap();
    let words = said(&read(&second.component).unwrap());
    assert!(
        words.contains(&"Adds another.".to_owned()) && !words.contains(&"Adds one.".to_owned())
    );
    assert_eq!(
        describe(&second.component, wit).unwrap().component,
        second.component
    );
}

#[test]
fn what_is_said_has_limits_and_beyond_them_it_is_not_said() {
    let long = |bytes: usize| WIT.replace("Adds one.", &"x".repeat(bytes));
    let words = |wit: &str| said(&read(&both(wit).1.component).unwrap()).len();
    assert_eq!(words(&long(SAID_BYTES_MAX / 2)), 4);
    assert_eq!(words(&long(SAID_BYTES_MAX)), 0);
    // A type is said of again wherever it stands.
    let title = "y".repeat(100_000);
    let times = |functions: usize| {
        let more: String = (0..functions)
            .map(|n| format!("f{n}: func(job: job);\n"))
            .collect();
        let wit = WIT
            .replace("Its title.", &title)
            .replace("/// Adds one.", &format!("{more}/// Adds one."));
        read(&both(&wit).1.component).unwrap()
    };
    let of_types = |contract: &Contract| match &contract.exports[0].functions[0].params[0].ty {
        Type::Record(fields) => fields[0].docs.0.is_some(),
        _ => panic!("a record"),
    };
    let many = SAID_OF_TYPES_BYTES_MAX / title.len();
    let (few, many) = (times(many - 1), times(many + 1));
    assert!(of_types(&few) && !of_types(&many));
    assert!(said(&many).contains(&"Adds one.".to_owned()));
}
