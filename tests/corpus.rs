//! The fuzzer's corpus as ordinary tests: every input that was ever of interest is tried again, what once broke something among them.

use crate::harness::root;
use crate::parsers;
use std::fs;

/// Runs the check of a target over its folder.
fn holds(target: &str) {
    let (_, check) = parsers::ALL
        .iter()
        .find(|(name, _)| *name == target)
        .unwrap();
    let inputs = inputs(target);
    assert!(inputs.len() >= 5, "{target} has {} inputs", inputs.len());
    for (name, bytes) in inputs {
        if let Err(panic) = std::panic::catch_unwind(|| check(&bytes)) {
            let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("tests/fuzz/corpus/{target}/{name}: {said}");
        }
    }
}

fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("tests/fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn components() {
    holds("component");
}

#[test]
fn descriptions() {
    holds("description");
}

#[test]
fn envelopes() {
    holds("envelope");
}

#[test]
fn manifests() {
    holds("manifest");
}

#[test]
fn json_as_values() {
    holds("mapping");
}

#[test]
fn origins_and_addresses() {
    holds("origin");
}

#[test]
fn policies() {
    holds("policy");
}

#[test]
fn requests() {
    holds("request");
}

#[test]
fn routes() {
    holds("routes");
}

#[test]
fn traces_and_reasons() {
    holds("trace");
}

#[test]
fn signed_tokens() {
    holds("token");
}

#[test]
fn signed_requests() {
    holds("webhook");
}

#[test]
fn words_of_the_owners_socket() {
    holds("words");
}

/// What grows faster than its input takes minutes here where it should take a moment; the bound is generous for slow machines.
fn at_once(what: &str, work: impl FnOnce()) {
    let begin = tokio::time::Instant::now();
    work();
    let took = begin.elapsed();
    assert!(took.as_secs() < 20, "{what} took {took:?}");
}

#[test]
fn a_settings_file_of_the_largest_size_is_read_at_once() {
    let bytes = holdfast_server::settings::source::FILE_BYTES_MAX;
    let long = "k".repeat(bytes - 10);
    let keys: String = (0..100_000).map(|at| format!("k{at}=1\n")).collect();
    let env: String = (0..90_000).map(|at| format!("k{at}=''\n")).collect();
    let names: String = (0..45_000).map(|at| format!("'n{at}',")).collect();
    let services: String = (0..40_000)
        .map(|at| format!("[services.n{at}]\n"))
        .collect();
    let cases = [
        ("one long key", format!("{long} = 1")),
        ("many unknown keys", keys),
        ("many values", format!("[env]\n{env}")),
        (
            "many names",
            format!("upstreams=[{names}]\nservices=[{names}]"),
        ),
        (
            "many routes",
            format!("routes=[{}]", names.replace("'n", "'/n")),
        ),
        ("many tables", services),
        (
            "deep keys",
            format!("{} = 1", vec!["a"; bytes / 3].join(".")),
        ),
        ("deep lists", format!("routes = {}", "[".repeat(bytes / 2))),
        ("deep tables", format!("a = {}", "{a=".repeat(bytes / 4))),
    ];
    for (what, text) in cases {
        assert!(text.len() <= bytes, "{what}");
        at_once(what, || parsers::policy::check(text.as_bytes()));
        at_once(what, || parsers::manifest::check(text.as_bytes()));
    }
}

#[test]
fn a_component_is_looked_into_in_a_time_that_its_size_bounds() {
    let import = |name: &str| format!("(import \"{name}\" (instance (export \"f\" (func))))");
    let with = |inside: &str| {
        let text = format!(
            r#"(component {inside} (instance $empty)
                (export "wasi:http/incoming-handler@0.2.3" (instance $empty)))"#
        );
        wat::parse_str(text).unwrap()
    };
    let long = "n".repeat(90_000);
    let names: String = (0..20)
        .map(|at| import(&format!("a:{long}/x{at}")))
        .collect();
    let imports: String = (0..20_000)
        .map(|at| import(&format!("a:b/x{at}")))
        .collect();
    let doubling: String = (1..60)
        .map(|at| format!("(type $t{at} (tuple $t{0} $t{0}))", at - 1))
        .collect();
    let cases = [
        (
            "100,000 functions",
            with(&format!("(core module {})", "(func)".repeat(100_000))),
        ),
        (
            "1,000 modules",
            with(&"(core module (memory 1))".repeat(1_000)),
        ),
        ("long names", with(&names)),
        ("many imports", with(&imports)),
        (
            "types that double",
            with(&format!("(type $t0 (tuple u8 u8)){doubling}")),
        ),
        (
            "a large data segment",
            with(&format!(
                "(core module (memory 1) (data \"{}\"))",
                "x".repeat(8 << 20)
            )),
        ),
        ("100,000 nested components", nested(100_000)),
    ];
    for (what, bytes) in cases {
        at_once(what, || parsers::component::check(&bytes));
    }
}

/// Components in each other, the innermost empty.
fn nested(depth: usize) -> Vec<u8> {
    const HEAD: &[u8] = b"\0asm\x0d\0\x01\0";
    // From the inside out, back to front: every level is its content behind a section's id and length.
    let mut backwards: Vec<u8> = HEAD.iter().rev().copied().collect();
    for _ in 0..depth {
        let mut length = Vec::new();
        let mut rest = backwards.len();
        loop {
            let more = if rest > 127 { 128 } else { 0 };
            length.push(u8::try_from(rest % 128).unwrap() | more);
            rest /= 128;
            if rest == 0 {
                break;
            }
        }
        backwards.extend(length.iter().rev());
        backwards.push(4);
        backwards.extend(HEAD.iter().rev());
    }
    backwards.reverse();
    backwards
}

#[test]
fn components_nest_only_so_deep() {
    let refused = holdfast_wasm::verify::verify(&nested(200)).unwrap_err();
    assert!(refused.to_string().contains("100 deep"), "{refused}");
    let shallow = holdfast_wasm::verify::verify(&nested(50)).unwrap_err();
    assert!(shallow.to_string().contains("exports nothing"), "{shallow}");
}

#[test]
fn every_check_has_a_target_a_corpus_and_a_test() {
    let mut targets: Vec<_> = fs::read_dir(root().join("tests/fuzz/targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    let checks: Vec<_> = parsers::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(targets, checks);
    let here = fs::read_to_string(root().join("tests/corpus.rs")).unwrap();
    let manifest = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).unwrap();
    for name in checks {
        assert!(here.contains(&format!("holds(\"{name}\")")), "{name}");
        let row = format!("name = \"{name}\"\npath = \"targets/{name}.rs\"");
        assert!(manifest.contains(&row), "{name}");
    }
}
