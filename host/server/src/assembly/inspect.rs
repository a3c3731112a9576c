//! What `holdfast check` asks of a component.

use super::services::{effects, folders, refusal, safe};
use super::{compiling, engine, layers};
use crate::cli::check::{Inspect, Inspection};
use crate::settings::{Effective, Policy};
use holdfast_call::{Closing, GuestLine, Level, Log};
use holdfast_rules::clock::HostClock;
use holdfast_wasm::anatomy::anatomy;
use holdfast_wasm::cache::NoCache;
use holdfast_wasm::compile::Compiler;
use holdfast_wasm::engine::Engines;
use holdfast_wasm::load_error::LoadError;
use holdfast_wasm::verify;
use std::sync::{Arc, OnceLock};

/// Looks with the engines that a host under the same policy would have. They are made when they are first needed.
#[derive(Default)]
pub struct Inspector(OnceLock<Result<Compiler, String>>);

impl Inspect for Inspector {
    fn names(&self, bytes: &[u8]) -> Result<Inspection, String> {
        let names = verify::interfaces(bytes).map_err(|error| error.to_string())?;
        let missing = match verify::verify(bytes) {
            Ok(_) => Vec::new(),
            Err(LoadError::Imports(missing)) => missing.iter().map(ToString::to_string).collect(),
            Err(error) => return Err(error.to_string()),
        };
        Ok(Inspection {
            imports: names.imports,
            exports: names.exports,
            missing,
            anatomy: anatomy(bytes),
        })
    }

    fn compile(
        &self,
        bytes: &[u8],
        policy: &Policy,
        effective: &Effective,
    ) -> Result<Vec<String>, String> {
        let compiler = self.0.get_or_init(|| compiler(policy)).as_ref()?;
        let compiled = compiler.compile(bytes, layers::metering(effective));
        let refused = |error: LoadError| refusal(effective.name.as_str(), &error).to_string();
        let compiled = compiled.map_err(refused)?;
        compiled
            .needs
            .fit(&layers::guest(effective))
            .map_err(refused)?;
        let contract = &compiled.contract;
        let safe = safe(effective, contract)?;
        let silent = effects(effective, contract)?.silent_about(contract, &safe);
        folders(effective)?;
        Ok(silent)
    }
}

fn compiler(policy: &Policy) -> Result<Compiler, String> {
    let log = Arc::new(Unsaid);
    let settings = engine(policy).map_err(|error| format!("{error:#}"))?;
    let engines = Engines::new(settings, log.clone()).map_err(|error| error.to_string())?;
    let clock = Arc::new(HostClock::start());
    let process = compiling(policy);
    Ok(Compiler::new(
        engines,
        process,
        Arc::new(NoCache),
        clock,
        log,
    ))
}

/// What the engines say of the machine is for a host that serves.
struct Unsaid;

impl Log for Unsaid {
    fn closing(&self, _closing: Closing) {}
    fn guest(&self, _line: GuestLine) {}
    fn host(&self, _level: Level, _text: String) {}
}
