//! The assumption: what it costs is known. So: a hundred thousand calls to a provider who fails in every way, a host that is killed in the
//! middle of them, and then the provider's own count.

use crate::harness::{Chaos, Does, Guest, Host, Setup, encoded, scaled, until, wire};
use holdfast_call::NanoUsd;
use holdfast_store::db::{Database, Place};
use holdfast_store::ledger::{self, CostKey, Grouped, Sums};
use std::sync::atomic::{AtomicUsize, Ordering};

/// 0.000123457 USD: a price whose sums are round nowhere.
const PRICE: u64 = 123_457;
/// How many calls the guest makes for one request.
const AT_ONCE: usize = 50;
const CALLERS: usize = 8;

fn host(chaos: &Chaos) -> Host {
    Setup::new()
        .service("two", Guest::Case("wasi02"), "upstreams = [\"api\"]")
        .policy("[budget]\nhost = \"100000 USD / month\"")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\nattempts = 1\nbreaker = false",
            chaos.url("")
        ))
        .policy("[upstreams.api.price]\nrequest = \"0.000123457 USD\"")
        .start()
}

/// Has the guest make `count` calls, as many at a time as there are callers.
fn ask(host: &Host, chaos: &Chaos, count: usize) {
    let path = format!(
        "/two/fetch-many?n={AT_ONCE}&url={}",
        encoded(&chaos.url("/pay"))
    );
    let left = AtomicUsize::new(count.div_ceil(AT_ONCE));
    let one_less = |left: usize| left.checked_sub(1);
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                    .is_ok()
                {
                    let answer = host.get(&path);
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
    });
}

/// What the ledger of a host that has ended says: its sums, what was paid, and what of it is unconfirmed.
pub(super) fn read(host: &Host) -> (Sums, NanoUsd, NanoUsd, u64) {
    let file = host.dir().join("data/holdfast.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let database = Database::open(Place::File(file)).await.unwrap();
        let all = Grouped {
            since_ms: 0,
            until_ms: i64::MAX,
            by: vec![CostKey::Upstream],
        };
        let lines = ledger::costs(&database, all).await.unwrap();
        let sums = ledger::sums(&database).await.unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        (
            sums,
            lines[0].amount,
            lines[0].unconfirmed,
            lines[0].entries,
        )
    })
}

#[test]
fn the_ledger_is_the_providers_invoice_but_for_what_it_calls_unconfirmed() {
    let chaos = Chaos::start(Does::Serves);
    let mut host = host(&chaos);
    let count = scaled(1_000, 100_000);
    // One in ten gets no answer that is one; the provider bills it all the same.
    let bad = [
        Does::Answers(500, ""),
        Does::Resets,
        Does::Answers(429, "retry-after: 0\r\n"),
        Does::Writes(wire::BAD_STATUS),
        Does::Writes(wire::HALF_HEAD),
        Does::Answers(503, ""),
    ];
    let script: Vec<_> = (0..count)
        .map(|nth| {
            if nth % 10 == 3 {
                bad[nth / 10 % bad.len()]
            } else {
                Does::Serves
            }
        })
        .collect();
    let answered = script
        .iter()
        .filter(|does| matches!(does, Does::Serves | Does::Answers(..)));
    let answered = u64::try_from(answered.count()).unwrap();
    chaos.next(&script);
    ask(&host, &chaos, count);
    let billed = chaos.count();
    assert_eq!(billed, count as u64);
    host.terminate();
    assert_eq!(host.ended(), Some(0));
    let (sums, amount, unconfirmed, entries) = read(&host);
    assert_eq!((amount.0, entries), (billed * PRICE, billed));
    assert_eq!(amount.0 - unconfirmed.0, answered * PRICE);
    assert_eq!(
        (sums.entries, sums.hours, sums.settled),
        (amount, amount, amount)
    );
    assert_eq!((sums.reserved, sums.open), (NanoUsd(0), NanoUsd(0)));
}

#[test]
fn however_often_it_is_killed_its_sums_agree_and_nothing_stays_reserved() {
    let chaos = Chaos::start(Does::Serves);
    let mut host = host(&chaos);
    let path = format!(
        "/two/fetch-many?n={AT_ONCE}&url={}",
        encoded(&chaos.url("/pay"))
    );
    for round in 1..=scaled(3, 50) {
        let asking: Vec<_> = (0..CALLERS)
            .map(|_| host.ask("GET", &path).begin())
            .collect();
        let enough = chaos.count() + u64::try_from(round % 40).unwrap() + 20;
        until("some to be sent", || {
            (chaos.count() >= enough).then_some(())
        });
        host.kill();
        drop(asking);
        host.again();
        until("the service to be there", || {
            (host.listed("two")?["state"] == "serving").then_some(())
        });
    }
    host.kill();
    let (sums, amount, unconfirmed, _) = read(&host);
    assert_eq!(
        (sums.entries, sums.hours, sums.settled),
        (amount, amount, amount)
    );
    assert_eq!((sums.reserved, sums.open), (NanoUsd(0), NanoUsd(0)));
    let billed = chaos.count() * PRICE;
    assert!(
        amount.0 - unconfirmed.0 <= billed && billed <= amount.0,
        "{billed}: {amount}, {unconfirmed}"
    );
}
