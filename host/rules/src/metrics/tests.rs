//! The tests of `metrics`: what is counted is what is read.

use super::*;
use crate::testing::{service, upstream};
use holdfast_call::{Fault, Priority, Shed, ShedReason, Verdict};

fn failed(code: HostCode, boundary: Boundary) -> Outcome {
    Outcome::Failed(fault(code, boundary))
}

fn fault(code: HostCode, boundary: Boundary) -> Fault {
    let verdict = Verdict {
        boundary,
        stage: "test",
        cause: "CANARY".to_owned(),
        evidence: vec![("CANARY", "CANARY".to_owned())],
        next: "CANARY".to_owned(),
    };
    Fault::host(code, "CANARY", verdict)
}

fn close(series: &Series, outcome: &Outcome, millis: u64) {
    series.opened();
    let reading = Reading {
        cpu_nanos: 1_500_000_000,
        mem_bytes: 65_536 * millis,
        ..Reading::default()
    };
    series.closed(outcome, Duration::from_millis(millis), &reading);
}

#[test]
fn what_was_counted_is_what_is_read() {
    let metrics = Metrics::default();
    let series = metrics.series(&service("hello"));
    close(&series, &Outcome::Answered, 5);
    close(&series, &Outcome::Answered, 30);
    close(&series, &Outcome::Cancelled, 1);
    close(
        &series,
        &failed(HostCode::ServiceFault, Boundary::Application),
        2,
    );
    close(
        &series,
        &Outcome::Failed(
            fault(HostCode::Overloaded, Boundary::Platform).for_want(Shed {
                class: Priority::Batch,
                reason: ShedReason::Memory,
            }),
        ),
        20_000,
    );
    series.limited(crate::rate::Dimension::Caller);
    series.opened();
    series.stream_opened();
    let text = metrics.render();
    let lines: Vec<_> = text.lines().collect();
    for line in [
        "# TYPE holdfast_calls_total counter",
        "holdfast_calls_total{target=\"service:hello\",outcome=\"ok\",code=\"\",boundary=\"\"} 2",
        "holdfast_calls_total{target=\"service:hello\",outcome=\"cancelled\",code=\"cancelled\",boundary=\"caller\"} 1",
        "holdfast_calls_total{target=\"service:hello\",outcome=\"fault\",code=\"service-fault\",boundary=\"application\"} 1",
        "holdfast_calls_total{target=\"service:hello\",outcome=\"fault\",code=\"overloaded\",boundary=\"platform\"} 1",
        "# TYPE holdfast_call_duration_seconds histogram",
        "holdfast_call_duration_seconds_bucket{target=\"service:hello\",le=\"0.005\"} 3",
        "holdfast_call_duration_seconds_bucket{target=\"service:hello\",le=\"0.05\"} 4",
        "holdfast_call_duration_seconds_bucket{target=\"service:hello\",le=\"10\"} 4",
        "holdfast_call_duration_seconds_bucket{target=\"service:hello\",le=\"+Inf\"} 5",
        "holdfast_call_duration_seconds_sum{target=\"service:hello\"} 20.038000000",
        "holdfast_call_duration_seconds_count{target=\"service:hello\"} 5",
        "holdfast_cpu_seconds_total{target=\"service:hello\"} 7.500000000",
        "holdfast_memory_bytes_max{target=\"service:hello\"} 1310720000",
        "holdfast_in_flight{target=\"service:hello\"} 1",
        "holdfast_open_streams{target=\"service:hello\"} 1",
        "# TYPE holdfast_shed_total counter",
        "holdfast_shed_total{target=\"service:hello\",class=\"batch\",reason=\"memory\"} 1",
        "# TYPE holdfast_rate_limited_total counter",
        "holdfast_rate_limited_total{target=\"service:hello\",dimension=\"caller\"} 1",
    ] {
        assert!(lines.contains(&line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("CANARY"));
}

#[test]
fn every_code_and_boundary_has_a_cell_of_its_own() {
    let metrics = Metrics::default();
    let series = metrics.series(&service("hello"));
    for code in HostCode::ALL {
        for boundary in BOUNDARIES {
            close(&series, &failed(*code, boundary), 1);
        }
    }
    let text = metrics.render();
    for code in HostCode::ALL {
        for boundary in BOUNDARIES {
            let labels = format!(
                "code=\"{}\",boundary=\"{}\"}} 1",
                code.as_str(),
                boundary.as_str()
            );
            assert_eq!(text.matches(&labels).count(), 1, "{labels}");
        }
    }
}

#[test]
fn every_metric_says_what_it_is_and_every_line_is_one_sample() {
    let metrics = Metrics::default();
    let _ = metrics.series(&upstream("https://api.example.com:443"));
    let mut known = String::new();
    for line in metrics.render().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            known = rest.split(' ').next().unwrap().to_owned();
        } else if !line.starts_with("# HELP ") {
            assert!(line.starts_with(&known), "{line}");
            let value = line.rsplit(' ').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}

#[test]
fn a_target_keeps_its_series_and_the_last_ones_share_one() {
    let metrics = Metrics::default();
    let first = metrics.series(&service("first"));
    assert!(Arc::ptr_eq(&first, &metrics.series(&service("first"))));
    for number in 1..SERIES_MAX {
        let series = metrics.series(&service(&format!("s{number}")));
        assert_ne!(series.target, "overflow");
    }
    assert_eq!(metrics.series(&service("one-more")).target, "overflow");
    assert_eq!(metrics.series(&service("and-another")).target, "overflow");
    assert!(Arc::ptr_eq(&first, &metrics.series(&service("first"))));
}

#[test]
fn a_label_cannot_break_its_line() {
    assert_eq!(
        label(&service("a\"b\\c\nd").to_string()),
        "service:a\\\"b\\\\c?d"
    );
}
