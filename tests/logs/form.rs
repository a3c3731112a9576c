//! What a line looks like: the fields and their order, and that no text can break out of it.

use super::{Kept, LONG, TestClock, WALL, closing};
use holdfast_call::{
    Boundary, CallId, Closing, Fault, GuestLine, HostCode, Level, Link, Log as _, NanoUsd, Outcome,
    Target, Trace, Verdict, WallTime,
};
use holdfast_server::logs::{Flushed, LogWriter};
use holdfast_server::settings::LogForm;
use std::sync::Arc;

fn written(form: LogForm, put: impl FnOnce(&LogWriter)) -> String {
    let kept = Kept::default();
    let log = LogWriter::start(form, kept.sink(), Arc::new(TestClock::default())).unwrap();
    put(&log);
    assert_eq!(log.flush(LONG), Flushed::All);
    assert_eq!(log.dropped(), 0);
    kept.text()
}

fn failed(boundary: Boundary) -> Closing {
    let verdict = Verdict {
        boundary,
        stage: "connect",
        cause: "refused by \"peer\"\n".to_owned(),
        evidence: vec![("peer", "10.0.0.1".to_owned()), ("tries", "1".to_owned())],
        next: "holdfast policy hello".to_owned(),
    };
    let mut closing = closing("GET /x");
    closing.parent = Some(CallId::new(WallTime(0), [0; 16]));
    closing.caller = closing.caller.through(&"front".into());
    closing.target = Target::Capability {
        name: "http",
        resource: "https://a.b:443".into(),
    };
    closing.digest = None;
    closing.outcome = Outcome::Failed(Fault::host(HostCode::UpstreamUnreachable, "x", verdict));
    closing.status = None;
    closing.reading.lines_dropped = 7;
    closing.reading.calls_dropped = 8;
    closing.reading.cost = NanoUsd(400_000);
    closing
}

fn keys(line: &str) -> Vec<String> {
    // The parsed form sorts its keys, so the order is read off the text: a key follows `{` or `,` and no value here holds `,"`.
    let mut at: Vec<_> = line
        .parse::<serde_json::Value>()
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
        .map(|key| (line.find(&format!("\"{key}\":")).unwrap(), key.clone()))
        .collect();
    at.sort();
    at.into_iter().map(|(_, key)| key).collect()
}

#[test]
fn a_closing_line_is_exactly_this() {
    let text = written(LogForm::Json, |log| log.closing(closing("GET /x")));
    assert_eq!(
        text,
        "{\"ts\":\"2026-11-22T11:53:00.123456Z\",\"level\":\"info\",\"msg\":\"call\",\
         \"call\":\"01a06eb4-f1fb-7101-8101-010101010101\",\"trace\":\"00000000000000000000000000000abc\",\"service\":\"hello\",\
         \"digest\":\"sha256:00ff\",\"operation\":\"GET /x\",\"caller\":\"anonymous\",\"why\":\"tests the log\",\"outcome\":\"ok\",\
         \"ms\":1.234,\"cpu_us\":98,\
         \"spent_us\":{\"authorize\":1,\"queue\":2,\"guest_cpu\":98,\"guest_wait\":1130,\"upstream\":0,\"settle\":2},\"mem_bytes\":65536,\"attempts\":1,\"status\":200,\"bytes_in\":3,\"bytes_out\":5,\"entry\":\"http\"}\n"
            .replace("01a06eb4-f1fb-7101-8101-010101010101", &CallId::new(WALL, [1; 16]).to_string())
    );
}

#[test]
fn a_fault_carries_its_verdict_and_the_fields_keep_their_order() {
    let text = written(LogForm::Json, |log| log.closing(failed(Boundary::Upstream)));
    assert_eq!(
        keys(text.trim_end()),
        [
            "ts",
            "level",
            "msg",
            "call",
            "parent",
            "trace",
            "service",
            "operation",
            "caller",
            "why",
            "outcome",
            "code",
            "boundary",
            "ms",
            "cpu_us",
            "spent_us",
            "mem_bytes",
            "attempts",
            "cost_nanousd",
            "bytes_in",
            "bytes_out",
            "entry",
            "target",
            "lines_dropped",
            "calls_dropped",
            "stage",
            "cause",
            "evidence",
            "next"
        ]
    );
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["service"], "front", "the service that asked");
    assert_eq!(line["target"], "http:https://a.b:443");
    assert_eq!(
        (&line["code"], &line["boundary"], &line["level"]),
        (
            &"upstream-unreachable".into(),
            &"upstream".into(),
            &"warn".into()
        )
    );
    assert_eq!(line["cause"], "refused by \"peer\"\n");
    assert_eq!(line["evidence"]["peer"], "10.0.0.1");
    assert_eq!(line["caller"], "anonymous > service:front");
}

