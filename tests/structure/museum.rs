//! The museum only grows: its pieces are those that were put there, each is asked something, and each interface of the host has one.

use super::{files, outside_tests, read};
use crate::harness::root;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Names and digests.
type Listed = BTreeMap<String, String>;

/// Each piece with its digest, and each released text.
fn listed() -> (Listed, Listed) {
    let text = read(&root().join("tests/museum/pieces.toml"));
    let mut table: toml::Table = toml::from_str(&text).unwrap();
    let released = table.remove("released").unwrap();
    let pair =
        |name: &String, digest: &toml::Value| (name.clone(), digest.as_str().unwrap().to_owned());
    let pieces = table.iter();
    let pieces = pieces.map(|(name, entry)| pair(name, &entry["sha256"]));
    let released = released.as_table().unwrap().iter();
    let released = released.map(|(name, digest)| pair(name, digest));
    (pieces.collect(), released.collect())
}

/// The files of a folder, with what they are now.
fn here(folder: &str, extension: &str) -> Listed {
    let files = files(folder, extension).into_iter().map(|file| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let digest = Sha256::digest(std::fs::read(&file).unwrap());
        (name, data_encoding::HEXLOWER.encode(&digest))
    });
    files.collect()
}

#[test]
fn the_pieces_are_as_they_were_on_their_day_and_each_is_asked() {
    let (pieces, released) = listed();
    assert_eq!(here("tests/museum", "wasm"), pieces);
    assert_eq!(here("tests/museum/released", "wit"), released);
    let tests = outside_tests();
    for name in pieces.keys() {
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
