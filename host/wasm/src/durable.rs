//! What a service with durable operations must not import: what would be there for the instance that began an execution, and not for the
//! one that goes on with it.

use crate::guest::Surroundings;
use crate::load_error::LoadError;
use crate::offers::Named;
use wasmtime::component::Component;

/// What the operations of a service are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operations {
    /// Each call of them is run once, by one instance.
    Ordinary,
    /// At least one of them is durable: its call is gone on with by another instance, after a crash.
    Durable,
}

impl Operations {
    /// Whether a component may have such operations, with those surroundings.
    pub(crate) fn fit(
        self,
        component: &Component,
        surroundings: &Surroundings,
    ) -> Result<(), LoadError> {
        if self == Self::Ordinary {
            return Ok(());
        }
        let ty = component.component_type();
        for (import, _) in ty.imports(component.engine()) {
            let why = match Named::parse(import).interface {
                // Every component of some languages imports it. Only where there is something in it can it matter.
                "wasi:filesystem/preopens" if !surroundings.directories.is_empty() => {
                    "a file may be another one when an operation is run again; take its directories away ([files] in the manifest and in holdfast.toml), or make none of its operations durable"
                }
                "holdfast:host/leases" => {
                    "a lease is gone with the instance that holds it, and another one goes on; leave leases to a service of its own, or make none of its operations durable"
                }
                _ => continue,
            };
            return Err(LoadError::Durable {
                import: import.to_owned(),
                why,
            });
        }
        Ok(())
    }
}
