//! What targets share and keep over versions and policies: places of their own, the room of their pool, and how many calls have come.

use holdfast_call::{Clock, Target};
use holdfast_rules::admit::{Each, Limits, Places, Room};
use holdfast_rules::attempt::rate::Rate;
use holdfast_rules::breaker::Breakers;
use holdfast_rules::rate::limit::Limits as Rates;
use holdfast_rules::retry::Histories;
use holdfast_wasm::engine::{EngineKind, Engines};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of an upstream from the tries it was asked by.
#[derive(Clone, Default)]
pub(super) struct Way {
    /// What each service has seen of it.
    pub(super) histories: Arc<Histories>,
    /// How often it was tried lately.
    pub(super) rate: Arc<Rate>,
    /// For whom it is left alone.
    pub(super) breakers: Arc<Breakers>,
}

/// Places, rooms and what is known of upstreams, each made once.
pub(super) struct Sharing {
    clock: Arc<dyn Clock>,
    places: Mutex<HashMap<Target, Arc<Places>>>,
    each: Mutex<HashMap<Target, Arc<Each>>>,
    ways: Mutex<HashMap<Target, Way>>,
    rooms: Mutex<HashMap<EngineKind, Arc<Room>>>,
    rates: Rates,
}

impl Sharing {
    /// Nothing yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            places: Mutex::default(),
            each: Mutex::default(),
            ways: Mutex::default(),
            rooms: Mutex::default(),
            rates: Rates::default(),
        }
    }

    /// The places of an upstream that each of several services may have.
    pub(super) fn each(&self, target: &Target, places: u32) -> Arc<Each> {
        let mut each = lock(&self.each);
        if let Some(known) = each.get(target) {
            known.set(places);
            return known.clone();
        }
        let new = Each::new(places, self.clock.clone());
        each.insert(target.clone(), new.clone());
        new
    }

    /// The places of a target. A swap must not double them, so they are only changed.
    pub(super) fn places(&self, target: &Target, limits: Limits) -> Arc<Places> {
        let mut places = lock(&self.places);
        if let Some(known) = places.get(target) {
            known.set(limits);
            return known.clone();
        }
        let new = Places::new(limits, self.clock.clone());
        places.insert(target.clone(), new.clone());
        new
    }

    /// What is known of an upstream. A policy that comes into force changes nothing of it.
    pub(super) fn way(&self, target: &Target) -> Way {
        lock(&self.ways).entry(target.clone()).or_default().clone()
    }

    /// A target that was removed gives its places back: one that comes under its name later begins anew.
    pub(super) fn forget(&self, target: &Target) {
        lock(&self.places).remove(target);
        lock(&self.each).remove(target);
        lock(&self.ways).remove(target);
    }

    /// How many calls may come, and have.
    pub(super) fn rates(&self) -> &Rates {
        &self.rates
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
