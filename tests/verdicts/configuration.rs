//! A setting, a secret or a file of settings.

use super::matrix::Row;
use super::{asked, got};
use crate::harness::{Chaos, Does, Guest, Setup};

/// The manifest of a service that uses an upstream without its secret.
const USES: &str = "upstreams = [\"keyless\"]";

pub(crate) fn rows() -> Vec<Row> {
    let case = Guest::Case("wasi02");
    let chaos = Chaos::start(Does::Serves);
    let folders = tempfile::tempdir().unwrap();
    let there = folders.path().join("there");
    std::fs::create_dir(&there).unwrap();
    let host = Setup::new()
        .service("keyless", case, USES)
        .service("nameless", case, "upstreams = [\"nobody-knows\"]")
        .service("misspelt", case, "porpoise = \"a key that there is not\"")
        .service("greedy", case, "[limits]\nmemory = \"64GiB\"")
        .service("unsaid", case, "[limits]\ndeadline = \"soon\"")
        .service("homeless", case, "[files]\n\"/gone\" = \"gone\"")
        .service("evicted", case, "[files]\n\"/there\" = \"there\"")
        .policy("[services.keyless]\nupstreams = [\"keyless\"]")
        .policy("[services.homeless]\nfiles = [\"gone\"]\n[services.evicted]\nfiles = [\"there\"]")
        .policy(&format!(
            "[files.gone]\npath = \"{}\"",
            folders.path().join("gone").display()
        ))
        .policy(&format!("[files.there]\npath = \"{}\"", there.display()))
        .policy(&format!(
            "[upstreams.keyless]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\n\
             [upstreams.keyless.credential]\nheader = \"x-key\"\nfile = \"{}\"",
            chaos.url(""),
            folders.path().join("no-key").display()
        ))
        .start();
    let mut rows = asked(
        "configuration",
        &host,
        &[
            ("/keyless/ok", "no-such-service"),
            ("/nameless/ok", "no-such-service"),
            ("/misspelt/ok", "no-such-service"),
            ("/greedy/ok", "no-such-service"),
            ("/unsaid/ok", "no-such-service"),
            ("/homeless/ok", "no-such-service"),
        ],
    );
    assert_eq!(host.get("/evicted/ok").status, 200);
    std::fs::remove_dir(&there).unwrap();
    let line = got(&host, "/evicted/ok");
    rows.push(Row::new(
        "a folder that is gone",
        "configuration",
        "internal",
        &line,
    ));
    rows
}
