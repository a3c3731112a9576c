//! `holdfast allow`: exactly what is asked beyond the policy is written into it, and nothing else is touched.

use super::{manifest, policy};
use holdfast_server::cli::allow::{AllowArgs, run_with};
use holdfast_server::settings::allow::{Grant, Plan, plan};
use holdfast_server::settings::{Effective, Policy};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

fn grant(text: Option<&str>, asks: &str) -> Grant {
    match plan(Path::new("holdfast.toml"), text, &manifest(asks)).unwrap() {
        Plan::Grant(grant) => grant,
        Plan::Nothing => panic!("nothing to grant"),
    }
}

#[test]
fn everything_asked_for_is_granted_and_comments_and_order_stay() {
    let before = "# the shop's host\nanonymous = \"deny\"   # for now\n\n[upstreams.api] # paid\nurl = \"https://a.b\"\n\n\
                  [services.notes]\n# reads only\nupstreams = []\n\n[services.notes.limits]\ncpu = \"10ms\" # small\n\n[services.zoo]\nservices = []\n";
    let asks = "public = true\nupstreams = [\"api\"]\nservices = [\"audit\"]\n[limits]\ncpu = \"20ms\"\nmemory = \"256MiB\"\ncalls = 60\n";
    let grant = grant(Some(before), asks);
    assert_eq!(grant.granted.len(), 6);
    assert!(grant.needs.is_empty());
    Effective::of(&manifest(asks), &policy(&grant.text)).unwrap();
    let unchanged: Vec<_> = before
        .lines()
        .filter(|line| !line.starts_with("upstreams") && !line.starts_with("cpu"))
        .collect();
    let mut rest = grant.text.lines();
    for line in unchanged {
        assert!(
            rest.any(|kept| kept == line),
            "`{line}` is gone or moved:\n{}",
            grant.text
        );
    }
    assert!(
        grant.text.contains("cpu = \"20ms\" # small"),
        "{}",
        grant.text
    );
    assert!(
        grant
            .diff
            .starts_with("--- holdfast.toml\n+++ holdfast.toml\n@@ line "),
        "{}",
        grant.diff
    );
    for line in [
        "-upstreams = []",
        "+upstreams = [\"api\"]",
        "+memory = \"256MiB\"",
        "+calls = 60",
        "+anonymous = \"allow\"",
        "+services = [\"audit\"]",
    ] {
        assert!(
            grant.diff.lines().any(|shown| shown == line),
            "{line}:\n{}",
            grant.diff
        );
    }
    assert!(!grant.diff.contains("zoo\n-"), "{}", grant.diff);
}

#[test]
fn the_diff_turns_the_old_text_into_the_new_one() {
    let before: String = (0..30)
        .map(|line| format!("# line {line}\n"))
        .collect::<String>()
        + "[services.notes]\nservices = [\"a\"]\n";
    let grant = grant(Some(&before), "services = [\"a\", \"b\"]");
    let changed: Vec<_> = grant.diff.lines().skip(2).collect();
    assert_eq!(
        changed,
        [
            "@@ line 29 @@",
            " # line 28",
            " # line 29",
            " [services.notes]",
            "-services = [\"a\"]",
            "+services = [\"a\", \"b\"]"
        ]
    );
}

#[test]
fn a_policy_is_made_where_there_is_none_and_takes_nothing_away() {
    let grant = grant(None, "[limits]\ncpu = \"2s\"");
    let made = policy(&grant.text);
    assert_eq!(made.anonymous, Policy::default_for_one_person().anonymous);
    assert!(Effective::of(&manifest("[limits]\ncpu = \"2s\""), &made).is_ok());
}

#[test]
fn what_only_the_operator_can_write_is_said_and_not_invented() {
    let grant = grant(
        Some(""),
        "upstreams = [\"api\"]\nfiles = { \"/t\" = \"templates\" }\n[limits]\ncpu = \"2s\"",
    );
    assert_eq!((grant.granted.len(), grant.needs.len()), (1, 2));
    assert!(
        !grant.text.contains("upstreams") && grant.text.contains("cpu = \"2s\""),
        "{}",
        grant.text
    );
    assert!(
        grant.needs[0]
            .needs
            .as_ref()
            .unwrap()
            .starts_with("[upstreams.api]\nurl = ")
    );
}

#[test]
fn inline_tables_are_extended_in_their_own_way() {
    let before = "services = { notes = { upstreams = [\"a\"], limits = { cpu = \"1ms\" } } }\n[upstreams.a]\nurl = \"https://a.b\"\n[upstreams.b]\nurl = \"https://b.b\"\n";
    let asks = "upstreams = [\"a\", \"b\"]\n[limits]\ncpu = \"2ms\"\ncalls = 51";
    let grant = grant(Some(before), asks);
    assert!(
        Effective::of(&manifest(asks), &policy(&grant.text)).is_ok(),
        "{}",
        grant.text
    );
}

