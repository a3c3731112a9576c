//! What targets share and keep over versions and policies: places of their own, and the room of their pool.

use holdfast_call::Target;
use holdfast_rules::admit::{Limits, Places, Room};
use holdfast_wasm::engine::{EngineKind, Engines};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places and rooms, each made once.
#[derive(Default)]
pub(super) struct Sharing {
    places: Mutex<HashMap<Target, Arc<Places>>>,
    rooms: Mutex<HashMap<EngineKind, Arc<Room>>>,
}

impl Sharing {
    /// The places of a target. A swap must not double them, so they are only changed.
    pub(super) fn places(&self, target: &Target, limits: Limits) -> Arc<Places> {
        let mut places = lock(&self.places);
        if let Some(known) = places.get(target) {
            known.set(limits);
            return known.clone();
        }
        let new = Places::new(limits);
        places.insert(target.clone(), new.clone());
        new
    }

    /// A service that was removed gives its places back: one that comes under its name later begins anew.
    pub(super) fn forget(&self, target: &Target) {
        lock(&self.places).remove(target);
    }

    /// The room of an engine that was made: as many slots as its pool really has.
    pub(super) fn room(&self, engines: &Engines, kind: EngineKind) -> Option<Arc<Room>> {
        let slots = engines.pool_use(kind)?.slots;
        let mut rooms = lock(&self.rooms);
        let room = rooms.entry(kind).or_insert_with(|| Room::new(slots));
        Some(room.clone())
    }
}

// Every change is one insertion or removal: a panic elsewhere does not leave it half done.
fn lock<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
