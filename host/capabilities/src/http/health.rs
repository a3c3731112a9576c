//! Addresses that did not connect a moment ago: they are tried last for a while, so that a dead one costs a call its share of the time once
//! and not each time. None is left out: where all have failed, all are tried.

use holdfast_call::Moment;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an address is tried last. It is found again by those calls for which the others fail, or after this.
const LAST_SPAN: Duration = Duration::from_secs(10);
/// The most addresses that are remembered; where there are more, nobody gains by an order.
const ADDRESSES_MAX: usize = 1024;

/// Until when each address is tried last.
#[derive(Default)]
pub(super) struct Health(Mutex<HashMap<SocketAddr, Moment>>);

impl Health {
    /// Puts those last that failed a moment ago; among the others, and among them, the order stays.
    pub(super) fn order(&self, addresses: &mut [SocketAddr], now: Moment) {
        let failed = self.lock();
        addresses.sort_by_key(|address| failed.get(address).is_some_and(|until| now < *until));
    }

    /// `address` did not connect.
    pub(super) fn failed(&self, address: SocketAddr, now: Moment) {
        let mut failed = self.lock();
        failed.retain(|_, until| now < *until);
        if failed.len() < ADDRESSES_MAX {
            failed.insert(address, now.after(LAST_SPAN));
        }
    }

    /// `address` connects again.
    pub(super) fn connected(&self, address: SocketAddr) {
        self.lock().remove(&address);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Moment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(hosts: &[u8]) -> Vec<SocketAddr> {
        let address = |host: &u8| SocketAddr::from(([10, 0, 0, *host], 80));
        hosts.iter().map(address).collect()
    }

    fn order(health: &Health, now: Moment) -> Vec<SocketAddr> {
        let mut order = addresses(&[1, 2, 3]);
        health.order(&mut order, now);
        order
    }

    #[test]
    fn an_address_that_failed_is_tried_last_for_a_while() {
        let health = Health::default();
        let first = addresses(&[1])[0];
        health.failed(first, Moment::START);
        assert_eq!(order(&health, Moment::START), addresses(&[2, 3, 1]));
        let later = Moment::START.after(LAST_SPAN);
        assert_eq!(order(&health, later), addresses(&[1, 2, 3]));
    }

    #[test]
    fn an_address_that_connects_again_takes_its_place_again() {
        let health = Health::default();
        let first = addresses(&[1])[0];
        health.failed(first, Moment::START);
        health.connected(first);
        assert_eq!(order(&health, Moment::START), addresses(&[1, 2, 3]));
    }

    #[test]
    fn where_all_failed_the_order_is_the_resolvers() {
        let health = Health::default();
        for address in addresses(&[3, 1, 2]) {
            health.failed(address, Moment::START);
        }
        assert_eq!(order(&health, Moment::START), addresses(&[1, 2, 3]));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let health = Health::default();
        for port in 1..3 * ADDRESSES_MAX {
            let port = u16::try_from(port).unwrap();
            health.failed(SocketAddr::from(([10, 0, 0, 1], port)), Moment::START);
        }
        assert_eq!(health.lock().len(), ADDRESSES_MAX);
    }
}
