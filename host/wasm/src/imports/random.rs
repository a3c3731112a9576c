//! `wasi:random` of a durable execution: numbers that are made of the seed of its journal, and are the same each time it is run, for ever.
//!
//! The bytes of a stream are the blocks SHA-256(name of the stream ‖ seed ‖ number of the block), one after the other. That is a promise to
//! executions which outlast a version of the host: neither a generator nor a library that may change its mind stands behind it.

use rand::TryRng;
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;

/// The streams, by their names. All are of one length, so that no name begins another.
const SECURE: &[u8; 16] = b"holdfast/secure1";
const INSECURE: &[u8; 16] = b"holdfast/insecu1";
const INSECURE_SEED: &[u8; 16] = b"holdfast/inseed1";

/// One stream of random bytes.
pub(crate) struct Stream {
    name: &'static [u8; 16],
    seed: [u8; 32],
    /// The number of the next block.
    next: u64,
    block: [u8; 32],
    /// How many bytes of the block were given.
    given: usize,
}

impl Stream {
    /// What `wasi:random/random` gives.
    pub(crate) fn secure(seed: [u8; 32]) -> Self {
        Self::new(SECURE, seed)
    }

    /// What `wasi:random/insecure` gives.
    pub(crate) fn insecure(seed: [u8; 32]) -> Self {
        Self::new(INSECURE, seed)
    }

    fn new(name: &'static [u8; 16], seed: [u8; 32]) -> Self {
        Self {
            name,
            seed,
            next: 0,
            block: [0; 32],
            given: 32,
        }
    }

    fn byte(&mut self) -> u8 {
        if self.given == self.block.len() {
            let mut hash = Sha256::new();
            hash.update(self.name);
            hash.update(self.seed);
            hash.update(self.next.to_be_bytes());
            self.block = hash.finalize().into();
            self.next += 1;
            self.given = 0;
        }
        let byte = self.block.get(self.given).copied().unwrap_or_default();
        self.given += 1;
        byte
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }
}

/// What `wasi:random/insecure-seed` gives.
pub(crate) fn insecure_seed(seed: [u8; 32]) -> u128 {
    u128::from_be_bytes(Stream::new(INSECURE_SEED, seed).bytes())
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.byte());
        Ok(())
    }
}
