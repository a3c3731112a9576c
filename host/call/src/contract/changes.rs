//! What differs between the contracts of two versions of a service, function by function.

use super::{Contract, Function, Interface};
use std::fmt;
use std::sync::Arc;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The new version exports it, and the old one does not.
    Added(Arc<str>, Function),
    /// The old version exports it, and the new one does not.
    Removed(Arc<str>, Function),
    /// Both do, in these shapes.
    Retyped(Arc<str>, Function, Function),
}

impl Change {
    /// Whether somebody who calls the old version would find something else in the new one.
    #[must_use]
    pub fn breaks(&self) -> bool {
        match self {
            Self::Added(..) => false,
            Self::Removed(..) | Self::Retyped(..) => true,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(id, function) => write!(f, "new in `{id}`: `{function}`"),
            Self::Removed(id, function) => write!(f, "gone from `{id}`: `{function}`"),
            Self::Retyped(id, was, is) => write!(f, "changed in `{id}`: `{was}` is now `{is}`"),
        }
    }
}

/// What of `before` is not the same in `after`, and what is new there. An interface is met by another version of its line.
#[must_use]
pub fn changes(before: &Contract, after: &Contract) -> Vec<Change> {
    let mut changes = Vec::new();
    for interface in &before.exports {
        let met = met(after, interface);
        for was in &interface.functions {
            let id = interface.id.clone();
            match met.and_then(|met| met.function(&was.name)) {
                Some(is) if is == was => {}
                Some(is) => changes.push(Change::Retyped(id, was.clone(), is.clone())),
                None => changes.push(Change::Removed(id, was.clone())),
            }
        }
    }
    for interface in &after.exports {
        let met = met(before, interface);
        for is in &interface.functions {
            if met.is_none_or(|met| met.function(&is.name).is_none()) {
                changes.push(Change::Added(interface.id.clone(), is.clone()));
            }
        }
    }
    changes
}

fn met<'a>(contract: &'a Contract, interface: &Interface) -> Option<&'a Interface> {
    let exact = contract
        .exports
        .iter()
        .find(|known| known.id == interface.id);
    exact.or_else(|| contract.meeting(&interface.id).next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Docs, Mode, Type};

    fn function(name: &str, result: Option<Type>) -> Function {
        Function {
            name: name.into(),
            docs: Docs::default(),
            params: Vec::new(),
            result,
            mode: Mode::Sync,
        }
    }

    fn contract(id: &str, functions: Vec<Function>) -> Contract {
        let interface = Interface {
            id: id.into(),
            docs: Docs::default(),
            functions,
        };
        Contract {
            exports: vec![interface],
            ..Contract::default()
        }
    }

    #[test]
    fn each_function_is_kept_changed_gone_or_new() {
        let before = contract(
            "a:b/c@1.0.0",
            vec![
                function("same", None),
                function("retyped", Some(Type::U8)),
                function("gone", None),
            ],
        );
        let after = contract(
            "a:b/c@1.1.0",
            vec![
                function("same", None),
                function("retyped", Some(Type::U16)),
                function("new", None),
            ],
        );
        let told: Vec<_> = changes(&before, &after)
            .iter()
            .map(Change::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "changed in `a:b/c@1.0.0`: `retyped: func() -> u8` is now `retyped: func() -> u16`",
                "gone from `a:b/c@1.0.0`: `gone: func()`",
                "new in `a:b/c@1.1.0`: `new: func()`",
            ]
        );
        let breaking = changes(&before, &after)
            .iter()
            .filter(|change| change.breaks())
            .count();
        assert_eq!(breaking, 2);
        assert_eq!(changes(&before, &before), []);
        // Another line meets nothing of the old one.
        let other = contract("a:b/c@2.0.0", before.exports[0].functions.clone());
        let all = changes(&before, &other);
        assert_eq!(all.iter().filter(|change| change.breaks()).count(), 3);
        assert_eq!(all.len(), 6);
    }
}
