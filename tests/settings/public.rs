//! Routes that are open to everybody: what both files name, what is asked for beyond that, and what is refused.

use super::{manifest, policy, refusal};
use holdfast_server::settings::allow::{Plan, plan};
use holdfast_server::settings::{Effective, Origin};
use std::path::Path;

fn open(asked: &str, allowed: &str) -> Vec<String> {
    let manifest = manifest(&format!("public_routes = {asked}"));
    let policy = policy(&format!("[services.notes]\npublic_routes = {allowed}"));
    let effective = Effective::of(&manifest, &policy).unwrap();
    effective.public.iter().map(ToString::to_string).collect()
}

#[test]
fn a_route_is_open_as_far_as_both_files_name_it() {
    for (asked, allowed, both) in [
        ("[]", "[\"GET /a\"]", &[][..]),
        ("[\"GET /a\"]", "[]", &[]),
        ("[\"GET /a\"]", "[\"GET /a\"]", &["GET /a"]),
        ("[\"GET /a\"]", "[\"POST /a\"]", &[]),
        ("[\"GET /a/b\"]", "[\"GET /a/...\"]", &["GET /a/b"]),
        (
            "[\"GET /a/...\"]",
            "[\"GET /a/b\", \"GET /a/c/...\"]",
            &["GET /a/b", "GET /a/c/..."],
        ),
        (
            "[\"GET /a/...\", \"GET /a/b\"]",
            "[\"GET /...\"]",
            &["GET /a/...", "GET /a/b"],
        ),
    ] {
        assert_eq!(open(asked, allowed), both, "{asked} {allowed}");
    }
}

#[test]
fn a_wish_stops_no_load_and_is_granted_on_a_yes() {
    let manifest = manifest("public_routes = [\"GET /a\"]");
    let before = "anonymous = \"deny\"\n[services.notes]\ncallers = [\"ann\"]\n";
    let effective = Effective::of(&manifest, &policy(before)).unwrap();
    assert!(
        effective
            .notes
            .iter()
            .any(|note| note.contains("`GET /a` to be open")),
        "{:?}",
        effective.notes
    );
    let Plan::Grant(grant) = plan(Path::new("holdfast.toml"), Some(before), &manifest).unwrap()
    else {
        panic!("nothing to grant")
    };
    assert!(
        grant.diff.contains("+public_routes = [\"GET /a\"]"),
        "{}",
        grant.diff
    );
    let effective = Effective::of(&manifest, &policy(&grant.text)).unwrap();
    let row = effective
        .table()
        .iter()
        .find(|row| row.key == "public_routes");
    assert_eq!(row.unwrap().origin, Origin::Policy { line: 4 });
    // Where everybody is served anyway, there is nothing to wish for.
    let open = policy("anonymous = \"allow\"");
    assert!(matches!(
        plan(Path::new("p"), Some("anonymous = \"allow\""), &manifest).unwrap(),
        Plan::Nothing
    ));
    assert!(Effective::of(&manifest, &open).unwrap().public.is_empty());
}

#[test]
fn what_is_no_route_is_refused_with_the_line() {
    for (route, said) in [
        ("/a", "is not a route"),
        ("GET /a/../b", "more than one way"),
        ("HEAD /a", "needs no HEAD"),
    ] {
        let refused = refusal(&format!("[services.notes]\npublic_routes = [\"{route}\"]"));
        assert!(
            refused.contains("holdfast.toml:2") && refused.contains(said),
            "{refused}"
        );
    }
    let many: Vec<_> = (0..65).map(|number| format!("\"GET /{number}\"")).collect();
    let refused = refusal(&format!(
        "[services.notes]\npublic_routes = [{}]",
        many.join(", ")
    ));
    assert!(refused.contains("at most 64"), "{refused}");
}
