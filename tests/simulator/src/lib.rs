//! A simulator: two hosts, one database on a disk that forgets, clients, an upstream and an operator, and all that can go wrong between them, made
//! of one seed.
//!
//! What is driven are the units of work of the store, with their SQL, on the real SQLite, and the core of the journal: nothing of them is
//! told here a second time. What hosts do between two units is told in short ([`host`]). Disk and time are the simulator's: SQLite asks both of
//! whom it has its files from ([`vfs`]). One thing happens at a time, so that a seed is always the same story ([`world`]). What a unit comes to
//! is compared with what must be true as soon as it is done, and all that is in the database every few turns ([`truth`]).
//!
//! When things have gone wrong for long enough it calms down, and all must come to an end: what is sent is taken or dead, what is asked for
//! once is done once, and nothing is owed.

#![deny(unsafe_code)]

mod clients;
mod consumer;
mod dice;
mod disk;
mod guest;
mod host;
mod look;
mod power;
mod stage;
mod trace;
mod truth;
mod upstream;
mod vfs;
mod world;

pub use truth::Broken;
pub use world::Faults;

use holdfast_store::db::DbError;
use world::World;

/// What one seed came to.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What happened, line by line.
    pub trace: Vec<String>,
    /// The SHA-256 of that.
    pub hash: [u8; 32],
    /// The first invariant that did not hold.
    pub broken: Option<Broken>,
    /// What went wrong, as it was meant to.
    pub faults: Faults,
    /// How many turns it took.
    pub turns: u64,
    /// How many units of work were done.
    pub units: u64,
    /// How often the disk was synced.
    pub syncs: u64,
    /// How much time passed in it, in milliseconds.
    pub millis: u64,
}

/// Plays a seed from its beginning to its end.
///
/// # Errors
/// There can be no simulation: no thread, or no folder for it.
pub fn play(seed: u64) -> Result<Report, DbError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| DbError::Failing(error.to_string()))?;
    runtime.block_on(async { Ok(World::new(seed).await?.goes(seed).await) })
}
