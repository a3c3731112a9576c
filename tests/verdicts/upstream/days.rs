//! The bad days of an upstream, and what must be said of the request that meets each.

use crate::harness::{Does, wire};
use std::time::Duration;

/// One bad day: what it does, the code and the class of the request that met it, and how many tries of it reached the upstream.
pub(super) type Day = (Does, &'static str, &'static str, usize);

/// What it may look like where it is chance how far the bytes get.
const BROKEN: &str = "upstream-fault or upstream-unreachable";

const LATE: Does = Does::Lags {
    least: Duration::from_millis(400),
    jitter: Duration::from_millis(200),
    seed: 7,
};
const SLOW: Duration = Duration::from_secs(5);
pub(super) const CLOSES: &str = "connection: close\r\n";

/// With one try for each.
pub(super) const ONCE: &[Day] = &[
    (Does::Slams, BROKEN, "ambiguous or not-sent", 1),
    (Does::Deafens, "upstream-timeout", "ambiguous", 1),
    (Does::Resets, "upstream-fault", "ambiguous", 1),
    (Does::Breaks, "upstream-fault", "ambiguous", 1),
    (Does::Stalls, "upstream-timeout", "ambiguous", 1),
    (Does::Hangs, "upstream-timeout", "ambiguous", 1),
    (LATE, "upstream-timeout", "ambiguous", 1),
    (Does::Dawdles(SLOW), "upstream-timeout", "ambiguous", 1),
    (Does::Lingers(SLOW), "upstream-timeout", "ambiguous", 1),
    (Does::Floods, "upstream-too-large", "permanent", 1),
    (Does::Babbles(1, 40), "upstream-fault", "ambiguous", 1),
    (Does::Babbles(2, 4_000), "upstream-fault", "ambiguous", 1),
    (Does::Babbles(3, 200_000), "upstream-fault", "ambiguous", 1),
    (Does::Writes(wire::PLAIN), "upstream-fault", "ambiguous", 1),
    (Does::Writes(wire::SHORT), "upstream-fault", "ambiguous", 1),
    (
        Does::Writes(wire::UNENDED),
        "upstream-fault",
        "ambiguous",
        1,
    ),
    (
        Does::Writes(wire::BAD_CHUNK),
        "upstream-fault",
        "ambiguous",
        1,
    ),
    (
        Does::Writes(wire::BAD_STATUS),
        "upstream-fault",
        "ambiguous",
        1,
    ),
    (
        Does::Writes(wire::BAD_VERSION),
        "upstream-fault",
        "ambiguous",
        1,
    ),
    (
        Does::Writes(wire::BAD_HEADER),
        "upstream-fault",
        "ambiguous",
        1,
    ),
    (
        Does::Writes(wire::TWO_LENGTHS),
        "upstream-fault",
        "ambiguous",
        1,
    ),
    (
        Does::Writes(wire::BAD_LENGTH),
        "upstream-fault",
        "ambiguous",
        1,
    ),
    (
        Does::Writes(wire::SWITCHES),
        "upstream-fault",
        "ambiguous",
        1,
    ),
    (
        Does::Writes(wire::HALF_HEAD),
        "upstream-fault",
        "ambiguous",
        1,
    ),
];

/// With three tries for each: what may be sent again is.
pub(super) const AGAIN: &[Day] = &[
    (Does::Slams, BROKEN, "ambiguous or not-sent", 3),
    (Does::Resets, "upstream-fault", "ambiguous", 3),
    (
        Does::Writes(wire::BAD_STATUS),
        "upstream-fault",
        "ambiguous",
        3,
    ),
    // A body that was begun is never taken back.
    (Does::Breaks, "upstream-fault", "ambiguous", 1),
];
