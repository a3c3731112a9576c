//! [notify]: what it looks like, what is shown of it, and what would tell nobody.

use super::{policy, refusal};
use holdfast_server::settings::show::host_rows;

const UPSTREAM: &str = "[upstreams.hooks]\nurl = \"https://hooks.example.com\"\n";

fn shown(text: &str, key: &str) -> String {
    let rows = host_rows(&policy(text));
    rows.into_iter().find(|row| row.key == key).unwrap().value
}

#[test]
fn each_key_is_shown_and_what_may_be_secret_is_not() {
    let text = format!(
        "[notify]\nurl = \"https://hooks.example.com/h?token=CANARY\"\nsecret = \"ours\"\ncommand = [\"/bin/tell\", \"CANARY\"]\n\
         on = [\"quarantine\", \"disk-low\"]\nagain = \"5m\"\ndisk_free = \"2GiB\"\n\
         [secrets.ours]\nuses = [\"sign\"]\nfile = \"ours.secret\"\n{UPSTREAM}"
    );
    for (key, value) in [
        ("notify.url", "https://hooks.example.com:443/h"),
        ("notify.secret", "ours"),
        ("notify.command", "/bin/tell"),
        ("notify.on", "quarantine, disk-low"),
        ("notify.again", "5m"),
        ("notify.disk_free", "2GiB"),
    ] {
        assert_eq!(shown(&text, key), value);
    }
    assert!(!policy("").notify.reaches_somebody());
}

#[test]
fn what_would_tell_nobody_is_refused() {
    for (text, said) in [
        ("[notify]\nagain = \"1h\"", "nobody is told"),
        ("[notify]\ndisk_free = \"2GiB\"", "nobody is told"),
        (
            "[notify]\nurl = \"https://a.b/\"",
            "no upstream leads there",
        ),
        ("[notify]\nurl = \"a b\"", "is not a URL"),
        (
            "[notify]\nurl = \"http://a.b/\"\n[upstreams.a]\nurl = \"http://a.b\"",
            "unencrypted",
        ),
        ("[notify]\ncommand = []", "begins with no path"),
        ("[notify]\ncommand = [\"tell\"]", "begins with no path"),
        ("[notify]\ncommand = [\"/t\"]\non = []", "names nothing"),
        (
            "[notify]\ncommand = [\"/t\"]\non = [\"weather\"]",
            "none of approval-wanted",
        ),
        (
            "[notify]\ncommand = [\"/t\"]\nagain = \"0s\"",
            "at least \"1s\"",
        ),
        ("[notify]\ncommand = [\"/t\"]\nagain = \"169h\"", "a week"),
        (
            "[notify]\ncommand = [\"/t\"]\ndisk_free = \"1025TiB\"",
            "at most 1024TiB",
        ),
        (
            "[notify]\ncommand = [\"/t\"]\nsecret = \"x\"",
            "there is no [secrets.x]",
        ),
        (
            "[notify]\ncommand = [\"/t\"]\nsecret = \"x\"\n[secrets.x]\nuses = [\"sign\"]\nfile = \"f\"",
            "which is not there",
        ),
        (
            "[notify]\nurl = \"https://a.b/\"\nsecret = \"x\"\n[upstreams.a]\nurl = \"https://a.b\"\n[secrets.x]\nuses = [\"verify\"]\nfile = \"f\"",
            "not there to sign",
        ),
    ] {
        let refused = refusal(text);
        assert!(refused.contains(said), "{text}: {refused}");
    }
}
