//! The operations of a typed service in a list: for whoever asks what there is.

use super::{Front, Settings, path};
use holdfast_call::contract::{Docs, Function, Interface};

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation<'a> {
    /// Its interface.
    pub interface: &'a Interface,
    /// Its function.
    pub function: &'a Function,
    /// The path that means it, behind that of the service.
    pub path: String,
    /// Whether it only looks.
    pub looks: Looks,
}

/// Whether an operation only looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// Its author says that it does.
    Only,
    /// It may do something.
    Not,
}

impl Settings {
    /// Every operation, in the order of the contract.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        self.contract.exports.iter().flat_map(move |interface| {
            let base = path::of(&self.contract, interface);
            let functions = interface.functions.iter();
            functions.map(move |function| Operation {
                interface,
                function,
                path: format!("{base}/{}", function.name),
                looks: match self.safe.has(interface, function) {
                    true => Looks::Only,
                    false => Looks::Not,
                },
            })
        })
    }

    /// Where its pages are found: the WIT and the OpenAPI document, if it shows them.
    #[must_use]
    pub fn pages(&self) -> Option<[String; 2]> {
        let server = self.shown.about().servers.first()?;
        let base = server.trim_end_matches('/');
        let pages = [super::pages::WIT_PATH, super::pages::OPENAPI_PATH];
        (self.front == Front::None).then(|| pages.map(|page| format!("{base}{page}")))
    }
}

/// The first line of what is said, as far as people read it at a glance.
#[must_use]
pub fn summary(docs: &Docs) -> Option<String> {
    const CHARS_MAX: usize = 120;
    let line = docs.0.as_deref()?.lines().next()?;
    Some(line.chars().take(CHARS_MAX).collect())
}
