//! `wasi:clocks/monotonic-clock`, 0.2 and 0.3: the clock that a guest sleeps by.
//!
//! An ordinary guest sleeps as the engine's own implementation has it. To a durable one, to sleep is an entry of its journal. A time that is
//! past is no entry: whoever waits for nothing is not asleep. As any result (`seated.rs`), the end of a sleep is taken by a task on the guest's
//! thread, whatever the guest waits for.

use crate::guest::Guest;
use holdfast_call::Journal;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{Accessor, HasData, Linker, Resource};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtxView, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock as clock02;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::clocks::monotonic_clock as clock03;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

pub(super) fn add_02(linker: &mut Linker<Guest>) -> Result<()> {
    clock02::add_to_linker::<_, Monotonic>(linker, sleeper)
}

pub(super) fn add_03(linker: &mut Linker<Guest>) -> Result<()> {
    clock03::add_to_linker::<_, Monotonic>(linker, sleeper)
}

struct Monotonic;

impl HasData for Monotonic {
    type Data<'a> = Sleeper<'a>;
}

/// A guest that may go to sleep.
struct Sleeper<'a> {
    /// Of its execution, if that is a durable one.
    journal: Option<Arc<dyn Journal>>,
    clocks: WasiClocksCtxView<'a>,
}

/// Sleep that is an entry of a journal; none if there is nothing to sleep for, or it is over.
type Slept = Option<AbortOnDropJoinHandle<()>>;

/// Until the clock shows `when`.
fn until(journal: Arc<dyn Journal>, when: u64) -> Slept {
    (when > journal.read_clock()).then(|| spawn(journal.sleep(when)))
}

/// For that many nanoseconds.
fn during(journal: Arc<dyn Journal>, nanos: u64) -> Slept {
    (nanos > 0).then(|| {
        let when = journal.read_clock().saturating_add(nanos);
        spawn(journal.sleep(when))
    })
}

fn sleeper(guest: &mut Guest) -> Sleeper<'_> {
    Sleeper {
        journal: guest.hooks.journal().cloned(),
        clocks: guest.clocks(),
    }
}

impl Sleeper<'_> {
    fn subscribe(&mut self, slept: Slept) -> Result<Resource<DynPollable>> {
        if slept.is_none() {
            // Ready the second time that it is asked: a guest that asks in a circle lets others have a turn.
            return clock02::Host::subscribe_duration(&mut self.clocks, 0);
        }
        let sleep = self.clocks.table.push(Sleep(slept))?;
        subscribe(self.clocks.table, sleep)
    }
}

/// What a pollable of 0.2 waits for. It is asked again and again, and each time the one who asks may go away before there is an answer.
struct Sleep(Slept);

#[wasmtime_wasi::async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        if let Some(slept) = &mut self.0 {
            slept.await;
        }
        self.0 = None;
    }
}

impl clock02::Host for Sleeper<'_> {
    fn now(&mut self) -> Result<u64> {
        clock02::Host::now(&mut self.clocks)
    }

    fn resolution(&mut self) -> Result<u64> {
        clock02::Host::resolution(&mut self.clocks)
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        match self.journal.clone() {
            Some(journal) => self.subscribe(until(journal, when)),
            None => clock02::Host::subscribe_instant(&mut self.clocks, when),
        }
    }

    fn subscribe_duration(&mut self, nanos: u64) -> Result<Resource<DynPollable>> {
        match self.journal.clone() {
            Some(journal) => self.subscribe(during(journal, nanos)),
            None => clock02::Host::subscribe_duration(&mut self.clocks, nanos),
        }
    }
}

impl clock03::Host for Sleeper<'_> {
    fn now(&mut self) -> Result<u64> {
        clock03::Host::now(&mut self.clocks)
    }

    fn get_resolution(&mut self) -> Result<u64> {
        clock03::Host::get_resolution(&mut self.clocks)
    }
}

impl clock03::HostWithStore<Guest> for Monotonic {
    async fn wait_until(guest: &Accessor<Guest, Self>, when: u64) -> Result<()> {
        match guest.with(|mut guest| guest.get().journal) {
            Some(journal) => slept(until(journal, when)).await,
            None => {
                WasiClocks::wait_until(&guest.with_getter::<WasiClocks>(Guest::clocks), when).await
            }
        }
    }

    async fn wait_for(guest: &Accessor<Guest, Self>, nanos: u64) -> Result<()> {
        match guest.with(|mut guest| guest.get().journal) {
            Some(journal) => slept(during(journal, nanos)).await,
            None => {
                WasiClocks::wait_for(&guest.with_getter::<WasiClocks>(Guest::clocks), nanos).await
            }
        }
    }
}

async fn slept(slept: Slept) -> Result<()> {
    if let Some(slept) = slept {
        slept.await;
    }
    Ok(())
}
