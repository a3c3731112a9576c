//! Components: the same answer twice, never a yes to what is not valid, and every no a plain line of bounded length.

use holdfast_wasm::load_error::LoadError;
use holdfast_wasm::verify::{interfaces, verify};
use wasmparser::{Validator, WasmFeatures};

/// The longest line that a refusal may be, in bytes.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 10;

/// Looks into the bytes as into a component that was dropped into the directory.
pub(crate) fn check(bytes: &[u8]) {
    let names = interfaces(bytes);
    let first = verify(bytes);
    match (&first, verify(bytes)) {
        (Ok(first), Ok(second)) => assert_eq!(*first, second),
        (Err(first), Err(second)) => assert_eq!(first.to_string(), second.to_string()),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => panic!("two answers"),
    }
    if let Err(error) = &first {
        line(error);
    }
    match (first, names) {
        (Ok(_), Err(error)) => panic!("served, but nobody can name its imports: {error}"),
        (Ok(_), Ok(names)) => {
            assert!(
                names
                    .exports
                    .iter()
                    .any(|name| name.starts_with("wasi:http/"))
            );
            outside_of_code(bytes);
        }
        (Err(LoadError::Imports(missing)), Ok(names)) => {
            assert!(!missing.is_empty());
            assert!(
                missing
                    .iter()
                    .all(|missing| names.imports.contains(&missing.name))
            );
        }
        (Err(LoadError::NoService { exports }), Ok(names)) => assert_eq!(exports, names.exports),
        (Err(_), Ok(_)) => {}
        (Err(_), Err(error)) => line(&error),
    }
}

fn line(error: &LoadError) {
    let text = error.to_string();
    super::plain(&text);
    assert!(
        text.len() <= LINE_BYTES_MAX,
        "a line of {} bytes",
        text.len()
    );
}

/// What is served is valid in every part but the bodies of its functions, which the compiler looks at.
fn outside_of_code(bytes: &[u8]) {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        let payload = payload.unwrap_or_else(|error| panic!("served, but cannot be read: {error}"));
        if let Err(error) = validator.payload(&payload) {
            panic!("served, but is not valid: {error}");
        }
    }
}
