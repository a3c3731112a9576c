//! The envelope of a compiled component: opened under its key and as it was sealed, else not at all.

use holdfast_wasm::cache::{Unsealed, open, seal};

const KEY: &str = "ab12";

/// Opens the bytes, then seals and damages them.
pub(crate) fn check(bytes: &[u8]) {
    // Nobody who does not know a digest's preimage writes an envelope that opens; whoever does has sealed it.
    if let Ok(inside) = open(KEY, bytes) {
        assert_eq!(seal(KEY, inside), bytes);
    }
    let sealed = seal(KEY, bytes);
    assert_eq!(open(KEY, &sealed), Ok(bytes));
    assert_eq!(open("ab13", &sealed), Err(Unsealed::Damaged));
    let at = bytes
        .iter()
        .fold(0, |sum: usize, byte| sum * 31 % 65_521 + usize::from(*byte));
    let mut damaged = sealed.clone();
    let at = at % damaged.len();
    damaged[at] ^= 1 << (bytes.len() % 8);
    assert!(open(KEY, &damaged).is_err(), "byte {at}");
    assert!(open(KEY, &sealed[..at]).is_err(), "cut at {at}");
}
