//! Reads how hard pressed the machine is, and tells the door of the host.

use super::Host;
use holdfast_call::{Level, Log as _, Priority};
use holdfast_rules::admit::pressure::{Pressure, Readings, Shedding};
use holdfast_wasm::memory::memory_in_use;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Between two readings of how late a task is woken.
const EVERY: Duration = Duration::from_millis(100);
/// As many of those come to one of the memory, which is read from files.
const MEMORY_EVERY: u32 = 10;

impl Host {
    /// Watches the machine as long as the host lives, on the runtime that serves: how late it is woken is what is read.
    pub fn watch_pressure(self: &Arc<Self>) {
        let clock = self.pipeline.sources().clock.clone();
        let host = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut pressure = Pressure::default();
            let mut memory = 0;
            for reading in (0..MEMORY_EVERY).cycle() {
                let due = clock.now().after(EVERY);
                clock.sleep_until(due).await;
                let late = clock.now().since(due);
                let Some(host) = Weak::upgrade(&host) else {
                    return;
                };
                if reading == 0 {
                    memory = memory_in_use().unwrap_or(0);
                }
                host.press(&mut pressure, Readings { memory, late });
            }
        });
    }

    fn press(&self, pressure: &mut Pressure, readings: Readings) {
        let before = self.gate.shedding();
        let now = pressure.step(readings, self.policy.load().shed_memory * 10);
        self.gate.shed(now);
        if before.classes != now.classes {
            self.log.host(Level::Warn, said(now));
        }
    }
}

fn said(now: Shedding) -> String {
    let Readings { memory, late } = now.readings;
    let (share, ms) = (memory / 10, late.as_millis());
    let seen = format!("{share} % of the memory in use, tasks woken {ms} ms late");
    let shed = Priority::ALL.into_iter().filter(|class| now.sheds(*class));
    let shed: Vec<_> = shed.map(Priority::as_str).collect();
    if shed.is_empty() {
        format!("calls of every class are served again: {seen}")
    } else {
        format!("calls of class {} are sent away: {seen}", shed.join(", "))
    }
}
