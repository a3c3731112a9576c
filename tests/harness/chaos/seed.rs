//! Chance that can be had again: numbers made of a seed and a place.

/// The number at `place` of the series that begins with `seed`.
pub(crate) fn number(seed: u64, place: u64) -> u64 {
    // The mixing step of splitmix64: every bit of both moves every bit of what comes out.
    let mut x = seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The first `count` bytes of that series.
pub(super) fn bytes(seed: u64, count: usize) -> Vec<u8> {
    (0..)
        .flat_map(|place| number(seed, place).to_le_bytes())
        .take(count)
        .collect()
}