#[test]
fn nothing_beyond_is_nothing_to_grant() {
    let planned = plan(
        Path::new("holdfast.toml"),
        Some("anonymous = \"deny\""),
        &manifest("[limits]\ncpu = \"1ms\""),
    );
    assert!(matches!(planned, Ok(Plan::Nothing)));
    assert!(
        plan(Path::new("holdfast.toml"), Some("x = 1"), &manifest("")).is_err(),
        "a policy that is not valid is not edited"
    );
}

struct Setting {
    folder: tempfile::TempDir,
    args: AllowArgs,
}

fn setting(policy: Option<&str>, asks: &str) -> Setting {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("plugins")).unwrap();
    fs::write(folder.path().join("plugins/notes.toml"), asks).unwrap();
    let config = folder.path().join("holdfast.toml");
    if let Some(text) = policy {
        fs::write(&config, text).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).unwrap();
    }
    let plugins = policy.is_none().then(|| folder.path().join("plugins"));
    let args = AllowArgs {
        name: "notes".to_owned(),
        config,
        plugins,
        yes: false,
    };
    Setting { folder, args }
}

impl Setting {
    fn run(&self, typed: &str, asks: bool) -> (ExitCode, String) {
        let mut output = Vec::new();
        let code = run_with(&self.args, &mut typed.as_bytes(), &mut output, asks).unwrap();
        (code, String::from_utf8(output).unwrap())
    }

    fn policy(&self) -> String {
        fs::read_to_string(&self.args.config).unwrap()
    }
}

#[test]
fn the_command_writes_on_a_yes_alone() {
    for (typed, asks, yes, written) in [
        ("y\n", true, false, true),
        ("yes\n", true, false, true),
        ("n\n", true, false, false),
        ("\n", true, false, false),
        ("", true, false, false),
        ("y\n", false, false, false),
        ("", false, true, true),
    ] {
        let mut setting = setting(Some("# mine\n"), "[limits]\ncpu = \"2s\"");
        setting.args.yes = yes;
        let (code, shown) = setting.run(typed, asks);
        assert!(
            shown.contains("+cpu = \"2s\"") && shown.contains("asks for 2s"),
            "{shown}"
        );
        assert_eq!(
            setting.policy() != "# mine\n",
            written,
            "{typed:?} {asks} {yes}: {shown}"
        );
        assert_eq!(code == ExitCode::SUCCESS, written, "{typed:?} {asks} {yes}");
        if written {
            assert!(setting.policy().starts_with("# mine\n"));
            let mode = fs::metadata(&setting.args.config)
                .unwrap()
                .permissions()
                .mode()
                & 0o777;
            assert_eq!(mode, 0o640, "the mode stays");
            assert_eq!(
                setting.run("", false),
                (
                    ExitCode::SUCCESS,
                    "`notes` asks for nothing beyond the policy\n".to_owned()
                )
            );
        }
        let left = fs::read_dir(setting.folder.path()).unwrap().count();
        assert_eq!(left, 2, "nothing else is left beside the policy");
    }
}

#[test]
fn the_command_makes_a_missing_policy_for_its_owner_alone() {
    let mut setting = setting(None, "[limits]\ncpu = \"2s\"");
    setting.args.yes = true;
    assert_eq!(setting.run("", false).0, ExitCode::SUCCESS);
    let mode = fs::metadata(&setting.args.config)
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn the_command_fails_while_something_only_the_operator_can_write_is_left() {
    let mut setting = setting(Some(""), "upstreams = [\"api\"]\n[limits]\ncpu = \"2s\"");
    setting.args.yes = true;
    let (code, shown) = setting.run("", false);
    assert_eq!(code, ExitCode::FAILURE);
    assert!(
        shown.contains("only you can write this") && shown.contains("[upstreams.api]\nurl = "),
        "{shown}"
    );
    assert!(setting.policy().contains("cpu = \"2s\""));
    let mut output = Vec::new();
    let missing = AllowArgs {
        name: "nobody".to_owned(),
        ..setting.args.clone()
    };
    let error = run_with(&missing, &mut &b""[..], &mut output, false)
        .unwrap_err()
        .to_string();
    assert!(error.contains("there is no service `nobody`"), "{error}");
}

#[test]
fn a_bucket_is_granted_as_it_is_asked_for() {
    let before = "[services.notes]\nkv = [\"default\"]\n";
    let asks = "kv = [\"default\", \"carts\"]\n[limits]\nkv_bytes = \"65MiB\"\nkv_keys = 100001\n";
    let grant = grant(Some(before), asks);
    assert_eq!(grant.granted.len(), 3);
    for line in [
        "+kv = [\"default\", \"carts\"]",
        "+kv_bytes = \"65MiB\"",
        "+kv_keys = 100001",
    ] {
        assert!(
            grant.diff.lines().any(|shown| shown == line),
            "{}",
            grant.diff
        );
    }
    Effective::of(&manifest(asks), &policy(&grant.text)).unwrap();
}
