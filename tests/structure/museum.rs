//! The museum only grows: its pieces are those that were put there, each is asked something, and each interface of the host has one.

use super::{files, outside_tests, read};
use crate::harness::root;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Each piece with its digest.
fn pieces() -> BTreeMap<String, String> {
    let text = read(&root().join("tests/museum/pieces.toml"));
    let table: toml::Table = toml::from_str(&text).unwrap();
    let digest = |entry: &toml::Value| entry["sha256"].as_str().unwrap().to_owned();
    let pairs = table.iter();
    pairs
        .map(|(name, entry)| (name.clone(), digest(entry)))
        .collect()
}

#[test]
fn the_pieces_are_as_they_were_on_their_day_and_each_is_asked() {
    let here = files("tests/museum", "wasm").into_iter().map(|file| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let digest = Sha256::digest(std::fs::read(&file).unwrap());
        (name, data_encoding::HEXLOWER.encode(&digest))
    });
    assert_eq!(here.collect::<BTreeMap<_, _>>(), pieces());
    let tests = outside_tests();
    for name in pieces().keys() {
        assert!(
            tests.contains(&format!("Guest::Museum(\"{name}\")")),
            "no test asks {name}"
        );
    }
}

#[test]
fn every_interface_of_the_host_has_a_piece_and_the_text_of_its_release() {
    let pieces: Vec<_> = files("tests/museum", "wasm")
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    for file in files("wit", "wit") {
        let text = read(&file);
        let Some((_, version)) = text.split_once("package holdfast:host@") else {
            continue;
        };
        let version = version.split(';').next().unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let interface = format!("holdfast:host/{name}@{version}");
        let imports = |piece: &Vec<u8>| {
            piece
                .windows(interface.len())
                .any(|part| part == interface.as_bytes())
        };
        assert!(pieces.iter().any(imports), "no piece imports {interface}");
        let released = format!("tests/museum/released/{name}@{version}.wit");
        assert!(root().join(&released).exists(), "there is no {released}");
    }
}
