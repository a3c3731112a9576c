//! What is cached is used only if it is exactly what this host compiled for exactly this engine.

use super::{Lines, compiling, component, guest};
use holdfast_call::{BoxFuture, Clock, Level, Moment, WallTime};
use holdfast_wasm::cache::{self, ArtifactCache, Unsealed};
use holdfast_wasm::compile::{Compiled, Compiler, FromCache};
use holdfast_wasm::engine::{EngineKind, EngineSettings, Engines, Metering, Tasks};
use holdfast_wasm::limits::Limits;
use holdfast_wasm::memory::HostMemory;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use wasmtime::component::Linker;

const SERVICE: &str = r#"(component
    (core module $m (memory 1) (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 40))))
    (core instance $i (instantiate $m))
    (func (export "f") (param "n" u32) (result s32) (canon lift (core func $i "f")))
    (instance $empty)
    (export "wasi:http/incoming-handler@0.2.0" (instance $empty)))"#;

#[derive(Default)]
struct Kept(Mutex<HashMap<String, Vec<u8>>>);

impl ArtifactCache for Kept {
    fn read(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(key).cloned()
    }
    fn write(&self, key: &str, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap();
        kept.insert(key.to_owned(), bytes.to_vec());
    }
}

impl Kept {
    fn only(&self) -> (String, Vec<u8>) {
        let kept = self.0.lock().unwrap();
        assert_eq!(kept.len(), 1);
        let (key, bytes) = kept.iter().next().unwrap();
        (key.clone(), bytes.clone())
    }
}

/// Moves on by a millisecond at every look.
#[derive(Default)]
struct Steps(AtomicU64);

impl Clock for Steps {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.0.fetch_add(1_000_000, SeqCst))
    }
    fn wall(&self) -> WallTime {
        WallTime(0)
    }
    fn sleep_until(&self, _moment: Moment) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

struct Bench {
    engines: Arc<Engines>,
    kept: Arc<Kept>,
    log: Arc<Lines>,
    compiler: Compiler,
}

fn bench() -> Bench {
    let log = Arc::new(Lines::default());
    let settings = EngineSettings {
        slots: 8,
        ..EngineSettings::default()
    };
    let engines = Engines::new(settings, log.clone()).unwrap();
    let kept = Arc::new(Kept::default());
    let compiler = Compiler::new(
        engines.clone(),
        compiling(),
        kept.clone(),
        Arc::new(Steps::default()),
        log.clone(),
    );
    Bench {
        engines,
        kept,
        log,
        compiler,
    }
}

impl Bench {
    fn compile(&self, metering: Metering) -> Compiled {
        self.compiler
            .compile(&component(SERVICE), metering)
            .unwrap()
    }

    async fn works(&self, compiled: &Compiled, metering: Metering) {
        let engine = self
            .engines
            .get(EngineKind::new(metering, Tasks::One))
            .unwrap();
        let host = HostMemory::new(1 << 30);
        let limits = Limits::default();
        let mut guest = guest(engine, &limits, &host);
        limits.apply(&mut guest.store).unwrap();
        let instance = Linker::new(engine)
            .instantiate_async(&mut guest.store, &compiled.component)
            .await
            .unwrap();
        assert_eq!(guest.call(&instance, "f", 2).await.unwrap(), 42);
    }
}

#[tokio::test]
async fn the_second_time_it_comes_from_the_cache_and_works() {
    let bench = bench();
    let first = bench.compile(Metering::Plain);
    assert_eq!(first.from_cache, FromCache::No);
    assert!(!first.took.is_zero());
    let second = bench.compile(Metering::Plain);
    assert_eq!(second.from_cache, FromCache::Yes);
    assert_eq!(second.digest, first.digest);
    assert_eq!(second.digest, cache::digest(&component(SERVICE)));
    assert_eq!(second.needs, first.needs);
    bench.works(&first, Metering::Plain).await;
    bench.works(&second, Metering::Plain).await;
    assert!(bench.log.at(Level::Warn).is_empty());
}

