//! What is to be done at a time is done then, once, whichever hosts are there.
//!
//! 1. The naive snippet: a loop that sleeps, or a line in somebody's crontab that calls the service.
//! 2. The missing rule: two hosts have two loops; one that is restarted begins to count anew; a run that takes longer than the interval meets
//!    itself; what was not done because nobody was there, nobody knows of.
//! 3. The tax: a scheduler with a database, a lock, a table of runs, and an alarm for those that did not come.
//! 4. The snippet again: an operation, and `[schedule.NAME]` in the manifest.
//! 5. The pipeline's version: a tick is the same for all hosts. One of them puts it into the service's queue, in the unit of work that says
//!    that it is done with; from there it is a call like any other, under a key of its own.
//! 6. The checklist is below.

use crate::harness::postgres::Postgres;
use crate::harness::{Guest, Host, Setup, scaled, until};
use serde_json::Value;

/// The case that sends messages, and asks itself for one.
fn setup(schedule: &str) -> Setup {
    let asks = format!("queues = [\"queues\"]\n{schedule}");
    Setup::new().service("queues", Guest::Case("queues"), &asks)
}

const POLICY: &str = "[services.queues]\nqueues = [\"queues\"]";

fn start(schedule: &str) -> Host {
    setup(schedule).policy(POLICY).start()
}

/// A host on the database of a server.
fn on(url: &str, schedule: &str) -> Host {
    setup(schedule).on_server(url).policy(POLICY).start()
}

/// The calls that schedules made and that the service answered.
fn runs(host: &Host) -> Vec<Value> {
    let mut lines = host.closings();
    lines.retain(|line| line["entry"] == "timer" && line["attempts"] != 0);
    lines
}

