//! One look at a directory: what is a service, and what is not.

use holdfast_server::plugins::concerns;
use holdfast_server::plugins::directory::{list, service_name};
use std::fs::write;
use std::path::Path;

#[test]
fn only_the_directory_and_the_policy_are_worth_a_look() {
    let (directory, policy) = (Path::new("plugins"), Path::new("/etc/holdfast.toml"));
    let here = std::env::current_dir().unwrap();
    for (path, worth) in [
        ("plugins/a.wasm", true),
        ("plugins/deeper/a.wasm", true),
        ("/etc/holdfast.toml", true),
        ("/etc/holdfast.log", false),
        ("/etc/plugins", false),
    ] {
        let paths = [here.join(path)];
        assert_eq!(concerns(&paths, directory, Some(policy)), worth, "{path}");
    }
    let renamed = ["/etc/new".into(), "/etc/holdfast.toml".into()];
    assert!(concerns(&renamed, directory, Some(policy)));
    assert!(!concerns(&["/etc/log".into()], directory, None));
    // Too much happened for the system to say what.
    assert!(concerns(&[], directory, Some(policy)));
}

#[test]
fn a_name_is_lower_case_letters_digits_and_inner_hyphens() {
    for (name, fine) in [
        ("a", true),
        ("my-service-2", true),
        ("", false),
        ("-a", false),
        ("a-", false),
        ("A", false),
        ("a_b", false),
        ("a.b", false),
        ("internal", false),
        (&"a".repeat(63), true),
        (&"a".repeat(64), false),
    ] {
        assert_eq!(service_name(name), fine, "{name}");
    }
}

#[test]
fn what_is_no_service_is_named_with_its_reason() {
    let plugins = tempfile::tempdir().unwrap();
    let path = plugins.path();
    for file in [
        "a.wasm",
        "a.toml",
        "b.wasm",
        "lone.toml",
        "Upper.wasm",
        "notes.txt",
        ".hidden.wasm",
    ] {
        write(path.join(file), file).unwrap();
    }
    std::fs::create_dir(path.join("folder.wasm")).unwrap();
    let listing = list(path).unwrap();
    let services: Vec<_> = listing.services.keys().map(|name| &**name).collect();
    assert_eq!(services, ["a", "b"]);
    assert!(listing.services["a"].manifest.is_some());
    assert!(listing.services["b"].manifest.is_none());
    let ignored: Vec<_> = listing.ignored.keys().map(String::as_str).collect();
    assert_eq!(
        ignored,
        ["Upper.wasm", "folder.wasm", "lone.toml", "notes.txt"]
    );
}

#[test]
fn a_replaced_file_has_another_stamp_whatever_its_size_and_time() {
    let plugins = tempfile::tempdir().unwrap();
    let path = plugins.path().join("a.wasm");
    write(&path, "one").unwrap();
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    let before = list(plugins.path()).unwrap();
    let other = plugins.path().join(".new");
    write(&other, "two").unwrap();
    std::fs::File::options()
        .write(true)
        .open(&other)
        .unwrap()
        .set_modified(time)
        .unwrap();
    std::fs::rename(&other, &path).unwrap();
    let after = list(plugins.path()).unwrap();
    assert_ne!(before.services["a"], after.services["a"]);
}
