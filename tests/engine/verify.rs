//! What cannot be served is refused with a line that says what to change, before anything is compiled where that is possible.

use super::component;
use crate::harness::Guest;
use holdfast_wasm::compile::artifact::Artifact;
use holdfast_wasm::compile::inside;
use holdfast_wasm::compile::job::{CompileLimits, Job};
use holdfast_wasm::engine::{Metering, Tasks};
use holdfast_wasm::load_error::LoadError;
use holdfast_wasm::verify::{Exports, verify};

const SERVED: &str = r#"(component
    (instance $empty)
    (export "wasi:http/incoming-handler@0.2.3" (instance $empty)))"#;

/// A component that is served but for what `inside` adds.
fn with(inside: &str) -> Vec<u8> {
    component(&format!(
        r#"(component {inside}
            (instance $empty)
            (export "wasi:http/incoming-handler@0.2.3" (instance $empty)))"#
    ))
}

/// A component whose core module has `inside`.
fn with_core(inside: &str) -> Vec<u8> {
    with(&format!("(core module $m {inside})"))
}

/// What the compiling process does, but in this one.
fn compile(bytes: &[u8]) -> Result<Exports, LoadError> {
    let job = Job {
        metering: Metering::Plain,
        memory_bytes_max: 4 << 30,
        limits: CompileLimits::default(),
    };
    inside::compile(bytes, &job).map(|artifact| Artifact::read(&artifact).unwrap().verified.exports)
}

fn line(bytes: &[u8]) -> String {
    verify(bytes).unwrap_err().to_string()
}

#[test]
fn only_who_has_tasks_needs_an_engine_with_tasks() {
    for (guest, tasks) in [
        (Guest::Service("hello"), Tasks::One),
        (Guest::Case("wasi02"), Tasks::One),
        (Guest::Case("wasi03"), Tasks::Many),
        (Guest::Text("imports-unused"), Tasks::One),
    ] {
        assert_eq!(verify(&guest.bytes()).unwrap().tasks, tasks, "{guest:?}");
    }
    let plain = component(
        r#"(component (import "wasi:random/random@0.3.0" (instance (export "get-random-u64" (func (result u64)))))
            (instance $empty) (export "wasi:http/incoming-handler@0.2.0" (instance $empty)))"#,
    );
    assert_eq!(verify(&plain).unwrap().tasks, Tasks::Many);
    let inside = component(
        r#"(component (instance $empty) (export "wasi:http/incoming-handler@0.2.0" (instance $empty))
            (component (core func $more (canon task.return))))"#,
    );
    assert_eq!(verify(&inside).unwrap().tasks, Tasks::Many);
}

#[test]
fn the_two_worlds_are_told_apart() {
    let with = |export: &str| {
        component(&format!(
            r#"(component (instance $empty) (export "{export}" (instance $empty)))"#
        ))
    };
    let cases = [
        ("wasi:http/incoming-handler@0.2.0", Exports::Http02),
        ("wasi:http/incoming-handler@0.2.12", Exports::Http02),
        ("wasi:http/handler@0.3.0", Exports::Http03),
        ("wasi:http/handler@0.3.1", Exports::Http03),
    ];
    for (export, expected) in cases {
        assert_eq!(verify(&with(export)).unwrap().exports, expected, "{export}");
    }
    let both = component(
        r#"(component (instance $empty)
            (export "wasi:http/incoming-handler@0.2.0" (instance $empty))
            (export "wasi:http/handler@0.3.0" (instance $empty)))"#,
    );
    assert_eq!(verify(&both).unwrap().exports, Exports::Http03);
    for export in [
        "wasi:http/handler@0.3.0-rc-2026-03-15",
        "wasi:http/handler@0.2.0",
        "wasi:http/incoming-handler@0.3.0",
        "wasi:http/incoming-handler@0.1.0",
    ] {
        assert!(line(&with(export)).contains(export), "{export}");
    }
}

#[test]
fn what_exports_no_service_says_what_it_exports() {
    assert!(line(&component("(component)")).contains("it exports nothing"));
    let command = component(
        r#"(component (instance $empty) (export "wasi:cli/run@0.2.0" (instance $empty)))"#,
    );
    let line = line(&command);
    assert!(line.contains("wasi:cli/run@0.2.0"), "{line}");
    assert!(line.contains("a command to run, not a service"), "{line}");
    assert!(line.contains("wasi:http/incoming-handler@0.2.x"), "{line}");
}

#[test]
fn every_missing_import_is_named_with_its_version_and_the_nearest() {
    let bytes = with(
        r#"(import "wasi:htp/types@0.2.1" (instance (export "f" (func))))
           (import "wasi:io/poll@0.2.1" (instance (export "f" (func))))
           (import "wasi:keyvalue/store@0.2.0-draft" (instance (export "f" (func))))
           (import "acme:lib/things@1.0.0" (instance (export "r" (type (sub resource)))))
           (import "run" (func))"#,
    );
    let Err(LoadError::Imports(missing)) = verify(&bytes) else {
        panic!("{:?}", verify(&bytes));
    };
    let names: Vec<_> = missing.iter().map(|import| import.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "wasi:htp/types@0.2.1",
            "wasi:keyvalue/store@0.2.0-draft",
            "acme:lib/things@1.0.0",
            "run"
        ]
    );
    let line = line(&bytes);
    assert!(
        line.contains(
            "interface `wasi:htp/types@0.2.1`, the nearest on offer is `wasi:http/types@0.2.12`"
        ),
        "{line}"
    );
    assert!(line.contains("function `run`"), "{line}");
}

