//! The one source of chance: a seed says all that happens. It is the same on every machine and in every release, since it is written here.

use std::cell::Cell;

/// Numbers that a seed makes.
#[derive(Debug)]
pub(crate) struct Dice(Cell<u64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let dice = Self(Cell::new(seed ^ 0x5851_f42d_4c95_7f2d));
        dice.number();
        dice
    }

    /// Other dice, which throw something else from here on.
    pub(crate) fn split(&self) -> Self {
        Self::new(self.number())
    }

    /// Any number (SplitMix64).
    pub(crate) fn number(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        mixed(state)
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// A number from `from` to `to`.
    pub(crate) fn between(&self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// Whether it happens that happens so often in a thousand times.
    pub(crate) fn happens(&self, in_a_thousand: u64) -> bool {
        self.below(1_000) < in_a_thousand
    }

    /// Sixteen bytes.
    pub(crate) fn sixteen(&self) -> [u8; 16] {
        let whole = u128::from(self.number()) << 64 | u128::from(self.number());
        whole.to_be_bytes()
    }
}

/// The same number for the same one, and another for another.
pub(crate) fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
