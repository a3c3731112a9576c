//! A component made from WIT alone: its functions trap, but its contract is real.

use super::guests::root;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

/// The component of the one world of `wit`, which may use the host's own interfaces.
pub(crate) fn dummy(wit: &str) -> Vec<u8> {
    let faults = std::fs::read_to_string(root().join("wit/faults.wit")).unwrap();
    dummy_of(&[&faults, wit])
}

/// The component of the one world of the last of these packages, each of which may use those before it.
pub(crate) fn dummy_of(packages: &[&str]) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let read = packages
        .iter()
        .map(|wit| resolve.push_str("dummy.wit", wit).unwrap());
    let package = read.last().unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().module(&module).unwrap();
    encoder.validate(true).encode().unwrap()
}
