//! The contract of a component: read out of it, carried to the host, and bounded.

use crate::harness::{Guest, dummy};
use holdfast_call::contract::{Contract, Mode, Type};
use holdfast_wasm::contract::{ALL_PARTS_MAX, DEPTH_MAX, PARTS_MAX, WIT_BYTES_MAX, read, wire};
use std::fmt::Write as _;

fn carried(contract: &Contract) -> Contract {
    wire::read(&wire::write(contract)).expect("what was written is read")
}

#[test]
fn a_contract_crosses_as_it_is() {
    let contract = read(&Guest::Case("typed").bytes()).unwrap();
    let again = carried(&contract);
    assert_eq!(
        (&again.exports, &again.imports),
        (&contract.exports, &contract.imports)
    );
    assert_eq!(again.wit, contract.wit);
    let [shapes] = again.exports.as_slice() else {
        panic!("one interface");
    };
    assert_eq!(&*shapes.id, "test:shapes/shapes@1.2.0");
    let add = shapes.function("add").unwrap();
    assert_eq!(add.to_string(), "add: func(a: u32, b: u32) -> u32");
    assert_eq!(shapes.function("many").unwrap().result, Some(Type::Bytes));
    let asks = read(&Guest::Case("asks").bytes()).unwrap();
    assert_eq!(asks.imports.len(), 1, "the host's own are none");
    // A caller imports only what it calls.
    let imported = asks.imports[0].functions.iter();
    assert!(imported.clone().count() > 3);
    for function in imported {
        assert_eq!(shapes.function(&function.name), Some(function));
    }
}

#[test]
fn an_async_function_is_one_on_both_sides() {
    let bytes = Guest::Case("typed").bytes();
    let mut contract = read(&bytes).unwrap();
    contract.exports[0].functions[0].mode = Mode::Async;
    assert_eq!(carried(&contract).exports[0].functions[0].mode, Mode::Async);
}

#[test]
fn what_is_no_contract_is_not_read_as_one() {
    let text = wire::write(&read(&Guest::Case("asks").bytes()).unwrap());
    for end in 0..text.len() {
        assert!(wire::read(&text[..end]).is_none(), "{end}");
    }
    for text in [
        "null",
        "{}",
        "[]",
        "{\"exports\":[],\"imports\":[]}",
        "{\"exports\":[[]],\"imports\":[],\"wit\":\"\"}",
    ] {
        assert!(wire::read(text.as_bytes()).is_none(), "{text}");
    }
}

fn refused(wit: &str) -> String {
    let component = dummy(&format!("package test:large@1.0.0;\n{wit}"));
    read(&component).expect_err("it is too much").to_string()
}

/// `count` types, each made of the one before it as `of` says, and functions that take the last.
fn chain(count: u32, of: &str, functions: u32) -> String {
    let mut wit = "interface large {\n type t0 = u16;\n".to_owned();
    for place in 0..count {
        let ty = of.replace('T', &format!("t{place}"));
        writeln!(wit, "type t{} = {ty};", place + 1).unwrap();
    }
    for place in 0..functions {
        writeln!(wit, "f{place}: func(value: t{count});").unwrap();
    }
    wit + "}\nworld w { export large; }"
}

#[test]
fn types_are_only_so_deep_and_so_large() {
    let deep = refused(&chain(DEPTH_MAX, "list<T>", 1));
    assert!(
        deep.contains(&format!("more than {DEPTH_MAX} deep")),
        "{deep}"
    );
    let large = refused(&chain(14, "tuple<T, T>", 1));
    assert!(
        large.contains(&format!("more than {PARTS_MAX} parts")),
        "{large}"
    );
    let all = refused(&chain(12, "tuple<T, T>", 20));
    assert!(
        all.contains(&format!("more than {ALL_PARTS_MAX} parts")),
        "{all}"
    );
    let fits = dummy(&format!(
        "package test:large@1.0.0;\n{}",
        chain(DEPTH_MAX - 1, "list<T>", 1)
    ));
    let contract = read(&fits).unwrap();
    assert_eq!(
        carried(&contract).exports,
        contract.exports,
        "the deepest crosses as well"
    );
}

#[test]
fn a_contract_is_only_so_long() {
    let mut wit = "interface long {\n".to_owned();
    for place in 0..WIT_BYTES_MAX / 400 {
        writeln!(wit, "f{}{place}: func();", "x".repeat(400)).unwrap();
    }
    let said = refused(&(wit + "}\nworld w { export long; }"));
    assert!(
        said.contains(&format!("more than {WIT_BYTES_MAX} bytes")),
        "{said}"
    );
}
