//! What operations do: as their author declares it, and what the policy says of those of which he says nothing.

use super::{manifest, policy, refusal};
use holdfast_rules::effects::{Declared, Undeclared};
use holdfast_server::settings::show::service_text;
use holdfast_server::settings::{Effective, Manifest, Name};

fn refused(text: &str) -> String {
    let name = Name::parse("notes").unwrap();
    Manifest::parse(name, "notes.toml", text)
        .unwrap_err()
        .to_string()
}

#[test]
fn each_operation_is_declared_once_and_shown_with_its_line() {
    let manifest = manifest(
        "[effects]\nidempotent = [\"PUT /notes/...\"]\nirreversible = [\"POST /mails\", \"mails/send\"]\n[effects.undo]\n\
         \"POST /orders\" = \"DELETE /orders/{id}\"",
    );
    assert_eq!(manifest.effects["PUT /notes/..."], Declared::Idempotent);
    assert_eq!(manifest.effects["mails/send"], Declared::Irreversible);
    let undo = Declared::Undo("DELETE /orders/{id}".into());
    assert_eq!(manifest.effects["POST /orders"], undo);
    let effective = Effective::of(&manifest, &policy("")).unwrap();
    let text = service_text(&effective);
    let row = |key: &str| {
        let mut lines = text.lines().map(str::trim_start);
        lines.find(|line| line.starts_with(key)).unwrap()
    };
    let undo = row("effects.undo.POST /orders");
    assert!(
        undo.contains("DELETE /orders/{id}") && undo.contains('5'),
        "{undo}"
    );
    assert!(row("undeclared").contains("allow"), "{text}");
}

#[test]
fn what_cannot_be_declared_says_why() {
    for (text, said) in [
        ("idempotent = [\"GET /a\"]", "changes nothing"),
        ("idempotent = [\"POST a\"]", "is not a route such as"),
        ("irreversible = [\"POST /a/../b\"]", "more than one way"),
        ("irreversible = [\"a//b\"]", "is no function"),
        (
            "idempotent = [\"POST /a\"]\nirreversible = [\"POST /a\"]",
            "declared twice",
        ),
        ("undo = { \"POST /a\" = \"GET /a\" }", "undoes nothing"),
        ("undo = { \"POST /a\" = \"orders/cancel\" }", "cannot undo"),
        ("undo = { \"orders/place\" = \"POST /a\" }", "cannot undo"),
        ("reversible = []", "unknown key"),
    ] {
        let error = refused(&format!("[effects]\n{text}"));
        assert!(error.contains(said), "{text}: {error}");
    }
    let many: Vec<_> = (0..257).map(|nth| format!("\"POST /{nth}\"")).collect();
    let error = refused(&format!("[effects]\nidempotent = [{}]", many.join(", ")));
    assert!(error.contains("at most 256"), "{error}");
}

#[test]
fn the_policy_says_what_happens_to_the_rest_for_all_or_for_one() {
    for (text, undeclared) in [
        ("", Undeclared::Allow),
        ("undeclared = \"hold\"", Undeclared::Hold),
        (
            "undeclared = \"hold\"\n[services.notes]\nundeclared = \"refuse\"",
            Undeclared::Refuse,
        ),
        (
            "undeclared = \"refuse\"\n[services.other]\nundeclared = \"allow\"",
            Undeclared::Refuse,
        ),
    ] {
        let effective = Effective::of(&manifest(""), &policy(text)).unwrap();
        assert_eq!(effective.undeclared, undeclared, "{text}");
    }
    for text in [
        "undeclared = \"deny\"",
        "[services.notes]\nundeclared = \"\"",
    ] {
        assert!(refusal(text).contains("neither \"allow\""), "{text}");
    }
}
