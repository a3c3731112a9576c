//! What `holdfast check` asks of a component.

use crate::cli::check::Inspection;
use holdfast_wasm::load_error::LoadError;
use holdfast_wasm::verify;

/// Looks into a component without compiling it.
///
/// # Errors
/// It is no component that could be served at all; the error says what is wrong with it.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, String> {
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
    })
}
