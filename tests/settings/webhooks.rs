//! Webhooks in the policy: what is taken, what is shown, and what is refused with the line.

use super::{manifest, policy, refusal};
use holdfast_server::settings::{Effective, Origin};

const SECRETS: &str = "[secrets.gh]\nuses = [\"webhook\"]\nfile = \"gh\"\n\
    [secrets.std]\nuses = [\"webhook\"]\nencoding = \"base64\"\nfile = \"std\"\n\
    [secrets.pub]\nuses = [\"webhook\"]\nencoding = \"ed25519\"\nfile = \"pub\"\n\
    [secrets.lent]\nuses = [\"verify\"]\nfile = \"lent\"\n";

/// A webhook of `notes` at this path, with these lines.
fn at(path: &str, lines: &str) -> String {
    format!("[services.notes.webhooks.\"{path}\"]\n{lines}\n{SECRETS}")
}

#[test]
fn a_webhook_is_the_policys_alone_and_says_where_it_was_written() {
    let text = at(
        "/hooks/github",
        "from = \"github\"\nsecrets = [\"gh\"]\nbody_bytes = \"25MiB\"",
    );
    let effective = Effective::of(&manifest(""), &policy(&text)).unwrap();
    let path = &effective.webhooks[0];
    assert_eq!(
        (path.path.as_str(), path.body_bytes),
        ("/hooks/github", 25 << 20)
    );
    assert_eq!(path.secrets[0].name(), "gh");
    for (key, value, line) in [
        ("from", "github", 2),
        ("secrets", "gh", 3),
        ("body_bytes", "25MiB", 4),
    ] {
        let key = format!("webhooks./hooks/github.{key}");
        let row = effective.table().iter().find(|row| row.key == key);
        let row = row.unwrap();
        assert_eq!(row.value, value);
        assert_eq!(row.origin, Origin::Policy { line });
    }
    let plain = at("/", "from = \"standard\"\nsecrets = [\"std\", \"pub\"]");
    let effective = Effective::of(&manifest(""), &policy(&plain)).unwrap();
    assert_eq!(effective.webhooks[0].body_bytes, 1 << 20);
}

#[test]
fn what_could_not_be_verified_is_refused_with_what_would_mend_it() {
    let github = "from = \"github\"\nsecrets = [\"gh\"]";
    let odd = "is not a path of the service that is read in one way";
    for (path, lines, said) in [
        ("hooks", github, odd),
        ("/a/../b", github, odd),
        ("/a%20b", github, odd),
        ("/a?b", github, odd),
        ("/a", "secrets = [\"gh\"]", "needs `from`"),
        ("/a", "from = \"github\"", "needs `secrets`"),
        (
            "/a",
            "from = \"gitlab\"\nsecrets = [\"gh\"]",
            "`gitlab` is none of",
        ),
        (
            "/a",
            "from = \"github\"\nsecrets = [\"gh\", \"std\", \"lent\"]",
            "needs `secrets`",
        ),
        (
            "/a",
            "from = \"github\"\nsecrets = [\"hg\"]",
            "there is no [secrets.hg]; did you mean `gh`?",
        ),
        (
            "/a",
            "from = \"github\"\nsecrets = [\"lent\"]",
            "write \"webhook\" in `uses` under [secrets.lent]",
        ),
        (
            "/a",
            "from = \"standard\"\nsecrets = [\"gh\"]",
            "\"base64\" (whsec_…)",
        ),
        (
            "/a",
            "from = \"slack\"\nsecrets = [\"pub\"]",
            "is a public key",
        ),
        (
            "/a",
            "from = \"standard\"\nsecrets = [\"pub\"]\nbody_bytes = \"2MiB\"",
            "`body_bytes` is at most 1048576",
        ),
        (
            "/a",
            "from = \"github\"\nsecrets = [\"gh\"]\nbody_bytes = \"26MiB\"",
            "is not between 1 and 26214400",
        ),
        ("/a", "from = \"github\"\nsecret = [\"gh\"]", "did you mean"),
    ] {
        let error = refusal(&at(path, lines));
        assert!(error.contains(said), "{path} {lines}: {error}");
        assert!(error.contains("services.notes.webhooks."), "{error}");
    }
    let twice = at("/a", github) + &format!("[services.notes.webhooks.\"/A/\"]\n{github}");
    assert!(
        refusal(&twice).contains("can be read as `/A/`"),
        "{}",
        refusal(&twice)
    );
    let signs = "[secrets.a]\nuses = [\"webhook\", \"sign\"]\nencoding = \"ed25519\"\nfile = \"x\"";
    assert!(refusal(signs).contains("more than a public key can do"));
}

#[test]
fn what_goes_into_a_queue_is_no_larger_than_a_message() {
    let github = "from = \"github\"\nsecrets = [\"gh\"]";
    for (more, said) in [
        ("accept = \"mail\"", "neither \"service\""),
        (
            "accept = \"queue\"\nbody_bytes = \"2MiB\"",
            "is at most 1048576 where requests go into a queue",
        ),
    ] {
        let error = refusal(&at("/a", &format!("{github}\n{more}")));
        assert!(error.contains(said), "{error}");
    }
}
