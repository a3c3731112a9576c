//! Components in C and Go: modules of the old WASI, joined to the component model as `wasm-tools component embed` and `new` do it.

use super::guests::root;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as OLD_WASI,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WORLD: &str = "
package holdfast:foreign;

world service {
    import wasi:http/types@0.2.12;
    export wasi:http/incoming-handler@0.2.12;
}
";

/// The component whose module `guests/foreign/build.sh` has built.
pub(super) fn component(language: &str) -> Vec<u8> {
    let core = root().join(format!("target/guests/{language}.core"));
    let mut core = std::fs::read(&core)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make foreign`", core.display()));
    let mut resolve = Resolve::default();
    let known = root().join("wit/deps/wasi-0.2");
    resolve.push_dir(known).unwrap();
    let package = resolve.push_str("foreign.wit", WORLD).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().module(&core).unwrap();
    encoder
        .adapter(OLD_WASI, ADAPTER)
        .unwrap()
        // Go cannot give out memory before it has begun, and the adapter wants some sooner.
        .realloc_via_memory_grow(language == "go")
        .validate(true)
        .encode()
        .unwrap()
}
