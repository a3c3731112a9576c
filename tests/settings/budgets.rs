//! Budgets and prices: what they look like, what is shown of them, and what would hold nothing.

use super::{manifest, policy, refusal};
use holdfast_server::settings::show::{host_rows, host_text};
use holdfast_server::settings::{Effective, Policy};

fn shown(policy: &Policy, key: &str) -> String {
    let rows = host_rows(policy);
    let row = rows.into_iter().find(|row| row.key == key).unwrap();
    format!("{} ({})", row.value, row.origin)
}

const PRICED: &str = "[upstreams.a]\nurl = \"https://a.b\"\nbudget = \"1 USD / hour\"\n[upstreams.a.price]\nrequest = \"0.0004 USD\"\n";

#[test]
fn each_budget_is_shown_with_its_line() {
    let text = format!(
        "[budget]\nhost = \"50 USD / day\"\ncaller = \"5 USD/month\"\nexecution = \"0.50 USD\"\nsoft = \"90%\"\n\
         [price]\ncpu_second = \"0.00002 USD\"\ngib_out = \"0.09 USD\"\nversion = \"2026-11\"\n\
         [services.notes]\nbudget = \"10 USD / day\"\nupstreams = [\"a\"]\n{PRICED}"
    );
    let policy = policy(&text);
    for (key, value) in [
        ("budget.host", "50 USD / day (policy line 2)"),
        ("budget.caller", "5 USD / month (policy line 3)"),
        ("budget.execution", "0.5 USD (policy line 4)"),
        ("budget.soft", "90% (policy line 5)"),
        ("price.cpu_second", "0.00002 USD (policy line 7)"),
        ("price.gib_out", "0.09 USD (policy line 8)"),
        ("price.version", "2026-11 (policy line 9)"),
    ] {
        assert_eq!(shown(&policy, key), value);
    }
    let text = host_text(&policy, &[]);
    assert!(
        text.contains("0.0004 USD a request, at most 1 USD / hour, "),
        "{text}"
    );
    let effective = Effective::of(&manifest(""), &policy).unwrap();
    let row = effective.table().iter().find(|row| row.key == "budget");
    assert_eq!(row.unwrap().value, "10 USD / day");
}

#[test]
fn without_a_word_nothing_is_limited_and_nothing_costs() {
    let policy = policy("");
    for key in [
        "budget.host",
        "budget.caller",
        "budget.execution",
        "price.cpu_second",
        "price.gib_out",
        "price.version",
    ] {
        assert_eq!(shown(&policy, key), "none (default)");
    }
    assert_eq!(shown(&policy, "budget.soft"), "80% (default)");
}

#[test]
fn what_is_no_budget_or_no_price_is_refused_with_its_line() {
    for (line, said) in [
        (
            "[budget]\nhost = \"50 USD\"",
            "is not a budget such as \"50 USD / day\"",
        ),
        (
            "[budget]\nhost = \"0 USD / day\"",
            "is not a budget such as",
        ),
        (
            "[budget]\nhost = \"1 USD / week\"",
            "is not a budget such as",
        ),
        (
            "[budget]\nexecution = \"0 USD\"",
            "is nothing: a budget is more than that",
        ),
        (
            "[budget]\nsoft = \"0%\"",
            "is not a share between \"1%\" and \"100%\"",
        ),
        ("[budget]\nservice = \"1 USD / day\"", "unknown key"),
        (
            "[price]\ncpu_second = \"1 EUR\"",
            "is not an amount such as",
        ),
        ("[price]\nversion = \"a b\"", "is the name of a price list"),
    ] {
        let error = refusal(line);
        assert!(
            error.starts_with("holdfast.toml:2:") && error.contains(said),
            "{line}: {error}"
        );
    }
}