#[test]
fn an_interface_of_plain_types_needs_nobody() {
    let bytes = with(
        r#"(import "acme:lib/types@1.0.0" (instance
            (type $point (record (field "x" u32)))
            (export "point" (type (eq $point)))))"#,
    );
    assert_eq!(verify(&bytes).unwrap().exports, Exports::Http02);
}

#[test]
fn what_nested_components_import_is_not_asked_of_the_host() {
    let bytes = with(
        r#"(component $inner (import "wasi:htp/types@0.2.1" (instance (export "f" (func)))))"#,
    );
    assert_eq!(verify(&bytes).unwrap().exports, Exports::Http02);
}

#[test]
fn middleware_is_told_to_be_composed_first() {
    for name in [
        "wasi:http/handler@0.3.0",
        "wasi:http/incoming-handler@0.2.3",
    ] {
        let line = line(&with(&format!(
            r#"(import "{name}" (instance (export "handle" (func))))"#
        )));
        assert!(line.contains(name) && line.contains("middleware"), "{line}");
    }
}

#[test]
fn what_is_no_component_is_named_for_what_it_is() {
    assert!(matches!(verify(b""), Err(LoadError::Empty)));
    assert!(matches!(verify(SERVED.as_bytes()), Err(LoadError::Text)));
    assert!(matches!(verify(b"\n(module)"), Err(LoadError::Text)));
    assert!(matches!(verify(b"#!/bin/sh"), Err(LoadError::NotWasm)));
    assert!(matches!(
        verify(b"\x7fELF\x02\x01\x01\x00"),
        Err(LoadError::NotWasm)
    ));
    assert!(matches!(
        verify(&component("(module)")),
        Err(LoadError::CoreModule)
    ));
}

#[test]
fn a_file_cut_anywhere_is_said_to_be_cut() {
    let whole =
        with_core(r#"(memory 1) (func (export "f") (i32.store (i32.const 0) (i32.const 7)))"#);
    verify(&whole).unwrap();
    // A component may end after any of its sections, so at those places a cut one is whole, only without its export or its names.
    let (mut cut, mut served) = (0, 0);
    for end in 1..whole.len() {
        match verify(&whole[..end]) {
            Err(LoadError::Truncated { at }) => {
                assert_eq!(at, end as u64);
                cut += 1;
            }
            Err(LoadError::NoService { .. }) => {}
            Ok(verified) if verified.exports == Exports::Http02 => served += 1,
            other => panic!("cut at {end} of {}: {other:?}", whole.len()),
        }
    }
    assert!(cut > whole.len() / 2, "{cut} of {}", whole.len());
    assert!(served <= 1, "only the names may be missing, {served}");
}

#[test]
fn damage_is_refused_and_never_a_panic() {
    let whole =
        with_core(r#"(memory 1) (func (export "f") (i32.store (i32.const 0) (i32.const 7)))"#);
    for position in 0..whole.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[position] ^= flip;
            // Some damage (in a name, in a constant) still leaves a valid component; what counts is that each is decided.
            let _decided = verify(&bytes);
        }
    }
    let mut bytes = whole;
    bytes.extend_from_slice(b"more");
    assert!(matches!(
        verify(&bytes),
        Err(LoadError::Invalid(_) | LoadError::Truncated { .. })
    ));
}

#[test]
fn features_this_host_leaves_out_are_named() {
    let cases = [
        ("(type (struct (field i32)))", "garbage collection"),
        ("(memory 1 1 shared)", "threads"),
        (
            r#"(memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0))))"#,
            "threads",
        ),
    ];
    for (inside, expected) in cases {
        let bytes = with_core(inside);
        verify(&bytes).unwrap();
        match compile(&bytes) {
            Err(LoadError::Features(features)) => {
                assert!(
                    features.iter().any(|words| words.contains(expected)),
                    "{features:?}"
                );
            }
            other => panic!("{inside}: {other:?}"),
        }
    }
}

#[test]
fn an_invalid_function_body_is_found_by_the_compiler() {
    // `i32.add` without operands: the outline is sound, the body is not.
    let mut bytes = with_core("(func (drop (i32.add (i32.const 1) (i32.const 2))))");
    let at = bytes
        .windows(5)
        .position(|five| five == [0x41, 1, 0x41, 2, 0x6a])
        .unwrap();
    bytes[at..at + 4].fill(0x01);
    verify(&bytes).unwrap();
    assert!(matches!(compile(&bytes), Err(LoadError::Invalid(_))));
}

#[test]
fn what_can_be_served_compiles() {
    assert_eq!(compile(&component(SERVED)).unwrap(), Exports::Http02);
}
