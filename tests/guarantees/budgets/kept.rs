//! What was paid is on record whatever becomes of the host, and can be compared with an invoice.

use super::{PRICE, costs, paid, paying};
use crate::harness::{Chaos, Does, Host, patiently, until};

/// Waits until its service answers again.
fn again(host: &mut Host) {
    host.again();
    until("the service to be there", || {
        (host.listed("api")?["state"] == "serving").then_some(())
    });
}

#[test]
fn what_a_kill_cut_between_being_sent_and_being_settled_is_unconfirmed() {
    let chaos = Chaos::start(Does::Serves);
    let mut host = paying(&chaos.url(""), "[budget]\nhost = \"0.0016 USD / month\"");
    assert_eq!(host.get("/api/pay").status, 200);
    chaos.usually(Does::Hangs);
    let asking = [
        host.ask("GET", "/api/pay").begin(),
        host.ask("GET", "/api/pay").begin(),
    ];
    until("both to be sent", || (chaos.count() == 3).then_some(()));
    host.kill();
    drop(asking);
    chaos.usually(Does::Serves);
    again(&mut host);
    host.said("an earlier life of this host had 2 tries under way that may have been paid for");
    assert_eq!(paid(&host), (3 * PRICE, 2 * PRICE));
    // Nothing is left reserved, and nothing of it is given back: one more is in the budget.
    assert_eq!(host.get("/api/pay").status, 200);
    host.get("/api/pay").fault("budget-exhausted");
    assert_eq!(paid(&host), (4 * PRICE, 2 * PRICE));
    host.restart();
    assert_eq!(paid(&host), (4 * PRICE, 2 * PRICE));
}

#[test]
fn who_ends_in_order_leaves_nothing_unconfirmed() {
    let chaos = Chaos::start(Does::Serves);
    let mut host = paying(&chaos.url(""), "");
    assert_eq!(host.get("/api/pay").status, 200);
    host.terminate();
    assert_eq!(host.ended(), Some(0));
    again(&mut host);
    assert_eq!(paid(&host), (PRICE, 0));
}

#[test]
fn nothing_is_sent_that_cannot_be_put_on_record() {
    let chaos = Chaos::start(Does::Serves);
    let host = paying(&chaos.url(""), "");
    let database = host.dir().join("data/holdfast.db");
    std::fs::rename(&database, host.dir().join("elsewhere.db")).unwrap();
    let refused = host.get("/api/pay");
    refused.fault("storage-unavailable");
    assert!(chaos.taken().is_empty());
    std::fs::rename(host.dir().join("elsewhere.db"), &database).unwrap();
    patiently("the host to go on by itself", || {
        (host.get("/api/pay").status == 200).then_some(())
    });
    assert_eq!(chaos.taken().len(), 1);
}

#[test]
fn what_was_paid_is_told_by_day_and_by_anything_else() {
    let chaos = Chaos::start(Does::Serves);
    let host = paying(&chaos.url(""), "");
    let nothing = host.command(&["cost"]).out;
    assert!(nothing.starts_with("nothing was paid since "), "{nothing}");
    for path in ["/api/orders/17", "/api/orders/18", "/api/pay"] {
        assert_eq!(host.get(path).status, 200);
    }
    let lines = costs(&host, "day,service,caller,upstream,operation");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["operation"], "GET /orders/*");
    assert_eq!(
        (
            lines[0]["tries"].as_u64(),
            lines[0]["amount_nanousd"].as_u64()
        ),
        (Some(2), Some(2 * PRICE))
    );
    for (key, value) in [
        ("service", "api"),
        ("caller", "anonymous"),
        ("upstream", "api"),
    ] {
        assert_eq!(lines[0][key], value);
    }
    let said = host
        .command(&["cost", "--since", "7d", "--by", "service"])
        .out;
    assert!(
        said.contains("0.0012 USD in 3 tries, of which 0 USD are unconfirmed"),
        "{said}"
    );
    for when in ["last tuesday", "2026-01-31", "48h", "now"] {
        assert_eq!(
            host.command(&["cost", "--since", when]).code,
            Some(0),
            "{when}"
        );
    }
    for wrong in [
        &["cost", "--since", "someday"][..],
        &["cost", "--since", "2026-02-30"],
        &["cost", "--by", "moon"],
    ] {
        assert_eq!(host.command(wrong).code, Some(1), "{wrong:?}");
    }
    let until_today = host
        .command(&["cost", "--since", "7d", "--until", "yesterday"])
        .out;
    assert!(until_today.starts_with("nothing was paid"), "{until_today}");
}

#[test]
fn an_invoice_is_compared_day_by_day() {
    let chaos = Chaos::start(Does::Serves);
    let host = paying(&chaos.url(""), "");
    for _ in 0..3 {
        assert_eq!(host.get("/api/pay").status, 200);
    }
    let day = costs(&host, "day")[0]["day"].as_str().unwrap().to_owned();
    let invoice = host.dir().join("invoice.csv");
    let compare = |text: &str| {
        std::fs::write(&invoice, text).unwrap();
        host.command(&["cost", "reconcile", invoice.to_str().unwrap()])
    };
    let same = compare(&format!(
        "item,day,upstream,amount\n\"one, with a comma\",{day},api,0.0004\ntwo,{day},api,0.0008 USD\n"
    ));
    assert_eq!(same.code, Some(0), "{same:?}");
    let timed = compare(&format!(
        "time,upstream,amount\n{day}T12:00:00Z,api,0.0012\n"
    ));
    assert_eq!(timed.code, Some(0), "{timed:?}");
    let more = compare(&format!("day,upstream,amount\n{day},api,0.0013\n"));
    assert_eq!(more.code, Some(1), "{more:?}");
    assert!(more.out.contains("-0.0001 USD"), "{more:?}");
    for (wrong, said) in [
        ("day,upstream\n", "names no `day` or `time`"),
        (
            "day,upstream,amount\n2026-13-01,api,1\n",
            "line 2: its day is not one",
        ),
        (
            "day,upstream,amount\n2026-11-01,api,-1\n",
            "line 2: its amount is not one",
        ),
        ("day,upstream,amount\n", "bills nothing"),
    ] {
        let refused = compare(wrong);
        assert_eq!(refused.code, Some(1));
        assert!(refused.err.contains(said), "{refused:?}");
    }
}
