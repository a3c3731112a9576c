//! The tests of `versions`: the rules as functions, and what the disk does at the worst moment.

use super::*;
use proptest::prelude::*;
use std::fs;

fn digest(number: u8) -> Digest {
    pair_digest(&[number], None, None)
}

#[test]
fn a_new_version_keeps_the_last_five_before_it() {
    let mut state = State::default();
    for number in 0..8 {
        state = state.loaded(&digest(number));
    }
    assert_eq!(state.serving, Some(digest(7)));
    assert_eq!(state.previous, [6, 5, 4, 3, 2].map(digest));
    // An older one that comes back moves to the front; it stands nowhere twice.
    let state = state.loaded(&digest(4));
    assert_eq!(state.serving, Some(digest(4)));
    assert_eq!(state.previous, [7, 6, 5, 3, 2].map(digest));
    assert_eq!(state.clone().loaded(&digest(4)), state);
}

#[test]
fn a_rollback_holds_until_the_directory_holds_something_else() {
    let (a, b, c) = (digest(1), digest(2), digest(3));
    let state = State::default().loaded(&a).loaded(&b);
    let (state, back) = state.rolled_back(Some(&b)).unwrap();
    assert_eq!(back, a);
    assert_eq!(state.choose(&b), Choice::Kept(a.clone()));
    // Something else: it loads, and after that even what was held back may load again.
    assert_eq!(state.choose(&c), Choice::Directory);
    let state = state.loaded(&c);
    assert_eq!(state.choose(&b), Choice::Directory);
    // The same one that was put back, now in the directory, ends the rollback too.
    let (state, _) = State::default()
        .loaded(&a)
        .loaded(&b)
        .rolled_back(Some(&b))
        .unwrap();
    let state = state.loaded(&a);
    assert_eq!(state.choose(&b), Choice::Directory);
}

#[test]
fn rolling_back_twice_goes_further_back_and_then_no_further() {
    let (a, b, c) = (digest(1), digest(2), digest(3));
    let state = State::default().loaded(&a).loaded(&b).loaded(&c);
    let (state, back) = state.rolled_back(Some(&c)).unwrap();
    assert_eq!(back, b);
    let (state, back) = state.rolled_back(Some(&c)).unwrap();
    assert_eq!(back, a);
    assert_eq!(state.choose(&c), Choice::Kept(a));
    assert_eq!(state.rolled_back(Some(&c)), None);
}

#[test]
fn without_a_file_in_the_directory_the_one_that_served_is_held_back() {
    let state = State::default().loaded(&digest(1)).loaded(&digest(2));
    let (state, _) = state.rolled_back(None).unwrap();
    assert_eq!(state.held, Some(digest(2)));
}

proptest! {
    /// Whatever is loaded and rolled back: a version stands in the history once, the history is bounded, and only a rollback holds one back.
    #[test]
    fn the_history_is_sound(steps in prop::collection::vec(prop::option::of(0u8..9), 1..60)) {
        let mut state = State::default();
        for step in steps {
            match step {
                Some(number) => {
                    state = state.loaded(&digest(number));
                    prop_assert_eq!(state.serving.as_ref(), Some(&digest(number)));
                    prop_assert_eq!(state.held.as_ref(), None);
                }
                None => {
                    let before = state.clone();
                    if let Some((after, back)) = state.clone().rolled_back(before.serving.as_ref()) {
                        prop_assert_eq!(Some(&back), before.previous.first());
                        let held = before.serving.unwrap();
                        prop_assert_eq!(after.choose(&held), Choice::Kept(back));
                        state = after;
                    } else {
                        prop_assert!(before.previous.is_empty());
                    }
                }
            }
            prop_assert!(state.previous.len() <= PREVIOUS_MAX);
            let mut all: Vec<_> = state.serving.iter().chain(&state.previous).collect();
            all.sort();
            all.dedup();
            let serving = usize::from(state.serving.is_some());
            prop_assert_eq!(all.len(), state.previous.len() + serving);
        }
    }
}

