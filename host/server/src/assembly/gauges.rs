//! What `/metrics` says: what the layers counted, and how the parts of the host stand now.

use super::{Host, upstreams};
use holdfast_rules::quarantine;
use holdfast_wasm::engine::{EngineKind, PoolUse};
use std::fmt::Write as _;

impl Host {
    /// What `/metrics` says.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut out = self.metrics.render();
        let memory = self.workshop.memory();
        let mut gauge = |name: &str, help: &str, value: u64| {
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
            );
        };
        gauge(
            "holdfast_guest_memory_bytes",
            "Memory granted to all guests together.",
            memory.used(),
        );
        gauge(
            "holdfast_guest_memory_bytes_limit",
            "Memory that all guests together may have.",
            memory.max(),
        );
        gauge(
            "holdfast_idle_instances",
            "Instances that wait for their next call.",
            self.workshop.idle().waiting() as u64,
        );
        let counts = self.out.counts();
        gauge(
            "holdfast_upstream_connections",
            "Connections to upstreams, open or being made.",
            counts.open as u64,
        );
        gauge(
            "holdfast_upstream_connections_idle",
            "Connections to upstreams that wait for a request.",
            counts.idle as u64,
        );
        let _ = writeln!(
            out,
            "# HELP holdfast_log_dropped_total Log lines that were dropped or could not be written.\n\
             # TYPE holdfast_log_dropped_total counter\n\
             holdfast_log_dropped_total {}",
            self.log.dropped()
        );
        let _ = writeln!(
            out,
            "# HELP holdfast_call_log_dropped_total Lines of the call log that could not be written.\n\
             # TYPE holdfast_call_log_dropped_total counter\n\
             holdfast_call_log_dropped_total {}",
            self.log.calls_lost()
        );
        let _ = writeln!(
            out,
            "# HELP holdfast_shed_classes How many classes of calls are sent away at the door: 1 batch, 2 default too, 3 critical too.\n\
             # TYPE holdfast_shed_classes gauge\n\
             holdfast_shed_classes {}",
            self.gate.shedding().classes
        );
        self.on_record(&mut out);
        self.logged(&mut out);
        self.told(&mut out);
        self.pools(&mut out);
        self.quarantined(&mut out);
        self.left_alone(&mut out);
        out
    }

    fn on_record(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "# HELP holdfast_audit_records_total Records of the audit log.\n\
             # TYPE holdfast_audit_records_total counter\n\
             holdfast_audit_records_total {}\n\
             # HELP holdfast_audit_unrecorded_total Calls that were served, or whose end came, without being on record.\n\
             # TYPE holdfast_audit_unrecorded_total counter\n\
             holdfast_audit_unrecorded_total {}",
            self.audit.written().0,
            self.trail.unrecorded()
        );
    }

    /// How much is written: what the disk has to take in a day.
    fn logged(&self, out: &mut String) {
        let (lines, calls) = self.log.bytes();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "# HELP holdfast_log_bytes_total Bytes written to each log: the lines of the host, the call log, and about so many to the audit log.\n\
             # TYPE holdfast_log_bytes_total counter\n\
             holdfast_log_bytes_total{{log=\"lines\"}} {lines}\n\
             holdfast_log_bytes_total{{log=\"calls\"}} {calls}\n\
             holdfast_log_bytes_total{{log=\"audit\"}} {}",
            self.audit.bytes()
        );
    }

    fn told(&self, out: &mut String) {
        let counts = self.notices.counts();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "# HELP holdfast_notices_total Notices for the operator: those that were told, and those of which nobody was.\n\
             # TYPE holdfast_notices_total counter\n\
             holdfast_notices_total{{came=\"told\"}} {}\n\
             holdfast_notices_total{{came=\"lost\"}} {}",
            counts.told, counts.lost
        );
    }

    fn left_alone(&self, out: &mut String) {
        let name = "holdfast_upstream_open";
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "# HELP {name} Whether an upstream is left alone because it keeps failing: by a service, or (no name) by all.\n# TYPE {name} gauge"
        );
        for upstream in self.policy.load().upstreams.values() {
            let way = self.sharing.way(&upstreams::target(upstream));
            for (service, _) in way.breakers.open() {
                let service = service.unwrap_or_default();
                let _ = writeln!(
                    out,
                    "{name}{{upstream=\"{}\",service=\"{service}\"}} 1",
                    upstream.name
                );
            }
        }
    }

    fn quarantined(&self, out: &mut String) {
        let name = "holdfast_quarantined";
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "# HELP {name} Whether a service is left alone because it does not start.\n# TYPE {name} gauge"
        );
        for registered in self.pipeline.registry().all() {
            if let Some(settings) = registered.settings.get::<quarantine::Settings>() {
                let kept = u8::from(settings.starts.standing().is_some());
                let _ = writeln!(out, "{name}{{target=\"{}\"}} {kept}", registered.target);
            }
        }
    }

    fn pools(&self, out: &mut String) {
        let engines = self.workshop.engines();
        let made = || {
            let each = EngineKind::ALL.into_iter();
            each.filter_map(|kind| Some((kind.as_str(), engines.pool_use(kind)?)))
        };
        // Writing to a string cannot fail.
        let mut gauge = |name: &str, help: &str, value: fn(PoolUse) -> u64| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
            for (engine, pool) in made() {
                let _ = writeln!(out, "{name}{{engine=\"{engine}\"}} {}", value(pool));
            }
        };
        gauge(
            "holdfast_pool_instances",
            "Instances in use of an engine's pool.",
            |pool| pool.instances,
        );
        gauge(
            "holdfast_pool_slots",
            "Calls in flight that an engine's pool has room for.",
            |pool| u64::from(pool.slots),
        );
    }
}
