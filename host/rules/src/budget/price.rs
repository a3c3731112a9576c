//! What a try costs: the most that it can come to, before it is made, and what it came to.

use holdfast_call::{NanoUsd, PicoUsd};
use std::time::Duration;

/// The prices of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceList {
    /// For each try.
    pub request: NanoUsd,
    /// For what the answer says was used.
    pub units: Vec<Unit>,
    /// Which list it is, as the operator calls it.
    pub version: String,
}

/// Something that is used, and paid for by the piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// What it is, in the settings.
    pub name: String,
    /// What one costs.
    pub rate: PicoUsd,
    /// Where the answer says how many were used.
    pub said: Said,
    /// So many are used at most, and reserved.
    pub most: u64,
}

/// Where an answer says how many of a unit were used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// In a field of its head.
    Header(http::HeaderName),
    /// In its body, which is JSON: there.
    Pointer(String),
}

impl PriceList {
    /// The most that a try can come to.
    #[must_use]
    pub fn worst(&self) -> NanoUsd {
        self.sum(self.units.iter().map(|unit| unit.most))
    }

    /// What a try came to that used so many of each unit, in their order.
    #[must_use]
    pub fn sum(&self, used: impl Iterator<Item = u64>) -> NanoUsd {
        let units = self.units.iter().zip(used);
        let picos = units.map(|(unit, used)| unit.rate.of(used));
        // Rounded once: each would cost up to a nano-USD more than is billed.
        let units = picos.fold(0, u128::saturating_add);
        self.request.plus(NanoUsd::of_picos(units))
    }
}

/// What services cost that use the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPrice {
    /// For each second of CPU time.
    pub cpu_second: NanoUsd,
    /// For each GiB that is answered to the outside.
    pub gib_out: NanoUsd,
    /// The CPU time that a call has at most.
    pub cpu_max: Duration,
    /// The bytes that it answers at most.
    pub bytes_max: u64,
    /// Which list it is, as the operator calls it.
    pub version: String,
}

const GIB: u128 = 1 << 30;
const SECOND: u128 = 1_000_000_000;

impl HostPrice {
    /// The most that a call can come to; what services answer each other does not leave the host.
    #[must_use]
    pub fn worst(&self, nested: bool) -> NanoUsd {
        let bytes = if nested { 0 } else { self.bytes_max };
        self.sum(self.cpu_max, bytes)
    }

    /// What a call came to that used so much.
    #[must_use]
    pub fn sum(&self, cpu: Duration, bytes: u64) -> NanoUsd {
        part(self.cpu_second, cpu.as_nanos(), SECOND).plus(part(
            self.gib_out,
            u128::from(bytes),
            GIB,
        ))
    }
}

/// What `amount` of what costs `price` for each `whole` comes to, rounded up.
fn part(price: NanoUsd, amount: u128, whole: u128) -> NanoUsd {
    let nanos = u128::from(price.0).saturating_mul(amount).div_ceil(whole);
    NanoUsd(u64::try_from(nanos).unwrap_or(u64::MAX)).min(NanoUsd::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(rate: u64, most: u64) -> Unit {
        Unit {
            name: "tokens".to_owned(),
            rate: PicoUsd(rate),
            said: Said::Pointer("/usage/total".to_owned()),
            most,
        }
    }

    #[test]
    fn a_sum_is_rounded_up_once() {
        let list = PriceList {
            request: NanoUsd(5),
            units: vec![unit(1, 400), unit(1_500, 3)],
            version: String::new(),
        };
        // 400 + 4,500 pico-USD are 4.9 nano-USD.
        assert_eq!(list.worst(), NanoUsd(10));
        assert_eq!(list.sum([0, 0].into_iter()), NanoUsd(5));
        assert_eq!(list.sum([1, 0].into_iter()), NanoUsd(6));
        assert_eq!(PriceList::default().worst(), NanoUsd(0));
    }

    #[test]
    fn what_a_service_uses_of_the_host_costs_by_the_second_and_by_the_byte() {
        let price = HostPrice {
            cpu_second: NanoUsd(1_000_000),
            gib_out: NanoUsd(90_000_000),
            cpu_max: Duration::from_secs(2),
            bytes_max: 1 << 29,
            version: String::new(),
        };
        assert_eq!(price.worst(false), NanoUsd(2_000_000 + 45_000_000));
        assert_eq!(price.worst(true), NanoUsd(2_000_000));
        assert_eq!(price.sum(Duration::from_nanos(1), 1), NanoUsd(2));
        assert_eq!(price.sum(Duration::ZERO, 0), NanoUsd(0));
    }

    proptest! {
        #[test]
        fn nothing_that_stays_within_its_most_comes_to_more_than_the_worst_case(
            request in 0..u64::MAX,
            rates in prop::collection::vec((any::<u64>(), any::<u64>(), 0..=100u64), 0..4),
        ) {
            let list = PriceList {
                request: NanoUsd(request).min(NanoUsd::MAX),
                units: rates.iter().map(|(rate, most, _)| unit(*rate, *most)).collect(),
                version: String::new(),
            };
            let used = rates.iter().map(|(_, most, part)| most / 100 * part);
            prop_assert!(list.sum(used) <= list.worst());
        }
    }
}
