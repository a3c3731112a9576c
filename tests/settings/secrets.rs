//! Secrets: read from places that nobody else can read, and shown nowhere.

use holdfast_server::settings::SecretSource;
use holdfast_server::settings::secret::read_first;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_secret_file_that_others_could_read_is_refused_with_the_command_that_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, "CANARY-s3cret\n").unwrap();
    let source = SecretSource::File(path.clone());
    for mode in [0o644, 0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = source.read().unwrap_err();
        assert!(
            error.contains(&format!("mode {mode:04o}")) && error.contains("chmod 600"),
            "{error}"
        );
        assert!(!error.contains("CANARY"));
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(source.read().unwrap().reveal(), "CANARY-s3cret");
    }
}

#[test]
fn what_is_no_secret_is_refused_without_being_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let long = "C".repeat(20_000);
    for (content, said) in [
        ("", "is empty"),
        ("\n", "is empty"),
        ("CANARY", "shorter than 8 bytes"),
        ("CANARY\u{7}-bell", "a header cannot"),
        ("CANARY two\nlines", "a header cannot"),
        ("CANARY-ä-ö-ü", "a header cannot"),
        (&long, "longer than 16384 bytes"),
    ] {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let error = SecretSource::File(path.clone()).read().unwrap_err();
        assert!(error.contains(said), "{error}");
        assert!(!error.contains("CANARY"), "{error}");
    }
    for absent in [
        SecretSource::File(folder.path().join("none")),
        SecretSource::File(folder.path().to_owned()),
    ] {
        assert!(absent.read().is_err());
    }
    let error = SecretSource::Env("HOLDFAST_TEST_NO_SUCH_VARIABLE".to_owned())
        .read()
        .unwrap_err();
    assert!(error.contains("HOLDFAST_TEST_NO_SUCH_VARIABLE"), "{error}");
}

#[test]
fn a_secret_is_read_from_the_environment() {
    // Cargo gives every test this variable, so that no test has to change the environment.
    let secret = SecretSource::Env("CARGO_MANIFEST_DIR".to_owned())
        .read()
        .unwrap();
    assert_eq!(secret.reveal(), env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn the_first_source_that_has_something_is_taken_and_all_that_have_not_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let sources = [
        SecretSource::File(first.clone()),
        SecretSource::Env("HOLDFAST_TEST_NO_SUCH_VARIABLE".to_owned()),
        SecretSource::File(second.clone()),
    ];
    let error = read_first(&sources).unwrap_err().to_string();
    for named in ["first", "HOLDFAST_TEST_NO_SUCH_VARIABLE", "second"] {
        assert!(error.contains(named), "{error}");
    }
    let private = |path: &std::path::Path, text: &str| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    };
    private(&second, "of the second");
    assert_eq!(read_first(&sources).unwrap().reveal(), "of the second");
    private(&first, "of the first");
    assert_eq!(read_first(&sources).unwrap().reveal(), "of the first");
    // One that is there and wrong is not passed over in silence.
    fs::set_permissions(&first, Permissions::from_mode(0o644)).unwrap();
    let wrong = read_first(&sources).unwrap_err().to_string();
    assert!(wrong.contains("mode 0644"), "{wrong}");
}