#[test]
fn a_unit_says_what_it_costs_where_it_is_told_and_how_many_there_are_at_most() {
    let unit = |lines: &str| {
        format!("[upstreams.a]\nurl = \"https://a.b\"\n[upstreams.a.price.units.token]\n{lines}")
    };
    let right = unit("rate = \"0.0000025 USD\"\npointer = \"/usage/total\"\nmost = 1000");
    let policy = policy(&right);
    let list = policy.upstreams["a"].price.as_ref().unwrap();
    assert_eq!(list.worst().to_string(), "0.0025 USD");
    let text = host_text(&policy, &[]);
    assert!(
        text.contains("0 USD a request and 0.0000025 USD a token of at most 1000, "),
        "{text}"
    );
    for (lines, said) in [
        ("pointer = \"/a\"\nmost = 1", "needs `rate`"),
        ("rate = \"1 USD\"\npointer = \"/a\"", "needs `most`"),
        ("rate = \"1 USD\"\nmost = 1", "needs one of the two"),
        (
            "rate = \"1 USD\"\nmost = 1\npointer = \"/a\"\nheader = \"x\"",
            "needs one of the two",
        ),
        (
            "rate = \"1 USD\"\nmost = 1\npointer = \"a\"",
            "is not a JSON pointer",
        ),
        (
            "rate = \"1 USD\"\nmost = 1\nheader = \"a b\"",
            "is no header",
        ),
        (
            "rate = \"1\"\nmost = 1\nheader = \"x\"",
            "is not a rate such as",
        ),
        (
            "rate = \"1 USD\"\nmost = 0\nheader = \"x\"",
            "0 is not between 1",
        ),
    ] {
        let error = refusal(&unit(lines));
        assert!(
            error.contains("upstreams.a.price.units.token") && error.contains(said),
            "{lines}: {error}"
        );
    }
}

#[test]
fn what_is_limited_has_a_price() {
    let error = refusal("[upstreams.a]\nurl = \"https://a.b\"\nbudget = \"1 USD / day\"");
    assert!(
        error.starts_with("holdfast.toml:3: `upstreams.a.budget`: has a budget, but no price"),
        "{error}"
    );
    let model = "[upstreams.a]\nurl = \"https://a.b\"\nclass = \"llm\"\n";
    policy(model);
    for limit in [
        "[budget]\nhost = \"1 USD / day\"\n",
        "[budget]\nexecution = \"1 USD\"\n",
        "[services.notes]\nbudget = \"1 USD / day\"\nupstreams = [\"a\"]\n",
    ] {
        let error = refusal(&format!("{limit}{model}"));
        assert!(
            error.contains("is of class \"llm\", and there is a budget"),
            "{error}"
        );
        // It may cost nothing, if that is said.
        policy(&format!(
            "{limit}{model}[upstreams.a.price]\nrequest = \"0 USD\""
        ));
    }
    let error =
        refusal("[upstreams.a]\nurl = \"https://a.b\"\n[upstreams.a.price]\nversion = \"7\"");
    assert!(error.contains("is that of no price"), "{error}");
}

#[test]
fn what_is_answered_in_the_place_of_a_service_is_one_thing() {
    let service = |lines: &str| {
        format!("[services.notes]\nservices = [\"lite\"]\n[services.notes.degrade]\n{lines}")
    };
    for (lines, value) in [
        ("answer = \"busy\"", "200 with 4 bytes"),
        (
            "answer = \"{}\"\nstatus = 503\ncontent_type = \"application/json\"",
            "503 with 2 bytes",
        ),
        ("service = \"lite\"", "service lite"),
        ("cached = \"90m\"", "its own answers up to 90m old"),
        (
            "cached = \"1h\"\nservice = \"lite\"",
            "its own answers up to 1h old, then service lite",
        ),
    ] {
        let effective = Effective::of(&manifest(""), &policy(&service(lines))).unwrap();
        let row = effective.table().iter().find(|row| row.key == "degrade");
        assert_eq!(row.unwrap().value, value);
    }
    for (lines, said) in [
        (
            "answer = \"busy\"\nservice = \"lite\"",
            "needs one of the two",
        ),
        ("status = 200", "needs one of the three"),
        ("cached = \"1h\"\nstatus = 200", "is that of an `answer`"),
        ("cached = \"200h\"", "at most a week"),
        ("cached = \"10ms\"", "at least \"1s\""),
        ("service = \"shop\"", "is none that this service may call"),
        ("service = \"lite\"\nstatus = 200", "is that of an `answer`"),
        (
            "answer = \"busy\"\nstatus = 100",
            "100 is not between 200 and 599",
        ),
        (
            "answer = \"busy\"\ncontent_type = \"a\\u0007\"",
            "is no media type",
        ),
    ] {
        let error = refusal(&service(lines));
        assert!(
            error.contains("services.notes.degrade") && error.contains(said),
            "{lines}: {error}"
        );
    }
}
