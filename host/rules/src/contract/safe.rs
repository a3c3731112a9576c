//! Which functions only look: their author says so in the manifest, and then they may be asked with GET as well.
//!
//! The host believes it: what is asked with GET is followed by crawlers, kept by caches, repeated by proxies, and asked once more of the
//! version before where a new one failed at it.

use super::path;
use holdfast_call::contract::{Contract, Function, Interface};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The safe functions of one contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safe(BTreeSet<Arc<str>>);

/// What is named as safe and is no function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoFunction {
    named: String,
    known: Vec<String>,
}

impl Safe {
    /// The functions of `contract` that are `named`, each as in the path of a request: `INTERFACE/FUNCTION`.
    ///
    /// # Errors
    /// One of them is none.
    pub fn of<'a>(
        contract: &Contract,
        named: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, NoFunction> {
        let mut safe = BTreeSet::new();
        for named in named {
            let Some((interface, function)) = path::find(contract, &format!("/{named}")) else {
                return Err(NoFunction {
                    named: named.to_owned(),
                    known: known(contract),
                });
            };
            safe.insert(interface.operation(function));
        }
        Ok(Self(safe))
    }

    /// Whether this function is one of them.
    #[must_use]
    pub fn has(&self, interface: &Interface, function: &Function) -> bool {
        !self.0.is_empty() && self.0.contains(&interface.operation(function))
    }
}

/// Every function of a contract, as one would name it.
fn known(contract: &Contract) -> Vec<String> {
    let mut known = Vec::new();
    for interface in &contract.exports {
        let path = path::of(contract, interface);
        let functions = interface.functions.iter();
        known.extend(functions.map(|function| {
            let whole = format!("{path}/{}", function.name);
            whole.trim_start_matches('/').to_owned()
        }));
    }
    known
}

impl std::fmt::Display for NoFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        /// As many as help.
        const SHOWN: usize = 32;
        let named = self.named.escape_debug();
        write!(
            f,
            "`{named}` is named as safe, and the component exports no such function"
        )?;
        match self.known.as_slice() {
            [] => f.write_str(", nor any other that is typed"),
            known => {
                let shown: Vec<_> = known.iter().take(SHOWN).map(String::as_str).collect();
                write!(f, "; there is {}", shown.join(", "))?;
                match known.len() - shown.len() {
                    0 => Ok(()),
                    more => write!(f, ", and {more} more"),
                }
            }
        }
    }
}

impl std::error::Error for NoFunction {}
