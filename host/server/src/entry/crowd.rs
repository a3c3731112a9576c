//! How many connections each address holds: one client with one address must not hold them all.
//!
//! An address of IPv6 is counted with its whole /64, which is what one customer is given.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The addresses that hold connections now.
pub struct Crowd {
    held: Mutex<HashMap<IpAddr, u32>>,
    most: u32,
}

/// Whether an address may have one more.
pub enum Entered {
    /// It may, until this is dropped.
    Seat(Seat),
    /// It holds as many as it may.
    Full,
}

/// One connection of an address.
pub struct Seat {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    /// At most `most` for each address.
    #[must_use]
    pub fn new(most: u32) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::default(),
            most,
        })
    }

    /// One more connection from `address`.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Entered {
        let address = counted(address);
        let mut held = self.held();
        let count = held.entry(address).or_insert(0);
        if *count >= self.most {
            return Entered::Full;
        }
        *count += 1;
        Entered::Seat(Seat {
            crowd: self.clone(),
            address,
        })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.crowd.held().entry(self.address) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}
