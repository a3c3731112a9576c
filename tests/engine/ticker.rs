//! The epoch moves on without tokio, and its thread holds nothing alive.

use holdfast_wasm::ticker::Ticker;
use wasmtime::{Config, Engine, Instance, Module, Store, Trap};

fn engine() -> Engine {
    Engine::new(Config::new().epoch_interruption(true)).unwrap()
}

#[test]
fn a_spin_is_interrupted_although_nothing_else_runs() {
    let engine = engine();
    let _ticker = Ticker::start(&engine).unwrap();
    let text = r#"(module (func (export "spin") (loop $again (br $again))))"#;
    let module = Module::from_binary(&engine, &wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(1);
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let spin = instance
        .get_typed_func::<(), ()>(&mut store, "spin")
        .unwrap();
    let error = spin.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt));
}

#[test]
fn the_thread_does_not_keep_its_engine() {
    let engine = engine();
    let weak = engine.weak();
    let ticker = Ticker::start(&engine).unwrap();
    drop(engine);
    // The thread holds the engine for the moment of one tick at most; a thread that kept it would keep this loop for ever.
    while weak.upgrade().is_some() {
        std::thread::yield_now();
    }
    drop(ticker);
}

#[test]
fn dropping_it_ends_the_thread() {
    let engine = engine();
    let weak = engine.weak();
    drop(Ticker::start(&engine).unwrap());
    drop(engine);
    // The drop waited for the thread, so nobody can hold the engine now, not even for the moment of a tick.
    assert!(weak.upgrade().is_none());
}
