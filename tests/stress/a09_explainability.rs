//! The assumption: what happened can be rebuilt. So: calls of every kind at once, over HTTP and to functions, nested, keyed, priced, refused,
//! failed, late, left and cut by the death of the host; then, from a copy of the audit log and nothing else, who asked for what, why, what
//! was done for it, what it cost and what it was answered, beside what the clients were told and the upstreams have seen.

mod errands;
mod record;

use crate::harness::{Chaos, Does, Guest, Host, Setup, encoded, run, scaled, until};
use errands::{Errand, Told};
use record::{Rebuilt, Record};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// 0.000123457 USD: what each try at the upstream costs.
const PRICE: u64 = 123_457;
const CLIENTS: usize = 8;
/// How many are under way when the host dies.
const CUT: usize = 3;

fn host(api: &Chaos, bank: &Chaos) -> Host {
    let policy = format!(
        "anonymous = \"allow\"\ncall_log = 0\ncallers = [\"ann\"]\n\
         [budget]\nhost = \"100000 USD / month\"\n\
         [services.two]\nupstreams = [\"api\", \"bank\"]\n[services.pays]\nupstreams = [\"api\"]\nbudget = \"0.0005 USD / month\"\n\
         [services.front]\nservices = [\"notes\"]\n[services.kv]\nkv = [\"default\"]\n[services.closed]\nanonymous = \"deny\"\n\
         [upstreams.api]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\nfirst_byte = \"500ms\"\noverride_floor = true\nbreaker = false\n\
         [upstreams.api.price]\nrequest = \"0.000123457 USD\"\n\
         [upstreams.bank]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]",
        api.url(""),
        bank.url("")
    );
    let pays = format!(
        "upstreams = [\"api\"]\n[config]\nupstream = \"{}\"",
        api.url("")
    );
    Setup::new()
        .service(
            "two",
            Guest::Case("wasi02"),
            "upstreams = [\"api\", \"bank\"]",
        )
        .service(
            "late",
            Guest::Case("wasi02"),
            "[limits]\ndeadline = \"300ms\"",
        )
        .service("cpu", Guest::Case("wasi02"), "[limits]\ncpu = \"50ms\"")
        .service("closed", Guest::Case("wasi02"), "")
        .service("pays", Guest::Service("proxy"), &pays)
        .service("front", Guest::Service("front"), "services = [\"notes\"]")
        .service("notes", Guest::Service("notes"), "")
        .service("tasks", Guest::Service("tasks"), "")
        .service("kv", Guest::Case("kv"), "kv = [\"default\"]")
        .policy(&policy)
        .start()
}

/// Sends so many errands from all clients at once; what each of them was told.
fn load(host: &Host, api: &Chaos, count: usize) -> Vec<Told> {
    let said = host.command(&["keys", "new", "ann"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let key = said.out.trim();
    let (next, told) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= count {
                        break;
                    }
                    let all = Errand::new(nth, &api.url("")).send(host, key);
                    told.lock().unwrap().extend(all);
                }
            });
        }
    });
    told.into_inner().unwrap()
}

/// Has some under way at an upstream that does not answer, and ends the host there. What each of them had written as its reason.
fn cut(host: &mut Host, bank: &Chaos) -> BTreeSet<String> {
    let url = encoded(&bank.url("/pay"));
    let path = format!("/two/fetch?method=POST&body=x&url={url}");
    let reasons: BTreeSet<_> = (0..CUT).map(|nth| format!("cut {nth}")).collect();
    let under_way: Vec<_> = reasons
        .iter()
        .map(|why| host.ask("POST", &path).header("holdfast-why", why).begin())
        .collect();
    until("the bank to have them all", || {
        (bank.count() == CUT as u64).then_some(())
    });
    host.kill();
    drop(under_way);
    reasons
}

