//! What is counted about calls, target by target, and the text in which it is read (Prometheus text format 0.0.4).
//!
//! A target's [`Series`] is looked up once, when the target is loaded, and outlives its versions; counting is a handful of relaxed
//! atomics. Labels are target names and code words only: nothing that a guest, a client or an upstream said ever becomes one.

mod limited;
mod shed;

use crate::rate::Dimension;
use crate::trial::verdict::Record;
use holdfast_call::meter::Reading;
use holdfast_call::{Boundary, Code, HostCode, Outcome, Target};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most targets that are counted apart; what comes later is counted together as `overflow`.
pub const SERIES_MAX: usize = 2_000;

/// The upper bounds of the duration histogram, as printed and in nanoseconds.
const BUCKETS: [(&str, u64); 14] = [
    ("0.005", 5_000_000),
    ("0.01", 10_000_000),
    ("0.025", 25_000_000),
    ("0.05", 50_000_000),
    ("0.075", 75_000_000),
    ("0.1", 100_000_000),
    ("0.25", 250_000_000),
    ("0.5", 500_000_000),
    ("0.75", 750_000_000),
    ("1", 1_000_000_000),
    ("2.5", 2_500_000_000),
    ("5", 5_000_000_000),
    ("7.5", 7_500_000_000),
    ("10", 10_000_000_000),
];

const BOUNDARIES: [Boundary; 9] = [
    Boundary::Caller,
    Boundary::Policy,
    Boundary::Application,
    Boundary::Configuration,
    Boundary::Routing,
    Boundary::Lifecycle,
    Boundary::Storage,
    Boundary::Upstream,
    Boundary::Platform,
];

/// The counters of one target.
#[derive(Debug)]
pub struct Series {
    target: String,
    answered: AtomicU64,
    cancelled: AtomicU64,
    /// One row for each code of the host and one for those of services, one column for each boundary.
    failed: Box<[AtomicU64]>,
    buckets: [AtomicU64; BUCKETS.len() + 1],
    took_nanos: AtomicU64,
    cpu_nanos: AtomicU64,
    cost_nanousd: AtomicU64,
    memory_max: AtomicU64,
    in_flight: AtomicU64,
    open_streams: AtomicU64,
    shed: shed::Counts,
    limited: limited::Counts,
}

impl Series {
    fn new(target: String) -> Arc<Self> {
        let cells = (HostCode::ALL.len() + 1) * BOUNDARIES.len();
        Arc::new(Self {
            target,
            answered: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            failed: (0..cells).map(|_| AtomicU64::new(0)).collect(),
            buckets: Default::default(),
            took_nanos: AtomicU64::new(0),
            cpu_nanos: AtomicU64::new(0),
            cost_nanousd: AtomicU64::new(0),
            memory_max: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            open_streams: AtomicU64::new(0),
            shed: shed::Counts::default(),
            limited: limited::Counts::default(),
        })
    }

    /// How many calls are on their way now, their answers included.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// How many answers are being streamed now.
    #[must_use]
    pub fn open_streams(&self) -> u64 {
        self.open_streams.load(Relaxed)
    }

    /// How calls have ended so far: answered, or by a fault of the target's own.
    pub(crate) fn record(&self) -> Record {
        let cell = |row: usize, boundary: Boundary| {
            let cell = self.failed.get(row * BOUNDARIES.len() + boundary as usize);
            cell.map_or(0, |cell| cell.load(Relaxed))
        };
        let own = (0..=HostCode::ALL.len()).map(|row| cell(row, Boundary::Application));
        Record {
            well: self.answered.load(Relaxed),
            faults: own.sum::<u64>() + cell(HostCode::Quarantined as usize, Boundary::Lifecycle),
        }
    }

    pub(crate) fn opened(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(crate) fn stream_opened(&self) {
        self.open_streams.fetch_add(1, Relaxed);
    }

    pub(crate) fn stream_closed(&self) {
        self.open_streams.fetch_sub(1, Relaxed);
    }

    pub(crate) fn limited(&self, dimension: Dimension) {
        self.limited.add(dimension);
    }

    pub(crate) fn closed(&self, outcome: &Outcome, took: Duration, reading: &Reading) {
        self.in_flight.fetch_sub(1, Relaxed);
        match outcome {
            Outcome::Answered => self.answered.fetch_add(1, Relaxed),
            Outcome::Cancelled => self.cancelled.fetch_add(1, Relaxed),
            Outcome::Failed(fault) => {
                let row = match fault.code() {
                    Code::Host(code) => *code as usize,
                    Code::Service { .. } => HostCode::ALL.len(),
                };
                if let Some(shed) = fault.shed() {
                    self.shed.add(shed);
                }
                let place = row * BOUNDARIES.len() + fault.verdict().boundary as usize;
                self.failed
                    .get(place)
                    .map_or(0, |cell| cell.fetch_add(1, Relaxed))
            }
        };
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|(_, bound)| *bound < nanos);
        if let Some(count) = self.buckets.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.took_nanos.fetch_add(nanos, Relaxed);
        if reading.cpu_nanos > 0 {
            self.cpu_nanos.fetch_add(reading.cpu_nanos, Relaxed);
        }
        if reading.cost.0 > 0 {
            self.cost_nanousd.fetch_add(reading.cost.0, Relaxed);
        }
        if reading.mem_bytes > self.memory_max.load(Relaxed) {
            self.memory_max.fetch_max(reading.mem_bytes, Relaxed);
        }
    }