#[tokio::test]
async fn the_two_engines_do_not_share_what_is_compiled() {
    let bench = bench();
    bench.compile(Metering::Plain);
    let metered = bench.compile(Metering::Metered);
    assert_eq!(metered.from_cache, FromCache::No);
    assert_eq!(bench.kept.0.lock().unwrap().len(), 2);
    let again = bench.compile(Metering::Metered);
    assert_eq!(again.from_cache, FromCache::Yes);
    bench.works(&again, Metering::Metered).await;
}

#[tokio::test]
async fn damage_anywhere_is_noticed_compiled_again_and_mended() {
    let bench = bench();
    bench.compile(Metering::Plain);
    let (key, whole) = bench.kept.only();
    let flips = (0..whole.len())
        .step_by(whole.len() / 60)
        .chain([whole.len() - 1]);
    let flipped = flips.map(|position| {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        bytes
    });
    let cut = [0, 1, 19, 20, 51, 52, 53, whole.len() / 2, whole.len() - 1]
        .map(|end| whole[..end].to_vec());
    let longer = [whole.as_slice(), b"x"].concat();
    let foreign = b"something else altogether".to_vec();
    for (number, bytes) in flipped.chain(cut).chain([longer, foreign]).enumerate() {
        bench.kept.write(&key, &bytes);
        let compiled = bench.compile(Metering::Plain);
        assert_eq!(compiled.from_cache, FromCache::No, "damage {number}");
        assert_eq!(bench.log.at(Level::Warn).len(), number + 1);
        assert_eq!(bench.compile(Metering::Plain).from_cache, FromCache::Yes);
    }
    bench
        .works(&bench.compile(Metering::Plain), Metering::Plain)
        .await;
}

#[test]
fn an_artefact_under_another_key_does_not_pass() {
    let sealed = cache::seal("one", b"machine code");
    assert_eq!(cache::open("one", &sealed), Ok(b"machine code".as_slice()));
    assert_eq!(cache::open("two", &sealed), Err(Unsealed::Damaged));
    assert_eq!(cache::open("one", b"machine code"), Err(Unsealed::Foreign));
}

#[tokio::test]
async fn an_artefact_of_the_other_engine_is_refused_although_its_digest_is_right() {
    let bench = bench();
    bench.compile(Metering::Plain);
    let (plain_key, sealed) = bench.kept.only();
    let artifact = cache::open(&plain_key, &sealed).unwrap().to_vec();
    let metered_key = cache::key(
        &cache::digest(&component(SERVICE)),
        &bench.engines.fingerprint(Metering::Metered).unwrap(),
    );
    assert_ne!(plain_key, metered_key);
    bench
        .kept
        .write(&metered_key, &cache::seal(&metered_key, &artifact));
    let compiled = bench.compile(Metering::Metered);
    assert_eq!(compiled.from_cache, FromCache::No);
    let warnings = bench.log.at(Level::Warn);
    assert!(
        warnings[0].contains("the engine refuses it"),
        "{warnings:?}"
    );
    bench.works(&compiled, Metering::Metered).await;
}

#[test]
fn a_component_is_told_from_another_by_its_bytes_alone() {
    let engines = bench().engines;
    let one = cache::key(
        &cache::digest(b"one"),
        &engines.fingerprint(Metering::Plain).unwrap(),
    );
    assert_eq!(
        one,
        cache::key(
            &cache::digest(b"one"),
            &engines.fingerprint(Metering::Plain).unwrap()
        )
    );
    assert_ne!(
        one,
        cache::key(
            &cache::digest(b"two"),
            &engines.fingerprint(Metering::Plain).unwrap()
        )
    );
    // Two engines made alike take each other's artefacts: that is what a cache is for.
    assert_eq!(
        one,
        cache::key(
            &cache::digest(b"one"),
            &bench().engines.fingerprint(Metering::Plain).unwrap()
        )
    );
}
