//! Which operation a limit means, and which calls count for it.
//!
//! An operation is a method and a path, as the service sees them: without the `/NAME` it is found under. `HEAD` is a `GET` without a body,
//! so it counts as one. A function of a typed service has several names, and is called by services without any path: whatever it is called
//! by, it is that function.

use super::limit::Limit;
use super::reading::Reading;
use crate::contract::path;
use holdfast_call::contract::Contract;
use holdfast_call::{Call, Payload};
use http::Method;
use std::fmt;
use std::sync::Arc;

/// An operation, as it is named in the settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// As it was written.
    text: Arc<str>,
    method: Arc<str>,
    /// Its path, as it is read.
    path: Arc<str>,
}

impl Operation {
    /// Reads an operation such as `POST /login`.
    ///
    /// # Errors
    /// It is none, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown = text.escape_debug();
        let (method, path) = text.split_once(' ').unwrap_or((text, ""));
        let capitals = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        if !capitals || !path.starts_with('/') {
            return Err(format!(
                "`{shown}` is not an operation such as \"POST /login\": a method, and a path as the service sees it"
            ));
        }
        if method == "HEAD" {
            return Err(format!("`{shown}`: HEAD is counted as GET"));
        }
        if path.contains(['{', '}', '*']) {
            return Err(format!("`{shown}` must name one path, without a pattern"));
        }
        match Reading::of(path) {
            Reading::Sure(read) if path.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Self {
                text: text.into(),
                method: method.into(),
                path: read.into(),
            }),
            Reading::Sure(_) | Reading::Doubtful => Err(format!(
                "`{shown}` has a path that services read in different ways"
            )),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether both mean the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.method == other.method && self.path == other.path
    }

    fn written_path(&self) -> &str {
        self.text.split_once(' ').map_or("", |(_, path)| path)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The limits of a service's operations.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    limited: Vec<Limited>,
    contract: Option<Arc<Contract>>,
}

/// An operation that has a limit.
#[derive(Clone, Debug)]
pub(super) struct Limited {
    pub(super) operation: Operation,
    pub(super) limit: Arc<Limit>,
    /// The function that it is, by the name that it has between services.
    function: Option<Arc<str>>,
}

impl Operations {
    /// These limits, of a service with this contract if it has one.
    #[must_use]
    pub fn new(
        limits: impl IntoIterator<Item = (Operation, Arc<Limit>)>,
        contract: Option<Arc<Contract>>,
    ) -> Self {
        let function = |operation: &Operation| {
            let contract = contract.as_ref()?;
            let (interface, function) = path::find(contract, operation.written_path())?;
            Some(interface.operation(function))
        };
        let limited = limits.into_iter().map(|(operation, limit)| Limited {
            function: function(&operation),
            operation,
            limit,
        });
        Self {
            limited: limited.collect(),
            contract,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limited.is_empty()
    }

    /// The operations among them that are no function of the contract.
    pub fn no_functions(&self) -> impl Iterator<Item = &Operation> {
        let without = self.limited.iter().filter(|one| one.function.is_none());
        without.map(|one| &one.operation)
    }

    /// Those that a call counts for, always in the same order.
    pub(super) fn counted(&self, call: &Call) -> impl Iterator<Item = &Limited> {
        let asked = (!self.is_empty()).then(|| self.asked(call));
        let limited = self.limited.iter();
        limited.filter(move |one| asked.as_ref().is_some_and(|asked| asked.may_be(one)))
    }

    fn asked<'a>(&self, call: &'a Call) -> Asked<'a> {
        let contract = self.contract.as_ref();
        match &call.payload {
            Payload::Http(request) => {
                let written = request.uri().path();
                let found = contract.and_then(|contract| path::find(contract, written));
                let method = match *request.method() {
                    Method::HEAD => "GET",
                    ref method => method.as_str(),
                };
                Asked {
                    http: Some((method, Reading::of(written))),
                    function: found.map(|(interface, function)| interface.operation(function)),
                }
            }
            Payload::Values(operation, _) => {
                let found = contract.and_then(|contract| contract.operation(operation));
                Asked {
                    http: None,
                    function: found.map(|(interface, function)| interface.operation(function)),
                }
            }
        }
    }
}

/// What a call asks for.
struct Asked<'a> {
    http: Option<(&'a str, Reading<'a>)>,
    function: Option<Arc<str>>,
}

impl Asked<'_> {
    /// Whether it may be this one; what cannot be said counts.
    fn may_be(&self, limited: &Limited) -> bool {
        if self.function.is_some() && self.function == limited.function {
            return true;
        }
        let Operation { method, path, .. } = &limited.operation;
        let http = self.http.as_ref();
        http.is_some_and(|(asked, reading)| **asked == **method && reading.may_mean(path))
    }
}

#[cfg(test)]
mod tests;