/// What `holdfast schedules` says of the one there is.
fn listed(host: &Host) -> Value {
    let said = host.command(&["schedules", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(said.out.lines().next().unwrap()).unwrap()
}

fn wait_for_runs(host: &Host, count: usize) -> Vec<Value> {
    until(&format!("{count} runs"), || {
        let runs = runs(host);
        (runs.len() >= count).then_some(runs)
    })
}

#[test]
fn an_operation_is_asked_for_at_each_tick_by_the_host_alone() {
    let host = start("[schedule.often]\nevery = \"1s\"\noperation = \"POST /tick\"");
    let runs = wait_for_runs(&host, 3);
    for run in &runs {
        assert_eq!(run["caller"], "host", "{run}");
        assert!(
            run["why"].as_str().unwrap().ends_with(": schedule often"),
            "{run}"
        );
        assert_eq!(run["operation"], "POST /tick", "{run}");
        assert_eq!(run["outcome"], "ok", "{run}");
    }
    let line = listed(&host);
    assert_eq!(line["when"], "every 1 s");
    assert!(line["fired"].as_u64().unwrap() >= 3, "{line}");
    assert!(line["next_ms"].as_u64().is_some());
    let table = host.command(&["schedules"]).out;
    assert!(
        table.contains("every 1 s") && table.contains("POST /tick"),
        "{table}"
    );
}

#[test]
fn what_runs_always_runs_again_as_soon_as_it_has_ended() {
    let host = start("[schedule.poll]\nevery = \"0s\"\noperation = \"POST /tick\"");
    let runs = wait_for_runs(&host, 8);
    // One after the other, and faster than anybody looks.
    assert!(runs.iter().all(|run| run["outcome"] == "ok"), "{runs:?}");
    assert_eq!(listed(&host)["skipped"], 0);
}

#[test]
fn a_run_that_takes_longer_than_its_interval_is_not_met_by_the_next() {
    for (overlap, skips) in [("skip", true), ("queue", false)] {
        let schedule = format!(
            "[schedule.slow]\nevery = \"1s\"\noperation = \"POST /slow\"\noverlap = \"{overlap}\""
        );
        let host = start(&schedule);
        let runs = wait_for_runs(&host, 3);
        let line = listed(&host);
        assert_eq!(line["skipped"].as_u64().unwrap() > 0, skips, "{line}");
        // Each takes more than two seconds, so of those that met there would be more.
        let firsts: Vec<_> = runs.iter().map(|run| run["ts"].as_str().unwrap()).collect();
        let mut apart = firsts.clone();
        apart.sort_unstable();
        apart.dedup_by(|one, other| one[..17] == other[..17] && one[17..19] == other[17..19]);
        assert_eq!(apart.len(), firsts.len(), "{firsts:?}");
    }
}

#[test]
fn what_fails_is_asked_for_at_its_next_tick_and_no_sooner() {
    let host = start("[schedule.bad]\nevery = \"1s\"\noperation = \"POST /fails\"");
    let runs = wait_for_runs(&host, 3);
    assert!(runs.iter().all(|run| run["outcome"] == "fault"), "{runs:?}");
    let mut whys: Vec<_> = runs
        .iter()
        .map(|run| run["why"].as_str().unwrap())
        .collect();
    whys.sort_unstable();
    whys.dedup();
    assert_eq!(whys.len(), runs.len(), "no tick twice");
    let dead = host.command(&["queue", "ls", "queues", "--dead", "--json"]);
    assert_eq!(dead.out.trim(), "", "none is a dead letter");
    let host = start("[schedule.bad]\nevery = \"0s\"\noperation = \"POST /fails\"");
    wait_for_runs(&host, 3);
    let runs = runs_of(&host);
    assert!(runs < 30, "it takes a breath: {runs}");
}

fn runs_of(host: &Host) -> usize {
    runs(host).len()
}

#[test]
fn what_is_wrong_with_a_schedule_stops_the_load_and_says_so() {
    for (schedule, why) in [
        (
            "[schedule.a]\noperation = \"POST /x\"",
            "needs one of `cron` and `every`",
        ),
        (
            "[schedule.a]\nevery = \"5s\"\ncron = \"* * * * *\"\noperation = \"POST /x\"",
            "and not both",
        ),
        ("[schedule.a]\nevery = \"5s\"", "needs `operation`"),
        (
            "[schedule.a]\nevery = \"10ms\"\noperation = \"POST /x\"",
            "whole seconds",
        ),
        (
            "[schedule.a]\ncron = \"61 * * * *\"\noperation = \"POST /x\"",
            "cannot be read",
        ),
        (
            "[schedule.a]\ncron = \"* * * * *\"\nzone = \"Mars/Base\"\noperation = \"POST /x\"",
            "cannot be read",
        ),
        (
            "[schedule.a]\nevery = \"5s\"\noperation = \"POST /x/...\"",
            "one path",
        ),
        (
            "[schedule.a]\nevery = \"5s\"\noperation = \"todo/none\"",
            "exports no function",
        ),
        (
            "[schedule.a]\nevery = \"5s\"\noperation = \"POST /x\"\noverlap = \"often\"",
            "neither \"skip\" nor \"queue\"",
        ),
        (
            "[schedule.a]\nevery = \"5s\"\noperation = \"POST /x\"\nat = \"noon\"",
            "schedule",
        ),
    ] {
        let host = start(schedule);
        let said = until("the reason", || {
            let said = host.stderr();
            said.contains(why).then_some(said)
        });
        assert!(said.contains("queues.toml"), "{said}");
        assert_eq!(host.get("/queues/").status, 404);
    }
}

#[test]
fn a_service_has_no_more_schedules_than_it_may() {
    let one = |number| format!("[schedule.s{number}]\nevery = \"1h\"\noperation = \"POST /x\"\n");
    let all: String = (0..33).map(one).collect();
    let host = start(&all);
    until("the reason", || {
        host.stderr()
            .contains("has 33 schedules; at most 32")
            .then_some(())
    });
}

#[test]
fn ticks_that_nobody_was_there_for_are_told_and_made_up_for_where_that_is_asked() {
    for (catch_up, made_up) in [("false", 0), ("true", 1)] {
        let schedule = format!(
            "[schedule.daily]\ncron = \"0 3 * * *\"\nzone = \"Europe/Vienna\"\noperation = \"POST /tick\"\ncatch_up = {catch_up}"
        );
        let mut host = start(&schedule);
        until("the schedule to be known", || {
            listed(&host)["next_ms"].as_u64()
        });
        host.kill();
        long_ago(&host);
        host.again();
        host.said("has missed 3 ticks: no host was there");
        if made_up > 0 {
            wait_for_runs(&host, made_up);
        }
        let line = listed(&host);
        assert_eq!(line["missed"], 3, "{line}");
        assert_eq!(line["fired"].as_u64(), Some(made_up as u64), "{line}");
        assert_eq!(runs(&host).len(), made_up);
    }
}

/// As if the host had been away for three days.
fn long_ago(host: &Host) {
    let database = host.dir().join("data/holdfast.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        use holdfast_store::db::{Database, Place};
        let database = Database::open(Place::File(database)).await.unwrap();
        let moved = database.run((), |(), tx| {
            tx.execute("UPDATE schedules SET last_ms = last_ms - 259200000", &[])
        });
        assert_eq!(moved.await, Ok(1));
        database.close().await;
    });
}

#[test]
fn over_two_hosts_and_many_restarts_each_tick_fires_once() {
    let restarts = scaled(6, 50);
    let schedule =
        "[schedule.often]\nevery = \"1s\"\noperation = \"POST /keep\"\noverlap = \"queue\"";
    let url = Postgres::database();
    let mut hosts = [on(&url, schedule), on(&url, schedule)];
    for restart in 0..restarts {
        let killed = restart % 2;
        let wanted = 2 * (restart as u64 + 1);
        until("ticks to be fired", || {
            (listed(&hosts[killed])["fired"].as_u64()? >= wanted).then_some(())
        });
        hosts[killed].restart();
    }
    // What a run sends goes out in the unit in which it ends, and stays: each tick that was fired has sent one message.
    let (line, kept) = until("all that was fired to be done", || {
        let line = listed(&hosts[0]);
        let kept = kept(&hosts[0]);
        (kept.len() as u64 == line["fired"].as_u64()?).then_some((line, kept))
    });
    assert_eq!(
        (&line["missed"], &line["skipped"]),
        (&0.into(), &0.into()),
        "{line}"
    );
    assert!(kept.len() >= 2 * restarts, "{}", kept.len());
    let gaps: Vec<_> = kept
        .windows(2)
        .filter(|pair| pair[1] - pair[0] != 1_000)
        .collect();
    assert!(
        gaps.is_empty(),
        "each second has its tick, and each has one: {gaps:?}"
    );
}

/// The ticks of the messages that are kept, in their order.
fn kept(host: &Host) -> Vec<i64> {
    let said = host.command(&["queue", "ls", "queues", "--json"]);
    let lines = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let waiting = lines.filter(|line: &Value| line["attributes"][0][0] == "said");
    let ticks = waiting.map(|line| line["attributes"][0][1].as_str().unwrap().parse().unwrap());
    let mut ticks: Vec<i64> = ticks.collect();
    ticks.sort_unstable();
    ticks
}