/// A copy of the log, checked by its key, in a data directory that has nothing else.
fn copied(host: &Host, to: &Path) {
    let log = to.join("audit");
    let log = log.to_str().unwrap();
    let exported = host.command(&["audit", "export", log]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let key = host.command(&["audit", "key"]).out;
    let checked = run(&["audit", "verify", "--log", log, "--key", key.trim()]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

/// How often an upstream has seen each of its paths, as the record writes them.
fn seen(chaos: &Chaos) -> HashMap<String, u64> {
    let mut seen = HashMap::new();
    for (_, request) in chaos.taken() {
        let mut words = request.head.split(' ');
        let method = words.next().unwrap().to_ascii_uppercase();
        let operation = format!("{method} {}", words.next().unwrap());
        *seen.entry(operation).or_insert(0) += 1;
    }
    seen
}

/// What the log says of a call is what its client was told of it.
fn is_as_told(record: &Record, told: &Told) {
    let shown = record.shown();
    assert_eq!(record.text("caller"), told.caller, "{shown}");
    assert_eq!(record.text("service"), told.service, "{shown}");
    assert_eq!(record.text("operation"), told.operation, "{shown}");
    assert_eq!(record.text("why"), told.why, "{shown}");
    assert_eq!(record.number("status"), u64::from(told.status), "{shown}");
    assert_eq!(record.text("code"), told.code, "{shown}");
}

/// Each request that the upstream has seen was sent for a call that is on record, as often as it says, and paid for; and no other.
fn is_as_seen(rebuilt: &Rebuilt, api: &Chaos) {
    let mut sent = HashMap::new();
    let mut paid = 0;
    for record in rebuilt.of(&api.url("")) {
        let tries = record.number("attempts");
        assert_eq!(
            record.number("cost_nanousd"),
            tries * PRICE,
            "{}",
            record.shown()
        );
        paid += record.number("cost_nanousd");
        if tries > 0 {
            *sent.entry(record.text("operation").to_owned()).or_insert(0) += tries;
        }
        let parent = rebuilt.call(record.text("parent"));
        assert!(
            record.text("caller").ends_with(parent.text("service")),
            "{}",
            record.shown()
        );
    }
    let count = api.count();
    assert_eq!(sent, seen(api));
    assert_eq!(paid, count * PRICE);
}

/// What nobody could explain: a call without a reason, or one that went wrong without saying where, of what and what to look at.
fn unexplained(rebuilt: &Rebuilt) -> Vec<String> {
    let all = rebuilt.calls();
    let mute = |record: &&Record| {
        let of_all = ["why", "caller", "operation", "trace"];
        let of_failed = ["boundary", "stage", "cause", "next"];
        let failed = record.text("outcome") == "fault";
        of_all.iter().any(|name| record.text(name).is_empty())
            || failed && of_failed.iter().any(|name| record.text(name).is_empty())
    };
    all.filter(mute).map(Record::shown).collect()
}

#[test]
fn from_a_copy_of_the_log_alone_every_call_is_rebuilt_as_its_client_and_the_upstreams_saw_it() {
    let (api, bank) = (Chaos::start(Does::Serves), Chaos::start(Does::Hangs));
    let mut host = host(&api, &bank);
    let count = scaled(112, 28_000);
    api.next(&errands::bad_days(count));
    let told = load(&host, &api, count);
    let ways: BTreeSet<_> = told.iter().map(|one| one.code.as_str()).collect();
    for way in errands::WAYS {
        assert!(ways.contains(way), "nothing ended as `{way}`: {ways:?}");
    }
    let ids: BTreeSet<_> = told.iter().map(|one| one.call.clone()).collect();
    assert_eq!(ids.len(), told.len(), "an id twice");
    until("all of them to be on record", || {
        let rebuilt = Rebuilt::from(&host.dir().join("data"));
        let ended = |id: &String| rebuilt.find(id).is_some_and(|one| one.ended());
        ids.iter().all(ended).then_some(())
    });
    let reasons = cut(&mut host, &bank);
    let folder = tempfile::tempdir().unwrap();
    copied(&host, folder.path());

    let rebuilt = Rebuilt::from(folder.path());
    for told in &told {
        is_as_told(rebuilt.call(&told.call), told);
    }
    errands::keys_are_as_sent(&rebuilt, &told);
    is_as_seen(&rebuilt, &api);
    // None is there that nobody has sent, and of those that were cut it is known that nothing is known.
    let outer: Vec<_> = rebuilt.outer().collect();
    assert_eq!(outer.len(), told.len() + CUT);
    let cut = outer.iter().filter(|record| !record.ended());
    let cut: BTreeSet<_> = cut.map(|record| record.text("why").to_owned()).collect();
    assert_eq!(cut, reasons);
    let at_the_bank: Vec<_> = rebuilt.of(&bank.url("")).collect();
    assert_eq!(at_the_bank.len(), CUT);
    assert!(at_the_bank.iter().all(|record| !record.ended()));
    assert_eq!(unexplained(&rebuilt), Vec::<String>::new());
    explained(&rebuilt, folder.path(), &told);
}

/// `explain` tells the same of each, with all that was done for it, from the copy.
fn explained(rebuilt: &Rebuilt, copy: &Path, told: &[Told]) {
    let data = copy.to_str().unwrap();
    let mut of_kind = BTreeMap::new();
    for one in told {
        // One of each way to end, or as many as there is time for.
        let times = of_kind
            .entry((one.operation.clone(), one.status, one.code.clone()))
            .or_insert(0);
        *times += 1;
        if *times > scaled(1, 20) {
            continue;
        }
        let said = run(&["explain", &one.call, "--json", "--data", data]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let lines: Vec<_> = said.out.lines().map(Record::read).collect();
        let ids: BTreeSet<_> = lines.iter().map(|line| line.text("call")).collect();
        assert_eq!(ids, rebuilt.tree(&one.call));
        is_as_told(&lines[0], one);
        let text = run(&["explain", &one.call, "--audit", "--data", data]).out;
        for part in [&one.why, &one.caller, &one.code] {
            assert!(text.contains(part.as_str()), "{part}: {text}");
        }
    }
}