struct Disk {
    temp: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        Self {
            temp: tempfile::tempdir().unwrap(),
        }
    }

    /// As a host that starts finds it.
    fn open(&self) -> Versions {
        Versions::open(&self.temp.path().join("versions")).unwrap()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.temp.path().join("versions/hello").join(file)
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn load(versions: &Versions, number: u8) -> Digest {
    let manifest = [b'm', number];
    versions
        .loaded("hello", &[number], Some(&manifest), None)
        .unwrap()
}

#[test]
fn a_rollback_survives_a_restart_and_ends_with_a_new_version() {
    let disk = Disk::new();
    let (a, b) = (load(&disk.open(), 1), load(&disk.open(), 2));
    let versions = disk.open();
    let pair = versions.previous("hello").unwrap();
    assert_eq!(
        pair,
        Pair {
            digest: a.clone(),
            component: vec![1],
            manifest: Some(vec![b'm', 1]),
            documents: None,
        }
    );
    assert_eq!(versions.rolled_back("hello", Some(&b)).unwrap(), a);
    let versions = disk.open();
    assert_eq!(
        versions.choose("hello", &b).unwrap(),
        Choice::Kept(a.clone())
    );
    assert_eq!(versions.pair("hello", &a).unwrap().component, [1]);
    let c = load(&versions, 3);
    let versions = disk.open();
    assert_eq!(versions.choose("hello", &b).unwrap(), Choice::Directory);
    let state = versions.state("hello").unwrap();
    assert_eq!((state.serving, state.previous), (Some(c), vec![a]));
}

#[test]
fn only_versions_that_are_named_are_kept() {
    let disk = Disk::new();
    for number in 0..9 {
        load(&disk.open(), number);
    }
    // Six pairs and the index.
    assert_eq!(disk.files().len(), 6 * 2 + 1);
    let state = disk.open().state("hello").unwrap();
    for digest in state.serving.iter().chain(&state.previous) {
        disk.open().pair("hello", digest).unwrap();
    }
}

#[test]
fn a_version_without_a_manifest_is_kept_as_one() {
    let disk = Disk::new();
    let digest = disk.open().loaded("hello", b"bytes", None, None).unwrap();
    assert_eq!(disk.open().pair("hello", &digest).unwrap().manifest, None);
}

#[test]
fn services_do_not_see_each_others_versions() {
    let disk = Disk::new();
    let digest = load(&disk.open(), 1);
    let versions = disk.open();
    assert_eq!(versions.state("other").unwrap(), State::default());
    assert!(matches!(
        versions.pair("other", &digest),
        Err(StoreError::Version { .. })
    ));
    assert!(
        matches!(versions.previous("other"), Err(StoreError::NoPrevious(name)) if name == "other")
    );
}

#[test]
fn a_crash_between_two_writes_leaves_the_old_state() {
    let disk = Disk::new();
    let (a, b) = (load(&disk.open(), 1), digest(9));
    // The pair of a new version is there, in part or whole, but the index does not name it yet; and a write broke off.
    fs::write(disk.path(&format!("{b}.toml")), "manifest").unwrap();
    fs::write(disk.path(".new-1-0"), "half a compon").unwrap();
    let versions = disk.open();
    assert_eq!(versions.state("hello").unwrap().serving, Some(a.clone()));
    let c = load(&versions, 3);
    let files = disk.files();
    assert_eq!(files.len(), 2 * 2 + 1, "{files:?}");
    let state = disk.open().state("hello").unwrap();
    assert_eq!((state.serving, state.previous), (Some(c), vec![a]));
}

#[test]
fn loading_what_a_crash_left_damaged_mends_it() {
    let disk = Disk::new();
    let a = load(&disk.open(), 1);
    fs::write(disk.path(&format!("{a}.wasm")), "torn").unwrap();
    assert!(disk.open().pair("hello", &a).is_err());
    assert_eq!(load(&disk.open(), 1), a);
    assert_eq!(disk.open().pair("hello", &a).unwrap().component, [1]);
}

#[test]
fn a_damaged_index_is_an_error_and_nothing_is_lost() {
    let (a, garbage) = (digest(1), "x".repeat(64));
    for (damage, says) in [
        (String::new(), "EOF"),
        ("{\"format\":1".to_owned(), "EOF"),
        (
            format!("{{\"format\":1,\"serving\":\"{garbage}\",\"previous\":[],\"held\":null}}"),
            "is not a digest",
        ),
        (
            format!("{{\"format\":2,\"serving\":\"{a}\",\"previous\":[],\"held\":null}}"),
            "its format is 2",
        ),
        (
            "{\"format\":1,\"serving\":null,\"previous\":[],\"held\":null,\"new\":1}".to_owned(),
            "unknown field",
        ),
    ] {
        let disk = Disk::new();
        load(&disk.open(), 1);
        load(&disk.open(), 2);
        let files = disk.files();
        fs::write(disk.path(INDEX), &damage).unwrap();
        let versions = disk.open();
        let errors = [
            versions.state("hello").unwrap_err(),
            versions.choose("hello", &a).unwrap_err(),
            versions.loaded("hello", &[3], None, None).unwrap_err(),
            versions.previous("hello").unwrap_err(),
            versions.rolled_back("hello", None).unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(
                text.contains("index.json is damaged") && text.contains(says),
                "{text}"
            );
        }
        assert_eq!(disk.files(), files);
        assert_eq!(fs::read_to_string(disk.path(INDEX)).unwrap(), damage);
    }
}

#[test]
fn a_version_that_is_missing_or_changed_is_not_put_back() {
    let disk = Disk::new();
    let a = load(&disk.open(), 1);
    load(&disk.open(), 2);
    let before = disk.open().state("hello").unwrap();
    let (wasm, toml) = (
        disk.path(&format!("{a}.wasm")),
        disk.path(&format!("{a}.toml")),
    );
    fs::write(&wasm, "other bytes").unwrap();
    let says = |part: &str| {
        for error in [
            disk.open().previous("hello").unwrap_err(),
            disk.open().rolled_back("hello", None).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains(a.as_str()) && text.contains(part), "{text}");
        }
    };
    says("is damaged");
    fs::write(&wasm, [1]).unwrap();
    disk.open().previous("hello").unwrap();
    fs::remove_file(&toml).unwrap();
    says("is damaged");
    fs::remove_file(&wasm).unwrap();
    says("is not kept any more");
    assert_eq!(disk.open().state("hello").unwrap(), before);
}

