//! Secrets: read from places that nobody else can read, and shown nowhere.

use super::policy;
use holdfast_server::settings::{Secret, SecretSource};
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
fn a_secret_does_not_show_itself_and_goes_into_its_header() {
    let secret = Secret::new("CANARY-s3cret").unwrap();
    assert!(!format!("{secret:?}").contains("CANARY"));
    let policy = policy(
        "[upstreams.a]\nurl = \"https://a.b\"\n[upstreams.a.credential]\nheader = \"X-Key\"\nformat = \"k={secret};\"\nenv = \"K\"\n",
    );
    let credential = policy.upstreams["a"].credential.clone().unwrap();
    assert_eq!(credential.header, "x-key");
    let value = credential.value(&secret).unwrap();
    assert_eq!(value, "k=CANARY-s3cret;");
    assert!(value.is_sensitive() && !format!("{value:?}").contains("CANARY"));
}
