//! How many calls may come: what is taken, what is refused and why, and what is shown of it.

use super::{manifest, policy, refusal};
use holdfast_server::settings::show::host_rows;
use holdfast_server::settings::{Effective, Origin, ServiceRate};

const ALL: &str = "[rate]
caller = \"1000/m\"
[services.notes.rate]
caller = \"100/m burst 20\"
calls = \"500/s\"
[services.notes.rate.operations]
\"POST /login\" = \"5/m\"
\"GET /a.b/c\" = \"1/d\"";

#[test]
fn what_is_written_is_what_holds_and_is_shown_with_its_line() {
    let effective = Effective::of(&manifest(""), &policy(ALL)).unwrap();
    let rows: Vec<_> = effective
        .table()
        .iter()
        .filter(|row| row.key.starts_with("rate"))
        .map(|row| (row.key.as_str(), row.value.as_str(), row.origin))
        .collect();
    let at = |line| Origin::Policy { line };
    assert_eq!(
        rows,
        [
            ("rate.caller", "100/m burst 20", at(4)),
            ("rate.calls", "500/s", at(5)),
            ("rate.operations.GET /a.b/c", "1/d", at(8)),
            ("rate.operations.POST /login", "5/m", at(7)),
            ("rate.caller", "1000/m at all services together", at(2)),
        ]
    );
    let host = host_rows(&policy(ALL));
    let row = host.iter().find(|row| row.key == "rate.caller").unwrap();
    assert_eq!((row.value.as_str(), row.origin), ("1000/m", at(2)));
}

#[test]
fn where_nothing_is_said_there_is_no_limit() {
    let effective = Effective::of(&manifest(""), &policy("[services.other.rate]")).unwrap();
    assert_eq!(effective.rate, ServiceRate::default());
    assert_eq!(effective.caller_rate, None);
    let rows = effective.table().iter();
    let rows = rows.filter(|row| row.key.starts_with("rate"));
    assert!(rows.clone().count() == 2);
    assert!(
        rows.clone()
            .all(|row| row.value == "none" && row.origin == Origin::Default)
    );
}

#[test]
fn what_is_no_rate_or_no_operation_is_refused_with_its_line() {
    let operation = |line: &str| format!("[services.a.rate.operations]\n{line}");
    for (text, said) in [
        (
            "[rate]\ncaller = \"100\"".to_owned(),
            "`rate.caller`: `100` is not a rate",
        ),
        ("[rate]\ncaller = 100".to_owned(), "invalid type"),
        (
            "[rate]\ncalls = \"1/s\"".to_owned(),
            "`rate.calls`: unknown key",
        ),
        (
            "[rate]\ncalller = \"1/s\"".to_owned(),
            "did you mean `caller`?",
        ),
        (
            "[rates]\ncaller = \"1/s\"".to_owned(),
            "did you mean `rate`?",
        ),
        ("[services.a]\nrate = \"1/s\"".to_owned(), "invalid type"),
        (
            "[services.a.rate]\ncalls = \"0/s\"".to_owned(),
            "at least 1",
        ),
        (
            "[services.a.rate]\ncaller = \"5/w\"".to_owned(),
            "`services.a.rate.caller`: `5/w` is not a rate",
        ),
        (
            "[services.a.rate]\noperation.x = \"5/m\"".to_owned(),
            "did you mean `operations`?",
        ),
        (
            operation("\"/login\" = \"5/m\""),
            "is not an operation such as",
        ),
        (
            operation("\"HEAD /login\" = \"5/m\""),
            "HEAD is counted as GET",
        ),
        (
            operation("\"GET /a/../b\" = \"5/m\""),
            "read in different ways",
        ),
        (operation("\"GET /a/{id}\" = \"5/m\""), "without a pattern"),
        (operation("\"GET /a\" = \"5\""), "`5` is not a rate"),
        (operation("\"GET /a\" = 5"), "invalid type"),
        (
            operation("\"GET /A/\" = \"5/m\"\n\"GET /a\" = \"6/m\""),
            "means the same as `GET /A/`",
        ),
    ] {
        let error = refusal(&text);
        assert!(error.contains(said), "{text}: {error}");
        assert!(error.starts_with("holdfast.toml:"), "{error}");
    }
    let many: Vec<_> = (0..65)
        .map(|nth| format!("\"GET /{nth}\" = \"1/s\""))
        .collect();
    let error = refusal(&operation(&many.join("\n")));
    assert!(error.contains("names 65 operations; at most 64"), "{error}");
}

#[test]
fn the_author_of_a_service_has_no_say_in_it() {
    let name = holdfast_server::settings::Name::parse("notes").unwrap();
    let text = "[rate]\ncaller = \"1/s\"";
    let refused = holdfast_server::settings::Manifest::parse(name, "notes.toml", text);
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("`rate`: unknown key"), "{error}");
}