#[test]
fn a_disk_that_cannot_be_written_changes_nothing() {
    let disk = Disk::new();
    load(&disk.open(), 1);
    let before = disk.open().state("hello").unwrap();
    // A directory in the place of a file: the rename fails, as it does for whoever runs the test.
    let component = [2];
    let b = pair_digest(&component, None, None);
    fs::create_dir_all(disk.path(&format!("{b}.wasm/full"))).unwrap();
    let error = disk
        .open()
        .loaded("hello", &component, None, None)
        .unwrap_err();
    assert!(matches!(error, StoreError::Write { .. }), "{error}");
    assert_eq!(disk.open().state("hello").unwrap(), before);
    assert!(disk.files().iter().all(|name| !name.starts_with(".new")));
}

#[test]
fn a_name_cannot_lead_out_of_the_directory() {
    let disk = Disk::new();
    let long = "a".repeat(64);
    for name in ["", ".", "..", "../x", "a/b", "A", "a.b", "\0", &long] {
        let error = disk.open().state(name).unwrap_err();
        assert!(matches!(error, StoreError::Name(_)), "{name:?}");
    }
}

#[test]
fn documents_are_kept_with_their_version_and_checked_like_the_rest() {
    let disk = Disk::new();
    let versions = disk.open();
    let load = |documents: &[u8]| {
        let loaded = versions.loaded("hello", &[1], Some(b"m"), Some(documents));
        loaded.unwrap()
    };
    let (a, b) = (load(b"first"), load(b"second"));
    assert_ne!(a, b);
    let pair = versions.pair("hello", &a).unwrap();
    assert_eq!(pair.documents.as_deref(), Some(&b"first"[..]));
    fs::write(disk.path(&format!("{a}.documents")), b"other").unwrap();
    let said = versions.pair("hello", &a).unwrap_err().to_string();
    assert!(said.contains("is damaged"), "{said}");
    // What nobody names any more goes, all of it.
    for number in 2..9 {
        let manifest = [b'm', number];
        let loaded = versions.loaded("hello", &[number], Some(&manifest), None);
        loaded.unwrap();
    }
    assert!(
        disk.files()
            .iter()
            .all(|name| !name.ends_with(".documents"))
    );
}