    fn write_calls(&self, out: &mut String) {
        let mut line = |outcome: &str, code: &str, boundary: &str, count: u64| {
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "holdfast_calls_total{{target=\"{}\",outcome=\"{outcome}\",code=\"{code}\",boundary=\"{boundary}\"}} {count}",
                self.target
            );
        };
        line("ok", "", "", self.answered.load(Relaxed));
        let cancelled = self.cancelled.load(Relaxed);
        if cancelled > 0 {
            line("cancelled", "cancelled", "caller", cancelled);
        }
        let codes = HostCode::ALL.iter().map(|code| code.as_str());
        let rows = self.failed.chunks(BOUNDARIES.len());
        for (code, row) in codes.chain(["service"]).zip(rows) {
            for (boundary, cell) in BOUNDARIES.iter().zip(row) {
                let count = cell.load(Relaxed);
                if count > 0 {
                    line("fault", code, boundary.as_str(), count);
                }
            }
        }
    }

    fn write_durations(&self, out: &mut String) {
        let mut sum = 0;
        let bounds = BUCKETS.iter().map(|(text, _)| *text).chain(["+Inf"]);
        for (bound, count) in bounds.zip(&self.buckets) {
            sum += count.load(Relaxed);
            let _ = writeln!(
                out,
                "holdfast_call_duration_seconds_bucket{{target=\"{}\",le=\"{bound}\"}} {sum}",
                self.target
            );
        }
        let took = seconds(self.took_nanos.load(Relaxed));
        let _ = writeln!(
            out,
            "holdfast_call_duration_seconds_sum{{target=\"{0}\"}} {took}\nholdfast_call_duration_seconds_count{{target=\"{0}\"}} {sum}",
            self.target
        );
    }
}

/// Every series there is.
#[derive(Debug)]
pub struct Metrics {
    series: Mutex<BTreeMap<String, Arc<Series>>>,
    /// Calls for what is not there: their names come from outside, so they share one series.
    unknown: Arc<Series>,
    overflow: Arc<Series>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            series: Mutex::default(),
            unknown: Series::new("unknown".to_owned()),
            overflow: Series::new("overflow".to_owned()),
        }
    }
}

impl Metrics {
    /// The series of `target`, made if there is none yet. The same target has the same series for as long as the host runs.
    #[must_use]
    pub fn series(&self, target: &Target) -> Arc<Series> {
        self.named(&target.to_string())
    }

    /// The series called `name`: what has a name of its own need not show its address.
    #[must_use]
    pub fn named(&self, name: &str) -> Arc<Series> {
        let name = label(name);
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = series.get(&name) {
            return known.clone();
        }
        if series.len() >= SERIES_MAX {
            return self.overflow.clone();
        }
        let new = Series::new(name.clone());
        series.insert(name, new.clone());
        new
    }

    /// The series of calls whose target is not there.
    pub(crate) fn unknown(&self) -> &Arc<Series> {
        &self.unknown
    }

    /// Everything, in Prometheus text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let known: Vec<_> = {
            let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            series.values().cloned().collect()
        };
        let all: Vec<_> = known
            .iter()
            .chain([&self.unknown, &self.overflow])
            .collect();
        let mut out = String::with_capacity(2_048 * all.len());
        head(
            &mut out,
            "holdfast_calls_total",
            "counter",
            "Calls that have ended, by how they ended.",
        );
        all.iter().for_each(|series| series.write_calls(&mut out));
        head(
            &mut out,
            "holdfast_call_duration_seconds",
            "histogram",
            "From the entry of a call to the end of its answer.",
        );
        all.iter()
            .for_each(|series| series.write_durations(&mut out));
        for (name, kind, help, value) in PLAIN {
            head(&mut out, name, kind, help);
            for series in &all {
                let _ = writeln!(
                    out,
                    "{name}{{target=\"{}\"}} {}",
                    series.target,
                    value(series)
                );
            }
        }
        head(
            &mut out,
            shed::NAME,
            "counter",
            "Calls turned away because there was not enough for all, by their class and what was wanting.",
        );
        all.iter()
            .for_each(|series| series.shed.write(&series.target, &mut out));
        head(
            &mut out,
            limited::NAME,
            "counter",
            "Calls turned away because a limit had let as many come as may, by what it counts.",
        );
        all.iter()
            .for_each(|series| series.limited.write(&series.target, &mut out));
        out
    }
}

type Plain = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Series) -> String,
);

const PLAIN: [Plain; 5] = [
    (
        "holdfast_cpu_seconds_total",
        "counter",
        "CPU time of guests.",
        |series| seconds(series.cpu_nanos.load(Relaxed)),
    ),
    (
        "holdfast_cost_nanousd_total",
        "counter",
        "What was paid for, in billionths of a US dollar, by the prices of the policy.",
        |series| series.cost_nanousd.load(Relaxed).to_string(),
    ),
    (
        "holdfast_memory_bytes_max",
        "gauge",
        "The most memory that one call's instance has had.",
        |series| series.memory_max.load(Relaxed).to_string(),
    ),
    (
        "holdfast_in_flight",
        "gauge",
        "Calls on their way, their answers included.",
        |series| series.in_flight().to_string(),
    ),
    (
        "holdfast_open_streams",
        "gauge",
        "Answers being streamed.",
        |series| series.open_streams().to_string(),
    ),
];

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn seconds(nanos: u64) -> String {
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

fn label(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
