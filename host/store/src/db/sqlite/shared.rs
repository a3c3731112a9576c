//! What the thread that writes and those that read know of each other.

use super::file::Files;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};

/// Where a reader has its connection, while it has one.
pub(super) type Seat = Mutex<Option<Connection>>;

pub(super) struct Shared {
    /// The files that the writer has opened: readers open no others.
    files: Mutex<Files>,
    seats: Mutex<Vec<Arc<Seat>>>,
}

impl Shared {
    pub(super) fn new(files: Files) -> Self {
        Self {
            files: Mutex::new(files),
            seats: Mutex::default(),
        }
    }

    pub(super) fn files(&self) -> Files {
        *self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn opened(&self, files: Files) {
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
    }

    /// A place for one more reader.
    pub(super) fn seat(&self) -> Arc<Seat> {
        let seat = Arc::default();
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.push(Arc::clone(&seat));
        seat
    }

    /// Closes the connections of all readers, once those that read have done so, and lets none of them open another before this is done.
    pub(super) fn without_readers<T>(&self, alone: impl FnOnce() -> T) -> T {
        let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = Vec::with_capacity(seats.len());
        for seat in seats.iter() {
            let mut seat = seat.lock().unwrap_or_else(PoisonError::into_inner);
            *seat = None;
            held.push(seat);
        }
        alone()
    }
}
