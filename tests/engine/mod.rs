//! The engine half of `host/wasm`: engines, pool, limits, memory, cache, verification, the low-priority lane.
//!
//! What several of its tests need stands here: a log that can be read back, small engines, a store with our limiter.

mod cache;
mod contract;
mod cpu_time;
mod described;
mod lane;
mod limits;
mod memory;
mod offers;
mod pace;
mod pool;
mod ticker;
mod turns;
mod verify;

use crate::harness::binary;
use holdfast_call::{Closing, GuestLine, Level, Log, Meter};
use holdfast_wasm::compile::job::CompileLimits;
use holdfast_wasm::compile::process::CompileProcess;
use holdfast_wasm::engine::{EngineSettings, Engines};
use holdfast_wasm::limiter::{ExhaustedFlag, Limiter};
use holdfast_wasm::limits::Limits;
use holdfast_wasm::memory::HostMemory;
use holdfast_wasm::share::Share;
use std::sync::{Arc, Mutex};
use wasmtime::component::{Component, Instance, Linker};
use wasmtime::{Engine, Store};

/// A log that keeps the host's lines.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<(Level, String)>>);

impl Log for Lines {
    fn closing(&self, _closing: Closing) {}
    fn guest(&self, _line: GuestLine) {}
    fn host(&self, level: Level, text: String) {
        self.0.lock().unwrap().push((level, text));
    }
}

impl Lines {
    pub(crate) fn at(&self, level: Level) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .filter(|(at, _)| *at == level)
            .map(|(_, text)| text.clone())
            .collect()
    }
}

/// Engines with a pool that costs nothing.
pub(crate) fn engines() -> Arc<Engines> {
    let settings = EngineSettings {
        slots: 16,
        ..EngineSettings::default()
    };
    Engines::new(settings, Arc::new(Lines::default())).unwrap()
}

/// The compiling process of the program under test.
pub(crate) fn compiling() -> CompileProcess {
    let limits = CompileLimits::default();
    CompileProcess::new(binary().to_owned(), "compile-confined", limits)
}

pub(crate) fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A store with our limiter, and what outlives it.
pub(crate) struct Guest {
    pub(crate) store: Store<Limiter>,
    pub(crate) flag: ExhaustedFlag,
    pub(crate) meter: Arc<Meter>,
}

pub(crate) fn guest(engine: &Engine, limits: &Limits, host: &Arc<HostMemory>) -> Guest {
    let meter = Arc::new(Meter::default());
    let limiter = Limiter::new(limits, Share::of(host), Arc::clone(&meter));
    let flag = limiter.flag();
    let mut store = Store::new(engine, limiter);
    store.limiter(|limiter| limiter);
    // These tests are not about time: far more ticks than any of them lasts.
    store.set_epoch_deadline(1_000_000);
    Guest { store, flag, meter }
}

impl Guest {
    pub(crate) async fn start(&mut self, text: &str) -> wasmtime::Result<Instance> {
        let engine = self.store.engine().clone();
        let component = Component::from_binary(&engine, &component(text))?;
        Linker::new(&engine)
            .instantiate_async(&mut self.store, &component)
            .await
    }

    /// Calls an export that takes a number and gives one.
    pub(crate) async fn call(
        &mut self,
        instance: &Instance,
        name: &str,
        argument: u32,
    ) -> wasmtime::Result<i32> {
        let function = instance.get_typed_func::<(u32,), (i32,)>(&mut self.store, name)?;
        let (answer,) = function.call_async(&mut self.store, (argument,)).await?;
        Ok(answer)
    }
}
