//! Whom hosts ask: somebody outside, who remembers every effect. One that has a name is had once, however often it is asked for.

use crate::dice::mixed;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What was had of it.
#[derive(Debug, Default)]
pub(crate) struct Upstream {
    /// By their names: how often they were asked for, and for what.
    keyed: RefCell<BTreeMap<[u8; 16], (u64, String)>>,
    /// What took effect, by what it is for.
    effects: RefCell<BTreeMap<String, u64>>,
}

impl Upstream {
    /// Something is asked for. What it is for has the same result whenever it is asked; how often it has taken effect by now.
    pub(crate) fn asked(&self, name: Option<[u8; 16]>, what: &str) -> (Vec<u8>, u64, Asked) {
        let known = name.map(|name| {
            let mut keyed = self.keyed.borrow_mut();
            let (times, first) = keyed.entry(name).or_insert((0, what.to_owned()));
            *times += 1;
            (*times > 1, first == what)
        });
        let asked = match known {
            Some((_, false)) => Asked::SomethingElse,
            Some((true, true)) => Asked::Again,
            Some((false, true)) | None => Asked::First,
        };
        let mut effects = self.effects.borrow_mut();
        let effect = effects.entry(what.to_owned()).or_default();
        if asked != Asked::Again {
            *effect += 1;
        }
        (result(what), *effect, asked)
    }
}

/// Whether a name was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    First,
    Again,
    /// The name was used for something else.
    SomethingElse,
}

/// What is answered.
pub(crate) fn result(what: &str) -> Vec<u8> {
    mixed(hash(what.as_bytes())).to_be_bytes().to_vec()
}

/// A short hash (FNV-1a): what it is used for has no enemy.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