#[test]
fn the_level_of_a_fault_follows_from_its_boundary() {
    for (boundary, level) in [
        (Boundary::Caller, "info"),
        (Boundary::Policy, "info"),
        (Boundary::Routing, "info"),
        (Boundary::Lifecycle, "info"),
        (Boundary::Application, "warn"),
        (Boundary::Upstream, "warn"),
        (Boundary::Configuration, "warn"),
        (Boundary::Storage, "error"),
        (Boundary::Platform, "error"),
    ] {
        let text = written(LogForm::Json, |log| log.closing(failed(boundary)));
        assert!(text.contains(&format!("\"level\":\"{level}\"")), "{text}");
    }
    let mut cancelled = closing("GET /x");
    cancelled.outcome = Outcome::Cancelled;
    let text = written(LogForm::Json, |log| log.closing(cancelled));
    assert!(
        text.contains("\"level\":\"info\"") && text.contains("\"outcome\":\"cancelled\""),
        "{text}"
    );
}

/// Everything that has ever broken a log or a terminal.
const NASTY: &str =
    "a\"b\\c\n{\"level\":\"error\"}\r\t\u{0}\u{1b}[2J\u{7f}\u{9b}31m\u{2028}ä\u{1f600}";

#[test]
fn no_text_breaks_out_of_its_line_in_either_form() {
    for form in [LogForm::Json, LogForm::Text] {
        let text = written(form, |log| {
            let mut nasty = failed(Boundary::Platform);
            nasty.operation = NASTY.into();
            nasty.caller = holdfast_call::Caller::outside(Link::Service(NASTY.into()));
            nasty.target = Target::Capability {
                name: "http",
                resource: NASTY.into(),
            };
            nasty.digest = Some(NASTY.into());
            log.closing(nasty);
            log.guest(GuestLine {
                wall: WALL,
                id: CallId::new(WALL, [1; 16]),
                trace: Trace {
                    trace_id: 1,
                    span_id: 1,
                    flags: 0,
                },
                target: Target::Service("hello".into()),
                level: Level::Info,
                text: NASTY.to_owned(),
            });
            log.host(Level::Warn, NASTY.to_owned());
        });
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{text:?}"
        );
        if form == LogForm::Json {
            let lines: Vec<serde_json::Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            assert_eq!(lines[0]["operation"], NASTY);
            assert_eq!(
                (&lines[1]["msg"], &lines[1]["service"], &lines[1]["from"]),
                (&NASTY.into(), &"hello".into(), &"guest".into())
            );
            assert_eq!(
                (&lines[2]["msg"], &lines[2]["level"], &lines[2]["from"]),
                (&NASTY.into(), &"warn".into(), &"host".into())
            );
        }
    }
}

#[test]
fn the_text_form_tells_the_same() {
    let text = written(LogForm::Text, |log| {
        log.closing(closing("GET /x"));
        log.closing(failed(Boundary::Upstream));
    });
    let mut lines = text.lines();
    let line = lines.next().unwrap();
    assert!(
        line.starts_with("2026-11-22T11:53:00.123456Z info  hello GET /x ok 200 1.234ms cpu=98us"),
        "{line}"
    );
    assert!(line.contains("why=\"tests the log\""), "{line}");
    let line = lines.next().unwrap();
    for part in [
        "warn  front -> http:https://a.b:443 GET /x fault",
        "code=upstream-unreachable",
        "peer=\"10.0.0.1\"",
        "next=\"holdfast policy hello\"",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn wall_time_is_right_at_the_edges_of_the_calendar() {
    for (micros, text) in [
        (0, "1970-01-01T00:00:00.000000Z"),
        (951_782_399_999_999, "2000-02-28T23:59:59.999999Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
        (1_078_099_200_000_001, "2004-03-01T00:00:00.000001Z"),
        (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        (1_767_225_599_000_000, "2025-12-31T23:59:59.000000Z"),
        (1_767_225_600_000_000, "2026-01-01T00:00:00.000000Z"),
    ] {
        let mut closing = closing("GET /");
        closing.wall = WallTime(micros);
        let line = written(LogForm::Json, |log| log.closing(closing));
        assert!(
            line.contains(&format!("\"ts\":\"{text}\"")),
            "{text}: {line}"
        );
    }
}
