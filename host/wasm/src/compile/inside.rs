//! What happens inside the compiling process: it confines itself, reads one component from standard input, verifies and compiles it, and
//! writes the answer to standard output. It loads nothing of what it made.

use super::artifact::{self, Artifact};
use super::confine;
use super::job::Job;
use crate::contract::{self, wire};
use crate::engine::{self, EngineKind};
use crate::load_error::LoadError;
use crate::verify::{self, HasContract};
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

/// The process, from its command line to its end.
#[must_use]
pub fn run(words: &[String]) -> ExitCode {
    match work(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The host puts this into its own line.
            let _ = write!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn work(words: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let job = Job::parse(words).ok_or("the words of the job are not understood")?;
    confine::confine(&job.limits)?;
    let mut component = Vec::new();
    std::io::stdin().lock().read_to_end(&mut component)?;
    let answer = artifact::answer(compile(&component, &job));
    std::io::stdout().lock().write_all(&answer)?;
    Ok(())
}

/// Verifies a component and compiles it for the engine that it needs; the artefact's bytes.
///
/// # Errors
/// It cannot be served; the error says what to change.
pub fn compile(component: &[u8], job: &Job) -> Result<Vec<u8>, LoadError> {
    let verified = verify::verify(component)?;
    let kind = EngineKind::new(job.metering, verified.tasks);
    let engine = engine::compiling(&job.engine(), kind)?;
    let code = engine
        .precompile_component(component)
        .map_err(|error| verify::explain(&engine, component, &error))?;
    let contract = match verified.contract {
        HasContract::Yes => wire::write(&contract::read(component)?),
        HasContract::No => Vec::new(),
    };
    let artifact = Artifact {
        verified,
        contract: &contract,
        code: &code,
    };
    Ok(artifact.write())
}
